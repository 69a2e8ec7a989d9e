"""The course of one machine: what it does when, and the pieces that come out of it."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.simulator import kinds as k
from connectors.simulator.calendars import MINUTE_MS, Shift, Slice
from connectors.simulator.faults import Fault
from connectors.simulator.fleet import Machine, Product, Sector
from connectors.simulator.seeds import stream

GOOD, SCRAP, REWORK = range(3)
_CLEAR_MS: Final = 250
"""No piece is counted this near to a change, so that no edge depends on a clock's last ms."""
_SNAP_MS: Final = 2_000
"""A stretch that would end this shortly before the plan changes lasts until then."""
_LIMITS_MIN: Final = {
    # timer: mean productive minutes until it fires, then the stops it brings (kind, min, max)
    "micro": (32.0, ((k.MICRO_STOP, 0.3, 3.0),)),
    "starve": (80.0, ((k.STARVED, 1.0, 7.0),)),
    "wait": (420.0, ((k.WAITING, 3.0, 16.0),)),
    "break": (1500.0, ((k.BREAKDOWN, 4.0, 18.0), (k.CORRECTIVE, 12.0, 70.0))),
}
_LEAST_CYCLE, _CYCLE_NOISE = 0.98, 0.035
"""A cycle takes the usual time times the first, and half-normal noise of the second."""
_ORDER_MIN: Final = (200.0, 620.0)
_SETUP_MIN: Final = (9.0, 32.0)
_NO_ORDER: Final = (0.14, 12.0, 55.0)
"""Chance that no order follows at once, and for how many minutes."""
_OVERRUN: Final = (0.12, 60_000, 200_000)
"""Chance that a machine works on into a break, and for how many ms."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What a machine does in [start, end): one kind, order and product, inside one plan slice."""

    start_ms: int
    end_ms: int
    kind: int
    order_id: str
    product: Product | None
    slice: Slice

    @property
    def shift(self) -> Shift | None:
        """The planned shift it lies in, if any."""
        return self.slice.shift


@dataclass(frozen=True, slots=True)
class Pieces:
    """Everything that was counted, in order of time; `quality` is good, scrap or rework."""

    time_ms: npt.NDArray[np.int64]
    amount: npt.NDArray[np.int64]
    quality: npt.NDArray[np.int8]
    product: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Course:
    """Activities that follow each other without a hole, and the pieces."""

    activities: tuple[Activity, ...]
    pieces: Pieces


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for one machine, per productive hour (mean of its products) and cycle."""

    micro_stops_per_h: float
    cycles_per_h: float
    scrap_share: float


def run(
    seed: int, machine: Machine, sector: Sector, slices: Sequence[Slice], faults: Sequence[Fault]
) -> Course:
    """The course over the slices; a longer plan, a later fault leave what came before unchanged."""
    altering = [fault for fault in faults if fault.alters_course]
    walker = _Walker(seed, machine, sector, altering)
    for piece in _cut(slices, altering):
        walker.walk(piece)
    return Course(tuple(walker.done), walker.cycles.pieces())


def usual(seed: int, machine: Machine, sector: Sector) -> Usual:
    """The machine's own rates, as its traits say."""
    walker = _Walker(seed, machine, sector, ())
    cycle_ms = np.mean([product.cycle_ms for product in machine.type.products])
    mean_ms = cycle_ms * walker.cycles.slowness * (_LEAST_CYCLE + _CYCLE_NOISE * np.sqrt(2 / np.pi))
    return Usual(
        micro_stops_per_h=60 / (_LIMITS_MIN["micro"][0] * walker.pace),
        cycles_per_h=float(3_600_000 / mean_ms),
        scrap_share=walker.cycles.scrap,
    )


def _cut(slices: Iterable[Slice], faults: Sequence[Fault]) -> Iterable[Slice]:
    """The slices, cut where a fault begins and ends; faults do not overlap."""
    edges = sorted(edge for fault in faults for edge in (fault.start_ms, fault.end_ms))
    for piece in slices:
        inside = [e for e in edges if piece.start_ms < e < piece.end_ms]
        points = [piece.start_ms, *inside, piece.end_ms]
        for left, right in itertools.pairwise(points):
            yield Slice(left, right, piece.kind, piece.shift)


