"""The tag file: what a person says the nodes of a server mean, one row per node and validity."""

import csv
import difflib
import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from connectors.home import write_atomic
from connectors.node_text import is_node_id
from connectors.sheets import Row, each, rows_of
from pipelines import schemas
from pipelines.value_maps import CODES, parsed

REQUIRED: Final = ("node_id", "work_unit_id", "measure")
OPTIONAL: Final = (
    "server_uri", "park_id", "factory_id", "line_id", "machine_type", "measure_kind", "unit",
    "data_type", "counter_max", "reset_policy", "scale", "value_map", "valid_from", "valid_to",
    "confidence",
)  # fmt: skip
COLUMNS: Final = (
    "server_uri", "node_id", "factory_id", "line_id", "work_unit_id", "machine_type", "measure",
    "measure_kind", "unit", "data_type", "counter_max", "reset_policy", "scale", "value_map",
    "valid_from", "valid_to", "confidence", "why",
)  # fmt: skip
"""What `discover --write` writes. A person clears `confidence` low; `why` is not read."""

KINDS: Final = {
    "item_state": "state",
    "operation_mode": "state",
    "packml_state": "state",
    "packml_mode": "state",
    "parts_total": "counter",
    "parts_good": "counter",
    "parts_bad": "counter",
    "parts_rework": "counter",
    "order_id": "context",
    "product_id": "context",
    "stop_reason_code": "context",
    "energy_kwh": "energy",
    "power_kw": "energy",
}
"""The measures that figures are made of, and the kind each is."""
FREE_KINDS: Final = ("process", "other", "identity")
"""Kinds of measures that a factory names itself."""
RESET_POLICIES: Final = ("never", "job", "shift", "power")
ANY_TYPE: Final = "machine"
"""Machine type where a file names none: their process values share one table."""
UNDECIDED: Final = "?"
"""What `discover --write` puts where only a person knows."""
HIGH, MEDIUM, LOW = "high", "medium", "low"
_LARGEST: Final = 2**63 - 1
_RENAMED: Final = {"node_id": "node_text", "server_uri": "server"}

FILE: Final = pl.Schema({_RENAMED.get(name, name): dtype for name, dtype in schemas.TAGS.items()})
"""TAGS as a file has them: `node_text` may be `ns=2;s=…`, `server` a URI, a url, or null."""


def read_tags(path: Path, factory: str | None, servers: Sequence[str] = ()) -> pl.DataFrame:
    """A factory's tag file (FILE; None is any factory's), checked row by row without a network.

    Where the factory has several `servers` each row must name its own.
    """
    seen: dict[tuple[str, ...], list[tuple[int, Mapping[str, Any]]]] = {}

    def made(row: Row) -> dict[str, Any]:
        found = _tag(row, factory, servers)
        node = "node", str(found["server"]), str(found["node_text"])
        _refuse_twice(row, "node_id", "the node", found, seen.setdefault(node, []))
        if found["measure_kind"] in ("state", "context"):
            unit = "unit", str(found["line_id"]), str(found["work_unit_id"]), str(found["measure"])
            what = f"{found['measure']} of {found['work_unit_id']}"
            _refuse_twice(row, "measure", what, found, seen.setdefault(unit, []))
        return found

    rows = each(rows_of(path, REQUIRED, OPTIONAL), made)
    return pl.DataFrame(rows, schema=FILE)


def _refuse_twice(
    row: Row,
    column: str,
    what: str,
    found: Mapping[str, Any],
    others: list[tuple[int, Mapping[str, Any]]],
) -> None:
    """Two rows that mean one thing must hold at different times."""
    for line, other in others:
        if _overlap(found, other):
            why = f"line {line} has {what} at the same time"
            row.refuse(column, why, "delete one, or end one with valid_to where the other begins")
    others.append((row.line, found))


