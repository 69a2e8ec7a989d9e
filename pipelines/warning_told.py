"""Warnings as people were told of them: one keeps its id and its day, and none is lost.

They are found anew every day, from all that is known by then. Late data, or the model that joins a
rule, would give the same stretch another id, and what people said of it would be of nothing.
"""

import json
from collections.abc import Collection, Mapping
from datetime import date
from typing import Any, Final

import polars as pl

from pipelines.park_schemas import WARNINGS
from pipelines.warning_cycle import OF_REGISTER

COURSE: Final = "course"
"""All rules of a course speak of the same thing: an enterprise that is not as usual."""

Row = Mapping[str, Any]


def as_told(
    found: pl.DataFrame, before: pl.DataFrame | None, on: date, unknown: Collection[str] = ()
) -> pl.DataFrame:
    """WARNINGS of a day, each that goes on with the `warning_id` and `raised_on` it was told with.

    Args:
        found: WARNINGS for people, as found on the day.
        before: WARNINGS as last told; none the first time.
        on: the day. What was told and is found no more is cleared on it; a fact of the register
            that returns after it had cleared is a new warning.
        unknown: rules of which the day says nothing: what was told of them stays as it was.
    """
    if before is None:
        return found
    ids = set(before["warning_id"])
    left: dict[str, list[Row]] = {}
    for one in before.sort("raised_on", "warning_id").iter_rows(named=True):
        left.setdefault(one["uscc"], []).append(one)
    told = []
    rows = found.sort("raised_on", "warning_id").to_dicts()
    for row in sorted(rows, key=lambda row: row["warning_id"] not in ids):
        theirs = left.get(row["uscc"], [])
        same = [one for one in theirs if _goes_on(one, row, on)]
        first = min(same, key=lambda one: one["warning_id"] != row["warning_id"], default=None)
        if first is None:
            told.append(_new(row, on) if row["warning_id"] in ids else row)
        else:
            theirs.remove(first)
            told.append(_since_told(first, row))
    told += [_over(one, on, unknown) for theirs in left.values() for one in theirs]
    return pl.DataFrame(told, schema=WARNINGS).sort("uscc", "raised_on", "rule", "warning_id")


def _goes_on(one: Row, row: Row, on: date) -> bool:
    """Whether what is found is what was told; raised after that had cleared, it is not."""
    if _kind(one) != _kind(row):
        return False
    over = one["cleared_on"]
    if row["rule"] in OF_REGISTER:
        return over is None or over >= on
    is_before = over is None or row["raised_on"] < over
    is_after = row["cleared_on"] is None or one["begun_on"] < row["cleared_on"]
    return one["warning_id"] == row["warning_id"] or (is_before and is_after)


def _kind(row: Row) -> object:
    if row["rule"] not in OF_REGISTER:
        return COURSE
    return row["rule"], json.loads(row["evidence"]).get("platform")


def _since_told(one: Row, row: Row) -> Row:
    raised, over = one["raised_on"], row["cleared_on"]
    return {
        **row,
        "warning_id": one["warning_id"],
        "begun_on": min(one["begun_on"], row["begun_on"]),
        "raised_on": raised,
        "seen_on": max(row["seen_on"], raised),
        "cleared_on": None if over is None else max(over, raised),
    }


def _new(row: Row, on: date) -> Row:
    """A fact of the register that has returned since the day it had before is told since `on`."""
    return {
        **row,
        "warning_id": f"{row['warning_id']}-{on:%Y%m%d}",
        "begun_on": on,
        "raised_on": on,
    }


def _over(one: Row, on: date, unknown: Collection[str]) -> Row:
    if one["cleared_on"] is not None or one["rule"] in unknown:
        return one
    return {**one, "cleared_on": max(on, one["raised_on"])}
