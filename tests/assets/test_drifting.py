"""The sensor asks for training where it is due, once a day, and trains nothing itself."""

import pytest
from plainhome import FACTORY, FIRST, ONE, UNIT, cover, enter, plain_home, tables

from connectors.lake import Lake, Partition


@pytest.fixture
def factory(home, tmp_path, monkeypatch):
    """A home of one machine whose level changes on the fifth day, and the modules in it."""
    from assets import drifting

    other = plain_home(tmp_path / "home", 6, faults=[("temperature_c", 4, 6, 25.0)])
    enter(other, monkeypatch)
    monkeypatch.setattr(drifting, "FACTORY_IDS", [FACTORY])
    return other


def test_a_factory_is_asked_for_when_a_machine_is_due_and_once(factory):
    from assets import drifting, retraining

    cover(factory, 2)
    retraining.retrained(FACTORY, *tables(factory))
    nothing, cursor = drifting.requests(factory, None)
    assert nothing == []
    cover(factory, 3)
    (request,), cursor = drifting.requests(factory, cursor)
    assert request.due == [f"{UNIT}: schedule (3 whole days)"]
    assert request.run_key == f"models {FACTORY}@{FIRST + 2 * ONE}"
    assert drifting.requests(factory, cursor) == ([], cursor)
    cover(factory, 5)
    retraining.retrained(FACTORY, *tables(factory))
    cover(factory, 6)
    before = retraining.files.read(factory, FACTORY)
    (request,), cursor = drifting.requests(factory, cursor)
    (due,) = request.due
    assert due.startswith(f"{UNIT}: drift (temperature_c: level off by +")
    assert retraining.files.read(factory, FACTORY) == before
    retraining.retrained(FACTORY, *tables(factory))
    assert drifting.requests(factory, None)[0] == []


def test_days_whose_silver_is_still_to_be_made_wait(factory, monkeypatch):
    from assets import drifting, retraining

    cover(factory, 3)
    retraining.retrained(FACTORY, *tables(factory))
    cover(factory, 6)
    waiting = {FIRST + 5 * ONE: "a hash"}
    monkeypatch.setattr(retraining, "stale", lambda *_: waiting)
    silver = Lake(factory.lake).path("state_episodes", Partition(FIRST + 4 * ONE, FACTORY))
    aside = silver.rename(silver.with_suffix(".aside"))
    register = retraining.retrained(FACTORY, *tables(factory))
    assert register.looked_to == FIRST + 3 * ONE
    aside.rename(silver)
    register = retraining.retrained(FACTORY, *tables(factory))
    assert register.looked_to == FIRST + 4 * ONE
    waiting.clear()
    assert drifting.requests(factory, None)[0]
    assert retraining.retrained(FACTORY, *tables(factory)).looked_to == FIRST + 5 * ONE
