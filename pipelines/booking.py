"""Where pieces belong: the shift, the busy interval and the product they were made in."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import polars as pl

from pipelines.asked import Asked
from pipelines.axis import Axis, ordered
from pipelines.belated import moved
from pipelines.lanes import Counts, besides, is_beside, unit_and_kind
from pipelines.plain import plain
from pipelines.profiles import Profile
from pipelines.readings import AFTER, BEFORE
from pipelines.sharing import Shared, shared
from pipelines.spans import in_lanes, spans_of

PLACE: Final = pl.Enum(["read", "kept", "dealt", "away", "perhaps", "or_here"])
"""Counted where they were read: all, or what is left there of a gap over an edge; dealt to another
stretch than that of their reading; and at their reading, the pieces that were dealt to others.
Scrap and rework that belong to the last step perhaps, or to their reading in another stretch."""


def booked(
    known: Asked, prices: pl.DataFrame, profile: Profile, starts: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Pieces (`amount`) by span (see `spans_of`), kind, product, `unseen`, `crossing` and `place`.

    Unseen: made while not all was heard. Crossing: perhaps before their busy interval, in time that
    was unread or not heard, or in unread time in which the product changed. The `place` of pieces
    that `sharing` deals out is one of PLACE.
    """
    counts = known.counts
    whole = counts.whole
    spans = in_lanes(spans_of(known, prices, starts)).with_row_index("span").with_columns(
        at=whole.edge("start", "lane")
    )  # fmt: skip
    begins = _begins(spans, counts)
    apart = _apart(spans, begins, counts)
    names = prices["product_id"].drop_nulls().unique().sort()
    with ThreadPoolExecutor(1) as beside:
        undoubted = beside.submit(plain, counts, apart, begins, names)
        odd = [_odd(some, spans) for some in _others(apart, spans, known, profile)]
    in_shift = spans.filter(pl.col("shift").is_not_null()).with_columns(unit_and_kind())
    no = pl.lit(value=False)
    read = undoubted.result().with_columns(unseen=no, crossing=no, place=pl.lit("read", PLACE))
    return pl.concat([read, *odd]).join(in_shift.drop("at", "end", "lane"), on="span")


def _others(
    apart: pl.Series, spans: pl.DataFrame, known: Asked, profile: Profile
) -> list[pl.DataFrame]:
    """The rows `apart` by `span`: where they stand, what moved, and what was dealt out."""
    edges = spans.select("at", "span")
    some = _placed(_looked_at(apart, known.counts), edges)
    kept, dealt = _with_shares(some, shared(some, spans, known, profile), known.counts.whole)
    beside = kept.filter(is_beside())
    belated, dealt = (
        _placed(rows.drop("span"), edges) for rows in (moved(beside, known.counts), dealt)
    )
    return [kept.filter(~is_beside()), dealt, *_perhaps_here(beside, belated, spans)]


def _perhaps_here(
    beside: pl.DataFrame, belated: pl.DataFrame, spans: pl.DataFrame
) -> list[pl.DataFrame]:
    """Scrap and rework where they were moved to; no bound counts on it where that is in doubt.

    What was told while not all was heard may be of a step that nobody heard, and not of the last
    one that was: where an edge lies between them, it is perhaps there, or here.
    """
    of_span = spans.select("span", "stretch", is_heard=pl.col("heard_since") != AFTER)
    read = beside.join(of_span, on="span").filter(~pl.col("is_heard"), pl.col("place") == "read")
    there = belated.join(of_span.drop("is_heard"), on="span").select("row", gone_to="stretch")
    doubted = read.join(there, on="row").filter(pl.col("gone_to") != pl.col("stretch"))["row"]
    is_doubted = pl.col("row").is_in(doubted.implode())
    place = pl.when(is_doubted).then(pl.lit("perhaps", PLACE)).otherwise("place").alias("place")
    or_here = beside.filter(is_doubted).with_columns(place=pl.lit("or_here", PLACE))
    return [belated.with_columns(place), or_here]


def _placed(rows: pl.DataFrame, edges: pl.DataFrame) -> pl.DataFrame:
    """Rows with the `span` in which they lie, both sorted by `at`."""
    return rows.join_asof(edges, on="at", check_sortedness=False)


