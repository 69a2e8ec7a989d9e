"""Spacecraft telemetry at 1 min: one channel and the commands that switch what it does.

A channel is drawn by a schedule of modes, each with a wave form of its own; some commands announce
a mode, most have nothing to do with it, many are never given. A few modes of the test hardly occur
in training: new, and not wrong.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.plants import parts
from benchmarks.plants.parts import Fault, Floats, Plant

CASES: Final = 25
HEALTHY: Final = (7, 18)
"""Cases without a fault."""

CHANNELS: Final = ("power_w", "radiation_count", "temperature_c", "attitude_deg", "current_a")
FORMS: Final = ("constant", "square", "ramp", "bursts", "pulses", "orbit")
KINDS: Final = (
    "outlier", "contextual", "missing_pulses", "stuck", "period_changed", "noise", "shift",
)  # fmt: skip
SIZES: Final = {"outlier": (3.0, 60.0), "noise": (1.0, 12.0), "shift": (1.0, 30.0)}
"""Kinds with a magnitude, in deviations of noise: modes lie 5 to 500 of them apart."""

VISIBLE: Final = 3.0
"""What has no magnitude changes at least three rows by so many deviations of noise."""

TRIES: Final = 12


@dataclass(frozen=True, slots=True)
class Mode:
    """One way in which the channel behaves; periods in rows."""

    form: str
    level: float
    height: float
    period: float
    duty: float


@dataclass(slots=True)
class Course:
    """What drives the channel per row: mode, speed of its wave form, whether pulses come."""

    mode: npt.NDArray[np.int64]
    began: npt.NDArray[np.bool_]
    speed: Floats
    gate: Floats


@dataclass(frozen=True, slots=True)
class Channel:
    """How the channel answers its course."""

    modes: list[Mode]
    memory: float
    noise: float
    step: float
    gain: float


def cases(seed: int) -> Iterator[Plant]:
    """CASES channels, each 1,500 to 3,000 rows to learn from and 3,000 to 8,000 to judge."""
    return (case(seed, number) for number in range(CASES))


def case(seed: int, number: int, *, is_faulty: bool = True) -> Plant:
    """One channel; without its faults the rows before the first are the same."""
    rng, chance = (np.random.default_rng([seed, 4, number, part]) for part in (0, 1))
    first, test_rows = int(rng.integers(1_500, 3_001)), int(rng.integers(3_000, 8_001))
    rows = first + test_rows
    channel = _channel(rng, number)
    course = _course(rng, channel, rows, first)
    commands = _commands(rng, course, rows, first)
    luck = rng.normal(0, 1.0, rows)
    bursts = rng.random(rows)
    healthy = _draw(channel, course, bursts)
    values, faults = healthy, list[Fault]()
    if is_faulty and number not in HEALTHY:
        values, luck, faults = _faulty(chance, channel, course, bursts, luck, first)
    read = parts.rounded((values + channel.noise * luck) * channel.gain, channel.step)
    name = CHANNELS[number % len(CHANNELS)]
    faults = [Fault(f.kind, f.start, f.end, f.magnitude, (name,)) for f in faults]
    started = datetime(2026, 5, 1, tzinfo=UTC)
    whole = parts.frame(started, timedelta(minutes=1), {name: read} | commands)
    train, test = parts.split(whole, first)
    return Plant("spacecraft", f"{seed}-{number:02}", train, test, parts.fault_table(test, faults))


def _channel(rng: np.random.Generator, number: int) -> Channel:
    leading = FORMS[number % len(FORMS)]
    modes = [_mode(rng, leading if i == 0 else str(rng.choice(FORMS))) for i in range(4)]
    noise = parts.log_uniform(rng, 0.003, 0.06)
    gain = parts.log_uniform(rng, 0.5, 200)
    resolution = noise * gain * float(rng.choice([0.2, 1.0, 3.0]))
    return Channel(modes, float(rng.choice([0.3, 3.0, 20.0])), noise, resolution, gain)


def _mode(rng: np.random.Generator, form: str) -> Mode:
    period = parts.log_uniform(rng, 20, 200)
    if form == "orbit":
        period = float(rng.uniform(90, 100))
    elif form == "pulses":
        period = parts.log_uniform(rng, 80, 400)
    height = float(rng.uniform(0.3, 1.5) * rng.choice([-1, 1]))
    return Mode(form, float(rng.uniform(-1, 1)), height, period, float(rng.uniform(0.2, 0.7)))


def _course(rng: np.random.Generator, channel: Channel, rows: int, first: int) -> Course:
    """The leading mode most of the time, the last one hardly ever in training."""
    mode = np.zeros(rows, dtype=np.int64)
    began = np.zeros(rows, dtype=np.bool_)
    at, current = 0, 0
    switching = bool(rng.random() < 0.75)
    while at < rows:
        length = int(parts.log_uniform(rng, 60, 900))
        mode[at : at + length], began[at] = current, True
        at += length
        if not switching:
            continue
        rare = rng.random() < (0.12 if at > first else 0.02)
        current = 3 if rare else int(rng.choice([0, 0, 0, 1, 2]))
    wobble = 1 + 0.03 * parts.wander(rng, rows, 200, 1.0)
    return Course(mode, began, wobble, np.ones(rows))


def _draw(channel: Channel, course: Course, bursts: Floats) -> Floats:
    """The channel without noise."""
    rows = len(course.mode)
    out = np.empty(rows)
    edges = [*np.flatnonzero(course.began), rows]
    turned = np.cumsum(course.speed)
    for a, b in itertools.pairwise(edges):
        since = turned[a:b] - turned[a]
        for which in np.unique(course.mode[a:b]):
            at = course.mode[a:b] == which
            out[a:b][at] = _wave(channel.modes[which], since, bursts[a:b], course.gate[a:b])[at]
    return parts.lagged(out, channel.memory)


def _wave(mode: Mode, since: Floats, bursts: Floats, gate: Floats) -> Floats:
    phase = (since / mode.period) % 1.0
    if mode.form == "constant":
        return np.full(len(since), mode.level)
    if mode.form == "square":
        return mode.level + mode.height * gate * (phase < mode.duty)
    if mode.form == "ramp":
        # Heats while on, cools while off.
        up = np.where(phase < mode.duty, phase / mode.duty, (1 - phase) / (1 - mode.duty))
        return np.asarray(mode.level + mode.height * gate * up)
    if mode.form == "bursts":
        hits = (bursts < 3.0 / mode.period).astype(np.float64)
        decay = parts.lagged(hits, 4.0) * 4.0
        return mode.level + mode.height * gate * decay
    if mode.form == "pulses":
        return mode.level + mode.height * gate * (phase * mode.period < 3.0)
    eclipse = np.clip(1.4 * np.sin(2 * np.pi * phase), -0.5, 1.0)
    return np.asarray(mode.level + mode.height * gate * eclipse)


def _commands(rng: np.random.Generator, course: Course, rows: int, first: int) -> dict[str, Floats]:
    """Binary columns: some tell the mode, some are given for other reasons, most never."""
    count = int(rng.integers(10, 51))
    columns = [np.zeros(rows) for _ in range(count)]
    order = [int(c) for c in rng.permutation(count)]
    for mode in range(4):
        start = course.began & (course.mode == mode)
        columns[order[mode]][start] = 1.0
        if mode % 2:  # held as long as the mode lasts
            columns[order[mode]][course.mode == mode] = 1.0
    for c in order[4 : 4 + int(rng.integers(2, 8))]:
        columns[c][rng.random(rows) < parts.log_uniform(rng, 0.0005, 0.03)] = 1.0
    # Given in the test only, and meaning nothing.
    columns[order[-1]][first + rng.integers(0, rows - first, 2)] = 1.0
    return {f"command_{i + 1:02}": column for i, column in enumerate(columns)}


def _faulty(
    rng: np.random.Generator,
    channel: Channel,
    course: Course,
    bursts: Floats,
    luck: Floats,
    first: int,
) -> tuple[Floats, Floats, list[Fault]]:
    """One to three faults, each somewhere in its own part of the test."""
    rows = len(course.mode)
    count = int(rng.integers(1, 4))
    room = (rows - first - 200) // count
    values, faults, luck = _draw(channel, course, bursts), [], luck.copy()
    for i in range(count):
        lowest = first + 200 + i * room
        for attempt in range(TRIES):
            kind = "shift" if attempt == TRIES - 1 else str(rng.choice(KINDS))
            length = int(rng.integers(3, 9) if kind == "outlier" else rng.integers(10, 501))
            length = min(length, room - 20)
            start = lowest + int(rng.integers(0, room - length))
            size = parts.log_uniform(rng, *SIZES.get(kind, (1.0, 12.0)))
            size *= float(rng.choice([-1, 1]))
            span = slice(start, start + length)
            changed, louder = _acted(rng, kind, span, size, channel, course, bursts, values)
            off = np.sort(np.abs(changed - values)[span])
            # A pulse kept back where none was due is no fault.
            if kind in SIZES or float(off[-3]) > VISIBLE * channel.noise:
                break
        values = changed
        luck[span] *= louder
        magnitude = abs(size) if kind in SIZES else None
        faults.append(Fault(kind, start - first, start - first + length, magnitude, ()))
    return values, luck, faults


def _acted(
    rng: np.random.Generator, kind: str, span: slice, size: float, channel: Channel,
    course: Course, bursts: Floats, values: Floats,
) -> tuple[Floats, float]:  # fmt: skip
    """The channel with one fault more, and how many times louder its noise is there."""
    out = values.copy()
    if kind in ("outlier", "shift"):
        out[span] += size * channel.noise
    elif kind == "noise":
        return out, 1.0 + abs(size)
    elif kind == "stuck":
        out[span] = values[span.start]
        return out, 0.0
    else:
        other = Course(course.mode.copy(), course.began, course.speed.copy(), course.gate.copy())
        if kind == "contextual":
            other.mode[span] = (course.mode[span] + rng.integers(1, 3)) % 3
        elif kind == "period_changed":
            other.speed[span] *= float(rng.choice([0.4, 0.6, 1.7, 2.5]))
        else:
            other.gate[span] = 0.0
        apart = _draw(channel, other, bursts) - _draw(channel, course, bursts)
        # Until the next mode the phase stays shifted; that is seen as normal again.
        out = values + apart
    return out, 1.0
