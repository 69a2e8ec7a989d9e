"""One warning to a person: rules joined to what they are evidence of, graded, owned, and lived.

The data raise and clear a warning; a person acknowledges and closes it. Closed stays closed until
somebody reopens it: if the sign comes back after it had cleared, that is a new warning.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import polars as pl

from pipelines.days import day_of
from pipelines.park_schemas import WARNINGS
from pipelines.schemas import TIME
from pipelines.versions import as_of
from pipelines.warning_rules import SURE
from pipelines.warning_table import severity

WARNING_JOURNAL: Final = pl.Schema(
    {
        "sequence": pl.Int64(),
        "time": TIME,
        "by": pl.String(),
        "warning_id": pl.String(),
        "action": pl.String(),
        "reason": pl.String(),
    }
)
"""What people said of warnings, appended to only. `action`: acknowledge, close, reopen."""

WARNING_STATES: Final = pl.Schema(
    {
        "warning_id": pl.String(),
        "uscc": pl.String(),
        "owner_park_id": pl.String(),
        "state": pl.String(),
        "is_open": pl.Boolean(),
        "days_open": pl.Int64(),
        "by": pl.String(),
        "on": pl.Date(),
        "reason": pl.String(),
    }
)
"""A warning on a day. `state`: raised (nobody has looked), acknowledged, cleared (the data say that
it is over), closed (a person does). `owner_park_id` null: the district's. `by on reason`: the last
word of a person, null without one."""

MODEL: Final = "distress"
OF_REGISTER: Final = frozenset({"concentration", "stale_declaration"})
"""Facts that do not come and go with a course: never evidence of something else."""

_SAID: Final = ("rule", "raised_on", "value", "expected", "unit", "confidence")


def merged(warnings: pl.DataFrame) -> pl.DataFrame:
    """WARNINGS with one per enterprise and stretch: the model's, else the rule that came first.

    Rules that tell people alone come before others. Those that overlap with it become `rules` of
    its evidence; what it says itself stays as it was.
    """
    rows = warnings.sort("uscc", "raised_on", "rule").to_dicts()
    leads: list[dict[str, Any]] = [row for row in rows if row["rule"] in (MODEL, *OF_REGISTER)]
    by_enterprise: dict[str, list[dict[str, Any]]] = {}
    for lead in leads:
        if lead["rule"] == MODEL:
            by_enterprise.setdefault(lead["uscc"], []).append(lead)
    joined: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["rule"] not in SURE):
        if row["rule"] in (MODEL, *OF_REGISTER):
            continue
        theirs = by_enterprise.setdefault(row["uscc"], [])
        over = [one["warning_id"] for one in theirs if _overlap(one, row)]
        if over:
            joined.setdefault(over[0], []).append(row)
        else:
            theirs.append(row)
            leads.append(row)
    told = [_with(lead, joined.get(lead["warning_id"], [])) for lead in leads]
    return pl.DataFrame(told, schema=WARNINGS).sort("uscc", "raised_on", "rule")


def _overlap(lead: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    first = max(lead["begun_on"], row["begun_on"])
    return all(one["cleared_on"] is None or first < one["cleared_on"] for one in (lead, row))


def _with(lead: Mapping[str, Any], rules: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if not rules:
        return dict(lead)
    said = [{name: _plain(row[name]) for name in _SAID} for row in rules]
    evidence = {**json.loads(lead["evidence"]), "rules": said}
    return {**lead, "evidence": json.dumps(evidence, ensure_ascii=False)}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def graded(warnings: pl.DataFrame, enterprises: pl.DataFrame) -> pl.DataFrame:
    """WARNINGS whose severity also weighs the staff it concerns (ENTERPRISES as of one day)."""
    staff = enterprises.select("uscc", "staff").unique("uscc")
    lost = (1.0 - pl.col("value") / pl.col("expected")).clip(0.0, 1.0)
    is_fall = pl.col("rule").is_in([MODEL, "output_drop", "running_drop"])
    by_size = pl.when(is_fall).then(severity(lost, pl.col("staff"))).otherwise("severity")
    joined = warnings.join(staff, on="uscc", how="left", maintain_order="left")
    return joined.with_columns(severity=by_size).select(WARNINGS.names())


def owners(warnings: pl.DataFrame, sites: pl.DataFrame, on: date) -> pl.DataFrame:
    """`warning_id owner_park_id`: the park where the enterprise is on a day (SITES); null is none.

    Who is in several parks is the first's by name: somebody answers, and one alone.
    """
    where = as_of(sites, on).filter(pl.col("park_id").is_not_null())
    first = where.group_by("uscc").agg(owner_park_id=pl.col("park_id").min())
    return warnings.select("warning_id", "uscc").join(
        first, on="uscc", how="left", maintain_order="left"
    ).select("warning_id", "owner_park_id")  # fmt: skip


def states(
    warnings: pl.DataFrame, journal: pl.DataFrame, sites: pl.DataFrame, on: date
) -> pl.DataFrame:
    """WARNING_STATES of those raised by a day, as known at its end (WARNING_JOURNAL)."""
    known = warnings.filter(pl.col("raised_on") <= on)
    owned = dict(owners(known, sites, on).iter_rows())
    said: dict[str, list[dict[str, Any]]] = {}
    for entry in journal.sort("time", "sequence").iter_rows(named=True):
        if day_of(entry["time"]) <= on:
            said.setdefault(entry["warning_id"], []).append(entry)
    rows = [
        _state(row, said.get(row["warning_id"], []), owned[row["warning_id"]], on)
        for row in known.sort("raised_on", "warning_id").iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=WARNING_STATES)


def still_open(warnings: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """WARNINGS that neither the data nor a person ended (WARNING_STATES); without a state: open."""
    ended = told.filter(~pl.col("is_open"))
    return warnings.join(ended, on="warning_id", how="anti", maintain_order="left")


def _state(
    row: Mapping[str, Any], said: Sequence[Mapping[str, Any]], owner: str | None, on: date
) -> dict[str, Any]:
    last = _last_word(said)
    is_over = row["cleared_on"] is not None and row["cleared_on"] <= on
    word = {"close": "closed", "acknowledge": "acknowledged"}.get(last["action"] if last else "")
    state = "cleared" if is_over and word != "closed" else word or "raised"
    ended = _ended(row, last, state, on)
    return {
        "warning_id": row["warning_id"],
        "uscc": row["uscc"],
        "owner_park_id": owner,
        "state": state,
        "is_open": state in ("raised", "acknowledged"),
        "days_open": (ended - row["raised_on"]).days,
        "by": last["by"] if last else None,
        "on": day_of(last["time"]) if last else None,
        "reason": last["reason"] if last else None,
    }


def _last_word(said: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What was said last; of what is closed nobody can acknowledge anything."""
    last: Mapping[str, Any] | None = None
    for entry in said:
        is_void = entry["action"] == "acknowledge" and last and last["action"] == "close"
        last = last if is_void else entry
    return last


def _ended(row: Mapping[str, Any], last: Mapping[str, Any] | None, state: str, on: date) -> date:
    if state == "closed" and last is not None:
        return min(day_of(last["time"]), row["cleared_on"] or on, on)
    return min(row["cleared_on"] or on, on)
