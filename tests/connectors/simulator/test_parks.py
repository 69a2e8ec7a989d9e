import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.parquet as pq
import pytest

from connectors.raw import ticks_of, time_of
from connectors.simulator import adoption_truth, parks, truth
from connectors.simulator.adoption_truth import SCHEMA, figures, in_scope, size_class
from connectors.simulator.district import truth as truth_of_district
from connectors.simulator.district.gateways import as_district
from connectors.simulator.district.known import Known
from connectors.simulator.park_facts import Enterprise, ParkFacts, Terminal, facts, uscc

SHANGHAI = ZoneInfo("Asia/Shanghai")
ANCHOR = datetime(2026, 11, 21, 16, 0, 1, tzinfo=UTC)
ON = date(2026, 11, 21)
"""One second after local midnight: the hardest moment for the day that has just ended."""


@pytest.fixture(scope="module")
def known():
    return facts(7, ANCHOR)


@pytest.fixture(scope="module")
def gateways():
    return parks.timelines(7, ANCHOR)


def firm(number, **changes):
    given = {
        "uscc": f"U{number}",
        "name_zh": "",
        "name_en": "",
        "staff": 50,
        "revenue_wan": 900.0,
        "industry_code": "C3612",
        "register_status": "在营",
        "legal_group": "",
        "in_new_city": True,
        "declared_cloud": "no",
        "declared_from": None,
        "declared_to": None,
        "provider_last_use": None,
        "park_ids": ("P01",),
        "resting": frozenset(),
    }
    return Enterprise(**{**given, **changes})


def device(number, owner, days, **changes):
    given = {
        "terminal_id": f"T{number}",
        "park_id": "P01",
        "product_instance_uri": f"urn:d{number}",
        "kind": "device",
        "enterprise_uscc": owner,
        "activated_on": ON - timedelta(days=200),
        "retired_on": None,
        "platforms": (),
        "seen": tuple((ON - timedelta(days=back), 1, 0, 0) for back in days),
    }
    return Terminal(**{**given, **changes})


def counted(enterprises, terminals=(), park=None):
    told = ParkFacts(ON, (), tuple(enterprises), tuple(terminals))
    return {(row[2], row[3]): row[4:] for row in figures(told) if row[1] == park}


def local(day, hour=12):
    return datetime(day.year, day.month, day.day, hour, tzinfo=SHANGHAI)


USED = local(ON - timedelta(days=3))
SINCE = ON - timedelta(days=400)


def ten_firms():
    """One large, and nine: four E2, two declared only, one E3, one none, one unknown."""
    yield firm(0, staff=1_000, revenue_wan=40_000.0, provider_last_use=USED)
    yield from (firm(n, provider_last_use=USED) for n in (1, 2, 3, 4))
    yield from (firm(n, declared_cloud="yes", declared_from=SINCE) for n in (5, 6))
    yield from (firm(7), firm(8), firm(9, declared_cloud="unknown"))


def test_ten_firms():
    found = counted(ten_firms(), [device(1, "U7", range(30))])
    assert found["CA-1", "verified"] == (5, 9, 1)
    assert found["CA-1", "declared_or_verified"] == (7, 9, 1)
    assert pytest.approx(0.8889, abs=1e-4) == (7 + 1) / 9


@pytest.mark.parametrize(
    ("staff", "revenue", "expected"),
    [
        (1500, 39_999, "medium"), (5000, 500, "small"), (1000, 40_000, "large"),
        (299, 900_000, "small"), (19, 900_000, "micro"), (300, 1_999, "small"),
        (300, 2_000, "medium"), (20, 300, "small"), (20, 299.9, "micro"), (999, 40_000, "medium"),
    ],
)  # fmt: skip
def test_size_classes(staff, revenue, expected):
    assert size_class(staff, revenue) == expected


@pytest.mark.parametrize(
    ("change", "inside"),
    [
        ({}, True),
        ({"industry_code": "B1019"}, True),
        ({"industry_code": "D4415"}, True),
        ({"industry_code": "E4710"}, False),
        ({"register_status": "注销"}, False),
        ({"register_status": "个体工商户"}, False),
        ({"in_new_city": False}, False),
        ({"staff": 1000, "revenue_wan": 40_000.0}, False),
    ],
)
def test_scope(change, inside):
    assert in_scope(firm(1, **change)) is inside


