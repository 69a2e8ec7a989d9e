"""Where the busy time of every machine and shift really went, integrated from its course.

Written down from what the simulator made happen, in whole ms; the pipelines' arithmetic is not
used. The rules in words: docs/decisions/0019-profiles-and-losses.md.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa

from connectors.simulator import kinds as k
from connectors.simulator.calendars import MINUTE_MS, Shift
from connectors.simulator.conventions import held
from connectors.simulator.course import GOOD, Activity
from connectors.simulator.machine_shifts import EQUIPMENT, keys
from connectors.simulator.said import MachineTimeline
from connectors.simulator.timeline import FactoryTimeline

START_UP_MS: Final = 10 * MINUTE_MS
PAUSE_MS: Final = 16 * 60 * MINUTE_MS
NOT_SHORT: Final = ("setup", "no_order")
"""Categories that are never a minor stop."""
LOSS_OF: Final = {"starved": "waiting", "no_order": "waiting", "setup": "setup"}

MACHINE_LOSSES: Final = pa.schema(
    [
        *EQUIPMENT,
        pa.field("production_day", pa.date32(), nullable=False),
        pa.field("shift_id", pa.string(), nullable=False),
        pa.field("loss", pa.string(), nullable=False),
        pa.field("lost_s", pa.float64(), nullable=False),
    ]
)
Losses = Counter[tuple[Shift, str]]
"""Microseconds by shift and loss."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Busy time of one kind, or a time in which nobody could know it."""

    start_ms: int
    end_ms: int
    kind: int
    known: bool
    activity: Activity

    @property
    def ms(self) -> int:
        """Its length."""
        return self.end_ms - self.start_ms


def machine_losses(sites: Sequence[FactoryTimeline]) -> pa.Table:
    """One row per machine, planned shift that lies wholly in the timeline, and loss."""
    rows = [
        {**keys(machine, shift), "loss": loss, "lost_s": us / 1_000_000}
        for site in sites
        for machine in site.machines
        for (shift, loss), us in _losses(site, machine).items()
        if shift.start_ms >= site.span.start_ms and shift.end_ms <= site.span.end_ms and us
    ]
    return pa.Table.from_pylist(rows, schema=MACHINE_LOSSES)


def _losses(site: FactoryTimeline, machine: MachineTimeline) -> Losses:
    def loss(stop: Sequence[Stretch], shift: Shift) -> str:
        agreed = held(site.factory.convention, site.span.day, shift.production_day)
        return _loss(stop, agreed.micro_stop_s * 1000)

    stretches = list(_stretches(machine))
    stops = list(_runs(stretches))
    setups = [stop[-1].end_ms for stop in stops if stop[0].known and stop[0].kind == k.SETUP]
    found: Losses = Counter()
    for stop in stops:
        for stretch in stop:
            shift = _shift(stretch)
            found[shift, loss(stop, shift)] += stretch.ms * 1000
    for stretch in stretches:
        if stretch.known and stretch.kind == k.PRODUCE:
            found[_shift(stretch), "speed"] += stretch.ms * 1000
    _add_pieces(machine, setups, found)
    return found


def _stretches(machine: MachineTimeline) -> Iterator[Stretch]:
    """Busy activities in order, cut by blackouts of the state."""
    for activity in machine.course.activities:
        if activity.slice.kind != "busy":
            continue
        hidden = [(start, end) for start, end, _ in machine.plantings.blackouts]
        edges = {activity.start_ms, activity.end_ms, *(e for span in hidden for e in span)}
        points = sorted(e for e in edges if activity.start_ms <= e <= activity.end_ms)
        for left, right in pairwise(points):
            known = not any(start <= left < end for start, end in hidden)
            yield Stretch(left, right, activity.kind, known, activity)


def _runs(stretches: Sequence[Stretch]) -> Iterator[list[Stretch]]:
    """Stops: neighbours in busy time of one kind, no weekend between them, and what is unknown."""
    run: list[Stretch] = []
    for one in stretches:
        if run and (
            (run[-1].known, run[-1].kind if run[-1].known else None)
            != (one.known, one.kind if one.known else None)
            or one.start_ms - run[-1].end_ms >= PAUSE_MS
        ):
            yield from _stop(run)
            run = []
        run.append(one)
    yield from _stop(run)


def _stop(run: list[Stretch]) -> Iterator[list[Stretch]]:
    if run and not (run[0].known and run[0].kind == k.PRODUCE):
        yield run


def _loss(stop: Sequence[Stretch], micro_stop_ms: int) -> str:
    if not stop[0].known:
        return "unknown"
    category = k.KINDS[stop[0].kind].category
    if sum(one.ms for one in stop) < micro_stop_ms and category not in NOT_SHORT:
        return "minor_stop"
    return LOSS_OF.get(category, "breakdown")


def _add_pieces(machine: MachineTimeline, setups: Sequence[int], found: Losses) -> None:
    """Take the ideal time of all pieces from `speed`, and book it where it belongs."""
    pieces, products = machine.course.pieces, machine.machine.type.products
    pri_us = np.array([p.pri_us for p in products], np.int64)
    ideal_us = pieces.amount * pri_us[pieces.product]
    ends = np.array([-START_UP_MS, *sorted(setups)], np.int64)
    since = pieces.time_ms - ends[np.searchsorted(ends, pieces.time_ms, side="right") - 1]
    good, starting = pieces.quality == GOOD, since < START_UP_MS
    booked = {"productive": good, "start_up": ~good & starting, "defect": ~good & ~starting}
    for activity in machine.course.activities:
        if activity.slice.kind != "busy" or activity.shift is None:
            continue
        low, high = np.searchsorted(pieces.time_ms, (activity.start_ms, activity.end_ms))
        rows = slice(int(low), int(high))
        for loss, chosen in booked.items():
            us = int(ideal_us[rows][chosen[rows]].sum())
            found[activity.shift, loss] += us
            found[activity.shift, "speed"] -= us


def _shift(stretch: Stretch) -> Shift:
    shift = stretch.activity.shift
    assert shift is not None, "busy time lies in a shift"
    return shift
