"""`discover`: what any OPC UA server offers, how far that carries, and what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

from connectors.errors import ParkPulseError, ServerRefused, ServerUnreachable
from connectors.fleet import ServerEntry, check_security, is_endpoint
from connectors.opcua import catalogue
from connectors.opcua.browse import Variable, discover
from connectors.opcua.decode import MalformedError
from connectors.opcua.failures import reason, status_name
from connectors.opcua.observe import Value, watch
from connectors.opcua.proposal import described, proposed
from connectors.opcua.security import Access
from connectors.opcua.session import Session
from connectors.opcua.specs import SPECS, UNDERSTOOD
from connectors.tag_file import read_tags, write_tags
from pipelines import conformance, schemas
from pipelines.equipment import UNIT
from pipelines.tag_history import MEANING, changes, overlaid

TIMEOUT_S: Final = 10.0
OBSERVE_S: Final = 10.0
NO_FACTORY: Final = "?"
"""Where the server does not name its factory; the fleet file will."""
OEE_NEEDS: Final = {
    "state": ("item_state", "packml_state"),
    "total": ("parts_total", "parts_good"),
}
"""Without one of each a machine has no OEE; the run time per item may come from cycles.csv."""
_TODO: Final = ("line_id", "work_unit_id", "level", "subject", "unlocks", "todo_zh", "todo_en")
SHOWN_KINDS: Final = ("state", "counter", "context", "energy", "process")


@dataclass(frozen=True, slots=True)
class Discovery:
    """What was found on one server; `seen` are the values of a short observation."""

    url: str
    server_uri: str
    product: str
    namespaces: list[str]
    variables: list[Variable]
    tags: pl.DataFrame
    refused: dict[str, int]
    seen: dict[str, list[Value]] = field(default_factory=dict)


def session_of(entry: ServerEntry, home: Path) -> Session:
    """An unopened session, as a fleet file would name the server; `home` has our trust list."""
    check_security(Path("--security"), entry.url, entry.security)
    return Session(entry.url, access=Access.of(entry, home), timeout_s=TIMEOUT_S)


async def look(entry: ServerEntry, home: Path, *, observe_s: float = 0.0) -> Discovery:
    """Browse a server in batches, and watch its values for `observe_s`.

    ServerUnreachable where it does not answer.
    """
    if not is_endpoint(entry.url):
        remedy = "write it like opc.tcp://192.168.1.10:4840"
        raise ParkPulseError(entry.url, "it is no OPC UA endpoint", remedy)
    session = session_of(entry, home)
    try:
        await session.open()
    except ServerRefused:
        raise
    except ServerUnreachable as error:
        remedy = error.remedy if "`user`" in error.remedy else "start the server or correct the url"
        remedy = remedy.replace("of this server in the fleet file", "(--user, --password-env)")
        raise ServerUnreachable(entry.url, error.why, remedy.replace("`", "")) from error
    try:
        refused: dict[str, int] = {}
        variables, _ = await discover(session, refused=refused)
        tags = catalogue.tags(
            variables, server_uri=session.server_uri, site_id=NO_FACTORY, is_park=False
        )
        seen = await watch(session, variables, observe_s) if observe_s else {}
        return Discovery(
            entry.url, session.server_uri, await _product(session), session.namespaces,
            variables, tags, refused, seen,
        )  # fmt: skip
    except (OSError, TimeoutError, UaError, MalformedError) as error:
        remedy = "check the server, then discover it again"
        raise ServerUnreachable(entry.url, reason(error), remedy) from error
    finally:
        await session.close()


async def _product(session: Session) -> str:
    """Maker's name and version of the server software; blank where it does not tell."""
    info = (
        ObjectIds.Server_ServerStatus_BuildInfo_ProductName,
        ObjectIds.Server_ServerStatus_BuildInfo_SoftwareVersion,
    )
    read = await session.read([(ua.NodeId(ua.Int32(i)), AttributeIds.Value) for i in info])
    return " ".join(str(one.value) for one in read if one.value)


def read_given(found: Discovery, path: Path) -> pl.DataFrame:
    """A tag file's rows for this server as TAGS."""
    rows = read_tags(path, None).with_columns(pl.col("factory_id").fill_null(NO_FACTORY))
    given, _ = catalogue.given(
        rows, found.tags, found.variables, server_uri=found.server_uri, url=found.url
    )
    return given


