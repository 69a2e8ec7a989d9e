"""Joining values to the tag catalogue: what a node means, and how good a value is."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from pipelines.equipment import UNIT
from pipelines.value_maps import number as number
from pipelines.value_maps import translated

NODE: Final = ["server_uri", "node_id"]


def good() -> pl.Expr:
    """StatusCode severity Good (OPC UA Part 4, 7.39: the top two bits)."""
    return pl.col("status_code") < 1 << 30


def bad() -> pl.Expr:
    """StatusCode severity Bad."""
    return pl.col("status_code") >= 1 << 31


def named(values: pl.DataFrame, tags: pl.DataFrame, wanted: pl.Expr) -> pl.DataFrame:
    """Values of the nodes whose tag is `wanted`, with its columns, by node (`tag_no`) and time.

    Raw codes and scales become what the tag says they mean (`value_maps.translated`).
    Needs `time` (see `clock.correct`). A tag holds from valid_from to valid_to; the first meaning
    of a node also holds before it was written down. Values without a time have no place here.
    """
    known = tags.with_columns(valid_from=held_from(NODE)).filter(
        wanted, pl.col("work_unit_id").is_not_null()
    )
    known = known.sort(*NODE, "valid_from", "valid_to", *UNIT, "measure").with_row_index("tag_no")
    holds = pl.col("valid_from").is_null() | (pl.col("time") >= pl.col("valid_from"))
    holds &= pl.col("valid_to").is_null() | (pl.col("time") < pl.col("valid_to"))
    arrival = [name for name in ("server_ticks", "received_time") if name in values.columns]
    rows = (
        values.join(known, on=NODE)
        .filter(pl.col("time").is_not_null(), holds)
        .sort("tag_no", "time", *arrival, maintain_order=True)
    )
    return translated(rows)


def held_from(key: Sequence[str]) -> pl.Expr:
    """`valid_from` of a tag, null where nobody knows an earlier one of the same `key`."""
    since = pl.col("valid_from")
    dated = since.is_not_null().all().over(key)
    return pl.when(~(dated & (since == since.min().over(key)))).then(since)


def is_measure(measures: Sequence[str]) -> pl.Expr:
    """The tags of these measures."""
    return pl.col("measure").is_in(list(measures))


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    """The work units of `frame` with a dense `unit_no`, for sorting and joining by integer."""
    return frame.select(UNIT).unique().sort(UNIT).with_row_index("unit_no")
