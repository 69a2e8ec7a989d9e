"""Has a machine left what its model learned? Told from the last whole days against training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import polars as pl

from models.detector import Detector
from models.scaling import Floats

BINS: Final = 10
LEAST_ROWS: Final = 100
"""Rows of a product, in training and now, below which its levels are not compared."""

NEAR: Final = (0.5, 1.0)
"""Scores that are no alarm and yet not usual: where a model ages, rows gather here first."""

LOOK_BACK_DAYS: Final = 2
"""Days that must all show it: one odd day (another order, a cold morning) is no drift."""

MOST_SHIFT: Final = 2.0
"""Robust deviations that a median may lie off, on the same side on each day, times 1 + 1 / days
learned from: how far days wander is learned from days. On 16 healthy simulated machines over nine
days the furthest was 0.92 of it after one training day, 0.65 after two, 0.49 after six."""

LEAST_STABILITY: Final = 0.25
"""The textbook's line for a population that is another. Alone it says little: between healthy days
of one machine it was 0.3 in the median and 5 at most."""

MOST_NEAR: Final = 3.0
LEAST_NEAR: Final = 0.5
"""Near scores on so many times the rows of the held-out days, and on half of all rows at least."""

MOST_MOVED: Final = 0.25
"""A baseline that follows by a quarter of its limit a day; of 14,000 healthy signal-days one did
by 0.22, and one in a thousand by 0.07."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What training rows looked like: the deciles of every signal, and of how many days.

    `deciles` by product and signal: the nine inner edges, in the signal's own unit.
    """

    days: float
    deciles: Mapping[str, Mapping[str, list[float]]]

    def to_json(self) -> str:
        """As text, for the file beside the model."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave."""
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class SignalDrift:
    """One signal now against training: population stability, shift in spreads, baseline moved."""

    sensor: str
    stability: float
    shift: float
    moved: float


@dataclass(frozen=True, slots=True)
class DayDrift:
    """One day under a model: its signals, and the share of near scores."""

    day: date
    signals: Mapping[str, SignalDrift]
    near_share: float


def reference(detector: Detector, rows: pl.DataFrame, days: float) -> Reference:
    """What to compare later rows with, from a model's own training rows."""
    deciles = {
        product: {name: _deciles(values) for name, values in own.items()}
        for product, own in _by_product(detector, rows).items()
    }
    return Reference(days, deciles)


def of_day(detector: Detector, known: Reference, rows: pl.DataFrame, day: date) -> DayDrift:
    """What a day's producing rows are against training."""
    if detector.base is None or rows.is_empty():
        return DayDrift(day, {}, 0.0)
    ratios, joint, _ = detector.ratios(rows)
    found = {one.sensor: one for one in signals(detector, known, rows, ratios)}
    return DayDrift(day, found, _share(ratios, joint))


def seen(known: Reference, days: Sequence[DayDrift], held_out_near: float | None) -> list[str]:
    """What has drifted, a line each, the furthest first; empty where nothing has.

    Of `days` each must show it, LOOK_BACK_DAYS at least. `held_out_near` is the share of near
    scores when the model was judged, null where it never was.
    """
    if len(days) < LOOK_BACK_DAYS:
        return []
    common = set.intersection(*(set(day.signals) for day in days))
    told = [(name, [day.signals[name] for day in days]) for name in sorted(common)]
    limit = MOST_SHIFT * (1 + 1 / max(known.days, 0.1))
    shifted = [(least, name, found) for name, found in told if (least := _least(found)) >= limit]
    lines = [_shifted(name, found, limit, days) for _, name, found in sorted(shifted, reverse=True)]
    lines += [
        f"{name}: its baseline moved by {min(one.moved for one in found):.2f} limits a day"
        for name, found in told
        if min(one.moved for one in found) >= MOST_MOVED
    ]
    if held_out_near is not None:
        near = min(day.near_share for day in days)
        if near >= max(LEAST_NEAR, MOST_NEAR * held_out_near):
            lines.append(f"{near:.0%} of rows score near the limit, {held_out_near:.0%} held out")
    return lines


