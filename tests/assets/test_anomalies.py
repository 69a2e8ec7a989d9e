"""Which day each machine of a factory learns from first."""

from datetime import date, datetime
from types import SimpleNamespace as Some
from zoneinfo import ZoneInfo

import polars as pl

from models.registry import Appointment, Register, Version
from models.training import training_spans, whole_days
from pipelines.schemas import COVERAGE

FIRST = date(2026, 11, 16)


def at(day):
    return datetime(2026, 11, day, tzinfo=ZoneInfo("Asia/Shanghai"))


def test_a_machine_that_stood_still_learns_from_the_next_whole_day(home, monkeypatch):
    from assets import factory_models, first_models

    runs = {16: ["M1", "M3"], 17: ["M1", "M2"], 18: ["M1", "M2", "M4"]}
    units = ["M1", "M2", "M3", "M4"]
    asked = []

    def machines_of(factory, days, tags):
        asked.append(days[0].day)
        present = units if days[0].day < 18 else units[:3]
        return [
            Some(key={"work_unit_id": unit}, day=days[0].day, machine_type="t") for unit in present
        ]

    def fit(machine, start, end):
        learned = machine.key["work_unit_id"] in runs[machine.day]
        return Some(detector=Some(base=object() if learned else None))

    def version(factory, register, machine, model, spans):
        days = tuple(start.astimezone(ZoneInfo("Asia/Shanghai")).date() for start, _ in spans)
        return Version(
            machine.key["work_unit_id"], "t", 1, days, 1.0, 500,
            model.detector.base is not None, "p", "s", "f", "c", "", "", "now", "{}",
        )  # fmt: skip

    monkeypatch.setattr(factory_models, "machines_of", machines_of)
    monkeypatch.setattr(first_models, "fit", fit)
    monkeypatch.setattr(first_models, "fit_type", lambda *_: None)
    monkeypatch.setattr(first_models, "version_of", version)
    coverage = pl.DataFrame([("a", "F01", at(16), at(19))], schema=COVERAGE, orient="row")

    def taught(names):
        factory = factory_models.Factory(
            "F01", pl.DataFrame(), pl.DataFrame(), pl.DataFrame(),
            dict.fromkeys(names, whole_days(coverage, FIRST)),
            dict.fromkeys(names, training_spans(coverage, FIRST)), "now",
        )  # fmt: skip
        return first_models.firsts(factory, Register())

    made = taught(units)
    versions = {one.work_unit_id: one for one in made if isinstance(one, Version)}
    days = {unit: one.trained_to.day for unit, one in versions.items()}
    assert days == {"M1": 16, "M2": 17, "M3": 16, "M4": 16}
    assert [one.learned for one in versions.values()] == [True, True, True, False]
    since = {one.work_unit_id: one.since.day for one in made if isinstance(one, Appointment)}
    assert since == {unit: day + 1 for unit, day in days.items()}
    assert asked == [16, 17, 18, 16]  # and the first once more, for what others of M4's type did
    asked.clear()
    taught(["M1"])
    assert asked == [16]
