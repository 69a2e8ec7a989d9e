"""Pieces: what a cumulative counter adds from one reading to the next."""

from typing import Final

import polars as pl

from pipelines.catalogue import NODE, is_measure, numbered
from pipelines.counter_readings import KINDS as KINDS
from pipelines.counter_readings import Heard, heard, once
from pipelines.cycles import per_unit, with_pri
from pipelines.equipment import UNIT
from pipelines.packing import in_order, latest, packed
from pipelines.schemas import COUNT_INCREMENTS, CYCLES

CAUSES: Final = pl.Series(["step", "rollover", "reset", "gap"])
STEP, ROLLOVER, RESET, GAP = range(4)
"""A cause by its place in CAUSES: text is written once, into the rows that stay."""

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
    said = heard(values, tags, units)
    counted = _told(_steps(said), said, per_unit(cycles, units), tags)
    every = pl.concat([counted, *_lost(said.readings)])
    return _written(once(every, said, tags), said)


def standing(last_values: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """What `carry.last_values` tell of counters: since when they have been read, or not. No pieces.

    Beside the increments of later days: a counter need not change in those to be known.
    """
    dated = last_values.with_columns(time=pl.coalesce("source_time", "server_time"))
    return increments(dated, tags, pl.DataFrame(schema=CYCLES))


def _steps(said: Heard) -> pl.DataFrame:
    """Good readings beside the good one before, and how many pieces more they show (`amount`).

    Those that show as many are left out. `is_odd` is all that is not simply more: the first of a
    node, which has none before it, a count that fell, and where readings were `skipped` between.
    """
    bad_before = pl.col("count").is_null().cum_sum()
    counts = said.readings.with_columns(bad_before=bad_before)
    good = counts.filter(pl.col("count").is_not_null())
    same, amount = pl.col("node_no") == pl.col("node_no").shift(1), pl.col("amount")
    beside = good.select(
        "tag_no",
        "count",
        to_time="time",
        from_time=pl.when(same).then(pl.col("time").shift(1)),
        before=pl.when(same).then(pl.col("count").shift(1)),
        skipped=same & (pl.col("bad_before") > pl.col("bad_before").shift(1)),
    ).with_columns(amount=pl.col("count") - pl.col("before"))
    is_odd = (amount < 0).fill_null(value=True) | pl.col("skipped").fill_null(value=False)
    rows = beside.with_columns(is_odd=is_odd).filter(pl.col("is_odd") | (amount > 0))
    return rows.with_columns(_made(rows, said))


def _made(rows: pl.DataFrame, said: Heard) -> pl.Series:
    """Which row of `products` tells what was made at `to_time`; one set at that instant counts."""
    asked = said.known["unit_no"].gather(rows["tag_no"]), rows["to_time"].to_physical()
    made = said.products["unit_no"], said.products["time"].to_physical()
    return latest(made, asked).alias("product_no")


def _told(
    steps: pl.DataFrame, said: Heard, cycles: pl.DataFrame, tags: pl.DataFrame
) -> pl.DataFrame:
    """The steps with `cause` and `estimated`: few are odd, and only those are judged."""
    odd = steps.with_row_index("row").filter("is_odd").rename({"to_time": "time"})
    looked_up = odd.hstack(
        [
            said.known["unit_no"].gather(odd["tag_no"]),
            *said.products.select("product_id", set_time="time")[odd["product_no"]],
            *_facts(tags, said.known)[odd["tag_no"]],
        ]
    )
    judged = _judged(_bounded(looked_up, cycles))
    step = pl.repeat(STEP, steps.height, dtype=pl.UInt8, eager=True)
    no = pl.repeat(value=False, n=steps.height, eager=True)
    rows = steps.select(
        "tag_no",
        "from_time",
        "to_time",
        "product_no",
        amount=steps["amount"].scatter(judged["row"], judged["amount"]),
        cause=step.scatter(judged["row"], judged["cause"]),
        estimated=no.scatter(judged["row"], judged["estimated"]),
    )
    return rows.filter((pl.col("amount") > 0) | (pl.col("cause") >= RESET))


def _facts(tags: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """What the catalogue says last of each tag's counter node, by `tag_no`."""
    facts = tags.filter(is_measure(list(KINDS))).sort("valid_from", nulls_last=False)
    last = facts.unique(NODE, keep="last", maintain_order=True)
    return (
        known.select(NODE)
        .join(last, on=NODE, how="left", maintain_order="left")
        .select("counter_max", "reset_policy")
    )


def _bounded(steps: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """Adds `possible`: the most pieces the time allows, as SLACK_FACTOR says; null without a PRI.

    Where the product has no PRI the fastest product of the work unit bounds.
    """
    fastest = cycles.group_by("unit_no").agg(fastest_s=pl.min("pri_s"))
    pri_us = (pl.coalesce("pri_s", "fastest_s") * 1_000_000).round().cast(pl.Int64)
    elapsed_us = (pl.col("time") - pl.col("from_time")).dt.total_microseconds()
    return (
        with_pri(steps, cycles, "time")
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
        pl.when((step < 0) & ~rollover).then(RESET).when(first | skipped).then(GAP)
        .when(rollover).then(ROLLOVER).otherwise(STEP).cast(pl.UInt8)
    )  # fmt: skip
    unforeseen = (pl.col("reset_policy").fill_null("never") == "never") | skipped
    product_set = (pl.col("set_time") > pl.col("from_time")).fill_null(value=False)
    since_reset = pl.when((pl.col("count") <= pl.col("possible")).fill_null(value=True)).then(
        "count"
    )
    amount = pl.when(rollover).then(wrapped).when(step < 0).then(since_reset).otherwise(step)
    return steps.with_columns(amount=amount.fill_null(0), cause=cause).with_columns(
        estimated=((pl.col("cause") == RESET) & unforeseen)
        | ((pl.col("cause") == GAP) & product_set)
    )


def _lost(readings: pl.DataFrame) -> list[pl.DataFrame]:
    """A reading that is Bad after a good one: from the good one on the count is unknown."""
    if not readings["count"].has_nulls():
        return []
    missing, same = pl.col("count").is_null(), pl.col("node_no") == pl.col("node_no").shift(1)
    beside = readings.with_columns(from_time=pl.col("time").shift(1), was=missing.shift(1))
    rows = beside.filter(same, missing, ~pl.col("was")).select(
        "tag_no", "from_time", to_time="time", product_no=pl.lit(None, pl.UInt32),
        amount=pl.lit(None, pl.Int64), cause=pl.lit(GAP, pl.UInt8), estimated=pl.lit(value=False),
    )  # fmt: skip
    return [rows]


def _written(rows: pl.DataFrame, said: Heard) -> pl.DataFrame:
    """`schemas.COUNT_INCREMENTS` in its order, text in the place of numbers."""
    known, products = said.known, said.products["product_id"]
    lanes = known.select((pl.struct("unit_no", "kind").rank("dense") - 1).alias("lane"))["lane"]
    (key,) = packed((lanes.gather(rows["tag_no"]), rows["to_time"].to_physical()))
    ties = {"node_no": known["node_no"].gather(rows["tag_no"]), "is_lost": rows["amount"].is_null()}
    ordered = in_order(rows.with_columns(**ties), key, *ties)
    more = known.select(*UNIT, "kind")[ordered["tag_no"]]
    text = [products.gather(ordered["product_no"]), CAUSES.gather(ordered["cause"]).alias("cause")]
    every = ordered.drop("cause").hstack([*more, *text])
    return every.select(pl.col(name).cast(dtype) for name, dtype in COUNT_INCREMENTS.items())
