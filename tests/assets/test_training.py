"""Detectors learn from the first local day that was collected whole."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from assets.training import TRIED, training_spans
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


def test_a_machine_that_stood_still_learns_from_the_next_whole_day(home, monkeypatch):
    from types import SimpleNamespace as Some

    from assets import anomalies

    runs = {16: ["M1", "M3"], 17: ["M1", "M2"], 18: ["M1", "M2", "M4"]}
    units = ["M1", "M2", "M3", "M4"]
    asked = []

    def machines_of(factory, days, tags):
        asked.append(days[0].day)
        present = units if days[0].day < 18 else units[:3]
        return [Some(key={"work_unit_id": unit}, day=days[0].day) for unit in present]

    def fit(machine, start, end):
        learned = machine.key["work_unit_id"] in runs[machine.day]
        return Some(detector=Some(base=object() if learned else None))

    coverage = pl.DataFrame([("a", "F01", at(16), at(19))], schema=COVERAGE, orient="row")
    monkeypatch.setattr(anomalies, "HOME", Some(first_day=FIRST))
    monkeypatch.setattr(anomalies, "coverage_of", lambda factory: coverage)
    monkeypatch.setattr(anomalies, "machines_of", machines_of)
    monkeypatch.setattr(anomalies, "fit", fit)
    monkeypatch.setattr(
        anomalies, "_registered", lambda model, span, machine: (machine.key, span.start)
    )
    tags = pl.DataFrame({"work_unit_id": units, "machine_type": "t", "server_uri": "a"})
    taught = {key["work_unit_id"]: start for key, start in anomalies.fitted("F01", tags)}
    assert taught == {"M1": at(16), "M2": at(17), "M3": at(16), "M4": at(16)}
    assert asked == [16, 17, 18]
    asked.clear()
    only = tags.filter(pl.col("work_unit_id") == "M1")
    monkeypatch.setattr(
        anomalies,
        "machines_of",
        lambda f, days, t: [m for m in machines_of(f, days, t) if m.key["work_unit_id"] == "M1"],
    )
    anomalies.fitted("F01", only)
    assert asked == [16]
