"""Pieces and ideal time per shift."""

from typing import Final

import polars as pl

from pipelines.asked import Asked
from pipelines.booking import booked
from pipelines.cycles import per_unit, with_pri
from pipelines.lanes import KINDS
from pipelines.profiles import Profile

US: Final = 1_000_000
QUANTITIES: Final = {"pq": "total", "gq": "good", "sq": "scrap", "rq": "rework"}
IDEAL: Final = {
    "ideal_total_us": "pq", "ideal_good_us": "gq", "ideal_most_us": "most",
    "ideal_as_read_us": "as_read", "ideal_start_us": "bad_at_start",
}  # fmt: skip
"""Ideal microseconds, and the pieces they are of."""


def by_product(
    known: Asked, cycles: pl.DataFrame, profile: Profile, starts: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Pieces by `shift busy unit_no product_id pri_s`: QUANTITIES, pq_estimated, what bounds gq.

    A piece belongs to the `shift` in whose time it was counted, an edge to what begins there;
    `busy` is the shift whose busy interval it lies in, null outside the plan. Good pieces are at
    `most` those of the shift, and surely those that are `read`; of them the `unseen` came while not
    all was heard, so that their product is what was last told, and surely take what the fastest
    does. `bad_at_start` counts bad ones in the spans `starts` (`unit_no start end`). Ideal
    microseconds of IDEAL are null where the product has no PRI.
    """
    prices = per_unit(cycles, known.counters)
    least = prices.group_by("unit_no").agg(fastest_s=pl.min("pri_s"))
    sums = booked(known, prices, profile, starts)
    priced = with_pri(sums, prices, "start").join(least, on="unit_no", how="left")
    key = ["shift", "busy", "unit_no", "product_id", "pri_s", "fastest_s"]
    of_kinds = _kinds()
    # Sums of columns are several times as fast as sums of what a filter leaves of each group.
    sums = priced.select(*key, **of_kinds).group_by(key).agg(pl.sum(*of_kinds))
    return _filled(sums, known.counters, profile)


def per_shift(made: pl.DataFrame) -> pl.DataFrame:
    """Per `shift` that made anything: its pieces, pq_outside_plan, pq_estimated, and ideal time.

    Ideal times are null where a product has no PRI; the sums of the rest bound OEE: all (known),
    most and read as `by_product` says, `unseen` pieces.
    """
    outside = made.filter((pl.col("busy") != pl.col("shift")).fill_null(value=True))
    beside = outside.group_by("shift").agg(pq_outside_plan=pl.sum("pq"))
    inside = _summed_up(inside_plan(made))
    return inside.join(beside, on="shift", how="full", coalesce=True)


def inside_plan(made: pl.DataFrame) -> pl.DataFrame:
    """Of `by_product` what was made in the shift's own busy time."""
    return made.filter(pl.col("busy") == pl.col("shift"))


def _kinds() -> dict[str, pl.Expr]:
    """Pieces per kind: all; not crossing (most); surely good (read); unseen and not crossing.

    Beside them those made while starting up (start), those placed by the states (estimated), all
    at their reading (as_read), and all that may lie here (lost).
    """
    sure, here = ~pl.col("doubted"), ~pl.col("place").is_in(["away", "or_here"])
    sets = {
        "": here,
        "most_": ~pl.col("crossing"),
        "read_": sure & ~pl.col("crossing"),
        "unseen_": pl.col("unseen") & ~pl.col("crossing"),
        "start_": pl.col("starting") & here,
        "estimated_": pl.col("place").is_in(["kept", "dealt"]),
        "as_read_": pl.col("place").is_in(["read", "kept", "away"]),
        "lost_": pl.col("place") != "dealt",
    }
    return {
        prefix + kind: pl.when(chosen, pl.col("kind") == kind).then("amount").otherwise(0)
        for prefix, chosen in sets.items()
        for kind in KINDS
    }


def _filled(rows: pl.DataFrame, counters: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Adds pq, gq, sq, rq and what bounds gq; a counter that a machine lacks follows from others.

    At most good is what no scrap of the shift is known for, at least what all scrap that may be of
    it leaves.
    """
    has = rows.join(counters.select("unit_no", "has_total", "has_good"), on="unit_no", how="left")
    passed = profile.rework == "good_once_passed"
    sets = {"gq": ("", ""), "most": ("most_", "most_"), "read": ("read_", "lost_")}
    sets |= {name: (f"{name}_",) * 2 for name in ("start", "as_read")}
    good = {name: _good(of, lost_of, passed=passed) for name, (of, lost_of) in sets.items()}
    counted = has.with_columns(
        _all("").alias("pq"),
        _all("start_").alias("start_pq"),
        _all("estimated_").alias("pq_estimated"),
        *(expr.alias(name) for name, expr in good.items()),
        sq="scrap",
        rq="rework",
    )
    bad_at_start = (pl.col("start_pq") - pl.col("start")).clip(0, pl.col("pq") - pl.col("gq"))
    own = pl.sum_horizontal("unseen_good", "unseen_rework") if passed else pl.col("unseen_good")
    unseen = pl.when("has_good").then(own).otherwise("unseen_total")
    return counted.with_columns(bad_at_start=bad_at_start, unseen=unseen).with_columns(
        *(_ideal_us(of).alias(name) for name, of in IDEAL.items()), ideal_read_us=_surely_us()
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
        *(pl.sum(name) for name in (*QUANTITIES, "pq_estimated")),
        *(_null_if_any(name) for name in ("ideal_total_us", "ideal_good_us")),
        *(
            pl.sum(name)
            for name in ("ideal_most_us", "ideal_read_us", "ideal_as_read_us", "unseen")
        ),
        ideal_known_us=pl.sum("ideal_good_us"),
    )


def _ideal_us(pieces: str) -> pl.Expr:
    """Pieces times PRI, rounded once per product and PRI."""
    ideal = (pl.col("pri_s") * pl.col(pieces) * US).round().cast(pl.Int64)
    return pl.when(pl.col(pieces) == 0).then(0).otherwise(ideal)


def _surely_us() -> pl.Expr:
    """What is read, of it the unseen pieces as long as the fastest product takes."""
    unseen = pl.min_horizontal("unseen", "read")
    seen_us = (pl.col("pri_s") * (pl.col("read") - unseen) * US).round().cast(pl.Int64)
    unseen_us = (pl.col("fastest_s") * unseen * US).round().cast(pl.Int64)
    return seen_us + unseen_us


def _null_if_any(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null().all()).then(pl.sum(name)).alias(name)
