"""Which rows of a machine may be judged: producing, warmed up, with the product they belong to."""

from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

OUT_OF_SERVICE: Final = 1
NOT_EXECUTING: Final = 2
EXECUTING: Final = 3
"""OPC 40001-1 item states."""

MAINTENANCE: Final = 1
PROCESSING: Final = 3
"""OPC 40001-1 operation modes."""

WARM_UP_MIN: Final = 10.0
COOLING: Final = 2.0
"""A machine warms up in at most this many times the stop before: after 20 s it is not cold."""

AWAY: Final = timedelta(minutes=15)
"""After so much of a stop, what the machine makes itself (heat, load, flow) has begun to leave."""

LEAST_STOOD: Final = 5
ALIKE: Final = 1.0

KEY: Final = ["park_id", "factory_id", "line_id", "work_unit_id"]


def is_producing() -> pl.Expr:
    """True where a state episode is Executing and Processing, of known quality."""
    return (
        (pl.col("item_state") == EXECUTING)
        & (pl.col("operation_mode") == PROCESSING)
        & (pl.col("quality") != "unknown")
    ).fill_null(value=False)


def is_stopped() -> pl.Expr:
    """True where a state episode is an unplanned stop.

    Not executing though Processing, or OutOfService without maintenance. Not executing in mode
    None may be a break or the end of the plan, and is left out.
    """
    waits = (pl.col("item_state") == NOT_EXECUTING) & (pl.col("operation_mode") == PROCESSING)
    broken = (pl.col("item_state") == OUT_OF_SERVICE) & (pl.col("operation_mode") != MAINTENANCE)
    return ((waits | broken) & (pl.col("quality") != "unknown")).fill_null(value=False)


def producing_runs(episodes: pl.DataFrame, warm_up_min: float = WARM_UP_MIN) -> pl.DataFrame:
    """Stretches of producing of one machine: start, end (null while open), from_time.

    `from_time` is when the run counts as warm: COOLING times the stop before it, at most
    `warm_up_min`. Episodes that touch (a new order, the same state) are one run.
    """
    longest = pl.lit(timedelta(minutes=warm_up_min))
    made = episodes.filter(is_producing()).sort("start")
    first = (pl.col("start") > pl.col("end").shift()).fill_null(value=True)
    runs = (
        made.with_columns(run=first.cum_sum())
        .group_by("run", maintain_order=True)
        .agg(pl.col("start").first(), pl.col("end").last())
        .with_columns(stop=pl.col("start") - pl.col("end").shift())
    )
    wait = pl.min_horizontal((pl.col("stop") * COOLING).fill_null(longest), longest)
    return runs.select("start", "end", from_time=pl.col("start") + wait)


def supplied(
    values: pl.DataFrame, episodes: pl.DataFrame, rows: pl.DataFrame, *, time: str = "timestamp"
) -> list[str]:
    """Signals that read alike whether one machine produces or stands: supplies and surroundings.

    Of its `values`, those AWAY from any run of producing are held against its producing `rows`:
    medians within ALIKE robust deviations. None where it hardly stood, or hardly produced.
    """
    runs = producing_runs(episodes, 0.0)
    ended = runs.select("end").drop_nulls().sort("end")
    open_runs = runs.select("start", until="end").sort("start")
    stood = (
        values.sort(time)
        .join_asof(open_runs, left_on=time, right_on="start", strategy="backward")
        .filter(pl.col("start").is_not_null(), pl.col("until") <= pl.col(time))
        .join_asof(ended, left_on=time, right_on="end", strategy="backward")
        .filter(pl.col(time) - pl.col("end") >= AWAY)
    )
    if stood.height < LEAST_STOOD or rows.height < LEAST_STOOD:
        return []
    shared = [n for n, kind in rows.schema.items() if kind.is_numeric() and n in stood.columns]
    return [name for name in shared if _alike(rows[name], stood[name])]


def _alike(made: pl.Series, stood: pl.Series) -> bool:
    """Medians of what was read producing and standing, within ALIKE robust deviations."""
    one, other = (part.drop_nulls().cast(pl.Float64).to_numpy() for part in (made, stood))
    if len(other) < LEAST_STOOD or not len(one):
        return False
    usual = float(np.median(one))
    spread = 1.4826 * float(np.median(np.abs(one - usual)))
    return spread > 0 and abs(float(np.median(other)) - usual) <= ALIKE * spread


def producing_rows(
    values: pl.DataFrame,
    episodes: pl.DataFrame,
    *,
    time: str = "timestamp",
    warm_up_min: float = WARM_UP_MIN,
) -> pl.DataFrame:
    """Rows of one machine that a detector may judge, with `product_id` and `order_id`.

    Args:
        values: wide process values of one machine; equipment key columns are left out.
        episodes: its state episodes (`pipelines.schemas.STATE_EPISODES`).
        time: name of the time column of `values`.
        warm_up_min: minutes after a long stop that are not judged.
    """
    runs = producing_runs(episodes, warm_up_min)
    made = episodes.filter(is_producing()).sort("start")
    context = made.select("product_id", "order_id", since="start")
    rows = values.drop([c for c in KEY if c in values.columns]).sort(time, maintain_order=True)
    # A row stands for the step it lies in: at the edge of a run it may have been read outside.
    step = rows[time].diff().median() or timedelta(0)
    return (
        rows.join_asof(runs, left_on=time, right_on="start", strategy="backward")
        .filter(
            pl.col(time) >= pl.max_horizontal("from_time", pl.col("start") + step),
            pl.col("end").is_null() | (pl.col(time) < pl.col("end") - step),
        )
        .drop("start", "end", "from_time")
        .join_asof(context, left_on=time, right_on="since", strategy="backward")
        .drop("since")
    )
