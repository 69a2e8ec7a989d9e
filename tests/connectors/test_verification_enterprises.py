"""Warnings and portraits beside the truth: hits, leads, harmless enterprises, trends."""

from datetime import date, timedelta

import polars as pl
import pytest

from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.simulator.district.running import COURSES_OF, DISTRESS, TRENDS
from connectors.verification import enterprises
from connectors.verification.truth import Truth
from pipelines.park_figures import PORTRAITS
from pipelines.park_schemas import ENTERPRISE_DAYS, WARNINGS

ON = date(2026, 11, 17)


def ago(days):
    return ON - timedelta(days=days)


def warning(uscc, raised_on, rule="distress"):
    row = dict.fromkeys(WARNINGS) | {"warning_id": f"{rule}-{uscc}-{raised_on}", "uscc": uscc}
    return row | {"rule": rule, "raised_on": raised_on}


@pytest.fixture
def truth(tmp_path):
    """Two in distress (bottom 100 and 10 days ago), two healthy ones, a year that is judged."""
    rows = [
        {"uscc": "A", "signs_on": ago(160), "begun_on": ago(150), "bottom_on": ago(100)},
        {"uscc": "B", "signs_on": ago(60), "begun_on": ago(60), "bottom_on": ago(10)},
    ]
    pl.DataFrame(rows, schema=DISTRESS).write_parquet(tmp_path / "distress.parquet")
    firms = [
        {"uscc": uscc, "kind": "course", "judged_from": ago(364), "judged_to": ON}
        for uscc in "ABCD"
    ]
    pl.DataFrame(firms, schema=COURSES_OF).write_parquet(tmp_path / "courses.parquet")
    trend = {"reference_date": ON, "uscc": "C", "running_h_per_day": 20.0, "running_trend": 0.1,
             "output_trend": 0.2, "energy_trend": -0.1, "energy_per_output_trend": -0.25,
             "trend_basis": "year_by_weekday", "is_complete": True}  # fmt: skip
    trends = [trend, trend | {"uscc": "D", "is_complete": False}]
    pl.DataFrame(trends, schema=TRENDS).write_parquet(tmp_path / "trends.parquet")
    return Truth(tmp_path, {})


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home").create(first_day=ON, now_offset_s=0.0)
    one = dict.fromkeys(ENTERPRISE_DAYS) | {"uscc": "A", "day": ON}
    days = pl.DataFrame([one], schema=ENTERPRISE_DAYS)
    Lake(made.lake).write("enterprise_days", days, Partition())
    return made


def found(home, truth, *rows):
    Lake(home.lake).write("warnings", pl.DataFrame(list(rows), schema=WARNINGS), Partition())
    return enterprises.warnings(home, truth)


def test_hits_lead_and_false_ones_are_counted(home, truth):
    part = found(
        home, truth,
        warning("A", ago(130)), warning("A", ago(95)),  # 30 days ahead, and again within the grace
        warning("A", ago(85)),  # after it: false
        warning("C", ago(5)),
        warning("D", ago(365)),  # before the year that is judged
        warning("D", ago(5), "stale_declaration"), warning("Z", ago(5)),
    )  # fmt: skip
    assert part == {
        "planted": 2, "found": 1, "recall": 0.5, "precision": 0.5, "median_lead_days": 30.0,
        "harmless_firms": 2, "harmless_warned": 1, "harmless_share": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize(("day", "is_hit"), [(161, False), (160, True), (86, True), (85, False)])
def test_from_the_first_sign_to_a_fortnight_after_the_bottom(home, truth, day, is_hit):
    assert found(home, truth, warning("A", ago(day)))["found"] == int(is_hit)


def test_without_a_warning_there_is_nothing_to_divide(home, truth):
    part = found(home, truth)
    assert (part["recall"], part["precision"], part["median_lead_days"]) == (0.0, None, None)


def test_warnings_without_days_of_enterprises_were_not_computed(home, truth):
    Lake(home.lake).write("enterprise_days", ENTERPRISE_DAYS.to_frame(), Partition())
    assert found(home, truth) is None


def portrait(uscc="C", **facts):
    row = dict.fromkeys(PORTRAITS) | {
        "reference_date": ON, "uscc": uscc, "running_h_per_day": 20.0, "running_trend": 0.1,
        "output_trend": 0.2, "energy_trend": -0.1, "energy_per_output_trend": -0.25,
        "trend_basis": "year_by_weekday",
    }  # fmt: skip
    return row | facts


def compared(home, truth, *rows):
    Lake(home.lake).write("portraits", pl.DataFrame(list(rows), schema=PORTRAITS), Partition())
    return enterprises.portraits(home, truth)


def test_equal_trends_are_equal_and_incomplete_ones_are_not_asked(home, truth):
    part, unequal = compared(home, truth, portrait(), portrait("D", output_trend=0.9))
    assert part == {
        "complete": 1, "missing": 0, "unequal": 0, "max_abs_error": 0.0, "incomplete": 1,
    }  # fmt: skip
    assert unequal.is_empty()


@pytest.mark.parametrize(
    "facts", [{"output_trend": 0.21}, {"energy_trend": None}, {"trend_basis": "days_84"}]
)
def test_a_trend_that_differs_is_named(home, truth, facts):
    part, unequal = compared(home, truth, portrait(**facts))
    assert part["unequal"] == 1
    assert enterprises.differing(unequal).startswith("C output")


def test_portraits_of_another_day_are_not_compared_and_one_that_lacks_is_missing(home, truth):
    assert compared(home, truth, portrait(reference_date=ago(1)))[0] is None
    both = pl.read_parquet(truth.folder / "trends.parquet").with_columns(is_complete=True)
    both.write_parquet(truth.folder / "trends.parquet")
    assert compared(home, truth, portrait())[0]["missing"] == 1
