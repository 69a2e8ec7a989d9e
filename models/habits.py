"""What a machine's training days say of its stops, pace and scrap."""

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Self

import numpy as np
import polars as pl

from models.production import edges_between, slices
from models.rates import SLICE_MIN, dispersion_index, slowdown

SPEED_WINDOWS: Final = (6, 24)
"""Slices over which pace is judged."""

LEAST_TRAINING_H: Final = 2.0


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
        dispersion_index(s.micro_stops, s.producing_s, 12),
        float(s.pieces.sum()),
        float(s.scrap.sum()),
        dispersion_index(s.scrap, s.producing_s, 12),
        pace,
        float(s.ideal_good_s.sum()) / producing if producing else 0.0,
        spread,
        worst,
    )
