"""The park register and its evidence as park gateways say it, in the tables of `park_schemas`.

A value that is not Good is skipped; of several of one local day the newest counts. A field that
changes begins a new version on the local day of its source time. `source` is the gateway's
`server_uri`. Fields are read like those of files (`register_cells`): what cannot be read is null
and told, never guessed.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import polars as pl

from pipelines.gateway_values import Frame, named
from pipelines.gateway_versions import THING, changes, wide
from pipelines.park_schemas import FACT_KEY, REGISTER, VERSION_KEY
from pipelines.register import EVIDENCE, evidence
from pipelines.register_cells import FIRST_FACT, cells
from pipelines.register_fields import Field
from pipelines.register_reasons import FOUND, told
from pipelines.register_tables import FIELDS

MEASURES: Final[dict[str, dict[str, str]]] = {
    "enterprises": {},
    "declarations": {"level": "declared_level"},
    "terminals": {"uscc": "enterprise_uscc", "platform": "platforms"},
}
"""By table, the columns whose measure at a gateway has another name than the column."""

_ENTERPRISE: Final = ("uscc",)
_TERMINAL: Final = ("activated_on", "kind", "enterprise_uscc")
"""A thing that ever says one of these is such a thing."""


class Said(NamedTuple):
    """What gateways say: tables by name, and `doubts` (REJECTIONS; `sheet` names the thing)."""

    tables: dict[str, pl.DataFrame]
    doubts: pl.DataFrame


def said_by_gateways(values: Frame, tags: Frame) -> Said:
    """Enterprises, sites, declarations, provider_use, terminals, terminal_days, operating_days.

    `values` is `schemas.RAW`, `tags` is `schemas.TAGS`. A code with a wrong check character or a
    text that is no date is told in `doubts`; the row is here all the same. A fact of a day before
    `FIRST_FACT` is told and not taken: the gateway's clock was not set.
    """
    rows = wide(values, tags)
    firms = _with(_of_kind(rows, _ENTERPRISE, ()), ["uscc", "park_id"])
    firms = firms.with_columns(uscc=pl.coalesce("uscc", "entity_id"))
    things = _with(_of_kind(rows, _TERMINAL, _ENTERPRISE), ["platforms", "park_id"]).with_columns(
        terminal_id="entity_id", park_id=pl.coalesce("park_id", "gateway_park")
    )
    read = {
        "enterprises": _read("enterprises", firms),
        "declarations": _read("declarations", _saying(firms, "declared_cloud")),
        "terminals": _read("terminals", things.with_columns(platforms=_platforms(things))),
        "provider_use": _uses(_saying(firms, "provider_last_use")),
    }
    found = evidence(values, tags)
    is_early = bool((found["day"] < FIRST_FACT).any())
    early = [_early(values, tags)] if is_early else []
    tables = {
        **{name: table for name, (table, _) in read.items()},
        "sites": _sites(firms),
        **_days(found.filter(pl.col("day") >= FIRST_FACT), firms),
    }
    faults = [*(faults for _, faults in read.values()), *early]
    doubts = pl.concat(faults).unique(maintain_order=True)
    return Said({name: _typed(name, table) for name, table in tables.items()}, told(doubts))


def _of_kind(rows: pl.DataFrame, any_of: Sequence[str], none_of: Sequence[str]) -> pl.DataFrame:
    """The things that ever say one of some measures and none of others."""

    def says(names: Sequence[str]) -> pl.Expr:
        known = [pl.col(f"says_{name}") for name in names if f"says_{name}" in rows.columns]
        return pl.any_horizontal(*known) if known else pl.lit(value=False)

    return rows.filter(says(any_of) & ~says(none_of))


def _with(rows: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """The rows with every column that is asked for, null where no gateway has it."""
    lacking = [name for name in names if name not in rows.columns]
    return rows.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in lacking)


def _saying(rows: pl.DataFrame, measure: str) -> pl.DataFrame:
    """The rows of things that ever say a measure."""
    says = f"says_{measure}"
    return rows.filter(says) if says in rows.columns else rows.clear()


def _read(table: str, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The versions of a table, and what of it cannot be read or be right."""
    fields = [one for one in FIELDS[table] if one.name not in ("valid_from", "valid_to")]
    columns = {one.name: MEASURES[table].get(one.name, one.name) for one in fields}
    asked = _with(rows, list(columns.values()))
    cell = {one.name: _cell(one, asked, columns[one.name]) for one in fields}
    typed = asked.select(*THING, "valid_from").hstack([frame[n] for n, frame in cell.items()])
    key = VERSION_KEY[table]
    content = [name for name in columns if name not in key]
    return changes(typed, key, content), pl.concat([_faults(frame) for frame in cell.values()])


