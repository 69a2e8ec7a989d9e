"""Findings from states and counts, each against the machine's own training day. Causal."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from models.episodes import event_ids
from models.habits import SPEED_WINDOWS, Habits
from models.production import Slices, edges_between, slices
from models.rates import SLICE_MIN, STILL, crept, slowdown, surprise, trailing, worst
from models.scaling import Floats
from models.schemas import FINDINGS, TRACES

STOP_WINDOWS: Final = (3, 12)
SCRAP_WINDOWS: Final = (12, 48)
"""Slices looked back on: short for bursts, long for slides; `crept` is for what is only a little
worse, for hours."""

LEAST_SLOWDOWN: Final = 0.04
"""A speed loss under 4 % is not worth a response, however steady the machine."""

WORST: Final = 1.5
"""A slowdown is a finding from so many times the 99th of 100 slices in training."""

LEAST_SCRAP: Final = 3
LEAST_STOPS: Final = 4
EVIDENCE: Final = 0.2
"""What must lie over the limit in all before it is an event: two slices of 1.1, one of 1.2."""

OFF_SLICES: Final = 12
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
    rules = (micro_stop_burst, speed_loss, quality_slide)
    rows = [row for rule in rules for row in _rows(s, *afresh(rule, habits, s))]
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


def afresh(rule: Callable[[Habits, Slices], Judged], habits: Habits, s: Slices) -> Judged:
    """A rule that takes what was told and is over for told: its next event counts from there on.

    Else its windows would remember for hours, and one piece of scrap more would be another event.
    """
    judged, told = rule(habits, s), 0
    score = judged[1]
    while ended := _first_ended(score, told):
        over, told = ended
        score = np.concatenate([score[:told], rule(habits, s.since(over + 1))[1][told:]])
    return (judged[0], score, *judged[2:])


def _first_ended(score: Floats, first: int) -> tuple[int, int] | None:
    """Of the first event from a slice on that is over: its last slice over the limit, its end."""
    ids = _ids(score)
    ends = np.flatnonzero((ids[:-1] > 0) & (ids[1:] == 0)) + 1
    end = next((int(one) for one in ends if one > first), None)
    if end is None:
        return None
    own = np.flatnonzero((ids == ids[end - 1]) & (score > 1))
    return int(own[-1]), end


def _ids(score: Floats) -> npt.NDArray[np.int64]:
    return event_ids(score, on_window=1, on_rows=1, off_rows=OFF_SLICES, evidence=EVIDENCE)


def _rows(
    s: Slices, kind: str, score: Floats, seen: Floats, usual: float, width: float
) -> Iterator[dict[str, object]]:
    ids = _ids(score)
    sensor, unit = SIGNALS[kind]
    for number in range(1, int(ids.max(initial=0)) + 1):
        at = np.flatnonzero(ids == number)
        off = np.nan_to_num((seen[at] - usual) * (-1 if kind == "speed_loss" else 1), nan=-np.inf)
        furthest = float(seen[at[off.argmax()]]) if np.isfinite(off).any() else None
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
                    "seen": furthest,
                    "expected": usual,
                    "low": max(usual - 3 * width, 0.0),
                    "high": usual + 3 * width,
                    "deviation": None
                    if furthest is None
                    else (furthest - usual) / max(width, 1e-9),
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