@pytest.mark.parametrize(
    ("change", "verified", "either"),
    [
        ({"provider_last_use": local(ON - timedelta(days=90), 0)}, 1, 1),
        ({"provider_last_use": local(ON - timedelta(days=91), 23)}, 0, 0),
        ({"provider_last_use": local(ON + timedelta(days=1), 0)}, 0, 0),
        ({"declared_from": SINCE, "declared_to": ON - timedelta(days=90)}, 0, 1),
        ({"declared_from": SINCE, "declared_to": ON - timedelta(days=91)}, 0, 0),
        ({"declared_from": ON}, 0, 1),
        ({"declared_from": ON + timedelta(days=1)}, 0, 0),
    ],
)
def test_the_last_day_that_counts(change, verified, either):
    found = counted([firm(1, declared_cloud="yes", **change)])
    assert found["CA-1", "verified"][0] == verified
    assert found["CA-1", "declared_or_verified"][0] == either


@pytest.mark.parametrize(
    ("days", "resting", "connected"),
    [
        (range(24), (), 1),  # 24 of 30 is exactly 80 %
        (range(23), (), 0),
        (range(30, 60), (), 0),  # before the window
        (range(4), range(4, 30), 0),  # all of 4 scheduled days: with fewer than 5 nobody can tell
        (range(4), range(5, 30), 0),  # 4 of 5
        (range(5), range(5, 30), 1),
        (range(30), range(30), 0),  # no scheduled day at all
    ],
)
def test_a_connected_device(days, resting, connected):
    off = frozenset(ON - timedelta(days=back) for back in resting)
    found = counted([firm(1, resting=off)], [device(1, "U1", days)])
    assert found["CA-2", "measured"] == (connected, 1, int(len(off) > 25))


def test_two_listings_of_one_device_count_once_and_together():
    halves = [
        device(1, "U1", range(0, 30, 2)),
        device(2, "U1", range(1, 30, 2), product_instance_uri="urn:d1"),
    ]
    assert counted([firm(1)], halves[:1])["CA-2", "measured"] == (0, 1, 0)
    assert counted([firm(1)], halves)["CA-2", "measured"] == (1, 1, 0)
    assert counted([firm(1)], halves)["CA-7", "measured"] == (1, None, 0)


def test_a_device_is_in_the_parks_of_all_its_listings_and_seen_by_each_in_both():
    halves = [
        device(1, "U1", range(0, 30, 2)),
        device(2, "U1", range(1, 30, 2), product_instance_uri="urn:d1", park_id="P02"),
    ]
    for park in (None, "P01", "P02"):
        assert counted([firm(1)], halves, park)["CA-2", "measured"] == (1, 1, 0)
    assert counted([firm(1)], halves, "P03")["CA-7", "measured"] == (0, None, 0)
    halves[1] = replace(halves[1], retired_on=ON)
    assert counted([firm(1)], halves)["CA-2", "measured"] == (1, 1, 0)


def test_terminals_of_every_kind_in_service():
    told = [
        device(1, "U1", ()),
        device(2, "U1", (), kind="sensor"),
        device(3, "U1", (), kind="gateway", retired_on=ON + timedelta(days=1)),
        device(4, "U1", (), retired_on=ON),
        device(5, "U1", (), activated_on=None),
        device(6, "U1", (), activated_on=ON + timedelta(days=1)),
        device(7, "U1", (), activated_on=ON),
    ]
    found = counted([firm(1)], told)
    assert found["CA-7", "measured"] == (4, None, 0)
    assert found["CA-2", "measured"] == (0, 2, 0)


def test_bad_evidence_is_no_evidence():
    bad = tuple((ON - timedelta(days=back), 9, 0x8031_0000, 0) for back in range(30))
    assert counted([firm(1)], [device(1, "U1", (), seen=bad)])["CA-2", "measured"] == (0, 1, 0)


def test_a_firm_in_two_parks_counts_once_in_each_and_once_in_the_district():
    firms = [firm(1, park_ids=("P01", "P02"), provider_last_use=USED), firm(2)]
    shares = {park: counted(firms, park=park)["CA-1", "verified"] for park in (None, "P01", "P02")}
    assert shares == {None: (1, 2, 0), "P01": (1, 2, 0), "P02": (1, 1, 0)}


def test_the_register_has_every_kind_of_case(known):
    assert known.reference_date == ON
    assert (len(known.enterprises), len(known.terminals)) == (200, 3_000)
    assert len({e.uscc for e in known.enterprises}) == 200
    assert all(uscc(e.uscc[:17]) == e.uscc for e in known.enterprises)
    assert {e.register_status for e in known.enterprises} == {"在营", "注销", "吊销", "个体工商户"}
    assert {size_class(e.staff, e.revenue_wan) for e in known.enterprises} == {
        "large", "medium", "small", "micro",
    }  # fmt: skip
    groups = Counter(e.legal_group for e in known.enterprises if e.legal_group)
    assert len(groups) == 2
    assert min(groups.values()) >= 3
    assert [e.park_ids for e in known.enterprises if len(e.park_ids) > 1] == [("P01", "P02")]
    assert 100 <= sum(map(in_scope, known.enterprises)) <= 170
    assert {t.kind for t in known.terminals} == {"device", "sensor", "gateway"}
    assert len({t.product_instance_uri for t in known.terminals}) < 2_960


