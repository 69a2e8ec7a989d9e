"""Pieces: what a cumulative counter adds from one reading to the next."""

from typing import Final

import polars as pl

from pipelines.catalogue import NODE, bad, is_measure, named, number, numbered
from pipelines.cycles import per_unit, with_pri
from pipelines.equipment import UNIT
from pipelines.schemas import COUNT_INCREMENTS, CYCLES, TIME

KINDS: Final = {
    "parts_total": "total",
    "parts_good": "good",
    "parts_bad": "scrap",
    "parts_rework": "rework",
}

NEVER_GONE: Final = pl.datetime(2200, 1, 1, time_zone="UTC").cast(TIME)

SLACK_FACTOR: Final = 2
SLACK_PIECES: Final = 2
"""A drop is a rollover only when the wrapped step is at most 2 x dt / PRI + 2: no machine makes
pieces twice as fast as planned for long, and two more may fall between readings."""


def increments(values: pl.DataFrame, tags: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """`schemas.COUNT_INCREMENTS` from raw rows with `time` (see `clock.correct`).

    Bad values are skipped: the next good one brings the pieces. Steps of 0 are left out, but what
    was not read is told: a first reading, a reading gone Bad, the one that is good again.
    `estimated`: a reset unforeseen or unseen, or a gap within which a product was set.
    """
    units = numbered(tags)
    readings = _readings(values, tags, units)
    steps = _steps(readings, _products(values, tags, units), tags)
    counted = _judged(_bounded(steps, cycles, units)).rename({"time": "to_time"})
    told = pl.col("cause").is_in(["reset", "gap"])
    every = pl.concat(
        [counted.filter((pl.col("amount") > 0) | told), _lost(readings)], how="diagonal"
    )
    return (
        _once(every, readings, tags)
        .join(units, on="unit_no")
        .sort(*UNIT, "kind", "to_time", *NODE, pl.col("amount").is_null())
        .select(pl.col(name).cast(dtype) for name, dtype in COUNT_INCREMENTS.items())
    )


def standing(last_values: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """What `carry.last_values` tell of counters: since when they have been read, or not. No pieces.

    Beside the increments of later days: a counter need not change in those to be known.
    """
    dated = last_values.with_columns(time=pl.coalesce("source_time", "server_time"))
    return increments(dated, tags, pl.DataFrame(schema=CYCLES))


def _readings(values: pl.DataFrame, tags: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """Counter readings by node and time; `count` is null where a value is Bad or no number."""
    rows = named(values, tags, is_measure(list(KINDS))).join(units, on=UNIT, nulls_equal=True)
    kind = pl.col("measure").replace_strict(KINDS, default=None, return_dtype=pl.String)
    count = pl.when(~bad()).then(number())
    every = rows.select("unit_no", *NODE, "time", kind=kind, count=count)
    return every.sort(*NODE, "time", maintain_order=True)


def _once(rows: pl.DataFrame, readings: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """The rows of one node per work unit and kind: two nodes that count the same count once.

    The first by server and node id; another only until that one has spoken, and once it is gone.
    """
    kind = ["unit_no", "kind"]
    good = readings.filter(pl.col("count").is_not_null())
    spoke = good.group_by(*kind, *NODE).agg(first=pl.min("time")).sort(*kind, *NODE)
    there = spoke.join(_gone(tags), on=NODE, how="left", maintain_order="left")
    others = there.with_columns(
        better=pl.col("first").cum_min().shift(1).over(kind),
        until=pl.col("until").cum_max().shift(1).over(kind),
    )
    ranked = rows.join(others.drop("first"), on=[*kind, *NODE], how="left")
    before, after = pl.col("to_time") <= pl.col("better"), pl.col("to_time") >= pl.col("until")
    return ranked.filter(pl.col("better").is_null() | before | after)


def _gone(tags: pl.DataFrame) -> pl.DataFrame:
    """Per counter node `until` when its tags hold: NEVER_GONE where one still does."""
    ends = pl.col("valid_to").fill_null(NEVER_GONE).max()
    return tags.filter(is_measure(list(KINDS))).group_by(NODE).agg(until=ends)


def _lost(readings: pl.DataFrame) -> pl.DataFrame:
    """A reading that is Bad after a good one: from the good one on the count is unknown."""
    missing = pl.col("count").is_null()
    beside = readings.with_columns(from_time=pl.col("time").shift(1), was=missing.shift(1))
    return beside.filter(_same_node(), missing, ~pl.col("was")).select(
        "unit_no", *NODE, "kind", "from_time", to_time="time",
        amount=pl.lit(None, pl.Int64), cause=pl.lit("gap"), estimated=pl.lit(value=False),
    )  # fmt: skip


def _same_node() -> pl.Expr:
    return pl.all_horizontal(pl.col(name) == pl.col(name).shift(1) for name in NODE)


def _products(values: pl.DataFrame, tags: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """What each work unit makes from `time` on; null for nothing."""
    rows = named(values, tags, is_measure(["product_id"])).filter(~bad())
    text = pl.coalesce("value_text", number().cast(pl.String)).replace("", None)
    fresh = rows.join(units, on=UNIT, nulls_equal=True).select(
        "unit_no", *NODE, "time", product_id=text
    )
    return fresh.sort(*NODE, "time", maintain_order=True)


def _with_product(rows: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    """Adds `product_id`, what was made at `time`, and `set_time`, since when.

    A product set at that very instant counts.
    """
    made = products.select("unit_no", "time", "product_id", set_time="time")
    made = made.sort("time", maintain_order=True)
    once = made.unique(["unit_no", "time"], keep="last", maintain_order=True)
    return (
        rows.with_row_index("row")
        .sort("time", maintain_order=True)
        .join_asof(once, on="time", by="unit_no", check_sortedness=False)
        .sort("row")
        .drop("row")
    )


def _steps(readings: pl.DataFrame, products: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Good readings beside the good reading before: `before`, `from_time`, `skipped` between.

    The first of a node has none before it.
    """
    missing = pl.col("count").is_null()
    good = readings.with_columns(bad_before=missing.cum_sum().over(NODE)).filter(~missing)
    beside = _with_product(good, products).with_columns(
        pl.when(_same_node()).then(expr).alias(name)
        for name, expr in {
            "from_time": pl.col("time").shift(1),
            "before": pl.col("count").shift(1),
            "skipped": pl.col("bad_before") > pl.col("bad_before").shift(1),
        }.items()
    )
    return beside.join(_facts(tags), on=NODE, how="left", maintain_order="left")


def _facts(tags: pl.DataFrame) -> pl.DataFrame:
    """What the catalogue says of each counter node last."""
    facts = tags.filter(is_measure(list(KINDS))).sort("valid_from", nulls_last=False)
    last = facts.unique(NODE, keep="last", maintain_order=True)
    return last.select(*NODE, "counter_max", "reset_policy")


def _bounded(steps: pl.DataFrame, cycles: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """Adds `possible`: the most pieces the time allows, as SLACK_FACTOR says; null without a PRI.

    Where the product has no PRI the fastest product of the work unit bounds.
    """
    known = per_unit(cycles, units)
    fastest = known.group_by("unit_no").agg(fastest_s=pl.min("pri_s"))
    pri_us = (pl.coalesce("pri_s", "fastest_s") * 1_000_000).round().cast(pl.Int64)
    elapsed_us = (pl.col("time") - pl.col("from_time")).dt.total_microseconds()
    return (
        with_pri(steps, known, "time")
        .join(fastest, on="unit_no", how="left")
        .with_columns(possible=(SLACK_FACTOR * elapsed_us) // pri_us + SLACK_PIECES)
    )


def _judged(steps: pl.DataFrame) -> pl.DataFrame:
    """Adds `amount`, `cause` and `estimated`.

    A counter that falls to more than the time allows was set back by hand or replaced: what it
    shows was not made since, and nothing tells what was.
    """
    step = pl.col("count") - pl.col("before")
    wrapped = step + pl.col("counter_max") + 1
    rollover = ((step < 0) & (wrapped <= pl.col("possible"))).fill_null(value=False)
    first, skipped = pl.col("before").is_null(), pl.col("skipped").fill_null(value=False)
    cause = (
        pl.when((step < 0) & ~rollover).then(pl.lit("reset"))
        .when(first | skipped).then(pl.lit("gap"))
        .when(rollover).then(pl.lit("rollover")).otherwise(pl.lit("step"))
    )  # fmt: skip
    unforeseen = (pl.col("reset_policy").fill_null("never") == "never") | skipped
    product_set = (pl.col("set_time") > pl.col("from_time")).fill_null(value=False)
    since_reset = pl.when((pl.col("count") <= pl.col("possible")).fill_null(value=True)).then(
        "count"
    )
    amount = pl.when(rollover).then(wrapped).when(step < 0).then(since_reset).otherwise(step)
    return steps.with_columns(amount=amount.fill_null(0), cause=cause).with_columns(
        estimated=((pl.col("cause") == "reset") & unforeseen)
        | ((pl.col("cause") == "gap") & product_set)
    )
