"""Detectors that know little or nothing, to hold ours against; events as ours are made of scores.

`at_budget` gives a control the threshold at which it raises no more false alarms than ours did,
searched where the answer is known: a comparison in the control's favour.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import polars as pl
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest

from models.detector import SCORES
from models.episodes import event_ids
from models.evaluate import events_of
from models.scaling import Floats, learn_levels, matrix

Scorer = Callable[[pl.DataFrame], Floats]
"""Rows in, a score per row out; over 1 is an alarm."""

Spans = Sequence[tuple[int, int]]
"""First and last rows of faults."""

OWN_LIMIT: Final = 0.999
"""Share of the rows fitted on that a control's own limit leaves alone, as is often done."""

RANDOM_ROWS: Final = 32
RANDOM_SHARE: Final = 0.02
"""The random control draws one score for so many rows, over its limit with this chance: drawn by
the row it would never pass the on-delay."""

WINDOW: Final = 8
CENTRES: Final = 24
FITTED_ROWS: Final = 4_000
"""k-means: rows of a window, centres, and windows fitted at most."""

STEPS: Final = 60
"""Thresholds that `at_budget` tries. Not all are tried: the lowest that keeps the budget would be
one long event, which finds nothing."""


def controls(
    train: pl.DataFrame, *, time: str = "timestamp", seed: int = 0, row: int = 0
) -> dict[str, Scorer]:
    """Controls by name, those that learn with limits of the rows they were fitted on.

    always, from a fixed `row` on, random, plain IsolationForest, T2/Q charts, k-means of windows.
    """
    sensors = [c for c in train.columns if c != time and train[c].dtype.is_numeric()]
    levels = learn_levels(matrix(train, sensors), None)

    def scaled(frame: pl.DataFrame) -> Floats:
        return np.nan_to_num(levels.deviations(matrix(frame, sensors), None))

    fitted = scaled(train)
    return {
        "always": lambda frame: np.full(frame.height, 2.0),
        "fixed_row": lambda frame: np.where(np.arange(frame.height) >= row, 2.0, 0.0),
        "random": lambda frame: _random(frame.height, seed),
        "isolation_forest": _forest(fitted, scaled, seed),
        "t2_q": _t2_q(fitted, scaled),
        "k_means": _k_means(fitted, scaled, seed),
    }


def control_events(
    scorer: Scorer, frame: pl.DataFrame, machine: str, time: str = "timestamp"
) -> pl.DataFrame:
    """A control's alarms as events, with the same on- and off-delays as ours; names no signals."""
    return score_events(scorer(frame), frame[time], machine)


def score_events(score: Floats, times: pl.Series, machine: str) -> pl.DataFrame:
    """Scores, over 1 an alarm, as events of `models.evaluate`."""
    ids = event_ids(score)
    scored = pl.DataFrame(
        {"timestamp": times, "is_anomaly": ids > 0, "event_id": ids}
    ).with_columns(contributors=pl.lit([], dtype=SCORES["contributors"]))
    return events_of(scored, machine)


def at_budget(
    scores: Sequence[Floats], faults: Sequence[Spans], budget: int, slack: int = 0
) -> float | None:
    """The threshold, common to all machines, that finds most at no more false alarms than `budget`.

    Args:
        scores: a control's, one array per machine.
        faults: first and last rows of each machine's faults.
        budget: false alarms that ours raised on the same rows.
        slack: rows after a fault in which an event still finds it.

    Returns:
        None where every threshold raises more; a threshold above every score raises none.
    """
    every = np.concatenate(list(scores)) if scores else np.zeros(0)
    if not len(every):
        return None
    # More thresholds among the high scores: that is where few alarms are. And its own limit.
    shares = 1.0 - np.geomspace(1.0, 0.5 / len(every), STEPS)
    tried = np.unique([*np.quantile(every, shares), 1.0, every.max() * (1 + 1e-9)])
    best: tuple[int, int, float] | None = None
    for threshold in tried[tried > 0]:
        told = [tally(s / threshold, f, slack) for s, f in zip(scores, faults, strict=True)]
        false, found = sum(t[0] for t in told), sum(t[1] for t in told)
        if false <= budget and (best is None or (found, -false) > best[:2]):
            best = (found, -false, float(threshold))
    return None if best is None else best[2]


def tally(score: Floats, faults: Spans, slack: int = 0) -> tuple[int, int]:
    """False alarms and faults found of one machine: `models.evaluate.evaluate` by rows, fast."""
    ids = event_ids(score)
    starts = np.flatnonzero(np.diff(ids, prepend=0) > 0)
    false = np.ones(len(starts), dtype=np.bool_)
    found = 0
    for first, last in faults:
        within = (starts >= first) & (starts <= last + slack)
        false &= ~within
        found += bool(within.any())
    return int(false.sum()), found


def _random(rows: int, seed: int) -> Floats:
    drawn = np.random.default_rng(seed).exponential(
        1 / -np.log(RANDOM_SHARE), rows // RANDOM_ROWS + 1
    )
    return np.repeat(drawn, RANDOM_ROWS)[:rows]


def _limited(fitted: Floats) -> float:
    return max(float(np.quantile(fitted, OWN_LIMIT)), 1e-9)


def _forest(fitted: Floats, scaled: Callable[[pl.DataFrame], Floats], seed: int) -> Scorer:
    forest = IsolationForest(n_estimators=100, random_state=seed).fit(fitted)
    limit = _limited(-forest.score_samples(fitted))
    return lambda frame: np.asarray(-forest.score_samples(scaled(frame)) / limit)


def _k_means(fitted: Floats, scaled: Callable[[pl.DataFrame], Floats], seed: int) -> Scorer:
    """Distance of the last WINDOW rows to the nearest centre."""
    windows = _windows(fitted)
    thinned = windows[:: max(1, -(-len(windows) // FITTED_ROWS))]
    centres = KMeans(min(CENTRES, len(thinned)), n_init=1, random_state=seed).fit(thinned)
    limit = _limited(centres.transform(windows).min(axis=1))
    return lambda frame: np.asarray(
        centres.transform(_windows(scaled(frame))).min(axis=1) / limit, dtype=np.float64
    )


def _windows(rows: Floats) -> Floats:
    """Each row with the WINDOW - 1 before it, side by side; the first row stands for none."""
    padded = np.concatenate([np.repeat(rows[:1], WINDOW - 1, axis=0), rows])
    seen = np.lib.stride_tricks.sliding_window_view(padded, WINDOW, axis=0)
    return np.ascontiguousarray(seen).reshape(len(rows), -1)


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
    t2_limit = factor * stats.f.ppf(OWN_LIMIT, kept, max(n - kept, 1))
    q_limit = _limited(t2_q(fitted)[1])

    def score(frame: pl.DataFrame) -> Floats:
        t2, q = t2_q(scaled(frame))
        return np.maximum(t2 / t2_limit, q / q_limit)

    return score
