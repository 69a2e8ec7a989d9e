"""Acknowledging and closing warnings at the command line, and what a journal keeps of it."""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from click.testing import CliRunner

from connectors import warning_journal
from connectors.errors import ParkPulseError
from connectors.feedback import Journal
from connectors.home import Home
from connectors.lake import Lake, Partition
from parkpulse.cli import cli
from pipelines.park_schemas import SITES, WARNINGS
from tests.test_command_line import imported

TODAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)
"""What the home takes for now."""


LONG = "91310117MA4RL8LM9R"


def row(number, uscc="A", severity="medium", cleared_on=None, **facts):
    raised = TODAY - timedelta(days=number)
    said = {
        "warning_id": f"distress-{uscc}-{number}", "uscc": uscc, "rule": "distress",
        "severity": severity, "confidence": 0.8, "begun_on": raised - timedelta(days=9),
        "raised_on": raised, "seen_on": TODAY, "cleared_on": cleared_on,
        "figure": "level_of_usual", "value": 0.7, "expected": 1.0, "unit": "1", "evidence": "{}",
    }  # fmt: skip
    return said | facts


LOW, OLD, NEW = row(3, severity="low"), row(20), row(2, LONG)
OVER = row(90, cleared_on=TODAY - timedelta(days=30))
ID = OLD["warning_id"]


@pytest.fixture
def home(tmp_path):
    ahead = (NOON - datetime.now(UTC)).total_seconds()
    made = Home(tmp_path / "home").create(first_day=TODAY - timedelta(2), now_offset_s=ahead)
    lake = Lake(made.lake)
    lake.write("warnings", pl.DataFrame([LOW, OVER, OLD, NEW], schema=WARNINGS), Partition())
    sites = [
        dict.fromkeys(SITES) | {"site_id": uscc, "uscc": uscc, "park_id": park,
                                "valid_from": date(2020, 1, 1)}
        for uscc, park in (("A", "P01"), (LONG, "P02"))
    ]  # fmt: skip
    lake.write("sites", pl.DataFrame(sites, schema=SITES), Partition())
    return made


def run(home, *arguments):
    return CliRunner().invoke(
        cli, ["warning", *arguments, "--home", str(home.root)], standalone_mode=False, color=False
    )


def listed(home, *arguments):
    done = run(home, "list", "--json", *arguments)
    assert done.exception is None
    return {one["warning_id"]: one for one in json.loads(done.output)}


def test_what_is_open_is_listed_the_gravest_and_the_newest_first(home):
    assert list(listed(home)) == [one["warning_id"] for one in (NEW, OLD, LOW)]
    assert listed(home)[ID]["owner_park_id"] == "P01"
    assert listed(home)[ID]["days_open"] == 20
    assert list(listed(home, "--park", "P02")) == [NEW["warning_id"]]
    assert listed(home, "--all")[OVER["warning_id"]]["state"] == "cleared"


def test_an_acknowledged_warning_stays_open_and_says_by_whom_and_why(home):
    done = run(home, "ack", ID, "--reason", "已电话联系", "--by", "李园区")
    assert done.output == f"{ID}: acknowledged by 李园区; P01 answers for it\n"
    one = listed(home)[ID]
    assert (one["state"], one["by"], one["reason"]) == ("acknowledged", "李园区", "已电话联系")
    assert one["on"] == TODAY.isoformat()


def test_a_closed_warning_is_listed_no_more_until_it_is_reopened(home):
    run(home, "close", ID, "--reason", "搬迁", "--by", "李园区")
    assert ID not in listed(home)
    assert listed(home, "--all")[ID]["state"] == "closed"
    done = run(home, "reopen", ID, "--reason", "误关", "--by", "王处")
    assert done.output == f"{ID}: raised by 王处; P01 answers for it\n"
    assert ID in listed(home)
    said = warning_journal.entries(home).select("sequence", "action", "by", "reason").rows()
    assert said == [(1, "close", "李园区", "搬迁"), (2, "reopen", "王处", "误关")]


def test_what_is_closed_is_acknowledged_only_after_it_was_reopened(home):
    run(home, "close", ID, "--reason", "搬迁", "--by", "李园区")
    refused = run(home, "ack", ID, "--reason", "看过", "--by", "李园区").exception
    assert isinstance(refused, ParkPulseError)
    assert f"parkpulse warning reopen {ID}" in str(refused)
    assert "\n" not in str(refused)
    assert warning_journal.entries(home).height == 1
    run(home, "reopen", ID, "--reason", "误关", "--by", "李园区")
    assert run(home, "ack", ID, "--reason", "看过", "--by", "李园区").exception is None
    assert listed(home)[ID]["state"] == "acknowledged"


def test_the_journal_is_appended_to_and_a_torn_line_is_set_aside(home):
    run(home, "ack", ID, "--reason", "看过", "--by", "李")
    path = home.root / "warnings" / "journal.jsonl"
    before = path.read_bytes()
    path.write_bytes(before + b'{"sequence": 2, "time": "2026-')
    run(home, "close", ID, "--reason", "完", "--by", "李")
    assert path.read_bytes().startswith(before)
    assert warning_journal.entries(home)["action"].to_list() == ["acknowledge", "close"]
    assert Journal(home.root).read().entries == []


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["ack", "distress-Z-1", "--reason", "x"], "is no warning of this home"),
        (["close", ID, "--reason", "  "], "the reason is empty"),
        (["close", ID, "--reason", "x", "--by", " "], "nobody is named"),
        (["close", ID, "--reason", "x" * 2_001, "--by", "李"], "over 2,000 characters"),
    ],
)
def test_what_cannot_be_said_is_refused_and_nothing_is_written(home, arguments, why):
    with pytest.raises(ParkPulseError, match=why):
        raise run(home, *arguments).exception
    assert not (home.root / "warnings").exists()


def test_a_home_without_warnings_says_what_to_do(tmp_path):
    bare = Home(tmp_path / "home").create(first_day=TODAY, now_offset_s=0.0)
    with pytest.raises(ParkPulseError, match="run `parkpulse materialize`"):
        raise run(bare, "list").exception


def test_a_person_reads_a_table(home):
    run(home, "ack", ID, "--reason", "看过", "--by", "李园区")
    done = run(home, "list")
    assert "3 warnings" in done.output
    assert all(one["warning_id"] in done.output for one in (NEW, OLD, LOW))
    assert "李园区" in done.output


def test_a_warning_without_a_value_stops_no_list(home):
    rows = [row(5, value=None, expected=None), NEW]
    Lake(home.lake).write("warnings", pl.DataFrame(rows, schema=WARNINGS), Partition())
    done = run(home, "list")
    assert done.exception is None
    assert all(one["warning_id"] in done.output for one in rows)


def test_answering_imports_no_orchestrator_and_no_scikit_learn(home):
    at = ["--home", str(home.root)]
    commands = {"list": ["warning", "list", *at],
                "ack": ["warning", "ack", ID, "--reason", "x", "--by", "李", *at]}  # fmt: skip
    assert imported(commands) == {name: [] for name in commands}
