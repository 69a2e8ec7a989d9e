"""The edge rules (a) to (j) of cloud adoption, and the fixture of ten firms."""

from datetime import timedelta

import polars as pl
import pytest

from pipelines.cloud.change import changes
from pipelines.indicators import verdict
from tests.pipelines.cloud.town import LONG_AGO, ON, Town, ago, figure, status

SERIAL = {"manufacturer": "M", "serial_number": "7"}


@pytest.fixture
def town() -> Town:
    return Town()


def test_ten_firms(town: Town) -> None:
    """One large; of nine SMEs four used, two only declare, one is connected, one has nothing, one
    is not known."""
    town.firm("L", staff=1500, revenue_wan=60_000.0)
    for name in "ABCD":
        town.firm(name)
        town.uses(name, ago(30))
        town.declares(name, "no")
    for name in "EF":
        town.firm(name)
        town.declares(name)
    town.firm("G")
    town.declares("G", "no")
    town.device("g1", "G")
    town.hears("g1", *range(30))
    town.firm("H")
    town.declares("H", "no")
    town.firm("I")
    day = town.day()
    assert figure(day, "CA-1", "verified") == (5, 9, 1)
    assert figure(day, "CA-1", "declared_or_verified") == (7, 9, 1)
    share = day.adoption.filter(
        pl.col("metric_id") == "CA-1",
        pl.col("basis") == "declared_or_verified",
        pl.col("dimension") == "all",
        pl.col("park_id").is_null(),
    ).row(0, named=True)
    assert [round(100 * share[name], 2) for name in ("value", "upper")] == [77.78, 88.89]
    percent = [100 * share[name] for name in ("value", "lower", "upper")]
    assert verdict(*percent, 80.0, "gt") == "to_be_verified"
    verified = figure(day, "CA-1", "verified")
    assert round(100 * verified[0] / 9, 2) == 55.56
    assert verdict(500 / 9, 500 / 9, 600 / 9, 80.0, "gt") == "not_met"


def test_a_the_denominator_moves(town: Town) -> None:
    """(a) The share falls though nobody left the cloud: a firm came, and the panel says so."""
    for name in "AB":
        town.firm(name)
        town.declares(name, "no")
        town.uses(name, ON)
        town.uses(name, ago(100))
    town.firm("C", valid_from=ago(10))
    town.declares("C", "no")
    since = ago(60)
    then, now = town.day(since), town.day()
    found = changes(then.panel(), now.panel(), since, ON).filter(
        pl.col("basis") == "verified", pl.col("park_id").is_null()
    )
    row = found.row(0, named=True)
    assert (row["value_then"], row["value_now"]) == (1.0, 2 / 3)
    assert (row["within"], row["entry"], row["exit"]) == (0.0, 2 / 3 - 1.0, 0.0)
    assert (row["matched_units"], row["matched_change"]) == (2, 0.0)


def test_b_one_device_on_two_platforms(town: Town) -> None:
    """(b) Counted once, and connected on a day when either platform heard it."""
    town.firm("A")
    town.device("a1", "A")
    town.device("x9", "A", platform="联犀", product_instance_uri="urn:a1")
    town.hears("a1", *range(0, 30, 2))
    town.hears("x9", *range(1, 30, 2))
    day = town.day()
    assert figure(day, "CA-7") == (1, None, 0)
    assert figure(day, "CA-2") == (1, 1, 0)


@pytest.mark.parametrize(
    ("first", "second", "units"),
    [
        (SERIAL, SERIAL, 1),
        (SERIAL, SERIAL | {"manufacturer": "N"}, 2),
        ({"mac": "AA:BB:CC:00:00:01"}, {"mac": "aa-bb-cc-00-00-01"}, 1),
        ({"mac": "00:00:00:00:00:00"}, {"mac": "00:00:00:00:00:00"}, 2),
        ({"asset_id": "9"}, {"asset_id": "9"}, 1),
        ({"manufacturer": "M", "serial_number": "1", "mac": "a"},
         {"manufacturer": "M", "serial_number": "2", "mac": "a"}, 2),
        ({}, {}, 2),
    ],
)  # fmt: skip
def test_b_the_ladder(town: Town, first: dict, second: dict, units: int) -> None:
    town.firm("A")
    town.device("a1", "A", product_instance_uri=None, **first)
    town.device("a2", "A", product_instance_uri=None, **second)
    assert figure(town.day(), "CA-7") == (units, None, 0)


