"""What is known of each enterprise on a day: counted from the devices and uses of the town."""

from pipelines.cloud.day import Ground, of_day
from pipelines.cloud.firm_evidence import FIRM_EVIDENCE, firm_evidence
from pipelines.cloud.seen import heard
from tests.pipelines.cloud.town import ON, Town, ago


def evidence(town):
    tables = town.tables()
    ground = Ground.of(tables, ON)
    day = of_day(ground, heard(tables["terminal_days"], ON), ON)
    found = firm_evidence(day, ground.uses, ON)
    assert found.schema == FIRM_EVIDENCE
    return {row["uscc"]: row for row in found.to_dicts()}


def test_terminals_in_service_and_those_heard_within_30_days():
    town = Town()
    town.firm("A")
    for name in ("new", "old", "silent"):
        town.device(name, "A")
    town.device("gone", "A", retired_on=ON)
    town.device("boxed", "A", activated_on=None)
    town.device("nobody", None)
    town.hears("new", 0, 1)
    town.hears("old", 40)
    town.hears("gone", 0)
    row = evidence(town)["A"]
    assert (row["terminals"], row["terminals_online"]) == (3, 1)
    assert row["seen_on"] == ON


def test_who_has_no_terminal_has_none_and_not_nothing():
    town = Town()
    town.firm("A")
    town.declares("A")
    assert evidence(town) == {
        "A": {
            "uscc": "A", "terminals": 0, "terminals_online": 0, "declared": "yes",
            "is_verified": False, "seen_on": None,
        }
    }  # fmt: skip


def test_it_was_seen_when_a_provider_or_a_terminal_says_so_last_and_not_later_than_the_day():
    town = Town()
    town.firm("A")
    town.firm("B")
    town.device("one", "A")
    town.hears("one", 20)
    town.uses("A", ago(10))
    town.uses("A", ago(-1))
    town.uses("B", ago(200))
    found = evidence(town)
    assert (found["A"]["seen_on"], found["A"]["is_verified"]) == (ago(10), True)
    assert (found["B"]["seen_on"], found["B"]["is_verified"]) == (ago(200), False)


def test_large_enterprises_and_owners_that_the_register_has_not_are_there_too():
    town = Town()
    town.firm("large", staff=5_000, revenue_wan=900_000.0)
    town.declares("large", "no")
    town.device("one", "stranger")
    found = evidence(town)
    assert found["large"]["declared"] == "no"
    assert (found["stranger"]["terminals"], found["stranger"]["declared"]) == (1, None)


def test_a_device_on_two_platforms_is_one_terminal():
    town = Town()
    town.firm("A")
    town.device("one", "A", platform="海纳")
    town.device("one", "A", platform="云间")
    assert evidence(town)["A"]["terminals"] == 1
