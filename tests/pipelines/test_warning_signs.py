from datetime import date, timedelta

import holidays
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import warning_days
from pipelines.warning_days import comparable_days
from pipelines.warning_rules import by_rules
from pipelines.warning_signs import signs
from pipelines.warning_spells import spells
from tests.pipelines import enterprise_courses as ec
from tests.pipelines.slow_signs import levels

STEADY = ec.steady()


def signs_of(days, moved=None):
    return signs(comparable_days(days, ec.sites(days, moved)), ec.peers(days))


def rules(days, moved=None):
    return by_rules(signs_of(days, moved))


def test_festivals_are_those_of_the_holiday_calendar():
    for day in warning_days.SPRING_FESTIVAL:
        names = holidays.country_holidays("CN", years=day.year)
        assert "Spring Festival" in names[day]
        assert "Spring Festival" not in names.get(day - timedelta(days=1), "")


@pytest.mark.parametrize("name", ["running", "output", "energy"])
def test_levels_are_those_of_the_slow_twin(name):
    days = ec.scaled(ec.steady(110, firms=9, seed=4), 70, 71, 0.2)
    days = ec.uncollected(ec.scaled(days, 90, 109, 0.8), 95, 96)
    found = signs_of(days).drop_nulls(name)
    slow = levels(comparable_days(days, ec.sites(days)), ec.peers(days), name)
    fast = {(u, d): v for u, d, v in found.select("uscc", "day", name).iter_rows()}
    assert fast.keys() == slow.keys()
    assert all(fast[key] == pytest.approx(slow[key], abs=1e-9) for key in slow)


def test_few_enterprises_are_held_against_nobody():
    one = ec.steady(120, firms=1)
    assert signs_of(ec.scaled(one, 80, 119, 0.5))["running"].min() < -0.5


