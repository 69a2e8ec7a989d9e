from datetime import timedelta

import polars as pl
import pytest
from plants import START, plant, with_fault

from models import detector
from models.evaluate import control_events, controls, evaluate, events_of


def at(hours):
    return START + timedelta(hours=hours)


SPANS = {
    "work_unit_id": pl.String(),
    "start": pl.Datetime("us", "UTC"),
    "end": pl.Datetime("us", "UTC"),
    "signals": pl.List(pl.String),
}


def spans(*rows):
    listed = [(m, at(a), None if b is None else at(b), s) for m, a, b, s in rows]
    return pl.DataFrame(listed, schema=SPANS, orient="row")


FAULTS = spans(("M1", 10, 12, ["vibration_x"]), ("M2", 20, 24, ["flow"]), ("M3", 5, 6, ["a"]))


def test_counted_by_hand():
    events = spans(
        ("M1", 10.5, 11, ["vibration_x", "b"]),
        ("M1", 11.5, 12.2, ["b"]),
        ("M2", 24.4, 25, ["a", "b", "c", "flow"]),
        ("M3", 10, 11, ["a"]),
        ("M4", 1, None, ["a"]),
    )
    got = evaluate(events, FAULTS, watched=timedelta(days=28, hours=7))
    assert (got.planted, got.found, got.events, got.matched) == (3, 2, 5, 3)
    assert got.recall == pytest.approx(2 / 3)
    assert got.precision == pytest.approx(3 / 5)
    assert got.median_delay_min == pytest.approx((30 + 264) / 2)
    assert got.false_alarms_per_machine_week == pytest.approx(2 / 4)
    assert got.culprit_in_top3 == pytest.approx(1 / 2)


def test_nothing_planted_and_nothing_found_is_null_not_one():
    got = evaluate(spans(), FAULTS.clear(), watched=timedelta(days=7))
    assert got.recall is None
    assert got.precision is None
    assert got.false_alarms_per_machine_week == 0
    assert evaluate(spans(), FAULTS, watched=timedelta(days=7)).recall == 0


def test_ours_beats_the_controls_on_a_coupled_plant():
    train, healthy = plant(5760, seed=1), plant(17_280, seed=2)
    faulty = with_fault(plant(5760, seed=3), "drift", "temperature_c", 2000, 3500, 6.0)
    faults = spans(("M1", 2000 / 360, 3500 / 360, ["temperature_c"]))
    model = detector.fit(train)
    watched = timedelta(seconds=10 * 17_280)

    def alarms(events):
        return evaluate(events, FAULTS.clear(), watched=watched).false_alarms_per_machine_week

    ours = evaluate(events_of(model.score(faulty), "M1"), faults, watched=timedelta(hours=16))
    assert (ours.recall, ours.precision, ours.culprit_in_top3) == (1, 1, 1)
    assert alarms(events_of(model.score(healthy), "M1")) == 0
    scorers = controls(train)
    for name in ("isolation_forest", "t2_q"):
        quiet = alarms(control_events(scorers[name], healthy, "M1"))
        loud = evaluate(control_events(scorers[name], faulty, "M1"), faults, watched=watched)
        assert quiet > 0 or loud.recall == 0 or loud.precision < 1, name
    always = evaluate(control_events(scorers["always"], faulty, "M1"), faults, watched=watched)
    assert always.events == 1
    assert control_events(scorers["random"], healthy, "M1").height <= 1
