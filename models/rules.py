"""Findings from states and counts, each against the machine's own training day. Causal."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

import numpy as np
import polars as pl
from scipy.stats import nbinom

from models.episodes import event_ids
from models.production import Slices, edges_between, slices
from models.scaling import Floats
from models.schemas import FINDINGS, TRACES

SLICE_MIN: Final = 5.0
RARE: Final = 1e-5
"""Chance, under the training day, of a window this bad. A machine-week has 2,016 slices, each the
end of two windows that overlap their neighbours': far less than one false alarm a week."""

STOP_WINDOWS: Final = (3, 12)
SPEED_WINDOWS: Final = (6, 24)
SCRAP_WINDOWS: Final = (12, 48)
"""Slices looked back on: short for bursts, long for slides; `crept` is for what is only a little
worse, for hours."""

CREEPING: Final = (1.5, 2.5)
"""Times the usual rate that `crept` is quickest for."""

CREPT: Final = 7.0
"""Log likelihood ratio that makes a finding: noise has it once in e**7 slices (4 days) at most."""

SURE: Final = 2.0
"""Deviations above what the training day shows that its rate may be."""

LATELY: Final = 24
FULL: Final = 1.3
"""Limits that `crept` gathers at most: what is over is forgotten within hours."""

LEAST_SLOWDOWN: Final = 0.04
"""A speed loss under 4 % is not worth a response, however steady the machine."""

WORST: Final = 1.5
"""A slowdown is a finding from so many times the 99th of 100 slices in training."""

LEAST_SCRAP: Final = 3
LEAST_STOPS: Final = 4
LEAST_TRAINING_H: Final = 2.0
EVIDENCE: Final = 0.2
"""What must lie over the limit in all before it is an event: two slices of 1.1, one of 1.2."""

OFF_SLICES: Final = 12
STILL: Final = 0.3
"""The long window counts only while the short one shows this much: else an event would outlast
its cause by hours."""

LEAD: Final = timedelta(hours=1)
BEFORE: Final = timedelta(hours=2)
AFTER: Final = timedelta(hours=1)
"""A trace shows so much before and after its event; LEAD fills the window of its first slice."""

SIGNALS: Final = {
    "micro_stop_burst": ("item_state", "1/h"),
    "speed_loss": ("parts_total", "%"),
    "quality_slide": ("parts_bad", "%"),
}
"""The measure of the unified interface that each rule reads, and the unit of its rate."""


@dataclass(frozen=True, slots=True)
class Habits:
    """A machine's training day in numbers; `pace` is ideal over producing seconds."""

    producing_s: float
    elapsed_s: float
    stopped_s: float
    micro_stops: float
    stop_dispersion: float
    pieces: float
    scrap: float
    scrap_dispersion: float
    pace: float
    good_pace: float
    pace_spread: dict[int, float]
    pace_worst: dict[int, float]

    @property
    def enough(self) -> bool:
        """False where the training day holds too little producing to judge another by."""
        return self.producing_s >= LEAST_TRAINING_H * 3600

    def to_json(self) -> str:
        """As text, for the register of models."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` gave; JSON has no whole numbers as keys, so the windows become them."""
        known: dict[str, Any] = json.loads(text)
        for name in ("pace_spread", "pace_worst"):
            known[name] = {int(window): value for window, value in known[name].items()}
        return cls(**known)


def learn_habits(
    episodes: pl.DataFrame,
    increments: pl.DataFrame,
    cycles: pl.DataFrame,
    start: datetime,
    end: datetime,
) -> Habits:
    """What one machine's day from `start` to `end` says about stops, pace and scrap."""
    s = slices(episodes, increments, cycles, edges_between(start, end, SLICE_MIN))
    producing = float(s.producing_s.sum())
    pace = float(s.ideal_s.sum()) / producing if producing else 0.0
    spread, worst = {}, {}
    for window in SPEED_WINDOWS:
        slow = slowdown(s, pace, window)
        slow = slow[np.isfinite(slow)]
        spread[window] = 1.4826 * float(np.median(np.abs(slow))) if len(slow) else 0.05
        worst[window] = float(np.quantile(slow, 0.99)) if len(slow) else 0.1
    return Habits(
        producing,
        producing + float(s.stopped_s.sum()),
        float(s.stopped_s.sum()),
        float(s.micro_stops.sum()),
        _dispersion(s.micro_stops, s.producing_s, 12),
        float(s.pieces.sum()),
        float(s.scrap.sum()),
        _dispersion(s.scrap, s.producing_s, 12),
        pace,
        float(s.ideal_good_s.sum()) / producing if producing else 0.0,
        spread,
        worst,
    )


