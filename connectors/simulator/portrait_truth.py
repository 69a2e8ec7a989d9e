"""How an enterprise's figures really changed: its own plan, summed by plain loops.

A year's change, where the enterprise was known a year before, else that of 84 days; exact where a
collector has every day. It shares no code with what measures it (docs/decisions/0041).
"""

from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction
from typing import Final, NamedTuple

from connectors.simulator.enterprise_days import Firm, Plan, plan, spring_festival

_DAYS: Final = 28
_LEAST: Final = 14
_REACH: Final = 84


class Truth(NamedTuple):
    """Exact changes (0 is none), hours a scheduled day, and what was compared with."""

    running_h_per_day: Fraction
    running: Fraction
    output: Fraction
    energy: Fraction
    energy_per_output: Fraction
    basis: str


class _Sums(NamedTuple):
    days: int
    running_s: int
    output: int
    energy_wh: int


def truth(firm: Firm, on: date, known_since: date, seed: int) -> Truth | None:
    """What happened by `on` to a firm with rows from `known_since`; null with too few days."""
    made = plan(firm, known_since, on, seed)
    now = _last(made, on, _DAYS)
    if now.days < _LEAST:
        return None
    for end, basis in _before(on):
        before = _last(made, end, now.days)
        if before.days >= _LEAST:
            return _compared(now, before, basis)
    return None


def _before(on: date) -> Iterator[tuple[date, str]]:
    yield _year_before(on)
    yield on - timedelta(days=_REACH), "days_84"


def _year_before(on: date) -> tuple[date, str]:
    """As far from the festival as now, if either year's eight weeks up to then meet its weeks."""
    plain = on - timedelta(days=364)
    for year in range(on.year - 1, on.year + 2):
        now, then = spring_festival(year), spring_festival(year - 1)
        for end, festival in ((on, now), (plain, then)):
            weeks = {end - timedelta(days=n) for n in range(57)}
            slow = {festival + timedelta(days=n) for n in range(-14, 29)}
            if weeks & slow:
                return then + (on - now), "year_by_festival"
    return plain, "year_by_weekday"


def _last(made: Plan, end: date, most: int) -> _Sums:
    taken: list[int] = []
    for n in reversed(range(len(made.days))):
        age = (end - made.days[n]).days
        if made.is_operating[n] and 0 <= age < _REACH and len(taken) < most:
            taken.append(n)
    return _Sums(
        len(taken),
        sum(int(made.running_s[n]) for n in taken),
        sum(int(made.output[n]) for n in taken),
        sum(int(made.energy_wh[n]) for n in taken),
    )


def _compared(now: _Sums, before: _Sums, basis: str) -> Truth:
    def change(name: str) -> Fraction:
        a, b = getattr(now, name), getattr(before, name)
        return Fraction(a, now.days) / Fraction(b, before.days) - 1

    per_piece = Fraction(now.energy_wh, now.output) / Fraction(before.energy_wh, before.output)
    hours = Fraction(now.running_s, 3600 * now.days)
    return Truth(
        hours, change("running_s"), change("output"), change("energy_wh"), per_piece - 1, basis
    )
