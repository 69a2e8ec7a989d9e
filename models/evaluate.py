"""How good a detector is: by events, never by point-adjusted F1; with controls beside it.

For whoever changes a detector: nothing of the product calls it. Score rows with planted faults,
hold recall and false alarms against the change before and against detectors that know nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl
from scipy import stats
from sklearn.ensemble import IsolationForest

from models.detector import SCORES
from models.episodes import event_ids
from models.scaling import Floats, learn_levels, matrix

WEEK: Final = timedelta(days=7)
SLACK: Final = timedelta(minutes=30)
"""An event that starts up to so long after a fault's end still counts as finding it: wear is
seen by averages that look back."""

TOP: Final = 3


@dataclass(frozen=True, slots=True)
class Quality:
    """Figures of one detector; ratios are null where their denominator is 0."""

    planted: int
    found: int
    events: int
    matched: int
    recall: float | None
    precision: float | None
    median_delay_min: float | None
    false_alarms_per_machine_week: float | None
    culprit_in_top3: float | None


def evaluate(
    events: pl.DataFrame, faults: pl.DataFrame, *, watched: timedelta, key: str = "work_unit_id"
) -> Quality:
    """Events against planted faults.

    Args:
        events: `key`, start, end (null while it lasts), signals (ranked names); suppressed events
            and data gaps are the caller's to leave out.
        faults: `key`, start, end, signals (names touched).
        watched: machine-time observed, summed over machines; the time of faults is taken off it.
        key: what events and faults of one machine share.
    """
    numbered = faults.with_row_index("fault")
    pairs = (
        events.with_row_index("event")
        .with_columns(until=pl.col("end").fill_null(numbered["end"].max() or pl.col("start")))
        .join(numbered, on=key, suffix="_fault")
        .filter(
            pl.col("start") <= pl.col("end_fault") + SLACK, pl.col("until") >= pl.col("start_fault")
        )
    )
    first = pairs.sort("start").group_by("fault", maintain_order=True).first()
    delay = (first["start"] - first["start_fault"]).dt.total_seconds() / 60
    matched = pairs["event"].n_unique()
    false = events.height - matched
    in_faults = timedelta(
        seconds=float((faults["end"] - faults["start"]).dt.total_seconds().sum() or 0)
    )
    weeks = (watched - in_faults) / WEEK
    named = _culprits(pairs)
    return Quality(
        planted=faults.height,
        found=first.height,
        events=events.height,
        matched=matched,
        recall=_ratio(first.height, faults.height),
        precision=_ratio(matched, events.height),
        median_delay_min=float(np.median(np.maximum(delay.to_numpy(), 0)))
        if first.height
        else None,
        false_alarms_per_machine_week=false / weeks if weeks > 0 else None,
        culprit_in_top3=_ratio(named, first.height),
    )


def events_of(scored: pl.DataFrame, machine: str, key: str = "work_unit_id") -> pl.DataFrame:
    """A score table (`Detector.score`) as the events that `evaluate` takes."""
    inside = scored.with_row_index().filter("is_anomaly")
    last = scored.height - 1
    named = inside.select("event_id", pl.col("contributors").alias("c")).explode("c").unnest("c")
    if inside.is_empty():
        return pl.DataFrame(
            schema={
                key: pl.String(),
                "start": scored["timestamp"].dtype,
                "end": scored["timestamp"].dtype,
                "signals": pl.List(pl.String),
            }
        )
    signals = (
        named.group_by("event_id", "sensor")
        .agg(pl.sum("share"))
        .sort("event_id", "share", "sensor", descending=[False, True, False])
        .group_by("event_id", maintain_order=True)
        .agg(signals=pl.col("sensor").drop_nulls())
    )
    return (
        inside.group_by("event_id", maintain_order=True)
        .agg(
            start=pl.first("timestamp"),
            end=pl.when(pl.col("index").max() < last).then(pl.col("timestamp").last()),
        )
        .join(signals, on="event_id", how="left", maintain_order="left")
        .select(pl.lit(machine).alias(key), "start", "end", "signals")
    )


Scorer = Callable[[pl.DataFrame], Floats]
"""Rows in, a score per row out; over 1 is an alarm."""


def controls(
    train: pl.DataFrame, *, time: str = "timestamp", seed: int = 0
) -> Mapping[str, Scorer]:
    """Detectors that ours must beat: always-alarm, random, plain IsolationForest, T2/Q.

    The last two take their limits from the rows they were fitted on, at 99.9 %, as is often done.
    """
    sensors = [c for c in train.columns if c != time and train[c].dtype.is_numeric()]
    levels = learn_levels(matrix(train, sensors), None)

    def scaled(frame: pl.DataFrame) -> Floats:
        return np.nan_to_num(levels.deviations(matrix(frame, sensors), None))

    fitted = scaled(train)
    forest = IsolationForest(n_estimators=100, random_state=seed).fit(fitted)
    limit = float(np.quantile(-forest.score_samples(fitted), 0.999))
    return {
        "always": lambda frame: np.full(frame.height, 2.0),
        "random": lambda frame: np.random.default_rng(seed).exponential(
            1 / -np.log(0.001), frame.height
        ),
        "isolation_forest": lambda frame: -forest.score_samples(scaled(frame)) / limit,
        "t2_q": _t2_q(fitted, scaled),
    }


def control_events(
    scorer: Scorer, frame: pl.DataFrame, machine: str, time: str = "timestamp"
) -> pl.DataFrame:
    """A control's alarms as events, with the same on- and off-delays as ours; names no signals."""
    ids = event_ids(scorer(frame))
    scored = pl.DataFrame(
        {"timestamp": frame[time], "is_anomaly": ids > 0, "event_id": ids}
    ).with_columns(contributors=pl.lit([], dtype=SCORES["contributors"]))
    return events_of(scored, machine)


def _t2_q(fitted: Floats, scaled: Callable[[pl.DataFrame], Floats]) -> Scorer:
    """Hotelling T2 and residual Q on the components that hold 90 % of the variance."""
    centre = fitted.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(fitted - centre, rowvar=False).reshape(len(centre), -1))
    values, vectors = np.maximum(values[::-1], 1e-12), vectors[:, ::-1]
    kept = int(np.searchsorted(np.cumsum(values) / values.sum(), 0.9)) + 1

    def t2_q(rows: Floats) -> tuple[Floats, Floats]:
        off = rows - centre
        parts = off @ vectors[:, :kept]
        t2 = (np.square(parts) / values[:kept]).sum(axis=1)
        return t2, np.maximum(np.square(off).sum(axis=1) - np.square(parts).sum(axis=1), 0.0)

    n = len(fitted)
    factor = kept * (n * n - 1) / (n * max(n - kept, 1))
    t2_limit = factor * stats.f.ppf(0.999, kept, max(n - kept, 1))
    q_limit = max(float(np.quantile(t2_q(fitted)[1], 0.999)), 1e-9)

    def score(frame: pl.DataFrame) -> Floats:
        t2, q = t2_q(scaled(frame))
        return np.maximum(t2 / t2_limit, q / q_limit)

    return score


def _culprits(pairs: pl.DataFrame) -> int:
    """Faults of which an event names a touched signal among its first three."""
    named = set()
    for row in pairs.iter_rows(named=True):
        if set((row["signals"] or [])[:TOP]) & set(row["signals_fault"] or []):
            named.add(row["fault"])
    return len(named)


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
