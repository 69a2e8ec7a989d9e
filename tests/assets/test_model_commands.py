"""`parkpulse model`: who judges, the card, one command back, and a challenger now."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from plainhome import FACTORY, FIRST, ONE, UNIT, cover, enter, plain_home, tables

from connectors.errors import ParkPulseError
from connectors.lake import Lake, Partition
from models.errors import RegisterError

ROOT = Path(__file__).parents[2]
JUDGED = FIRST + 6 * ONE


@pytest.fixture(scope="module")
def made(home, tmp_path_factory):
    """A home whose machine drifted: version 1, challengers, and a promoted one."""
    from assets import model_register, retraining

    faults = [("temperature_c", 4, 6, 25.0), ("load_kw", 4, 6, 20.0)]
    other = plain_home(tmp_path_factory.mktemp("command") / "home", 6, faults=faults)
    cover(other, 6)
    with pytest.MonkeyPatch.context() as patch:
        enter(other, patch)
        register = retraining.retrained(FACTORY, *tables(other))
    model_register.publish(other, FACTORY, register)
    Lake(other.lake).write("anomaly_events", pl.DataFrame({"n": [1]}), Partition(JUDGED, FACTORY))
    return other


@pytest.fixture
def model(made, tmp_path, monkeypatch):
    """Runs `parkpulse model ...` in a copy of the home; gives stdout, stderr."""
    from parkpulse.cli import cli

    monkeypatch.setenv("PARKPULSE_HOME", os.environ["PARKPULSE_HOME"])
    home = type(made)(shutil.copytree(made.root, tmp_path / "home"))

    def run(*arguments):
        done = CliRunner().invoke(
            cli, ["model", *arguments, "--home", str(home.root)], catch_exceptions=True
        )
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.stdout, done.stderr

    run.home = home
    return run


def champion(model):
    from assets.model_register import read

    return read(model.home, FACTORY).champion(UNIT)


def test_the_list_has_champions_and_challengers(model):
    rows = json.loads(model("list", "--json")[0])
    own = champion(model)
    first = rows[0]
    assert (first["work_unit_id"], first["state"], first["version"]) == (
        UNIT, "champion", own.version,
    )  # fmt: skip
    assert first["power"] == own.metrics["challenger"]["power"]
    assert first["since"] == (own.held_out[-1] + ONE).isoformat()
    assert UNIT in model("list", "--factory", FACTORY)[0]


def test_the_card_is_that_of_the_champion_or_of_a_version(model):
    assert f"model {champion(model).version}\n" in model("card", UNIT)[0]
    text, _ = model("card", UNIT, "1")
    assert "model 1\n" in text
    assert "作为现用 as champion, against 2" in text


def test_one_command_goes_back_from_the_next_judged_day_on(model):
    from assets.model_register import read

    before = champion(model)
    assert before.reason == "drift"
    stands = read(model.home, FACTORY)
    out, err = model("rollback", UNIT, "--reason", "too loud", "--by", "li")
    register = read(model.home, FACTORY)
    assert register.entries[: len(stands.entries)] == stands.entries
    (entry,) = register.entries[len(stands.entries) :]
    assert (entry.since, entry.by, entry.why) == (JUDGED + ONE, "li", "too loud")
    assert out == f"{UNIT}: version {entry.version} judges from {entry.since} on\n"
    assert register.champion_on(UNIT, JUDGED) == before
    assert register.champion(UNIT).version == entry.version == stands.terms(UNIT)[-2].version
    assert f"materialize --from {JUDGED} --to {JUDGED}" in err
    table = Lake(model.home.lake).read("anomaly_model", Partition(factory=FACTORY))
    assert table.filter(pl.col("state") == "champion")["version"].to_list() == [entry.version]
    assert "回退 rolled back" in model("card", UNIT, str(entry.version))[0]


def test_a_judged_day_can_be_given_back_too(model):
    out, err = model("rollback", UNIT, "--to", "1", "--reason", "r", "--since", f"{JUDGED}")
    assert f"judges from {JUDGED} on" in out
    assert f"materialize --from {JUDGED} --to {JUDGED}" in err


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["card", "F09-M9"], ParkPulseError, f"F09-M9: has no model in this home; .*{UNIT}"),
        (["card", UNIT, "99"], RegisterError, "no model version 99; versions are: 1, 2"),
        (["train", "--machine", "F09-M9"], ParkPulseError, "F09-M9: has no model in this home"),
        (["list", "--factory", "F9"], ParkPulseError, "F9: has no models in this home"),
        (["rollback", UNIT, "--to", "99", "--reason", "r"], RegisterError, "no model version 99"),
        (
            ["rollback", UNIT, "--to", "1", "--reason", "r", "--since", f"{FIRST}"],
            RegisterError,
            f"version 1 learned from days to {FIRST}",
        ),
    ],
    ids=str,
)
def test_what_is_not_there_is_named_in_one_line(model, arguments, error, said):
    with pytest.raises(error, match=said):
        model(*arguments)


def test_a_challenger_is_trained_now(tmp_path):
    """The whole command, with Dagster in it."""
    home = plain_home(tmp_path / "home", 2)
    cover(home, 2)
    (home.root / "fleet.toml").write_text(
        f'[[factory]]\nid = "{FACTORY}"\n[[factory.server]]\nurl = "opc.tcp://127.0.0.1:4840"\n'
    )

    from assets.model_register import enter, read, writing
    from models.registry import Appointment, Version

    made = Version(
        UNIT, "press", 1, (FIRST,), 1.0, 700, True, "models/none.model", "0" * 64, "f", "c",
        "first", "w", "now", "{}",
    )  # fmt: skip
    with writing(home, FACTORY):
        enter(home, FACTORY, [made, Appointment(UNIT, 1, FIRST + ONE, "first", "w", "now")])
    done = subprocess.run(
        [sys.executable, "-m", "parkpulse", "model", "train", "--machine", UNIT,
         "--reason", "new tool", "--by", "li", "--home", str(home.root)],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    register = read(home, FACTORY)
    assert [one.reason for one in register.versions(UNIT)] == ["first", "unreadable", "asked"]
    assert f"{UNIT}: version 3 stays challenger: " in done.stdout
