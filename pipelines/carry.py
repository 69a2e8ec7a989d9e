"""What is carried over midnight: each node's last raw row (docs/decisions/0008)."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import polars as pl

from pipelines.catalogue import NODE, bad, number
from pipelines.days import day_start, local_day
from pipelines.raw import event_ticks
from pipelines.schemas import RAW

CARRIED: Final = ["state", "context", "counter"]
"""Kinds of measure whose last value still holds when the day is over."""

Frame = pl.DataFrame | pl.LazyFrame


def last_values(
    before: Frame, raw_values: Frame, tags: Frame, days: Sequence[date]
) -> pl.DataFrame:
    """The newest row of each carried node at the end of each of `days`.

    With it, where they are older, the newest not Bad and the newest of those with a whole number:
    the reading from which a counter goes on. `schemas.RAW` with `partition_day`, from `raw_values`
    and the rows carried from `before`.
    """
    nodes = tags.lazy().filter(pl.col("measure_kind").is_in(CARRIED)).select(NODE).unique()
    rows = pl.concat([before.lazy().select(RAW.names()), raw_values.lazy().select(RAW.names())])
    dated = (
        rows.join(nodes, on=NODE, how="semi")
        .with_columns(ticks=event_ticks(), day=local_day(pl.coalesce("source_time", "server_time")))
        .collect(engine="in-memory")
        .sort(*NODE, "ticks", maintain_order=True)
    )
    return pl.concat([_newest(dated.filter(pl.col("day") <= day), day) for day in days])


def _newest(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    known = rows.with_row_index("row")
    fit = known.filter(~bad())
    parts = (known, fit, fit.filter(number().is_not_null()))
    last = pl.concat(part.unique(NODE, keep="last", maintain_order=True) for part in parts)
    once = last.unique("row").sort("row")
    return once.select(*RAW.names(), partition_day=pl.lit(day))


def touching(episodes: pl.DataFrame, days: Sequence[date]) -> pl.DataFrame:
    """Each episode once per local day of `days` that it touches, with `partition_day`.

    An open episode touches every day from its start on; `states.stitch` joins them again.
    """
    wanted = pl.DataFrame({"partition_day": days}, schema={"partition_day": pl.Date()})
    day = pl.col("partition_day")
    begin, end = day_start(day), day_start(day.dt.offset_by("1d"))
    touches = (pl.col("start") < end) & (pl.col("end").is_null() | (pl.col("end") > begin))
    return episodes.join(wanted, how="cross").filter(touches)
