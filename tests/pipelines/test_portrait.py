"""Portraits: the register as of a day, what is unknown, and the digital level by evidence."""

import random
from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.digital import DIMENSIONS, NO_RULE, points, scores, self_scores
from pipelines.digital_evidence import MEASURES
from pipelines.park_figures import PORTRAITS
from pipelines.portrait import portraits
from tests.pipelines.firms_world import ON, days, enterprise, known

A = "A"
TOMORROW = ON + timedelta(days=1)


def machine(n, **facts):
    row = {
        "machine_id": f"M{n}", "uscc": A, "kind": "machine", "is_digital": None,
        "is_networked": None, "is_key_operation": None, "is_controlled": None,
        "interface_level": None, "valid_from": date(2024, 1, 1),
    }  # fmt: skip
    return row | facts


def terminal(n, **facts):
    row = {
        "terminal_id": f"T{n}", "platform": "p", "uscc": A, "kind": "device",
        "activated_on": date(2024, 1, 1), "valid_from": date(2024, 1, 1),
    }  # fmt: skip
    return row | facts


def warning(n, **facts):
    return {"warning_id": f"W{n}", "uscc": A, "raised_on": ON - timedelta(days=5)} | facts


def one(**tables):
    return portraits(known(**({"enterprises": [enterprise(A)]} | tables)), ON).row(0, named=True)


def test_of_a_firm_of_which_nothing_is_known_everything_is_null_but_the_register():
    found = one()
    assert (found["sector"], found["size_class"], found["park_ids"]) == ("C39", "small", [])
    assert (found["warnings_open"], found["digital_known"]) == (0, 0.0)
    known_of = {"reference_date", "uscc", "name_zh", "name_en", "park_ids", "sector", "size_class"}
    for name in PORTRAITS.names():
        if name not in known_of | {"warnings_open", "digital_known"}:
            assert found[name] is None, name


def test_every_figure_finds_its_place():
    found = one(
        enterprise_days=days(A),
        sites=[
            {"site_id": s, "uscc": A, "park_id": p, "valid_from": date(2024, 1, 1), "valid_to": to}
            for s, p, to in [("1", "P02", None), ("2", "P01", None), ("3", "P02", None),
                             ("4", None, None), ("5", "P03", ON), ("6", "P04", TOMORROW)]
        ],
        liveness=[{"uscc": A, "terminals": 10, "terminals_online": 7}],
        declared=[{"uscc": A, "declared": "expired", "is_verified": True}],
        oee=[{"uscc": A, "oee": 0.61, "completeness": 0.9}],
        warnings=[
            warning(1), warning(2, cleared_on=ON), warning(3, cleared_on=ON + timedelta(days=1)),
            warning(4, raised_on=ON + timedelta(days=1)),
        ],
    )  # fmt: skip
    assert found["park_ids"] == ["P01", "P02", "P04"]
    assert (found["running_h_per_day"], found["output_trend"], found["completeness"]) == (10, 0, 1)
    assert (found["terminals"], found["terminals_online"]) == (10, 7)
    assert (found["cloud_declared"], found["cloud_verified"]) == ("expired", True)
    assert (found["oee"], found["oee_completeness"], found["warnings_open"]) == (0.61, 0.9, 2)


def test_size_is_that_of_31_december_or_of_the_first_version_after():
    new_year, spring = date(2026, 1, 1), date(2026, 4, 1)
    small, medium = {"staff": 50}, {"staff": 500, "revenue_wan": 9000.0}
    grown = [
        enterprise(A, valid_to=new_year, **small), enterprise(A, valid_from=new_year, **medium),
        enterprise("B", valid_from=new_year, valid_to=spring, **medium),
        enterprise("B", valid_from=spring, **small),
        enterprise("C", staff=None, revenue_wan=None), enterprise("D", staff=3, revenue_wan=None),
        enterprise("E", valid_from=ON + timedelta(days=1)), enterprise("F", register_status="吊销"),
        enterprise("G", industry_code="C"), enterprise("H", valid_to=ON),
    ]  # fmt: skip
    found = portraits(known(enterprises=grown), ON)
    sizes = dict(found.select("uscc", "size_class").rows())
    assert sizes == {"A": "small", "B": "medium", "C": None, "D": "micro", "G": "small"}
    assert found.filter(pl.col("uscc") == "G")["sector"].to_list() == [None]


def world(rng):
    usccs = [f"F{n}" for n in range(4)]
    rows = [r for uscc in usccs for r in days(uscc, 130) if rng.random() < 0.9]
    for row in rows:
        row["output"] = rng.choice([None, 1, 5, 9])
    return {
        "enterprises": [enterprise(uscc, staff=rng.randrange(900)) for uscc in usccs],
        "enterprise_days": rows,
        "machines": [
            machine(n, uscc=rng.choice(usccs), is_digital=rng.choice([True, False, None]))
            for n in range(20)
        ],
        "terminals": [terminal(n, uscc=rng.choice(usccs), machine_id=f"M{n}") for n in range(9)],
        "liveness": [{"uscc": "F1", "terminals": 3, "terminals_online": 1}],
        "warnings": [warning(n, uscc=rng.choice(usccs)) for n in range(5)],
    }


@settings(max_examples=5)
@given(st.integers(0, 2**32))
def test_a_portrait_is_of_its_own_rows_only_and_in_any_order(seed):
    rng = random.Random(seed)
    tables = world(rng)
    every = portraits(known(**tables), ON)
    assert every.schema == PORTRAITS
    for uscc in every["uscc"]:
        own = {name: [r for r in rows if r["uscc"] == uscc] for name, rows in tables.items()}
        assert portraits(known(**own), ON).equals(every.filter(pl.col("uscc") == uscc))
    shuffled = {name: rng.sample(rows, len(rows)) for name, rows in tables.items()}
    assert portraits(known(**shuffled), ON).equals(every)


