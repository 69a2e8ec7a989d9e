"""What the adoption of a day was made from: one hash per table of all that no later day tells.

A version tells two things, each of its own day: that it begins, and that it ends. So a row that is
closed today, or came late, touches the days from then on and none before.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Final

import polars as pl

from pipelines.fingerprints import CHARACTERS, texts
from pipelines.park_schemas import REGISTER

UNRECORDED: Final = "unrecorded"
"""The cause where nobody wrote down what a figure was made from."""
CODE: Final = "code"
"""The component that is the arithmetic itself, and the cause where nothing else differs."""

_UNTOLD: Final = ["valid_to", "source"]
"""Columns of a version that are not part of what holds from its first day on."""


def digests(name: str, rows: pl.DataFrame, days: Sequence[date]) -> dict[date, str]:
    """Per day, in any order, the hash of a table of the register as far as the day knows it."""
    told = _told(rows.select(REGISTER[name].names()))
    by_day = told.group_by("day").agg(pl.col("text").sort()).sort("day", nulls_last=False)
    return chained(((day, "\n".join(found)) for day, found in by_day.iter_rows()), days)


def chained(told: Iterable[tuple[date | None, str]], days: Sequence[date]) -> dict[date, str]:
    """Per day the hash of all that was told of it and of days before; `told` is in order of days.

    What has no day is told of every one, and stands first.
    """
    hashed, rest = hashlib.sha256(), sorted(days)
    found: dict[date, str] = {}
    for day, text in told:
        while day is not None and rest and rest[0] < day:
            found[rest.pop(0)] = hashed.hexdigest()[:CHARACTERS]
        hashed.update(f"{day}\n{text}\n".encode())
    return {**found, **dict.fromkeys(rest, hashed.hexdigest()[:CHARACTERS])}


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    """`day text` of each thing that a row tells."""
    held = texts(rows.drop(_UNTOLD, strict=False)).alias("text")
    begins = rows.select(
        pl.col("day" if "day" in rows.columns else "valid_from").alias("day"), held
    )
    if "valid_to" not in rows.columns:
        return begins
    ends = rows.select(pl.col("valid_to").alias("day"), ("ends " + held).alias("text"))
    return pl.concat([begins, ends.filter(pl.col("day").is_not_null())])


def cause(made_from: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The tables by which two grounds differ, with commas."""
    if not made_from:
        return UNRECORDED
    return ",".join(name for name in now if made_from.get(name) != now[name]) or CODE
