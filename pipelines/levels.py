"""OEE from machines to the district, each figure with its scope.

Sums of times and ideal times, never a mean of ratios. A sequential line is `lines`' own figure;
every other line, and every higher level, is the time-weighted sum of its machines.
"""

from typing import Final

import polars as pl

from pipelines.days import day_start
from pipelines.equipment import UNIT, lifespans
from pipelines.indices import reliable, roll_up
from pipelines.lines import LINE_BOTTLENECK
from pipelines.pace import LINE
from pipelines.profiles import least_completeness
from pipelines.schemas import EQUIPMENT

LEVELS: Final = {"line": LINE, "factory": UNIT[:2], "park": UNIT[:1], "district": []}
"""What a figure is rolled up to, and the keys of it."""
TIME_WEIGHTED: Final = "time_weighted"
DAY_S: Final = 86_400.0
EXPECTED: Final = pl.Schema({**EQUIPMENT, "production_day": pl.Date()})
"""Work units by the days on which they should be in a figure."""
SCOPE: Final = [
    "level", "aggregation", "bottleneck", "work_units", "work_units_missing", "shifts",
    "is_open", "is_reliable",
]  # fmt: skip


def by_day(machines: pl.DataFrame, lines: pl.DataFrame, expected: pl.DataFrame) -> pl.DataFrame:
    """Roll-ups of a day's `schemas.OEE_BY_SHIFT` and LINE_OEE_BY_SHIFT rows to every level.

    A level's keys that do not apply are null. `expected`: work units by production_day that should
    be in it (`there`); `work_units_missing` counts those that are not. TEEP is over 24 h of every
    work unit in the figure, of a sequential line over 24 h.
    """
    rows = machines.with_columns(calendar_s=_calendar([*UNIT, "production_day"]))
    missing = expected.join(machines, on=[*UNIT, "production_day"], how="anti", nulls_equal=True)
    levels = [_level(level, rows, missing) for level in LEVELS]
    sequential = _sequential(lines)
    same = ["level", *LINE, "production_day"]
    summed = pl.concat(levels, how="diagonal")
    return pl.concat(
        [summed.join(sequential, on=same, how="anti", nulls_equal=True), sequential],
        how="diagonal_relaxed",
    ).select(pl.col(SCOPE), pl.exclude(SCOPE)).sort(
        "production_day", pl.col("level").replace_strict(list(LEVELS), range(len(LEVELS))), *LINE
    )  # fmt: skip


def there(tags: pl.DataFrame, plan: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """Work units by production_day (`days`) that catalogue or plan knows.

    The catalogue's until their last tag has ended; those that the plan names are in the factory's
    park.
    """
    known = lifespans(tags.filter(pl.col("work_unit_id").is_not_null()))
    alive = known.join(days, how="cross").filter(
        (pl.col("until") > day_start(pl.col("production_day"))).fill_null(value=True)
    )
    parks = tags.group_by("factory_id").agg(pl.col("park_id").drop_nulls().first())
    named = (
        plan.filter(pl.col("work_unit_id").is_not_null(), pl.col("kind") != "not_planned")
        .drop("park_id")
        .join(parks, on="factory_id", how="left")
        .join(days, on="production_day", how="semi")
    )
    key = [*UNIT, "production_day"]
    both = [alive.select(key), named.select(key)]
    found = pl.concat(both, how="vertical_relaxed").unique()
    by_name = ["factory_id", "work_unit_id", "production_day"]
    lineless = pl.col("line_id").is_null() & (pl.len().over(by_name) > 1)
    return found.filter(~lineless).sort(key)


def _calendar(key: list[str]) -> pl.Expr:
    """24 h in the first row of a key, nothing in the others: a sum over rows counts days once."""
    return pl.when(pl.int_range(pl.len()).over(key) == 0).then(DAY_S).otherwise(0.0)


def _level(level: str, rows: pl.DataFrame, missing: pl.DataFrame) -> pl.DataFrame:
    by = ["production_day", *LEVELS[level]]
    lacking = missing.group_by(by).agg(work_units_missing=pl.len())
    rolled = roll_up(rows, by).join(_open(rows, by), on=by, how="left", nulls_equal=True)
    return rolled.join(lacking, on=by, how="left", nulls_equal=True).with_columns(
        pl.col("work_units_missing").fill_null(0),
        level=pl.lit(level),
        aggregation=pl.lit(TIME_WEIGHTED),
        bottleneck=pl.lit(None, pl.String),
    )


def _open(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    return rows.group_by(by).agg(pl.max("is_open"))


def _sequential(lines: pl.DataFrame) -> pl.DataFrame:
    """Sequential lines by day; completeness weighs by PBT, and is not that of the bottleneck."""
    by = ["production_day", *LINE]
    rows = lines.with_columns(calendar_s=_calendar(by))
    told = rows.group_by(by).agg(
        pl.max("is_open", "work_units", "work_units_missing"),
        pl.col("bottleneck").drop_nulls().unique().sort().str.join(", ").replace("", None),
        completeness=_weighted("completeness"),
        _least=least_completeness(lines.columns).max(),
    )
    rolled = roll_up(rows, by).drop("completeness", "is_reliable")
    return (
        rolled.join(told, on=by, nulls_equal=True)
        .with_columns(
            reliable(pl.col("_least")),
            level=pl.lit("line"),
            aggregation=pl.lit(LINE_BOTTLENECK),
        )
        .drop("_least")
    )


def _weighted(name: str) -> pl.Expr:
    us = (pl.col("pbt_s") * 1_000_000).round()
    part = (pl.col(name).fill_null(0.0) * us).round().cast(pl.Int64).sum()
    whole = us.cast(pl.Int64).sum()
    return pl.when(whole > 0).then(part / whole)