def test_what_comes_after_the_day_is_not_read():
    tables = world(random.Random(5))
    later = {
        "enterprises": [enterprise("F1", valid_from=TOMORROW, industry_code="B1010")],
        "enterprise_days": days("F1", 3, ON + timedelta(days=3)),
        "machines": [machine(99, uscc="F1", valid_from=TOMORROW, is_digital=True)],
        "terminals": [terminal(n, uscc="F1", activated_on=TOMORROW) for n in range(3)],
        "warnings": [warning(99, uscc="F1", raised_on=TOMORROW)],
        "sites": [{"site_id": "9", "uscc": "F1", "park_id": "P09", "valid_from": TOMORROW}],
    }
    more = {name: tables.get(name, []) + later.get(name, []) for name in tables | later}
    assert portraits(known(**more), ON).equals(portraits(known(**tables), ON))


def test_points_are_whole_and_every_rule_is_measured():
    assert set(points()["rule"]) - {NO_RULE} == set(MEASURES)
    assert points()["rule"].to_list().count(NO_RULE) + len(MEASURES) == points().height
    assert points()["point_id"].is_unique().all()
    assert set(points()["dimension"]) == set(DIMENSIONS)
    assert points()["basis"].is_in(["ours", "plan"]).all()
    assert (points()["weight"] == 1).all()
    assert not any(points().null_count().row(0))


@settings(max_examples=20)
@given(st.fixed_dictionaries({name: st.none() | st.integers(0, 1000) for name in MEASURES}))
def test_scores_are_means_of_what_is_known(measures):
    frame = pl.DataFrame(
        [{"uscc": A} | measures], schema_overrides=dict.fromkeys(MEASURES, pl.Int64())
    )
    found = scores(frame).row(0, named=True)
    for dimension in DIMENSIONS:
        rules = points().filter(pl.col("dimension") == dimension)["rule"]
        told = [measures[rule] for rule in rules if measures.get(rule) is not None]
        expected = sum(told) / len(told) / 10 if told else None
        assert found[f"digital_{dimension}"] == (expected and pytest.approx(expected))
    known_points = sum(value is not None for value in measures.values())
    assert found["digital_known"] == known_points / points().height


def test_machines_count_where_their_field_is_known_and_networked_where_it_was_seen():
    found = one(
        machines=[
            machine(1, is_digital=True, is_networked=True, interface_level=2),
            machine(2, is_digital=False, is_networked=True),
            machine(3, is_networked=False, interface_level=1),
            machine(4, is_networked=False, valid_to=ON),
            machine(5, kind="control_loop", is_key_operation=True, is_controlled=True),
        ],
        terminals=[
            terminal(1, machine_id="M1"),
            terminal(5, machine_id="M2", uscc="another"),
            terminal(2, machine_id="M2", retired_on=ON),
            terminal(3, machine_id="M3", activated_on=None),
            terminal(4, machine_id="M3", activated_on=ON + timedelta(days=1)),
        ],
    )
    # digital 1/2, networked: seen 1, not 1, only claimed 1 → 1/2, controlled 1/1, interface 1/2
    assert found["digital_basis"] == (50 + 50 + 100 + 50) / 4
    assert found["digital_management"] == pytest.approx(46.6)  # 7 of 15 fields, in thousandths
    assert found["digital_known"] == 5 / points().height
    assert found["digital_effect"] is None


def test_a_terminal_of_nobodys_links_its_machine():
    claimed = [machine(1, is_networked=True), machine(2, is_networked=False)]
    found = one(machines=claimed, terminals=[terminal(1, machine_id="M1", uscc=None)])
    assert found["digital_basis"] == 50.0


def test_what_was_never_told_is_unknown_and_what_was_told_sometimes_counts_by_days():
    told = days(A, alarms=None, energy_wh=None, terminals_online=None)
    half = [r | ({"output": None} if r["day"].toordinal() % 2 else {}) for r in told]
    found = one(enterprise_days=half)
    share = (
        sum(
            r["output"] is not None
            for r in half
            if r["is_operating"] and r["day"] > ON - timedelta(40)
        )
        / 28
    )
    assert found["digital_operation"] == pytest.approx(100 * share, abs=0.1)
    assert found["digital_management"] is None


def test_cloud_is_yes_when_seen_no_when_denied_else_unknown():
    def operation(declared, verified):
        return one(declared=[{"uscc": A, "declared": declared, "is_verified": verified}])[
            "digital_operation"
        ]

    assert operation("no", True) == 100
    assert operation("no", False) == 0
    assert operation("yes", False) is None
    assert operation("unknown", None) is None


def test_the_self_score_is_told_beside_where_half_is_known():
    def said(own, by_evidence, known_share=0.5):
        row = {
            "uscc": A,
            "self_score": own,
            "digital_basis": by_evidence,
            "digital_known": known_share,
        }
        return self_scores(pl.DataFrame([row], schema=PORTRAITS)).row(0, named=True)

    assert said(80.0, 59.9)["finding"] == "self_higher"
    assert said(80.0, 60.0)["finding"] == "alike"
    assert said(40.0, 60.1)["finding"] == "self_lower"
    assert said(80.0, 20.0, 0.49)["finding"] is None
    assert said(None, 20.0)["finding"] is None
    assert said(80.0, None)["zh"] is None
    assert "80.0" in said(80.0, 20.0)["zh"]
    assert "20.0" in said(80.0, 20.0)["en"]