def test_b_who_could_be_either_is_in_no_count(town: Town) -> None:
    town.firm("A")
    town.device("a1", "A", mac="cc")
    town.device("a2", "A", mac="cc")
    town.device("a3", "A", product_instance_uri=None, mac="cc")
    day = town.day()
    assert figure(day, "CA-7") == (2, None, 1)
    assert figure(day, "CA-2")[1] == 2


def test_c_a_tenant_of_a_group(town: Town) -> None:
    """(c) Use by a group's account verifies nobody; without evidence of their own all may be it."""
    for name in "ABC":
        town.firm(name, legal_group="G")
        town.declares(name, "no")
    town.say("tenants", tenant_id="t9", platform="海纳", legal_group="G")
    town.uses(None, tenant_id="t9")
    town.uses("A")
    day = town.day()
    assert figure(day, "CA-1", "verified") == (1, 3, 2)


def test_c_an_account_of_one_firm_is_its_use(town: Town) -> None:
    town.firm("A")
    town.declares("A", "no")
    town.say("tenants", tenant_id="t9", platform="海纳", uscc="A", valid_to=ago(5))
    town.uses(None, ago(5), tenant_id="t9")
    assert figure(town.day(), "CA-1", "verified") == (0, 1, 0)
    town.uses(None, ago(6), tenant_id="t9")
    assert figure(town.day(), "CA-1", "verified") == (1, 1, 0)


def test_d_two_parks(town: Town) -> None:
    """(d) Once in each park and once in the New City."""
    town.firm("A", park="P01")
    town.say("sites", site_id="S2", uscc="A", park_id="P02")
    town.declares("A")
    day = town.day()
    for park in ("P01", "P02", None):
        assert figure(day, "CA-1", "declared", park) == (1, 1, 0)


def test_e_hours_of_a_shared_machine(town: Town) -> None:
    """(e) They are use of a cloud, and connect no device."""
    town.firm("A")
    town.declares("A", "no")
    town.uses("A", level="C3", service="machine_hours")
    day = town.day()
    assert figure(day, "CA-1", "verified") == (1, 1, 0)
    assert figure(day, "CA-1", "verified", None, "level", "C2") == (1, 1, 0)
    assert figure(day, "CA-1", "verified", None, "level", "C3") == (0, 1, 0)


def test_f_a_factory_holiday(town: Town) -> None:
    """(f) Twelve days of rest: owed days are those of work."""
    town.firm("A")
    rest = {ago(back) for back in range(12)}
    town.rows["operating_days"] = [r for r in town.rows["operating_days"] if r["day"] not in rest]
    town.device("a1", "A")
    town.hears("a1", *range(12, 60))
    day = town.day()
    assert status(day, "a1") == "connected"
    assert figure(day, "CA-2") == (1, 1, 0)


def test_f_who_did_not_work_is_not_judged(town: Town) -> None:
    town.firm("A")
    rest = {ago(back) for back in range(26)}
    town.rows["operating_days"] = [r for r in town.rows["operating_days"] if r["day"] not in rest]
    town.device("a1", "A")
    town.hears("a1", *range(26, 60))
    day = town.day()
    assert status(day, "a1") == "unscheduled"
    assert figure(day, "CA-2") == (0, 1, 1)


def test_h_our_own_outage(town: Town) -> None:
    """(h) Days on which we were down are owed by nobody, and make nobody stale."""
    town.firm("A")
    town.device("a1", "A")
    town.hears("a1", *range(9, 60))
    assert status(town.day(), "a1") == "stale"
    for back in range(9):
        town.say("collector_down", park_id="P01", day=ago(back))
    assert status(town.day(), "a1") == "connected"


