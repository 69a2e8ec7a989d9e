import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from pipelines.park_schemas import DECLARATIONS, PLATFORM_USE_SHARES, SITES, WARNINGS
from pipelines.warning_cycle import (
    WARNING_JOURNAL,
    graded,
    merged,
    owners,
    states,
    still_open,
)
from pipelines.warning_facts import is_for_people
from pipelines.warning_register import concentration, stale_declaration

ON = date(2026, 6, 30)


def warning(rule, begun, raised, cleared=None, *, uscc="U1", value=0.8):
    return {
        "warning_id": f"{rule}-{uscc}-{raised}", "uscc": uscc, "rule": rule, "severity": "low",
        "confidence": 0.5, "begun_on": day(begun), "raised_on": day(raised),
        "seen_on": day(raised), "cleared_on": cleared and day(cleared), "figure": "f",
        "value": value, "expected": 1.0, "unit": "1", "evidence": "{}",
    }  # fmt: skip


def day(n):
    return date(2026, 1, 1) + timedelta(days=n)


def table(*rows):
    return pl.DataFrame(list(rows), schema=WARNINGS)


def test_rules_in_one_stretch_are_evidence_of_the_models_warning():
    model = warning("distress", 10, 30)
    told = merged(
        table(
            model, warning("output_drop", 5, 25, 60), warning("running_drop", 20, 40),
            warning("alarm_surge", 1, 4, 9), warning("output_drop", 10, 30, uscc="U2"),
            warning("concentration", 30, 30),
        )
    )  # fmt: skip
    assert told.schema == WARNINGS
    assert sorted(told.select("uscc", "rule").rows()) == [
        ("U1", "alarm_surge"), ("U1", "concentration"), ("U1", "distress"), ("U2", "output_drop"),
    ]  # fmt: skip
    one = told.row(by_predicate=pl.col("rule") == "distress", named=True)
    assert [said["rule"] for said in json.loads(one["evidence"])["rules"]] == [
        "output_drop", "running_drop",
    ]  # fmt: skip
    assert {**one, "evidence": "{}"} == model


def test_without_the_model_the_first_rule_leads_and_stretches_stay_apart():
    told = merged(
        table(
            warning("output_drop", 10, 20, 40), warning("running_drop", 15, 22, 50),
            warning("output_drop", 100, 120),
        )
    )  # fmt: skip
    assert told["raised_on"].to_list() == [day(20), day(120)]
    assert merged(table()).equals(table())


def test_a_rule_that_is_for_people_leads_over_an_earlier_one_that_is_not():
    told = merged(
        table(
            warning("output_drop", 1, 10, 60), warning("connectivity_loss", 8, 14, 55),
            warning("connectivity_loss", 70, 75),
        )
    )  # fmt: skip
    assert told.filter(is_for_people()).equals(told)
    assert told["raised_on"].to_list() == [day(14), day(75)]
    (said,) = json.loads(told["evidence"][0])["rules"]
    assert (said["rule"], said["raised_on"]) == ("output_drop", day(10).isoformat())
    alone = merged(table(warning("connectivity_loss", 8, 14)))
    assert alone.filter(is_for_people()).height == 1


@pytest.mark.parametrize(
    ("value", "staff", "severity"),
    [(0.95, 20, "low"), (0.84, 20, "medium"), (0.69, 20, "high"), (0.9, 700, "high"),
     (0.84, None, "medium"), (1.2, 900, "low")],
)  # fmt: skip
def test_severity_is_of_depth_and_of_how_many_it_concerns(value, staff, severity):
    firms = pl.DataFrame({"uscc": ["U1"], "staff": [staff]}, schema_overrides={"staff": pl.Int64})
    told = graded(table(warning("distress", 1, 2, value=value)), firms)
    assert told.schema == WARNINGS
    assert told["severity"].to_list() == [severity]


def sites(*rows):
    made = [
        {"site_id": s, "uscc": "U1", "park_id": p, "valid_from": day(a), "valid_to": b and day(b)}
        for s, p, a, b in rows
    ]
    return pl.DataFrame(made, schema=SITES)


def test_a_warning_is_owned_by_the_park_where_the_enterprise_is_that_day():
    moved = sites(("a", "P02", -900, 50), ("b", "P01", 50, None), ("c", None, -900, None))
    known = table(warning("distress", 1, 2), warning("distress", 1, 3, uscc="U9"))
    assert owners(known, moved, day(49))["owner_park_id"].to_list() == ["P02", None]
    assert owners(known, moved, day(50))["owner_park_id"].to_list() == ["P01", None]


def said(n, action, hour=1):
    time = datetime(2026, 1, 1, hour, tzinfo=UTC) + timedelta(days=n)
    return {
        "sequence": n, "time": time, "by": "li", "warning_id": "distress-U1-10", "action": action,
        "reason": "visited",
    }  # fmt: skip


