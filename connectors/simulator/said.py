"""What one node of a machine says: values of its course, their three times, and upsets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from connectors.raw import EPOCH_TICKS
from connectors.simulator import counters, course, faults, upsets
from connectors.simulator import kinds as k
from connectors.simulator.calendars import Slice
from connectors.simulator.fleet import Factory, Machine
from connectors.simulator.interface import Point, Value, localized_text
from connectors.simulator.nodes import Series, Served
from connectors.simulator.seeds import scatter

Ints = npt.NDArray[np.int64]
TICKS_PER_MS: Final = 10_000
_LATENCY_TICKS: Final = (50_000, 600_000)
"""From source to server: 5 to 60 ms."""
_REPEAT_TICKS: Final = 1_000_000
"""A repeated value is given again after 100 ms."""


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
    faults: tuple[faults.Fault, ...]
    plantings: upsets.Plantings
    sample_ms: Ints
    points: tuple[Point, ...]

    @property
    def source_offset_ticks(self) -> int:
        """How far the source clock is ahead of the true time."""
        return self.factory.source_clock_offset_s * 1000 * TICKS_PER_MS


@dataclass(frozen=True, slots=True)
class Said:
    """What leaves the source: true times, values and status, before upsets."""

    times_ms: Ints
    values: npt.NDArray[Any]
    status: npt.NDArray[np.uint32]

    def before(self, end_ms: int) -> "Said":
        """What is said before `end_ms`."""
        inside = self.times_ms < end_ms
        return Said(self.times_ms[inside], self.values[inside], self.status[inside])


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


def fixed(span: Span, point: Point) -> Said:
    """A value that never changes, stamped at the start."""
    return _good(np.array([span.start_ms]), _array([point.value], point.served))


def counted(seed: int, span: Span, machine: MachineTimeline, point: Point) -> Said:
    """A counter, said at every change."""
    shown = counter_of(seed, span, machine, point.measure)
    return _good(shown.times_ms, shown.values.astype(_dtype(point.served)))


def sampled(machine: MachineTimeline, values: npt.NDArray[np.float64]) -> Said:
    """A signal, said at every sampling instant."""
    return _good(machine.sample_ms, values)


def _good(times_ms: Ints, values: npt.NDArray[Any]) -> Said:
    return Said(times_ms, values, np.zeros(len(times_ms), np.uint32))


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


def stated(machine: MachineTimeline, point: Point) -> Said:
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
    return Said(times, _array([value for _, value, _ in rows], point.served), status)


def spoken(seed: int, machine: MachineTimeline, point: Point, said: Said) -> Series:
    """What was said with its three times, touched by upsets, in order of delivery."""
    true = EPOCH_TICKS + said.times_ms * TICKS_PER_MS
    low, high = _LATENCY_TICKS
    word = scatter(seed, point.served.node_id, true)
    server = true + low + (word % np.uint64(high - low + 1)).astype(np.int64)
    delivered, status = server.copy(), said.status.copy()
    again: list[npt.NDArray[np.intp]] = []
    for upset in (u for u in machine.plantings.upsets if u.measure == point.measure):
        inside = (said.times_ms >= upset.start_ms) & (said.times_ms <= upset.end_ms)
        touched = np.flatnonzero(inside)
        match upset.kind:
            case "late":
                delivered[touched] += upset.delay_ms * TICKS_PER_MS
            case "repeated":
                again.append(touched)
            case _:
                status[touched] = upset.status
    rows = np.concatenate([np.arange(len(true)), *again])
    delivered = delivered[rows]
    delivered[len(true) :] += _REPEAT_TICKS
    order = np.argsort(delivered, kind="stable")
    rows = rows[order]
    return Series(
        source_ticks=true[rows] + machine.source_offset_ticks,
        server_ticks=server[rows],
        delivered_ticks=delivered[order],
        values=_nulled(said.values, status)[rows],
        status=status[rows],
    )


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
