"""A machine's states and counts for a day, made piece by piece, with what can be wrong planted."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from pipelines import schemas

KEY = {"park_id": "P01", "factory_id": "F01", "line_id": "F01-L1", "work_unit_id": "F01-M01"}
DAY = datetime(2026, 11, 20, tzinfo=UTC)
PRI_S = 30.0


def cycles() -> pl.DataFrame:
    row = {
        **KEY,
        "product_id": "A",
        "pri_s": PRI_S,
        "origin": "file",
        "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return pl.DataFrame([row], schema=schemas.CYCLES)


def plan(day: datetime = DAY) -> pl.DataFrame:
    row = {
        **KEY,
        "production_day": day.date(),
        "shift_id": "S1",
        "start": day,
        "end": day + timedelta(hours=24),
        "kind": "busy",
    }
    return pl.DataFrame([row], schema=schemas.PLAN)


def day(
    seed: int,
    start: datetime = DAY,
    *,
    hours: float = 24,
    fault: tuple[float, float] = (0, 0),
    stops: float = 1.0,
    slow: float = 1.0,
    scrap: float = 1.0,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Episodes and increments: 4 micro-stops an hour, 3 % slow, 1 % scrap, times the factors
    within the fault's hours."""
    rng = np.random.default_rng(seed)
    episodes, counts, t, to_stop = [], [], 0.0, rng.exponential(900)
    began, previous = 0.0, 0.0

    def episode(begin: float, end: float, state: int) -> None:
        episodes.append(
            {
                **KEY,
                "start": start + timedelta(seconds=begin),
                "end": start + timedelta(seconds=end),
                "item_state": state,
                "operation_mode": 3,
                "order_id": "O1",
                "product_id": "A",
                "stop_reason_code": None,
                "quality": "good",
            }
        )

    while t < hours * 3600:
        bad = fault[0] * 3600 <= t < fault[1] * 3600
        cycle = PRI_S * 1.03 * (slow if bad else 1) * rng.normal(1, 0.02)
        if to_stop <= cycle:
            episode(began, t + to_stop, 3)
            pause = rng.uniform(20, 120)
            episode(t + to_stop, t + to_stop + pause, 2)
            t, began = t + to_stop + pause, t + to_stop + pause
            to_stop = rng.exponential(900 / (stops if bad else 1))
            continue
        t, to_stop = t + cycle, to_stop - cycle
        is_scrap = rng.random() < 0.01 * (scrap if bad else 1)
        for kind in ("total", "scrap" if is_scrap else "good"):
            counts.append(
                {
                    **KEY,
                    "from_time": start + timedelta(seconds=previous),
                    "to_time": start + timedelta(seconds=t),
                    "kind": kind,
                    "amount": 1,
                    "product_id": "A",
                    "cause": "step",
                    "estimated": False,
                }
            )
        previous = t
    episode(began, t, 3)
    return (
        pl.DataFrame(episodes, schema=schemas.STATE_EPISODES),
        pl.DataFrame(counts, schema=schemas.COUNT_INCREMENTS),
    )
