"""Figures of parks and of conformance against what the simulator knows really is so."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from pipelines.equipment import UNIT

FINDING_OF_CLOCKS: Final = ["clock_offset", "clock_unsteady"]
TRUE_KEY: Final = ["factory_id", "work_unit_id"]


def unequal(
    ours: pl.DataFrame, truth: pl.DataFrame, key: Sequence[str], figures: Sequence[str]
) -> pl.DataFrame:
    """Rows of which a figure differs, or that stand on one side only: `key`, both sides' figures.

    Ours bear `_ours` behind their names.
    """
    own = ours.select(*key, *figures, here=pl.lit(value=True))
    true = truth.select(*key, *figures, there=pl.lit(value=True))
    beside = true.join(
        own, on=list(key), how="full", coalesce=True, suffix="_ours", nulls_equal=True
    )
    differs = [pl.col(name).ne_missing(pl.col(f"{name}_ours")) for name in figures]
    alone = pl.col("here").is_null() | pl.col("there").is_null()
    return (
        beside.filter(pl.any_horizontal(alone, *differs))
        .drop("here", "there")
        .sort(key, nulls_last=False)
    )


def levels(ours: pl.DataFrame, truth: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """`unequal` levels of machines, day by day: equipment key, `day`, `level`.

    `truth` has each machine once; `days`: every factory_id and day that there must be.
    """
    every = truth.select(*UNIT, "level").join(days, on="factory_id")
    return unequal(ours, every, [*UNIT, "day"], ["level"])


def clocks(found: pl.DataFrame, truth: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """`unequal` factory-days: is its clock off (`is_off`)?

    `found`: CONFORMANCE with `day`; `days`: the factory_id and day that were looked at.
    """
    offset = pl.col("clock_offset_s") != 0
    true = days.join(truth.group_by("factory_id").agg(is_off=offset.any()), on="factory_id")
    told = found.filter(pl.col("finding").is_in(FINDING_OF_CLOCKS))
    off = told.select("factory_id", "day").unique().with_columns(is_off=pl.lit(value=True))
    ours = days.join(off, on=["factory_id", "day"], how="left")
    return unequal(
        ours.with_columns(pl.col("is_off").fill_null(value=False)), true, ["factory_id", "day"],
        ["is_off"],
    )  # fmt: skip


def falls(found: pl.DataFrame, truth: pl.DataFrame) -> pl.DataFrame:
    """Machines that were told of a count that fell, with how many unannounced resets they have."""
    told = found.filter(pl.col("finding") == "count_fell").select(TRUE_KEY).unique()
    return told.join(truth.select(*TRUE_KEY, "unannounced_resets"), on=TRUE_KEY, how="left")
