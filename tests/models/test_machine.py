"""A machine fitted on one day and judged on the next, cut out of its factory's tables."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from plants import plant, with_fault
from shopfloor import DAY, KEY, cycles, day, plan

from models import explain
from models.habits import Habits
from models.machine import fit, fit_type, judge, machines
from models.schemas import ANOMALY_EVENTS, FINDINGS, TRACES
from pipelines import schemas

HOUR = timedelta(hours=1)
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


def test_a_machine_with_few_rows_learns_from_others_of_its_type(factory):
    """Of three that ran all day, for one that ran an hour: the same type, other noise."""
    one, *others = (replace(factory[0], values=shaken(factory[0].values, n)) for n in range(4))
    few = replace(one, values=one.values.filter(pl.col("time") < DAY + timedelta(hours=1)))
    assert fit(few, DAY, NEXT).detector.base is None
    assert fit_type(few, others[:2], DAY, NEXT) is None
    model = fit_type(few, others, DAY, NEXT)
    assert model.training_days == 1.0
    assert model.habits == fit(few, DAY, NEXT).habits
    assert model.detector.rows_seen == sum(
        other.rows.filter(pl.col("time") < NEXT).height for other in others
    )
    healthy, _ = judge(one, model, plan(NEXT), NEXT, END)
    assert healthy.filter(pl.col("kind") == "signal").is_empty()
    stuck = replace(factory[1], values=shaken(factory[1].values, 9))
    faulty, _ = judge(stuck, model, plan(NEXT), NEXT, END)
    assert "pressure_bar" in {name for names in faulty["signals"] for name in names}


def shaken(values, seed):
    """Another machine of the type: the same course with noise of its own."""
    rng = np.random.default_rng(seed)
    return values.with_columns(
        pl.col(name) + pl.Series(rng.normal(0, 0.3 * float(values[name].std()), values.height))
        for name in ("temperature_c", "vibration_mm_s", "speed_rpm", "load_kw")
    )


@pytest.mark.parametrize(
    ("days", "kept"), [(0.5, [3.0]), (1.0, [2.0, 3.0]), (3.0, [1.1, 2.0, 3.0])]
)
def test_a_model_of_few_days_needs_more_to_be_convinced(days, kept):
    rows = [{"kind": "signal", "peak_score": peak} for peak in (1.1, 2.0, 3.0)]
    told = [{"kind": "sensor_frozen", "peak_score": 1.0}, {"kind": "speed_loss", "peak_score": 1.1}]
    kinds = {name: FINDINGS[name] for name in ("kind", "peak_score")}
    left = explain.convincing(pl.DataFrame(rows + told, schema=kinds), days)
    assert left.filter(kind="signal")["peak_score"].to_list() == kept
    assert left.height == len(kept) + len(told)


def test_a_day_counts_for_what_was_produced_on_it(factory):
    model = fit(factory[0], DAY, NEXT)
    whole = factory[0].rows
    assert model.known_days(whole) == 1.0
    short = replace(factory[0], values=factory[0].values.filter(pl.col("time") < NEXT - 4 * HOUR))
    few = replace(short, values=short.values.filter(pl.col("time") >= DAY + 16 * HOUR))
    known = fit(few, DAY, NEXT).known_days(whole)
    assert 0.15 < known < 0.3
    assert model.known_days(whole.head(1)) == model.training_days


def test_what_it_shows_with_others_is_an_event_of_the_machine(factory):
    one = factory[0]
    model = fit(one, DAY, NEXT)
    start = NEXT + 5 * HOUR
    part = dict.fromkeys(FINDINGS["contributors"].inner.to_schema())
    part |= {"sensor": "air_bar", "kind": "together", "share": 1.0, "deviation": -1.2}
    shared = pl.DataFrame(
        [
            {
                "kind": "signal",
                "start": start,
                "end": start + HOUR,
                "peak_score": 1.1,
                "contributors": [part],
            }
        ],
        schema=FINDINGS,
    )
    few = replace(model, training_days=0.5)
    found, _ = judge(one, few, plan(NEXT), NEXT, END, shared)
    (event,) = found.to_dicts()
    assert (event["start"], event["signals"]) == (start, ["air_bar"])