def _cell(field: Field, rows: pl.DataFrame, measure: str) -> pl.DataFrame:
    """One field of every row as `cells` reads it, beside what the gateway says."""
    read = cells(replace(field, is_required=False), rows[measure])
    said = rows.select(file="server_uri", sheet="entity_id", value=measure)
    return read.hstack(said).with_columns(column=pl.lit(field.name))


def _faults(read: pl.DataFrame) -> pl.DataFrame:
    wrong = read.filter(pl.col("reason").is_not_null())
    return wrong.select("file", *(
        pl.lit(None, dtype=pl.Int64).alias(name) if name == "line" else pl.col(name)
        for name in FOUND
    ))  # fmt: skip


def _platforms(things: pl.DataFrame) -> pl.Series:
    """The platforms that list a terminal, sorted and joined by +; most listings have one."""
    told_of = things["platforms"].drop_nulls().unique().to_list()
    names = {text: "+".join(sorted(set(_listed(text)))) or None for text in told_of}
    return things["platforms"].replace_strict(names, default=None, return_dtype=pl.String)


def _listed(text: str) -> list[str]:
    """The names of a JSON list, or of a text with commas."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    parts = found if isinstance(found, list) else re.split("[,;，；、+]", text)
    return [name for part in parts if (name := str(part).strip())]


def _uses(firms: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """A row of use for every day that was ever said to be an enterprise's last use."""
    asked = _with(firms, ["provider_last_use"])
    read = _cell(Field("day", "day", "使用日期"), asked, "provider_last_use")
    used = asked.select("server_uri", "uscc").hstack([read["day"]]).drop_nulls("day")
    first = used.sort("server_uri").unique(["uscc", "day"], keep="first", maintain_order=True)
    return first, _faults(read)


def _early(values: Frame, tags: Frame) -> pl.DataFrame:
    """Days of evidence before `FIRST_FACT`, by gateway and thing."""
    return (
        named(values, tags, "evidence", None)
        .filter(pl.col("measure").is_in(EVIDENCE), pl.col("day") < FIRST_FACT)
        .select(
            file="server_uri",
            sheet="entity_id",
            line=pl.lit(None, dtype=pl.Int64),
            column=pl.lit("day"),
            value=pl.col("day").cast(pl.String),
            reason=pl.lit("early"),
            about=pl.lit(FIRST_FACT.isoformat()),
        )
        .unique()
        .sort("file", "sheet", "value")
        .collect(engine="in-memory")
    )


def _sites(firms: pl.DataFrame) -> pl.DataFrame:
    """A site per enterprise and park, from the day it is said to the day it no longer is."""
    parks = pl.coalesce("park_id", "gateway_park").str.extract_all(r"[^,;，；、+\s]+").list.unique()
    versions = firms.select(*THING, "uscc", "valid_from", parks=parks).with_columns(
        number=pl.int_range(pl.len()).over(THING),
        following=pl.col("valid_from").shift(-1).over(THING),
    )
    each = versions.explode("parks").drop_nulls("parks").sort(*THING, "uscc", "parks", "number")
    of_site = [*THING, "uscc", "parks"]
    run = pl.col("number") - pl.int_range(pl.len()).over(of_site)
    return (
        each.with_columns(run=run)
        .group_by(*of_site, "run", maintain_order=True)
        .agg(pl.col("valid_from").first(), valid_to=pl.col("following").last())
        .with_columns(site_id=pl.format("{}@{}", "uscc", "parks"), park_id="parks")
    )


def _days(found: pl.DataFrame, firms: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Values of terminals and scheduled days of enterprises."""
    counted = found.filter(pl.col("good_values").is_not_null())
    planned = found.filter(pl.col("is_operating").is_not_null())
    uscc = firms.group_by("entity_id").agg(pl.col("uscc").last())
    of_firm = planned.join(uscc, on="entity_id", how="left").with_columns(
        uscc=pl.coalesce("uscc", "entity_id")
    )
    by_day = of_firm.group_by("uscc", "day").agg(pl.col("is_operating").max())
    return {
        "terminal_days": counted.rename({"entity_id": "terminal_id"}),
        "operating_days": by_day.sort("uscc", "day"),
    }


def _typed(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The columns of the table, null where gateways say nothing of the kind, by its key."""
    schema = REGISTER[table]
    named = rows.rename({"server_uri": "source"}) if "server_uri" in rows.columns else rows
    if table == "declarations":
        named = named.with_columns(pl.col("declared_cloud").fill_null("unknown"))
    typed = named.match_to_schema(
        schema, missing_columns="insert", extra_columns="ignore", integer_cast="upcast"
    )
    order = [*VERSION_KEY.get(table, FACT_KEY.get(table, []))]
    order += [name for name in ("valid_from", "source") if name in schema and name not in order]
    return typed.sort(order, nulls_last=False)
