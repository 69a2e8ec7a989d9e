"""What park gateways say, as versions and facts."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.gateway_register import said_by_gateways
from pipelines.park_schemas import REGISTER, REJECTIONS
from pipelines.register_history import history
from pipelines.register_whole import of_gateways, whole
from pipelines.versions import as_of
from tests.pipelines import slow_register
from tests.pipelines.gateway import BAD, Gateway, ticks

A = slow_register.code("91310117MA1J1234X")
B = slow_register.code("91310117MA1KUXNU8")
MAY, JUNE, JULY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 7, 1)


def said(gateway):
    return said_by_gateways(*gateway.frames())


def test_a_field_that_changes_begins_a_version_on_its_day():
    gateway = Gateway()
    gateway.firm(A, at=MAY, name_zh="甲", staff=20)
    gateway.say("P01", A, "register", "staff", 30, ticks(JUNE))
    gateway.say("P01", A, "register", "staff", 31, ticks(JUNE, 13))
    gateway.say("P01", A, "register", "staff", 31, ticks(JULY))
    gateway.say("P01", A, "register", "staff", 99, ticks(JULY), BAD)
    found = said(gateway)
    firms = found.tables["enterprises"]
    shown = firms.select("name_zh", "staff", "valid_from", "valid_to", "source")
    assert shown.rows() == [("甲", 20, MAY, None, "urn:P01"), ("甲", 31, JUNE, None, "urn:P01")]
    assert found.doubts.is_empty()
    known = whole({name: of_gateways(rows) for name, rows in found.tables.items()})
    assert as_of(known.tables["enterprises"], JUNE)["staff"].to_list() == [31]
    assert as_of(known.tables["enterprises"], JUNE - timedelta(days=1))["staff"].to_list() == [20]
    assert known.conflicts.is_empty()


def test_a_cleared_field_is_news():
    gateway = Gateway()
    gateway.firm(A, at=MAY, legal_group="集团")
    gateway.say("P01", A, "register", "legal_group", "", ticks(JUNE))
    assert said(gateway).tables["enterprises"]["legal_group"].to_list() == ["集团", None]


def test_a_move_ends_a_site_and_begins_another():
    gateway = Gateway()
    gateway.firm(A, parks="P01", at=MAY)
    gateway.say("P01", A, "register", "park_id", "P01,P02", ticks(JUNE))
    gateway.say("P01", A, "register", "park_id", "P02", ticks(JULY))
    sites = said(gateway).tables["sites"].select("site_id", "park_id", "valid_from", "valid_to")
    assert sites.rows() == [(f"{A}@P01", "P01", MAY, JULY), (f"{A}@P02", "P02", JUNE, None)]


def test_two_gateways_of_one_enterprise_agree_or_are_a_conflict():
    gateway = Gateway()
    gateway.firm(A, parks="P01,P02", at=MAY, name_zh="甲")
    gateway.say("P02", A, "register", "staff", 77, ticks(MAY, 13))
    tables = said(gateway).tables
    assert tables["enterprises"]["source"].to_list() == ["urn:P01", "urn:P02"]
    known = whole({name: of_gateways(rows) for name, rows in tables.items()})
    assert known.tables["enterprises"].height == 1
    assert known.tables["sites"]["park_id"].to_list() == ["P01", "P02"]
    (only,) = known.conflicts.rows(named=True)
    assert (only["field"], only["kept"], only["refused"]) == ("staff", "50", "77")


def test_declarations_and_uses():
    gateway = Gateway()
    gateway.firm(A, at=MAY, declared_cloud="TRUE", declared_from="2026-03-31T16:00:00Z",
                 provider_last_use="2026-04-30T15:59:59.0000000Z")  # fmt: skip
    gateway.say("P01", A, "register", "provider_last_use", "2026-05-20T16:00:00Z", ticks(JUNE))
    gateway.say("P01", A, "register", "declared_cloud", "大概", ticks(JUNE))
    found = said(gateway)
    declared = found.tables["declarations"].select("declared_cloud", "declared_from", "valid_from")
    assert declared.rows() == [("yes", date(2026, 4, 1), MAY), ("unknown", date(2026, 4, 1), JUNE)]
    used = found.tables["provider_use"].select("uscc", "day", "platform", "level")
    assert used.rows() == [(A, date(2026, 4, 30), None, None), (A, date(2026, 5, 21), None, None)]
    assert found.doubts.select("file", "sheet", "column", "value").rows() == [
        ("urn:P01", A, "declared_cloud", "大概")
    ]


def test_a_terminal_with_all_that_gateways_may_say_in_future():
    gateway = Gateway()
    gateway.terminal(
        "T1", A, platforms='["海纳","云间"]', kind="Gateway", network="5G", manufacturer="华峰",
        serial_number="SN1", mac="001b.4411.3ab7", asset_id="X1", chain_stage="production",
        machine_id="M1", points=16, registered_on="2025-12-31T16:00:00Z",
    )  # fmt: skip
    gateway.terminal("T2", B, platforms=None, activated_on="soon")
    gateway.say("P01", "T1", "register", "platforms", '["海纳"]', ticks(date(2026, 9, 1)))
    found = said(gateway)
    both, alone, bare = found.tables["terminals"].sort("terminal_id", "valid_from").rows(named=True)
    assert (both["platform"], both["valid_to"]) == ("云间+海纳", date(2026, 9, 1))
    assert (alone["platform"], alone["valid_to"]) == ("海纳", None)
    assert (alone["kind"], alone["network"], alone["mac"]) == ("gateway", "5g", "00:1B:44:11:3A:B7")
    assert (alone["points"], alone["registered_on"]) == (16, date(2026, 1, 1))
    assert (alone["uscc"], alone["park_id"], alone["machine_id"]) == (A, "P01", "M1")
    assert (bare["platform"], bare["activated_on"]) == (None, None)
    assert found.doubts.select("sheet", "column", "value").rows() == [
        ("T2", "activated_on", "soon")
    ]


def test_a_wrong_check_character_is_told_and_the_row_stays():
    gateway = Gateway()
    gateway.firm(A[:17] + "A", at=MAY)
    found = said(gateway)
    assert found.tables["enterprises"].height == 1
    assert found.doubts["column"].to_list() == ["uscc"]
    assert A in found.doubts["remedy_en"][0]


def test_gateways_that_say_nothing():
    found = said(Gateway())
    assert found.doubts.schema == REJECTIONS
    for name, table in found.tables.items():
        assert (table.height, table.schema) == (0, REGISTER[name])


@settings(max_examples=10)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["staff", "name_zh"]), st.integers(0, 5), st.sampled_from([None, 1, 2])
        ),
        max_size=8,
    )
)
def test_each_day_is_what_was_last_said_by_its_end(changes):
    """The twin: on every day, the last value that was said up to its end."""
    gateway = Gateway()
    gateway.say("P01", A, "register", "uscc", A, ticks(MAY))
    for number, (field, day, value) in enumerate(changes):
        at = ticks(MAY + timedelta(days=day)) + number
        said_value = str(value) if field == "name_zh" and value else value
        gateway.say("P01", A, "register", field, said_value, at)
    known, _ = history("enterprises", of_gateways(said(gateway).tables["enterprises"]))
    for day in range(6):
        expected = {"staff": None, "name_zh": None}
        for field, when, value in sorted(changes, key=lambda one: one[1]):
            if when <= day:
                expected[field] = str(value) if field == "name_zh" and value else value
        row = as_of(known, MAY + timedelta(days=day))
        assert row.select("staff", "name_zh").row(0, named=True) == expected


def test_facts_of_a_clock_that_was_not_set_are_told_and_not_taken():
    gateway, unset = Gateway(), date(1970, 1, 1)
    gateway.firm(A, at=MAY, provider_last_use="1970-01-01T00:00:00Z")
    gateway.terminal("T1", A)
    gateway.days("T1", "daily_good_values", {unset: 7, MAY: 8})
    gateway.days(A, "operating_day", {unset: True, date(2014, 12, 31): True, MAY: True}, "P02")
    gateway.days("T1", "heard_of_no_more", {unset: 1})
    found = said(gateway)
    assert found.tables["terminal_days"].rows() == [("T1", MAY, 8)]
    assert found.tables["operating_days"].rows() == [(A, MAY, True)]
    assert found.tables["provider_use"].is_empty()
    told = found.doubts.select("file", "sheet", "column", "value").sort("file", "sheet", "value")
    assert told.rows() == [
        ("urn:P01", A, "day", "1970-01-01T00:00:00Z"),
        ("urn:P01", "T1", "day", "1970-01-01"),
        ("urn:P02", A, "day", "1970-01-01"),
        ("urn:P02", A, "day", "2014-12-31"),
    ]
    assert found.doubts["why_en"].str.contains("2015-01-01").all()
    assert found.doubts["remedy_zh"].str.contains("时钟").all()


def test_a_version_may_be_older_than_any_fact_of_a_day():
    gateway = Gateway()
    gateway.firm(A, at=date(2001, 5, 1))
    found = said(gateway)
    assert found.tables["enterprises"]["valid_from"].to_list() == [date(2001, 5, 1)]
    assert found.doubts.is_empty()


def test_evidence_is_split_by_whom_it_is_of():
    gateway = Gateway()
    gateway.firm(A, at=MAY)
    gateway.terminal("T1", A)
    gateway.days("T1", "daily_good_values", {MAY: 7, JUNE: 0})
    gateway.days(A, "operating_day", {MAY: True, JUNE: False})
    tables = said(gateway).tables
    assert tables["terminal_days"].rows() == [("T1", MAY, 7), ("T1", JUNE, 0)]
    assert tables["operating_days"].rows() == [(A, MAY, True), (A, JUNE, False)]
    assert tables["terminal_days"].schema["good_values"] == pl.Int64
