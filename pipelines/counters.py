"""Pieces: what a cumulative counter adds from one reading to the next."""

from typing import Final

import polars as pl

from pipelines.catalogue import NODE, bad, is_measure, named, number
from pipelines.cycles import per_unit, with_pri
from pipelines.equipment import UNIT
from pipelines.schemas import COUNT_INCREMENTS

KINDS: Final = {
    "parts_total": "total",
    "parts_good": "good",
    "parts_bad": "scrap",
    "parts_rework": "rework",
}

SLACK_FACTOR: Final = 2
SLACK_PIECES: Final = 2
"""A drop is a rollover only when the wrapped step is at most 2 x dt / PRI + 2: no machine makes
pieces twice as fast as planned for long, and two more may fall between readings."""


def increments(values: pl.DataFrame, tags: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """`schemas.COUNT_INCREMENTS` from raw rows with `time` (see `clock.correct`).

    Bad values are skipped: the next good one brings the pieces. The first reading ever adds
    nothing. Steps of 0 are left out. `estimated`: pieces lost at an unforeseen reset, or a gap
    within which a product was set.
    """
    judged = _judged(_bounded(_steps(values, tags), cycles))
    return (
        judged.filter((pl.col("amount") > 0) | (pl.col("cause") == "reset"))
        .rename({"time": "to_time"})
        .sort(*UNIT, "kind", "to_time", *NODE)
        .select(pl.col(name).cast(dtype) for name, dtype in COUNT_INCREMENTS.items())
    )


def _good_counts(values: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Good counter readings by node and time; `bad_before` counts the others so far."""
    rows = named(values, tags, is_measure(list(KINDS)))
    kind = pl.col("measure").replace_strict(KINDS, default=None, return_dtype=pl.String)
    count = pl.when(~bad()).then(number())
    every = rows.select(*UNIT, *NODE, "time", kind=kind, count=count)
    missing = pl.col("count").is_null()
    ordered = every.sort(*NODE, "time", maintain_order=True)
    return ordered.with_columns(bad_before=missing.cum_sum().over(NODE)).filter(~missing)


def _products(values: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """What each work unit makes from `time` on; null for nothing."""
    rows = named(values, tags, is_measure(["product_id"])).filter(~bad())
    text = pl.coalesce("value_text", number().cast(pl.String)).replace("", None)
    fresh = rows.select(*UNIT, *NODE, "time", product_id=text)
    return fresh.sort(*NODE, "time", maintain_order=True)


def _with_product(rows: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """Adds `product_id`, what was made at `time`, and `set_time`, since when.

    A product set at that very instant counts.
    """
    unit = ["factory_id", "work_unit_id"]
    made = products.select(*unit, "time", "product_id", set_time="time")
    made = made.sort("time", maintain_order=True)
    once = made.unique([*unit, "time"], keep="last", maintain_order=True)
    return (
        rows.with_row_index("row")
        .sort("time", maintain_order=True)
        .join_asof(once, on="time", by=unit, check_sortedness=False)
        .sort("row")
        .drop("row")
    )


def _steps(values: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Good readings beside the good reading before: `before`, `from_time`, `skipped` between."""
    rows = _with_product(_good_counts(values, tags), _products(values, tags))
    same = pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in NODE)
    beside = rows.with_columns(
        from_time=pl.col("time").shift(1),
        before=pl.col("count").shift(1),
        skipped=pl.col("bad_before") > pl.col("bad_before").shift(1),
    )
    return beside.filter(same).join(_facts(tags), on=NODE, how="left", maintain_order="left")


def _facts(tags: pl.DataFrame) -> pl.DataFrame:
    """What the catalogue says of each counter node last."""
    facts = tags.filter(is_measure(list(KINDS))).sort("valid_from", nulls_last=False)
    last = facts.unique(NODE, keep="last", maintain_order=True)
    return last.select(*NODE, "counter_max", "reset_policy")


def _bounded(steps: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """Adds `possible`: the most pieces the time allows, as SLACK_FACTOR says; null without a PRI.

    Where the product has no PRI the fastest product of the work unit bounds.
    """
    unit = ["factory_id", "work_unit_id"]
    known = per_unit(cycles, steps)
    fastest = known.group_by(unit).agg(fastest_s=pl.min("pri_s"))
    pri_us = (pl.coalesce("pri_s", "fastest_s") * 1_000_000).round().cast(pl.Int64)
    elapsed_us = (pl.col("time") - pl.col("from_time")).dt.total_microseconds()
    return (
        with_pri(steps, known, "time")
        .join(fastest, on=unit, how="left")
        .with_columns(possible=(SLACK_FACTOR * elapsed_us) // pri_us + SLACK_PIECES)
    )


def _judged(steps: pl.DataFrame) -> pl.DataFrame:
    """Adds `amount`, `cause` and `estimated`."""
    step = pl.col("count") - pl.col("before")
    wrapped = step + pl.col("counter_max") + 1
    rollover = ((step < 0) & (wrapped <= pl.col("possible"))).fill_null(value=False)
    cause = (
        pl.when(rollover).then(pl.lit("rollover")).when(step < 0).then(pl.lit("reset"))
        .when("skipped").then(pl.lit("gap")).otherwise(pl.lit("step"))
    )  # fmt: skip
    unforeseen = pl.col("reset_policy").fill_null("never") == "never"
    product_set = (pl.col("set_time") > pl.col("from_time")).fill_null(value=False)
    amount = pl.when(rollover).then(wrapped).when(step < 0).then("count").otherwise(step)
    return steps.with_columns(amount=amount, cause=cause).with_columns(
        estimated=((pl.col("cause") == "reset") & unforeseen)
        | ((pl.col("cause") == "gap") & product_set)
    )
