"""How the office's enterprises ran: complete, repeatable, and true beside what is told."""

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from connectors.simulator.district import running
from connectors.simulator.district.facts import facts
from pipelines.park_schemas import ENTERPRISE_DAYS
from pipelines.portrait_trends import trends

SEED, ON = 5, date(2026, 3, 20)
"""A month after the Spring Festival, which the windows of trends then meet."""
COURSES, PLAIN = 40, 20


@pytest.fixture(scope="module")
def district():
    return facts(SEED, ON, enterprises=400, terminals=400, days=190, with_fleet=False)


@pytest.fixture(scope="module")
def made(district):
    return running.running(district, SEED, courses=COURSES, plain=PLAIN)


def test_what_is_told_is_what_the_register_can_hold(made):
    days = made.days
    assert days.schema == ENTERPRISE_DAYS
    assert not days.select("uscc", "day").is_duplicated().any()
    assert days["day"].min() == ON - timedelta(days=484)
    assert days["day"].max() == ON
    by_firm = days.group_by("uscc").len()
    assert by_firm.height == COURSES + PLAIN
    assert by_firm["len"].min() > 400
    assert set(days["uscc"]) == set(made.courses["uscc"])


def test_the_same_seed_says_the_same_and_another_does_not(district, made):
    again = running.running(district, SEED, courses=COURSES, plain=PLAIN)
    assert all(one.equals(other) for one, other in zip(made, again, strict=True))
    assert not running.running(district, 6, courses=2, plain=0).days.equals(made.days)


def test_in_two_parks_enterprises_are_in_distress_on_the_last_day(district, made):
    park = {site.uscc: site.park_id for site in district.sites}
    now = made.distress.filter(pl.col("pattern") == "under_way")
    assert sorted(park[uscc] for uscc in now["uscc"]) == ["P01"] * 3 + ["P02"] * 3
    assert (now["bottom_on"] >= ON).all()
    assert (now["begun_on"] <= ON - timedelta(days=63)).all()


def test_distress_is_of_courses_alone_and_of_most_of_them_not(made):
    kinds = dict(made.courses.select("uscc", "kind").rows())
    assert {kinds[uscc] for uscc in made.distress["uscc"]} == {"course"}
    assert 6 <= made.distress.height < COURSES / 2
    assert (made.distress["begun_on"] <= made.distress["bottom_on"]).all()
    assert "relocation" not in set(made.harmless["pattern"])


def test_our_own_outages_are_those_of_the_register(district, made):
    park = {site.uscc: site.park_id for site in district.sites}
    down = set(district.collector_down)
    for uscc, day, is_collected in made.days.select("uscc", "day", "is_collected").rows():
        assert is_collected == ({(None, day), (park[uscc], day)} & down == set())


def test_trends_of_steady_enterprises_are_true_where_nothing_was_lost(made):
    whole = made.trends.filter("is_complete")
    assert 2 < whole.height < PLAIN
    found = trends(made.days, ON).filter(pl.col("uscc").is_in(whole["uscc"].implode()))
    both = whole.join(found, on="uscc", suffix="_ours")
    assert both.height == whole.height
    assert (both["completeness"] == 1).all()
    for name in ("running_h_per_day", "running_trend", "output_trend", "energy_trend"):
        assert (both[name] - both[f"{name}_ours"]).abs().max() < 1e-12
    assert both["trend_basis"].equals(both["trend_basis_ours"])


def test_who_moved_or_is_a_planted_case_has_no_days(district, made):
    planted = {name for trap in district.traps for name in trap.subjects}
    sites = [site.uscc for site in district.sites]
    for uscc in made.courses["uscc"]:
        assert uscc not in planted
        assert sites.count(uscc) == 1


def test_a_district_with_few_enterprises_has_the_days_of_those():
    town = facts(SEED, ON, enterprises=400, terminals=400, days=190, with_fleet=False)
    few = replace(town, enterprises=town.enterprises[-30:])
    made = running.running(few, SEED, plain=0)
    assert 0 < made.courses.height <= 30
    nobody = running.running(replace(town, enterprises=()), SEED)
    assert nobody.days.schema == ENTERPRISE_DAYS
    assert nobody.days.is_empty()
    assert nobody.trends.is_empty()


def test_files_lie_where_the_office_and_the_truth_keep_theirs(made, tmp_path):
    office, truth = tmp_path / "office", tmp_path / "truth"
    office.mkdir()
    truth.mkdir()
    running.write(made, office, truth)
    assert [path.name for path in office.iterdir()] == ["enterprise_days.parquet"]
    assert pl.read_parquet(truth / "distress.parquet").equals(made.distress)
    assert {path.stem for path in truth.iterdir()} == {"distress", "harmless", "courses", "trends"}
