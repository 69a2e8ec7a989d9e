"""Pieces and ideal time per shift."""

from typing import Final

import polars as pl

from pipelines.cycles import per_unit, with_pri
from pipelines.equipment import UNIT

US: Final = 1_000_000
KINDS: Final = ["total", "good", "scrap", "rework"]
QUANTITIES: Final = {"pq": "total", "gq": "good", "sq": "scrap", "rq": "rework"}


def quantities(
    increments: pl.DataFrame,
    pieces: pl.DataFrame,
    shifts: pl.DataFrame,
    cycles: pl.DataFrame,
    counters: pl.DataFrame,
) -> pl.DataFrame:
    """Per `shift` that made anything: `pq gq sq rq pq_outside_plan` and ideal microseconds.

    `pieces` are busy intervals and `shifts` whole shifts, both with `shift`, start and end; a piece
    belongs where it was counted, an edge to what begins there. `counters` says per work unit
    `has_total` and `has_good`. Ideal times are null where a product has no PRI (`ideal_known_*`
    sum the rest; `ideal_own_us` leaves out what was begun before the shift).
    """
    placed = _placed(_placed(increments, shifts, "shift"), pieces, "busy")
    made = placed.filter(pl.col("shift").is_not_null())
    busy = pl.col("busy") == pl.col("shift")
    inside = _per_product(made.filter(busy), cycles, counters)
    outside = _filled(
        made.filter(~busy.fill_null(value=False)).group_by("shift", *UNIT).agg(_kinds()), counters
    )
    sums = inside.group_by("shift").agg(
        *(pl.sum(name) for name in QUANTITIES),
        ideal_known_us=pl.sum("ideal_good_us"),
        ideal_own_us=pl.sum("ideal_own_us"),
        ideal_total_us=_null_if_any("ideal_total_us"),
        ideal_good_us=_null_if_any("ideal_good_us"),
    )
    beside = outside.select("shift", pq_outside_plan="pq")
    return sums.join(beside, on="shift", how="full", coalesce=True)


def _placed(rows: pl.DataFrame, spans: pl.DataFrame, name: str) -> pl.DataFrame:
    """Adds as `name` the shift of the span (start inclusive, end not) that holds `to_time`."""
    unit = ["factory_id", "work_unit_id"]
    known = spans.select(*unit, "start", "end", pl.col("shift").alias(name)).sort("start")
    found = rows.sort("to_time", maintain_order=True).join_asof(
        known, left_on="to_time", right_on="start", by=unit, check_sortedness=False, coalesce=False
    )
    within = pl.col("to_time") < pl.col("end")
    begun_before = pl.col("from_time") < pl.col("start")
    return found.with_columns(
        pl.when(within).then(name).alias(name), begun_before=begun_before
    ).drop("start", "end")


def _kinds() -> list[pl.Expr]:
    every = [pl.col("amount").filter(pl.col("kind") == kind).sum().alias(kind) for kind in KINDS]
    own = [
        pl.col("amount").filter(pl.col("kind") == kind, ~pl.col("begun_before")).sum()
        .alias(f"own_{kind}") for kind in KINDS
    ]  # fmt: skip
    return [*every, *own]


def _filled(rows: pl.DataFrame, counters: pl.DataFrame) -> pl.DataFrame:
    """Adds pq, gq, sq, rq and own_gq; a counter that a machine lacks follows from the others."""
    has = rows.join(counters, on=UNIT, nulls_equal=True, how="left")
    return has.with_columns(
        *(expr.alias(name) for name, expr in zip(("pq", "gq"), _counted(""), strict=True)),
        _counted("own_")[1].alias("own_gq"),
        sq="scrap",
        rq="rework",
    )


def _counted(prefix: str) -> tuple[pl.Expr, pl.Expr]:
    """(total, good) where either may have no counter of its own."""
    total, good, scrap, rework = (pl.col(prefix + kind) for kind in KINDS)
    return (
        pl.when(pl.col("has_total").fill_null(value=True))
        .then(total)
        .otherwise(good + scrap + rework),
        pl.when(pl.col("has_good").fill_null(value=True))
        .then(good)
        .otherwise(total - scrap - rework),
    )


def _per_product(made: pl.DataFrame, cycles: pl.DataFrame, counters: pl.DataFrame) -> pl.DataFrame:
    """Quantities and ideal time per shift, product and PRI: pieces times PRI, rounded once."""
    priced = with_pri(made, per_unit(cycles, counters), "to_time")
    rows = _filled(priced.group_by("shift", *UNIT, "product_id", "pri_s").agg(_kinds()), counters)
    return rows.with_columns(
        ideal_total_us=_ideal_us("pq"),
        ideal_good_us=_ideal_us("gq"),
        ideal_own_us=_ideal_us("own_gq"),
    )


def _ideal_us(pieces: str) -> pl.Expr:
    ideal = (pl.col("pri_s") * pl.col(pieces) * US).round().cast(pl.Int64)
    return pl.when(pl.col(pieces) == 0).then(0).otherwise(ideal)


def _null_if_any(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null().all()).then(pl.sum(name))
