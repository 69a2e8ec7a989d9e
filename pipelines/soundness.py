"""What cannot be in a right table, counted: one row per machine and day where rows are many."""

import polars as pl

from pipelines.elements import SUMS
from pipelines.equipment import UNIT
from pipelines.semi import STATES
from pipelines.shifts import SHIFT_KEY


def unaccounted(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds `unaccounted_us`: PBT less all its elements, in whole microseconds."""
    return _less(rows, "pbt", SUMS)


def of_reliability(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds `unaccounted_us`: PBT less up, down, other and unknown time."""
    return _less(rows, "pbt", ["uptime", "downtime", "other", "unknown"])


def of_semi(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Adds `unaccounted_us`: total time less the six states of E10 and unknown."""
    return _less(rows, "total", [*STATES, "unknown"])


def _less(rows: pl.LazyFrame, whole: str, parts: list[str]) -> pl.LazyFrame:
    us = [(pl.col(f"{name}_s") * 1_000_000).round().cast(pl.Int64) for name in (whole, *parts)]
    return rows.with_columns(unaccounted_us=us[0] - pl.sum_horizontal(us[1:]))


def of_losses(losses: pl.LazyFrame, figures: pl.LazyFrame) -> pl.LazyFrame:
    """Losses with `unaccounted_us`: PBT of their shift less all that it went to, microseconds."""
    us = (pl.col("lost_s") * 1_000_000).round().cast(pl.Int64)
    pbt_us = (pl.col("pbt_s") * 1_000_000).round().cast(pl.Int64)
    planned = figures.select(*SHIFT_KEY, pbt_us=pbt_us)
    beside = losses.join(planned, on=SHIFT_KEY, how="left", nulls_equal=True)
    return beside.with_columns(unaccounted_us=pl.col("pbt_us") - us.sum().over(SHIFT_KEY))


def of_episodes(episodes: pl.LazyFrame) -> pl.LazyFrame:
    """Per `partition_day` and work unit `episodes`, and how many are `backwards`, `overlapping`.

    None may run into the next one; an open episode must be the last.
    """
    key = ["partition_day", *UNIT]
    follower = pl.col("start").shift(-1).over(key)
    runs_into = follower.is_not_null() & (pl.col("end").is_null() | (pl.col("end") > follower))
    return (
        episodes.sort(*key, "start", maintain_order=True)
        .with_columns(runs_into=runs_into)
        .group_by(key, maintain_order=True)
        .agg(
            episodes=pl.len(),
            backwards=(pl.col("end") <= pl.col("start")).sum(),
            overlapping=pl.col("runs_into").sum(),
        )
    )


def of_increments(increments: pl.LazyFrame) -> pl.LazyFrame:
    """Per `partition_day`, work unit and kind `increments`, how many `negative`, `backwards`."""
    key = ["partition_day", *UNIT, "kind"]
    return (
        increments.group_by(key)
        .agg(
            increments=pl.len(),
            negative=(pl.col("amount") < 0).sum(),
            backwards=(pl.col("from_time") > pl.col("to_time")).sum(),
        )
        .sort(key)
    )
