import time
from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest
from click.testing import CliRunner
from rich.console import Console

from benchmarks.detection import runs as running
from benchmarks.detection.__main__ import main
from benchmarks.detection.exam import contenders
from benchmarks.detection.tables import AT_BUDGET, Contender, show
from benchmarks.plants import cases
from models.evaluate import evaluate


@pytest.fixture(scope="module")
def rig():
    return [running.run_case("rig", 1, number, 200) for number in (0, 4)]


def test_every_contender_is_judged_on_the_same_rows(rig):
    found = {c.name: c for c in contenders("rig", rig)}
    assert next(iter(found)) == running.OURS
    own = {"always", "fixed_row", "random", "isolation_forest", "t2_q", "k_means"}
    assert own <= set(found)
    assert {n for n in found if n.endswith(AT_BUDGET)} <= {n + AT_BUDGET for n in (*own, "ours")}
    plants = list(cases("rig", 1))
    assert found["ours"].watched == timedelta(seconds=plants[0].test.height + plants[4].test.height)
    assert found["always"].quality.found == 0
    assert found["always"].quality.events == 2
    assert found["always"].balanced_accuracy == pytest.approx(0.5, abs=0.01)  # an on-delay
    budget = found["ours"].quality
    for name, one in found.items():
        if name.endswith(AT_BUDGET):
            q = one.quality
            assert q.events - q.matched <= budget.events - budget.matched
    assert all(one.faults.height == 1 for one in found.values())


def test_rows_of_a_fault_are_those_of_its_times(rig):
    plant = next(cases("rig", 1))
    (fault,) = plant.faults.iter_rows(named=True)
    inside = plant.test["timestamp"].is_between(fault["start"], fault["end"])
    assert rig[0].faulty.tolist() == inside.to_list()
    assert not rig[1].faulty.any()


def test_tables_take_events_and_faults_of_any_exam(rig, capsys):
    plant = next(cases("rig", 1))
    events = plant.faults.select("start", "end", "signals").with_columns(machine=pl.lit("M1"))
    faults = plant.faults.with_columns(machine=pl.lit("M1"))
    fleet = Contender("ours", events, faults, timedelta(days=14), key="machine")
    show("fleet", [fleet], Console(width=160))
    said = capsys.readouterr().out
    assert "fleet: 1 faults" in said
    assert plant.faults["kind"][0] in said
    judged = evaluate(events, faults, watched=timedelta(days=14), key="machine")
    assert judged == fleet.quality


def test_no_case_is_begun_when_time_is_over(monkeypatch):
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    seen = []
    done = running.runs(
        "rig", (1,), with_controls=False, jobs=1, until=25.0,
        progress=lambda at, of: seen.append((at, of)),
    )  # fmt: skip
    assert seen == [(1, 30), (2, 30), (3, 30)]
    assert [run.case for run in done] == ["1-00", "1-01", "1-02"]
    assert all(a.case < b.case for a, b in pairwise(done))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--plants", "mill"], "'mill': one of rig"),
        (["--seeds", "one"], "numbers with commas between"),
        (["--dev", "--seeds", "101"], "seeds 1 to 9 only"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(asked, said):
    told = CliRunner().invoke(main, asked)
    assert told.exit_code == 2
    assert said in told.output
