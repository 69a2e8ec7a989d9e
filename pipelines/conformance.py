"""How far a factory speaks the unified data interface: levels L0 to L3."""

from typing import Final

import polars as pl

from pipelines.equipment import UNIT

STATE: Final = ["item_state", "packml_state"]
OUTCOME: Final = ["parts_good", "parts_bad"]
OEE_LEVEL: Final = 2
"""From this level on OEE can be computed."""


def levels(tags: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """Per work unit of the tag catalogue: equipment key, `level`.

    L0 reachable; L1 state and total count; L2 also good or bad count, order and planned run time
    (from `cycles` or the interface itself); L3 also stop reasons and energy.
    """
    priced = cycles.select("factory_id", "work_unit_id").unique()
    said = (
        tags.filter(pl.col("work_unit_id").is_not_null())
        .group_by(UNIT)
        .agg(
            state=_any(STATE),
            total=_any(["parts_total"]),
            outcome=_any(OUTCOME),
            order=_any(["order_id"]),
            ideal=_any(["ideal_cycle_s"]),
            reason=_any(["stop_reason_code"]),
            energy=_any(["energy_kwh"]),
        )
        .join(
            priced.with_columns(priced=pl.lit(value=True)),
            on=["factory_id", "work_unit_id"],
            how="left",
        )
    )
    first = pl.col("state") & pl.col("total")
    second = first & pl.col("outcome") & pl.col("order") & (pl.col("ideal") | pl.col("priced"))
    third = second & pl.col("reason") & pl.col("energy")
    reached = pl.sum_horizontal(
        x.fill_null(value=False).cast(pl.Int8) for x in (first, second, third)
    )
    return said.select(*UNIT, level=reached.cast(pl.Int8)).sort(UNIT)


def by_factory(work_units: pl.DataFrame) -> pl.DataFrame:
    """`factory_id level`: a factory is where its least machine is."""
    return work_units.group_by("factory_id").agg(pl.min("level")).sort("factory_id")


def _any(measures: list[str]) -> pl.Expr:
    return pl.col("measure").is_in(measures).any()
