"""From a scored machine to findings an engineer can follow: which signal, seen, expected, since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from models.detector import Detector
from models.neighbours import ewma
from models.scaling import Floats
from models.schemas import FINDINGS, TRACES

TOP: Final = 5
TRACE_POINTS: Final = 240
BEFORE: Final = timedelta(hours=2)
"""A trace shows so much before its event, and half of it after."""

SMALLEST_SHARE: Final = 0.03

FEW_DAYS: Final = 1.6
"""On the exam's development seed, by models of one training day, 1.6 times the limit raised 1.0
false events per machine-week where the limit raised 3.3, and found 64 of 100 faults, not 74."""

NEAR: Final = 8
"""Rows that what was seen and expected is averaged over."""

LEAD_ROWS: Final = 400
"""Rows before an event that its averages need."""

Rows = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class View:
    """What a detector makes of rows, all (n, k) save `half` (k), the half width of the band."""

    ratios: Floats
    blame: Floats
    expected: Floats
    half: Floats
    seen: Floats

    @classmethod
    def of(cls, detector: Detector, rows: pl.DataFrame) -> "View":
        """Scores the rows once and asks for expected values once."""
        ratios, _, blame = detector.ratios(rows)
        return cls(ratios, blame, *detector.expected(rows))


def without(rows: pl.DataFrame, sensor: str) -> pl.DataFrame:
    """The rows with one sensor left out, so that the others are judged without it."""
    return rows.with_columns(pl.lit(None, dtype=pl.Float64).alias(sensor))


def signal_findings(
    detector: Detector, rows: pl.DataFrame, units: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """Scores one machine's rows and describes each event (FINDINGS)."""
    scored = detector.score(rows)
    numbers = scored["event_id"].drop_nulls().unique().sort().to_list()
    return described(detector, rows, scored, numbers, units)


