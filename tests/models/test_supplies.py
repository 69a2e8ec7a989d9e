"""Which signals a machine does not make itself."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from models.operating import supplied
from pipelines import schemas

START = datetime(2026, 11, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def machine(stands_min=60):
    """Six hours of a machine that produces for 2 h, then stands, again and again."""
    rng = np.random.default_rng(5)
    episodes, running, at = [], [], 0
    while at < 360:
        for state, length in ((3, 120), (2, stands_min)):
            episodes.append(
                {
                    "start": START + at * MINUTE,
                    "end": START + (at + length) * MINUTE,
                    "item_state": state,
                    "operation_mode": 3,
                    "quality": "good",
                }
            )
            running += [state == 3] * length
            at += length
    on = np.array(running, dtype=float)
    heat = np.convolve(on, np.exp(-np.arange(200) / 25) / 25)[: len(on)]
    times = [START + n * MINUTE for n in range(len(on))]
    values = pl.DataFrame(
        {
            "time": times,
            "supply_v": 398 + rng.normal(0, 1, len(on)),
            "bearing_c": 30 + 40 * heat + rng.normal(0, 1, len(on)),
            "torque_nm": 60 * on + rng.normal(0, 1, len(on)),
            "setting": np.full(len(on), 7.0),
        },
        schema_overrides={"time": schemas.TIME},
    )
    schema = {name: schemas.STATE_EPISODES[name] for name in episodes[0]}
    made = values.filter(pl.Series(on > 0))
    return values, pl.DataFrame(episodes, schema=schema), made


def test_what_reads_alike_running_and_standing_is_a_supply():
    assert supplied(*machine(), time="time") == ["supply_v"]


def test_a_machine_that_never_stands_long_tells_nothing():
    assert supplied(*machine(stands_min=10), time="time") == []


def test_readings_without_a_number_are_passed():
    values, episodes, made = machine()
    values = values.with_columns(supply_v=pl.lit(None, pl.Float64), name=pl.lit("x"))
    assert supplied(values, episodes, made, time="time") == []
