"""Who judges next: a challenger that is worse in anything is never promoted."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plants import plant, with_fault
from shopfloor import DAY, KEY, cycles, day, plan

from models import promotion
from models.deviations import ROWS_AS_ONE, kept_promise, rounds
from models.machine import Machine, fit_days
from models.promotion import (
    NO_VERDICTS,
    VERDICTS,
    Judgement,
    decide,
    judged,
    teaches_nothing,
)
from pipelines.days import day_of, midnight

ONE = timedelta(days=1)
FIRST = day_of(DAY)
PER_DAY = 1440


def machine(days=4, seed=1, faults=()):
    """A machine that made pieces all day, at 60 s; `faults`: sensor, first and last row, size."""
    values = plant(days * PER_DAY, seed=seed, step_s=60.0)
    for sensor, start, end, size in faults:
        values = with_fault(values, "step", sensor, start, end, size)
    start = midnight(FIRST)
    times = [start + timedelta(minutes=n) for n in range(values.height)]
    values = values.drop("timestamp").with_columns(
        pl.Series("time", times, dtype=pl.Datetime("us", "UTC")),
        **{name: pl.lit(value) for name, value in KEY.items()},
    )
    made = [day(n, start + n * ONE) for n in range(days)]
    return Machine(
        dict(KEY), "press", values, pl.concat(m[0] for m in made), pl.concat(m[1] for m in made),
        cycles(), {},
    )  # fmt: skip


def spans(*days):
    return [(midnight(FIRST + n * ONE), midnight(FIRST + (n + 1) * ONE)) for n in days]


PLAN = pl.concat([plan(midnight(FIRST) + n * ONE) for n in range(4)])

counts = st.integers(0, 24)
judgements = st.builds(
    Judgement,
    false_alarms=st.integers(0, 3),
    machine_weeks=st.just(0.14),
    trials=st.just(24),
    found=counts,
    delay_rows=st.none(),
    found_by_size=st.just({}),
    confirmed=st.sets(st.sampled_from(["e1", "e2"])).map(lambda s: tuple(sorted(s))),
    near_share=st.just(0.1),
)


@given(judgements, judgements, st.booleans())
def test_a_challenger_that_is_worse_in_anything_is_never_promoted(champion, challenger, drifted):
    decision = decide(champion, challenger, drifted=drifted)
    worse = (
        challenger.false_alarms > champion.false_alarms
        or challenger.found < champion.found
        or bool(set(champion.confirmed) - set(challenger.confirmed))
    )
    better = challenger.false_alarms < champion.false_alarms or challenger.found > champion.found
    assert decision.promote == (not worse and (better or drifted))
    assert decision.why
    assert "\n" not in decision.why


@given(judgements, judgements, st.booleans())
def test_of_two_that_luck_may_part_the_one_of_more_days_judges(champion, challenger, drifted):
    decision = decide(champion, challenger, drifted=drifted, longer=True)
    lost = set(champion.confirmed) - set(challenger.confirmed)
    assert not (lost and decision.promote)
    assert not (challenger.false_alarms > champion.false_alarms + 1 and decision.promote)
    if decide(champion, challenger, drifted=drifted).promote:
        assert decision.promote
    spread = (champion.found * (1 - champion.found / champion.trials)) ** 0.5
    if challenger.found < champion.found - spread:
        assert not decision.promote
    same = replace(champion, confirmed=())
    assert decide(same, same, drifted=False, longer=True).promote


def test_without_a_deviation_put_in_nobody_is_promoted():
    blind = Judgement(1, 0.1, 0, 0, None, {}, (), 0.0)
    assert not decide(blind, replace(blind, false_alarms=0), drifted=True).promote


@pytest.fixture(scope="module")
def four_days():
    return machine()


@pytest.fixture(scope="module")
def model(four_days):
    return fit_days(four_days, spans(0, 1))


def test_large_deviations_are_found_and_the_same_ones_every_time(four_days, model):
    held = [FIRST + 3 * ONE]
    found = judged(four_days, model, PLAN, held)
    assert found.trials == sum(len(put_in) for _, put_in in rounds_of(four_days, held))
    assert found.trials >= 40
    assert found.false_alarms <= 1
    assert found.found_by_size["4"] >= found.found_by_size["1"]
    assert found.found_by_size["4"] >= 3
    assert found.machine_weeks == pytest.approx(1 / 7, abs=1e-4)
    assert judged(four_days, model, PLAN, held) == found


def rounds_of(one, held):
    rows = promotion.held_rows(one, held)
    return list(rounds(rows, promotion.seed_of(one, held)))


def test_what_a_model_of_few_days_may_not_tell_it_has_not_found(four_days, model):
    whole = judged(four_days, model, PLAN, [FIRST + 3 * ONE])
    doubtful = judged(four_days, replace(model, training_days=0.1), PLAN, [FIRST + 3 * ONE])
    assert doubtful.trials == whole.trials
    assert doubtful.found < whole.found


def test_a_deviation_changes_one_signal_and_only_its_rows(four_days):
    held = [FIRST + 3 * ONE]
    rows = promotion.held_rows(four_days, held)
    for changed, put_in in rounds_of(four_days, held):
        assert len({one.sensor for one in put_in}) == len(put_in)
        for name in rows.columns:
            own = [one for one in put_in if one.sensor == name]
            same = (rows[name] == changed[name]).fill_null(value=True).to_numpy()
            inside = np.zeros(rows.height, dtype=bool)
            for one in own:
                inside[one.at : one.until] = True
            assert same[~inside].all()
            assert not own or not same[inside][1:].any()


def test_a_model_of_another_machine_does_not_take_over(four_days, model):
    """Its limits are of a louder machine: it finds less."""
    loud = machine(seed=9)
    noise = np.random.default_rng(4)
    values = loud.values.with_columns(
        (
            pl.col(name)
            + pl.Series(noise.normal(0, 6 * float(loud.values[name].std()), loud.values.height))
        )
        for name in ("temperature_c", "pressure_bar", "speed_rpm", "vibration_mm_s")
    )
    blunt = fit_days(replace(loud, values=values), spans(0, 1))
    held = [FIRST + 3 * ONE]
    champion, challenger = (judged(four_days, one, PLAN, held) for one in (model, blunt))
    assert challenger.found < champion.found
    assert not decide(champion, challenger, drifted=True).promote


def test_events_that_somebody_confirmed_are_no_false_alarms_and_must_not_be_lost():
    at = 3 * PER_DAY + 600
    faulty = machine(faults=[("temperature_c", at, at + 120, 20.0)])
    sharp = fit_days(faulty, spans(0, 1))
    held = [FIRST + 3 * ONE]
    start = midnight(FIRST) + timedelta(minutes=at)
    said = pl.DataFrame(
        [("e1", KEY["work_unit_id"], start, start + timedelta(minutes=120), "true")],
        schema=VERDICTS, orient="row",
    )  # fmt: skip
    alone, told = (judged(faulty, sharp, PLAN, held, v) for v in (NO_VERDICTS, said))
    assert alone.false_alarms > 0
    assert (told.false_alarms, told.machine_weeks, told.confirmed) == (0, 0.0, ("e1",))
    blind = replace(told, confirmed=())
    assert "confirmed events are lost: e1" in decide(told, blind, drifted=True).why
    assert teaches_nothing(
        [FIRST, *held], PLAN, promotion.confirmed(said, KEY["work_unit_id"])
    ) == set(held)
    dismissed = said.with_columns(verdict=pl.lit("false"))
    assert promotion.confirmed(dismissed, KEY["work_unit_id"]).is_empty()


def test_of_a_journal_the_last_word_counts():
    at = midnight(FIRST)
    rows = [("e1", "M1", at, None, "true"), ("e2", "M1", at, None, "true"),
            ("e1", "M1", at, None, None), ("e1", "M1", at, None, "false")]  # fmt: skip
    journal = pl.DataFrame(rows, schema=VERDICTS, orient="row").with_columns(by=pl.lit("li"))
    found = promotion.verdicts_of(journal)
    assert found.schema == VERDICTS
    assert dict(zip(found["event_id"], found["verdict"], strict=True)) == {
        "e1": "false",
        "e2": "true",
    }
    assert promotion.verdicts_of(journal.clear()).is_empty()


def test_a_day_of_maintenance_only_teaches_nothing():
    kept = PLAN.with_columns(
        kind=pl.when(pl.col("production_day") == FIRST + ONE)
        .then(pl.lit("planned_maintenance"))
        .otherwise("kind")
    )
    days = [FIRST + n * ONE for n in range(3)]
    kept = kept.with_columns(
        start=pl.col("production_day").map_elements(midnight, pl.Datetime("us", "UTC")),
    ).with_columns(end=pl.col("start") + timedelta(days=1))
    assert teaches_nothing(days, kept, promotion.confirmed(NO_VERDICTS, "x")) == {FIRST + ONE}


def test_the_promise_is_the_level_that_exponential_tails_pass_once_a_week():
    rng = np.random.default_rng(1)
    quiet, loud = rng.exponential(0.05, (20_000, 1)), rng.exponential(0.5, (20_000, 1))
    assert kept_promise(quiet, 1440.0) == pytest.approx(1.0)
    (limit,) = kept_promise(loud, 1440.0)
    a_week = 7 * 1440 / ROWS_AS_ONE
    assert np.exp(-limit / 0.5) * a_week == pytest.approx(1.0, rel=0.3)


def test_a_machine_cut_to_days_apart_has_nothing_between(four_days):
    own = spans(0, 2)
    cut = four_days.within(own)
    for frame, name in ((cut.values, "time"), (cut.increments, "to_time")):
        inside = pl.any_horizontal(pl.col(name).is_between(*one, closed="left") for one in own)
        assert frame.filter(~inside).is_empty()
        assert frame.height
    assert (cut.episodes["start"] < cut.episodes["end"]).all()
    assert cut.rows["time"].dt.date().n_unique() >= 2


def test_days_that_touch_are_one_to_what_reaches_over_midnight(four_days):
    """A machine that ran through midnight is as warm on the next day as it was."""
    one, other = spans(0, 1)
    morning = pl.col("time").is_between(other[0], other[0] + timedelta(hours=6), closed="left")
    both, alone = (four_days.within(own).rows.filter(morning) for own in ([one, other], [other]))
    assert both.height > alone.height
    assert both.height == four_days.rows.filter(morning).height
