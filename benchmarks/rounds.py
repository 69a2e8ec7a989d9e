"""Taking turns: every contender once a round, in alternating order, so that all see one machine."""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Contender:
    """Something to run again and again; one that measures itself gives its figure."""

    name: str
    work: Callable[[], Any]
    measures_itself: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """One contender may cost at most this share of another."""

    of: str
    to: str
    at_most: float


@dataclass(frozen=True, slots=True)
class Measurement:
    """Contenders at one task, ours first; `agreement` says by what their results were compared.

    `absent` are contenders that cannot run here, and why; `held` is closed behind the last round.
    """

    task: str
    contenders: Sequence[Contender]
    agreement: str
    unit: str = "s"
    targets: Sequence[Target] = ()
    absent: Sequence[tuple[str, str]] = ()
    held: ExitStack = field(default_factory=ExitStack)


@dataclass(frozen=True, slots=True)
class Result:
    """One row: the median figure, and the median over rounds of figure / ours of that round."""

    name: str
    figure: float | None
    unit: str
    ratio: float | None = None
    why: str = ""
    """Why there is no figure."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """The rows of one task, and the lines below the table."""

    task: str
    rows: Sequence[Result]
    said: Sequence[str]


def run(measurement: Measurement, rounds: int) -> Sheet:
    """Run all contenders `rounds` times, every other round backwards."""
    taken: dict[str, list[float]] = {one.name: [] for one in measurement.contenders}
    with measurement.held:
        for number in range(rounds):
            order = list(measurement.contenders)
            for one in reversed(order) if number % 2 else order:
                taken[one.name].append(_figure(one))
    ours = taken[measurement.contenders[0].name]
    unit = measurement.unit
    rows = [
        Result(name, statistics.median(figures), unit, _ratio(figures, ours))
        for name, figures in taken.items()
    ]
    rows += [Result(name, None, unit, why=why) for name, why in measurement.absent]
    said = [f"{measurement.task}: {measurement.agreement}"] if measurement.agreement else []
    said += [_judged(measurement.task, target, taken) for target in measurement.targets]
    return Sheet(measurement.task, rows, said)


def _figure(one: Contender) -> float:
    start = time.perf_counter()
    found = one.work()
    return float(found) if one.measures_itself else time.perf_counter() - start


def _ratio(some: Sequence[float], others: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(some, others, strict=True))


def _judged(task: str, target: Target, taken: dict[str, list[float]]) -> str:
    named = f"{task}: {target.of} at most {_share(target.at_most)} of {target.to}"
    if not taken.get(target.of) or not taken.get(target.to):
        return f"{named}: not run"
    found = _ratio(taken[target.of], taken[target.to])
    return f"{named}: {verdict(found <= target.at_most)} ({_share(round(found, 3))})"


def _share(ratio: float) -> str:
    """A third as 1/3, three thirds more as they are."""
    return f"1/{1 / ratio:.3g}" if ratio < 0.51 else f"{ratio:.3g}"


def verdict(is_held: bool) -> str:
    """How a target is reported."""
    return "held" if is_held else "MISSED"


class DisagreementError(Exception):
    """Two contenders gave different results: their times mean nothing."""