def differences(found: Discovery, given: pl.DataFrame) -> pl.DataFrame:
    """`pipelines.tag_history.changes` from a tag file to the server as it is now.

    Whoever wrote the file knows better what a node means than we, unless a companion specification
    says it; units and types are compared where both tell.
    """
    listed = _listed(found)
    named = given.select("node_id", was="measure", was_kind="measure_kind").unique("node_id")
    both = listed.join(named, on="node_id", how="left", maintain_order="left")
    silent = (pl.col("measure_kind") == "other") & pl.col("was").is_not_null()
    now = both.with_columns(
        measure=pl.when(silent).then("was").otherwise("measure"),
        measure_kind=pl.when(silent).then("was_kind").otherwise("measure_kind"),
    )
    beside = [name for name in MEANING if name not in ("measure", "measure_kind")]
    blank = [pl.lit(None, schemas.TAGS[name]).alias(name) for name in beside]
    return changes(given.with_columns(blank), now.select(given.columns).with_columns(blank))


def _listed(found: Discovery) -> pl.DataFrame:
    """The tags without the properties of other nodes."""
    return found.tags.filter(pl.Series(described(found.variables, found.tags), dtype=pl.Boolean))


def report(found: Discovery, given: pl.DataFrame | None = None) -> dict[str, Any]:
    """The findings as JSON; with `given` (TAGS) as its nodes mean by a person's word."""
    tags = found.tags if given is None else overlaid(found.tags, given)
    no_cycles = pl.DataFrame(schema=schemas.CYCLES)
    assessed = conformance.assessed(tags, no_cycles)
    machines = [_machine(row, tags) for row in assessed.iter_rows(named=True)]
    listed = _listed(found)
    ids = set(listed["node_id"])
    worth = [variable for variable in found.variables if variable.text in ids]
    named = tags.filter(pl.col("measure_kind") != "other")["node_id"]
    unnamed = listed.filter(~pl.col("node_id").is_in(named.to_list()))["node_id"].to_list()
    return {
        "endpoint": found.url,
        "server_uri": found.server_uri,
        "product": found.product,
        "namespaces": [_namespace(uri) for uri in found.namespaces],
        "variables": len(listed),
        "readable": sum(variable.readable for variable in worth),
        "historized": sum(variable.historized for variable in worth),
        "level": min((machine["level"] for machine in machines), default=0),
        "missing": [] if machines else list(_first_needs()),
        "machines": machines,
        "todo": conformance.todo(tags, no_cycles).select(*_TODO).to_dicts(),
        "without_meaning": unnamed,
        "not_browsable": {node: status_name(code) for node, code in found.refused.items()},
    }


def _first_needs() -> list[str]:
    return ["|".join(measures) for measures in conformance.NEEDS[1].values()]


def _namespace(uri: str) -> dict[str, Any]:
    spec = SPECS.get(uri)
    return {"uri": uri, "spec": spec, "understood": uri in UNDERSTOOD}


def _machine(row: Mapping[str, Any], tags: pl.DataFrame) -> dict[str, Any]:
    same = [pl.col(name).eq_missing(pl.lit(row[name], pl.String())) for name in UNIT]
    own = tags.filter(*same, pl.col("valid_to").is_null())
    measures = {
        kind: own.filter(measure_kind=kind)["measure"].unique(maintain_order=True).to_list()
        for kind in SHOWN_KINDS
    }
    every = set(own["measure"])
    lacking = ["|".join(some) for some in OEE_NEEDS.values() if not every & set(some)]
    return {
        **{name: row[name] for name in UNIT},
        "machine_type": own["machine_type"].drop_nulls().first(),
        "level": row["level"],
        "missing": row["missing"],
        "measures": measures,
        "oee_lacks": lacking,
    }


def refuse_existing(path: Path) -> None:
    """ParkPulseError where the file is there: it may hold an hour of somebody's work."""
    if path.exists():
        remedy = "give another name, or compare with --against"
        raise ParkPulseError(path, "it is there already and may hold your work", remedy)


def write_proposal(found: Discovery, path: Path) -> list[dict[str, Any]]:
    """Write a tag file to complete; gives its rows."""
    refuse_existing(path)
    rows = proposed(found.variables, found.tags, found.seen)
    write_tags(path, rows)
    return rows
