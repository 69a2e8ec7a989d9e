"""Pieces and ideal time per shift."""

from typing import Final

import polars as pl

from pipelines.cycles import per_unit, with_pri
from pipelines.readings import BESIDE, KINDS

US: Final = 1_000_000
QUANTITIES: Final = {"pq": "total", "gq": "good", "sq": "scrap", "rq": "rework"}
IDEAL: Final = {
    "ideal_total_us": "pq", "ideal_good_us": "gq", "ideal_most_us": "most",
    "ideal_read_us": "read", "ideal_own_us": "own",
}  # fmt: skip
"""Ideal microseconds, and the pieces they are of."""


def quantities(
    rows: pl.DataFrame,
    pieces: pl.DataFrame,
    own: pl.DataFrame,
    doubts: pl.DataFrame,
    cycles: pl.DataFrame,
    counters: pl.DataFrame,
) -> pl.DataFrame:
    """Per `shift` that made anything: `pq gq sq rq pq_outside_plan` and ideal microseconds.

    `rows` are `readings.numbered_rows`; `pieces` busy intervals and `own` the time of each shift,
    both with `shift`: a piece belongs where it was counted, an edge to what begins there.
    `doubts` is `readings.doubtful`. Ideal times are null where a product has no PRI; the sums of
    the rest bound OEE: all (known), at most, what surely is good (read), and what was also begun
    in the shift (own).
    """
    made = with_its_piece(rows).filter(pl.col("amount") > 0)
    placed = _placed(_placed(made, own, "shift"), pieces, "busy")
    priced = with_pri(_doubted(placed, doubts), per_unit(cycles, counters), "to_time")
    key = ["shift", "busy", "unit_no", "product_id", "pri_s"]
    sums = (
        priced.filter(pl.col("shift").is_not_null())
        .group_by(*key, "kind", "begun_before", "crossing", "doubted")
        .agg(pl.sum("amount"))
    )
    filled = _filled(sums.group_by(key).agg(_kinds()), counters)
    inside = filled.filter(pl.col("busy") == pl.col("shift"))
    outside = filled.filter((pl.col("busy") != pl.col("shift")).fill_null(value=True))
    beside = outside.group_by("shift").agg(pq_outside_plan=pl.sum("pq"))
    return _per_shift(inside).join(beside, on="shift", how="full", coalesce=True)


def with_its_piece(rows: pl.DataFrame) -> pl.DataFrame:
    """Scrap and rework at the time and product of their work unit's last total step before them.

    What is told while the total is not read stays where it is: its piece was made there.
    """
    is_late = pl.col("kind").is_in(BESIDE)
    steps = _steps(rows.filter(pl.col("kind") == "total"))
    moved = _since(rows.filter(is_late), steps).with_columns(
        pl.when(pl.col("step").is_null()).then(old).otherwise(new).alias(old)
        for old, new in (("to_time", "step"), ("product_id", "made"))
    )
    return pl.concat([rows.filter(~is_late), moved.select(rows.columns)])


def _steps(total: pl.DataFrame) -> pl.DataFrame:
    """At every word of a total counter the last step, `step`, and what it `made`.

    Null from where the counter is not read until it is again.
    """
    words = total.select(
        "unit_no",
        at="to_time",
        step=pl.when(pl.col("amount") > 0).then("to_time"),
        made="product_id",
        amount="amount",
    )
    counted, still = words.filter(pl.col("amount") > 0), words.filter(pl.col("amount") == 0)
    before = _since(still.select("unit_no", "amount", to_time="at"), counted.drop("amount"))
    return pl.concat(
        [
            words.filter(pl.col("amount").is_null() | (pl.col("amount") > 0)),
            before.select("unit_no", "to_time", "step", "made", "amount").rename({"to_time": "at"}),
        ]
    ).drop("amount")