def _least(found: Sequence[SignalDrift]) -> float:
    """The least shift of the days; 0 where they lie on both sides or the population is the same."""
    shifts = [one.shift for one in found]
    is_other = all(one.stability >= LEAST_STABILITY for one in found)
    one_side = min(shifts) > 0 or max(shifts) < 0
    return min(abs(one) for one in shifts) if is_other and one_side else 0.0


def _shifted(
    name: str, found: Sequence[SignalDrift], limit: float, days: Sequence[DayDrift]
) -> str:
    shifts = ", ".join(f"{one.shift:+.1f}" for one in found)
    stability = ", ".join(f"{one.stability:.1f}" for one in found)
    return (
        f"{name}: level off by {shifts} robust deviations on {days[0].day} to {days[-1].day} "
        f"(limit {limit:.1f}; population stability {stability})"
    )


def _share(ratios: Floats, joint: Floats) -> float:
    score = np.maximum(ratios.max(axis=1, initial=0.0), joint)
    return float(((score >= NEAR[0]) & (score < NEAR[1])).mean())


def signals(
    detector: Detector, known: Reference, rows: pl.DataFrame, ratios: Floats
) -> list[SignalDrift]:
    """Every signal that training rows and these rows have of the same products, by name.

    `ratios` are what the detector makes of the rows.
    """
    found_of: dict[str, list[tuple[int, float, float]]] = {}
    for product, own in _by_product(detector, rows).items():
        for name, values in own.items():
            if edges := known.deciles.get(product, {}).get(name):
                part = (len(values), stability(edges, values), shift(edges, values))
                found_of.setdefault(name, []).append(part)
    moved = _moved(detector, rows, ratios)
    found = []
    for name, parts in sorted(found_of.items()):
        weight = [n for n, _, _ in parts]
        found.append(
            SignalDrift(
                name,
                float(np.average([p for _, p, _ in parts], weights=weight)),
                float(np.average([s for _, _, s in parts], weights=weight)),
                moved.get(name, 0.0),
            )
        )
    return found


def stability(edges: list[float], values: Floats) -> float:
    """Population stability index of values over the deciles of training; 0 is the same.

    Σ (share - 0.1) ln(share / 0.1); an empty bin counts as half a row.
    """
    share = np.bincount(np.searchsorted(edges, values, side="right"), minlength=BINS)
    now = np.maximum(share, 0.5) / max(len(values), 1)
    usual = 1.0 / BINS
    return float(((now - usual) * np.log(now / usual)).sum())


def shift(edges: list[float], values: Floats) -> float:
    """Median now less the training median, in robust deviations of training (signed)."""
    spread = max((edges[-1] - edges[0]) / 2.563, 1e-9 * max(abs(edges[4]), 1.0))
    return float((np.median(values) - edges[4]) / spread)


def _moved(detector: Detector, rows: pl.DataFrame, before: Floats) -> dict[str, float]:
    """How far the slow baselines follow these rows: mean change of each sensor's ratio."""
    after, _, _ = detector.update(rows).ratios(rows)
    moved = np.abs(after - before).mean(axis=0)
    return dict(zip(detector.sensors, (float(m) for m in moved), strict=True))


def _deciles(values: Floats) -> list[float]:
    edges = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    return [float(f"{edge:.6g}") for edge in edges]


def _by_product(detector: Detector, rows: pl.DataFrame) -> dict[str, dict[str, Floats]]:
    """Known values of each judged signal, by product, where there are LEAST_ROWS of them."""
    if rows.is_empty() or detector.base is None:
        return {}
    named = [name for name in detector.sensors if name in rows.columns]
    column = detector.context
    products = rows[column].fill_null("") if column in rows.columns else None
    parts = (
        {"": rows}
        if products is None
        else {str(name): rows.filter(products == name) for name in sorted(set(products))}
    )
    found: dict[str, dict[str, Floats]] = {}
    for product, part in parts.items():
        for name in named:
            values = part[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
            values = values[np.isfinite(values)]
            if len(values) >= LEAST_ROWS and _varies(values):
                found.setdefault(product, {})[name] = values
    return found


def _varies(values: npt.NDArray[np.float64]) -> bool:
    """False for a setpoint or a switch: its deciles are one number, and a step is a finding."""
    low, high = np.quantile(values, [0.1, 0.9])
    return bool(high > low)
