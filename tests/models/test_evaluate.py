from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from plants import START, plant, with_fault

from models import detector
from models.controls import control_events, controls
from models.evaluate import evaluate, events_of, outcomes, recall_by, withholding


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
    assert alarms(control_events(scorers["random"], healthy, "M1")) > 0


def test_an_alarm_that_rings_already_finds_nothing_and_is_false():
    events = spans(("M1", 9.9, 13, ["vibration_x"]), ("M2", 20, 21, ["flow"]))
    got = evaluate(events, FAULTS, watched=timedelta(days=7), step=timedelta(minutes=10))
    assert (got.found, got.matched, got.events) == (1, 1, 2)
    assert (got.median_delay_min, got.median_delay_rows, got.median_delay_share) == (0, 0, 0)


def test_an_alarm_is_prompt_within_a_tenth_of_the_fault():
    for late_h, is_prompt in ((0.2, True), (0.21, False)):
        events = spans(("M1", 10 + late_h, 12, []))
        assert outcomes(events, FAULTS)["is_prompt"].to_list() == [is_prompt, False, False]


def test_outcomes_by_kind_and_by_magnitude():
    faults = FAULTS.with_columns(
        kind=pl.Series(["step", "step", "drift"]), magnitude=pl.Series([1.5, None, 7.0])
    )
    events = spans(("M1", 10.5, 11, ["a", "vibration_x"]), ("M3", 5.25, 6, ["b"]))
    told = outcomes(events, faults)
    assert told["is_found"].to_list() == [True, False, True]
    assert told["delay_s"].to_list() == [1800, None, 900]
    assert told["delay_share"].to_list() == [0.25, None, 0.25]
    assert told["is_culprit_named"].to_list() == [True, False, False]
    assert told["is_prompt"].to_list() == [False, False, False]
    slow = timedelta(minutes=3)
    assert outcomes(events, faults, step=slow)["is_prompt"].to_list() == [False, False, True]
    kinds = recall_by(told)
    assert kinds["kind"].to_list() == ["drift", "step"]
    assert kinds["recall"].to_list() == [1.0, 0.5]
    sizes = recall_by(told, "magnitude")
    assert sizes["magnitude"].to_list() == ["1.5-2.5", "above 6", "no size"]
    assert sizes["found"].to_list() == [1, 1, 0]


def test_a_perfect_detector_is_perfect():
    events = FAULTS
    got = evaluate(events, FAULTS, watched=timedelta(days=7))
    assert (got.recall, got.precision, got.culprit_in_top3) == (1, 1, 1)
    assert (got.median_delay_min, got.false_alarms_per_machine_week, got.prompt_recall) == (0, 0, 1)


class Honest:
    """Running mean: causal."""

    def score(self, frame):
        values = frame["a"].cum_sum() / pl.int_range(1, frame.height + 1, eager=True)
        return pl.DataFrame(
            {"score": values, "contributors": [[{"sensor": "a", "share": v}] for v in values]}
        )


class Peeking(Honest):
    """Scales by the largest value of the rows it is given, as a figure over a whole file would."""

    def score(self, frame):
        scored = super().score(frame)
        return scored.with_columns(pl.col("score") / frame["a"].max())


class Late(Honest):
    """Knows nothing of later rows but in one cell of a nested column."""

    def score(self, frame):
        scored = super().score(frame)
        listed = scored["contributors"].to_list()
        if frame.height > 80:
            listed[40] = []
        return scored.with_columns(contributors=pl.Series(listed))


def test_withholding_finds_who_looks_ahead():
    values = np.random.default_rng(5).random(100)
    frame = pl.DataFrame({"a": values})
    frame[90, "a"] = 7.0
    assert withholding(Honest(), frame, [1, 50, 80, 99]) is None
    peek = withholding(Peeking(), frame, [50, 95])
    assert (peek.cut, peek.row, peek.column) == (50, 0, "score")
    assert peek.with_later != peek.without
    assert withholding(Peeking(), frame, [95]) is None
    peek = withholding(Late(), frame, [30, 60])
    assert (peek.cut, peek.row, peek.column, peek.with_later) == (60, 40, "contributors", [])
