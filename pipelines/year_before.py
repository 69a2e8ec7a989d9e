"""The day a year before: 52 weeks back, or as far from the Spring Festival as now.

The Spring Festival moves by up to a month, and plants slow down before it and take weeks to be full
again. Near it, two years can be compared only at the same distance from it (docs/decisions/0041).
"""

from datetime import date, timedelta
from functools import cache
from importlib.resources import files
from itertools import pairwise
from typing import Final, NamedTuple

import polars as pl

BY_WEEKDAY: Final = "year_by_weekday"
BY_FESTIVAL: Final = "year_by_festival"

YEAR: Final = timedelta(days=364)
"""52 weeks: the same day of the week."""
SLOW_BEFORE: Final = timedelta(days=14)
SLOW_AFTER: Final = timedelta(days=28)
"""Ours: people leave in the two weeks before the festival, and four weeks after it all are back."""
WINDOW_SPAN: Final = timedelta(days=56)
"""28 scheduled days of a five-day week with a festival among them lie within eight weeks."""


class YearBefore(NamedTuple):
    """The day that a year's comparison ends on, and how it was found."""

    day: date
    basis: str


@cache
def festivals() -> list[date]:
    """First days of the Spring Festival, oldest first (`spring_festivals.csv`)."""
    source = files("pipelines").joinpath("spring_festivals.csv").read_bytes()
    return pl.read_csv(source, schema_overrides={"day": pl.Date}).get_column("day").to_list()


def year_before(on: date) -> YearBefore:
    """What `on` compares with: the distance from the festival counts where a window meets it.

    It counts if it would for either year's window; beyond the years that are known, weekdays do.
    """
    for before, now in pairwise(festivals()):
        if _is_near(on, now) or _is_near(on - YEAR, before):
            return YearBefore(before + (on - now), BY_FESTIVAL)
    return YearBefore(on - YEAR, BY_WEEKDAY)


def _is_near(end: date, festival: date) -> bool:
    return -SLOW_BEFORE <= end - festival <= SLOW_AFTER + WINDOW_SPAN
