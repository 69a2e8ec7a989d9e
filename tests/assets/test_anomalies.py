"""Which day each machine of a factory learns from."""

from datetime import date, datetime
from types import SimpleNamespace as Some
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.schemas import COVERAGE

FIRST = date(2026, 11, 16)


def at(day):
    return datetime(2026, 11, day, tzinfo=ZoneInfo("Asia/Shanghai"))


def test_a_machine_that_stood_still_learns_from_the_next_whole_day(home, monkeypatch):
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
