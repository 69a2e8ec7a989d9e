"""The register grows as days become whole; what was judged stays as it was judged."""

import shutil
from dataclasses import asdict, replace
from datetime import timedelta
from functools import partial

import polars as pl
import pytest
from plainhome import FACTORY, FIRST, ONE, UNIT, cover, enter, plain_home, tables

from connectors import model_files
from connectors.lake import Lake, Partition
from models import registry
from models.promotion import VERDICTS
from models.registry import Appointment, Kept, Looked, Version
from pipelines.days import midnight

DRIFT_FROM = 4
LAST = 8


@pytest.fixture(scope="module")
def assets(home):
    """The modules, once the session's home is the one they were made for."""
    from assets import judging, machine_days, model_register, retraining

    return judging, machine_days, model_register, retraining


@pytest.fixture
def within(assets, monkeypatch):
    """Makes another home the one that training and judging read and write."""
    return partial(enter, patch=monkeypatch)


@pytest.fixture(scope="module")
def floor(tmp_path_factory):
    """Eight days in the lake; on the fifth the temperature takes another level and keeps it."""
    root = tmp_path_factory.mktemp("plain") / "home"
    faults = [("temperature_c", DRIFT_FROM, LAST, 25.0), ("load_kw", DRIFT_FROM, LAST, 20.0)]
    return plain_home(root, LAST, faults=faults)


def grown(assets, home, days, verdicts=None):
    cover(home, days)
    return assets[3].retrained(FACTORY, *tables(home), verdicts)


def copy(home, folder):
    return type(home)(shutil.copytree(home.root, folder / "home"))


def history(register):
    """Entries without the time at which they were made."""
    return [(type(one).__name__, asdict(replace(one, at=""))) for one in register.entries]


def judged(assets, register, home, day):
    """Bytes of a day's events and traces, by the models of a register."""
    judging, _, files, _ = assets
    champions = judging.champions_on(files.table_of(register), day)
    parts = judging.judged(FACTORY, day, champions, *tables(home))
    out = home.root / "judged.parquet"
    content = []
    for frame in (pl.concat(frames) for frames in zip(*parts, strict=True)):
        frame.write_parquet(out)
        content.append(out.read_bytes())
    return content, [one[0] for one in parts]


def test_one_whole_day_gives_a_first_model_and_two_no_more(assets, within, floor, tmp_path):
    home = within(copy(floor, tmp_path))
    first = grown(assets, home, 1)
    (version,) = first.versions(UNIT)
    assert (version.training_days, version.reason) == ((FIRST,), "first")
    assert version.learned
    assert version.provisional
    assert [tuple(term) for term in first.terms(UNIT)] == [(1, FIRST + ONE, None)]
    second = grown(assets, home, 2)
    assert second.versions(UNIT) == [version]
    assert [type(one) for one in second.entries[len(first.entries) :]] == [Looked]
    again = grown(assets, home, 2)
    assert again == second


@pytest.fixture(scope="module")
def at_once(assets, floor, tmp_path_factory):
    """The register of all days in one run, with its home."""
    home = copy(floor, tmp_path_factory.mktemp("once"))
    with pytest.MonkeyPatch.context() as patch:
        enter(home, patch)
        return home, grown(assets, home, LAST)


def test_a_planted_drift_leads_to_training_and_promotion(at_once):
    _, register = at_once
    drifted = [one for one in register.versions(UNIT) if one.reason == "drift"]
    assert drifted
    first = drifted[0]
    assert "temperature_c: level off by +" in first.why
    assert min(first.training_days) >= FIRST + DRIFT_FROM * ONE
    assert first.held_out == (FIRST + (DRIFT_FROM + 1) * ONE,)
    (appointed,) = [one for one in register.appointments(UNIT) if one.version == first.version]
    assert appointed.since == first.held_out[-1] + ONE
    assert first.metrics["drift"]
    later = [one for one in register.versions(UNIT) if one.version > first.version]
    assert later  # on schedule, and of the machine as it is now
    assert all(one.trained_from >= FIRST + DRIFT_FROM * ONE for one in later)


