"""Who was scheduled on which day, and what each listing sent: matrices of listings by days."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

import holidays
import numpy as np
import numpy.typing as npt

from connectors.simulator.district.draft import Draft, Habit
from connectors.simulator.district.rows import NO_ROW, Terminal
from connectors.simulator.seeds import stream

ROWS_AT_ONCE: Final = 20_000
MOST_VALUES: Final = 1_440

Bools = npt.NDArray[np.bool_]


def calendar(draft: Draft) -> tuple[tuple[str, ...], npt.NDArray[np.int8]]:
    """Enterprises that have a calendar, and 1 on the days on which they were scheduled."""
    public = holidays.country_holidays("CN", years=sorted({day.year for day in draft.days}))
    is_holiday = np.array([day in public for day in draft.days])
    weekday = np.array([day.weekday() for day in draft.days])
    patterns = {n: (weekday < n) & ~is_holiday for n in (5, 6)}
    patterns[7] = np.ones(len(draft.days), np.bool_)
    plans = [plan for plan in draft.plans.values() if plan.work_days]
    rows = np.array([patterns[plan.work_days] for plan in plans]).reshape(len(plans), -1)
    operating = rows.astype(np.int8)
    for row, plan in zip(operating, plans, strict=True):
        if plan.rest:
            row[-plan.rest :] = 0
    return tuple(plan.uscc for plan in plans), operating


def sent(
    draft: Draft, calendar_of: Sequence[str], operating: npt.NDArray[np.int8]
) -> npt.NDArray[np.int16]:
    """Good values that every listing sent on every day (`NO_ROW`: nothing was said)."""
    latest = {listing.terminal_id: listing for listing in draft.terminals}
    listings = [latest[terminal_id] for terminal_id in draft.habits]
    habits = list(draft.habits.values())
    row_of = {uscc: number for number, uscc in enumerate(calendar_of)}
    # the last row is of those without an owner or a calendar: they send on all days alike
    schedule = np.vstack([operating == 1, np.ones((1, len(draft.days)), np.bool_)])
    found = np.empty((len(listings), len(draft.days)), np.int16)
    rng = stream(draft.seed, "district", "evidence")
    for low in range(0, len(listings), ROWS_AT_ONCE):
        part = slice(low, low + ROWS_AT_ONCE)
        owners = [row_of.get(t.uscc or "", len(row_of)) for t in listings[part]]
        works = schedule[owners]
        found[part] = _values(rng, draft.days, listings[part], habits[part], works)
    return found


def _values(
    rng: np.random.Generator,
    days: Sequence[date],
    listings: Sequence[Terminal],
    habits: Sequence[Habit],
    works: Bools,
) -> npt.NDArray[np.int16]:
    seen = _seen(rng, habits, works)
    exact = {number: habit.on for number, habit in enumerate(habits) if habit.on is not None}
    place = {day: number for number, day in enumerate(days)}
    for number, given in exact.items():
        seen[number] = False
        seen[number, [place[day] for day in given if day in place]] = True
    alive = _alive(days, listings)
    for number in exact:
        alive[number] = True  # what is planted is planted
    values = rng.integers(1, MOST_VALUES, size=seen.shape, dtype=np.int16, endpoint=True)
    silence = np.where([habit.says_zero for habit in habits], 0, NO_ROW).astype(np.int16)
    values = np.where(seen, values, silence[:, None])
    values[~alive] = NO_ROW
    return values


def _seen(rng: np.random.Generator, habits: Sequence[Habit], works: Bools) -> Bools:
    share = np.array([habit.share for habit in habits], np.float32)[:, None]
    at_rest = np.array([habit.at_rest for habit in habits], np.float32)[:, None]
    chance = rng.random(works.shape, np.float32)
    seen: Bools = chance < np.where(works, share, np.minimum(at_rest, share))
    silent = np.array([habit.silent for habit in habits])[:, None]
    back = np.arange(works.shape[1])[::-1]
    seen &= back >= silent
    gaps = np.array([habit.gap or (-1, 0) for habit in habits])
    seen &= (back > gaps[:, :1]) | (back < gaps[:, 1:])
    fifths = np.flatnonzero([habit.fifth for habit in habits])
    counted = works[fifths, ::-1].cumsum(axis=1)[:, ::-1]
    seen[fifths] = works[fifths] & (counted % 5 != 0)
    return seen


def _alive(days: Sequence[date], listings: Sequence[Terminal]) -> Bools:
    """Days from activation to the day before retirement."""
    never, at = days[-1].toordinal() + 1, np.array([day.toordinal() for day in days])
    begun = [never if t.activated_on is None else t.activated_on.toordinal() for t in listings]
    ended = [never if t.retired_on is None else t.retired_on.toordinal() for t in listings]
    alive: Bools = (at >= np.array(begun)[:, None]) & (at < np.array(ended)[:, None])
    return alive


def reported(draft: Draft, values: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """What is left of `values` where our own collector failed."""
    latest: Mapping[str, Terminal] = {t.terminal_id: t for t in draft.terminals}
    parks = np.array([latest[terminal_id].park_id or "" for terminal_id in draft.habits])
    lost = ~np.array([habit.kept for habit in draft.habits.values()], np.bool_)
    found = values.copy()
    place = {day: number for number, day in enumerate(draft.days)}
    for park, day in draft.collector_down:
        if day in place:
            hit = lost if park is None else lost & (parks == park)
            found[hit, place[day]] = NO_ROW
    return found
