"""Pieces and ideal time per shift."""

from typing import Final

import polars as pl

from pipelines.asked import Asked
from pipelines.axis import Axis, atoms, axis, ordered
from pipelines.cycles import per_unit, with_pri
from pipelines.profiles import Profile
from pipelines.readings import BESIDE, KINDS, LANES, unit_and_kind
from pipelines.schemas import TIME

US: Final = 1_000_000
QUANTITIES: Final = {"pq": "total", "gq": "good", "sq": "scrap", "rq": "rework"}
IDEAL: Final = {
    "ideal_total_us": "pq", "ideal_good_us": "gq", "ideal_most_us": "most",
    "ideal_read_us": "read", "ideal_own_us": "own", "ideal_start_us": "bad_at_start",
}  # fmt: skip
"""Ideal microseconds, and the pieces they are of."""
TOTAL: Final = KINDS.index("total")
NOWHERE: Final = pl.DataFrame(schema={"unit_no": pl.UInt32(), "start": TIME, "end": TIME})


def by_product(
    known: Asked, cycles: pl.DataFrame, profile: Profile, starts: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Pieces by `shift busy unit_no product_id pri_s`: `pq gq sq rq`, and what bounds gq.

    A piece belongs to the `shift` in whose time it was counted, an edge to what begins there;
    `busy` is the shift whose busy interval it lies in, null outside the plan. Good pieces are at
    `most` those, what surely is good (`read`), and what was also begun in the shift (`own`);
    `bad_at_start` counts bad ones in the spans `starts` (`unit_no start end`). Ideal microseconds
    of IDEAL are null where the product has no PRI.
    """
    prices = per_unit(cycles, known.counters)
    spans = _in_lanes(_spans(known, prices, starts))
    whole = axis(known.counters.height * LANES, [known.counts["to_time"], spans["start"]])
    spans = spans.with_columns(at=whole.at("start", "lane"))
    rows = known.counts.with_columns(at=whole.at("to_time", "lane"))
    is_late = (pl.col("lane") % LANES).is_between(KINDS.index("rework"), KINDS.index("scrap"))
    moved = ordered(_moved(rows.filter(is_late), _steps(rows), whole))
    at_once = _summed(rows, spans).filter(~pl.col("kind").is_in(BESIDE))
    sums = pl.concat([at_once, _summed(moved, spans)])
    priced = with_pri(sums, prices, "start")
    key = ["shift", "busy", "unit_no", "product_id", "pri_s"]
    return _filled(priced.group_by(key).agg(_kinds()), known.counters, profile)


def per_shift(made: pl.DataFrame) -> pl.DataFrame:
    """Per `shift` that made anything: `pq gq sq rq pq_outside_plan` and ideal microseconds.

    Ideal times are null where a product has no PRI; the sums of the rest bound OEE: all (known),
    most, read and own as `by_product` says.
    """
    outside = made.filter((pl.col("busy") != pl.col("shift")).fill_null(value=True))
    beside = outside.group_by("shift").agg(pq_outside_plan=pl.sum("pq"))
    inside = _summed_up(inside_plan(made))
    return inside.join(beside, on="shift", how="full", coalesce=True)


def inside_plan(made: pl.DataFrame) -> pl.DataFrame:
    """Of `by_product` what was made in the shift's own busy time."""
    return made.filter(pl.col("busy") == pl.col("shift"))


def _spans(known: Asked, prices: pl.DataFrame, starts: pl.DataFrame | None) -> pl.DataFrame:
    """Spans in which all pieces of a product count alike: one shift, busy interval, doubt, price.

    `unit_no start shift busy busy_start doubted starting`. What is counted while another counter
    that good pieces follow from was not read, its edges left out, is doubted.
    """
    just_after = pl.col("from_time") + pl.duration(microseconds=1)
    in_doubt = known.doubts.filter(pl.col("figure") == "gq").select(
        "unit_no", start=just_after, end="to_time", id=1
    )
    inside = pl.col("valid_from").is_between(known.own["start"].min(), known.own["end"].max())
    dated = prices.filter(inside).select("unit_no", start="valid_from").unique()
    busy = known.pieces.select("unit_no", "start", "end", busy="shift").with_row_index("id")
    layers = {
        "shift": known.own.select("unit_no", "start", "end", id="shift"),
        "piece": busy,
        "doubt": in_doubt,
        "price": dated.with_columns(end=pl.lit(None, TIME), id=0),
        "starting": (NOWHERE if starts is None else starts).with_columns(id=1),
    }
    begun = busy.select("busy", piece=pl.col("id").cast(pl.Int64), busy_start="start")
    return (
        atoms(layers)
        .join(begun, on="piece", how="left", maintain_order="left")
        .with_columns(
            pl.col("shift").cast(pl.UInt32),
            pl.col("starting").is_not_null(),
            doubted=pl.col("doubt").is_not_null(),
        )
    )


def _in_lanes(spans: pl.DataFrame) -> pl.DataFrame:
    """The spans of a work unit, once for each kind that it counts."""
    places = pl.DataFrame({"place": range(LANES)}, {"place": pl.UInt32})
    lane = (pl.col("unit_no") * LANES + pl.col("place")).cast(pl.UInt32)
    return (
        spans.join(places, how="cross")
        .select(lane.alias("lane"), *spans.columns)
        .sort("lane", "start")
    )


def _steps(rows: pl.DataFrame) -> pl.DataFrame:
    """At every word of a total counter the last step before: `step_at`, what it `made`.

    Null from where the counter is not read until it is again.
    """
    total = rows.filter(pl.col("lane") % LANES == TOTAL)
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
    aside = (TOTAL - pl.col("lane").cast(pl.Int64) % LANES) * whole.span_us
    beside = ordered(rows.with_columns(of_total=pl.col("at") + aside), "of_total")
    found = beside.join_asof(
        steps, left_on="of_total", right_on="at", check_sortedness=False, coalesce=False
    )
    own = pl.col("step_at") >= (pl.col("lane").cast(pl.Int64) // LANES * LANES) * whole.span_us
    return found.with_columns(
        at=pl.when(own).then(pl.col("step_at") - aside).otherwise("at"),
        product_id=pl.when(own).then("made").otherwise("product_id"),
    ).select(rows.columns)


def _summed(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Pieces by span, product, `begun_before` its busy interval and `crossing`.

    Crossing: brought by an unread time from before, or in which the product changed.
    """
    known = spans.with_row_index("span")
    found = rows.join_asof(
        known.select("at", "span", "busy_start"), on="at", check_sortedness=False
    )
    begun_before = (pl.col("from_time") < pl.col("busy_start")).fill_null(value=False)
    mixed = ~pl.col("is_reset") & pl.col("estimated")
    crossing = (begun_before & pl.col("unread")) | mixed
    product, names = _numbered(rows["product_id"])
    # One integer makes groups in a third of the time of four columns; sums of integers are the same
    # in any order.
    code = (pl.col("product") * known.height + pl.col("span")) * 4 + begun_before * 2 + crossing
    sums = (
        found.lazy()
        .with_columns(product.alias("product"))
        .select("amount", code=code)
        .filter(pl.col("amount") > 0)
        .group_by("code")
        .agg(pl.sum("amount"))
        .collect(engine="streaming")
    )
    in_shift = known.filter(pl.col("shift").is_not_null()).with_columns(unit_and_kind())
    span = pl.col("code") // 4 % known.height
    return sums.select(
        "amount",
        span=span.cast(pl.UInt32),
        begun_before=pl.col("code") % 4 >= 2,
        crossing=pl.col("code") % 2 == 1,
        product_id=names.gather((sums["code"] // 4 // known.height).cast(pl.UInt32)),
    ).join(in_shift.drop("at", "end", "lane"), on="span")


def _numbered(texts: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Each text as its number (Int64) in the second, null among them."""
    names = texts.unique()
    known = names.drop_nulls().sort()
    places = texts.cast(pl.Enum(known)).to_physical().cast(pl.Int64).fill_null(len(known))
    return places, known.extend_constant(None, 1)


def _kinds() -> list[pl.Expr]:
    """Pieces per kind: all; not crossing (most); surely good (read), and begun within (own).

    Beside them those made while starting up (start).
    """
    sure = ~pl.col("doubted")
    sets = {
        "": pl.lit(value=True),
        "most_": ~pl.col("crossing"),
        "read_": sure & ~pl.col("crossing"),
        "own_": sure & ~pl.col("crossing") & ~pl.col("begun_before"),
        "start_": pl.col("starting"),
    }
    return [
        pl.col("amount").filter(pl.col("kind") == kind, chosen).sum().alias(prefix + kind)
        for prefix, chosen in sets.items()
        for kind in KINDS
    ]


def _filled(rows: pl.DataFrame, counters: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Adds pq, gq, sq, rq and what bounds gq; a counter that a machine lacks follows from others.

    At most good is what no scrap of the shift is known for, at least what all scrap leaves.
    """
    has = rows.join(counters.select("unit_no", "has_total", "has_good"), on="unit_no", how="left")
    passed = profile.rework == "good_once_passed"
    sets = {"gq": ("", ""), "most": ("most_", "most_"), "read": ("read_", ""), "own": ("own_", "")}
    sets |= {"start_gq": ("start_", "start_")}
    good = {name: _good(of, lost_of, passed=passed) for name, (of, lost_of) in sets.items()}
    counted = has.with_columns(
        _all("").alias("pq"),
        _all("start_").alias("start_pq"),
        *(expr.alias(name) for name, expr in good.items()),
        sq="scrap",
        rq="rework",
    )
    bad_at_start = (pl.col("start_pq") - pl.col("start_gq")).clip(0, pl.col("pq") - pl.col("gq"))
    return counted.with_columns(bad_at_start=bad_at_start).with_columns(
        _ideal_us(of).alias(name) for name, of in IDEAL.items()
    )


def _all(of: str) -> pl.Expr:
    """All pieces of a set: its total, or good ones and the others."""
    parts = pl.sum_horizontal(f"{of}good", f"{of}scrap", f"{of}rework")
    return pl.when("has_total").then(f"{of}total").otherwise(parts)


def _good(of: str, lost_of: str, *, passed: bool) -> pl.Expr:
    """Good pieces of a set, and of those reworked the ones that `passed`; never below none.

    `of` which set the pieces are, `lost_of` which set of scrap and rework is taken from a total.
    """
    own, total, reworked = pl.col(f"{of}good"), pl.col(f"{of}total"), pl.col(f"{of}rework")
    lost = pl.col(f"{lost_of}scrap")
    if passed:
        own += reworked
    else:
        lost += pl.col(f"{lost_of}rework")
    return pl.when("has_good").then(own).otherwise((total - lost).clip(lower_bound=0))


def _summed_up(rows: pl.DataFrame) -> pl.DataFrame:
    """Pieces and ideal time per shift."""
    return rows.group_by("shift").agg(
        *(pl.sum(name) for name in QUANTITIES),
        *(_null_if_any(name) for name in ("ideal_total_us", "ideal_good_us")),
        *(pl.sum(name) for name in ("ideal_most_us", "ideal_read_us", "ideal_own_us")),
        ideal_known_us=pl.sum("ideal_good_us"),
    )


def _ideal_us(pieces: str) -> pl.Expr:
    """Pieces times PRI, rounded once per product and PRI."""
    ideal = (pl.col("pri_s") * pl.col(pieces) * US).round().cast(pl.Int64)
    return pl.when(pl.col(pieces) == 0).then(0).otherwise(ideal)


def _null_if_any(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null().all()).then(pl.sum(name)).alias(name)
