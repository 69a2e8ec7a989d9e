"""The indicator dictionary as data: what each is, its target, its source and how it comes.

The table is `indicators.csv`: all rows of the plan's Table 1 (`plan_row`), every other number that
its text sets as a target, and what we monitor besides. The product reads no other copy of the plan.
"""

from functools import cache
from importlib.resources import files
from typing import Final

import polars as pl

from pipelines.verdicts import MEANING_EN, MEANING_ZH

DISTRICT_ID: Final = "310117"
DISTRICT_ZH: Final = "松江新城"

MEASURED: Final = "measured"
"""`collection` of what is computed from telemetry and the register."""
ENTERED: Final = "entered"
"""`collection` of what an office reports and somebody enters (docs/decisions/0039)."""

_TYPES: Final = {"target": pl.Float64(), "additive": pl.Boolean(), "plan_row": pl.Int64()}


@cache
def dictionary() -> pl.DataFrame:
    """The indicators in order of publication, each with the legal meaning of its comparator.

    `property`: 约束性 or 预期性 (Table 1; of the text's other targets 预期性 is ours), or 监测: it
    has no target. `frequency` is D or A (SDMX). `owner` 待定: the plan names no office.
    """
    source = files("pipelines").joinpath("indicators.csv").read_bytes()
    return pl.read_csv(source, schema_overrides=_TYPES).with_columns(
        comparator_zh=pl.col("comparator").replace_strict(MEANING_ZH, default=None),
        comparator_en=pl.col("comparator").replace_strict(MEANING_EN, default=None),
    )
