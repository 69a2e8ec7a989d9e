"""Where pieces belong: the shift, the busy interval and the product they were made in."""

from typing import Final

import polars as pl

from pipelines.asked import Asked
from pipelines.axis import Axis, atoms, axis, ordered, with_unit_no
from pipelines.readings import AFTER, BESIDE, KINDS, LANES, lane, unit_and_kind
from pipelines.schemas import TIME

TOTAL: Final = KINDS.index("total")
NOWHERE: Final = pl.DataFrame(schema={"unit_no": pl.UInt32(), "start": TIME, "end": TIME})


def booked(known: Asked, prices: pl.DataFrame, starts: pl.DataFrame | None = None) -> pl.DataFrame:
    """Pieces (`amount`) of the shifts by span (see `_spans`), kind, product, `unseen`, `crossing`.

    Unseen: made while not all was heard. Crossing: perhaps before their busy interval, in time that
    was unread or not heard, or in unread time in which the product changed.
    """
    spans = _in_lanes(_spans(known, prices, starts))
    whole = axis(known.counters.height * LANES, [known.counts["to_time"], spans["start"]])
    spans = spans.with_columns(at=whole.at("start", "lane")).with_row_index("span")
    rows = known.counts.with_columns(at=whole.at("to_time", "lane"))
    is_late = pl.any_horizontal(lane(kind) for kind in BESIDE)
    late = rows.filter(is_late)
    moved = ordered(_moved(late, _steps(rows.filter(lane("total"))), whole))
    sums = [_summed(rows, spans, ~is_late), _summed(moved, spans, pl.lit(value=True))]
    in_shift = spans.filter(pl.col("shift").is_not_null()).with_columns(unit_and_kind())
    return pl.concat(sums).join(in_shift.drop("at", "end", "lane"), on="span")


def _spans(known: Asked, prices: pl.DataFrame, starts: pl.DataFrame | None) -> pl.DataFrame:
    """Spans in which all pieces of a product count alike: one shift, busy interval, doubt, price.

    `unit_no start shift busy busy_start doubted starting`, since when all was heard without a break
    (`heard_since`, AFTER where it is not), and what was so at the start of the busy interval
    (`heard_before`). What is counted while another counter that good pieces follow from was not
    read, its edges left out, is doubted.
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
    since = heard.select(heard=pl.col("id").cast(pl.Int64), heard_since="start")
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
        )
    )


def _in_lanes(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans of a work unit, once for each kind, by `lane` and start."""
    places = pl.DataFrame({"place": range(LANES)}, {"place": pl.UInt32})
    number = (pl.col("unit_no") * LANES + pl.col("place")).cast(pl.UInt32)
    every = spans.join(places, how="cross").with_columns(lane=number).drop("place")
    return every.sort("lane", "start")


def _steps(total: pl.DataFrame) -> pl.DataFrame:
    """At every word of a total counter the last step before: `step_at`, what it `made`.

    Null from where the counter is not read until it is again.
    """
    words = total.select("at", "amount", "lane", step_at="at", made="product_id")
    is_step = pl.col("amount") > 0
    if words.select(is_step.all()).item():
        return words.drop("amount", "lane")
    step = pl.when(is_step).then(pl.struct("step_at", "made", of="lane")).forward_fill()
    told = pl.when(pl.col("amount").is_not_null()).then(step)
    known = words.select("at", "lane", told.alias("step")).unnest("step")
    own = pl.col("of") == pl.col("lane")
    return known.select(
        "at", *(pl.when(own).then(name).alias(name) for name in ("step_at", "made"))
    )


def _moved(rows: pl.DataFrame, steps: pl.DataFrame, whole: Axis) -> pl.DataFrame:
    """Scrap and rework at the step of a total counter before them, where their piece was made.

    What is told while the total is not read stays where it is: its piece was made there.
    """
    number = pl.col("lane").cast(pl.Int64)
    aside = (TOTAL - number % LANES) * whole.span_us
    beside = ordered(rows.with_columns(of_total=pl.col("at") + aside), "of_total")
    found = beside.join_asof(
        steps, left_on="of_total", right_on="at", check_sortedness=False, coalesce=False
    )
    own = pl.col("step_at") >= number // LANES * LANES * whole.span_us
    return found.with_columns(
        at=pl.when(own).then(pl.col("step_at") - aside).otherwise("at"),
        product_id=pl.when(own).then("made").otherwise("product_id"),
    ).select(rows.columns)


def _summed(rows: pl.DataFrame, spans: pl.DataFrame, chosen: pl.Expr) -> pl.DataFrame:
    """Pieces of the `chosen` rows by `span`, `product_id`, `unseen` and `crossing`."""
    doubtful_before = pl.max_horizontal("heard_since", "busy_start")
    edges = spans.select("at", "span", doubtful_before=doubtful_before)
    found = rows.join_asof(edges, on="at", check_sortedness=False)
    early = (pl.col("good_since") < pl.col("doubtful_before")).fill_null(value=False)
    odd = pl.col("unread") | pl.col("estimated") | early
    made = found.lazy().filter(chosen, pl.col("amount") > 0)
    plain, rest = pl.collect_all([_plain(made.filter(~odd), spans.height), made.filter(odd)])
    return pl.concat([plain, _odd(rest, spans)])


def _plain(rows: pl.LazyFrame, spans: int) -> pl.LazyFrame:
    """The pieces of rows that are neither unseen nor crossing.

    One integer makes groups in a third of the time of a number and a text; sums of integers are the
    same in any order.
    """
    product = pl.col("product_id").cast(pl.Categorical).to_physical().cast(pl.Int64) + 1
    code = product.fill_null(0) * spans + pl.col("span")
    sums = rows.group_by(code=code).agg(pl.sum("amount"), pl.first("product_id"))
    no = pl.lit(value=False)
    return sums.select(
        (pl.col("code") % spans).cast(pl.UInt32).alias("span"), "product_id",
        "amount", unseen=no, crossing=no,
    )  # fmt: skip


def _odd(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """The pieces of the other rows, each looked at by itself."""
    at_edge = spans.select("span", "busy_start", "heard_since", "heard_before")
    told = rows.join(at_edge, on="span")
    gone = pl.col("unread") & (pl.col("from_time") < pl.col("busy_start"))
    unheard = pl.col("good_since") < pl.col("heard_before")
    mixed = ~pl.col("is_reset") & pl.col("estimated")
    unseen = (pl.col("good_since") < pl.col("heard_since")).fill_null(value=False)
    crossing = (gone | unheard).fill_null(value=False) | mixed
    key = ["span", "product_id", unseen.alias("unseen"), crossing.alias("crossing")]
    return (
        told.group_by(key)
        .agg(pl.sum("amount"))
        .select("span", "product_id", "amount", "unseen", "crossing")
    )
