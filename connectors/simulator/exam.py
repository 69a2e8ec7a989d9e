"""The exam: the faults of two weeks, dealt to the fleet by seed as exam.toml says."""

import itertools
import math
import tomllib
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from connectors.errors import ParkPulseError
from connectors.simulator import kinds as k
from connectors.simulator.calendars import MINUTE_MS, Slice, local_day, local_midnight_ms
from connectors.simulator.course import Course, Usual, run, usual
from connectors.simulator.faults import Effect, Fault, effect, speed_effects
from connectors.simulator.fleet import Factory, Machine, Sector
from connectors.simulator.seeds import stream

COMMON: Final = "common_cause"
HOUR_MS: Final = 60 * MINUTE_MS
CYCLE_DEVIATION: Final = 0.021
"""Of one cycle's time as a share of it: that of the half-normal noise in `course`."""
_RUNS_ON_MS: Final = 10 * MINUTE_MS
"""A fault begins so long before the machine next stops, so that it is seen to begin."""
_STARTS: Final = 20
"""Tried with one length before another is drawn: a short fault must not win by fitting in."""

Ints = npt.NDArray[np.int64]
Window = tuple[int, int]
Slices = Mapping[str, Sequence[Slice]]


@dataclass(frozen=True, slots=True)
class Entry:
    """A fault to be placed."""

    kind: str
    magnitude: float


@dataclass(frozen=True, slots=True)
class Slot:
    """A machine's week: one fault may begin in [start, end), all is over at `last` (epoch ms)."""

    machine: Machine
    sector: Sector
    start_ms: int
    end_ms: int
    last_ms: int


