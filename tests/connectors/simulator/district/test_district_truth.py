"""The truth of the district: the fixtures of the rules, and laws that hold whatever the facts."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.simulator.district import ideal, truth
from connectors.simulator.district.facts import facts
from connectors.simulator.district.identity import units_of
from connectors.simulator.district.known import Known
from connectors.simulator.district.rows import (
    Declaration,
    DistrictFacts,
    Enterprise,
    Machine,
    Site,
    Tenant,
    Terminal,
    Use,
    days_until,
)
from connectors.simulator.district.standing import valid

ON = date(2026, 11, 21)
DAYS = days_until(ON, 120)
BEFORE = ON - timedelta(days=900)


def back(days):
    return ON - timedelta(days=days)


def firm(number, **changes):
    plain = Enterprise(
        f"U{number}", "", "", 50, 900.0, "C3612", "在营", None, True, None, None, BEFORE
    )
    return replace(plain, **changes)


def said(number, cloud="no", since=None, until=None, **changes):
    row = Declaration(f"U{number}", None, cloud, since, until, None, None, BEFORE)
    return replace(row, **changes)


def used(number, ago=3, level="C2", **changes):
    row = Use("云间", None, f"U{number}" if number is not None else None, level, "erp", back(ago))
    return replace(row, **changes)


def listing(number, owner="U1", **changes):
    plain = Terminal(
        f"T{number}", "云间", None, None, None, None, None, "device", "5g", None, owner, None, None,
        1, BEFORE, BEFORE, None, BEFORE,
    )  # fmt: skip
    return replace(plain, **changes)


def district(seen=None, working=None, **rows):
    """Facts by hand: `seen` terminal id to days ago, `working` enterprise to days ago (all)."""
    seen = seen or {}
    working = working or {}
    codes = tuple(dict.fromkeys(e.uscc for e in rows.get("enterprises", ())))
    values = np.full((len(seen), len(DAYS)), -1, np.int16)
    for row, days in zip(values, seen.values(), strict=True):
        row[[len(DAYS) - 1 - n for n in days]] = 7
    operating = np.ones((len(codes), len(DAYS)), np.int8)
    for code, days in working.items():
        operating[codes.index(code)] = 0
        operating[codes.index(code), [len(DAYS) - 1 - n for n in days]] = 1
    told = {name: tuple(held) for name, held in rows.items()}
    return DistrictFacts(
        ON, DAYS, listing_ids=tuple(seen), good_values=values, sent=values, calendar_of=codes,
        operating=operating, **told,
    )  # fmt: skip


def figure(told, metric_id, basis, *, park=None, dimension="all", class_id=None):
    for row in truth.adoption(Known(told, ON)):
        place = row["park_id"], row["dimension"], row["class_id"], row["metric_id"], row["basis"]
        if place == (park, dimension, class_id, metric_id, basis):
            return row["numerator"], row["denominator"], row["unknown"]
    return None


def cloud(told, basis="verified", **where):
    return figure(told, "CA-1", basis, **where)


def ten_firms():
    """One large, and nine: four E2, two declared only, one E3, one none, one unknown."""
    firms = [firm(0, staff=1_000, revenue_wan=40_000.0), *(firm(n) for n in range(1, 10))]
    words = [said(n, "yes", BEFORE) for n in (5, 6)]
    words += [said(n) for n in (0, 1, 2, 3, 4, 7, 8)]
    return district(
        {"T7": range(30)},
        enterprises=firms,
        declarations=[*words, said(9, "unknown")],
        provider_use=[used(n) for n in range(5)],
        terminals=[listing(7, "U7")],
    )


def test_ten_firms():
    told = ten_firms()
    assert cloud(told) == (5, 9, 1)
    assert cloud(told, "declared_or_verified") == (7, 9, 1)
    (row,) = (
        r for r in truth.adoption(Known(told, ON))
        if (r["metric_id"], r["basis"], r["dimension"]) == ("CA-1", "declared_or_verified", "all")
    )  # fmt: skip
    assert (round(row["value"] * 100, 2), round(row["upper"] * 100, 2)) == (77.78, 88.89)
    assert round(5 / 9 * 100, 2) == 55.56


@pytest.mark.parametrize(
    ("staff", "revenue", "size"),
    [
        (1500, 39_999, "medium"), (5000, 500, "small"), (1000, 40_000, None),
        (299, 900_000, "small"), (19, 900_000, "micro"), (300, 1_999, "small"),
    ],
)  # fmt: skip
def test_size_classes_are_counted_apart(staff, revenue, size):
    told = district(enterprises=[firm(1, staff=staff, revenue_wan=float(revenue))])
    for name in ("micro", "small", "medium", "large"):
        found = cloud(told, dimension="size_class", class_id=name)
        assert found == ((0, 1, 1) if name == size else None)


@pytest.mark.parametrize(
    ("level", "service", "levels"),
    [
        ("C4", "machine_hours", "C2"), ("C3", "machine_hours", "C2"), ("C1", "machine_hours", "C1"),
        ("C4", "mes_app", "C4"),
    ],
)  # fmt: skip
def test_machine_hours_are_at_most_c2(level, service, levels):
    told = district(
        enterprises=[firm(1), firm(2)],
        declarations=[said(1), said(2)],
        provider_use=[used(1, level=level, service=service)],
    )
    for name in ("C1", "C2", "C3", "C4"):
        expected = (int(name == levels), 2, 0)
        assert cloud(told, dimension="level", class_id=name) == expected
    assert cloud(told) == (1, 2, 0)


def test_evidence_without_a_level_is_unknown_at_each():
    told = district(
        enterprises=[firm(1), firm(2), firm(3)],
        declarations=[said(1), said(2, "yes", BEFORE), said(3, "unknown", level="C1")],
        provider_use=[used(1, level=None)],
    )
    by_basis = {"verified": (0, 3, 2), "declared": (0, 3, 2), "declared_or_verified": (0, 3, 3)}
    for basis, expected in by_basis.items():
        assert cloud(told, basis, dimension="level", class_id="C1") == expected


@pytest.mark.parametrize(
    ("claimed", "seen", "found"),
    [
        ("C3", "C3", None), ("C4", "C3", "level_not_seen"), ("C1", "C3", None),
        (None, "C3", None), ("C4", None, None),
    ],
)  # fmt: skip
def test_a_level_not_seen(claimed, seen, found):
    told = district(
        enterprises=[firm(1)],
        declarations=[said(1, "yes", BEFORE, level=claimed)],
        provider_use=[used(1, level=seen)],
    )
    (row,) = truth.discrepancies(Known(told, ON))
    assert (row["declared_level"], row["seen_level"], row["discrepancy"]) == (claimed, seen, found)


def test_platform_applications_of_enterprises_above_the_scale():
    firms = [
        firm(1, revenue_wan=2_000.0), firm(2, revenue_wan=1_999.9),
        firm(3, revenue_wan=90_000.0, staff=2_000), firm(4, revenue_wan=None),
        firm(5, revenue_wan=9_000.0), firm(6, revenue_wan=9_000.0, industry_code="F5171"),
        firm(7, revenue_wan=9_000.0),
    ]  # fmt: skip
    uses = [used(n, level="C4") for n in (1, 2, 4, 6)] + [used(3, level="C2")]
    told = district(enterprises=firms, provider_use=[*uses, used(5, level=None)])
    assert figure(told, "CA-5", "verified") == (1, 4, 1)


def test_machines_are_counted_by_what_is_heard_and_what_is_said():
    """Digital or not, networked or not, heard or not; a control loop is no machine."""

    def machine(name, **changes):
        plain = Machine(name, "U1", "S1", "machine", True, False, True, False, 1, BEFORE)
        return replace(plain, **changes)

    held = [
        machine("heard"), machine("said", is_networked=True, interface_level=2),
        machine("null", is_networked=None, interface_level=None),
        machine("heard late", is_networked=None, interface_level=3),
        machine("unclear", is_digital=None, is_networked=True),
        machine("plain", is_digital=False, is_networked=None),
        machine("loop", kind="control_loop", is_controlled=True, interface_level=3),
        machine("gone", valid_to=ON),
    ]  # fmt: skip
    told = district(
        {"T1": [0], "T2": [29], "T3": [30]},
        enterprises=[firm(1)],
        machines=held,
        terminals=[
            listing(1, machine_id="heard"), listing(2, machine_id="heard late"),
            listing(3, machine_id="null"),
        ],
    )  # fmt: skip
    assert figure(told, "CA-3", "verified") == (2, 4, 1)
    assert figure(told, "CA-3", "declared_or_verified") == (3, 4, 1)
    assert figure(told, "CA-3b", "verified") == (2, 6, 2)
    assert figure(told, "CA-3b", "declared_or_verified") == (4, 6, 2)
    assert figure(told, "CA-4", "pooled") == (1, 7, 0)
    assert figure(told, "CA-6", "measured") == (2, 6, 1)


def test_a_gateway_is_one_terminal_and_its_channels_are_points():
    told = district(
        {"T1": range(30), "T2": ()},
        enterprises=[firm(1)],
        terminals=[
            listing(1, kind="gateway", points=64), listing(2, points=None),
            listing(3, points=16, retired_on=ON),
        ],
    )  # fmt: skip
    assert figure(told, "CA-7", "measured") == (2, None, 0)
    assert figure(told, "CA-7", "points") == (64, None, 0)
    assert figure(told, "CA-2", "measured") == (0, 1, 0)
    assert cloud(told) == (0, 1, 1)  # what a gateway sends makes nobody connected


def test_a_groups_account_makes_its_enterprises_unknown():
    firms = [firm(n, legal_group="G") for n in (1, 2, 3)]
    told = district(
        enterprises=[*firms, firm(4)],
        declarations=[said(1), said(2, "yes", BEFORE), said(3), said(4)],
        tenants=[Tenant("T", "云间", None, "G", BEFORE)],
        provider_use=[used(None, tenant_id="T"), used(3)],
    )
    assert cloud(told) == (1, 4, 2)
    assert cloud(told, "declared_or_verified") == (2, 4, 1)
    assert cloud(told, "declared") == (1, 4, 0)


def test_shares_of_firms_are_rounded_down_and_their_bounds_hold_all():
    def machine(number, controlled):
        return Machine(
            f"M{number}", "U1", "S1", "machine", True, None, True, controlled, None, BEFORE
        )

    held = [machine(n, controlled) for n, controlled in enumerate((True, None, None))]
    told = district(enterprises=[firm(1)], machines=held)
    assert figure(told, "CA-4", "mean_of_firms") == (333_333_333, 10**9, 666_666_667)
    assert figure(told, "CA-4", "pooled") == (1, 3, 2)


@pytest.mark.parametrize(
    ("seen", "working", "status"),
    [
        (range(24), range(120), "connected"), (range(23), range(120), "intermittent"),
        (range(30), range(5), "connected"), (range(30), range(4), "unscheduled"),
        (range(8, 60), range(120), "stale"), (range(7, 60), range(120), "intermittent"),
        (range(31, 60), range(120), "dark"), (range(30, 60), range(120), "stale"),
        (range(50, 60), [*range(25, 30), *range(60, 90)], "intermittent"),
        ((), range(120), "never"),
    ],
)  # fmt: skip
def test_silence_is_counted_in_owed_days(seen, working, status):
    told = district(
        {"T1": seen}, {"U1": working}, enterprises=[firm(1)], terminals=[listing(1)]
    )  # fmt: skip
    (device,) = Known(told, ON).devices
    assert device.status == status
    expected = int(status == "connected"), 1, int(status == "unscheduled")
    assert figure(told, "CA-2", "measured") == expected


def test_an_outage_excuses_a_unit_when_all_its_parks_were_down():
    one, two = listing(1, park_id="P01", mac="m"), listing(2, park_id="P02", mac="m")
    for down, status in (
        ([("P01", back(n)) for n in range(10)], "stale"),
        ([(park, back(n)) for n in range(10) for park in ("P01", "P02")], "connected"),
        ([(None, back(n)) for n in range(10)], "connected"),
    ):
        told = district(
            {"T1": range(10, 60), "T2": ()}, enterprises=[firm(1)], terminals=[one, two],
            collector_down=down,
        )  # fmt: skip
        assert [d.status for d in Known(told, ON).devices] == [status]


def test_a_chain_of_listings_is_one_unit_and_a_contradiction_is_ambiguous():
    serial = {"manufacturer": "m", "serial_number": "1"}
    a = listing(1, product_instance_uri="u1", **serial)
    b = listing(2, **serial, mac="x")
    c = listing(3, mac="x")
    units, ambiguous = units_of([c, a, b])
    assert [[t.terminal_id for t in u.listings] for u in units] == [["T1", "T2", "T3"]]
    assert not ambiguous
    other = listing(4, product_instance_uri="u2", mac="x")
    units, ambiguous = units_of([a, b, other])
    assert sorted(u.unit_id[-2:] for u in units) == ["u1", "u2"]
    assert ambiguous == [b]
    with_d = units_of([a, b, other, listing(5, **serial)])[1]
    assert {t.terminal_id for t in with_d} == {"T2", "T5"}  # it may be T2, and so any of the two


KEY = st.sampled_from([None, None, "a", "b", "c"])


@given(st.lists(st.tuples(KEY, KEY, KEY, KEY), max_size=8), st.randoms())
@settings(max_examples=40)
def test_units_do_not_depend_on_the_order_of_listings(keys, random):
    listings = [
        listing(
            n, product_instance_uri=uri, manufacturer="m", serial_number=serial, mac=mac,
            asset_id=asset,
        )
        for n, (uri, serial, mac, asset) in enumerate(keys)
    ]  # fmt: skip
    units, ambiguous = units_of(listings)
    shuffled = random.sample(listings, len(listings))
    again, ambiguous_again = units_of(shuffled)
    assert {u.unit_id: u.listings for u in units} == {u.unit_id: u.listings for u in again}
    assert set(ambiguous) == set(ambiguous_again)
    held = [t for u in units for t in u.listings] + ambiguous
    assert sorted(t.terminal_id for t in held) == sorted(t.terminal_id for t in listings)
    uris = [{t.product_instance_uri for t in u.listings} - {None} for u in units]
    assert all(len(found) <= 1 for found in uris)


def test_a_change_is_what_its_three_parts_are():
    told = district(
        {"T1": range(90), "T2": range(40, 100), "T3": range(60)},
        enterprises=[firm(1)],
        terminals=[
            listing(1), listing(2, retired_on=back(5)), listing(3, activated_on=back(40)),
            listing(4),
        ],
    )  # fmt: skip
    (row,) = (
        r for r in truth.changes(told, ON, back(60))
        if (r["park_id"], r["metric_id"]) == (None, "CA-2")
    )  # fmt: skip
    assert (row["value_then"], row["value_now"], row["matched_units"]) == (2 / 3, 2 / 3, 2)
    assert (row["within"], row["entry"], row["exit"]) == (0.0, 2 / 3 - 1 / 2, 1 / 2 - 2 / 3)


# laws of the whole district ------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole():
    return facts(5, ON, enterprises=400, terminals=1_000)


@pytest.fixture(scope="module")
def known(whole):
    return Known(whole, ON)


def all_of(rows):
    return {
        (r["park_id"], r["metric_id"], r["basis"]): r for r in rows if r["dimension"] == "all"
    }  # fmt: skip


def test_no_share_is_trivial_and_bounds_are_in_order(known):
    for row in truth.adoption(known):
        if row["denominator"] is not None:
            assert 0 <= row["numerator"] <= row["numerator"] + row["unknown"] <= row["denominator"]
    for (_, metric_id, _), row in all_of(truth.adoption(known)).items():
        assert row["numerator"] > 0
        if row["denominator"] is not None:
            assert row["numerator"] < row["denominator"]
        assert row["unknown"] > 0 or row["park_id"] is not None or metric_id == "CA-3", row


def test_classes_and_sectors_add_up_to_the_whole(known):
    rows = truth.adoption(known)
    for (park, metric_id, basis), whole_row in all_of(rows).items():
        for dimension in ("size_class", "sector"):
            held = [
                r for r in rows
                if (r["park_id"], r["metric_id"], r["basis"], r["dimension"])
                == (park, metric_id, basis, dimension)
            ]  # fmt: skip
            for column in ("numerator", "denominator", "unknown"):
                if whole_row[column] is not None:
                    assert sum(r[column] for r in held) == whole_row[column]


def test_without_two_parks_or_none_the_parks_add_up_to_the_new_city(whole):
    in_one = {}
    for site in whole.sites:
        in_one.setdefault(site.uscc, set()).add(site.park_id)
    single = {uscc for uscc, parks in in_one.items() if len(parks) == 1 and None not in parks}
    terminals = [t for t in whole.terminals if t.uscc in single and t.park_id in in_one[t.uscc]]
    told = replace(
        whole,
        enterprises=tuple(e for e in whole.enterprises if e.uscc in single),
        machines=tuple(m for m in whole.machines if m.uscc in single),
        terminals=tuple(terminals),
    )
    rows = all_of(truth.adoption(Known(told, ON)))
    for metric_id, basis in {key[1:] for key in rows}:
        parks = [row for key, row in rows.items() if key[0] and key[1:] == (metric_id, basis)]
        for column in ("numerator", "denominator", "unknown"):
            if rows[None, metric_id, basis][column] is not None:
                total = sum(row[column] for row in parks)
                assert total == rows[None, metric_id, basis][column], (metric_id, basis, column)


def test_each_stage_of_a_funnel_is_within_the_one_before(known):
    rows = truth.funnel(known)
    for before, after in pairwise(rows):
        if after["place"] > 1:
            assert 0 < after["units"] < before["units"] or after["park_id"] is not None
            assert after["units"] <= before["units"]


def test_the_funnel_and_the_statuses_agree_with_the_figures(known):
    figures = all_of(truth.adoption(known))
    for row in truth.funnel(known):
        if row["of"] == "enterprises" and row["stage"] in ("registered", "in_use"):
            column = "denominator" if row["stage"] == "registered" else "numerator"
            assert row["units"] == figures[row["park_id"], "CA-1", "verified"][column]
        if row["of"] == "terminals" and row["stage"] == "activated":
            assert row["units"] == figures[row["park_id"], "CA-7", "measured"]["numerator"]
    alive = [r for r in truth.liveness(known) if r["status"] != "inactive"]
    for (park, metric_id, _), row in figures.items():
        devices = [r for r in alive if r["park_id"] == park and r["kind"] == "device"]
        if metric_id == "CA-2":
            assert row["denominator"] == sum(r["terminals"] for r in devices)
            connected = [r for r in devices if r["status"] == "connected"]
            assert row["numerator"] == sum(r["terminals"] for r in connected)
    statuses = {r["status"] for r in truth.liveness(known)}
    assert len(statuses) == 7


def test_changes_add_up(whole):
    rows = truth.changes(whole, ON, back(90))
    assert len(rows) == 4 * 12
    for row in rows:
        parts = row["within"] + row["entry"] + row["exit"]
        assert parts == pytest.approx(row["change"], abs=1e-12)
        assert row["matched_change"] == row["within"]
    moved = [row for row in rows if row["entry"] != 0 and row["exit"] != 0]
    assert len(moved) > 10


def test_a_change_since_today_is_none(whole):
    for row in truth.changes(whole, ON, ON):
        assert (row["change"], row["entry"], row["exit"]) == (0.0, 0.0, 0.0)


def test_every_discrepancy_is_found(whole, known):
    rows = {row["uscc"]: row for row in truth.discrepancies(known)}
    assert len(rows) == all_of(truth.adoption(known))[None, "CA-1", "verified"]["denominator"]
    names = {row["discrepancy"] for row in rows.values()}
    assert names == {
        None, "claimed_not_seen", "seen_though_denied", "seen_not_claimed", "level_not_seen",
    }  # fmt: skip
    planted = {
        "level not seen": "level_not_seen", "liar": "claimed_not_seen", "no": None,
        "denied": "seen_though_denied", "expired, seen": "seen_not_claimed", "no row": None,
    }  # fmt: skip
    for trap in whole.traps:
        if trap.name in planted and trap.letter == "E1":
            assert rows[trap.subjects[0]]["discrepancy"] == planted[trap.name], trap


def test_nothing_after_the_day_is_read(whole):
    """What is told later of an earlier day is another matter: it counts."""
    on = back(60)
    earlier = [day <= on for day in whole.days]
    cut = replace(
        whole,
        provider_use=tuple(u for u in whole.provider_use if u.day <= on),
        collector_down=tuple(d for d in whole.collector_down if d[1] <= on),
        good_values=np.where(earlier, whole.good_values, -1),
        operating=np.where(earlier, whole.operating, 0),
    )
    assert truth.adoption(Known(cut, on)) == truth.adoption(Known(whole, on))
    assert truth.liveness(Known(cut, on)) == truth.liveness(Known(whole, on))


def test_the_real_values_lie_within_the_bounds(whole, known):
    figures = all_of(truth.adoption(known))
    held = 0
    for row in ideal.ideal(whole):
        area, metric_id, top = row["park_id"], row["metric_id"], row["numerator"]
        bases = ideal.BOUNDS.get(metric_id)
        if row["basis"] == "really_mean_of_firms":
            bases = "mean_of_firms", "mean_of_firms"
        if bases is None:
            continue
        lower, upper = (figures[area, metric_id, basis] for basis in bases)
        assert lower["numerator"] <= top <= upper["numerator"] + upper["unknown"], row
        assert row["denominator"] == lower["denominator"]
        held += lower["numerator"] < top
    assert held >= 4 * 5  # the bounds are of use: what is real is not what is seen


def test_with_all_evidence_the_bounds_are_one_and_real(whole):
    complete = ideal.complete(whole)
    figures = all_of(truth.adoption(Known(complete, ON)))
    for row in ideal.ideal(complete):
        area, metric_id = row["park_id"], row["metric_id"]
        bases = set(ideal.BOUNDS.get(metric_id, ()))
        if metric_id in ("CA-3", "CA-3b"):
            bases = {"declared_or_verified"}
        if row["basis"] == "really_mean_of_firms":
            bases = {"mean_of_firms"}
        for basis in {*bases, *(["declared"] if metric_id == "CA-1" else ())}:
            found = figures[area, metric_id, basis]
            assert (found["numerator"], found["unknown"]) == (row["numerator"], 0), (row, basis)
        if metric_id == "CA-2":
            found = figures[area, metric_id, "measured"]
            assert found["numerator"] == row["numerator"]


def test_an_enterprise_in_two_parks_and_one_that_moved(whole, known):
    planted = {trap.name: trap.subjects[0] for trap in whole.traps}
    assert known.firms[planted["two parks"]].parks == {"P01", "P02"}
    assert known.firms[planted["no park"]].parks == set()
    assert known.firms[planted["moved park"]].parks == {"P02"}
    assert Known(whole, back(31)).firms[planted["moved park"]].parks == {"P01"}
    assert Known(whole, back(30)).firms[planted["moved park"]].parks == {"P02"}


def test_sites_are_of_what_stands_on_the_day():
    site = Site("S", "U1", "P01", "", 121.2, 31.0, BEFORE, ON)
    assert valid([site], back(1)) == [site]
    assert valid([site], ON) == []
