"""Taking turns: every contender once a round, in alternating order, so that all see one machine."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to run again and again; one that measures itself gives its seconds."""

    name: str
    work: Callable[[], Any]
    measures_itself: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """Contenders at one task, ours first; `agreement` says by what their results were compared."""

    task: str
    contenders: Sequence[Contender]
    agreement: str


@dataclass(frozen=True, slots=True)
class Result:
    """One row: median seconds, and the median over rounds of seconds / ours of the same round."""

    task: str
    name: str
    seconds: float
    ratio: float


def run(measurement: Measurement, rounds: int) -> list[Result]:
    """Run all contenders `rounds` times, every other round backwards."""
    taken: dict[str, list[float]] = {one.name: [] for one in measurement.contenders}
    for number in range(rounds):
        order = list(measurement.contenders)
        for one in reversed(order) if number % 2 else order:
            taken[one.name].append(_seconds(one))
    ours = taken[measurement.contenders[0].name]
    return [
        Result(
            measurement.task,
            name,
            statistics.median(seconds),
            statistics.median(a / b for a, b in zip(seconds, ours, strict=True)),
        )
        for name, seconds in taken.items()
    ]


def _seconds(one: Contender) -> float:
    start = time.perf_counter()
    found = one.work()
    return float(found) if one.measures_itself else time.perf_counter() - start


class DisagreementError(Exception):
    """Two contenders gave different results: their times mean nothing."""
