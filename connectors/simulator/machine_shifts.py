"""The true OEE of every machine and shift, integrated from activities and pieces in whole ms."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.raw import EPOCH_TICKS
from connectors.simulator.calendars import Shift, to_time
from connectors.simulator.conventions import element, held
from connectors.simulator.course import GOOD, REWORK, SCRAP, Activity
from connectors.simulator.said import TICKS_PER_MS, MachineTimeline
from connectors.simulator.timeline import FactoryTimeline

TIME: Final = pa.timestamp("us", "UTC")
EQUIPMENT: Final = tuple(
    pa.field(name, pa.string(), nullable=False)
    for name in ("park_id", "factory_id", "line_id", "work_unit_id")
)
_SECONDS: Final = ("pbt_s", "apt_s", "aust_s", "adet_s", "adot_s", "unknown_s")
_PIECES: Final = ("pq", "gq", "sq", "rq", "pq_outside_plan")
_RATIOS: Final = ("ideal_total_s", "ideal_good_s", "oee", "completeness")
MACHINE_SHIFTS: Final = pa.schema(
    [
        *EQUIPMENT,
        pa.field("production_day", pa.date32(), nullable=False),
        pa.field("shift_id", pa.string(), nullable=False),
        pa.field("start", TIME, nullable=False),
        pa.field("end", TIME, nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in _SECONDS),
        *(pa.field(name, pa.int64(), nullable=False) for name in _PIECES),
        *(pa.field(name, pa.float64()) for name in _RATIOS),
        pa.field("fully_covered", pa.bool_(), nullable=False),
    ]
)
STATES: Final = ("item_state", "operation_mode", "packml_state", "packml_mode")
_CARRIED: Final = (*STATES, "order_id", "product_id")
_COUNTERS: Final = ("parts_total", "parts_good", "parts_bad", "parts_rework")
_NOT_GOOD: Final = 0xC0000000


def machine_shifts(sites: Sequence[FactoryTimeline]) -> pa.Table:
    """One row per machine and planned shift that lies wholly in the timeline."""
    rows = [row for site in sites for m in site.machines for row in _rows(site, m)]
    return pa.Table.from_pylist(rows, schema=MACHINE_SHIFTS)


def _rows(site: FactoryTimeline, machine: MachineTimeline) -> Iterator[dict[str, Any]]:
    doubts = _doubtful(site, machine)
    by_shift: dict[Shift, list[Activity]] = {}
    for activity in machine.course.activities:
        if activity.shift is not None:
            by_shift.setdefault(activity.shift, []).append(activity)
    for shift, activities in by_shift.items():
        if shift.start_ms >= site.span.start_ms and shift.end_ms <= site.span.end_ms:
            agreed = held(site.factory.convention, site.span.day, shift.production_day)
            yield {
                **keys(machine, shift),
                "start": to_time(shift.start_ms),
                "end": to_time(shift.end_ms),
                **_figures(machine, activities, agreed.rules),
                "fully_covered": not any(
                    left < shift.end_ms and right > shift.start_ms for left, right in doubts
                ),
            }


def keys(machine: MachineTimeline, shift: Shift) -> dict[str, Any]:
    """The equipment, the production day and the shift."""
    return {
        "park_id": machine.factory.park_id,
        "factory_id": machine.factory.factory_id,
        "line_id": machine.machine.line_id,
        "work_unit_id": machine.machine.work_unit_id,
        "production_day": shift.production_day,
        "shift_id": shift.shift_id,
    }


def _figures(
    machine: MachineTimeline, activities: Sequence[Activity], rules: str
) -> dict[str, Any]:
    """Times and pieces of one shift: whole ms and items, divided once."""
    busy = [a for a in activities if a.slice.kind == "busy"]
    times = _times_ms(machine, busy, rules)
    inside = _counted(machine, busy)
    outside = _counted(machine, [a for a in activities if a.slice.kind != "busy"])
    pri_us = np.array([p.pri_us for p in machine.machine.type.products], np.int64)
    ideal_good_us = int(inside[:, GOOD] @ pri_us)
    pbt_ms = times["pbt_s"]
    return {
        **{name: ms / 1000 for name, ms in times.items()},
        "pq": int(inside.sum()),
        "gq": int(inside[:, GOOD].sum()),
        "sq": int(inside[:, SCRAP].sum()),
        "rq": int(inside[:, REWORK].sum()),
        "pq_outside_plan": int(outside.sum()),
        "ideal_total_s": int(inside.sum(axis=1) @ pri_us) / 1_000_000,
        "ideal_good_s": ideal_good_us / 1_000_000,
        "oee": ideal_good_us / (pbt_ms * 1000) if pbt_ms else None,
        "completeness": (pbt_ms - times["unknown_s"]) / pbt_ms if pbt_ms else None,
    }


def _times_ms(machine: MachineTimeline, busy: Sequence[Activity], rules: str) -> dict[str, int]:
    """Milliseconds per time element; a blackout of the state takes its time out of them."""
    times = dict.fromkeys(_SECONDS, 0)
    for activity in busy:
        length = activity.end_ms - activity.start_ms
        unknown = sum(
            max(0, min(end, activity.end_ms) - max(start, activity.start_ms))
            for start, end, _ in machine.plantings.blackouts
        )
        times["pbt_s"] += length
        times["unknown_s"] += unknown
        times[f"{element(activity.kind, rules)}_s"] += length - unknown
    return times


def _counted(machine: MachineTimeline, activities: Sequence[Activity]) -> npt.NDArray[np.int64]:
    """Items by product (rows) and quality (columns) counted during the activities."""
    pieces = machine.course.pieces
    sums = np.zeros((len(machine.machine.type.products), 3), np.int64)
    for activity in activities:
        left, right = np.searchsorted(pieces.time_ms, (activity.start_ms, activity.end_ms))
        rows = slice(int(left), int(right))
        np.add.at(sums, (pieces.product[rows], pieces.quality[rows]), pieces.amount[rows])
    return sums


def _doubtful(site: FactoryTimeline, machine: MachineTimeline) -> list[tuple[int, int]]:
    """Spans in true ms that keep a shift from being fully covered.

    A doubtful state, order or product lasts until the node's next value, a counter an instant.
    """
    spans: list[tuple[int, int]] = []
    for point in machine.points:
        if point.measure not in (*_CARRIED, *_COUNTERS):
            continue
        series = site.series(point.served)
        order = np.argsort(series.source_ticks, kind="stable")
        ticks = series.source_ticks[order] - site.source_offset_ticks
        times = (ticks - EPOCH_TICKS) // TICKS_PER_MS
        following = np.append(times[1:], site.span.end_ms) if point.measure in _CARRIED else times
        spans += [
            (int(times[row]), max(int(following[row]), int(times[row]) + 1))
            for row in np.flatnonzero(series.status[order] & np.uint32(_NOT_GOOD))
        ]
    return spans
