"""Where pieces belong: the shift, the busy interval and the product they were made in."""

from typing import Final

import polars as pl

from pipelines.asked import Asked
from pipelines.axis import Axis, atoms, axis, ordered, with_unit_no
from pipelines.belated import moved
from pipelines.profiles import Profile
from pipelines.readings import AFTER, BEFORE, LANES, is_beside, unit_and_kind
from pipelines.schemas import TIME
from pipelines.sharing import Shared, shared

FEW: Final = 8
PLACE: Final = pl.Enum(["read", "kept", "dealt", "away"])
"""Counted where they were read: all, or what is left there of a gap over an edge; dealt to another
stretch than that of their reading; and at their reading, the pieces that were dealt to others."""
NOWHERE: Final = pl.DataFrame(schema={"unit_no": pl.UInt32(), "start": TIME, "end": TIME})


def booked(
    known: Asked, prices: pl.DataFrame, profile: Profile, starts: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Pieces (`amount`) by span (see `_spans`), kind, product, `unseen`, `crossing` and `place`.

    Unseen: made while not all was heard. Crossing: perhaps before their busy interval, in time that
    was unread or not heard, or in unread time in which the product changed. The `place` of pieces
    that `sharing` deals out is one of PLACE.
    """
    spans = _in_lanes(_spans(known, prices, starts))
    counts = known.counts
    whole = axis(known.counters.height * LANES, [counts.rows["to_time"], spans["start"]])
    spans = spans.with_columns(at=whole.at("start", "lane")).with_row_index("span")
    edges = spans.select(
        "at", "span", doubtful_before=pl.max_horizontal("heard_since", "busy_start")
    )
    placed = counts.rows.with_columns(at=whole.at("to_time", "lane"))
    rows = placed.join_asof(edges, on="at", check_sortedness=False)
    late, early = rows.select(is_beside()).to_series(), rows.select(_is_early()).to_series()
    apart = (late | early).scatter(counts.told["row"], values=True)
    others = _looked_at(rows, apart, counts.told)
    kept, dealt = _with_shares(others, shared(others, spans, known, profile), whole)
    belated = moved(kept.filter(is_beside()), rows, whole)
    again = [
        some.drop("span").join_asof(edges.select("at", "span"), on="at", check_sortedness=False)
        for some in (belated, dealt)
    ]
    names = prices["product_id"].drop_nulls().unique().sort()
    in_shift = spans.filter(pl.col("shift").is_not_null()).with_columns(unit_and_kind())
    every = [kept.filter(~is_beside()), *again]
    sums = [_plain(rows, apart, names, spans.height), *(_odd(some, spans) for some in every)]
    return pl.concat(sums).join(in_shift.drop("at", "end", "lane"), on="span")


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


def _is_early() -> pl.Expr:
    """Pieces that may have been made before their span."""
    return (pl.col("good_since") < pl.col("doubtful_before")).fill_null(value=False)


def _plain(rows: pl.DataFrame, apart: pl.Series, names: pl.Series, spans: int) -> pl.DataFrame:
    """The pieces of all rows but those `apart`, by span and product: seen, and not crossing."""
    own = rows.lazy().with_columns(amount=pl.when(~apart).then("amount").otherwise(0))
    few = _by_few(own, names) if 0 < len(names) <= FEW else None
    sums = _by_any(own, spans) if few is None else few
    no = pl.lit(value=False)
    return sums.filter(pl.col("amount") > 0).select(
        "span", "product_id", "amount", unseen=no, crossing=no, place=pl.lit("read", PLACE)
    )


def _by_few(rows: pl.LazyFrame, names: pl.Series) -> pl.DataFrame | None:
    """Pieces by span and product, a column for each; None where others than `names` were made.

    Rows of a span stand together, so that nothing is hashed: a third of the time of `_by_any`.
    """
    amount, product = pl.col("amount"), pl.col("product_id")
    each = {
        str(n): pl.when(product == name).then(amount).otherwise(0) for n, name in enumerate(names)
    }
    wide = rows.select(pl.col("span").set_sorted(), every=amount, **each)
    sums = wide.group_by("span").agg(pl.all().sum()).collect()
    if not sums.select((pl.sum_horizontal(*each) == pl.col("every")).all()).item():
        return None
    long = sums.unpivot(list(each), index="span", variable_name="no", value_name="amount")
    return long.with_columns(product_id=names.gather(long["no"].cast(pl.UInt32)))


def _by_any(rows: pl.LazyFrame, spans: int) -> pl.DataFrame:
    """Pieces by span and product, which one integer for both finds in a third of the time."""
    product = pl.col("product_id").cast(pl.Categorical).to_physical().cast(pl.Int64) + 1
    code = product.fill_null(0) * spans + pl.col("span")
    sums = rows.select("product_id", "amount", code=code).group_by("code")
    found = sums.agg(pl.sum("amount"), pl.first("product_id")).collect(engine="streaming")
    return found.with_columns(span=(pl.col("code") % spans).cast(pl.UInt32))


def _looked_at(rows: pl.DataFrame, apart: pl.Series, told: pl.DataFrame) -> pl.DataFrame:
    """The rows `apart` with all that is `told` of them; a step is nothing more."""
    more = told.select("row", "from_time", "is_reset", "unread", "estimated")
    some = rows.drop("doubtful_before").with_row_index("row").filter(apart)
    flags = pl.col("is_reset", "unread", "estimated").fill_null(value=False)
    return some.join(more, on="row", how="left", maintain_order="left").with_columns(
        flags, pl.coalesce("from_time", "good_since")
    )


def _spans(known: Asked, prices: pl.DataFrame, starts: pl.DataFrame | None) -> pl.DataFrame:
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


def _in_lanes(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans of a work unit, once for each kind, by `lane` and start."""
    places = pl.DataFrame({"place": range(LANES)}, {"place": pl.UInt32})
    number = (pl.col("unit_no") * LANES + pl.col("place")).cast(pl.UInt32)
    every = spans.join(places, how="cross").with_columns(lane=number).drop("place")
    return every.sort("lane", "start")


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