def findings(
    habits: Habits,
    episodes: pl.DataFrame,
    increments: pl.DataFrame,
    cycles: pl.DataFrame,
    start: datetime,
    end: datetime,
) -> pl.DataFrame:
    """Bursts of micro-stops, speed losses and quality slides between start and end (FINDINGS)."""
    if not habits.enough:
        return pl.DataFrame(schema=FINDINGS)
    s = slices(episodes, increments, cycles, edges_between(start, end, SLICE_MIN))
    rows = [
        row
        for kind, score, seen, usual, width in (
            micro_stop_burst(habits, s),
            speed_loss(habits, s),
            quality_slide(habits, s),
        )
        for row in _rows(kind, s, score, seen, usual, width)
    ]
    return pl.DataFrame(rows, schema=FINDINGS).sort("start")


Judged = tuple[str, Floats, Floats, float, float]
"""Kind, score per slice, seen rate per slice, usual rate, its deviation."""


def micro_stop_burst(habits: Habits, s: Slices) -> Judged:
    """Short stops in 15 minutes to 12 hours against the training day's rate."""
    exposure = s.producing_s + s.stopped_s

    def rare(window: int) -> Floats:
        count = trailing(s.micro_stops, window)
        usual = (habits.micro_stops, habits.elapsed_s, habits.stop_dispersion)
        found = surprise(count, trailing(exposure, window), *usual)
        return np.where(count >= LEAST_STOPS, found, 0.0)

    score = np.maximum(
        worst(rare, STOP_WINDOWS),
        crept(
            s.micro_stops, exposure, habits.micro_stops, habits.elapsed_s, habits.stop_dispersion
        ),
    )
    hours = np.maximum(trailing(exposure, 12) / 3600, 0.1)
    usual = habits.micro_stops / max(habits.elapsed_s / 3600, 1e-9)
    width = np.sqrt(max(usual, 1.0) * habits.stop_dispersion)
    return "micro_stop_burst", score, trailing(s.micro_stops, 12) / hours, usual, float(width)


def speed_loss(habits: Habits, s: Slices) -> Judged:
    """Ideal over producing time in 30 and 120 minutes against the training day's."""
    score = np.zeros(len(s.ends))
    for window in SPEED_WINDOWS:
        limit = max(
            6.0 * habits.pace_spread[window], WORST * habits.pace_worst[window], LEAST_SLOWDOWN
        )
        made, spent = trailing(s.pieces, window), trailing(s.producing_s, window)
        # Two pieces may be cut off at the edges of the window.
        limits = limit + 2.0 / np.maximum(made, 2.0)
        slow = np.nan_to_num(slowdown(s, habits.pace, window), nan=0.0)
        ratio = np.where(spent > 0, slow / limits, 0.0)
        still = score >= STILL if window > SPEED_WINDOWS[0] else True
        score = np.where(still, np.maximum(score, ratio), score)
    seen = 100 * (1 - slowdown(s, habits.pace, SPEED_WINDOWS[0])) * habits.pace
    width = 100 * max(habits.pace_spread[6], 0.005) * habits.pace
    return "speed_loss", score, seen, 100 * habits.pace, width


def quality_slide(habits: Habits, s: Slices) -> Judged:
    """Scrap share of one to twelve hours against the training day's."""

    def rare(window: int) -> Floats:
        scrap = trailing(s.scrap, window)
        usual = (habits.scrap, habits.pieces, habits.scrap_dispersion)
        return np.where(
            scrap >= LEAST_SCRAP, surprise(scrap, trailing(s.pieces, window), *usual), 0.0
        )

    score = np.maximum(
        worst(rare, SCRAP_WINDOWS),
        crept(s.scrap, s.pieces, habits.scrap, habits.pieces, habits.scrap_dispersion),
    )
    made = trailing(s.pieces, 12)
    seen = 100 * np.divide(
        trailing(s.scrap, 12), made, out=np.full_like(made, np.nan), where=made > 0
    )
    usual = 100 * habits.scrap / max(habits.pieces, 1.0)
    hourly = max(float(np.median(made[made > 0])) if (made > 0).any() else 1.0, 1.0)
    width = 100 * np.sqrt(max(usual / 100, 0.5 / hourly) / hourly * habits.scrap_dispersion)
    return "quality_slide", score, seen, usual, float(width)


def worst(rare: Callable[[int], Floats], windows: tuple[int, int]) -> Floats:
    """The short window's score, or the long one's while the short one still shows something.

    `rare` gives the score per slice of a window of so many slices.
    """
    score = rare(windows[0])
    return np.where(score >= STILL, np.maximum(score, rare(windows[1])), score)


def crept(
    count: Floats, exposure: Floats, usual: float, usual_exposure: float, dispersion: float
) -> Floats:
    """Evidence gathered per slice that the rate is CREEPING times the usual one, over its limit.

    A CUSUM of log likelihood ratios of Poisson counts (Lucas 1985), of the rate that the training
    day allows (SURE deviations above what it shows), never above FULL; while the last LATELY slices
    still show half of it.
    """
    if not usual_exposure:
        return np.zeros(len(count))
    rate = (usual + SURE * np.sqrt((usual + 1.0) * dispersion)) / usual_exposure
    limit = CREPT
    most = np.zeros(len(count))
    for times in CREEPING:
        gains = (count * np.log(times) - rate * exposure * (times - 1.0)) / dispersion
        sums, held = np.empty(len(count)), 0.0
        for i, gain in enumerate(gains):
            held = min(max(held + gain, 0.0), FULL * limit)
            sums[i] = held
        seen, due = trailing(count, LATELY), rate * trailing(exposure, LATELY)
        most = np.maximum(most, np.where(seen > due * (1.0 + times) / 2.0, sums / limit, 0.0))
    return most


