"""A machine fitted on one day and judged on the next, cut out of its factory's tables."""

from datetime import timedelta

import polars as pl
import pytest
from plants import plant, with_fault
from shopfloor import DAY, KEY, cycles, day, plan

from models.machine import fit, judge, machines
from models.rules import Habits
from models.schemas import ANOMALY_EVENTS, TRACES
from pipelines import schemas

NEXT, END = DAY + timedelta(days=1), DAY + timedelta(days=2)
ROWS = 2 * 8640


def tag(unit, machine_type="press", **more):
    row = dict.fromkeys(schemas.TAGS) | KEY | {"work_unit_id": unit, "machine_type": machine_type}
    return row | {"measure": "temperature_c", "unit": "°C", "measure_kind": "process"} | more


TAGS = pl.DataFrame(
    [
        tag("F01-M01"),
        tag("F01-M02"),
        tag("F01-M03", machine_type="unseen"),
        tag("F01-M04", machine_type=None),
        tag(None),
    ],
    schema=schemas.TAGS,
)


@pytest.fixture(scope="module")
def factory():
    """Two machines, two days; on the second day one has a stuck sensor and short stops."""
    healthy = plant(ROWS, seed=1)
    faulty = with_fault(healthy, "frozen", "pressure_bar", 12_000, 14_000, 0)
    values = pl.concat(
        [
            frame.rename({"timestamp": "time"}).with_columns(
                **{k: pl.lit(v) for k, v in (KEY | {"work_unit_id": unit}).items()}
            )
            for unit, frame in (("F01-M01", healthy), ("F01-M02", faulty))
        ]
    )
    made = [
        (unit, day(seed, start, **planted))
        for unit, seed, start, planted in (
            ("F01-M01", 1, DAY, {}),
            ("F01-M01", 2, NEXT, {}),
            ("F01-M02", 3, DAY, {}),
            ("F01-M02", 11, NEXT, {"stops": 15.0, "fault": (18, 21)}),
        )
    ]
    episodes, increments = (
        pl.concat(parts[n].with_columns(work_unit_id=pl.lit(unit)) for unit, parts in made)
        for n in (0, 1)
    )
    every = cycles().with_columns(work_unit_id=pl.lit(None, pl.String()))
    return list(machines(TAGS, {"press": values}, episodes, increments, every))


def test_a_machine_gets_its_own_rows_and_what_holds_for_all(factory):
    assert [one.key["work_unit_id"] for one in factory] == ["F01-M01", "F01-M02"]
    for one in factory:
        assert set(one.episodes["work_unit_id"]) == {one.key["work_unit_id"]}
        assert set(one.values["work_unit_id"]) == {one.key["work_unit_id"]}
        assert one.cycles.height == 1
        assert one.units == {"temperature_c": "°C"}


def test_a_faulty_day_is_told_from_the_day_it_learned(factory):
    healthy, faulty = (judge(one, fit(one, DAY, NEXT), plan(NEXT), NEXT, END) for one in factory)
    for found, drawn in (healthy, faulty):
        assert found.schema == ANOMALY_EVENTS
        assert drawn.schema == TRACES
    assert healthy[0].is_empty()
    signals = {name for names in faulty[0]["signals"] for name in names}
    assert {"pressure_bar", "item_state"} <= signals
    assert set(faulty[0]["work_unit_id"]) == {"F01-M02"}
    assert (faulty[0]["start"] >= NEXT).all()
    assert set(faulty[1]["event_id"]) == set(faulty[0]["event_id"])


def test_a_model_learns_from_its_own_days_only(factory):
    first = fit(factory[1], DAY, NEXT)
    assert first.training_days == 1.0
    known = factory[1].rows
    cut = known.filter(pl.col("time") < NEXT)
    assert first.detector.rows_seen == cut.height < known.height


def test_habits_are_the_same_after_a_round_trip(factory):
    habits = fit(factory[0], DAY, NEXT).habits
    assert Habits.from_json(habits.to_json()) == habits
