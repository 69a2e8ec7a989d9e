"""How an enterprise runs now, and beside a year or a quarter before (docs/decisions/0041).

A window is the last scheduled, collected days: what nobody was scheduled to make, and what our own
outage lost, is no change. Sums of whole numbers first, one division last.
"""

from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.year_before import year_before

WINDOW_DAYS: Final = 28
MIN_DAYS: Final = 14
"""Fewer known days than this on either side compare nothing."""
REACH: Final = timedelta(days=84)
"""A window's days lie within twelve weeks: who fell silent before that has none."""

DAYS_84: Final = "days_84"

FIGURES: Final = ["running_s", "output", "energy_wh"]
RATIOS: Final = {
    "energy_per_output": ("energy_wh", "output"),
    "output_per_hour": ("output", "running_s"),
}
"""Name to numerator and denominator: of days on which both are known."""

TRENDS: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "days": pl.Int64(),
        "running_h_per_day": pl.Float64(),
        "running_trend": pl.Float64(),
        "output_trend": pl.Float64(),
        "energy_trend": pl.Float64(),
        "energy_per_output_trend": pl.Float64(),
        "output_per_hour_trend": pl.Float64(),
        "trend_basis": pl.String(),
        "completeness": pl.Float64(),
    }
)
"""A row per enterprise with a scheduled day in reach; `days` are those of the window of now."""


def trends(enterprise_days: pl.DataFrame, on: date) -> pl.DataFrame:
    """TRENDS of ENTERPRISE_DAYS; days after `on` are not read.

    One basis for all trends of an enterprise, so that they can be read together: a year, if any
    figure is known on MIN_DAYS of both sides then, else 84 days.
    """
    a_year = year_before(on)
    now = window(enterprise_days, on)
    size = now.group_by("uscc").agg(most=pl.len())
    current = _sums(now)
    compared = _completeness(enterprise_days, on).join(current, on="uscc", how="left")
    for suffix, end in (("_year", a_year.day), ("_84", on - REACH)):
        before = window(enterprise_days, end).join(size, on="uscc")
        earlier = _sums(before.filter(pl.col("place") <= pl.col("most")))
        compared = compared.join(earlier, on="uscc", how="left", suffix=suffix)
    based = compared.with_columns(
        pl.col("days").fill_null(0).cast(pl.Int64), trend_basis=_basis(a_year.basis)
    )
    return based.with_columns(_running(), *_trends()).select(TRENDS.names()).sort("uscc")


def window(enterprise_days: pl.DataFrame, end: date) -> pl.DataFrame:
    """The last scheduled, collected days of each enterprise, up to WINDOW_DAYS; `place` from 1."""
    return _last(enterprise_days.filter("is_collected"), end)


def _last(days: pl.DataFrame, end: date) -> pl.DataFrame:
    in_reach = (pl.col("day") > end - REACH) & (pl.col("day") <= end)
    place = pl.col("day").rank("ordinal", descending=True).over("uscc").cast(pl.Int64)
    scheduled = days.filter(in_reach, pl.col("is_operating"))
    return scheduled.with_columns(place=place).filter(pl.col("place") <= WINDOW_DAYS)


def _sums(days: pl.DataFrame) -> pl.DataFrame:
    """`uscc days`, and for each figure `_sum _days`, for each ratio `_top _bottom _days`."""
    figures = [pl.sum(name).name.suffix("_sum") for name in FIGURES]
    known = [pl.count(name).cast(pl.Int64).name.suffix("_days") for name in FIGURES]
    ratios = []
    for name, (top, bottom) in RATIOS.items():
        both = pl.col(top).is_not_null() & pl.col(bottom).is_not_null()
        ratios += [
            pl.col(top).filter(both).sum().alias(f"{name}_top"),
            pl.col(bottom).filter(both).sum().alias(f"{name}_bottom"),
            both.sum().cast(pl.Int64).alias(f"{name}_days"),
        ]
    return days.group_by("uscc").agg(*figures, *known, *ratios, days=pl.len())


def _completeness(enterprise_days: pl.DataFrame, on: date) -> pl.DataFrame:
    """`uscc completeness`: what was told of the last scheduled days, collected or not."""
    told = [
        (pl.col(name).is_not_null() & pl.col("is_collected").fill_null(False)).sum()
        for name in FIGURES
    ]
    share = pl.sum_horizontal(*told) / (len(FIGURES) * pl.len())
    return _last(enterprise_days, on).group_by("uscc").agg(completeness=share)


def _is_known(name: str, suffix: str = "") -> pl.Expr:
    return (pl.col(f"{name}_days{suffix}") >= MIN_DAYS).fill_null(False)


def _basis(year_basis: str) -> pl.Expr:
    def any_of(suffix: str) -> pl.Expr:
        return pl.any_horizontal(_is_known(name) & _is_known(name, suffix) for name in FIGURES)

    return (
        pl.when(any_of("_year")).then(pl.lit(year_basis)).when(any_of("_84")).then(pl.lit(DAYS_84))
    )


def _running() -> pl.Expr:
    hours = pl.col("running_s_sum") / (3600 * pl.col("running_s_days"))
    return pl.when(_is_known("running_s")).then(hours).alias("running_h_per_day")


def _trends() -> list[pl.Expr]:
    found = [
        _by_basis(name, f"{name}_sum", f"{name}_days").alias(f"{name.split('_')[0]}_trend")
        for name in FIGURES
    ]
    return found + [
        _by_basis(name, f"{name}_top", f"{name}_bottom").alias(f"{name}_trend") for name in RATIOS
    ]


def _by_basis(name: str, top: str, bottom: str) -> pl.Expr:
    of_84 = _change(name, top, bottom, "_84")
    of_year = _change(name, top, bottom, "_year")
    is_84 = pl.col("trend_basis") == DAYS_84
    return pl.when(is_84).then(of_84).when(pl.col("trend_basis").is_not_null()).then(of_year)


def _change(name: str, top: str, bottom: str, suffix: str) -> pl.Expr:
    """The ratio now over the ratio before, less 1, as one exact fraction.

    Null where a side is known on too few days or has no ratio, or was nothing before.
    """
    names = [top, bottom, top + suffix, bottom + suffix]
    of_now, per_now, of_then, per_then = (pl.col(name).cast(pl.Int128) for name in names)
    now, before = of_now * per_then, of_then * per_now
    known = _is_known(name) & _is_known(name, suffix)
    is_ratio = (per_now > 0) & (per_then > 0) & (of_then > 0)
    return pl.when(known & is_ratio).then((now - before).cast(pl.Float64) / before.cast(pl.Float64))
