"""How far a factory speaks the unified data interface: levels L0 to L3."""

from typing import Final

import polars as pl

from pipelines.equipment import UNIT

STATE: Final = ["item_state", "packml_state"]
OUTCOME: Final = ["parts_good", "parts_bad"]
OEE_LEVEL: Final = 2
"""From this level on OEE can be computed."""


NEEDS: Final = {
    1: {"state": STATE, "total": ["parts_total"]},
    2: {"outcome": OUTCOME, "order": ["order_id"], "ideal": ["ideal_cycle_s"]},
    3: {"reason": ["stop_reason_code"], "energy": ["energy_kwh"]},
}
"""What each level asks for beyond the one below: any one of these measures."""


def levels(tags: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """Per work unit of the tag catalogue: equipment key, `level`.

    L0 reachable; L1 state and total count; L2 also good or bad count, order and planned run time
    (from `cycles` or the interface itself); L3 also stop reasons and energy.
    """
    return assessed(tags, cycles).select(*UNIT, "level")


def assessed(tags: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """`levels` with `missing`: the measures the next level asks for, alternatives as `a|b`."""
    priced = cycles.select("factory_id", "work_unit_id").unique()
    standing = tags.filter(pl.col("valid_to").is_null()) if "valid_to" in tags.columns else tags
    said = (
        standing.filter(pl.col("work_unit_id").is_not_null())
        .group_by(UNIT)
        .agg(
            _any(measures).alias(name) for need in NEEDS.values() for name, measures in need.items()
        )
        .join(
            priced.with_columns(priced=pl.lit(value=True)),
            on=["factory_id", "work_unit_id"],
            how="left",
        )
        .with_columns(ideal=pl.col("ideal") | pl.col("priced").fill_null(value=False))
    )
    whole = [pl.all_horizontal(*need) for need in NEEDS.values()]
    reached = [pl.all_horizontal(whole[:level]) for level in NEEDS]
    level = pl.sum_horizontal(one.cast(pl.Int8) for one in reached).cast(pl.Int8)
    return said.with_columns(level=level).select(*UNIT, "level", missing=_missing()).sort(UNIT)


def _missing() -> pl.Expr:
    lacking = [
        pl.when((pl.col("level") == level - 1) & ~pl.col(name)).then(pl.lit("|".join(measures)))
        for level, need in NEEDS.items()
        for name, measures in need.items()
    ]
    return pl.concat_list(lacking).list.drop_nulls()


def by_factory(work_units: pl.DataFrame) -> pl.DataFrame:
    """`factory_id level`: a factory is where its least machine is."""
    return work_units.group_by("factory_id").agg(pl.min("level")).sort("factory_id")


def _any(measures: list[str]) -> pl.Expr:
    return pl.col("measure").is_in(measures).any()
