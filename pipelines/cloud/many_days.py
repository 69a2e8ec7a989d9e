"""Adoption over many days, one after the other: each day carries on what was heard before it."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, timedelta
from typing import Final, NamedTuple

import polars as pl

from pipelines.cloud.carried import Carried
from pipelines.cloud.day import Day, Ground, of_seen

AT_ONCE: Final = 2
"""Days counted at a time: much of a day's work is single steps that fill no second core."""


class Dated(NamedTuple):
    """A day, who had been heard by it, and what was counted."""

    on: date
    heard: Carried
    day: Day


def each_day(
    ground: Ground,
    state: pl.DataFrame,
    state_on: date,
    evidence: Callable[[date], pl.DataFrame],
    last: date,
) -> Iterator[Dated]:
    """The days after `state_on` up to `last`; `evidence` gives the TERMINAL_DAYS of one."""
    heard = Carried.of(state, state_on, ground.listings.terminal_ids)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        counting = deque[tuple[Carried, Future[Day]]]()
        for back in range((last - state_on).days - 1, -1, -1):
            on = last - timedelta(days=back)
            heard = heard.advanced(evidence(on), on)
            counting.append((heard, pool.submit(of_seen, ground, heard.of_asked(), on)))
            if len(counting) > AT_ONCE:
                yield _first(counting)
        while counting:
            yield _first(counting)


def _first(counting: deque[tuple[Carried, Future[Day]]]) -> Dated:
    heard, day = counting.popleft()
    return Dated(heard.on, heard, day.result())