def test_the_facts_follow_from_seed_and_anchor_alone(known):
    facts.cache_clear()
    assert facts(7, ANCHOR) == known
    assert facts(8, ANCHOR) != known


def test_no_figure_is_trivial(known):
    for _, park, metric, basis, numerator, denominator, unknown in figures(known):
        if denominator is not None:
            assert 0 < numerator < denominator, (park, metric, basis)
            assert numerator + unknown <= denominator
    shares = {row[3]: row[4] / row[5] for row in figures(known) if row[1:3] == (None, "CA-1")}
    assert shares["verified"] < shares["declared_or_verified"]


def test_evidence_speaks_of_its_local_day_and_has_come_by_the_anchor(known, gateways):
    for gateway in gateways:
        by_path = {node.path[2:]: node for node in gateway.nodes}
        for terminal in known.terminals:
            if terminal.park_id != gateway.site_id or terminal.terminal_id[-1] != "3":
                continue
            place = ((gateway.server_uri, terminal.terminal_id), (parks.UNIFIED, "DailyGoodValues"))
            said = gateway.series(by_path[place])
            assert (np.diff(said.delivered_ticks) >= 0).all()
            days = [time_of(t).astimezone(SHANGHAI).date() for t in said.source_ticks.tolist()]
            assert sorted(zip(days, said.values.tolist(), said.status.tolist(), strict=True)) == [
                row[:3] for row in terminal.seen
            ]
            came = said.delivered_ticks <= ticks_of(ANCHOR)
            assert [day <= ON for day in days] == came.tolist()


def test_the_register_is_served_as_the_architecture_says(known, gateways):
    both = next(e for e in known.enterprises if len(e.park_ids) == 2)
    for gateway in gateways[:2]:
        said = {
            node.path[-1][1]: gateway.series(node).values[0]
            for node in gateway.nodes
            if node.path[:3] == (*gateway._folder("Enterprises"), (gateway.server_uri, both.uscc))
        }
        assert list(said) == [
            "Uscc", "NameZh", "NameEn", "Staff", "RevenueWan", "IndustryCode", "RegisterStatus",
            "LegalGroup", "InNewCity", "DeclaredCloud", "DeclaredFrom", "DeclaredTo",
            "ProviderLastUse", "ParkId", "OperatingDay",
        ]  # fmt: skip
        assert (said["ParkId"], said["Staff"]) == ("P01,P02", both.staff)
    terminal = next(n for n in gateways[0].nodes if n.path[1][1] == "Terminals" and n.is_array)
    assert terminal.path[-1][1] == "Platforms"
    assert json.loads(gateways[0].series(terminal).values[0])


def test_dates_are_local_midnights():
    assert parks._day_text(date(2026, 11, 21)) == "2026-11-20T16:00:00.0000000Z"
    assert parks._day_text(None) is None


def test_the_truth_file_has_its_schema(known, tmp_path):
    adoption_truth.write(known, tmp_path / "adoption.parquet")
    table = pq.read_table(tmp_path / "adoption.parquet")
    assert table.schema.equals(SCHEMA)
    assert table.num_rows == 4 * 4
    assert table.column("park_id").to_pylist()[:5] == [None] * 4 + ["P01"]


def test_the_truth_of_a_gateway_reaches_back_to_its_beginning(gateways, tmp_path):
    """A collector asks for months of evidence: what it gets must be known."""
    start, end = ANCHOR - timedelta(hours=97), ANCHOR
    truth.write_truth(tmp_path, gateways[:1], start=start, end=end)
    said = [gateways[0].series(node).delivered_ticks for node in gateways[0].nodes]
    delivered = sum(int((ticks < ticks_of(end)).sum()) for ticks in said)
    (site,) = json.loads((tmp_path / "manifest.json").read_text())["sites"]
    assert pq.read_metadata(tmp_path / "values" / "P01.parquet").num_rows == delivered
    assert (site["values"], site["start"]) == (delivered, truth.BEGINNING.isoformat())


def test_the_truth_is_that_of_the_same_facts_as_a_district(known):
    rows = truth_of_district.adoption(Known(as_district(known), ON))
    counted = {
        (r["park_id"], r["metric_id"], r["basis"]): (r["numerator"], r["denominator"], r["unknown"])
        for r in rows
        if r["dimension"] == "all"
    }
    for _, park, metric, basis, *expected in figures(known):
        assert counted[park, metric, basis] == tuple(expected), (park, metric, basis)
