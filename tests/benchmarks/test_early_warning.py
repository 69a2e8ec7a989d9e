from datetime import date, timedelta

import polars as pl
import pytest
from rich.console import Console

from benchmarks import early_warning, early_warning_control
from benchmarks.early_warning_control import Control, worked
from benchmarks.early_warning_scores import by_depth_and_length, scored, together
from connectors.simulator.firm_years import DISTRESS, HARMLESS, FirmYears, firm_years
from tests.pipelines import enterprise_courses as ec

START = date(2025, 1, 1)


def day(n):
    return START + timedelta(days=n)


def ill(uscc, signs, bottom, depth=0.3):
    return {
        "uscc": uscc, "signs_on": day(signs), "begun_on": day(signs), "bottom_on": day(bottom),
        "depth": depth, "length_days": bottom - signs,
    }  # fmt: skip


@pytest.fixture
def year():
    harmless = [
        {"uscc": "C", "pattern": "maintenance", "first_on": day(10), "last_on": day(20)},
        {"uscc": "A", "pattern": "maintenance", "first_on": day(10), "last_on": day(20)},
        {"uscc": "D", "pattern": "maintenance", "first_on": day(-30), "last_on": day(-1)},
    ]
    return FirmYears(
        days=pl.DataFrame(),
        sites=pl.DataFrame(),
        firms=pl.DataFrame({"uscc": ["A", "B", "C", "D"]}),
        distress=pl.DataFrame([ill("A", 100, 142), ill("B", 200, 214, 0.12)], schema=DISTRESS),
        harmless=pl.DataFrame(harmless, schema=HARMLESS),
        judged_from=START,
        judged_to=day(364),
    )


def told(*raised):
    return pl.DataFrame(
        [{"uscc": u, "raised_on": day(n)} for u, n in raised],
        schema={"uscc": pl.String(), "raised_on": pl.Date()},
    )


def test_hits_are_from_the_first_sign_to_the_grace_and_the_first_has_the_lead(year):
    sheet = scored(told(("A", 110), ("A", 156), ("A", 157), ("B", 199), ("C", -1)), year)
    assert sheet.judged.select("is_hit", "is_late").rows() == [
        (True, False), (True, False), (False, True), (False, False),
    ]  # fmt: skip
    assert (sheet.precision, sheet.recall, sheet.median_lead) == (0.5, 0.5, 32.0)
    assert (sheet.healthy, sheet.healthy_warned) == (2, 0)


def test_a_pattern_is_warned_on_until_its_tail_ends(year):
    for n, warned in ((9, 0), (10, 1), (48, 1), (49, 0)):
        sheet = scored(told(("C", n)), year)
        counts = sheet.harmless.select("firm_years", "warned", "sound", "sound_warned")
        assert counts.rows() == [(2, warned, 1, warned)]
        assert sheet.healthy_warned == 1


def test_no_warning_at_all_has_no_precision_and_no_lead(year):
    sheet = scored(told(), year)
    assert str(sheet.precision) == "nan"
    assert (sheet.recall, sheet.f1) == (0.0, 0.0)


def test_the_curve_counts_every_distress_once(year):
    sheet = together([scored(told(("A", 110)), year)] * 2)
    cells = by_depth_and_length(sheet)
    assert cells.select("depth", "weeks", "distresses", "found").rows() == [
        ("10-20 %", "2-4 wk", 2, 0), ("30-40 %", "6-8 wk", 2, 2),
    ]  # fmt: skip


def test_the_control_falls_when_its_average_does():
    days = ec.scaled(ec.steady(120, firms=2), 80, 119, 0.5)
    year = firm_years(1, 1)
    found = Control(12, 24, 0.8).warnings(worked(_with(year, days)))
    assert found["uscc"].to_list() == ["U00"]
    assert ec.day(80) < found["raised_on"].item() < ec.day(95)


def _with(year, days):
    return FirmYears(
        days, year.sites, year.firms, year.distress, year.harmless, year.judged_from, year.judged_to
    )


def test_the_sheet_is_drawn_of_a_small_seed(monkeypatch, capsys):
    monkeypatch.setattr(early_warning, "SEARCHED", 8)
    monkeypatch.setattr(early_warning_control, "FRACTIONS", (0.6, 0.8))
    monkeypatch.setattr(early_warning_control, "EARLIER", (24,))
    found = early_warning.contenders([early_warning.Seen.of(1, 30)])
    Console(width=118).print(
        early_warning._summary(found),
        early_warning._patterns(found),
        early_warning._curve(found["ours"]),
        early_warning._reliability(found["ours"]),
    )
    printed = capsys.readouterr().out
    assert "moving average" in printed
    assert "spring_festival *" in printed
    assert "precision" in printed