@cache
def table() -> Mapping[str, Any]:
    """The committed exam file."""
    path = Path(__file__).with_name("exam.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def days() -> int:
    """Closed local days that the exam takes."""
    return int(table()["time"]["days"])


def deal(
    seed: int, last_day: date, factories: Sequence[Factory], slices: Slices
) -> dict[str, tuple[Fault, ...]]:
    """Faults by work unit in order of time, on the days that end with `last_day`.

    `slices` is the plan by line. ParkPulseError where the plan leaves no room for all of them.
    """
    return _Dealer(seed, last_day, factories, slices).deal()


def entries(rng: np.random.Generator) -> list[Entry]:
    """What is dealt besides common causes, shuffled: of each kind as many, in all strata."""
    each = table()["fleet"]["each_kind"]
    kinds = [kind for kind in table()["kind"] if kind != COMMON]
    dealt = [Entry(kind, size) for kind in kinds for size in magnitudes(rng, kind, each)]
    return [dealt[i] for i in rng.permutation(len(dealt))]


def magnitudes(rng: np.random.Generator, kind: str, count: int) -> list[float]:
    """So many magnitudes of a kind, in the strata's shares; 0 for what is pinned where it was."""
    sizes: list[float] = []
    for stratum in table()["stratum"]:
        part, whole = stratum["share"]
        low, high = np.log(stratum["magnitude"])
        sizes += np.exp(rng.uniform(low, high, count * part // whole)).round(3).tolist()
    is_frozen = any(shape == "frozen" for _, shape, _ in table()["kind"][kind]["effect"])
    return [0.0] * len(sizes) if is_frozen else sizes


def times(entry: Entry, own: Usual) -> float:
    """What the rate that a kind is named for is multiplied by (`means` in exam.toml)."""
    match entry.kind:
        case "micro_stop_burst":
            return 1.0 + entry.magnitude / math.sqrt(own.micro_stops_per_h)
        case "speed_loss":
            return 1.0 + entry.magnitude * CYCLE_DEVIATION
        case "quality_slide":
            scrap = own.scrap_share
            return 1.0 + entry.magnitude * math.sqrt((1 - scrap) / (own.cycles_per_h * scrap))
        case _:
            return 1.0


class _Dealer:
    """Deals one exam; machines, slots and entries in the order that one generator gives."""

    def __init__(
        self, seed: int, last_day: date, factories: Sequence[Factory], slices: Slices
    ) -> None:
        self.seed, self.slices = seed, slices
        self.rng = stream(seed, last_day, "exam")
        first_day = last_day - timedelta(days=days() - 1)
        last_ms = local_midnight_ms(last_day + timedelta(days=1))
        self.weeks = [
            [
                Slot(machine, factory.sector, _midnight(first_day, first - 1),
                     _midnight(first_day, last), last_ms)
                for factory in factories
                for machine in factory.machines
            ]
            for first, last in table()["time"]["weeks"]
        ]  # fmt: skip
        self.busy = {line: _busy(plan) for line, plan in slices.items()}
        self.given: dict[str, list[Fault]] = {}

    def deal(self) -> dict[str, tuple[Fault, ...]]:
        self.strike_lines()
        left = deque(entries(self.rng))
        asked = len(left)
        chosen, spare = self.slots(asked)
        for slot in (*chosen, *spare):
            self.place(slot, left)
        if left:
            raise ParkPulseError(
                "the exam",
                f"{len(left)} of {asked} faults find no room in the plan of these days",
                "choose --at so that the days before it are worked",
            )
        in_order = ((unit, sorted(own, key=_start)) for unit, own in sorted(self.given.items()))
        return {unit: tuple(own) for unit, own in in_order}

    def strike_lines(self) -> None:
        """The common causes: a line each, in whichever week is its turn."""
        count = table()["fleet"]["common_causes"]
        sizes = deque(magnitudes(self.rng, COMMON, count))
        turns = itertools.cycle(self.weeks[i] for i in self.rng.permutation(len(self.weeks)))
        lines = sorted(self.slices)
        for line in (lines[i] for i in self.rng.permutation(len(lines))):
            if not sizes:
                return
            struck = [slot for slot in next(turns) if slot.machine.line_id == line]
            window = self.window(COMMON, struck[0], None)
            if window is not None:
                self.strike(struck, Entry(COMMON, sizes.popleft()), window)

    def strike(self, struck: Sequence[Slot], entry: Entry, window: Window) -> None:
        options = table()["kind"][COMMON]["effect"]
        names, shape, share = options[int(self.rng.integers(len(options)))]
        cause = f"{local_day(window[0]):%Y%m%d}-{struck[0].machine.line_id}-{COMMON}"
        for slot in struck:
            self.give(slot, entry, window, (Effect(tuple(names), shape, share),), cause)

    def slots(self, count: int) -> tuple[list[Slot], list[Slot]]:
        """So many slots of the machines that get a fault, each of them at least once; the others.

        Both in order of time, as a machine's course before its second fault has its first.
        """
        units = [slot.machine.work_unit_id for slot in self.weeks[0]]
        faulty = list(self.given)
        others = [units[i] for i in self.rng.permutation(len(units)) if units[i] not in self.given]
        most = len(units) - math.ceil(table()["fleet"]["free_share"] * len(units))
        faulty += others[: most - len(faulty)]
        open_ = [s for week in self.weeks for s in week if self.is_open(s, faulty)]
        shuffled = [open_[i] for i in self.rng.permutation(len(open_))]
        first = {s.machine.work_unit_id: s for s in shuffled if not self.given_to(s)}
        ranked = [*first.values(), *(s for s in shuffled if s not in first.values())]
        return sorted(ranked[:count], key=_start), sorted(ranked[count:], key=_start)

    def is_open(self, slot: Slot, faulty: Sequence[str]) -> bool:
        """Whether a fault may begin in the slot: of a faulty machine, none yet, and planned."""
        starts, ends = self.busy[slot.machine.line_id]
        is_planned = bool(((starts < slot.end_ms) & (ends > slot.start_ms)).any())
        taken = any(slot.start_ms <= f.start_ms < slot.end_ms for f in self.given_to(slot))
        return slot.machine.work_unit_id in faulty and is_planned and not taken

    def given_to(self, slot: Slot) -> Sequence[Fault]:
        return self.given.get(slot.machine.work_unit_id, ())

    def place(self, slot: Slot, left: deque[Entry]) -> None:
        """The first entry that finds a window in the slot, if any does."""
        machine = slot.machine
        own = [piece for piece in self.slices[machine.line_id] if piece.start_ms < slot.end_ms]
        course = run(self.seed, machine, slot.sector, own, self.given_to(slot))
        for _ in range(len(left)):
            entry = left.popleft()
            window = self.window(entry.kind, slot, course)
            if window is not None:
                self.give(slot, entry, window, self.effects(entry.kind, machine))
                return
            left.append(entry)

    def effects(self, kind: str, machine: Machine) -> tuple[Effect, ...]:
        listed = table()["kind"][kind]["effect"]
        return tuple(effect(self.rng, machine, *one) for one in listed) or speed_effects(
            machine, kind
        )

    def give(
        self,
        slot: Slot,
        entry: Entry,
        window: Window,
        effects: tuple[Effect, ...],
        cause: str | None = None,
    ) -> None:
        unit = slot.machine.work_unit_id
        fault = Fault(
            fault_id=f"{local_day(window[0]):%Y%m%d}-{unit}-{entry.kind}",
            kind=entry.kind,
            work_unit_id=unit,
            magnitude=entry.magnitude,
            start_ms=window[0],
            end_ms=window[1],
            effects=effects,
            times=times(entry, usual(self.seed, slot.machine, slot.sector)),
            calm=False,
            cause_id=cause,
        )
        self.given.setdefault(unit, []).append(fault)

    def window(self, kind: str, slot: Slot, course: Course | None) -> Window | None:
        """A stretch that begins in the slot, by chance, and keeps to all rules; None if none does.

        It begins and ends in busy time, and begins while the machine of `course` produces.
        """
        low, high = np.log(table()["kind"][kind]["hours"])
        length = 0
        for number in range(table()["time"]["tries"]):
            if number % _STARTS == 0:
                length = int(np.exp(self.rng.uniform(low, high)) * HOUR_MS)
            start = int(self.rng.integers(slot.start_ms, slot.end_ms))
            window = start, start + length
            fits = window[1] <= slot.last_ms and _apart(window, self.given_to(slot))
            if fits and self.is_busy(slot, window) and _produces(course, start):
                return window
        return None

    def is_busy(self, slot: Slot, window: Window) -> bool:
        """Whether the line is planned to work at both ends and for most of the time between."""
        starts, ends = self.busy[slot.machine.line_id]
        lapped = np.minimum(ends, window[1]) - np.maximum(starts, window[0])
        share = lapped.clip(0).sum() / (window[1] - window[0])
        at_ends = all(((starts <= at) & (at < ends)).any() for at in window)
        return bool(at_ends and share >= table()["time"]["least_busy_share"])


def _midnight(first_day: date, days_after: int) -> int:
    return local_midnight_ms(first_day + timedelta(days=days_after))


def _busy(slices: Iterable[Slice]) -> tuple[Ints, Ints]:
    """Starts and ends of the busy slices."""
    rows = [(piece.start_ms, piece.end_ms) for piece in slices if piece.kind == "busy"]
    starts, ends = np.array(rows, np.int64).reshape(-1, 2).T
    return starts, ends


def _apart(window: Window, others: Iterable[Fault]) -> bool:
    apart_ms = table()["time"]["apart_h"] * HOUR_MS
    return all(
        window[0] >= f.end_ms + apart_ms or window[1] + apart_ms <= f.start_ms for f in others
    )


def _produces(course: Course | None, at_ms: int) -> bool:
    """Whether the machine produces and goes on for a while; true where no course is given."""
    if course is None:
        return True
    return any(
        a.kind == k.PRODUCE and a.start_ms <= at_ms < a.end_ms - _RUNS_ON_MS
        for a in course.activities
    )


def _start(one: Slot | Fault) -> int:
    return one.start_ms
