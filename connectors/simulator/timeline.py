"""Factory timelines: everything the ten factories' servers say, from seed and anchor alone."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from connectors.raw import EPOCH_TICKS
from connectors.simulator import counters, course, faults, signals, upsets
from connectors.simulator import kinds as k
from connectors.simulator.calendars import (
    ZONE,
    Planned,
    Slice,
    line_slices,
    local_midnight_ms,
    plan,
    to_ms,
)
from connectors.simulator.fleet import Factory, Machine, fleet
from connectors.simulator.interface import Point, Value, localized_text, points
from connectors.simulator.nodes import Series, Served
from connectors.simulator.seeds import scatter, stream

Ints = npt.NDArray[np.int64]
TICKS_PER_MS: Final = 10_000
_LATENCY_TICKS: Final = (50_000, 600_000)
"""From source to server: 5 to 60 ms."""
_REPEAT_TICKS: Final = 1_000_000
"""A repeated value is given again after 100 ms."""
_LOOKAHEAD_MS: Final = 3_600_000
"""Courses run an hour past the end, so that the end does not show in what comes before it."""
_BLOCKS_KEPT: Final = 2
"""Signal blocks in memory per factory; one is about 1.7 MB a week."""
_ENERGY: Final = ("power_kw", "energy_kwh")


@dataclass(frozen=True, slots=True)
class Span:
    """The time a timeline covers; `day` is the default day, the last closed one at the anchor."""

    start_ms: int
    end_ms: int
    day: date
    period_ms: int


@dataclass(frozen=True, slots=True)
class MachineTimeline:
    """One machine: its plan, its course, and what was planted. Times are true."""

    factory: Factory
    machine: Machine
    slices: tuple[Slice, ...]
    course: course.Course
    fault: faults.Fault | None
    plantings: upsets.Plantings
    sample_ms: Ints
    points: tuple[Point, ...]


class FactoryTimeline:
    """What one factory's server says (a SiteTimeline), with the truth behind it."""

    def __init__(
        self, seed: int, factory: Factory, span: Span, machines: Sequence[MachineTimeline]
    ) -> None:
        self.seed, self.factory, self.span, self.machines = seed, factory, span, tuple(machines)
        self.site_id = factory.factory_id
        self.server_uri = server_uri(factory)
        self.nodes: Sequence[Served] = [p.served for m in machines for p in m.points]
        self._where = {p.served.node_id: (m, p) for m in machines for p in m.points}
        self._blocks: OrderedDict[str, npt.NDArray[np.float64]] = OrderedDict()

    @property
    def plan(self) -> list[Planned]:
        """What the factory planned over the whole timeline."""
        return plan(self.factory, self.span.start_ms, self.span.end_ms)

    @property
    def source_offset_ticks(self) -> int:
        """How far the factory's source clock is ahead of the true time."""
        return self.factory.source_clock_offset_s * 1000 * TICKS_PER_MS

    def series(self, node: Served) -> Series:
        """Everything `node` says over the whole timeline."""
        machine, point = self._where[node.node_id]
        times, values, status = self._said(machine, point)
        inside = times < self.span.end_ms
        return self._spoken(machine, point, times[inside], values[inside], status[inside])

    def _said(
        self, machine: MachineTimeline, point: Point
    ) -> tuple[Ints, npt.NDArray[Any], npt.NDArray[np.uint32]]:
        """True times, values and status as they leave the source, before upsets."""
        if point.value is not None:
            times, values = np.array([self.span.start_ms]), _array([point.value], point.served)
        elif point.measure in counters.COUNTED:
            shown = counter_of(self.seed, self.span, machine, point.measure)
            times, values = shown.times_ms, shown.values.astype(_dtype(point.served))
        elif point.measure in STATED:
            return _stated(machine, point)
        else:
            times, values = machine.sample_ms, self._signal(machine, point.measure)
        return times, values, np.zeros(len(times), np.uint32)

    def _signal(self, machine: MachineTimeline, measure: str) -> npt.NDArray[np.float64]:
        names = [signal.name for signal in machine.machine.type.signals]
        return self._block(machine)[:, (*names, *_ENERGY).index(measure)]

    def _block(self, machine: MachineTimeline) -> npt.NDArray[np.float64]:
        unit = machine.machine.work_unit_id
        if unit not in self._blocks:
            while len(self._blocks) >= _BLOCKS_KEPT:
                self._blocks.popitem(last=False)
            norm_end_ms = local_midnight_ms(self.span.day + timedelta(days=1))
            self._blocks[unit] = signals.sample(
                self.seed, machine.machine, machine.course.activities, machine.sample_ms,
                machine.fault, norm_end_ms,
            )  # fmt: skip
        return self._blocks[unit]

    def _spoken(
        self,
        machine: MachineTimeline,
        point: Point,
        times: Ints,
        values: npt.NDArray[Any],
        status: npt.NDArray[np.uint32],
    ) -> Series:
        """The values with their three times, touched by upsets, in order of delivery."""
        true = EPOCH_TICKS + times * TICKS_PER_MS
        low, high = _LATENCY_TICKS
        word = scatter(self.seed, point.served.node_id, true)
        server = true + low + (word % np.uint64(high - low + 1)).astype(np.int64)
        delivered = server.copy()
        again: list[Ints] = []
        for upset in machine.plantings.upsets:
            if upset.measure != point.measure:
                continue
            touched = np.flatnonzero((times >= upset.start_ms) & (times <= upset.end_ms))
            match upset.kind:
                case "late":
                    delivered[touched] += upset.delay_ms * TICKS_PER_MS
                case "repeated":
                    again.append(touched)
                case _:
                    status[touched] = upset.status
        rows = np.concatenate([np.arange(len(times)), *again])
        delivered = delivered[rows]
        delivered[len(times) :] += _REPEAT_TICKS
        order = np.argsort(delivered, kind="stable")
        rows = rows[order]
        return Series(
            source_ticks=true[rows] + self.source_offset_ticks,
            server_ticks=server[rows],
            delivered_ticks=delivered[order],
            values=_nulled(values, status)[rows],
            status=status[rows],
        )