def test_a_sector_that_falls_together_is_nobodys_fall():
    days = STEADY.with_columns(
        pl.when(pl.col("day") < ec.day(150)).then("output").otherwise(pl.col("output") // 2)
    )
    assert rules(days).is_empty()


def test_a_steady_enterprise_has_no_warning():
    assert rules(STEADY).is_empty()


@settings(max_examples=6)
@given(st.lists(st.tuples(st.integers(60, 229), st.floats(0, 3)), min_size=1, max_size=3))
def test_one_days_noise_warns_of_nothing(noise):
    days = STEADY
    apart = {n // 15: (n, factor) for n, factor in noise}
    for n, factor in apart.values():
        days = ec.scaled(days, n, n, factor, ("running_s", "output", "energy_wh", "alarms"))
    assert rules(days).is_empty()


@settings(max_examples=6)
@given(st.integers(60, 200), st.integers(1, 28), st.sampled_from(["outage", "rest", "stop"]))
def test_outage_holiday_and_a_short_stop_warn_of_nothing(first, length, what):
    last = first + (min(length, 12) if what == "stop" else length)
    days = {
        "outage": lambda: ec.uncollected(STEADY, first, last),
        "rest": lambda: ec.resting(STEADY, first, last),
        "stop": lambda: ec.resting(STEADY, first, last, said=False),
    }[what]()
    assert rules(days).is_empty()


def test_a_move_is_a_reason_and_a_long_stop_without_one_is_none():
    stop = ec.resting(STEADY, 150, 175, said=False)
    back = ec.scaled(stop, 176, 190, 0.5)
    assert rules(back, moved=ec.day(153)).is_empty()
    stopped = ec.resting(STEADY, 150, 229, said=False)
    assert set(rules(stopped)["rule"]) >= {"output_drop", "running_drop"}


@pytest.mark.parametrize(
    ("rule", "sign", "column", "factor"),
    [("output_drop", "output", "output", 0.6), ("running_drop", "running", "running_s", 0.6),
     ("connectivity_loss", "offline", "terminals_online", 0.6),
     ("alarm_surge", "alarms_usual", "alarms", 8.0)],
)  # fmt: skip
def test_a_rule_wants_as_many_weeks_of_a_new_enterprise(rule, sign, column, factor):
    known = signs_of(STEADY).filter(uscc="U00").drop_nulls(sign)["day"].min()

    def days_to_raise(begun):
        found = rules(ec.scaled(STEADY, begun, 10_000, factor, (column,))).filter(rule=rule)
        return (found["raised_on"].min() - ec.day(begun)).days

    first, later = (known - ec.FIRST).days, days_to_raise(150)
    assert later >= 14
    a_sunday_more_or_less = 2
    assert days_to_raise(first) >= later - a_sunday_more_or_less


@pytest.mark.parametrize("stop", [10, 12, 16, 17, 20, 40])
@pytest.mark.parametrize("before", [ec.uncollected, ec.resting])
def test_days_of_our_outage_and_of_announced_rest_are_no_unexplained_stop(before, stop):
    days = ec.resting(before(STEADY, 145, 159), 160, 159 + stop, said=False)
    kept = comparable_days(days, ec.sites(days)).filter(uscc="U00", running_s=0)["day"]
    worked = [ec.day(n) for n in range(160, 160 + stop) if ec.day(n).weekday() < 6]
    assert kept.to_list() == worked[warning_days.UNEXPLAINED_DAYS :]


def test_a_decline_is_found_by_the_rules_it_concerns():
    found = rules(ec.declining(STEADY, 150, 35, 0.4)).filter(uscc="U00")
    assert set(found["rule"]) == {"output_drop", "running_drop", "energy_decoupling"}
    assert found["raised_on"].min() < ec.day(185)
    assert found["begun_on"].min() > ec.day(140)
    assert found["cleared_on"].null_count() == found.height


def test_silent_terminals_and_alarms_are_found_by_theirs():
    online = pl.when((pl.col("uscc") == "U00") & (pl.col("day") > ec.day(160)))
    days = STEADY.with_columns(
        online.then(25).otherwise("terminals_online").cast(pl.Int64).alias("terminals_online"),
        online.then(pl.col("alarms") * 4).otherwise("alarms").alias("alarms"),
    )
    assert set(rules(days)["rule"]) == {"connectivity_loss", "alarm_surge"}


def test_without_a_calendar_its_weekdays_tell_when_it_works():
    unsaid = STEADY.with_columns(is_operating=pl.lit(None, pl.Boolean()))
    kept = comparable_days(unsaid, ec.sites(unsaid))
    assert kept.filter(pl.col("day") > ec.day(30))["weekday"].max() == 6
    assert rules(unsaid).is_empty()


@settings(max_examples=4)
@given(st.integers(120, 229))
def test_later_days_change_no_earlier_sign_or_warning(cut):
    days = ec.declining(ec.scaled(STEADY, 100, 108, 0.6), 150, 35, 0.4)
    early = days.filter(pl.col("day") <= ec.day(cut))
    whole = signs_of(days)
    assert signs_of(early).equals(whole.filter(pl.col("day") <= ec.day(cut)))
    told = by_rules(whole).filter(pl.col("raised_on") <= ec.day(cut))
    kept = ["warning_id", "severity", "confidence", "begun_on", "raised_on", "value", "evidence"]
    assert by_rules(signs_of(early)).select(kept).equals(told.select(kept))


def course(*values):
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(len(values))]
    return pl.DataFrame({"uscc": "U", "day": days, "x": values}, schema_overrides={"x": pl.Int64})


def told(days):
    x = pl.col("x")
    found = spells(days, above=x > 1, below=x < 1, persist=2, calm=2)
    names = ("begun_on", "raised_on", "seen_on", "cleared_on")
    return [tuple(row[n] and row[n].day for n in names) for row in found.iter_rows(named=True)]


def test_a_spell_is_raised_when_it_persists_and_cleared_when_it_is_calm():
    assert told(course(0, 2, 0, 2, 2, 1, 2, 0, 1, 0, 0, 2, 2)) == [
        (4, 5, 7, 11),
        (12, 13, 13, None),
    ]
    assert told(course(2, 2, None, 2, 0)) == [(1 + 1, 2, 4, None)]
    assert told(course(0, 2, 0, 2, 0)) == []
