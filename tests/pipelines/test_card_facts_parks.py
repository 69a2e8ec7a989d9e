"""What the register says of parks and factories, as facts for their cards."""

from datetime import date, timedelta

import polars as pl

from pipelines import card_facts_parks as facts
from pipelines import evidence_cards, park_figures, park_schemas, service_centre
from pipelines.evidence_cards import BENCHMARK_PARK

ON = date(2026, 11, 20)
PARKS = ["P01", "P02"]
EARLY = date(2020, 1, 1)


def table(schema, *rows):
    dated = {"valid_from": EARLY} if "valid_from" in schema else {}
    return pl.DataFrame([{**dict.fromkeys(schema), **dated, **row} for row in rows], schema=schema)


def told(found):
    assert found.schema == evidence_cards.FACTS
    assert set(found["fact_id"]) <= set(evidence_cards.criteria()["fact_id"])
    return dict(found.select("subject_id", "value").iter_rows())


def test_days_are_those_of_thirty_and_none_is_nought():
    days = pl.DataFrame(
        {"subject_id": ["P01"] * 4, "day": [ON - timedelta(days=n) for n in (0, 0, 29, 30)]}
    )
    found = facts.of_days(BENCHMARK_PARK, "gateway_days", days, PARKS, ON)
    assert told(found) == {"P01": 2, "P02": 0}
    assert "2 天" in found["evidence_zh"][0]


def test_an_empty_table_says_nothing_and_not_nought():
    none = facts.of_projects(table(park_schemas.PROJECTS), PARKS, ON)
    assert told(none) == {"P01": None, "P02": None}


def test_phases_that_have_come_are_counted():
    rows = [
        {"park_id": "P01", "phase": phase, "entered_on": day}
        for phase, day in (
            ("admission", EARLY), ("construction", ON), ("operation", ON + timedelta(days=1)),
            ("planning", EARLY), ("admission", ON),
        )
    ]  # fmt: skip
    assert told(facts.of_projects(table(park_schemas.PROJECTS, *rows), PARKS, ON)) == {
        "P01": 2, "P02": 0,
    }  # fmt: skip


def test_services_count_where_their_platform_is_and_only_listed_ones():
    listed = {"platform": "A", "is_listed": True, "is_used": True}
    rows = [
        listed | {"service_id": "1"}, listed | {"service_id": "2", "is_used": False},
        listed | {"service_id": "3", "is_listed": False},
        listed | {"service_id": "4", "platform": "B"},
    ]  # fmt: skip
    platforms = pl.DataFrame({"park_id": ["P01", "P02", "P02"], "platform": ["A", "A", "B"]})
    found = facts.of_services(table(service_centre.CATALOGUE, *rows), platforms, PARKS, ON)
    assert told(found) == {"P01": 1, "P02": 2}


def test_chains_of_a_park_not_those_of_the_district():
    rows = [{"park_id": "P01", "chain": "ic"}] * 2 + [{"park_id": None, "chain": "ev"}]
    assert told(facts.of_chains(table(park_figures.MISSING_LINKS, *rows), PARKS, ON)) == {
        "P01": 1, "P02": 0,
    }  # fmt: skip


def test_terminals_in_service_on_5g():
    live = {"park_id": "P01", "network": "5g", "activated_on": EARLY, "platform": "A"}
    rows = [
        live | {"terminal_id": "1"}, live | {"terminal_id": "1", "platform": "B"},
        live | {"terminal_id": "2", "network": "wifi"},
        live | {"terminal_id": "3", "retired_on": ON},
        live | {"terminal_id": "4", "activated_on": None},
        live | {"terminal_id": "5", "valid_to": ON},
    ]  # fmt: skip
    assert told(facts.of_terminals(table(park_schemas.TERMINALS, *rows), PARKS, ON))["P01"] == 1


FIRMS = table(
    park_schemas.ENTERPRISES,
    *({"uscc": f"U{n}", "register_status": "在营"} for n in range(3)),
    {"uscc": "U3", "register_status": "注销"},
)
SITES = table(
    park_schemas.SITES,
    *({"site_id": f"S{n}", "uscc": f"U{n % 4}", "park_id": "P01"} for n in range(5)),
    {"site_id": "T", "uscc": "U1", "park_id": "P02"},
    {"site_id": "V", "uscc": "U2", "park_id": None},
)


def test_an_enterprise_counts_once_in_each_of_its_parks():
    days = table(
        park_schemas.ENTERPRISE_DAYS,
        {"uscc": "U0", "day": ON - timedelta(days=29), "is_collected": True},
        {"uscc": "U1", "day": ON - timedelta(days=30), "is_collected": True},
        {"uscc": "U2", "day": ON, "is_collected": False},
    )
    assert told(facts.of_monitoring(FIRMS, SITES, days, ON)) == {"P01": 1 / 3, "P02": 0}
    drawn = table(
        park_figures.PORTRAITS,
        *({"uscc": f"U{n}", "reference_date": ON} for n in range(2)),
        {"uscc": "U2", "reference_date": ON - timedelta(days=1)},
    )
    found = facts.of_portraits(FIRMS, SITES, drawn)
    assert told(found) == {"P01": 2 / 3, "P02": 1}
    assert set(found["as_of"]) == {ON}
    before = facts.of_portraits(FIRMS, SITES, drawn.filter(pl.col("reference_date") < ON))
    assert told(before) == {"P01": 1 / 3, "P02": 0}
    assert told(facts.of_portraits(FIRMS, SITES, drawn.clear())) == {}


def test_machines_of_a_factory_by_its_owner():
    machine = {"uscc": "U0", "kind": "machine", "is_digital": True, "is_networked": True}
    rows = [
        machine, machine | {"is_networked": None}, machine | {"is_digital": False},
        machine | {"kind": "control_loop"}, machine | {"valid_to": ON}, machine | {"uscc": "U9"},
    ]  # fmt: skip
    owners = pl.DataFrame({"factory_id": ["F01", "F02"], "uscc": ["U0", None]})
    found = facts.of_machines(table(park_schemas.MACHINES, *rows), owners, ON)
    assert told(found) == {"F01": 0.5}


def test_early_warning_could_judge_the_days_that_were_collected():
    days = table(
        park_schemas.ENTERPRISE_DAYS,
        *({"uscc": "U0", "day": ON - timedelta(days=n), "is_collected": n != 1} for n in range(4)),
        {"uscc": "U0", "day": ON - timedelta(days=30), "is_collected": True},
        {"uscc": "U9", "day": ON - timedelta(days=9), "is_collected": True},
    )
    found = told(facts.of_warnings(FIRMS, SITES, days, ON))
    assert found["P01"] == 3
    assert told(facts.of_warnings(FIRMS, SITES, days.clear(), ON))["P01"] is None


def test_platforms_of_a_park_are_those_that_list_a_terminal_there_on_the_day():
    rows = [
        {"platform": "A", "park_id": "P01"}, {"platform": "A", "park_id": "P01"},
        {"platform": "B", "park_id": None}, {"platform": "C", "park_id": "P02", "valid_to": ON},
        {"platform": "B", "park_id": "P02"},
    ]  # fmt: skip
    found = facts.platforms(table(park_schemas.TERMINALS, *rows), ON)
    assert found.rows() == [("P01", "A"), ("P02", "B")]
