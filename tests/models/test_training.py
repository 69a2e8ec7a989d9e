"""Detectors learn from the first local day that was collected whole."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from models.training import TRIED, training_spans
from pipelines.schemas import COVERAGE

FIRST = date(2026, 11, 16)


def at(day, hour=0.0):
    local = datetime(2026, 11, day, tzinfo=ZoneInfo("Asia/Shanghai"))
    return local + timedelta(hours=hour)


def spans(*windows):
    rows = [(uri, "F01", start, end) for uri, start, end in windows]
    return training_spans(pl.DataFrame(rows, schema=COVERAGE, orient="row"), FIRST)


@pytest.mark.parametrize(
    ("windows", "days"),
    [
        ([("a", at(16), at(18, 2))], [16, 17]),
        ([("a", at(16, 20.5), at(18, 20.5))], [17]),
        ([("a", at(15), at(17))], [16]),
        ([("a", at(16), at(17, 9)), ("a", at(17, 10), at(19))], [16, 18]),
        ([("a", at(16), at(19)), ("b", at(16, 1), at(19))], [17, 18]),
        ([("b", at(17), at(19)), ("a", at(16), at(19))], [17, 18]),
    ],
    ids=str,
)
def test_a_training_day_is_whole_on_every_server(windows, days):
    found = spans(*windows)
    assert [(one.start, one.end) for one in found] == [(at(day), at(day + 1)) for day in days]
    assert all(one.days == 1.0 and one.notes == [] for one in found)


def test_without_a_whole_day_what_there_is_of_the_first_is_taken_and_said():
    (found,) = spans(("a", at(16, 20.5), at(17, 10)))
    assert (found.start, found.end) == (at(16, 20.5), at(17))
    assert found.days == pytest.approx(3.5 / 24)
    assert found.notes == ["learned from 3.5 h of 2026-11-16: no day is collected whole yet"]


def test_a_week_of_days_is_tried_and_no_coverage_gives_the_first_day():
    assert len(spans(("a", at(16), at(29)))) == TRIED
    (found,) = spans()
    assert (found.start, found.end) == (at(16), at(17))
