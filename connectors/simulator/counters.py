"""Running counters as a machine shows them: with resets and with the wrap at counter_max."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.simulator import kinds as k
from connectors.simulator.course import GOOD, REWORK, SCRAP, Course
from connectors.simulator.fleet import Factory, Machine
from connectors.simulator.seeds import stream

Ints = npt.NDArray[np.int64]
COUNTED: Final = {
    "parts_total": (GOOD, SCRAP, REWORK),
    "parts_good": (GOOD,),
    "parts_bad": (SCRAP,),
    "parts_rework": (REWORK,),
}
"""Which qualities each counter counts."""


@dataclass(frozen=True, slots=True)
class Counter:
    """What one counter shows: values from their times on."""

    times_ms: Ints
    values: Ints


def declared_resets(factory: Factory, course: Course) -> list[int]:
    """Instants at which the machine resets its counters as its reset_policy says."""
    activities = course.activities
    pairs = list(itertools.pairwise(activities))
    match factory.reset_policy:
        case "shift":
            return [b.start_ms for a, b in pairs if b.shift is not None and b.shift != a.shift]
        case "job":
            return [b.start_ms for a, b in pairs if b.order_id not in ("", a.order_id)]
        case "power":
            down = (k.PLANNED_MAINTENANCE, k.CORRECTIVE, k.OFF)
            return [b.start_ms for a, b in pairs if a.kind in down and b.kind not in down]
    return []


def initial_value(seed: int, machine: Machine, factory: Factory, measure: str) -> int:
    """What the counter shows when the timeline starts."""
    most = 900_000 if factory.reset_policy == "never" else 60
    share = float(stream(seed, machine.work_unit_id, measure).uniform(0.2, 1.0))
    return int(share * most) if measure in ("parts_total", "parts_good") else int(share * most / 60)


def rollover_start(course: Course, counter_max: int, at_ms: int) -> int:
    """The initial total that makes the counter wrap with the first piece after `at_ms`."""
    before = int(course.pieces.amount[course.pieces.time_ms < at_ms].sum())
    return counter_max - before


def counter(
    course: Course,
    measure: str,
    *,
    start_ms: int,
    initial: int,
    resets: Sequence[int],
    counter_max: int,
) -> Counter:
    """The counter from `start_ms` on: one value per change."""
    pieces = course.pieces
    counted = np.isin(pieces.quality, COUNTED[measure])
    times, sums = pieces.time_ms[counted], np.cumsum(pieces.amount[counted])
    at = np.array(sorted(resets), np.int64)
    before = np.concatenate(([0], sums))[np.searchsorted(times, at)]
    bases = np.concatenate(([-initial], before))
    values = sums - bases[np.searchsorted(at, times, side="right")]
    was_not_zero = before - bases[:-1] != 0
    zeroed = at[was_not_zero]
    all_times = np.concatenate(([start_ms], times, zeroed))
    all_values = np.concatenate(([initial], values, np.zeros(len(zeroed), np.int64)))
    order = np.argsort(all_times, kind="stable")
    return Counter(all_times[order], all_values[order] % (counter_max + 1))
