"""Factory timelines: everything the ten factories' servers say, from seed and anchor alone."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.simulator import counters, course, faults, signals, upsets
from connectors.simulator.calendars import (
    ZONE,
    Planned,
    Slice,
    line_slices,
    local_midnight_ms,
    plan,
    to_ms,
)
from connectors.simulator.exam import deal
from connectors.simulator.fleet import Factory, fleet
from connectors.simulator.interface import Point, points
from connectors.simulator.nodes import Series, Served
from connectors.simulator.said import (
    STATED,
    MachineTimeline,
    Said,
    Span,
    counted,
    fixed,
    sampled,
    spoken,
    stated,
)
from connectors.simulator.seeds import stream

Ints = npt.NDArray[np.int64]
_LOOKAHEAD_MS: Final = 3_600_000
"""Courses run an hour past the end, so that the end does not show in what comes before it."""
_BLOCKS_KEPT: Final = 2
"""Signal blocks in memory per factory; one is about 1.7 MB a week."""
_ENERGY: Final = ("power_kw", "energy_kwh")


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
        return self.machines[0].source_offset_ticks

    def series(self, node: Served) -> Series:
        """Everything `node` says over the whole timeline."""
        machine, point = self._where[node.node_id]
        said = self._said(machine, point).before(self.span.end_ms)
        return spoken(self.seed, machine, point, said)

    def _said(self, machine: MachineTimeline, point: Point) -> Said:
        if point.value is not None:
            return fixed(self.span, point)
        if point.measure in counters.COUNTED:
            return counted(self.seed, self.span, machine, point)
        if point.measure in STATED:
            return stated(machine, point)
        return sampled(machine, self._signal(machine, point.measure))

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
                machine.faults, norm_end_ms,
            )  # fmt: skip
        return self._blocks[unit]


def span_of(
    anchor: datetime,
    *,
    days_back: int = 4,
    days_ahead: float = 1.5,
    signal_period_s: float = 90.0,
) -> Span:
    """The span that `build_factories` fills."""
    today = anchor.astimezone(ZONE).date()
    return Span(
        start_ms=local_midnight_ms(today - timedelta(days=days_back + 1)),
        end_ms=to_ms(anchor) + round(days_ahead * faults.DAY_MS),
        day=today - timedelta(days=1),
        period_ms=round(signal_period_s * 1000),
    )


def build_factories(
    seed: int,
    anchor: datetime,
    *,
    days_back: int = 4,
    days_ahead: float = 1.5,
    signal_period_s: float = 90.0,
    exam: bool = False,
) -> list[FactoryTimeline]:
    """The ten factories from local midnight `days_back` + 1 days before the anchor's local date.

    What is planted lies in the default day, the last local day that is closed at the anchor. With
    `exam` the faults are those of exam.toml, over the days of which this is the last.
    """
    span = span_of(
        anchor, days_back=days_back, days_ahead=days_ahead, signal_period_s=signal_period_s
    )
    factories = fleet()
    slices = {line: s for f in factories for line, s in _factory_slices(f, span).items()}
    planted = (
        deal(seed, span.day, factories, slices)
        if exam
        else {unit: (one,) for unit, one in faults.plant(seed, span.day, factories, slices).items()}
    )
    courses = {
        m.work_unit_id: course.run(
            seed, m, f.sector, slices[m.line_id], planted.get(m.work_unit_id, ())
        )
        for f in factories
        for m in f.machines
    }
    plantings = upsets.plant(seed, span.day, factories, courses)
    return [_factory(seed, f, span, slices, planted, courses, plantings) for f in factories]


def server_uri(factory: Factory) -> str:
    """The ApplicationUri of the factory's server, also the namespace of its nodes."""
    return f"urn:parkpulse:sim:{factory.factory_id}"


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
    planted: Mapping[str, tuple[faults.Fault, ...]],
    courses: dict[str, course.Course],
    plantings: dict[str, upsets.Plantings],
) -> FactoryTimeline:
    machines = []
    for machine in factory.machines:
        unit = machine.work_unit_id
        own = planted.get(unit, ())
        plantings[unit].upsets += upsets.process_upsets(
            seed, machine, span.start_ms, span.end_ms, own
        )
        machines.append(
            MachineTimeline(
                factory,
                machine,
                slices[machine.line_id],
                courses[unit],
                own,
                plantings[unit],
                _sample_times(seed, unit, span),
                points(server_uri(factory), factory, machine),
            )
        )
    return FactoryTimeline(seed, factory, span, machines)


def _sample_times(seed: int, unit: str, span: Span) -> Ints:
    phase = int(stream(seed, unit, "phase").integers(span.period_ms))
    return np.arange(span.start_ms + phase, span.end_ms, span.period_ms, dtype=np.int64)