def test_h_an_outage_of_one_of_two_parks_excuses_nobody(town: Town) -> None:
    town.firm("A")
    town.device("a1", "A")
    town.device("a2", "A", platform="联犀", product_instance_uri="urn:a1", park_id="P02")
    town.hears("a1", *range(9, 60))
    for back in range(9):
        town.say("collector_down", park_id="P01", day=ago(back))
    assert status(town.day(), "a1") == "stale"
    for back in range(2, 9):
        town.say("collector_down", park_id="P02", day=ago(back))
    assert status(town.day(), "a1") == "connected"


@pytest.mark.parametrize(("retired", "units"), [(0, 0), (-1, 1), (1, 0)])
def test_i_the_day_of_retirement(town: Town, retired: int, units: int) -> None:
    """(i) From that day on a device is on neither side."""
    town.firm("A")
    town.device("a1", "A", retired_on=ago(retired))
    town.hears("a1", *range(1, 40))
    day = town.day()
    assert figure(day, "CA-2")[1] == units
    assert figure(day, "CA-7")[0] == units


def test_j_what_platforms_claim_of_themselves(town: Town) -> None:
    """(j) 200,000 users claimed: no figure moves."""
    town.firm("A")
    town.declares("A", "no")
    before = town.day()
    town.say("claims", platform="海纳", day=ON, claimed_users=200_000)
    assert town.day().adoption.equals(before.adoption)


@pytest.mark.parametrize(("met", "connected"), [(24, 1), (23, 0)])
def test_eight_tenths(town: Town, met: int, connected: int) -> None:
    town.firm("A")
    town.device("a1", "A")
    town.hears("a1", *range(met))
    assert figure(town.day(), "CA-2") == (connected, 1, 0)


def test_a_size_is_that_of_last_december(town: Town) -> None:
    """Grown large in spring: still an SME this year, and no longer the next."""
    town.firm("A", valid_to=ago(200))
    town.say(
        "enterprises", uscc="A", staff=2000, revenue_wan=90_000.0, industry_code="C3429",
        register_status="在营", in_new_city=True, valid_from=ago(200),
    )  # fmt: skip
    assert figure(town.day(), "CA-1", "declared") == (0, 1, 1)
    next_year = ON + timedelta(days=60)
    assert figure(town.day(next_year), "CA-1", "declared") == (0, 0, 0)


def test_a_newcomer_has_the_size_it_came_with(town: Town) -> None:
    town.firm("A", valid_from=ago(50), valid_to=ago(20))
    town.say(
        "enterprises", uscc="A", staff=2000, revenue_wan=90_000.0, industry_code="C3429",
        register_status="在营", in_new_city=True, valid_from=ago(20),
    )  # fmt: skip
    assert figure(town.day(), "CA-1", "declared")[1] == 1


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "yes"),
        ({"declared_from": ON}, "yes"),
        ({"declared_from": ON + timedelta(days=1)}, "no"),
        ({"declared_to": ago(90)}, "yes"),
        ({"declared_to": ago(91)}, "expired"),
        ({"declared_from": None}, "unknown"),
        ({"declared_from": None, "declared_to": ago(91)}, "expired"),
    ],
)
def test_what_a_declaration_says(town: Town, fields: dict, word: str) -> None:
    town.firm("A")
    town.declares("A", "yes", **fields)
    (found,) = town.day().firms["declared"]
    assert found == word


def test_a_declaration_that_no_longer_stands(town: Town) -> None:
    town.firm("A")
    town.declares("A", "yes", valid_to=ON)
    (found,) = town.day().firms["declared"]
    assert found == "unknown"


@pytest.mark.parametrize(
    ("says", "used", "found"),
    [
        ("yes", None, "claimed_not_seen"),
        ("no", "C2", "seen_though_denied"),
        ("unknown", "C2", "seen_not_claimed"),
        ("yes", "C1", "level_not_seen"),
        ("yes", "C2", None),
        ("no", None, None),
        ("unknown", None, None),
    ],
)
def test_declared_beside_seen(town: Town, says: str, used: str | None, found: str | None) -> None:
    town.firm("A")
    town.declares("A", says)
    if used:
        town.uses("A", level=used)
    (row,) = town.day().discrepancies.rows(named=True)
    assert row["discrepancy"] == found