def build_factories(
    seed: int,
    anchor: datetime,
    *,
    days_back: int = 4,
    days_ahead: float = 1.5,
    signal_period_s: float = 90.0,
) -> list[FactoryTimeline]:
    """The ten factories from local midnight `days_back` + 1 days before the anchor's local date.

    What is planted lies in the default day, the last local day that is closed at the anchor.
    """
    today = anchor.astimezone(ZONE).date()
    span = Span(
        start_ms=local_midnight_ms(today - timedelta(days=days_back + 1)),
        end_ms=to_ms(anchor) + round(days_ahead * faults.DAY_MS),
        day=today - timedelta(days=1),
        period_ms=round(signal_period_s * 1000),
    )
    factories = fleet()
    slices = {line: s for f in factories for line, s in _factory_slices(f, span).items()}
    planted = faults.plant(seed, span.day, factories, slices)
    courses = {
        m.work_unit_id: course.run(
            seed, m, f.sector, slices[m.line_id], planted.get(m.work_unit_id)
        )
        for f in factories
        for m in f.machines
    }
    plantings = upsets.plant(seed, span.day, factories, courses)
    return [_factory(seed, f, span, slices, planted, courses, plantings) for f in factories]


def server_uri(factory: Factory) -> str:
    """The ApplicationUri of the factory's server, also the namespace of its nodes."""
    return f"urn:parkpulse:sim:{factory.factory_id}"


def counter_of(seed: int, span: Span, machine: MachineTimeline, measure: str) -> counters.Counter:
    """What one of the machine's counters shows."""
    plantings, counter_max = machine.plantings, machine.factory.sector.counter_max
    initial = counters.initial_value(seed, machine.machine, machine.factory, measure)
    if measure == "parts_total" and plantings.rollover_ms is not None:
        initial = counters.rollover_start(machine.course, counter_max, plantings.rollover_ms)
    declared = counters.declared_resets(machine.factory, machine.course)
    return counters.counter(
        machine.course, measure, start_ms=span.start_ms, initial=initial,
        resets=declared + plantings.unannounced_resets, counter_max=counter_max,
    )  # fmt: skip


