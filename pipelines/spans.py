"""Spans of a work unit's time in which all pieces of a product count alike."""

from typing import Final

import polars as pl

from pipelines.asked import Asked
from pipelines.axis import atoms, with_unit_no
from pipelines.lanes import LANES
from pipelines.readings import AFTER
from pipelines.schemas import TIME

NOWHERE: Final = pl.DataFrame(schema={"unit_no": pl.UInt32(), "start": TIME, "end": TIME})


def in_lanes(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans of a work unit, once for each kind, by `lane` and start."""
    places = pl.DataFrame({"place": range(LANES)}, {"place": pl.UInt32})
    number = (pl.col("unit_no") * LANES + pl.col("place")).cast(pl.UInt32)
    every = spans.join(places, how="cross").with_columns(lane=number).drop("place")
    return every.sort("lane", "start")


def spans_of(known: Asked, prices: pl.DataFrame, starts: pl.DataFrame | None) -> pl.DataFrame:
    """Spans in which all pieces of a product count alike: one shift, busy interval, doubt, price.

    `unit_no start shift busy busy_start doubted starting`, since when all was heard without a break
    (`heard_since`, AFTER where it is not), what was so at the start of the busy interval
    (`heard_before`), the end of what was heard before (`lost_since`), and since when a shift's busy
    time, or the time between two, lasts (`stretch_start`). What is counted while another counter
    that good pieces follow from was not read, its edges left out, is doubted.
    """
    just_after = pl.col("from_time") + pl.duration(microseconds=1)
    in_doubt = known.doubts.filter(pl.col("figure") == "gq").select(
        "unit_no", start=just_after, end="to_time", id=1
    )
    inside = pl.col("valid_from").is_between(known.own["start"].min(), known.own["end"].max())
    dated = prices.filter(inside).select("unit_no", start="valid_from").unique()
    busy = known.pieces.select("unit_no", "start", "end", busy="shift").with_row_index("id")
    heard = with_unit_no(known.covered, known.counters).select(
        "unit_no", start="from_time", end="to_time"
    ).with_row_index("id")  # fmt: skip
    layers = {
        "heard": heard,
        "shift": known.own.select("unit_no", "start", "end", id="shift"),
        "piece": busy,
        "doubt": in_doubt,
        "price": dated.with_columns(end=pl.lit(None, TIME), id=0),
        "starting": (NOWHERE if starts is None else starts).with_columns(id=1),
    }
    begun = busy.select("busy", piece=pl.col("id").cast(pl.Int64), busy_start="start")
    since = heard.select(
        heard=pl.col("id").cast(pl.Int64), heard_since="start",
        lost_since=pl.col("end").shift(1).over("unit_no", order_by="start"),
    )  # fmt: skip
    before = pl.min_horizontal("heard_since", "busy_start").first().over("piece")
    return (
        atoms(layers)
        .join(begun, on="piece", how="left", maintain_order="left")
        .join(since, on="heard", how="left", maintain_order="left")
        .with_columns(pl.col("heard_since").fill_null(AFTER))
        .with_columns(
            pl.col("shift").cast(pl.UInt32),
            pl.col("starting").is_not_null(),
            heard_before=before,
            doubted=pl.col("doubt").is_not_null(),
            stretch=_runs("unit_no", "shift", "piece"),
        )
        .with_columns(stretch_start=pl.col("start").first().over("stretch"))
    )


def _runs(*names: str) -> pl.Expr:
    """Numbers the runs of rows in which `names` stay as they are."""
    return pl.any_horizontal(pl.col(n).ne_missing(pl.col(n).shift(1)) for n in names).cum_sum()
