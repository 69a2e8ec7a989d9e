"""Harmless happenings of a simulated firm: maintenance, a move, lumpy orders, a broken machine."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from connectors.simulator.firm_calendar import Calendar
from connectors.simulator.firm_draws import Draw, Floats, Mask, between, rise, table


@dataclass(slots=True)
class Harmless:
    """What they do to each figure by day (factors), and `told`: pattern, first, last day, size."""

    running: Floats
    rate: Floats
    energy: Floats
    online: Floats
    alarms: Floats
    known: Mask
    has_row: Mask
    moved_on: int | None = None
    told: list[tuple[str, int, int, float]] = field(default_factory=list)

    def tell(self, pattern: str, first: int, last: int, size: float) -> None:
        """Into the truth."""
        self.told.append((pattern, first, last, size))


def harmless(draw: Draw, calendar: Calendar) -> Harmless:
    """All that happens to a firm without meaning anything; marks its stops in the calendar."""
    days = len(calendar.level)
    running, rate, energy, online, alarms = np.ones((5, days))
    known, has_row = np.ones((2, days), bool)
    said = Harmless(running, rate, energy, online, alarms, known, has_row)
    for first, last in calendar.festivals:
        said.tell("spring_festival", first, last, 1.0)
    _maintenance(draw, calendar, said)
    _relocation(draw, calendar, said)
    _short(draw, said)
    _mix(draw, said)
    _alarms_and_network(draw, said)
    _missing(draw, said)
    return said


def _maintenance(draw: Draw, calendar: Calendar, said: Harmless) -> None:
    given, days = table()["maintenance"], len(said.running)
    if not draw.chance(given["share"]):
        return
    first, length = _judged_day(draw), draw.days(given["days"])
    stop, up = between(days, first, first + length - 1), draw.days(given["take_up_days"])
    calendar.scheduled[stop] = calendar.said[stop] = False
    said.running *= rise(days, first + length, up, draw.within(given["take_up"]))
    said.tell("maintenance", first, first + length + up - 1, 1.0)


def _relocation(draw: Draw, calendar: Calendar, said: Harmless) -> None:
    given, days = table()["relocation"], len(said.running)
    if not draw.chance(given["share"]):
        return
    first, length = _judged_day(draw), draw.days(given["days"])
    stop, up = between(days, first, first + length - 1), draw.days(given["take_up_days"])
    calendar.scheduled[stop] = False
    if draw.chance(given["in_calendar"]):
        calendar.said[stop] = False
    back = rise(days, first + length, up, draw.within(given["take_up"]))
    said.running *= back
    said.running[first + length :] *= draw.within(given["level"])
    said.online *= back
    said.online[stop] = 0.0
    said.moved_on = first + draw.days(given["row_within_days"])
    said.tell("relocation", first, first + length + up - 1, 1.0)


def _short(draw: Draw, said: Harmless) -> None:
    """Orders that come in lumps, accidents, breakdowns: running for some days, then as before."""
    lumps, accident, broken = (table()[k] for k in ("lumpy_orders", "accident", "breakdown"))

    def lump() -> float:
        size = draw.within(lumps["size"])
        return 1.0 + size if draw.chance(0.5) else 1.0 - size

    for first, last, left in _happenings(draw, lumps, len(said.running), lump):
        said.running[between(len(said.running), first, last)] *= left
        said.tell("lumpy_orders", first, last, left)
    for pattern, given in (("accident", accident), ("breakdown", broken)):
        lost = {**given, "days": given.get("days", (1, 1))}
        left_of = _within(draw, given["left"])
        for first, last, left in _happenings(draw, lost, len(said.running), left_of):
            said.running[between(len(said.running), first, last)] *= left
            said.tell(pattern, first, last, left)


def _mix(draw: Draw, said: Harmless) -> None:
    given, days = table()["mix_change"], len(said.running)
    if not draw.chance(given["share"]):
        return
    first, length, size = _judged_day(draw), draw.days(given["days"]), draw.within(given["size"])
    to = 1.0 + size if draw.chance(0.5) else 1.0 - size
    share = np.clip((np.arange(days) - first + 1) / length, 0.0, 1.0)
    said.rate *= 1.0 + (to - 1.0) * share
    said.energy *= np.exp(draw.rng.normal(0.0, given["energy"]) * share)
    said.tell("mix_change", first, first + length - 1, to)


def _alarms_and_network(draw: Draw, said: Harmless) -> None:
    days, network, burst = len(said.running), table()["network_change"], table()["alarm_burst"]
    if draw.chance(network["share"]):
        first, length = _judged_day(draw), draw.days(network["days"])
        off = draw.within(network["offline"])
        said.online[between(days, first, first + length - 1)] *= 1.0 - off
        said.tell("network_change", first, first + length - 1, off)
    for first, last, times in _happenings(draw, burst, days, _within(draw, burst["times"])):
        said.alarms[between(days, first, last)] *= times
        said.tell("alarm_burst", first, last, times)


def _missing(draw: Draw, said: Harmless) -> None:
    given, days = table()["missing"], len(said.running)
    said.known &= draw.rng.random(days) >= given["day_share"]
    said.has_row &= draw.rng.random(days) >= given["row_share"]
    stretch = {"per_year": given["stretch_per_year"], "days": given["stretch_days"]}
    for first, last, _ in _happenings(draw, stretch, days, lambda: 0.0):
        said.known[between(days, first, last)] = False


def _within(draw: Draw, bounds: list[float]) -> Callable[[], float]:
    return lambda: draw.within(bounds)


def _happenings(
    draw: Draw, given: dict[str, object], days: int, size: Callable[[], float]
) -> Iterator[tuple[int, int, float]]:
    """First day, last day and size of each of a Poisson count."""
    for _ in range(draw.count(float(str(given["per_year"])), days)):
        first = draw.days([0, days - 1])
        length = draw.days(given["days"])  # type: ignore[arg-type]
        yield first, first + length - 1, size()


def _judged_day(draw: Draw) -> int:
    """A day of the judged year, far enough from its end for the firm to be seen again."""
    time = table()["time"]
    return draw.days([time["history_days"], time["history_days"] + time["judged_days"] - 40])