def _since(rows: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Adds the step that stands at `to_time`."""
    return rows.sort("to_time", maintain_order=True).join_asof(
        steps.sort("at", maintain_order=True), left_on="to_time", right_on="at", by="unit_no",
        check_sortedness=False, coalesce=False,
    )  # fmt: skip


def _placed(rows: pl.DataFrame, spans: pl.DataFrame, name: str) -> pl.DataFrame:
    """Adds as `name` the shift of the span (start inclusive, end not) that holds `to_time`."""
    known = spans.select("unit_no", "start", "end", pl.col("shift").alias(name)).sort("start")
    found = rows.sort("to_time", maintain_order=True).join_asof(
        known, left_on="to_time", right_on="start", by="unit_no", check_sortedness=False,
        coalesce=False,
    )  # fmt: skip
    within = pl.col("to_time") < pl.col("end")
    begun_before = pl.col("from_time") < pl.col("start")
    return found.with_columns(
        pl.when(within).then(name).alias(name), begun_before=begun_before
    ).drop("start", "end")


def _doubted(placed: pl.DataFrame, doubts: pl.DataFrame) -> pl.DataFrame:
    """Adds `crossing`, brought by an unread span from before or of several products, and `doubted`.

    What was counted while another counter that good pieces follow from was not read is doubted.
    """
    spans = doubts.filter(pl.col("figure") == "gq").select(
        busy="shift", span_from="from_time", span_to="to_time"
    )
    mixed = ~pl.col("is_reset") & pl.col("estimated")
    crossing = (pl.col("begun_before") & pl.col("unread")) | mixed
    rows = placed.with_columns(crossing=crossing, doubted=pl.lit(value=False))
    if spans.is_empty():
        return rows
    touched = pl.col("busy").is_in(spans["busy"].unique().implode()).fill_null(value=False)
    found = rows.filter(touched).join_asof(
        spans.sort("span_from"), left_on="to_time", right_on="span_from", by="busy",
        allow_exact_matches=False, check_sortedness=False,
    )  # fmt: skip
    within = (pl.col("to_time") < pl.col("span_to")).fill_null(value=False)
    return pl.concat(
        [rows.filter(~touched), found.with_columns(doubted=within).select(rows.columns)]
    )


def _kinds() -> list[pl.Expr]:
    """Pieces per kind: all; not crossing (most); surely good (read), and begun within (own)."""
    sure = ~pl.col("doubted")
    sets = {
        "": pl.lit(value=True),
        "most_": ~pl.col("crossing"),
        "read_": sure & ~pl.col("crossing"),
        "own_": sure & ~pl.col("crossing") & ~pl.col("begun_before"),
    }
    return [
        pl.col("amount").filter(pl.col("kind") == kind, chosen).sum().alias(prefix + kind)
        for prefix, chosen in sets.items()
        for kind in KINDS
    ]


def _filled(rows: pl.DataFrame, counters: pl.DataFrame) -> pl.DataFrame:
    """Adds pq, gq, sq, rq and what bounds gq; a counter that a machine lacks follows from others.

    At most good is what no scrap of the shift is known for, at least what all scrap leaves.
    """
    has = rows.join(counters.select("unit_no", "has_total", "has_good"), on="unit_no", how="left")
    beside = pl.col("scrap") + pl.col("rework")
    followed = {
        "gq": pl.col("total") - beside,
        "most": pl.col("total") - pl.col("most_scrap") - pl.col("most_rework"),
        "read": pl.col("read_total") - beside,
        "own": pl.col("own_total") - beside,
    }
    own = {"gq": "good", "most": "good", "read": "read_good", "own": "own_good"}
    return has.with_columns(
        pl.when("has_total").then("total").otherwise(pl.col("good") + beside).alias("pq"),
        *(
            pl.when("has_good").then(own[name]).otherwise(expr.clip(lower_bound=0)).alias(name)
            for name, expr in followed.items()
        ),
        sq="scrap",
        rq="rework",
    )


def _per_shift(rows: pl.DataFrame) -> pl.DataFrame:
    """Pieces and ideal time per shift: pieces times PRI, rounded once per product and PRI."""
    ideal = rows.with_columns(_ideal_us(of).alias(name) for name, of in IDEAL.items())
    return ideal.group_by("shift").agg(
        *(pl.sum(name) for name in QUANTITIES),
        *(_null_if_any(name) for name in ("ideal_total_us", "ideal_good_us")),
        *(pl.sum(name) for name in ("ideal_most_us", "ideal_read_us", "ideal_own_us")),
        ideal_known_us=pl.sum("ideal_good_us"),
    )


def _ideal_us(pieces: str) -> pl.Expr:
    ideal = (pl.col("pri_s") * pl.col(pieces) * US).round().cast(pl.Int64)
    return pl.when(pl.col(pieces) == 0).then(0).otherwise(ideal)


def _null_if_any(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null().all()).then(pl.sum(name)).alias(name)
