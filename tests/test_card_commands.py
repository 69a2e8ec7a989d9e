"""Evidence cards at the command line."""

import json
from datetime import date

import pytest
from click.testing import CliRunner

from connectors.entered_facts import read_facts
from connectors.errors import FleetFileError, HomeRefused, ParkPulseError
from connectors.home import Home
from connectors.lake import Lake, Partition
from parkpulse.cli import cli
from pipelines import card_facts, evidence_cards
from tests.test_command_line import command

HEAD = "subject_kind,subject_id,fact_id,value,as_of,document"
LISTED = "smart_factory,F01,recognised,1,2026-03-01,沪经信制〔2026〕1 号"
DAY = date(2026, 11, 20)


def run(home, *arguments):
    asked = [*map(str, arguments), "--home", str(home.root)]
    return CliRunner().invoke(cli, ["card", *asked], standalone_mode=False)


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home").create(first_day=date(2026, 11, 18))
    known = card_facts.subjects(evidence_cards.SMART_FACTORY, ["F01", "F02"])
    made = evidence_cards.cards(evidence_cards.criteria(), known)
    Lake(home.lake).write("evidence_cards", made, Partition(DAY))
    return home


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(f"{HEAD}\n{LISTED}\n", "utf-8")
    return path


def test_a_list_is_entered_once(home, listed):
    done = run(home, "enter", listed)
    assert done.output == f"{listed}: 1 entered, 0 known already\n"
    assert run(home, "enter", listed).output == f"{listed}: 0 entered, 1 known already\n"
    assert read_facts(home.entered_facts)["subject_id"].to_list() == ["F01"]


def test_a_wrong_list_and_a_folder_that_is_no_home_are_refused(home, listed, tmp_path):
    listed.write_text(f"{HEAD}\n{LISTED.replace('recognised', 'known')}\n", "utf-8")
    error = run(home, "enter", listed).exception
    assert isinstance(error, FleetFileError)
    assert "line 2 column fact_id" in str(error)
    assert isinstance(run(home, "enter", tmp_path / "no.csv").exception, FleetFileError)
    assert isinstance(run(Home(tmp_path / "none"), "enter", listed).exception, HomeRefused)


def test_cards_are_shown_by_subject_and_by_criterion(home):
    every = run(home, "show", "--on", DAY).output
    assert "F01" in every
    assert "F02" in every
    assert "不明 unknown" in every
    told = json.loads(run(home, "show", "F01", "--on", DAY, "--json").output)["cards"]
    assert {row["subject_id"] for row in told} == {"F01"}
    assert len(told) == evidence_cards.criteria().filter(subject_kind="smart_factory").height
    assert "官方评定标准未公开" in run(home, "show", "F01", "--on", DAY).output


def test_what_has_no_card_is_named(home):
    error = run(home, "show", "F09", "--on", DAY).exception
    assert isinstance(error, ParkPulseError)
    assert "name one of F01, F02" in str(error)
    assert "materialize" in str(run(home, "show", "--on", "2026-11-19").exception)


def test_help_says_what_a_list_holds():
    assert "taken whole" in " ".join(command("card", "enter", "--help").stdout.split())