class _Walker:
    """Lets one machine go through its plan; timers run down in productive time only."""

    def __init__(
        self, seed: int, machine: Machine, sector: Sector, faults: Sequence[Fault]
    ) -> None:
        self.machine, self.faults = machine, faults
        self.rng = stream(seed, machine.work_unit_id, "activities")
        self.cycles = _Cycles(seed, machine, sector)
        self.pace = float(self.rng.uniform(0.4, 1.2))
        self.orders, self.order_id = 0, ""
        self.product: Product | None = None
        self.next_order()
        self.waiting: list[tuple[int, int, str]] = []
        self.timers = {name: self.draw(name) for name in (*_LIMITS_MIN, "order")}
        self.done: list[Activity] = []

    def draw(self, timer: str, factor: float = 1.0) -> int:
        """Productive ms until the timer fires again."""
        if timer == "order":
            return int(self.rng.uniform(*_ORDER_MIN) * MINUTE_MS)
        mean_ms = _LIMITS_MIN[timer][0] * self.pace * MINUTE_MS / factor
        return int(5_000 + self.rng.exponential(mean_ms))

    def next_order(self) -> None:
        """Take the next order; the product changes with it."""
        self.orders += 1
        self.order_id = f"WO-{self.machine.work_unit_id}-{self.orders:04}"
        products = [p for p in self.machine.type.products if p is not self.product]
        self.product = products[int(self.rng.integers(len(products)))]

    def drop_order(self) -> None:
        """Nothing to do: neither order nor product."""
        self.order_id, self.product = "", None

    def walk(self, piece: Slice) -> None:
        """Fill one slice of the plan."""
        match piece.kind:
            case "busy":
                self.busy(piece)
            case "break":
                self.rest(piece)
            case "planned_maintenance":
                self.add(piece, piece.start_ms, piece.end_ms, k.PLANNED_MAINTENANCE)
            case _:
                self.add(piece, piece.start_ms, piece.end_ms, k.OFF)

    def rest(self, piece: Slice) -> None:
        """A break; now and then the machine works on into it for a while."""
        start = piece.start_ms
        was_producing = bool(self.done) and self.done[-1].kind == k.PRODUCE
        chance, least, most = _OVERRUN
        if self.rng.random() < chance and was_producing and not self.is_calm(piece):
            length = int(self.rng.integers(least, most))
            self.add(piece, start, min(start + length, piece.end_ms), k.PRODUCE)
            start = self.done[-1].end_ms
        self.add(piece, start, piece.end_ms, k.BREAK)

    def fault_in(self, piece: Slice) -> Fault | None:
        inside = (f for f in self.faults if f.start_ms <= piece.start_ms < f.end_ms)
        return next(inside, None)

    def is_calm(self, piece: Slice) -> bool:
        fault = self.fault_in(piece)
        return fault is not None and fault.calm

    def factor(self, piece: Slice, kind: str) -> float:
        """What a fault multiplies a rate by."""
        fault = self.fault_in(piece)
        return 1.0 if fault is None else fault.factor(kind)

    def busy(self, piece: Slice) -> None:
        """Produce and stop in turn; inside a calm fault only micro stops interrupt production."""
        fault = self.fault_in(piece)
        active = ("micro",) if self.is_calm(piece) else tuple(self.timers)
        if fault is not None and piece.start_ms == fault.start_ms:
            self.begin(fault)
        time = piece.start_ms
        while time < piece.end_ms:
            time = self.stop(piece, time) if self.waiting else self.produce(piece, time, active)
        if fault is not None and piece.end_ms == fault.end_ms:
            self.timers["micro"] = self.draw("micro")

    def begin(self, fault: Fault) -> None:
        """Wind up the timer that it changes; a calm one clears what would keep from producing."""
        if fault.calm:
            self.waiting.clear()
            if not self.order_id:
                self.next_order()
        self.timers["micro"] = self.draw("micro", fault.factor("micro_stop_burst"))

    def stop(self, piece: Slice, time: int) -> int:
        """Spend the stop at hand up to the end of the slice."""
        kind, length, action = self.waiting.pop(0)
        if action == "next":
            self.next_order()
        elif action == "drop":
            self.drop_order()
        end = min(time + length, piece.end_ms)
        if piece.end_ms - end < _SNAP_MS:
            end = piece.end_ms
        if time + length > end:
            self.waiting.insert(0, (kind, time + length - end, ""))
        self.add(piece, time, end, kind)
        return end

    def produce(self, piece: Slice, time: int, active: Sequence[str]) -> int:
        """Produce until a timer fires or the slice ends."""
        first = min(active, key=lambda name: self.timers[name])
        end = min(time + max(self.timers[first], 5_000), piece.end_ms)
        if piece.end_ms - end < _SNAP_MS:
            end = piece.end_ms
        self.add(piece, time, end, k.PRODUCE)
        for name in active:
            self.timers[name] -= end - time
        if self.timers[first] <= 0:
            self.fire(first, self.factor(piece, "micro_stop_burst"))
        return end

    def fire(self, timer: str, burst: float) -> None:
        """Queue the stops that this timer brings and wind it up again."""
        if timer == "order":
            chance, least, most = _NO_ORDER
            if self.rng.random() < chance:
                self.waiting.append((k.NO_ORDER, self.length(least, most), "drop"))
            self.waiting.append((k.SETUP, self.length(*_SETUP_MIN), "next"))
        else:
            for kind, least, most in _LIMITS_MIN[timer][1]:
                self.waiting.append((kind, self.length(least, most), ""))
        self.timers[timer] = self.draw(timer, burst if timer == "micro" else 1.0)

    def length(self, least_min: float, most_min: float) -> int:
        """A log-uniform length in ms."""
        low, high = np.log(least_min), np.log(most_min)
        return int(np.exp(self.rng.uniform(low, high)) * MINUTE_MS)

    def add(self, piece: Slice, start: int, end: int, kind: int) -> None:
        """Book an activity, and the pieces that fall into it."""
        if end <= start:
            return
        self.done.append(Activity(start, end, kind, self.order_id, self.product, piece))
        if kind == k.PRODUCE and self.product is not None:
            slow, worse = self.factor(piece, "speed_loss"), self.factor(piece, "quality_slide")
            self.cycles.produce(start, end, self.product, slow, worse)


