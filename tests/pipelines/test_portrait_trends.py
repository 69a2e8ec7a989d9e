"""Trends of portraits: a slow twin in fractions, laws, and edges of windows."""

import random
from datetime import date, timedelta
from itertools import pairwise

import holidays
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.park_schemas import ENTERPRISE_DAYS
from pipelines.portrait_trends import TRENDS, trends
from pipelines.year_before import BY_FESTIVAL, BY_WEEKDAY, festivals, year_before
from tests.pipelines.firms_world import ON, day, days, slow_trends

FESTIVAL = date(2026, 2, 17)


def frame(rows):
    return pl.DataFrame(rows, schema=ENTERPRISE_DAYS)


def only(rows, on=ON):
    return trends(frame(rows), on).row(0, named=True)


@st.composite
def worlds(draw):
    """Two or three firms with holes of every kind; sizes of holes are drawn, places are random."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    on = draw(st.sampled_from([ON, FESTIVAL + timedelta(days=20), FESTIVAL - timedelta(days=3)]))
    rows = []
    for n in range(draw(st.integers(1, 3))):
        back = draw(st.sampled_from([20, 90, 170, 380, 480]))
        holes = draw(st.sampled_from([0.0, 0.1, 0.45]))
        for row in days(f"F{n}", back, on + timedelta(days=2)):
            if rng.random() < holes / 3:
                continue
            row["is_operating"] = rng.choices([row["is_operating"], False, None], [9, 1, holes])[0]
            row["is_collected"] = rng.choices([True, False, None], [9, holes * 9, holes])[0]
            for name in ("running_s", "output", "energy_wh"):
                row[name] = None if rng.random() < holes else rng.choice([0, 1, 7, 10**12])
            rows.append(row)
    return rows, on


@settings(max_examples=30)
@given(worlds())
def test_as_the_slow_twin(world):
    rows, on = world
    fast = {row["uscc"]: row for row in trends(frame(rows), on).to_dicts()}
    slow = slow_trends(rows, on)
    assert fast.keys() == slow.keys()
    for uscc, expected in slow.items():
        for name, value in expected.items():
            is_exact = value is None or isinstance(value, (str, int))
            assert fast[uscc][name] == (
                value if is_exact else pytest.approx(float(value), abs=1e-12)
            )


@settings(max_examples=10)
@given(worlds(), st.integers(2, 50))
def test_scaling_what_is_made_leaves_its_trend(world, k):
    rows, on = world
    scaled = [r | {"output": r["output"] and r["output"] * k} for r in rows]
    before, after = trends(frame(rows), on), trends(frame(scaled), on)
    for name in ("output_trend", "energy_per_output_trend", "running_trend", "energy_trend"):
        for a, b in zip(before[name], after[name], strict=True):
            assert a == b if a is None else a == pytest.approx(b, rel=1e-12, abs=1e-12)


@settings(max_examples=10)
@given(worlds(), st.randoms(use_true_random=False))
def test_nothing_after_the_day_is_read_nor_what_outages_say_nor_the_order(world, rng):
    rows, on = world
    other = [
        r | {"output": 5, "running_s": None, "is_operating": True}
        if r["day"] > on
        else r | ({} if r["is_collected"] else {"output": 9, "energy_wh": None})
        for r in rows
    ]
    rng.shuffle(other)
    assert trends(frame(other), on).equals(trends(frame(rows), on))


@settings(max_examples=10)
@given(worlds())
def test_a_firm_is_as_it_is_without_the_others(world):
    rows, on = world
    alone = trends(frame([r for r in rows if r["uscc"] == "F0"]), on)
    assert trends(frame(rows), on).filter(pl.col("uscc") == "F0").equals(alone)


def test_of_a_steady_firm_unknown_days_change_completeness_only():
    rows = days("A")
    holed = [
        r | ({"output": None, "running_s": None} if r["day"].toordinal() % 3 == 0 else {})
        for r in rows
    ]
    whole, part = only(rows), only(holed)
    assert whole.pop("completeness") == 1.0
    assert part.pop("completeness") < 0.9
    assert whole == part
    assert (whole["output_trend"], whole["energy_per_output_trend"]) == (0.0, 0.0)


def test_growth_is_what_was_planted():
    rows = [r | {"output": 150 if r["day"] > ON - timedelta(days=100) else 100} for r in days("A")]
    found = only(rows)
    assert found["output_trend"] == 0.5
    assert found["energy_per_output_trend"] == pytest.approx(1 / 1.5 - 1)
    assert found["trend_basis"] == BY_WEEKDAY
    assert found["running_h_per_day"] == 10.0


def test_without_a_year_it_compares_with_84_days_before():
    rows = [
        r | {"output": 90 if r["day"] > ON - timedelta(days=84) else 100} for r in days("A", 200)
    ]
    found = only(rows)
    assert found["trend_basis"] == "days_84"
    assert found["output_trend"] == pytest.approx(-0.1)


def test_fourteen_days_compare_and_thirteen_do_not():
    start = ON - timedelta(days=84)
    before = [day("A", start - timedelta(days=n), is_operating=True) for n in range(14)]
    now = [day("A", ON - timedelta(days=n), is_operating=True) for n in range(14)]
    assert only(before + now)["trend_basis"] == "days_84"
    assert only(before[:-1] + now)["trend_basis"] is None
    assert only(before + now[:-1])["running_h_per_day"] is None


def test_who_fell_silent_has_no_row_and_no_calendar_means_nothing_scheduled():
    silent = days("A", on=ON - timedelta(days=84))
    assert trends(frame(silent), ON).is_empty()
    assert trends(frame(days("A", is_operating=None)), ON).is_empty()
    assert trends(frame([]), ON).schema == TRENDS


def test_nothing_before_is_no_trend():
    rows = [r | {"output": 0 if r["day"] < ON - timedelta(days=300) else 5} for r in days("A")]
    found = only(rows)
    assert found["output_trend"] is None
    assert found["energy_per_output_trend"] is None
    assert found["running_trend"] == 0.0


def test_festivals_are_those_of_the_calendar():
    for year in range(2014, 2051):
        named = holidays.country_holidays("CN", years=year, language="en_US")
        first = min(d for d, name in named.items() if "Spring Festival" in name)
        assert festivals()[year - 2014] == first


def test_windows_meet_the_slow_weeks_at_the_same_distance_or_not_at_all():
    def away(end, festival):
        """Which days of the festival's slow weeks the eight weeks up to `end` meet."""
        return {n for n in range(-14, 29) if 0 <= (end - festival).days - n <= 56}

    for before, now in pairwise(festivals()[1:14]):
        for n in range(-200, 150):
            end = now + timedelta(days=n)
            then = year_before(end)
            assert away(end, now) == away(then.day, before)
            assert 330 < (end - then.day).days < 400
            assert then.basis in (BY_WEEKDAY, BY_FESTIVAL)
    assert year_before(FESTIVAL) == (date(2025, 1, 29), BY_FESTIVAL)
    assert year_before(date(2026, 9, 30)) == (date(2025, 10, 1), BY_WEEKDAY)
    assert year_before(date(2060, 1, 30)).basis == BY_WEEKDAY
