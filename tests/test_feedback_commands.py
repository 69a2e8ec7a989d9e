"""Answering events at the command line: what is written down, and what is refused in one line."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from click import UsageError
from click.testing import CliRunner

from connectors.errors import ParkPulseError
from connectors.feedback import Journal
from connectors.home import Home
from connectors.lake import Lake, Partition
from parkpulse.cli import cli
from tests.models.told import at, event, frame
from tests.test_command_line import command, imported

DAY = date(2026, 11, 21)
MORNING = datetime(2026, 11, 22, 2, tzinfo=UTC)
"""What the home takes for now."""
FIRST = event(60, 100, machine="F01-M1")
OPEN = event(200, machine="F01-M2", kind="speed_loss", priority="high", lost_min=12.5)
OTHER = event(300, 320, machine="F02-M1", factory_id="F02")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("feedback") / "home"
    ahead = (MORNING - datetime.now(UTC)).total_seconds()
    home = Home(root).create(first_day=DAY - timedelta(days=1), now_offset_s=ahead)
    Lake(home.lake).write("anomaly_events", frame(FIRST, OPEN), Partition(DAY, "F01"))
    Lake(home.lake).write("anomaly_events", frame(OTHER), Partition(DAY, "F02"))
    return home


@pytest.fixture
def home(made):
    yield made
    Journal(made.root).path.unlink(missing_ok=True)
    (made.root / "engineers.toml").unlink(missing_ok=True)


def run(home, *arguments):
    return CliRunner().invoke(
        cli, [*arguments, "--home", str(home.root)], standalone_mode=False, color=False
    )


def said(home):
    return Journal(home.root).read().entries


def test_a_verdict_is_written_down_with_the_event_as_it_was_seen(home):
    done = run(home, "verdict", FIRST["event_id"], "handled", "--by", "王工", "--note", "轴承")
    assert done.exception is None
    assert done.output == (
        f"{FIRST['event_id']}: Inactive, Acknowledged, Confirmed; verdict handled\n"
    )
    (one,) = said(home)
    seen = ("event_id", "factory_id", "work_unit_id", "kind", "start", "end", "priority",
            "peak_score")  # fmt: skip
    assert {name: one[name] for name in seen} == {name: FIRST[name] for name in seen}
    assert (one["by"], one["verdict"], one["note"]) == ("王工", "handled", "轴承")


def test_ack_shelve_and_unshelve(home, monkeypatch):
    monkeypatch.setenv("LOGNAME", "li")
    name = OPEN["event_id"]
    assert "Active, Acknowledged, Unconfirmed;" in run(home, "ack", name).output
    assert "Acknowledged, Confirmed;" in run(home, "ack", name, "--confirm").output
    shelve = ("shelve", name, "--reason", "known")
    assert "TimedShelved to" in run(home, *shelve, "--for", "90min").output
    assert "OneShotShelved;" in run(home, *shelve, "--once").output
    assert "Shelved" not in run(home, "unshelve", name, "--note", "fixed").output
    assert [one["action"] for one in said(home)] == [
        "acknowledge", "acknowledge", "confirm", "shelve", "shelve", "unshelve",
    ]  # fmt: skip
    assert {one["by"] for one in said(home)} == {"li"}
    timed = said(home)[3]
    assert timed["until"] - timed["time"] == timedelta(minutes=90)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("verdict", "F01-M1-20261120T170001Z", "true"), "nearest: F01-M1-20261120T170000Z"),
        (("ack", "nonsense"), "no event has this id"),
        (("ack", "M1-99999999T999999Z"), "no event has this id"),
        (("verdict", FIRST["event_id"], "duplicate"), "--of EVENT goes with duplicate"),
        (("verdict", FIRST["event_id"], "true", "--of", OPEN["event_id"]), "--of EVENT"),
        (("verdict", FIRST["event_id"], "duplicate", "--of", FIRST["event_id"]), "of itself"),
        (("verdict", FIRST["event_id"], "duplicate", "--of", "M7"), "M7: no event"),
        (("verdict", FIRST["event_id"], "maybe"), "'maybe' is not one of"),
        (("ack", FIRST["event_id"], "--by", "  "), "say who speaks: --by NAME"),
        (("ack", FIRST["event_id"], "--note", "x" * 2_001), "say it shorter"),
        (("shelve", OPEN["event_id"], "--reason", "r"), "one of --for, --until, --once"),
        (("shelve", OPEN["event_id"], "--once", "--for", "8h", "--reason", "r"), "one of --for"),
        (("shelve", OPEN["event_id"], "--for", "8h", "--reason", " "), "the reason is empty"),
        (("shelve", OPEN["event_id"], "--for", "8h"), "reason"),
        (("shelve", OPEN["event_id"], "--for", "8 weeks", "--reason", "r"), "like 30min, 8h"),
        (("shelve", OPEN["event_id"], "--for", "31d", "--reason", "r"), "within 30 days"),
        (("shelve", OPEN["event_id"], "--until", "2026-01-01", "--reason", "r"), "is past"),
        (("shelve", FIRST["event_id"], "--once", "--reason", "r"), "is over"),
        (("alarms", "--day", "2026-01-01"), "no events were judged"),
        (("alarms", "--factory", "F77"), "no events were judged"),
    ],
)
def test_what_cannot_be_said_is_refused_and_nothing_is_written(home, arguments, why):
    done = run(home, *arguments)
    assert isinstance(done.exception, ParkPulseError | UsageError)
    assert why in str(done.exception)
    assert "\n" not in str(done.exception)
    assert said(home) == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[engineers", "is not TOML"),
        ("F01 = 'Li'", "has no table [engineers]"),
        ("engineers = 'Li'", "has no table [engineers]"),
        ("[engineers]\nF01 = 7", "F01 is not a name"),
        ("[engineers]\nF01 = []", "F01 is not a name"),
        ("[engineers]\nF01 = ['']", "F01 is not a name"),
    ],
)
def test_a_list_of_engineers_that_is_none_is_refused(home, content, why):
    (home.root / "engineers.toml").write_text(content, "utf-8")
    done = run(home, "alarms")
    assert isinstance(done.exception, ParkPulseError)
    assert why in str(done.exception)


def test_alarms_tell_states_budget_and_metrics(home):
    (home.root / "engineers.toml").write_text("[engineers]\nF01 = 'Li'\n", "utf-8")
    run(home, "verdict", FIRST["event_id"], "true", "--by", "li")
    with Journal(home.root).path.open("ab") as file:
        file.write(b'{"sequence": 2, "ti')
    done = run(home, "alarms", "--json")
    told = json.loads(done.stdout)
    assert "set aside lines of the journal that are no entries: 2" in done.stderr
    assert (told["day"], told["set_aside"]) == ("2026-11-21", [2])
    one, two = told["factories"]
    assert [e["event_id"] for e in one["events"]] == [FIRST["event_id"], OPEN["event_id"]]
    assert one["events"][0]["verdict"] == "true"
    assert one["events"][1]["active_state"] == "Active"
    assert {m["engineer"] for m in one["metrics"]} == {"Li"}
    assert {m["engineer"] for m in two["metrics"]} == {"F02"}
    assert one["precision"][0]["judged"] == 1
    assert (one["over_budget"], one["nowhere"]) == ([], [])
    table = run(home, "alarms", "--factory", "F01").stdout
    assert FIRST["event_id"] in table
    assert OTHER["event_id"] not in table
    assert "precision 100 % of 1 judged events (95 %: 21 % to 100 %)" in table


def test_the_words_that_fit_nowhere_are_listed(home):
    gone = event(70, 80, machine="F01-M9")
    Journal(home.root).append(
        [{"time": at(90), "by": "li", "action": "acknowledge"}
         | {k: gone[k] for k in ("event_id", "factory_id", "work_unit_id", "kind", "start", "end")}]
    )  # fmt: skip
    (one,) = json.loads(run(home, "alarms", "--factory", "F01", "--json").stdout)["factories"]
    assert [w["event_id"] for w in one["nowhere"]] == [gone["event_id"]]
    assert gone["event_id"] in run(home, "alarms", "--factory", "F01").stdout


def test_through_the_real_command_line(home, tmp_path):
    done = command("verdict", FIRST["event_id"], "false", "--by", "li", "--home", home.root)
    assert (done.returncode, done.stderr) == (0, "")
    done = command("ack", "F01-M1", "--home", home.root)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    done = command("ack", FIRST["event_id"], "--home", tmp_path / "none")
    assert done.returncode == 2
    assert "run `parkpulse collect`" in done.stderr


def test_answering_imports_no_orchestrator_and_no_scikit_learn(home):
    at_home = ["--by", "li", "--home", str(home.root)]
    commands = {
        "ack": ["ack", FIRST["event_id"], *at_home],
        "alarms": ["alarms", "--home", str(home.root)],
    }
    assert imported(commands) == {"ack": [], "alarms": []}
    assert len(said(home)) == 1