class _Cycles:
    """Completes one cycle after the other in productive time; a cut cycle goes on after a stop."""

    def __init__(self, seed: int, machine: Machine, sector: Sector) -> None:
        self.machine, self.has_rework = machine, sector.has_rework
        traits = stream(seed, machine.work_unit_id, "traits")
        self.slowness = float(traits.uniform(1.025, 1.16))
        self.scrap = float(traits.uniform(0.004, 0.02))
        self.rework = float(traits.uniform(0.003, 0.012)) if sector.has_rework else 0.0
        self.cycle_rng = stream(seed, machine.work_unit_id, "cycles")
        self.quality_rng = stream(seed, machine.work_unit_id, "quality")
        self.product: Product | None = None
        self.left_ms = 0
        self.parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int8], Product]] = []

    def produce(self, start: int, end: int, product: Product, slow: float, worse: float) -> None:
        """Count what is completed in (start, end)."""
        if product is not self.product:
            self.product, self.left_ms = product, 0
        times = self.completions(start, end, product, slow)
        if len(times):
            self.parts.append((times, self.qualities(len(times), worse), product))

    def completions(
        self, start: int, end: int, product: Product, slow: float
    ) -> npt.NDArray[np.int64]:
        """Instants of completion; what is left of the last cycle is kept for later."""
        usual = product.cycle_ms * self.slowness * slow
        drawn = int((end - start) / (product.cycle_ms * 0.97)) + 2
        noise = np.abs(self.cycle_rng.standard_normal(drawn)) * _CYCLE_NOISE
        steps = np.rint(usual * (_LEAST_CYCLE + noise)).astype(np.int64)
        if self.left_ms:
            steps = np.concatenate(([self.left_ms], steps))
        steps[0] = max(int(steps[0]), _CLEAR_MS)
        times: npt.NDArray[np.int64] = start + np.cumsum(steps)
        count = int(np.searchsorted(times, end - _CLEAR_MS))
        self.left_ms = max(int(times[count] - end), 1)
        return times[:count]

    def qualities(self, count: int, worse: float) -> npt.NDArray[np.int8]:
        """One quality per completed cycle."""
        chance = self.quality_rng.random(count)
        scrap = min(self.scrap * worse, 0.5)
        bad = np.where(chance < scrap, SCRAP, np.where(chance < scrap + self.rework, REWORK, GOOD))
        return bad.astype(np.int8)

    def pieces(self) -> Pieces:
        """All of them in one table."""
        products = self.machine.type.products
        lengths = [len(times) for times, _, _ in self.parts]
        index = np.repeat([products.index(p) for _, _, p in self.parts], lengths)
        amounts = np.array([p.items_per_cycle for p in products], np.int64)
        none = np.empty(0, np.int64)
        return Pieces(
            np.concatenate([none, *(times for times, _, _ in self.parts)]),
            amounts[index.astype(np.int16)],
            np.concatenate([none.astype(np.int8), *(q for _, q, _ in self.parts)]),
            index.astype(np.int16),
        )