def slowdown(s: Slices, pace: float, window: int) -> Floats:
    """Share of the usual pace lost over the window; NaN where it hardly produced."""
    spent = trailing(s.producing_s, window)
    enough = (spent > 0.4 * window * SLICE_MIN * 60) & (pace > 0)
    usual = np.where(enough, spent * max(pace, 1e-9), 1.0)
    return np.where(enough, 1.0 - trailing(s.ideal_s, window) / usual, np.nan)


def surprise(
    count: Floats, exposure: Floats, usual: float, usual_exposure: float, dispersion: float
) -> Floats:
    """Log of the chance of so many or more over log RARE: 1 is the limit.

    Counts are negative binomial given the training day (a gamma-Poisson prediction), so a short
    training day widens the limit by itself; `dispersion` thins counts that come in bursts.
    """
    r = usual / dispersion + 0.5
    p = usual_exposure / (usual_exposure + np.maximum(exposure, 1e-9))
    tail = nbinom.logsf(np.ceil(count / dispersion) - 1, r, p)
    return np.where(exposure > 0, np.maximum(tail, -700.0) / np.log(RARE), 0.0)


def trailing(values: Floats, window: int) -> Floats:
    """Sum of this and the `window` - 1 slices before."""
    summed = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(1, len(values) + 1)
    return np.asarray(summed[at] - summed[np.maximum(at - window, 0)])


def _dispersion(counts: Floats, producing_s: Floats, window: int) -> float:
    """Variance over mean of counts per producing window, at least 1 (scrap by lots: more)."""
    whole = len(counts) // window * window
    sums = counts[:whole].reshape(-1, window).sum(axis=1)
    sums = sums[producing_s[:whole].reshape(-1, window).sum(axis=1) > 0]
    return max(float(sums.var() / sums.mean()), 1.0) if sums.sum() > 0 else 1.0


def _rows(
    kind: str, s: Slices, score: Floats, seen: Floats, usual: float, width: float
) -> Iterator[dict[str, object]]:
    ids = event_ids(score, on_window=1, on_rows=1, off_rows=OFF_SLICES, evidence=EVIDENCE)
    sensor, unit = SIGNALS[kind]
    for number in range(1, int(ids.max(initial=0)) + 1):
        at = np.flatnonzero(ids == number)
        off = np.nan_to_num((seen[at] - usual) * (-1 if kind == "speed_loss" else 1), nan=-np.inf)
        worst = float(seen[at[off.argmax()]]) if np.isfinite(off).any() else None
        over = at[score[at] > 1]
        ended = at[-1] < len(ids) - 1
        yield {
            "kind": kind,
            "start": s.ends[at[0]],
            "end": s.ends[over[-1]] if ended else None,
            "peak_score": float(score[at].max()),
            "contributors": [
                {
                    "sensor": sensor,
                    "kind": "rate",
                    "unit": unit,
                    "seen": worst,
                    "expected": usual,
                    "low": max(usual - 3 * width, 0.0),
                    "high": usual + 3 * width,
                    "deviation": None if worst is None else (worst - usual) / max(width, 1e-9),
                    "share": 1.0,
                    "began": s.ends[at[0]],
                }
            ],
        }


def traces(
    habits: Habits,
    episodes: pl.DataFrame,
    increments: pl.DataFrame,
    cycles: pl.DataFrame,
    events: pl.DataFrame,
    until: datetime,
) -> pl.DataFrame:
    """The rates that rules read around one machine's events, with their usual band (TRACES)."""
    parts = []
    for event in events.iter_rows(named=True):
        start = event["start"] - BEFORE
        end = min((event["end"] or until) + AFTER, until)
        s = slices(episodes, increments, cycles, edges_between(start - LEAD, end, SLICE_MIN))
        for kind, _, seen, usual, width in (
            micro_stop_burst(habits, s),
            speed_loss(habits, s),
            quality_slide(habits, s),
        ):
            sensor, unit = SIGNALS[kind]
            if sensor in event["signals"]:
                part = pl.DataFrame({"time": s.ends, "seen": seen}).filter(pl.col("time") >= start)
                part = part.with_columns(pl.col("seen").fill_nan(None))
                parts.append(
                    part.select(
                        event_id=pl.lit(event["event_id"]),
                        sensor=pl.lit(sensor),
                        unit=pl.lit(unit),
                        time="time",
                        seen="seen",
                        low=pl.lit(max(usual - 3 * width, 0.0)),
                        high=pl.lit(usual + 3 * width),
                    ).cast(TRACES)
                )
    return pl.concat(parts) if parts else pl.DataFrame(schema=TRACES)
