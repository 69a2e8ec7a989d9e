"""The columns that the distress model judges a day by, made of its signs; all look back only."""

from typing import Final

import numpy as np
import polars as pl

from models.scaling import Floats
from pipelines.warning_signs import back, over_blocks, past_deviation, past_median

FAMILIES: Final = {
    "level": ("level_1", "level_2", "level_4", "level_8", "lag_1", "lag_2", "lag_3", "before_4",
              "before_8", "past", "slope", "lately", "noise", "step_noise", "common", "level_z2",
              "level_z4", "level_z8", "slope_z"),
    "running": ("running_1", "running_2", "running_4"),
    "output": ("output_1", "output_2", "output_4", "per_hour"),
    "energy": ("decoupled_1", "decoupled_2", "decoupled_z", "decoupled_least", "decoupled_step",
               "weather"),
    "connectivity": ("offline_1", "offline_2", "offline_z", "offline_least_2", "offline_least_3",
                     "terminals"),
    "alarms": ("alarms_z1", "alarms_z2", "alarms_z4", "alarms_least", "alarms_times",
               "alarms_usual"),
}  # fmt: skip
"""Columns by what they speak of: an explanation tells these families, strongest first."""

COLUMNS: Final = tuple(name for names in FAMILIES.values() for name in names)


def features(signs: pl.DataFrame) -> pl.DataFrame:
    """`uscc day` and COLUMNS of what `pipelines.warning_signs.signs` gives, row by row."""
    z = (pl.col("alarms") - pl.col("alarms_usual")) / pl.col("alarms_noise")
    offline_z = pl.col("offline") / pl.col("offline_noise")
    step = (pl.col("level") - back("level", 1)).abs()
    ready = signs.with_columns(
        z=z, offline_z=offline_z, step=step,
        decoupled_z=pl.col("decoupled") / pl.col("decoupled_noise"),
    )  # fmt: skip
    levels = ready.with_columns(
        *_means("level", 1, 2, 4, 8), *_means("running", 1, 2, 4), *_means("output", 1, 2, 4),
        *(back("level", n).alias(f"lag_{n}") for n in (1, 2, 3)),
        before_4=over_blocks("level", 4, 7), before_8=over_blocks("level", 4, 11),
        past=past_median("level"), common=over_blocks("running_common", 0, 1),
        step_noise=past_deviation("step"),
    )  # fmt: skip
    return (
        levels.with_columns(
            slope=pl.col("level_2") - over_blocks("level", 4, 5),
            lately=pl.col("level") - over_blocks("level", 2, 3),
            per_hour=pl.col("output_2") - pl.col("running_2"),
        )
        .with_columns(
            *((pl.col(f"level_{n}") / pl.col("noise")).alias(f"level_z{n}") for n in (2, 4, 8)),
            slope_z=pl.col("slope") / pl.col("noise"),
            decoupled_1=pl.col("decoupled"),
            decoupled_2=over_blocks("decoupled", 0, 1),
            decoupled_least=pl.min_horizontal("decoupled_z", back("decoupled_z", 1)),
            decoupled_step=over_blocks("decoupled_z", 0, 1) - over_blocks("decoupled_z", 5, 6),
            offline_1=pl.col("offline"),
            offline_2=over_blocks("offline", 0, 1),
            offline_least_2=_least("offline_z", 2),
            offline_least_3=_least("offline_z", 3),
            terminals=pl.col("terminals").log(),
            alarms_z1=pl.col("z"),
            alarms_z2=over_blocks("z", 0, 1),
            alarms_z4=over_blocks("z", 0, 3),
            alarms_least=_least("z", 3),
            alarms_times=_times(),
            alarms_usual=(pl.col("alarms_usual") + 1.0).log(),
        )
        .select("uscc", "day", *COLUMNS)
    )  # fmt: skip


def matrix(made: pl.DataFrame) -> Floats:
    """COLUMNS of `features` as numbers (n, k); NaN where something is not known."""
    return np.column_stack(
        [made[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in COLUMNS]
    )


def _means(column: str, *blocks: int) -> list[pl.Expr]:
    return [over_blocks(column, 0, n - 1).alias(f"{column}_{n}") for n in blocks]


def _least(column: str, blocks: int) -> pl.Expr:
    """The smallest of the last levels: what a burst of some days does not lift."""
    return pl.min_horizontal(back(column, n) for n in range(blocks))


def _times() -> pl.Expr:
    two = pl.col("alarms") + back("alarms", 1)
    return ((two + 1.0) / (2.0 * pl.col("alarms_usual") + 1.0)).log()
