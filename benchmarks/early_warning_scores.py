"""Warnings beside the truth of firm-years, as firm_years.toml says that they are scored."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl

from connectors.simulator.firm_draws import table
from connectors.simulator.firm_years import FirmYears

PLANTED: Final = ("spring_festival", "maintenance", "relocation")
"""Harmless patterns that the target names; the others are told too."""


@dataclass(frozen=True, slots=True)
class Scored:
    """Counts of one contender over firm-years.

    `judged` has its warnings with `is_hit is_late`, `distress` the truth with `lead_days` (null:
    not found), `harmless` a row per pattern with `firm_years warned` and, of firms without
    distress, `sound sound_warned`.
    """

    judged: pl.DataFrame
    distress: pl.DataFrame
    harmless: pl.DataFrame
    healthy: int
    healthy_warned: int

    @property
    def precision(self) -> float:
        """Hits over all warnings of the judged year; NaN without any."""
        return _share(int(self.judged["is_hit"].sum()), self.judged.height)

    @property
    def recall(self) -> float:
        """Distresses with a hit over all."""
        found = self.distress["lead_days"].drop_nulls().len()
        return _share(found, self.distress.height)

    @property
    def f1(self) -> float:
        """Harmonic mean of both; 0 without a hit."""
        p, r = self.precision, self.recall
        return 2 * p * r / (p + r) if p > 0 and r > 0 else 0.0

    @property
    def median_lead(self) -> float:
        """Days from the first hit to the bottom; NaN without any."""
        median = self.distress["lead_days"].median()
        return float(median) if isinstance(median, int | float) else float("nan")


def scored(warnings: pl.DataFrame, year: FirmYears) -> Scored:
    """Warnings (`uscc raised_on`, more columns stay) of one seed's firm-years."""
    rules = table()["score"]
    grace, tail = timedelta(days=rules["grace_days"]), timedelta(days=rules["tail_days"])
    inside = pl.col("raised_on").is_between(year.judged_from, year.judged_to)
    until = pl.col("bottom_on") + grace
    is_hit = pl.col("raised_on").is_between(pl.col("signs_on"), until).fill_null(False)
    judged = (
        warnings.filter(inside)
        .join(year.distress.select("uscc", "signs_on", "bottom_on"), on="uscc", how="left")
        .with_columns(is_hit=is_hit, is_late=(pl.col("raised_on") > until).fill_null(False))
    )
    first = judged.filter("is_hit").group_by("uscc").agg(pl.col("raised_on").min())
    lead = (pl.col("bottom_on") - pl.col("raised_on")).dt.total_days()
    distress = year.distress.join(first, on="uscc", how="left").with_columns(lead_days=lead)
    false = judged.filter(~pl.col("is_hit")).select("uscc", "raised_on")
    healthy = year.firms.height - year.distress.height
    ill = year.distress["uscc"].implode()
    warned = false.filter(~pl.col("uscc").is_in(ill))["uscc"].n_unique()
    return Scored(judged, distress, _harmless(false, year, tail), healthy, warned)


def together(parts: list[Scored]) -> Scored:
    """Several seeds as one."""
    return Scored(
        pl.concat(p.judged for p in parts),
        pl.concat(p.distress for p in parts),
        pl.concat(p.harmless for p in parts).group_by("pattern").sum().sort("pattern"),
        sum(p.healthy for p in parts),
        sum(p.healthy_warned for p in parts),
    )


def by_depth_and_length(told: Scored) -> pl.DataFrame:
    """`depth weeks distresses found median_lead`: by tenths of depth and every two weeks."""
    deep = (pl.col("depth") * 10).floor().cast(pl.Int64).clip(1, 4) * 10
    weeks = (pl.col("length_days") // 14 * 2).clip(2, 10)
    return (
        told.distress.group_by(depth=deep, weeks=weeks)
        .agg(
            distresses=pl.len(),
            found=pl.col("lead_days").is_not_null().sum(),
            median_lead=pl.col("lead_days").median(),
        )
        .sort("depth", "weeks")
        .with_columns(
            depth=pl.format("{}-{} %", "depth", pl.col("depth") + 10),
            weeks=pl.format("{}-{} wk", "weeks", pl.col("weeks") + 2),
        )
    )


def _harmless(false: pl.DataFrame, year: FirmYears, tail: timedelta) -> pl.DataFrame:
    """Firm-years with each pattern in the judged year, and those with a warning on it.

    `sound` and `sound_warned` are those of firms without distress.
    """
    last = pl.col("last_on") >= year.judged_from
    ill = year.distress["uscc"].implode()
    seen = year.harmless.filter(last, pl.col("first_on") <= year.judged_to).with_columns(
        is_sound=~pl.col("uscc").is_in(ill)
    )
    on_it = pl.col("raised_on").is_between(pl.col("first_on"), pl.col("last_on") + tail)
    warned = seen.join(false, on="uscc").filter(on_it).group_by("pattern")
    sound = pl.col("uscc").filter("is_sound").n_unique()
    counts = seen.group_by("pattern").agg(firm_years=pl.col("uscc").n_unique(), sound=sound)
    found = warned.agg(warned=pl.col("uscc").n_unique(), sound_warned=sound)
    numbers = pl.col("firm_years", "warned", "sound", "sound_warned").fill_null(0).cast(pl.Int64)
    return counts.join(found, on="pattern", how="left").with_columns(numbers).sort("pattern")


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