def test_night_by_night_gives_the_register_of_one_run(assets, within, floor, at_once, tmp_path):
    home = within(copy(floor, tmp_path))
    for days in range(1, LAST + 1):
        register = grown(assets, home, days)
    assert [one for one in history(register) if one[0] != "Looked"] == [
        one for one in history(at_once[1]) if one[0] != "Looked"
    ]


def test_days_that_were_judged_keep_their_judge_to_the_byte(assets, within, floor, tmp_path):
    home = within(copy(floor, tmp_path))
    early = grown(assets, home, 4)
    lake = Lake(home.lake)
    days = [FIRST + n * ONE for n in (1, 2, 3)]
    before = {day: judged(assets, early, home, day)[0] for day in days}
    for day in days:
        lake.write("anomaly_events", pl.DataFrame({"n": [1]}), Partition(day, FACTORY))
    late = grown(assets, home, LAST)
    assert len(late.versions(UNIT)) > len(early.versions(UNIT))
    assert {day: judged(assets, late, home, day)[0] for day in days} == before
    last = FIRST + 7 * ONE
    for day in (days[-1], last):
        champion = late.champion_on(UNIT, day)
        for frame in judged(assets, late, home, day)[1]:
            assert set(frame["model_version"]) <= {champion.version}
    # what is decided later begins behind the last judged day
    lake.write("anomaly_events", pl.DataFrame({"n": [1]}), Partition(last, FACTORY))
    assert assets[2].next_judged(home, FACTORY) == last + ONE
    assert assets[3].since(FACTORY, days[0]) == last + ONE


def test_a_rollback_brings_the_old_judgement_back_to_the_byte(assets, within, at_once):
    home, register = at_once
    within(home)
    day = FIRST + 7 * ONE
    champion = register.champion_on(UNIT, day)
    entry = registry.rollback(register, UNIT, 1, day, why="too loud", by="li", at="now")
    back = register.appended([entry])
    only_first = register.appended(
        [replace(entry, version=1, since=FIRST + ONE)]  # as if there had never been another
    )
    assert champion.version != 1
    assert judged(assets, back, home, day)[0] == judged(assets, only_first, home, day)[0]
    before = day - ONE
    assert judged(assets, back, home, before)[0] == judged(assets, register, home, before)[0]


def test_a_run_that_dies_between_file_and_register_leaves_both_readable(
    assets, within, floor, tmp_path, monkeypatch
):
    home = within(copy(floor, tmp_path))
    first = grown(assets, home, 1)
    with monkeypatch.context() as patch:

        def dies(*_):
            raise KeyboardInterrupt

        patch.setattr(model_files, "append", dies)
        with pytest.raises(KeyboardInterrupt):
            grown(assets, home, 3)
    files = assets[2]
    assert files.read(home, FACTORY) == first
    folder = files.folder_of(home, FACTORY, UNIT)
    assert len(list(folder.glob("*.model"))) == 2  # the one that nobody asks for, too
    assert not list(folder.glob(".fitting-*"))
    later = grown(assets, home, 3)
    assert len(later.versions(UNIT)) == 2
    assert len(list(folder.glob("*.model"))) == 2


def test_a_model_file_that_is_not_itself_is_made_anew_for_the_same_days(
    assets, within, floor, tmp_path
):
    home = within(copy(floor, tmp_path))
    first = grown(assets, home, 2)
    (version,) = first.versions(UNIT)
    (home.root / version.path).write_bytes(b"something else")
    with pytest.raises(model_files.Changed, match="is not the file that was registered"):
        assets[2].model_of(home, version)
    register = grown(assets, home, 2)
    anew = register.champion(UNIT)
    assert (anew.version, anew.reason, anew.parent) == (2, "unreadable", 1)
    assert anew.training_days == version.training_days
    assert anew.sha256 == version.sha256
    assert [tuple(term) for term in register.terms(UNIT)] == [(2, FIRST + ONE, None)]
    assert grown(assets, home, 2) == register