def _overlap(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    def before(first: datetime | None, second: datetime | None) -> bool:
        return first is None or second is None or first < second

    return before(one["valid_from"], other["valid_to"]) and before(
        other["valid_from"], one["valid_to"]
    )


def _tag(row: Row, factory: str | None, servers: Sequence[str]) -> dict[str, Any]:
    node, server = row.text("node_id"), row.optional("server_uri")
    if not is_node_id(node):
        row.refuse("node_id", "it is no NodeId", "write it like ns=2;s=Channel1.Device1.D7")
    if server is None and len(servers) > 1:
        row.refuse("server_uri", f"{factory} has {len(servers)} servers", "name one by its url")
    own = row.optional("factory_id")
    if factory is not None and own not in (None, factory):
        row.refuse("factory_id", f"the file is that of {factory}", "leave it blank")
    measure, kind = _meaning(row)
    if row.fields["confidence"].strip() == LOW and kind not in FREE_KINDS:
        remedy = "correct the row and clear `confidence`, or make measure_kind `other`"
        row.refuse("confidence", f"that this is {measure} is only a guess", remedy)
    unit = row.optional("work_unit_id") if kind in ("other", "identity") else _machine(row)
    since = row.time("valid_from") if row.optional("valid_from") else None
    until = row.time("valid_to") if row.optional("valid_to") else None
    if since and until and until <= since:
        row.refuse("valid_to", "it is not after `valid_from`", "give a later time")
    scale = _scale(row, kind)
    return {
        "server": server,
        "node_text": node,
        "park_id": row.optional("park_id"),
        "factory_id": factory or own,
        "line_id": row.optional("line_id"),
        "work_unit_id": unit,
        "entity_id": unit,
        "machine_type": _machine_type(row) if unit else None,
        "measure_kind": kind,
        "measure": measure,
        "unit": row.optional("unit"),
        "counter_max": _counter_max(row, kind, scale),
        "reset_policy": _reset_policy(row, kind),
        "valid_from": since,
        "valid_to": until,
        "data_type": row.optional("data_type"),
        "value_map": _value_map(row, kind, measure),
        "scale": scale,
    }


def _machine(row: Row) -> str:
    name = row.text("work_unit_id")
    if name == UNDECIDED:
        row.refuse("work_unit_id", "nobody has decided yet", "name the machine")
    return name


def _meaning(row: Row) -> tuple[str, str]:
    """Measure and its kind: known measures have their own, any other says which."""
    measure, kind = row.text("measure"), row.optional("measure_kind")
    known = KINDS.get(measure)
    if known is not None:
        if kind not in (None, known, "other"):
            row.refuse("measure_kind", f"`{measure}` is of kind {known}", f"write {known}")
        return measure, kind or known
    if kind not in FREE_KINDS:
        near = difflib.get_close_matches(measure, KINDS, 1)
        hint = f"did you mean {near[0]}? else" if near else f"use {', '.join(KINDS)}, or"
        why = "it is no measure that figures are made of"
        row.refuse("measure", why, f"{hint} write `process` or `other` as measure_kind")
    if kind == "process" and not _is_name(measure):
        row.refuse("measure", "it is no name of a column", "use letters, digits and _")
    return measure, kind


def _is_name(text: str) -> bool:
    return all(c.isalnum() or c in "_-" for c in text)


def _machine_type(row: Row) -> str:
    name = row.optional("machine_type") or ANY_TYPE
    if not _is_name(name):
        row.refuse("machine_type", "it is no name of a table", "use letters, digits, - and _")
    return name


def _scale(row: Row, kind: str) -> float | None:
    if row.optional("scale") is None:
        return None
    scale = row.number("scale")
    if kind not in ("counter", "process", "energy"):
        row.refuse("scale", f"a {kind} cannot be scaled", "leave it blank")
    if scale == 0:
        row.refuse("scale", "it makes every value 0", "leave it blank")
    if kind == "counter" and not (scale >= 1 and scale.is_integer()):
        row.refuse("scale", "a counter counts whole pieces", "give a whole number, at least 1")
    return scale


def _counter_max(row: Row, kind: str, scale: float | None) -> int | None:
    """The count before it wraps to 0, in pieces."""
    told = row.optional("counter_max")
    if told is None:
        return None
    if kind != "counter":
        row.refuse("counter_max", f"a {kind} does not count", "leave it blank")
    if not (told.isdecimal() and len(told) <= len(str(_LARGEST)) and 0 < int(told) <= _LARGEST):
        remedy = "give the largest count, like 65535, or leave it blank"
        row.refuse("counter_max", "it is no count above 0", remedy)
    return (int(told) + 1) * int(scale or 1) - 1


def _reset_policy(row: Row, kind: str) -> str | None:
    if row.optional("reset_policy") is None:
        return None
    if kind != "counter":
        row.refuse("reset_policy", f"a {kind} does not count", "leave it blank")
    return row.one_of("reset_policy", RESET_POLICIES)


def _value_map(row: Row, kind: str, measure: str) -> str | None:
    """The map with codes as silver expects them; states may be written by name."""
    text = row.optional("value_map")
    if text is None:
        return None
    if kind not in ("state", "context"):
        row.refuse("value_map", f"a {kind} has no codes", "leave it blank, or use scale")
    try:
        found = parsed(text)
    except ValueError as error:
        row.refuse("value_map", str(error), "write it like 0=NotExecuting;1=Executing")
    codes = {raw: _code(row, raw, code, CODES.get(measure, {})) for raw, code in found.items()}
    for word, number in (("true", "1"), ("false", "0")):
        for raw in [raw for raw in codes if raw.lower() == word]:
            codes.setdefault(number, codes[raw])
    return ";".join(f"{raw}={code}" for raw, code in codes.items())


def _code(row: Row, raw: str, code: str, known: Mapping[str, int]) -> str:
    names = {name.lower(): str(number) for name, number in known.items()}
    if code == UNDECIDED:
        remedy = f"write one of {', '.join(known)}" if known else "write what it means"
        row.refuse("value_map", f"nobody has decided what {raw} means", remedy)
    if not known or code in names.values():
        return code
    if code.lower() not in names:
        row.refuse("value_map", f"`{code}` is no state", f"use {', '.join(known)}")
    return names[code.lower()]


def write_tags(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """Write a proposal as CSV that Excel opens as it is; gives the number of rows."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore")
    writer.writeheader()
    cells = [{name: "" if row.get(name) is None else row[name] for name in COLUMNS} for row in rows]
    writer.writerows(cells)
    write_atomic(path, text.getvalue().encode("utf-8-sig"))
    return len(cells)