def described(
    detector: Detector,
    rows: pl.DataFrame,
    scored: pl.DataFrame,
    numbers: Sequence[int],
    units: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """The events of these numbers, in that order (FINDINGS); `scored` is what `score` said."""
    if detector.base is None or not numbers:
        return pl.DataFrame(schema=FINDINGS)
    view = View.of(detector, rows)
    ids = scored["event_id"].fill_null(0).to_numpy()
    score = scored["score"].to_numpy()
    found = []
    for number in numbers:
        at = np.flatnonzero(ids == number)
        over = at[score[at] > 1]
        last = over[-1] if len(over) else at[-1]
        about = _contributors(detector, rows, units or {}, at[at <= last], view)
        ended = at[-1] < len(ids) - 1
        found.append(
            {
                "kind": "sensor_frozen" if about and about[0]["kind"] == "frozen" else "signal",
                "start": rows[detector.time][int(at[0])],
                "end": rows[detector.time][int(last)] if ended else None,
                "peak_score": float(score[at].max()),
                "contributors": about,
            }
        )
    return pl.DataFrame(found, schema=FINDINGS)


def convincing(findings: pl.DataFrame, known_days: float) -> pl.DataFrame:
    """FINDINGS less those that a model of so few training days cannot tell from another day."""
    least = least_score(known_days)
    return findings.filter((pl.col("kind") != "signal") | (pl.col("peak_score") >= least))


def least_score(known_days: float) -> float:
    """What signals must score to be told, in limits: 1 for a model of three days or more.

    How signals wander together is learned from days, not from rows: `FEW_DAYS` / sqrt(days).
    """
    return float(max(1.0, FEW_DAYS / known_days**0.5))


def _contributors(
    detector: Detector, rows: pl.DataFrame, units: Mapping[str, str], at: Rows, view: View
) -> list[dict[str, Any]]:
    """The event's signals: the leading one, those off on their own, those that merely follow."""
    weight = np.square(view.blame[at]).sum(axis=0)
    share = weight / max(float(weight.sum()), 1e-12)
    order = [int(j) for j in np.argsort(-share, kind="stable")[:TOP] if share[j] >= SMALLEST_SHARE]
    if not order:
        return []
    near = rows[max(int(at[0]) - LEAD_ROWS, 0) : int(at[-1]) + 1]
    kinds = detector.kinds(near)["kind"].to_list()
    rest = View.of(detector, without(near, detector.sensors[order[0]]))
    inside = at - (int(at[-1]) + 1 - near.height)
    own = [j for j in order[1:] if rest.ratios[inside, j].max() > 1.0]
    listed = [_contributor(detector, rows, at, view, order[0], kinds[order[0]])]
    for j in [*own, *(j for j in order[1:] if j not in own)]:
        kind = kinds[j] if j in own else "follows"
        listed.append(_contributor(detector, near, inside, rest, j, kind))
    for c in listed:
        c["share"] = float(share[detector.sensors.index(c["sensor"])])
        c["unit"] = units.get(c["sensor"])
    return listed


def _contributor(
    detector: Detector, rows: pl.DataFrame, at: Rows, view: View, j: int, kind: str
) -> dict[str, Any]:
    """Seen and expected over the NEAR rows of the event in which sensor j was furthest off."""
    assert detector.base is not None
    off = np.nan_to_num(view.seen[: at[-1] + 1, j] - view.expected[: at[-1] + 1, j])
    peak = int(at[int(np.abs(ewma(off[:, None], NEAR)[at, 0]).argmax())])
    around = slice(max(peak - NEAR + 1, 0), peak + 1)
    seen, expected = _mean(view.seen[around, j]), _mean(view.expected[around, j])
    over = at[view.ratios[at, j] > 1.0]
    half, scale = float(view.half[j]), float(detector.base.levels.scale[j])
    return {
        "sensor": detector.sensors[j],
        "kind": kind,
        "seen": seen,
        "expected": expected,
        "low": None if expected is None else expected - half,
        "high": None if expected is None else expected + half,
        "deviation": None if seen is None or expected is None else (seen - expected) / scale,
        "began": rows[detector.time][int(over[0] if len(over) else at[0])],
    }


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def traces(
    detector: Detector,
    rows: pl.DataFrame,
    events: pl.DataFrame,
    units: Mapping[str, str] | None = None,
    before: timedelta = BEFORE,
) -> pl.DataFrame:
    """Signals of one machine's events with their expected band, thinned (TRACES).

    From `before` an event to half of it after. Thinning takes the mean of equal stretches of rows,
    so that noise does not hide the course.
    """
    if detector.base is None or rows.is_empty():
        return pl.DataFrame(schema=TRACES)
    times = rows[detector.time]
    parts = []
    for event in events.iter_rows(named=True):
        end = event["end"] or times[-1]
        inside = times.is_between(event["start"] - before, end + before / 2).arg_true().to_numpy()
        if len(inside) < 2:
            continue
        lead_in = min(int(inside[0]), LEAD_ROWS)
        near = rows[int(inside[0]) - lead_in : int(inside[-1]) + 1]
        named = [s for s in event["signals"] if s in detector.sensors]
        views = [detector.expected(near)] if named else []
        if len(named) > 1:
            views.append(detector.expected(without(near, named[0])))
        for n, sensor in enumerate(named):
            expected, half, seen = views[min(n, 1)]
            j = detector.sensors.index(sensor)
            # Expected values are as noisy as the neighbours they come from.
            smooth = ewma(np.nan_to_num(expected[:, j : j + 1]), 8, from_first=True)[:, 0]
            part = pl.DataFrame(
                {"time": near[detector.time], "seen": seen[:, j], "expected": smooth}
            )[lead_in:]
            parts.append(_thin(part, float(half[j]), event["event_id"], sensor, units or {}))
    return pl.concat(parts) if parts else pl.DataFrame(schema=TRACES)


def _thin(
    part: pl.DataFrame, half: float, event_id: str, sensor: str, units: Mapping[str, str]
) -> pl.DataFrame:
    every = -(-part.height // TRACE_POINTS)
    # A step of over 20 usual steps is a pause: the line breaks there.
    step = pl.col("time").diff()
    pause = (step > step.median() * 20).fill_null(value=False)
    return (
        part.with_columns(
            pl.col("seen").fill_nan(None), run=pause.cum_sum(), slot=pl.int_range(pl.len()) // every
        )
        .group_by("run", "slot", maintain_order=True)
        .agg(pl.col("time").first(), pl.col("seen").mean(), pl.col("expected").mean())
        .select(
            event_id=pl.lit(event_id),
            sensor=pl.lit(sensor),
            unit=pl.lit(units.get(sensor), dtype=pl.String),
            time="time",
            seen="seen",
            low=pl.col("expected") - half,
            high=pl.col("expected") + half,
        )
        .cast(TRACES)
    )
