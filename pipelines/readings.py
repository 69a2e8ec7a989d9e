"""Which count a figure needs, and when its counters were not read."""

from typing import Final

import polars as pl

from pipelines.coverage import disjoint
from pipelines.lanes import BESIDE, KIND, unit_and_kind
from pipelines.schemas import TIME

BEFORE: Final = pl.datetime(1970, 1, 1, time_zone="UTC").cast(TIME)
AFTER: Final = pl.datetime(2200, 1, 1, time_zone="UTC").cast(TIME)
"""Times no plan reaches: the ends of what was never read, and of what is not read any more."""

FIGURES: Final = {"pq": "total", "gq": "good"}


def needed(counters: pl.DataFrame) -> pl.DataFrame:
    """`unit_no, figure, kind`: the counts that pq and gq of a work unit are made of.

    Its own counter, else what it follows from; where neither total nor good is counted, a total
    that never spoke.
    """
    has = {kind: pl.col(f"has_{kind}") for kind in ("total", "good", *BESIDE)}
    uses = {
        ("pq", "total"): has["total"] | ~has["good"],
        ("gq", "good"): has["good"],
        ("pq", "good"): ~has["total"] & has["good"],
        ("gq", "total"): ~has["good"],
    } | {
        (figure, kind): ~has[own] & (has["total"] | has["good"]) & has[kind]
        for figure, own in FIGURES.items()
        for kind in BESIDE
    }
    rows = counters.lazy()
    return pl.concat(
        rows.filter(used).select("unit_no", figure=pl.lit(figure), kind=pl.lit(kind, KIND))
        for (figure, kind), used in uses.items()
    ).collect(engine="in-memory")


def since(uses: pl.DataFrame, spoken: pl.DataFrame) -> pl.DataFrame:
    """Per `unit_no` from when on all the counters of a figure have spoken: since_pq, since_gq."""
    silent = uses.join(spoken, on=["unit_no", "kind"], how="left")
    first = pl.col("first").fill_null(AFTER)
    return silent.group_by("unit_no").agg(
        first.filter(pl.col("figure") == figure).max().alias(f"since_{figure}")
        for figure in FIGURES
    )


def unread(told: pl.DataFrame, uses: pl.DataFrame, spoken: pl.DataFrame) -> pl.DataFrame:
    """`unit_no figure from_time to_time brings mixed` in which a needed counter was not read.

    Before its first reading, in a gap, before an estimated reset, and after the last reading that
    went Bad. `brings` so many pieces, known though not when in the span they were made, else null;
    a span that brings none is none. `mixed`: of which product is not known either.
    """
    key = ["unit_no", "kind"]
    silent = uses.join(spoken, on=key, how="left")
    before = silent.select(
        "unit_no", "figure", from_time=BEFORE, to_time=pl.col("first").fill_null(AFTER),
        brings=pl.lit(None, pl.Int64), mixed=pl.lit(value=False),
    )  # fmt: skip
    lost = told.filter(pl.col("unread"), pl.col("from_time").is_not_null()).with_columns(
        unit_and_kind()
    )
    good_again = lost.join(spoken, on=key).filter(
        pl.col("amount").is_not_null() | (pl.col("to_time") == pl.col("last"))
    )
    known = pl.col("amount").is_not_null()
    spans = good_again.join(uses, on=key).select(
        "unit_no", "figure", "from_time",
        to_time=pl.when(known).then("to_time").otherwise(AFTER),
        brings=pl.when(~pl.col("is_reset")).then("amount"), mixed="estimated",
    )  # fmt: skip
    return pl.concat([before, spans.filter(pl.col("brings").ne_missing(0))])


def doubtful(spans: pl.DataFrame, pieces: pl.DataFrame) -> pl.DataFrame:
    """The unread spans (by `span`) of each busy interval (`shift`), cut to it; what each `brings`.

    A span whose pieces came back within the same busy interval is in no doubt.
    """
    busy = pieces.select("unit_no", "shift", "start", "end")
    inside = (
        spans.with_row_index("span")
        .join(busy, on="unit_no")
        .filter(pl.col("from_time") < pl.col("end"), pl.col("to_time") > pl.col("start"))
    )
    same = (pl.col("from_time") >= pl.col("start")) & (pl.col("to_time") < pl.col("end"))
    whole = pl.col("brings").is_not_null() & ~pl.col("mixed") & same
    return inside.filter(~whole).with_columns(
        from_time=pl.max_horizontal("from_time", "start"),
        to_time=pl.min_horizontal("to_time", "end"),
    )


def together(doubtful: pl.DataFrame) -> pl.DataFrame:
    """Per busy interval and figure the disjoint unread spans in it."""
    return disjoint(doubtful, ["unit_no", "shift", "figure"])


def lasted(spans: pl.DataFrame) -> pl.DataFrame:
    """Per shift the microseconds of disjoint unread spans: `unread_pq` and `unread_gq`."""
    us = (pl.col("to_time") - pl.col("from_time")).dt.total_microseconds()
    return spans.group_by("shift").agg(
        us.filter(pl.col("figure") == figure).sum().alias(f"unread_{figure}") for figure in FIGURES
    )
