"""Adoption over many days, one after the other: each day carries on what was heard before it."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from pipelines.cloud import seen
from pipelines.cloud.day import Day, Ground, of_day


class Dated(NamedTuple):
    """A day, who had been heard by it, and what was counted."""

    on: date
    state: pl.DataFrame
    day: Day


def each_day(
    ground: Ground,
    state: pl.DataFrame,
    state_on: date,
    evidence: Callable[[date], pl.DataFrame],
    last: date,
) -> Iterator[Dated]:
    """The days after `state_on` up to `last`; `evidence` gives the TERMINAL_DAYS of one."""
    for back in range((last - state_on).days - 1, -1, -1):
        on = last - timedelta(days=back)
        state = seen.advanced(state, on - timedelta(days=1), evidence(on), on)
        yield Dated(on, state, of_day(ground, state, on))
