"""A chemical process of 52 variables at 3 min: feedback loops hide in the valve what went wrong.

Linear and stochastic: slow common modes (feed, cooling water, catalyst) disturb 11 controlled
variables; PI controllers move 11 valves; other measurements follow; analysers report every 6 or
15 min and hold their last result.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.plants import parts
from benchmarks.plants.parts import Fault, Floats, Plant

CASES: Final = 20
HEALTHY: Final = (6, 13)
"""Cases without a fault."""

TRAIN_ROWS: Final = 500
TEST_ROWS: Final = 960
FAULT_ROWS: Final = (100, 401)
"""A fault lasts from a row drawn from these to the end: an alarm from a fixed row is worth nothing.
"""

SETTLE: Final = 300
"""Rows run before any is kept."""

LOOPS: Final = 11
FREE: Final = 11
"""Measurements of no loop."""
ANALYSED: Final = 19
MODES: Final = 8
PLANTS: Final = 4
"""Plants a seed, each with an equal share of the cases."""

KINDS: Final = (
    "step", "random_variation", "slow_drift", "sticking_valve", "unknown", "compensated", "step",
    "compensated", "slow_drift",
)  # fmt: skip
NAMES: Final = (
    *(f"xmeas_{i + 1:02}" for i in range(LOOPS + FREE + ANALYSED)),
    *(f"xmv_{i + 1:02}" for i in range(LOOPS)),
)


@dataclass(frozen=True, slots=True)
class Process:
    """Gains and time constants (rows) of one plant, in its own normal units."""

    tau: Floats
    gain: Floats
    coupling: Floats
    disturbed: Floats
    proportional: Floats
    integral: Floats
    free: Floats
    free_tau: Floats
    analysed: Floats
    analysed_tau: Floats
    memory: Floats
    every: npt.NDArray[np.int64]
    noise: Floats
    unit: Floats
    offset: Floats


@dataclass(frozen=True, slots=True)
class Trouble:
    """What acts on a run, per row: on modes, as a load on loops; valves that stick, and how far."""

    mode: Floats
    load: Floats
    stuck: Floats


def cases(seed: int) -> Iterator[Plant]:
    """CASES runs: 500 rows to learn from, 960 to judge, with a fault that lasts to the end."""
    return (case(seed, number) for number in range(CASES))


def case(seed: int, number: int, *, is_faulty: bool = True) -> Plant:
    """One run; without its fault the rows before it are the same."""
    process = _process(np.random.default_rng([seed, 2, number % PLANTS, 3]))
    train = _run(process, [seed, 2, number, 0], TRAIN_ROWS, None)
    healthy = _run(process, [seed, 2, number, 1], TEST_ROWS, None)
    test, faults = healthy, list[Fault]()
    if is_faulty and number not in HEALTHY:
        chance = np.random.default_rng([seed, 2, number, 2])
        kind = KINDS[(number + seed) % len(KINDS)]
        sizes = np.maximum(np.array([parts.robust(column) for column in train.T]), 1e-9)
        first = int(chance.integers(*FAULT_ROWS))
        trouble = _trouble(kind, first, chance)
        wanted = parts.log_uniform(chance, 1.0, 10.0)
        run = partial(_run, process, [seed, 2, number, 1], TEST_ROWS)
        # Linear but for sticking and full valves: one trial run says how large it must be.
        largest = float(_apart(run(trouble(1.0)), healthy, sizes, first).max())
        size = 1.0 if kind == "sticking_valve" else wanted / max(largest, 1e-6)
        test = run(trouble(size))
        off = _apart(test, healthy, sizes, first)
        touched = [NAMES[j] for j in np.argsort(-off) if off[j] >= 0.5 * off.max()]
        faults.append(Fault(kind, first, TEST_ROWS, float(off.max()), touched))
    started = datetime(2026, 1, 12, tzinfo=UTC)
    step = timedelta(minutes=3)
    learned = parts.frame(started, step, dict(zip(NAMES, train.T, strict=True)))
    judged = parts.frame(started + timedelta(days=9), step, dict(zip(NAMES, test.T, strict=True)))
    return Plant(
        "chemical", f"{seed}-{number:02}", learned, judged, parts.fault_table(judged, faults)
    )


def _process(rng: np.random.Generator) -> Process:
    def sparse(rows: int, columns: int, each: int, low: float, high: float) -> Floats:
        out = np.zeros((rows, columns))
        for row in out:
            at = rng.choice(columns, each, replace=False)
            row[at] = rng.uniform(low, high, each) * rng.choice([-1, 1], each)
        return out

    coupling = sparse(LOOPS, LOOPS, 2, 0.05, 0.25)
    np.fill_diagonal(coupling, 0.0)
    seen = LOOPS + FREE
    return Process(
        tau=rng.uniform(3, 20, LOOPS),
        gain=rng.uniform(0.6, 1.6, LOOPS) * rng.choice([-1, 1], LOOPS),
        coupling=coupling,
        disturbed=sparse(LOOPS, MODES, 3, 0.3, 1.2),
        proportional=rng.uniform(0.6, 2.5, LOOPS),
        integral=rng.uniform(6, 30, LOOPS),
        free=sparse(FREE, LOOPS * 2 + MODES, 4, 0.3, 1.0),
        free_tau=rng.uniform(1, 15, FREE),
        analysed=sparse(ANALYSED, LOOPS * 2 + MODES, 5, 0.2, 1.0),
        analysed_tau=rng.uniform(6, 40, ANALYSED),
        # Most modes forget within hours, two within a day: the test's level is not the training's.
        memory=np.concatenate([rng.uniform(5, 60, MODES - 2), rng.uniform(200, 600, 2)]),
        every=np.concatenate([np.full(ANALYSED - 5, 2), np.full(5, 5)]),
        noise=rng.uniform(0.15, 1.0, seen + ANALYSED + LOOPS) ** 1.5,
        unit=np.exp(rng.uniform(-3, 5, seen + ANALYSED + LOOPS)),
        offset=rng.uniform(20, 200, seen + ANALYSED + LOOPS),
    )


def _run(process: Process, seed: list[int], rows: int, trouble: Trouble | None) -> Floats:
    """Rows as measured (rows, 52); the same seed gives the same noise whatever the trouble."""
    rng = np.random.default_rng(seed)
    total = SETTLE + rows
    modes = np.column_stack([parts.wander(rng, total, memory, 1.0) for memory in process.memory])
    if trouble is not None:
        modes[SETTLE:] += trouble.mode
    push = rng.normal(0, 0.25, (total, LOOPS))
    seen = rng.normal(0, 1.0, (total, LOOPS + FREE + ANALYSED + LOOPS))
    sensor = rng.normal(0, 0.12, (total, LOOPS))
    load = modes @ process.disturbed.T + push
    if trouble is not None:
        load[SETTLE:] += trouble.load
    y, valve, summed = np.zeros(LOOPS), np.zeros(LOOPS), np.zeros(LOOPS)
    free, analysed = np.zeros(FREE), np.zeros(ANALYSED)
    out = np.empty((total, LOOPS + FREE + ANALYSED + LOOPS))
    still = np.zeros(LOOPS)
    sign = np.sign(process.gain)
    for row in range(total):
        error = -(y + sensor[row])
        summed += error / process.integral
        command = np.clip(process.proportional * (error + summed) * sign, -12.0, 12.0)
        if trouble is not None and row >= SETTLE:
            still = trouble.stuck[row - SETTLE]
        valve = np.where(np.abs(command - valve) > still, command, valve)
        y = y + (-y + process.gain * valve + process.coupling @ y + load[row]) / process.tau
        mixed = np.concatenate([y, valve, modes[row]])
        free = free + (process.free @ mixed - free) / np.maximum(process.free_tau, 1.0)
        analysed = analysed + (process.analysed @ mixed - analysed) / process.analysed_tau
        out[row] = np.concatenate([y + sensor[row], free, analysed, command])
    seen[:, -LOOPS:] *= 0.1
    seen[:, :LOOPS] *= 0.3
    out += seen * process.noise
    first = LOOPS + FREE
    for i, every in enumerate(process.every):
        held = np.arange(total) // every * every
        # An analysis takes time: what is reported is the sample before.
        out[:, first + i] = out[np.maximum(held - every, 0), first + i]
    measured = out[SETTLE:] * process.unit + process.offset * process.unit
    return np.asarray(np.round(measured / (0.02 * process.unit)) * (0.02 * process.unit))


def _apart(faulty: Floats, healthy: Floats, sizes: Floats, first: int) -> Floats:
    """Per signal, the 95 % quantile of what the fault changes, in in-state deviations."""
    off = np.abs(faulty - healthy)[first:] / sizes
    return np.asarray(np.quantile(off, 0.95, axis=0))


def _trouble(kind: str, first: int, rng: np.random.Generator) -> Callable[[float], Trouble]:
    """What a kind does, as a function of its size."""
    rows = np.arange(TEST_ROWS)
    on = (rows >= first).astype(np.float64)
    ramp = np.clip((rows - first + 1) / (TEST_ROWS - first), 0, 1)
    mode, load = np.zeros((TEST_ROWS, MODES)), np.zeros((TEST_ROWS, LOOPS))
    stuck = np.zeros((TEST_ROWS, LOOPS))
    which, loop = int(rng.integers(MODES)), int(rng.integers(LOOPS))
    if kind == "step":
        mode[:, which] = on
    elif kind == "slow_drift":
        mode[:, which] = ramp
    elif kind == "random_variation":
        mode[:, which] = on * parts.wander(rng, TEST_ROWS, rng.uniform(2, 15), 1.0)
    elif kind == "compensated":
        load[:, loop] = on
    elif kind == "sticking_valve":
        stuck[:, loop] = on * parts.log_uniform(rng, 0.3, 4.0)
    else:
        for other in rng.choice(MODES, 3, replace=False):
            mode[:, other] = rng.uniform(0.3, 1.0) * (ramp if rng.random() < 0.5 else on)
        load[:, loop] = 0.5 * on
    return lambda size: Trouble(mode * size, load * size, stuck)
