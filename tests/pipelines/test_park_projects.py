"""Projects, services and PUE against the simulator's truth, and edges by hand."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from connectors.simulator import park_projects as invented
from connectors.simulator import park_projects_truth as truth
from pipelines import indicators, park_schemas, projects, pue, service_centre

ON = date(2026, 11, 20)
USCCS = [f"9131011700000{n:04}X" for n in range(40)]
PARKS = ["P01", "P02", "P03"]
PLATFORMS = ["G60", "LG"]
TENANTS = pl.DataFrame(schema=park_schemas.TENANTS)
ENTERPRISES = pl.DataFrame(schema=park_schemas.ENTERPRISES)


def frame(rows, schema):
    return pl.DataFrame(invented.rows(rows), schema=schema)


@pytest.fixture(scope="module")
def several():
    return invented.projects(7, ON, USCCS, PARKS)


def of_day(several, on):
    return projects.states(frame(several, park_schemas.PROJECTS), on)


@pytest.mark.parametrize("ago", [0, 1, 100, 400, 1200])
def test_projects_stand_where_the_truth_says(several, ago):
    on = ON - timedelta(days=ago)
    table = frame(several, park_schemas.PROJECTS)
    states = projects.states(table, on)
    told = states.select("project_id", "state", "phase", "days_late").iter_rows()
    assert {name: tuple(rest) for name, *rest in told} == truth.project_states(several, on)
    found = projects.findings(table, on).select("project_id", "phase", "finding").rows()
    assert len(found) == len(set(found))
    assert set(found) == truth.project_findings(several, on)


def test_what_is_planted_is_there(several):
    states = {row["project_id"]: row for row in of_day(several, ON).iter_rows(named=True)}
    late = states["PRJ-001"]
    assert (late["state"], late["phase"], late["days_late"]) == (
        "running", "construction", invented.LATE_DAYS,
    )  # fmt: skip
    assert late["next_milestone"] == "leave:construction"
    assert (late["days_in"], late["days_planned"]) == (320, 300)
    assert states["PRJ-004"]["days_in"] == 1
    assert states["PRJ-006"]["state"] == "finished"
    overdue, future = states["PRJ-007"], states["PRJ-008"]
    assert (overdue["state"], overdue["next_milestone"]) == ("not_begun", "enter:admission")
    assert (overdue["days_late"], future["days_late"]) == (12, 0)
    found = projects.findings(frame(several, park_schemas.PROJECTS), ON)
    planted = found.filter(pl.col("project_id") <= "PRJ-009")
    assert planted.select("project_id", "phase", "finding").rows() == [
        ("PRJ-002", "construction", "skipped"),
        ("PRJ-003", "operation", "entered_before_left"),
        ("PRJ-005", "admission", "left_before_entered"),
    ]
    assert planted["todo_zh"][0].startswith("项目 PRJ-002 的“建设”阶段未经过该阶段")


def test_a_summary_counts_every_project_once_a_park_and_once_in_all(several):
    states = of_day(several, ON)
    table = projects.summary(states)
    kinds = ["not_begun", *projects.PHASES, "finished"]
    assert (table["projects"] == table.select(pl.sum_horizontal(kinds)).to_series()).all()
    whole, parks = table.row(0, named=True), table.slice(1)
    assert whole["park_id"] is None
    assert whole["projects"] == parks["projects"].sum() == invented.PROJECTS
    assert whole["late"] == (states["days_late"] > 0).sum()
    assert whole["invested_wan"] == parks["invested_wan"].sum()


def one(*phases):
    """A project of (phase, entered, left) in days before ON."""
    ago = [None if n is None else ON - timedelta(days=n) for _, *pair in phases for n in pair]
    rows = [
        {"project_id": "X", "park_id": "P01", "phase": phase, "entered_on": a, "left_on": b}
        for (phase, *_), a, b in zip(phases, ago[::2], ago[1::2], strict=True)
    ]
    return pl.DataFrame(
        [{**dict.fromkeys(park_schemas.PROJECTS), **row} for row in rows],
        schema=park_schemas.PROJECTS,
    )


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([("admission", 9, 5), ("construction", 5, None)], []),  # the same day
        ([("admission", 9, 4), ("construction", 5, None)], ["entered_before_left"]),
        ([("admission", 9, None), ("construction", 5, None)], ["entered_before_left"]),
        ([("construction", 5, None)], ["skipped"]),  # no row of admission at all
        ([("operation", 5, None)], ["skipped", "skipped"]),
        ([("admission", 9, 4), ("operation", 5, None)], ["skipped", "entered_before_left"]),
        ([("admission", None, 5)], ["left_not_entered"]),
        ([("admission", 5, 6)], ["left_before_entered"]),
        ([("admission", 9, -3), ("construction", -3, None)], []),  # not yet known
        ([("planning", 9, 5)], ["unknown_phase"]),
        ([("admission", None, None)], []),
    ],
)
def test_dates_that_cannot_be_right(phases, expected):
    assert projects.findings(one(*phases), ON)["finding"].to_list() == expected


AGO = st.none() | st.integers(-5, 40)


@settings(max_examples=40)
@given(st.lists(st.tuples(AGO, AGO), min_size=4, max_size=4))
def test_findings_and_states_of_any_dates_are_those_of_the_truth(dates):
    came = [tuple(n if n is None else ON - timedelta(days=n) for n in pair) for pair in dates]
    rows = [
        invented.Project("X", "", "", "U", "P01", phase, ON, ON, *pair, 1.0, None)
        for phase, pair in zip(projects.PHASES, came, strict=True)
    ]
    table = frame(rows, park_schemas.PROJECTS)
    found = projects.findings(table, ON).select("project_id", "phase", "finding").rows()
    assert set(found) == truth.project_findings(rows, ON)
    told = projects.states(table, ON).select("state", "phase", "days_late").row(0)
    assert told == truth.project_states(rows, ON)["X"]


def test_without_a_plan_nothing_is_late():
    row = projects.states(one(("admission", 9, None)), ON).row(0, named=True)
    assert (row["state"], row["days_in"], row["days_late"]) == ("running", 10, None)
    assert projects.states(one(("planning", 9, 5)), ON)["state"].to_list() == ["not_begun"]
    empty = pl.DataFrame(schema=park_schemas.PROJECTS)
    assert projects.summary(projects.states(empty, ON)).is_empty()


@pytest.fixture(scope="module")
def centre():
    offered = invented.services(ON, PLATFORMS)
    return offered, invented.service_use(7, ON, USCCS, PLATFORMS)


def shown(centre, on=ON, tenants=TENANTS, enterprises=ENTERPRISES):
    offered, use = centre
    tables = frame(offered, park_schemas.SERVICES), frame(use, park_schemas.PROVIDER_USE)
    return service_centre.catalogue(*tables, tenants, enterprises, on)


@pytest.mark.parametrize("ago", [0, 1, 45])
def test_services_are_used_as_the_truth_says(centre, ago):
    on = ON - timedelta(days=ago)
    counts = ["is_listed", "enterprises", "unattributed", "uses", "uses_before"]
    told = shown(centre, on).select("service_id", *counts).iter_rows()
    assert {name: tuple(rest) for name, *rest in told} == truth.service_counts(*centre, on)


def test_unused_retired_and_group_services(centre):
    found = {row["service_id"]: row for row in shown(centre).iter_rows(named=True)}
    unused = found[f"G60-{invented.UNUSED}"]
    assert (unused["is_used"], unused["enterprises"], unused["trend"]) == (False, 0, -1.0)
    assert not found[f"G60-{invented.RETIRED}"]["is_listed"]
    group = found[f"G60-{invented.GROUP_ONLY}"]
    assert group["unattributed"] == group["uses"] - group["enterprises"]  # the edge record is one's


def test_a_tenant_says_whose_a_use_is_while_it_holds(centre):
    tenant = {
        "tenant_id": invented.GROUP_TENANT, "platform": "G60", "uscc": USCCS[3],
        "valid_from": date(2020, 1, 1), "valid_to": ON - timedelta(days=30),
    }  # fmt: skip
    tenants = pl.DataFrame(
        [{**dict.fromkeys(park_schemas.TENANTS), **tenant}], schema=TENANTS.schema
    )
    name = pl.col("service_id") == f"G60-{invented.GROUP_ONLY}"
    before, after = (shown(centre, tenants=t).filter(name) for t in (TENANTS, tenants))
    _, use = centre
    own = [u for u in use if u.service == f"G60-{invented.GROUP_ONLY}" and u.uscc is None]
    held = sum(30 < (ON - u.day).days <= 90 for u in own)
    assert held > 0
    assert before["unattributed"].item() - after["unattributed"].item() == held
    assert after["enterprises"].item() == 2


def test_enterprises_of_one_group_are_one_legal_group(centre):
    rows = [
        {**dict.fromkeys(park_schemas.ENTERPRISES), "uscc": uscc, "legal_group": "G",
         "valid_from": date(2020, 1, 1)}
        for uscc in USCCS
    ]  # fmt: skip
    found = shown(centre, enterprises=pl.DataFrame(rows, schema=park_schemas.ENTERPRISES))
    assert found.filter(pl.col("enterprises") > 1)["legal_groups"].unique().to_list() == [1]
    assert shown(centre).filter(pl.col("enterprises") != pl.col("legal_groups")).is_empty()


def test_levels_sum_to_the_catalogue(centre):
    offered, use = centre
    tables = frame(offered, park_schemas.SERVICES), frame(use, park_schemas.PROVIDER_USE)
    levels = service_centre.by_level(*tables, TENANTS, ENTERPRISES, ON)
    assert levels["level"].to_list() == service_centre.LEVELS
    whole = shown(centre)
    assert levels["services"].sum() == whole.height
    assert levels["services_used"].sum() == whole["is_used"].sum()
    assert levels["uses"].sum() == whole["uses"].sum()


def test_uses_that_name_no_service_or_platform_count_at_their_level():
    uses = [
        {"platform": platform, "uscc": uscc, "level": level, "service": None, "day": ON}
        for platform, uscc, level in (("海纳", "A", "C2"), (None, "B", None), (None, "C", None))
    ]
    tables = park_schemas.SERVICES.to_frame(), pl.DataFrame(uses, park_schemas.PROVIDER_USE)
    levels = service_centre.by_level(*tables, TENANTS, ENTERPRISES, ON)
    assert levels.filter(pl.col("uses") > 0).select("level", "enterprises", "uses").rows() == [
        ("C2", 1, 1), (None, 2, 2),
    ]  # fmt: skip
    whole = service_centre.catalogue(*tables, TENANTS, ENTERPRISES, ON)
    assert levels["uses"].sum() == whole["uses"].sum() == len(uses)
    assert levels["services_used"].sum() == whole["is_used"].sum()


@pytest.fixture(scope="module")
def meters():
    return invented.energy_days(7, ON, USCCS, PARKS)


@pytest.mark.parametrize("ago", [0, 30])
def test_pue_is_as_the_truth_says(meters, ago):
    on = ON - timedelta(days=ago)
    found = pue.by_data_centre(frame(meters, park_schemas.ENERGY_DAYS), on)
    wh = (pl.col("facility_kwh", "it_kwh") * 1000).round().cast(pl.Int64)
    told = found.select("data_centre_id", "days", wh, "verdict").iter_rows()
    assert {name: tuple(rest) for name, *rest in told} == truth.pue_verdicts(meters, on)


def test_pue_at_its_edges(meters):
    table = frame(meters, park_schemas.ENERGY_DAYS)
    found = {
        row["data_centre_id"]: row for row in pue.by_data_centre(table, ON).iter_rows(named=True)
    }
    verdicts = {name: row["verdict"] for name, row in found.items()}
    assert verdicts == {
        "DC01": "met", "DC02": "not_met", "DC03": "met", "DC04": "unknown", "DC05": "met",
        "DC06": "no_target", "DC07": "unknown", "DC08": "impossible", "DC09": "met", "DC10": "met",
    }  # fmt: skip
    assert (found["DC01"]["pue"], found["DC05"]["pue"], found["DC07"]["pue"]) == (1.3, 1.5, None)
    assert (found["DC01"]["target"], found["DC05"]["target"], found["DC06"]["target"]) == (
        1.3,
        1.5,
        None,
    )
    assert found["DC08"]["pue"] < 1  # told as it is
    assert 0.94 < found["DC03"]["completeness"] < 1
    assert (found["DC09"]["days"], found["DC09"]["completeness"]) == (100, 1.0)
    odd = pue.impossible_days(table, ON)
    assert odd.filter(pl.col("data_centre_id") == "DC10")["day"].to_list() == [
        ON - timedelta(days=7)
    ]


def test_areas_sum_energy_and_then_divide(meters):
    table = frame(meters, park_schemas.ENERGY_DAYS)
    areas, single = pue.by_area(table, ON), pue.by_data_centre(table, ON)
    whole = areas.filter(pl.col("park_id").is_null(), pl.col("is_edge").is_null()).row(
        0, named=True
    )
    usable = single.filter(pl.col("pue") >= 1)
    assert (whole["data_centres"], whole["unknown"]) == (10, 2)
    assert whole["pue"] == pytest.approx(usable["facility_kwh"].sum() / usable["it_kwh"].sum())
    parks = areas.filter(pl.col("park_id").is_not_null(), pl.col("is_edge").is_null())
    assert parks["data_centres"].sum() == 10
    assert parks["facility_kwh"].sum() == pytest.approx(whole["facility_kwh"])


def test_a_data_centre_that_fell_silent_is_unknown_and_one_not_yet_built_is_none():
    day = {
        "data_centre_id": "D", "park_id": None, "is_edge": None, "built_on": None, "uscc": "U",
        "day": ON - timedelta(days=500), "facility_wh": 13, "it_wh": 10,
    }  # fmt: skip
    later = day | {"data_centre_id": "E", "built_on": ON + timedelta(days=1), "day": ON}
    table = pl.DataFrame([day, later], schema=park_schemas.ENERGY_DAYS)
    row = pue.by_data_centre(table, ON).rows(named=True)
    assert [(one["data_centre_id"], one["days"], one["verdict"]) for one in row] == [
        ("D", 0, "unknown")
    ]


@settings(max_examples=25)
@given(st.permutations(range(6)))
def test_the_order_of_rows_says_nothing(order):
    some = invented.projects(3, ON, USCCS[:2], PARKS)[: 4 * 6]
    table = frame(some, park_schemas.PROJECTS)
    mixed = pl.concat([table.slice(4 * n, 4) for n in order])
    assert_frame_equal(projects.states(mixed, ON), projects.states(table, ON))


def test_the_same_seed_invents_the_same_and_another_does_not():
    assert invented.projects(7, ON, USCCS, PARKS) == invented.projects(7, ON, USCCS, PARKS)
    assert invented.projects(7, ON, USCCS, PARKS) != invented.projects(8, ON, USCCS, PARKS)
    assert invented.energy_days(7, ON, USCCS, PARKS) == invented.energy_days(7, ON, USCCS, PARKS)


def test_energy_of_new_data_centres_is_that_of_its_own_sums():
    days = invented.energy_days(7, ON, USCCS, PARKS)
    verdicts = truth.pue_verdicts(days, ON)
    groups = pl.DataFrame(
        [
            dict.fromkeys(park_schemas.ENTERPRISES)
            | {"uscc": uscc, "legal_group": "G" if n < 4 else None, "valid_from": date(2020, 1, 1)}
            for n, uscc in enumerate(USCCS)
            if n != 5
        ],
        schema=park_schemas.ENTERPRISES,
    )
    found = pue.of_new(frame(days, park_schemas.ENERGY_DAYS), groups, ON)
    owners = {one.data_centre_id: USCCS.index(one.uscc) for one in days}
    slow = {
        name: (None if owners[name] == 5 else "G" if owners[name] < 4 else USCCS[owners[name]],
               site, it)
        for name, (_, site, it, verdict) in verdicts.items()
        if it > 0 and verdict not in ("impossible", "no_target")
    }  # fmt: skip
    told = {
        row["data_centre_id"]: (row["legal_group"], row["facility_wh"], row["it_wh"])
        for row in found.iter_rows(named=True)
    }
    assert told == slow
    assert any(group is None for group, _, _ in told.values())
    figures = indicators.energy_figures(indicators.energy_contributions(found))
    of_city = figures.filter(pl.col("area_id") == indicators.DISTRICT_ID, pl.col("value") < 1.5)
    others = [one for name, one in slow.items() if name != "DC05"]
    assert of_city["value"].to_list() == [sum(o[1] for o in others) / sum(o[2] for o in others)]