def test_a_challenger_that_is_asked_for_is_trained_now_and_once(assets, within, floor, tmp_path):
    home = within(copy(floor, tmp_path))
    grown(assets, home, 2)
    assets[3].ask(FACTORY, [UNIT], why="new tool", by="li")
    register = grown(assets, home, 2)
    newest = register.versions(UNIT)[-1]
    # the first day taught the champion, the second is held out: nothing new to learn from
    assert (newest.version, newest.reason, newest.held_out) == (2, "asked", (FIRST + ONE,))
    assert "asked for by li: new tool" in newest.why
    assert register.asked(UNIT) is None
    assert grown(assets, home, 2) == register


def test_a_day_with_a_confirmed_event_teaches_nothing(assets, within, floor, tmp_path):
    home = within(copy(floor, tmp_path))
    grown(assets, home, 1)
    at = midnight(FIRST + ONE) + timedelta(hours=3)
    said = pl.DataFrame([("e", UNIT, at, None, "true")], schema=VERDICTS, orient="row")
    register = grown(assets, home, 4, said)
    scheduled = [one for one in register.versions(UNIT) if one.reason == "schedule"]
    assert [one.training_days for one in scheduled] == [(FIRST,), (FIRST, FIRST + 2 * ONE)]
    assert [one.left_out for one in scheduled] == [(FIRST + ONE,)] * 2


def test_a_machine_that_stood_still_gets_its_first_model_later(assets, within, tmp_path):
    home = within(plain_home(tmp_path / "home", 4, idle=(0, 1)))
    first = grown(assets, home, 1)
    (idle,) = first.versions(UNIT)
    assert not idle.learned
    register = grown(assets, home, 4)
    champion = register.champion(UNIT)
    assert champion.learned
    assert champion.training_days == (FIRST + 2 * ONE,)
    assert [term.version for term in register.terms(UNIT)] == [1, 2]


def test_days_too_short_to_teach_alone_teach_together(assets, within, tmp_path):
    """A short shift of slow sensors: no day has the rows that a model needs, two of them have."""
    home = within(plain_home(tmp_path / "home", 3, every=2))
    (blind,) = grown(assets, home, 1).versions(UNIT)
    assert not blind.learned
    _, first = grown(assets, home, 2).versions(UNIT)
    assert first.learned
    register = grown(assets, home, 3)
    assert (blind.trained_to, first.training_days) == (FIRST, (FIRST, FIRST + ONE))
    assert (first.reason, first.why) == ("first", "what 2 whole days teach together")
    assert register.champion_on(UNIT, FIRST + 2 * ONE) == first


def test_the_table_and_the_cards_say_what_the_register_says(assets, at_once):
    home, register = at_once
    table = assets[2].table_of(register)
    assert table.schema == assets[2].MODELS
    states = table["state"].to_list()
    assert states.count("champion") == 1
    for one in register.versions(UNIT):
        text = assets[2].card_path(home, FACTORY, one).read_text("utf-8")
        assert f"模型 model {one.version}" in text
        assert one.sha256 in text
        assert all(day.isoformat() in text for day in (*one.training_days, *one.held_out))
        assert f"parkpulse model rollback {UNIT}" in text
        kept = register.refusals(UNIT).get(one.version)
        assert kept is None or kept.why in text
    for day in (FIRST + n * ONE for n in range(1, LAST)):
        champions = assets[0].champions_on(table, day)
        assert champions[UNIT]["version"] == register.champion_on(UNIT, day).version


def test_every_entry_is_one_of_the_kinds(at_once):
    kinds = {type(one) for one in at_once[1].entries}
    assert {Version, Appointment, Looked} <= kinds <= {Version, Appointment, Kept, Looked}
