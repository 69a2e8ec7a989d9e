"""Minutes of OEE that an event cost, beyond what the machine loses on its training day anyway."""

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from models.habits import Habits
from models.production import slices


@dataclass(frozen=True, slots=True)
class Stake:
    """`lost_min` (null without counts), `exposed_min` produced meanwhile, `unknown_min`."""

    lost_min: float | None
    exposed_min: float
    unknown_min: float


def stake(
    habits: Habits,
    episodes: pl.DataFrame,
    increments: pl.DataFrame,
    cycles: pl.DataFrame,
    start: datetime,
    end: datetime,
) -> Stake:
    """Loss between start and end against the training day's shares.

    lost = max(0, stops - usual stop share x known time)
         + max(0, producing time x usual good pace - PRI x good pieces),
    where good pace is the training day's PRI x GQ over producing time.
    """
    s = slices(episodes, increments, cycles, [start, max(end, start)])
    producing, stopped = float(s.producing_s[0]), float(s.stopped_s[0])
    usual_stop = habits.stopped_s / habits.elapsed_s if habits.elapsed_s else 0.0
    stops = max(0.0, stopped - usual_stop * (producing + stopped))
    slow = max(0.0, producing * habits.good_pace - float(s.ideal_good_s[0]))
    known = habits.enough and habits.good_pace > 0
    return Stake((stops + slow) / 60 if known else None, producing / 60, float(s.unknown_s[0]) / 60)
