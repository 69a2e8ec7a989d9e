from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from rich.console import Console

from benchmarks import exam, exam_controls, examined

START = datetime(2026, 11, 12, 4, tzinfo=UTC)


def span(unit, first_h, hours, **more):
    start = START + timedelta(hours=first_h)
    return {
        "factory_id": "F01", "work_unit_id": unit, "start": start,
        "end": start + timedelta(hours=hours), **more,
    }  # fmt: skip


def fault(unit, first_h, hours, kind, magnitude, *signals):
    return span(
        unit, first_h, hours, fault_id=f"{unit}-{first_h}", kind=kind, magnitude=magnitude,
        signals=list(signals),
    )  # fmt: skip


FAULTS = [
    fault("M1", 0, 10, "sensor_offset", 1.2, "a"),
    fault("M1", 48, 10, "sensor_offset", 3.0, "b"),
    fault("M2", 0, 20, "bearing_wear", 4.5, "a"),
    fault("M2", 72, 5, "speed_loss", 6.0),
    fault("M3", 0, 5, "sensor_frozen", 0.0, "a"),
]


@pytest.fixture
def sheet():
    events = [
        span("M1", 49, 2, kind="sensor_offset", signals=["x", "b"]),
        span("M2", 5, 2, kind="sensor_drift", signals=["x"]),
        span("M2", 72, 5, kind="speed_loss", signals=[]),
        span("M4", 0, 1, kind="sensor_drift", signals=["a"]),
    ]
    machines = pl.DataFrame({"factory_id": "F01", "work_unit_id": [f"M{n}" for n in range(1, 8)]})
    return examined.Sheet(pl.DataFrame(events), pl.DataFrame(FAULTS), machines, days=7)


def test_the_sheet_tells_kinds_magnitudes_and_delays(sheet, capsys):
    examined.show(sheet)
    said = [line.replace("│", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["sensor_offset", "0/1", "1/1", "1/2"] in said
    assert ["bearing_wear", "1/1", "1/1"] in said
    assert ["sensor_frozen", "0/1", "0/1"] in said
    assert ["all", "0/1", "1/1", "2/2", "0/1", "3/5"] in said  # 6.0 is the greatest
    figures = {" ".join(words[:-1]): words[-1] for words in said if words}
    assert figures["recall"] == "0.60"
    assert figures["precision"] == "0.75"
    assert figures["the same of machines without faults"] == "0.25"  # M4, of four
    assert figures["median delay of steps, samples"] == "40.0"
    assert figures["median delay of drifts, of their length"] == "0.25"
    assert figures["culprit in the first three"] == "0.67"  # a fault of a rate by its kind


def test_controls_stand_beside_at_no_more_false_alarms(sheet, capsys):
    """Three machines of 400 rows: a control that finds two faults, and cries once for nothing."""
    quality = examined.show(sheet)
    score = np.zeros(400)
    score[100:150] = 3.0
    loud = score.copy()
    loud[300:350] = 2.0
    told = exam_controls.Answers(
        {"t2_q": [loud, score, np.zeros(400)], "always": [np.full(400, 2.0)] * 3},
        [[(100, 160)], [(90, 160)], [(0, 50), (200, 250)]],
    )
    console = Console(width=110)
    with console.capture() as kept:
        console.print(exam_controls.table(quality, told, 2.0))
    rows = [line.replace("│", " ").split() for line in kept.get().splitlines()]
    assert ["ours", "0.75", "1", "0.50"] in rows
    assert ["t2_q", "0.50", "1", "0.50", "+0.25"] in rows
    assert ["t2_q", "*", "0.50", "0", "0.00", "+0.25"] in rows
    assert ["always", "0.25", "2", "1.00"] in rows
    assert exam_controls.weeks(sheet) == pytest.approx(7 - 50 / 168)


def test_another_number_of_days_is_refused():
    result = CliRunner().invoke(exam.main, ["--seed", "1", "--days", "7"])
    assert result.exit_code == 2
    assert "exam.toml has 14 days" in result.output


def test_a_home_of_another_seed_is_refused(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "home.json").write_text('{"schema_version": 1, "first_day": "2026-11-09"}')
    (tmp_path / "truth").mkdir()
    (tmp_path / "truth" / "manifest.json").write_text('{"seed": 2}')
    result = CliRunner().invoke(exam.main, ["--seed", "1", "--home", str(tmp_path / "home")])
    assert result.exit_code == 1
    assert "is of seed 2, not 1; name another --home" in result.output


def test_a_factory_that_is_none_is_refused(tmp_path):
    given = ["--seed", "1", "--factories", "F01,F99", "--home", str(tmp_path / "home")]
    result = CliRunner().invoke(exam.main, given)
    assert result.exit_code == 1
    assert "no factory F99; there are F01, F02" in result.output
    assert not (tmp_path / "home").exists()