def test_the_life_of_a_warning_from_data_and_people():
    journal = pl.DataFrame(
        [said(12, "acknowledge"), said(20, "close"), said(30, "reopen")], schema=WARNING_JOURNAL
    )
    known = table(warning("distress", 1, 10, 40))
    life = {}
    for n in (9, 10, 12, 20, 30, 40):
        for row in states(known, journal, sites(), day(n)).iter_rows(named=True):
            life[n] = (row["state"], row["is_open"], row["days_open"])
    assert life == {
        10: ("raised", True, 0), 12: ("acknowledged", True, 2), 20: ("closed", False, 10),
        30: ("raised", True, 20), 40: ("cleared", False, 30),
    }  # fmt: skip


def test_who_acknowledges_what_is_closed_reopens_nothing():
    entries = [said(12, "close"), said(13, "acknowledge"), said(14, "acknowledge")]
    known = table(warning("distress", 1, 10))

    def on(n, *more):
        journal = pl.DataFrame([*entries, *more], schema=WARNING_JOURNAL)
        return states(known, journal, sites(), day(n)).row(0, named=True)

    assert (on(14)["state"], on(14)["on"], on(14)["days_open"]) == ("closed", day(12), 2)
    assert on(15, said(15, "reopen"))["state"] == "raised"
    again = on(16, said(15, "reopen"), said(16, "acknowledge"))
    assert (again["state"], again["on"]) == ("acknowledged", day(16))


def test_what_a_person_closed_or_the_data_cleared_is_open_no_more():
    known = table(
        warning("distress", 1, 10), warning("distress", 1, 11, 15), warning("distress", 1, 13)
    ).with_columns(warning_id=pl.Series(["distress-U1-10", "b", "c"]))
    journal = pl.DataFrame([said(12, "acknowledge"), said(14, "close")], schema=WARNING_JOURNAL)
    for n, left in ((12, {"distress-U1-10", "b", "c"}), (14, {"b", "c"}), (15, {"c"})):
        found = still_open(known, states(known, journal, sites(), day(n)))
        assert set(found["warning_id"]) == left
        assert found.schema == WARNINGS


def test_a_days_last_word_counts_by_local_day():
    journal = pl.DataFrame([said(12, "acknowledge", hour=17)], schema=WARNING_JOURNAL)
    known = table(warning("distress", 1, 10))
    assert states(known, journal, sites(), day(12))["state"].to_list() == ["raised"]
    assert states(known, journal, sites(), day(13))["by"].to_list() == ["li"]


def shares(**terminals):
    rows = [
        {"uscc": uscc, "platform": platform, "terminals": count}
        for uscc, of in terminals.items()
        for platform, count in of.items()
    ]
    return pl.DataFrame(rows, schema=PLATFORM_USE_SHARES)


def test_concentration_is_from_nine_tenths_and_twenty_terminals_on():
    told = concentration(
        shares(A={"x": 18, "y": 2}, B={"x": 17, "y": 3}, C={"x": 19}, D={"x": 20}), ON
    )
    assert told.schema == WARNINGS
    assert told["warning_id"].to_list() == [
        "concentration-A-x-20260630",
        "concentration-D-x-20260630",
    ]
    assert told["value"].to_list() == [0.9, 1.0]


def declared(uscc, on, cloud="yes", until=None):
    return {
        "uscc": uscc, "level": "C1", "declared_cloud": cloud, "declared_from": date(2024, 1, 1),
        "declared_to": until, "declared_on": on, "valid_from": date(2024, 1, 1),
    }  # fmt: skip


def test_a_declaration_is_stale_a_year_after_and_unseen_for_ninety_days():
    old = ON - timedelta(days=366)
    rows = pl.DataFrame(
        [declared("A", old), declared("B", ON - timedelta(days=365)), declared("C", old, "no"),
         declared("D", old), declared("E", old), declared("F", old, until=ON - timedelta(days=1)),
         declared("G", old), declared("G", ON)],
        schema=DECLARATIONS,
    )  # fmt: skip
    seen = pl.DataFrame(
        {"uscc": ["D", "E"], "seen_on": [ON - timedelta(days=90), ON - timedelta(days=91)]}
    )
    told = stale_declaration(rows, seen, ON)
    assert told.schema == WARNINGS
    assert told.select("uscc", "raised_on", "value").rows() == [("A", ON, 366.0), ("E", ON, 366.0)]
    later = stale_declaration(rows, seen, ON + timedelta(days=9)).filter(uscc="A")
    assert later["warning_id"].item() == told["warning_id"][0]


def test_a_declaration_without_a_day_is_as_old_as_its_row():
    undated = declared("A", None) | {"declared_from": None, "valid_from": ON - timedelta(days=400)}
    rows = pl.DataFrame([undated], schema=DECLARATIONS)
    seen = pl.DataFrame({"uscc": ["A"], "seen_on": [ON - timedelta(days=200)]})
    told = stale_declaration(rows, seen, ON)
    assert told["value"].to_list() == [400.0]
    assert told["raised_on"].to_list() == [ON - timedelta(days=34)]
    assert stale_declaration(rows, seen, ON - timedelta(days=35)).is_empty()