def _factory_slices(factory: Factory, span: Span) -> dict[str, tuple[Slice, ...]]:
    end_ms = span.end_ms + _LOOKAHEAD_MS
    planned = plan(factory, span.start_ms, end_ms)
    return {
        line: tuple(line_slices(planned, line, span.start_ms, end_ms)) for line in factory.lines
    }


def _factory(
    seed: int,
    factory: Factory,
    span: Span,
    slices: dict[str, tuple[Slice, ...]],
    planted: dict[str, faults.Fault],
    courses: dict[str, course.Course],
    plantings: dict[str, upsets.Plantings],
) -> FactoryTimeline:
    machines = []
    for machine in factory.machines:
        unit = machine.work_unit_id
        fault = planted.get(unit)
        plantings[unit].upsets += upsets.process_upsets(
            seed, machine, span.start_ms, span.end_ms, fault
        )
        machines.append(
            MachineTimeline(
                factory,
                machine,
                slices[machine.line_id],
                courses[unit],
                fault,
                plantings[unit],
                _sample_times(seed, unit, span),
                points(server_uri(factory), factory, machine),
            )
        )
    return FactoryTimeline(seed, factory, span, machines)


def _sample_times(seed: int, unit: str, span: Span) -> Ints:
    phase = int(stream(seed, unit, "phase").integers(span.period_ms))
    return np.arange(span.start_ms + phase, span.end_ms, span.period_ms, dtype=np.int64)


STATED: Final[Mapping[str, Callable[[course.Activity], Value]]] = {
    "item_state": lambda a: k.KINDS[a.kind].item_state,
    "operation_mode": lambda a: k.KINDS[a.kind].operation_mode,
    "item_state_text": lambda a: localized_text(k.ITEM_STATE_TEXT[k.KINDS[a.kind].item_state]),
    "operation_mode_text": lambda a: localized_text(
        k.OPERATION_MODE_TEXT[k.KINDS[a.kind].operation_mode]
    ),
    "packml_state": lambda a: k.KINDS[a.kind].packml_state,
    "packml_mode": lambda a: k.KINDS[a.kind].packml_mode,
    "order_id": lambda a: a.order_id,
    "product_id": lambda a: "" if a.product is None else a.product.product_id,
    "stop_reason_code": lambda a: k.KINDS[a.kind].reason,
}
"""Measures that follow the activity and are said when they change."""


def _stated(
    machine: MachineTimeline, point: Point
) -> tuple[Ints, npt.NDArray[Any], npt.NDArray[np.uint32]]:
    """A state or context: one value per change; a blackout says Bad once and hides changes."""
    said = [(a.start_ms, STATED[point.measure](a)) for a in machine.course.activities]
    changed = [said[0], *(b for a, b in pairwise(said) if b[1] != a[1])]
    rows = [(time, value, 0) for time, value in changed]
    if point.measure in ("item_state", "packml_state"):
        for start, end, code in machine.plantings.blackouts:
            value = next(v for t, v, _ in reversed(rows) if t <= end)
            rows = [row for row in rows if not start <= row[0] <= end]
            rows = sorted([*rows, (start, value, code), (end, value, 0)], key=lambda row: row[0])
    times = np.array([time for time, _, _ in rows], np.int64)
    status = np.array([code for _, _, code in rows], np.uint32)
    return times, _array([value for _, value, _ in rows], point.served), status


def _dtype(served: Served) -> npt.DTypeLike:
    """How a series holds values of the variable's type."""
    types: dict[str, npt.DTypeLike] = {
        "Double": np.float64, "UInt32": np.uint64, "Int32": np.int64, "Int64": np.int64,
    }  # fmt: skip
    return types.get(served.value_type, np.object_)


def _array(values: Sequence[Any], served: Served) -> npt.NDArray[Any]:
    return np.array(values, _dtype(served))


def _nulled(values: npt.NDArray[Any], status: npt.NDArray[np.uint32]) -> npt.NDArray[Any]:
    """The values with null where the status is Bad."""
    bad = status >= 0x80000000
    if not bad.any():
        return values
    nulled = values.astype(np.object_)
    nulled[bad] = None
    return nulled