def test_key_operations_pooled_and_by_firm(town: Town) -> None:
    """CA-4: 1 of 1 and 1 of 3, one not known: 2 of 4 units, and the mean of two shares."""
    for name, controlled in (("A", [True]), ("B", [True, False, None])):
        town.firm(name)
        for number, one in enumerate(controlled):
            town.say(
                "machines", machine_id=f"{name}{number}", uscc=name, site_id=f"S-{name}",
                kind="machine", is_digital=True, is_key_operation=True, is_controlled=one,
            )  # fmt: skip
    day = town.day()
    assert figure(day, "CA-4", "pooled") == (2, 4, 1)
    billion = 10**9
    third = billion // 3
    unknown = 2 * billion // 3 - third
    assert figure(day, "CA-4", "mean_of_firms") == (billion + third, 2 * billion, unknown)


def test_networked_of_digital_and_of_all(town: Town) -> None:
    """CA-3: a machine is seen networked by a terminal of it that was heard; else it is declared."""
    town.firm("A")
    known = [(True, True), (True, False), (True, None), (False, True)]
    for number, (digital, networked) in enumerate(known):
        town.say(
            "machines", machine_id=f"M{number}", uscc="A", site_id="S-A", kind="machine",
            is_digital=digital, is_networked=networked, interface_level=number,
        )  # fmt: skip
    town.device("a1", "A", machine_id="M1")
    town.hears("a1", 29)
    day = town.day()
    assert figure(day, "CA-3", "verified") == (1, 3, 1)
    assert figure(day, "CA-3", "declared_or_verified") == (2, 3, 1)
    assert figure(day, "CA-3b", "declared_or_verified") == (3, 4, 1)
    assert figure(day, "CA-6") == (2, 4, 0)


def test_platform_apps_of_those_above_the_scale(town: Town) -> None:
    """CA-5 counts large enterprises too, and no small one."""
    for name, revenue in (("A", 2000.0), ("B", 60_000.0), ("C", 1999.9)):
        town.firm(name, revenue_wan=revenue, staff=1200)
        town.uses(name, ago(90), level="C4")
    town.uses("A", ago(91), level="C4")
    assert figure(town.day(), "CA-5", "verified") == (2, 2, 0)


def test_the_funnel_of_terminals(town: Town) -> None:
    town.firm("A")
    town.device("a1", "A", activated_on=None)
    town.device("a2", "A")
    town.device("a3", "A")
    town.hears("a3", 3)
    town.device("a4", "A")
    town.hears("a4", *range(30))
    town.device("a5", "A", retired_on=ON)
    found = town.day().funnel.filter(pl.col("of") == "terminals", pl.col("park_id") == "P01")
    assert dict(found.select("stage", "units").rows()) == {
        "registered": 4, "activated": 3, "online": 2, "in_use": 1,
    }  # fmt: skip


def test_the_funnel_of_enterprises(town: Town) -> None:
    for name in "ABCD":
        town.firm(name)
    town.uses("A", ago(91))
    town.device("b1", "B")
    town.hears("b1", 3)
    town.uses("C", ago(90))
    found = town.day().funnel.filter(pl.col("of") == "enterprises", pl.col("park_id").is_null())
    assert dict(found.select("stage", "units").rows()) == {
        "registered": 4, "activated": 3, "online": 2, "in_use": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("last", "word"),
    [(None, "never"), (31, "dark"), (30, "stale"), (8, "stale"), (7, "intermittent")],
)
def test_since_when_it_is_silent(town: Town, last: int | None, word: str) -> None:
    town.firm("A")
    town.device("a1", "A")
    if last is not None:
        town.hears("a1", last)
    assert status(town.day(), "a1") == word


def test_values_of_an_unknown_enterprise_and_of_none(town: Town) -> None:
    """Street furniture owes every day; the device of a firm that no register has is counted too."""
    town.device("a1", None, valid_from=LONG_AGO)
    town.hears("a1", *range(30))
    town.device("b1", "nobody knows")
    day = town.day()
    assert figure(day, "CA-2") == (1, 2, 1)
    assert figure(day, "CA-2", "measured", None, "sector", "unknown") == (1, 2, 1)
