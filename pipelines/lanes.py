"""What was read of pieces: a lane for every counter of every work unit, on one axis of time."""

from typing import Final, NamedTuple

import polars as pl

from pipelines.axis import Axis, axis, by_runs
from pipelines.equipment import UNIT, AnyFrame, eager

KINDS: Final = ["good", "rework", "scrap", "total"]
"""In the order in which silver keeps them."""
KIND: Final = pl.Enum(KINDS)
BESIDE: Final = ["scrap", "rework"]
LANES: Final = len(KINDS)
"""A work unit has a lane for each kind: unit_no x LANES + its place in KINDS."""

READ: Final = ["from_time", "to_time", "amount", "product_id", "cause", "estimated"]
TOLD: Final = ["lane", "from_time", "to_time", "amount", "product_id", "estimated"]
SEEN: Final = (pl.col("cause") == "reset") & (pl.col("amount") == 0)
"""A reset that was read as 0: each piece before it was a change, and would have been told."""
MORE: Final = ((pl.col("cause") != "step") | pl.col("estimated")).fill_null(value=True)


class Counts(NamedTuple):
    """Increments by lane, in order of time.

    `rows`: `lane to_time good_since amount product_id` (since the good reading before), and on the
    axis `whole` `at` and `since_at`: the earliest good reading before this row or one behind it.
    `told` are those that are more than a step, by `row`: TOLD, `good_since`, `is_reset`, and
    `unread` where nobody counted from `from_time` on.
    """

    rows: pl.DataFrame
    told: pl.DataFrame
    whole: Axis


def counts(increments: AnyFrame, units: pl.DataFrame) -> Counts:
    """The increments of `units` (see `catalogue.numbered`)."""
    lanes = _lanes_of(units)
    # Texts first, one by one: their memory is free again before the rest is read.
    texts = (eager(increments.lazy().select(name)).to_series() for name in (*UNIT, "kind"))
    lane = by_runs(texts, lanes)
    read = eager(increments.lazy().select(*READ, more=MORE))
    told = read.with_row_index("row").filter("more")
    told = told.with_columns(lane.gather(told["row"]))
    names = {"good_since": "from_time"}
    # Of one piece each: out of many, a row is found slowly.
    rows = read.select("to_time", "amount", "product_id", **names).rechunk().with_columns(lane)
    whole = axis(lanes.height, [rows["to_time"], rows["good_since"]])
    at, since_at = whole.places(lane, lanes.height, rows["to_time"], rows["good_since"])
    rows = rows.with_columns(at.alias("at"), since_at.alias("since_at"))
    if lane.has_nulls() or not at.is_sorted():
        rows, told = _in_order(rows, told)
    earliest = _from_here_on(rows["since_at"], rows["at"])
    return Counts(rows.with_columns(since_at=earliest), _told(told), whole)


def _lanes_of(units: pl.DataFrame) -> pl.DataFrame:
    """The key of every counter that there may be, and its `lane`."""
    kinds = pl.DataFrame({"kind": KINDS, "place": range(LANES)})
    number = pl.col("unit_no") * LANES + pl.col("place")
    return units.join(kinds, how="cross").select(*UNIT, "kind", lane=number.cast(pl.UInt32))


def _in_order(rows: pl.DataFrame, told: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Rows that have a lane by `at`, and what is told of them by their new places."""
    own = rows.with_row_index("was").drop_nulls("lane")
    own = own.sort("at", maintain_order=True).with_row_index("row")
    moved = told.rename({"row": "was"}).join(own.select("was", "row"), on="was")
    return own.drop("was", "row"), moved


def _from_here_on(since: pl.Series, at: pl.Series) -> pl.Series:
    """The least of each and all behind it; where there is none, its row's own place counts."""
    if since.has_nulls():
        first = since.is_null().arg_true()
        since = since.scatter(first, at.gather(first))
    return since if since.is_sorted() else since.cum_min(reverse=True)


def _told(rows: pl.DataFrame) -> pl.DataFrame:
    is_reset = pl.col("cause") == "reset"
    unread = (pl.col("cause") == "gap") | (is_reset & pl.col("estimated"))
    return _gone(
        rows.select(
            "row", *TOLD, is_reset=is_reset, unread=unread, seen=SEEN, good_since="from_time"
        )
    )


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


def is_beside() -> pl.Expr:
    """Whether a row is of one of BESIDE, which stand together in KINDS."""
    places = [KINDS.index(kind) for kind in BESIDE]
    return (pl.col("lane") % LANES).is_between(min(places), max(places))


def besides(counts: Counts) -> pl.DataFrame:
    """The rows of BESIDE by work unit, from `begin` to before `end`."""
    places = sorted(KINDS.index(kind) for kind in BESIDE)
    first = pl.int_range(_lanes(counts) // LANES, eager=True) * LANES
    at = counts.rows["at"]
    ends = {"begin": first + places[0], "end": first + places[-1] + 1}
    return pl.DataFrame(
        {name: at.search_sorted(lane * counts.whole.span_us) for name, lane in ends.items()}
    )


def unit_and_kind() -> list[pl.Expr]:
    """What a lane is of: `unit_no` and `kind`."""
    kind = (pl.col("lane") % LANES).cast(pl.UInt8).replace_strict(dict(enumerate(KINDS)))
    return [(pl.col("lane") // LANES).alias("unit_no"), kind.cast(KIND).alias("kind")]


def heard(counts: Counts) -> pl.DataFrame:
    """Per `unit_no` and kind the first good reading, `first`, and the end of the last row."""
    rows, whole = counts.rows, counts.whole
    lane = pl.int_range(_lanes(counts) + 1, eager=True)
    begins = rows["at"].search_sorted(lane * whole.span_us)
    lanes = pl.DataFrame({"begin": begins, "end": begins.shift(-1)})
    spoke = lanes.filter(pl.col("begin") < pl.col("end"))
    begin = rows.select("lane", "at", "since_at")[spoke["begin"]]
    first = whole.time(pl.min_horizontal("at", "since_at"))
    return begin.select(
        *unit_and_kind(), first=first, last=rows["to_time"].gather(spoke["end"] - 1)
    )


def _lanes(counts: Counts) -> int:
    """How many lanes there are, up to the last in which anything was read."""
    last = counts.rows["lane"].max()
    return (last // LANES + 1) * LANES if isinstance(last, int) else 0
