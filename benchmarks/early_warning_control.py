"""The controls, each at its best on known answers: a moving average, and one that is not learned.

The control of the target is a moving average under a fraction of its earlier one. Beside it stands
`Levels`: our own comparable days, peers and noise, and one limit instead of the model.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

import polars as pl

from benchmarks.early_warning_scores import Scored, scored, together
from connectors.simulator.firm_years import FirmYears
from pipelines.warning_signs import over_blocks
from pipelines.warning_spells import spells

LENGTHS: Final = (6, 12, 24)
"""Days of an average: as many as the levels of our own that weigh most."""
EARLIER: Final = (0, 24, 96)
"""Days between the two averages: at once, a month, four months."""
FRACTIONS: Final = tuple(percent / 100 for percent in range(40, 96, 5))
WEEKS: Final = (2, 3, 4)
LIMITS: Final = tuple(tenths / 10 for tenths in range(15, 61, 5))


@dataclass(frozen=True, slots=True)
class Control:
    """An average of `length` worked days under `fraction` of that which ended `earlier` before."""

    length: int
    earlier: int
    fraction: float

    def warnings(self, days: pl.DataFrame) -> pl.DataFrame:
        """`uscc raised_on` on days that `worked` gives."""
        now = pl.col("output").rolling_mean(self.length).over("uscc")
        before = now.shift(self.length + self.earlier).over("uscc")
        ratio = pl.when(before > 0).then(now / before)
        ready = days.with_columns(ratio=ratio)
        return spells(
            ready,
            above=pl.col("ratio") < self.fraction,
            below=pl.col("ratio") > (1.0 + self.fraction) / 2.0,
            persist=1,
            calm=6,
        )


@dataclass(frozen=True, slots=True)
class Levels:
    """The mean of so many levels under `limit` deviations of the enterprise's own noise."""

    weeks: int
    limit: float

    def warnings(self, signs: pl.DataFrame) -> pl.DataFrame:
        """`uscc raised_on` on what `warning_signs.signs` gives."""
        fallen = over_blocks("level", 0, self.weeks - 1) / pl.col("noise")
        return spells(
            signs, above=fallen < -self.limit, below=fallen > -self.limit / 2, persist=3, calm=12
        )


def worked(year: FirmYears) -> pl.DataFrame:
    """Days that the calendar calls working days, or that have output, as far as collected."""
    is_working = pl.coalesce("is_operating", pl.col("output") > 0)
    kept = year.days.filter("is_collected", is_working, pl.col("output").is_not_null())
    return kept.select("uscc", "day", pl.col("output").cast(pl.Float64)).sort("uscc", "day")


C = TypeVar("C", Control, Levels)


def averages() -> Iterator[Control]:
    """All that are tried."""
    for length, earlier, fraction in itertools.product(LENGTHS, EARLIER, FRACTIONS):
        yield Control(length, earlier, fraction)


def levels() -> Iterator[Levels]:
    """All that are tried."""
    for weeks, limit in itertools.product(WEEKS, LIMITS):
        yield Levels(weeks, limit)


def best(tried: Iterable[C], years: list[FirmYears], days: list[pl.DataFrame]) -> C:
    """The one of the best F1 on these firm-years and their days."""

    def f1(one: C) -> float:
        return of(one, years, days).f1

    return max(tried, key=f1)


def of(one: Control | Levels, years: list[FirmYears], days: list[pl.DataFrame]) -> Scored:
    """A control's score on all of them."""
    return together([scored(one.warnings(d), year) for year, d in zip(years, days, strict=True)])
