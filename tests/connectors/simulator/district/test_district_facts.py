"""The invented district: determined by its seed, whole, and every planted case where it belongs."""

from collections import Counter
from datetime import date

import numpy as np
import polars as pl
import pytest

from connectors.simulator.district import tables
from connectors.simulator.district.facts import LEAST_DAYS, facts
from connectors.simulator.district.identity import units_of
from connectors.simulator.district.known import Known
from connectors.simulator.district.standing import valid
from connectors.simulator.park_facts import uscc
from pipelines import park_schemas

ON = date(2026, 3, 12)
"""The Spring Festival of 2026 (15 to 23 February) lies in the last 30 days."""
ROWS = ("enterprises", "sites", "machines", "terminals", "tenants", "declarations", "provider_use")


@pytest.fixture(scope="module")
def district():
    return facts(11, ON, enterprises=450, terminals=1_200)


@pytest.fixture(scope="module")
def known(district):
    return Known(district, ON)


def standing(firm):
    """What a planted enterprise is expected to be."""
    if not firm.is_in_scope:
        return "outside"
    if firm.is_verified:
        return "verified"
    if firm.declared == "yes":
        return "declared"
    return "unknown" if firm.is_unknown else "not"


def test_the_facts_follow_from_seed_day_and_size(district):
    again = facts(11, ON, enterprises=450, terminals=1_200)
    for name in (*ROWS, "claims", "collector_down", "traps", "late", "listing_ids", "really"):
        assert getattr(again, name) == getattr(district, name)
    for name in ("good_values", "sent", "operating"):
        assert np.array_equal(getattr(again, name), getattr(district, name))
    other = facts(12, ON, enterprises=450, terminals=1_200)
    assert other.enterprises != district.enterprises


def test_a_district_is_as_large_as_asked(district):
    assert len({e.uscc for e in district.enterprises}) == 450
    assert len(district.listing_ids) == len(set(district.listing_ids)) == 1_200
    assert district.good_values.shape == (1_200, 200)
    with pytest.raises(ValueError, match="at least 400"):
        facts(1, ON, enterprises=100)
    with pytest.raises(ValueError, match=str(LEAST_DAYS)):
        facts(1, ON, days=LEAST_DAYS - 1)


def test_codes_are_valid_and_rows_name_what_exists(district):
    codes = {e.uscc for e in district.enterprises}
    assert all(uscc(code[:17]) == code for code in codes)
    sites, machines = {s.site_id for s in district.sites}, {m.machine_id for m in district.machines}
    assert {s.uscc for s in district.sites} <= codes
    assert {m.site_id for m in district.machines} <= sites
    assert {t.uscc for t in district.terminals} - {None} <= codes
    assert {t.machine_id for t in district.terminals} - {None} <= machines
    assert {e.successor_uscc for e in district.enterprises} - {None} <= codes
    assert {u.uscc for u in district.provider_use} - {None} <= codes


@pytest.mark.parametrize(
    ("rows", "key"),
    [("enterprises", ["uscc"]), ("sites", ["site_id"]), ("terminals", ["terminal_id"])],
)
def test_versions_of_one_thing_never_overlap(district, rows, key):
    last: dict = {}
    for row in sorted(getattr(district, rows), key=lambda r: r.valid_from):
        name = tuple(getattr(row, k) for k in key)
        before = last.get(name)
        assert before is None or (before.valid_to is not None and before.valid_to <= row.valid_from)
        assert row.valid_to is None or row.valid_to > row.valid_from
        last[name] = row


def test_every_planted_case_comes_out_as_it_was_meant(district, known):
    devices = {t.terminal_id: d for d in known.devices for t in d.unit.listings}
    ambiguous = {t.terminal_id for t in known.ambiguous}
    for trap in district.traps:
        for subject in trap.subjects if trap.expected else ():
            if subject in known.firms:
                found = standing(known.firms[subject])
            else:
                found = "ambiguous" if subject in ambiguous else devices[subject].status
            assert found == trap.expected, trap


@pytest.mark.parametrize("on", [date(2026, 1, 1), date(2025, 12, 31), date(2024, 2, 29)])
def test_planted_cases_hold_on_any_day_of_the_year(on):
    district = facts(3, on, enterprises=400, terminals=400)
    test_every_planted_case_comes_out_as_it_was_meant(district, Known(district, on))


def test_every_edge_rule_has_its_cases(district):
    letters = Counter(trap.letter for trap in district.traps)
    assert set(letters) == {*"abcdefghi", "size", "E1", "E2", "days"}
    assert len({trap.name for trap in district.traps}) == len(district.traps) > 100
    assert min(claim.claimed_users for claim in district.claims) > 50_000  # (j): absurd
    assert {e.register_status for e in district.enterprises} == {
        "在营", "个体工商户", "注销", "吊销", "迁出", "合并",
    }  # fmt: skip


def test_planted_pairs_are_one_unit_and_others_are_not(district):
    units, _ = units_of(valid(district.terminals, ON))
    unit = {t.terminal_id: u.unit_id for u in units for t in u.listings}
    for trap in district.traps:
        if trap.letter == "b" and len(trap.subjects) > 1:
            together = trap.name not in ("stronger key differs", "contradicted")
            assert (len({unit[s] for s in trap.subjects}) == 1) is together, trap


def test_spring_festival_is_no_scheduled_day_but_of_those_who_never_stop(district):
    festival = district.days.index(date(2026, 2, 17))
    ordinary = district.days.index(date(2026, 3, 5))
    assert 0.1 < district.operating[:, festival].mean() < 0.6
    assert district.operating[:, ordinary].mean() > 0.9


def test_our_outages_took_evidence_away_and_nothing_else(district):
    lost = district.sent != district.good_values
    days = {district.days[place] for place in np.flatnonzero(lost.any(axis=0))}
    assert days == {day for _, day in district.collector_down}
    assert (district.good_values[lost] == -1).all()


def test_the_tables_are_those_of_the_register(district, tmp_path):
    tables.write_parquet(district, tmp_path)
    made = tables.tables(district)
    assert {p.stem for p in tmp_path.iterdir()} == set(tables.SCHEMAS) == set(made)
    for name in tables.SCHEMAS:
        written = pl.read_parquet(tmp_path / f"{name}.parquet")
        assert written.schema == park_schemas.REGISTER[name]
        assert written.equals(pl.DataFrame(made[name]))
        key = park_schemas.FACT_KEY.get(name)
        assert (
            key is None or name == "provider_use" or not written.select(key).is_duplicated().any()
        )


def test_terminal_days_are_the_matrix(district):
    days = pl.DataFrame(tables.tables(district)["terminal_days"])
    assert days.height == (district.good_values != -1).sum()
    number = district.listing_ids.index(days["terminal_id"][0])
    assert days["good_values"].sum() == district.good_values[district.good_values > 0].sum(
        dtype=np.int64
    )
    assert number == 0
