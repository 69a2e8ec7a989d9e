"""Which count a figure needs, and when its counters were not read."""

from typing import Final, NamedTuple

import polars as pl

from pipelines.axis import numbers_of
from pipelines.coverage import disjoint
from pipelines.equipment import UNIT, AnyFrame, eager
from pipelines.schemas import TIME

BEFORE: Final = pl.datetime(1970, 1, 1, time_zone="UTC").cast(TIME)
AFTER: Final = pl.datetime(2200, 1, 1, time_zone="UTC").cast(TIME)
"""Times no plan reaches: the ends of what was never read, and of what is not read any more."""

FIGURES: Final = {"pq": "total", "gq": "good"}
BESIDE: Final = ["scrap", "rework"]
KINDS: Final = ["good", "rework", "scrap", "total"]
"""In the order in which silver keeps them."""
KIND: Final = pl.Enum(KINDS)
LANES: Final = len(KINDS)
"""A work unit has a lane for each kind: unit_no x LANES + its place in KINDS."""

READ: Final = [*UNIT, "from_time", "to_time", "kind", "amount", "product_id", "cause", "estimated"]
TOLD: Final = ["lane", "from_time", "to_time", "amount", "product_id", "estimated"]
SEEN: Final = (pl.col("cause") == "reset") & (pl.col("amount") == 0)
"""A reset that was read as 0: each piece before it was a change, and would have been told."""
MORE: Final = ((pl.col("cause") != "step") | pl.col("estimated")).fill_null(value=True)


class Counts(NamedTuple):
    """Increments by lane, in order of time.

    `rows`: `lane to_time good_since amount product_id`, since the good reading before. `told` are
    those that are more than a step, by `row`: TOLD, `good_since`, `is_reset`, and `unread` where
    nobody counted from `from_time` on.
    """

    rows: pl.DataFrame
    told: pl.DataFrame


def counts(increments: AnyFrame, units: pl.DataFrame) -> Counts:
    """The increments of `units` (see `catalogue.numbered`)."""
    kinds = pl.DataFrame({"kind": KINDS, "place": range(LANES)})
    number = pl.col("unit_no") * LANES + pl.col("place")
    lanes = units.join(kinds, how="cross").select(*UNIT, "kind", lane=number.cast(pl.UInt32))
    read = eager(increments.lazy().select(*READ, more=MORE))
    told = read.with_row_index("row").filter("more").drop(UNIT, "kind")
    lane = numbers_of(read, lanes)
    names = {"good_since": "from_time"}
    rows = read.select("to_time", "amount", "product_id", **names).with_columns(lane)
    told = told.with_columns(lane.gather(told["row"]))
    if not (rows["lane"].has_nulls() or _runs_back(rows)):
        return Counts(rows, _told(told))
    own = rows.with_row_index("was").drop_nulls("lane")
    own = own.sort("lane", "to_time", maintain_order=True).with_row_index("row")
    moved = told.rename({"row": "was"}).join(own.select("was", "row"), on="was")
    return Counts(own.drop("was", "row"), _told(moved))


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    is_reset = pl.col("cause") == "reset"
    unread = (pl.col("cause") == "gap") | (is_reset & pl.col("estimated"))
    return _gone(
        rows.select(
            "row", *TOLD, is_reset=is_reset, unread=unread, seen=SEEN, good_since="from_time"
        )
    )


def lane(kind: str) -> pl.Expr:
    """Whether a row is of the counters of a kind."""
    return pl.col("lane") % LANES == KINDS.index(kind)


def is_beside() -> pl.Expr:
    """Whether a row is of one of BESIDE, which stand together in KINDS."""
    places = [KINDS.index(kind) for kind in BESIDE]
    return (pl.col("lane") % LANES).is_between(min(places), max(places))


def unit_and_kind() -> list[pl.Expr]:
    """What a lane is of: `unit_no` and `kind`."""
    kind = (pl.col("lane") % LANES).cast(pl.UInt8).replace_strict(dict(enumerate(KINDS)))
    return [(pl.col("lane") // LANES).alias("unit_no"), kind.cast(KIND).alias("kind")]


def _runs_back(rows: pl.DataFrame) -> bool:
    """Whether rows are not in order of lane and time. To look costs less than to sort again."""
    lanes, times = rows["lane"], rows["to_time"]
    back = (lanes < lanes.shift(1)) | ((lanes == lanes.shift(1)) & (times < times.shift(1)))
    return bool(back.any())


def _gone(rows: pl.DataFrame) -> pl.DataFrame:
    """Unread rows from where a reading went Bad: until then the good one before it held.

    A reset that was seen has no unread time before it.
    """
    lost = pl.col("amount").is_null()
    follows = pl.all_horizontal(
        pl.col(name) == pl.col(name).shift(1) for name in ("lane", "from_time")
    )
    after_lost = follows & lost.shift(1)
    since = (
        pl.when(lost).then("to_time").when(after_lost).then(pl.col("to_time").shift(1))
        .when("seen").then("to_time").otherwise("from_time")
    )  # fmt: skip
    unread = rows.filter("unread").sort("lane", "to_time", lost, maintain_order=True)
    known = pl.concat([unread.with_columns(from_time=since), rows.filter(~pl.col("unread"))])
    return known.drop("seen").sort("row")


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
    return pl.concat(
        counters.filter(used).select("unit_no", figure=pl.lit(figure), kind=pl.lit(kind, KIND))
        for (figure, kind), used in uses.items()
    )


def heard(rows: pl.DataFrame) -> pl.DataFrame:
    """Per `unit_no` and kind the first good reading, `first`, and the end of the last row."""
    by_lane = rows.with_columns(pl.col("lane").set_sorted()).group_by("lane")
    lanes = by_lane.agg(
        first=pl.min_horizontal(pl.min("good_since"), pl.min("to_time")), last=pl.max("to_time")
    )
    return lanes.select(*unit_and_kind(), "first", "last")


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
