"""Process values: one wide table per machine type, and what does not fit into it."""

from typing import Final

import polars as pl

from pipelines.catalogue import good, named
from pipelines.equipment import UNIT

DIGITS: Final = 2
"""Significant digits of a period: clocks that drift a little keep the table's grid the same."""

DEFAULT_US: Final = 1_000_000
"""The step of a table whose signals never spoke twice."""

SIGNALS: Final = (pl.col("measure_kind") == "process") | (pl.col("measure") == "power_kw")
"""What goes into the wide tables: process values and the one energy measure that is no counter."""


def process_values(values: pl.DataFrame, tags: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Per machine type: equipment key, `time`, a Float64 column per measure (by name), Good only.

    `time` counts steps of the fastest signal's own period; the first value in a step holds. Each
    node's own phase is taken off first, so that jitter around it does not cross a step.
    """
    rows = _placed(values, tags).filter(pl.col("reason").is_null())
    signals = tags.filter(SIGNALS, pl.col("work_unit_id").is_not_null())
    types = signals["machine_type"].drop_nulls().unique().sort()
    return {name: _wide(_of_type(rows, name), _measures(signals, name)) for name in types}


def exceptions(values: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """What the wide tables leave out: key, exact `time`, measure, value, status_code, `reason`.

    `reason`: not_good, not_a_number, no_machine_type, or extra (a further value in the same step,
    be it of another node of that measure).
    """
    rows = _placed(values, tags).filter(pl.col("reason").is_not_null())
    return rows.select(
        *UNIT, "machine_type", "time", "measure", "value", "status_code", "reason"
    ).sort(*UNIT, "measure", "time", maintain_order=True)


def period_us(rows: pl.DataFrame) -> pl.DataFrame:
    """Per machine type the period of its fastest signal (`machine_type, period_us`).

    A signal's own period is the median step between its values, to two significant digits.
    """
    step = pl.when(_same_tag()).then(pl.col("time").diff().dt.total_microseconds())
    own = rows.select("machine_type", "measure", step=step).filter(pl.col("step") > 0)
    medians = own.group_by("machine_type", "measure").agg(
        pl.col("step").quantile(0.5, "lower").cast(pl.Int64)
    )
    return medians.group_by("machine_type").agg(
        period_us=pl.min("step").round_sig_figs(DIGITS).cast(pl.Int64)
    )


def _placed(values: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    rows = named(values, tags, SIGNALS)
    number = pl.coalesce(
        "value_float", pl.col("value_int").cast(pl.Float64), pl.col("value_uint").cast(pl.Float64)
    )
    usable = good() & number.is_finite().fill_null(value=False)
    step = pl.col("period_us").fill_null(DEFAULT_US)
    since = pl.col("time").to_physical() - pl.col("phase")
    placed = (
        rows.join(period_us(rows), on="machine_type", how="left", maintain_order="left")
        .with_columns(value=number, usable=usable, period_us=step)
        .with_columns(phase=_phase())
        .with_columns(bucket=(since + step // 2) // step * step)
    )
    usable_rows = placed.filter("usable").join(_signals(placed), on="tag_no", maintain_order="left")
    first = pl.struct("signal_no", "bucket").is_first_distinct()
    placed = pl.concat(
        [
            usable_rows.with_columns(extra=~first).drop("signal_no"),
            placed.filter(~pl.col("usable")).with_columns(extra=pl.lit(value=False)),
        ]
    )
    reason = (
        pl.when(~good()).then(pl.lit("not_good")).when(~pl.col("usable"))
        .then(pl.lit("not_a_number")).when(pl.col("machine_type").is_null())
        .then(pl.lit("no_machine_type")).when("extra").then(pl.lit("extra"))
    )  # fmt: skip
    return placed.with_columns(reason=reason)


def _signals(rows: pl.DataFrame) -> pl.DataFrame:
    """Each tag with the number of its place in the wide tables (`tag_no, signal_no`)."""
    tags = rows.unique("tag_no", keep="first").sort("tag_no")
    return tags.select(
        "tag_no", signal_no=pl.col("tag_no").first().over(*UNIT, "machine_type", "measure")
    )


def _phase() -> pl.Expr:
    """Where in its steps a node speaks: a value that occurs, so never between two clusters."""
    inside = pl.col("time").to_physical() % pl.col("period_us")
    return inside.quantile(0.5, "lower").cast(pl.Int64).over("tag_no")


def _same_tag() -> pl.Expr:
    """The row before is of the same node; rows are by node and time."""
    return pl.col("tag_no") == pl.col("tag_no").shift(1)


def _of_type(rows: pl.DataFrame, machine_type: str) -> pl.DataFrame:
    return rows.filter(pl.col("machine_type") == machine_type)


def _measures(signals: pl.DataFrame, machine_type: str) -> list[str]:
    return sorted(_of_type(signals, machine_type)["measure"].unique())


def _wide(rows: pl.DataFrame, measures: list[str]) -> pl.DataFrame:
    """One row per work unit and step; a measure of which nothing came is a column of nulls."""
    on_grid = rows.with_columns(time=pl.col("bucket").cast(rows.schema["time"]))
    wide = on_grid.pivot(
        on="measure", on_columns=measures, index=[*UNIT, "time"], values="value",
        aggregate_function="first",
    )  # fmt: skip
    return wide.sort(*UNIT, "time")
