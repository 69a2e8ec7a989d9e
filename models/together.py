"""What the machines of a line show together: a supply that falls too little to convince on each.

A supply is what reads alike whether a machine runs or stands (`models.operating.supplied`): what
machines make themselves, heat and load, moves together whenever their line stops and starts.

Each machine's supplies less what they should read are averaged over SLOTs. A jump is the mean of
the last slots less that of the BEFORE slots in front of them, in the spread that such jumps have
had so far. Jumps of independent machines add up as chance does, by the square root of their number;
a supply's add up in full. What machines do together on every other day (the morning that warms them
all) widens the limit: it is counted in the spread that the sum has had so far. Causal: a slot is
judged by slots up to it; which signals are supplies is read off all rows.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from models.detector import Detector
from models.jumps import BEFORE, LEAST_AT_ONCE, LEAST_BEFORE, sums
from models.scaling import Floats
from models.schemas import FINDINGS

SLOT: Final = timedelta(minutes=5)
WINDOWS: Final = (1, 2, 4)
"""Slots that a jump is looked for in: the shorter finds the strong one sooner."""

LEAST_MACHINES: Final = 3
"""Machines of a line that have the measure; LEAST_AT_ONCE of them must run at once."""

AGREE: Final = 2 / 3
"""Share of the machines that must be off to the same side."""

LIMIT: Final = 5.0
"""In spreads of the sum. A line-week has 36,000 sums that follow each other (6 supplies, WINDOWS,
slots); the normal tail beyond 5 is 6e-7."""

PAIR: Final = 0.75
"""What the sum of two counts: one of them may have a reason of its own."""

STILL: Final = 0.5
"""A finding lasts while so much of its jump is left, and LONGEST at most: later on it is another
normal."""

QUIET: Final = 3
LONGEST: Final = timedelta(hours=8)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Offsets:
    """A machine's signals less what they should read: slot x sensor, in half widths of the band.

    `half` and `scale` (k) are the band's half width and the robust deviation, in the signals'
    units; `seen` (slots, k) is the mean reading; NaN where nothing is known.
    """

    unit: str
    first: datetime
    sensors: tuple[str, ...]
    values: Floats
    seen: Floats
    half: Floats
    scale: Floats


def offsets(
    unit: str, detector: Detector, rows: pl.DataFrame, supplied: Collection[str], until: datetime
) -> Offsets | None:
    """A machine's supplies as its detector sees them; None where it knows of none.

    Rows after the last slot that is whole at `until` wait for the next time.
    """
    kept = [j for j, name in enumerate(detector.sensors) if name in supplied]
    whole = pl.col(detector.time).dt.truncate(SLOT) + SLOT <= until
    rows = rows.filter(whole)
    if detector.base is None or rows.is_empty() or not kept:
        return None
    expected, half, seen = (part[..., kept] for part in detector.expected(rows))
    usable = np.where(half > 0, half, np.nan)
    slots = rows[detector.time].dt.truncate(SLOT)
    first = slots[0]
    at = ((slots - first).dt.total_seconds() // round(SLOT.total_seconds())).to_numpy()
    known = int(at[-1]) + 1
    return Offsets(
        unit,
        first,
        tuple(detector.sensors[j] for j in kept),
        _means((seen - expected) / usable, at, known),
        _means(seen, at, known),
        half,
        detector.base.levels.scale[kept],
    )


def together(
    machines: Sequence[Offsets], units: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, pl.DataFrame]:
    """FINDINGS of each machine of one line by work unit, for what several show together.

    `units` are the signals' units by work unit.
    """
    found: dict[str, list[dict[str, object]]] = {}
    counted = [sensor for one in machines for sensor in one.sensors]
    shared = sorted({name for name in counted if counted.count(name) >= LEAST_MACHINES})
    if shared:
        first = min(one.first for one in machines)
        for sensor in shared:
            own = [one for one in machines if sensor in one.sensors]
            for unit, finding in _of(own, sensor, first, units or {}):
                found.setdefault(unit, []).append(finding)
    return {unit: pl.DataFrame(rows, schema=FINDINGS) for unit, rows in found.items()}


def _of(
    machines: Sequence[Offsets],
    sensor: str,
    first: datetime,
    units: Mapping[str, Mapping[str, str]],
) -> Iterator[tuple[str, dict[str, object]]]:
    """Findings of one measure, machine by machine."""
    values = _aligned(machines, sensor, first)
    judged = [(window, *sums(values, window)) for window in WINDOWS]
    agreed = np.stack([_agreed(total, z) for _, total, z in judged])
    over = np.abs(agreed).max(axis=0)
    at = 0
    while (ahead := np.flatnonzero(over[at:] >= LIMIT)).size:
        noticed = at + int(ahead[0])
        strongest = int(np.abs(agreed[:, noticed]).argmax())
        side = float(np.sign(agreed[strongest, noticed]))
        begun = noticed - judged[strongest][0] + 1
        off = side * np.nan_to_num(judged[strongest][2][noticed]) > 1.0
        base = _last_known(values[:begun])
        end = _until(values[:, off] - base[off], begun, noticed, side)
        last = len(values) - 1 if end is None else max(end, noticed + 1)
        peak = float(over[noticed : last + 1].max()) / LIMIT
        for m, joined in _members(side * (values - base), off, begun, noticed, last):
            one, rows = (
                machines[m],
                slice(begun, noticed + 1) if off[m] else slice(joined, last + 1),
            )
            part = _contributor(one, sensor, first, rows, float(base[m]))
            yield (
                one.unit,
                {
                    "kind": "signal",
                    "start": first + (joined + 1) * SLOT,
                    "end": None if end is None else first + (max(last, joined + 1) + 1) * SLOT,
                    "peak_score": peak,
                    "contributors": [part | {"unit": units.get(one.unit, {}).get(sensor)}],
                },
            )
        at = last + BEFORE


def _agreed(total: Floats, z: Floats) -> Floats:
    """The sum where most machines are off to its side, else 0; that of two alone counts less."""
    known = np.maximum(np.isfinite(z).sum(axis=1), 1)
    with_it = (np.nan_to_num(z) * np.sign(np.nan_to_num(total))[:, None] > 1.0).sum(axis=1)
    enough = with_it >= np.maximum(LEAST_AT_ONCE, np.ceil(AGREE * known))
    weight = np.where(with_it < LEAST_MACHINES, PAIR, 1.0)
    return np.asarray(np.where(enough, weight * np.nan_to_num(total), 0.0))


def _members(
    off: Floats, first: Mask, begun: int, noticed: int, last: int
) -> Iterator[tuple[int, int]]:
    """Machines of a finding and the slot that shows each: the first ones, then who runs later.

    `off` (t, m) is how far each is off to the finding's side.
    """
    inside = off[begun : noticed + 1, first]
    size = float(np.nanmean(inside))
    for m in range(off.shape[1]):
        known = np.flatnonzero(np.isfinite(off[noticed : last + 1, m]))
        if first[m]:
            yield m, noticed
        elif len(known) and np.nanmean(off[noticed : last + 1, m]) >= STILL * size:
            yield m, noticed + int(known[0])


def _until(off: Floats, begun: int, noticed: int, side: float) -> int | None:
    """The last slot of a finding; None where it lasts. `off` (t, m) is from before it."""
    mean = side * _nanmean(off)
    size = float(np.nanmean(mean[begun : noticed + 1]))
    quiet, last = 0, noticed
    for t in range(noticed + 1, len(mean)):
        if (t - begun) * SLOT >= LONGEST:
            return last
        if np.isfinite(mean[t]):
            still = mean[t] >= STILL * size
            quiet, last = (0, t) if still else (quiet + 1, last)
        if quiet >= QUIET:
            return last
    return None


def _contributor(
    one: Offsets, sensor: str, first: datetime, slots: slice, base: float
) -> dict[str, object]:
    """The measure's part in one machine's finding, over these slots."""
    j = one.sensors.index(sensor)
    shift = round((one.first - first) / SLOT)
    rows = slice(max(slots.start - shift, 0), slots.stop - shift)
    off = float(np.nanmean(one.values[rows, j])) - base
    seen, half = float(np.nanmean(one.seen[rows, j])), float(one.half[j])
    expected = seen - off * half
    return {
        "sensor": sensor,
        "kind": "together",
        "seen": seen,
        "expected": expected,
        "low": expected - half,
        "high": expected + half,
        "deviation": off * half / float(one.scale[j]),
        "share": 1.0,
        "began": first + slots.start * SLOT,
    }


def _last_known(values: Floats) -> Floats:
    """Mean of the last BEFORE slots that are known of each machine (m); NaN where none is."""
    found = np.full(values.shape[1], np.nan)
    for m in range(values.shape[1]):
        known = values[np.isfinite(values[:, m]), m]
        if len(known) >= LEAST_BEFORE:
            found[m] = known[-BEFORE:].mean()
    return found


def _aligned(machines: Sequence[Offsets], sensor: str, first: datetime) -> Floats:
    """Slots x machines of one measure, from the first slot of any of them."""
    shifts = [round((one.first - first) / SLOT) for one in machines]
    length = max(shift + len(one.values) for shift, one in zip(shifts, machines, strict=True))
    values = np.full((length, len(machines)), np.nan)
    for m, (shift, one) in enumerate(zip(shifts, machines, strict=True)):
        values[shift : shift + len(one.values), m] = one.values[:, one.sensors.index(sensor)]
    return values


def _means(values: Floats, at: npt.NDArray[np.int64], count: int) -> Floats:
    """Mean of the known values of each slot (count, k)."""
    known = np.isfinite(values)
    summed, seen = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
    np.add.at(summed, at, np.where(known, values, 0.0))
    np.add.at(seen, at, known)
    return np.asarray(np.where(seen > 0, summed / np.maximum(seen, 1), np.nan))


def _nanmean(values: Floats) -> Floats:
    known = np.isfinite(values)
    counted = known.sum(axis=1)
    mean = np.where(known, values, 0.0).sum(axis=1) / np.maximum(counted, 1)
    return np.asarray(np.where(counted > 0, mean, np.nan))
