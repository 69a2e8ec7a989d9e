"""From a scored machine to findings an engineer can follow: which signal, seen, expected, since."""

from collections.abc import Mapping
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


def signal_findings(
    detector: Detector, rows: pl.DataFrame, units: Mapping[str, str] | None = None
) -> pl.DataFrame:
    """Scores one machine's rows and describes each event (FINDINGS)."""
    scored = detector.score(rows)
    if detector.base is None or not scored["is_anomaly"].any():
        return pl.DataFrame(schema=FINDINGS)
    ratios, _, blame = detector.ratios(rows)
    expected, half, seen = detector.expected(rows)
    ids = scored["event_id"].fill_null(0).to_numpy()
    score = scored["score"].to_numpy()
    found = []
    for number in range(1, int(ids.max()) + 1):
        at = np.flatnonzero(ids == number)
        over = at[score[at] > 1]
        last = over[-1] if len(over) else at[-1]
        about = _contributors(
            detector, rows, units or {}, at[at <= last], ratios, blame, expected, half, seen
        )
        ended = at[-1] < len(ids) - 1
        found.append(
            {
                "kind": "sensor_frozen" if about and about[0]["kind"] == "frozen" else "signal",
                "start": scored["timestamp"][int(at[0])],
                "end": scored["timestamp"][int(last)] if ended else None,
                "peak_score": float(score[at].max()),
                "contributors": about,
            }
        )
    return pl.DataFrame(found, schema=FINDINGS)


def _contributors(
    detector: Detector,
    rows: pl.DataFrame,
    units: Mapping[str, str],
    at: np.ndarray[Any, np.dtype[np.int64]],
    ratios: Floats,
    blame: Floats,
    expected: Floats,
    half: Floats,
    seen: Floats,
) -> list[dict[str, Any]]:
    weight = np.square(blame[at]).sum(axis=0)
    share = weight / max(float(weight.sum()), 1e-12)
    kinds = detector.kinds(rows[: int(at[-1]) + 1][int(max(at[0] - 200, 0)) :])["kind"].to_list()
    base = detector.base
    assert base is not None
    scale = base.levels.scale
    listed = []
    for j in np.argsort(-share, kind="stable")[:TOP]:
        if share[j] < SMALLEST_SHARE:
            break
        peak = at[int(ratios[at, j].argmax())]
        around = slice(max(int(peak) - 7, 0), int(peak) + 1)
        value, usual = _mean(seen[around, j]), _mean(expected[around, j])
        over = at[ratios[at, j] > 1.0]
        listed.append(
            {
                "sensor": detector.sensors[j],
                "kind": kinds[j],
                "unit": units.get(detector.sensors[j]),
                "seen": value,
                "expected": usual,
                "low": None if usual is None else usual - float(half[j]),
                "high": None if usual is None else usual + float(half[j]),
                "deviation": None
                if value is None or usual is None
                else (value - usual) / float(scale[j]),
                "share": float(share[j]),
                "began": rows[detector.time][int(over[0] if len(over) else at[0])],
            }
        )
    return listed


def _mean(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def traces(
    detector: Detector,
    rows: pl.DataFrame,
    events: pl.DataFrame,
    units: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Signals of one machine's events with their expected band, thinned (TRACES).

    Thinning takes the mean of equal stretches of rows, so that noise does not hide the course.
    """
    if detector.base is None or rows.is_empty():
        return pl.DataFrame(schema=TRACES)
    expected, half, seen = detector.expected(rows)
    times = rows[detector.time]
    parts = []
    for event in events.iter_rows(named=True):
        end = event["end"] or times[-1]
        inside = times.is_between(event["start"] - BEFORE, end + BEFORE / 2).arg_true().to_numpy()
        for sensor in event["signals"]:
            if sensor in detector.sensors and len(inside) > 1:
                j = detector.sensors.index(sensor)
                # Expected values are as noisy as the neighbours they come from.
                smooth = ewma(np.nan_to_num(expected[inside, j : j + 1]), 8, from_first=True)[:, 0]
                part = pl.DataFrame(
                    {"time": times[inside], "seen": seen[inside, j], "expected": smooth}
                )
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
