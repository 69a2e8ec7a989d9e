"""What goes wrong with values on their way: bad, uncertain, late, repeated, blacked out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

import numpy as np

from connectors.simulator import kinds as k
from connectors.simulator.calendars import MINUTE_MS, Shift, local_day, local_midnight_ms
from connectors.simulator.course import Activity, Course
from connectors.simulator.faults import Fault
from connectors.simulator.fleet import Factory, Machine
from connectors.simulator.seeds import stream

BAD: Final = (0x80310000, 0x808A0000, 0x808C0000)
"""BadNoCommunication, BadNotConnected, BadSensorFailure."""
UNCERTAIN: Final = (0x40900000, 0x40930000, 0x40950000)
"""UncertainLastUsableValue, UncertainSensorNotAccurate, UncertainSubNormal."""
LATE_MS: Final = (30_000, 300_000)
_EACH: Final = 4
"""Machines per kind of planting on states and counters: one more than the promised three."""
_SHIFT_MARGIN_MS: Final = 10 * MINUTE_MS


@dataclass(frozen=True, slots=True)
class Upset:
    """Touches the values of `measure` in [start, end]: bad, uncertain, late or repeated."""

    kind: str
    measure: str
    start_ms: int
    end_ms: int
    status: int = 0
    delay_ms: int = 0


@dataclass(slots=True)
class Plantings:
    """What is planted on one machine besides faults; times are true and in epoch ms.

    In a blackout the state node says Bad once and then nothing until it ends.
    """

    rollover_ms: int | None = None
    unannounced_resets: list[int] = field(default_factory=list)
    blackouts: list[tuple[int, int, int]] = field(default_factory=list)
    upsets: list[Upset] = field(default_factory=list)


def process_upsets(
    seed: int, machine: Machine, start_ms: int, end_ms: int, faults: Sequence[Fault]
) -> list[Upset]:
    """Four upsets on signals without a fault, on every whole or begun local day."""
    spared = {signal for fault in faults for signal in fault.signals}
    names = [signal.name for signal in machine.type.signals if signal.name not in spared]
    upsets: list[Upset] = []
    day = local_day(start_ms)
    while local_midnight_ms(day) < end_ms:
        upsets += _day_upsets(seed, machine, names, day)
        day += timedelta(days=1)
    return upsets


def _day_upsets(seed: int, machine: Machine, names: Sequence[str], day: date) -> Iterable[Upset]:
    rng = stream(seed, machine.work_unit_id, day, "upsets")
    chosen = rng.permutation(len(names))[:4]
    for kind, index in zip(("bad", "uncertain", "late", "repeated"), chosen, strict=True):
        start = local_midnight_ms(day) + int(rng.integers(0, 23 * 60)) * MINUTE_MS
        length = int(rng.integers(3, 25)) * MINUTE_MS
        codes = {"bad": BAD, "uncertain": UNCERTAIN}.get(kind, (0,))
        status = codes[int(rng.integers(len(codes)))]
        delay = int(rng.integers(*LATE_MS)) if kind == "late" else 0
        yield Upset(kind, names[int(index)], start, start + length, status, delay)


def plant(
    seed: int, day: date, factories: Sequence[Factory], courses: dict[str, Course]
) -> dict[str, Plantings]:
    """Plantings on states and counters of the default day, by work unit (all machines)."""
    rng = stream(seed, day, "plantings")
    plantings = {m.work_unit_id: Plantings() for f in factories for m in f.machines}
    running = [f for f in factories if not f.working_days_only]
    wrapping = _units(f for f in running if _wraps(f))
    steady = _units(f for f in running if f.reset_policy == "never" and not _wraps(f))
    everyone = _units(running)
    for unit in _draw(rng, wrapping):
        plantings[unit].rollover_ms = _between_pieces(rng, courses[unit], day)
    for unit in _draw(rng, steady):
        plantings[unit].unannounced_resets.append(_between_pieces(rng, courses[unit], day))
    chosen = _draw(rng, everyone, 2 * _EACH)
    state = {m.work_unit_id: _state_node(f) for f in factories for m in f.machines}
    for unit in chosen[:_EACH]:
        _spoil(rng, plantings[unit], courses[unit], day, state[unit])
    for unit in chosen[_EACH:]:
        for kind, delay in (("late", int(rng.integers(*LATE_MS))), ("repeated", 0)):
            at = _between_pieces(rng, courses[unit], day)
            upset = Upset(kind, "parts_total", at, at + 10 * MINUTE_MS, 0, delay)
            plantings[unit].upsets.append(upset)
    return plantings


def _wraps(factory: Factory) -> bool:
    """Int32 counters that no reset keeps from reaching their end."""
    return factory.sector.shape == "packml" and factory.reset_policy == "never"


def _state_node(factory: Factory) -> str:
    return "packml_state" if factory.sector.shape == "packml" else "item_state"


def _units(factories: Iterable[Factory]) -> list[str]:
    return [machine.work_unit_id for factory in factories for machine in factory.machines]


def _draw(rng: np.random.Generator, units: Sequence[str], count: int = _EACH) -> list[str]:
    return [units[i] for i in rng.permutation(len(units))[:count]]


def _between_pieces(rng: np.random.Generator, course: Course, day: date) -> int:
    """An instant half way between two pieces of the day that follow closely."""
    times = course.pieces.time_ms
    low = local_midnight_ms(day) + 60 * MINUTE_MS
    high = local_midnight_ms(day + timedelta(days=1)) - 60 * MINUTE_MS
    first, last = np.searchsorted(times, (low, high))
    at = int(rng.integers(first, last - 1))
    return int(times[at] + times[at + 1]) // 2


def _spoil(
    rng: np.random.Generator, into: Plantings, course: Course, day: date, state: str
) -> None:
    """Bad and uncertain states and counters, all within one shift, so that one shift suffers."""
    runs = _production_of_one_shift(rng, course, day)
    picked = [runs[i] for i in sorted(rng.permutation(len(runs))[:4])]
    for number, run in enumerate(picked):
        at = int(rng.integers(run.start_ms, run.end_ms - 8 * MINUTE_MS))
        bad, uncertain = BAD[int(rng.integers(3))], UNCERTAIN[int(rng.integers(3))]
        until = at + int(rng.integers(2, 7)) * MINUTE_MS
        match number:
            case 0:
                into.blackouts.append((at, until, bad))
            case 1:
                into.upsets.append(Upset("bad", "parts_total", at, until, bad))
            case 2:
                into.upsets.append(Upset("uncertain", "parts_total", at, until, uncertain))
            case _:
                begin = run.start_ms
                into.upsets.append(Upset("uncertain", state, begin, begin, uncertain))


def _production_of_one_shift(rng: np.random.Generator, course: Course, day: date) -> list[Activity]:
    """The longer productive activities of one shift of the day, away from its edges."""
    by_shift: dict[Shift, list[Activity]] = {}
    for activity in course.activities:
        shift = activity.shift
        if shift is None or activity.slice.kind != "busy" or activity.kind != k.PRODUCE:
            continue
        inside = local_day(shift.start_ms) == local_day(shift.end_ms - 1) == day
        early = activity.start_ms < shift.start_ms + _SHIFT_MARGIN_MS
        late = activity.end_ms > shift.end_ms - _SHIFT_MARGIN_MS
        if inside and not early and not late and _minutes(activity) > 15:
            by_shift.setdefault(shift, []).append(activity)
    rich = [runs for runs in by_shift.values() if len(runs) >= 4]
    return rich[int(rng.integers(len(rich)))] if rich else max(by_shift.values(), key=len)


def _minutes(activity: Activity) -> float:
    return (activity.end_ms - activity.start_ms) / MINUTE_MS