def _begins(spans: pl.DataFrame, counts: Counts) -> pl.Series:
    """By span its first row, and behind them the number of rows; both are in order of `at`."""
    begins = counts.rows["at"].search_sorted(spans["at"])
    return begins.append(pl.Series([counts.rows.height], dtype=begins.dtype))


def _apart(spans: pl.DataFrame, begins: pl.Series, counts: Counts) -> pl.Series:
    """The rows that are looked at one by one: scrap and rework, more than a step, perhaps early.

    Early pieces may have been made before their span, so that they are the first rows in it.
    """
    doubtful_before = pl.max_horizontal("heard_since", "busy_start")
    doubted = spans.select("lane", doubtful_before=doubtful_before)
    early = counts.rows["since_at"].search_sorted(
        doubted.select(counts.whole.edge("doubtful_before", "lane")).to_series()
    )
    first = pl.DataFrame({"begin": begins[:-1], "end": begins[1:], "early": early})
    ends = first.select("begin", end=pl.min_horizontal("end", "early"))
    some = pl.concat([ends, besides(counts)]).filter(pl.col("begin") < pl.col("end"))
    rows = some.select(pl.int_ranges("begin", "end", dtype=pl.UInt32).explode()).to_series()
    return pl.concat([rows, counts.told["row"]]).unique().sort()


def _with_shares(
    rows: pl.DataFrame, shares: Shared, whole: Axis
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(`rows` with their `place`, what was dealt to other stretches by `at`).

    Nobody knows when the pieces of a share were made: as if since ever.
    """
    if shares.kept.is_empty():
        plain = rows.with_columns(place=pl.lit("read", PLACE))
        return plain, plain.clear()
    own = shares.kept.rename({"amount": "own"})
    known = rows.join(own, on="row", how="left", maintain_order="left")
    less = known.with_columns(
        amount=pl.coalesce("own", "amount"),
        place=pl.when(pl.col("own").is_null()).then(pl.lit("read")).otherwise(pl.lit("kept")),
    )
    gone = known.filter(pl.col("own") < pl.col("amount")).with_columns(
        amount=pl.col("amount") - pl.col("own"), place=pl.lit("away")
    )
    ever = {"from_time": BEFORE, "good_since": BEFORE, "unread": pl.lit(value=True)}
    dealt = known.drop("amount", "to_time").join(shares.moved, on="row").with_columns(
        **ever, place=pl.lit("dealt"), to_time=pl.col("to_time") - pl.duration(microseconds=1)
    ).with_columns(at=whole.at("to_time", "lane"))  # fmt: skip
    names = [*rows.columns, "place"]
    stay = pl.concat([less.select(names), gone.select(names)])
    return stay.cast({"place": PLACE}), ordered(dealt.select(names)).cast({"place": PLACE})


def _looked_at(apart: pl.Series, counts: Counts) -> pl.DataFrame:
    """The rows `apart` with all that is `told` of them; a step is nothing more."""
    more = counts.told.select("row", "from_time", "is_reset", "unread", "estimated")
    some = counts.rows.drop("since_at")[apart].insert_column(0, apart.alias("row"))
    flags = pl.col("is_reset", "unread", "estimated").fill_null(value=False)
    return some.join(more, on="row", how="left", maintain_order="left").with_columns(
        flags, pl.coalesce("from_time", "good_since")
    )


def _odd(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """The pieces of the other rows, each looked at by itself."""
    at_edge = spans.select("span", "busy_start", "heard_since", "heard_before")
    told = rows.filter(pl.col("amount") > 0).join(at_edge, on="span")
    gone = pl.col("unread") & (pl.col("from_time") < pl.col("busy_start"))
    unheard = pl.col("good_since") < pl.col("heard_before")
    mixed = ~pl.col("is_reset") & pl.col("estimated")
    unseen = (pl.col("good_since") < pl.col("heard_since")).fill_null(value=False)
    crossing = (gone | unheard).fill_null(value=False) | mixed | (pl.col("place") != "read")
    flagged = told.with_columns(unseen=unseen, crossing=crossing)
    sums = flagged.group_by("span", "product_id", "unseen", "crossing", "place")
    return sums.agg(pl.sum("amount")).select(
        "span", "product_id", "amount", "unseen", "crossing", "place"
    )
