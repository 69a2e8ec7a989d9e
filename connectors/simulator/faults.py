"""Planted anomalies, and those of the default day: which machine, what, when, how strong."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from connectors.simulator.calendars import MINUTE_MS, Slice, local_midnight_ms
from connectors.simulator.fleet import Factory, Machine
from connectors.simulator.seeds import stream

DAY_MS: Final = 86_400_000
EACH_KIND: Final = 3
"""Machines per kind of fault: eight kinds leave well over half of the fleet free of faults."""
RATES: Final = ("micro_stop_burst", "speed_loss", "quality_slide")
"""Kinds that change what the machine does: stops, cycle time, scrap."""
_MARGIN_MS: Final = 30 * MINUTE_MS
"""Faults keep this far from midnight and begin this long before the next planned stop."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a fault does to signals: its `shape` (faults.toml, exam.toml), times `share`."""

    signals: tuple[str, ...]
    shape: str
    share: float


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted anomaly; `magnitude` as in its table, times are true and in epoch ms.

    `times` multiplies the rate that its kind is named for. Of a `calm` one nothing but micro stops
    interrupts production; others leave the course as it is, but for that rate. Faults of several
    machines that share a cause name it.
    """

    fault_id: str
    kind: str
    work_unit_id: str
    magnitude: float
    start_ms: int
    end_ms: int
    effects: tuple[Effect, ...]
    times: float = 1.0
    calm: bool = True
    cause_id: str | None = None

    def factor(self, kind: str) -> float:
        """What the rate of `kind` is multiplied by."""
        return self.times if self.kind == kind else 1.0

    @property
    def alters_course(self) -> bool:
        """Whether the machine does something else than it would without it."""
        return self.calm or self.times != 1.0

    @property
    def signals(self) -> tuple[str, ...]:
        """Every signal it touches."""
        return tuple(signal for effect in self.effects for signal in effect.signals)


@cache
def table() -> Mapping[str, Mapping[str, Any]]:
    """The committed table of magnitudes and lengths."""
    path = Path(__file__).with_name("faults.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


def plant(
    seed: int,
    day: date,
    factories: Sequence[Factory],
    slices: Mapping[str, Sequence[Slice]],
) -> dict[str, Fault]:
    """Faults by work unit: EACH_KIND of every kind on machines that run all day.

    `slices` is the plan by line.
    """
    rng = stream(seed, day, "faults")
    machines = [m for f in factories if not f.working_days_only for m in f.machines]
    shuffled = [machines[i] for i in rng.permutation(len(machines))]
    wanted = [kind for kind in table() for _ in range(EACH_KIND)]
    planted: dict[str, Fault] = {}
    for machine in shuffled:
        if not wanted:
            break
        window = _window(rng, day, wanted[0], slices[machine.line_id])
        if window is not None:
            planted[machine.work_unit_id] = _fault(rng, day, wanted.pop(0), machine, window)
    return planted


def _window(
    rng: np.random.Generator, day: date, kind: str, slices: Sequence[Slice]
) -> tuple[int, int] | None:
    """A stretch of the day that starts in busy time and meets no maintenance; None if none does."""
    least, most = table()[kind]["minutes"]
    length = int(rng.uniform(least, most) * MINUTE_MS)
    midnight = local_midnight_ms(day)
    for _ in range(40):
        start = midnight + int(rng.uniform(_MARGIN_MS, DAY_MS - _MARGIN_MS - length))
        over = [s for s in slices if s.start_ms < start + length and s.end_ms > start]
        calm = all(s.kind in ("busy", "break") for s in over)
        if calm and over[0].kind == "busy" and over[0].end_ms - start > _MARGIN_MS:
            return start, start + length
    return None


def _fault(
    rng: np.random.Generator, day: date, kind: str, machine: Machine, window: tuple[int, int]
) -> Fault:
    low, high = np.log(table()[kind]["magnitude"])
    effects = tuple(effect(rng, machine, *entry) for entry in table()[kind]["effect"])
    magnitude = round(float(np.exp(rng.uniform(low, high))), 3)
    return Fault(
        fault_id=f"{day:%Y%m%d}-{machine.work_unit_id}-{kind}",
        kind=kind,
        work_unit_id=machine.work_unit_id,
        magnitude=magnitude,
        start_ms=window[0],
        end_ms=window[1],
        effects=effects or speed_effects(machine, kind),
        times=magnitude if kind in RATES else 1.0,
    )


def effect(
    rng: np.random.Generator, machine: Machine, names: Sequence[str], shape: str, share: float
) -> Effect:
    """An effect of a table on one machine; "*" draws a signal, and up or down."""
    own = [s.name for s in machine.type.signals if s.family in ("thermal", "electric", "pressure")]
    signals = tuple(own[int(rng.integers(len(own)))] if name == "*" else name for name in names)
    sign = float(rng.choice((-1.0, 1.0))) if names == ["*"] else 1.0
    return Effect(signals, shape, sign * share)


def speed_effects(machine: Machine, kind: str) -> tuple[Effect, ...]:
    """The signals that follow the slower cycle; they get nothing on top (share 0)."""
    if kind != "speed_loss":
        return ()
    speeds = tuple(s.name for s in machine.type.signals if s.family == "speed")
    return (Effect(speeds, "step", 0.0),)
