"""Warnings keep the id and the day they were told with, and what was told is never lost."""

from datetime import date

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.park_schemas import DECLARATIONS, PLATFORM_USE_SHARES, SITES, WARNINGS
from pipelines.warning_cycle import WARNING_JOURNAL, merged, states
from pipelines.warning_register import concentration, stale_declaration
from pipelines.warning_told import as_told
from tests.pipelines.test_warning_cycle import day, said, table, warning

FOUND = table(warning("connectivity_loss", 8, 14))
MODEL = warning("distress", 5, 20)


def joined(*rows):
    return merged(table(*rows))


def test_the_first_time_warnings_are_as_found():
    assert as_told(FOUND, None, day(14)).equals(FOUND)
    assert as_told(FOUND, FOUND.clear(), day(14)).equals(FOUND)
    assert as_told(FOUND.clear(), FOUND.clear(), day(14)).equals(FOUND.clear())


def test_the_model_that_joins_a_rule_speaks_under_the_id_that_was_told():
    found = joined(warning("connectivity_loss", 8, 14), MODEL)
    (one,) = as_told(found, FOUND, day(20)).to_dicts()
    assert (one["warning_id"], one["rule"]) == (FOUND["warning_id"][0], "distress")
    assert (one["begun_on"], one["raised_on"], one["seen_on"]) == (day(5), day(14), day(20))
    closed = said(15, "close") | {"warning_id": one["warning_id"]}
    journal = pl.DataFrame([closed], schema=WARNING_JOURNAL)
    told = as_told(found, FOUND, day(20))
    assert states(told, journal, SITES.to_frame(), day(20))["state"].to_list() == ["closed"]


def test_late_data_that_move_a_stretch_leave_its_id_and_day():
    before = table(warning("distress", 5, 20))
    for raised, cleared in ((22, None), (18, None), (12, 16)):
        found = table(warning("distress", 4, raised, cleared))
        (one,) = as_told(found, before, day(30)).to_dicts()
        assert one["warning_id"] == before["warning_id"][0]
        assert (one["begun_on"], one["raised_on"]) == (day(4), day(20))
        assert one["seen_on"] == max(day(raised), day(20))
        assert one["cleared_on"] == (cleared and day(20))


def test_what_begins_after_the_last_had_cleared_is_new_and_what_is_no_more_is_cleared():
    before = table(warning("connectivity_loss", 1, 10, 18), warning("distress", 1, 9, uscc="U2"))
    told = as_told(table(MODEL), before, day(21))
    assert told.filter(uscc="U1").to_dicts() == [before.row(0, named=True), MODEL]
    assert told.filter(uscc="U2")["cleared_on"].to_list() == [day(21)]
    assert as_told(table(MODEL), told, day(25)).equals(told)


def test_one_id_is_kept_where_two_stretches_become_one_or_one_becomes_two():
    two = table(warning("distress", 1, 10, 15), warning("distress", 16, 22))
    one = table(warning("distress", 1, 11))
    kept = as_told(one, two, day(30))
    assert kept.select("warning_id", "cleared_on").rows() == [
        (two["warning_id"][0], None), (two["warning_id"][1], day(30)),
    ]  # fmt: skip
    split = as_told(two, one, day(30))
    assert split["warning_id"].to_list() == [one["warning_id"][0], two["warning_id"][1]]


def shares(terminals, platform="P"):
    rows = {"uscc": ["U1"], "platform": [platform], "terminals": [terminals]}
    return pl.DataFrame(rows, schema=PLATFORM_USE_SHARES)


def test_a_concentration_that_ends_is_cleared_and_one_that_returns_is_new():
    told, seen = None, []
    for n, terminals in enumerate((30, 31, 3, 3, 32, 33)):
        told = as_told(concentration(shares(terminals), day(n)), told, day(n))
        again = as_told(concentration(shares(terminals), day(n)), told, day(n))
        assert again.equals(told)
        seen.append(told.select("raised_on", "cleared_on").rows())
    assert seen == [
        [(day(0), None)], [(day(0), None)], [(day(0), day(2))], [(day(0), day(2))],
        [(day(0), day(2)), (day(4), None)], [(day(0), day(2)), (day(4), None)],
    ]  # fmt: skip
    assert told["warning_id"].is_unique().all()
    assert told["seen_on"].to_list() == [day(1), day(5)]
    closed = pl.DataFrame([said(1, "close") | {"warning_id": told["warning_id"][0]}])
    lives = states(told, closed.match_to_schema(WARNING_JOURNAL), SITES.to_frame(), day(6))
    assert lives.select("state", "days_open").rows() == [("closed", 1), ("raised", 2)]
    other = as_told(concentration(shares(30, "Q"), day(6)), told, day(6))
    assert other["cleared_on"].to_list() == [day(2), day(6), None]


def test_an_id_without_a_day_that_was_told_before_is_kept():
    first = concentration(shares(30), day(0)).with_columns(warning_id=pl.lit("concentration-U1-P"))
    told = as_told(concentration(shares(30), day(9)), first, day(9))
    assert told.select("warning_id", "raised_on").rows() == [("concentration-U1-P", day(0))]


def stale(on, *, is_declared=True):
    since = date(2024, 1, 1)
    row = {"uscc": "U1", "level": "C1", "declared_cloud": "yes" if is_declared else "no",
           "declared_from": since, "declared_to": None, "declared_on": since,
           "valid_from": since}  # fmt: skip
    seen = pl.DataFrame(schema={"uscc": pl.String, "seen_on": pl.Date})
    return stale_declaration(pl.DataFrame([row], schema=DECLARATIONS), seen, on)


def test_a_stale_declaration_is_cleared_when_it_is_none_and_kept_while_nobody_knows():
    first = as_told(stale(day(0)), None, day(0))
    assert as_told(first.clear(), first, day(1), {"stale_declaration"}).equals(first)
    over = as_told(stale(day(2), is_declared=False), first, day(2))
    assert over["cleared_on"].to_list() == [day(2)]
    returned = as_told(stale(day(9)), over, day(9))
    assert returned.select("raised_on", "cleared_on").rows() == [
        (first["raised_on"].item(), day(2)), (day(9), None),
    ]  # fmt: skip
    assert returned["warning_id"].is_unique().all()
    assert as_told(stale(day(10)), returned, day(10))["raised_on"].to_list() == [
        first["raised_on"].item(), day(9),
    ]  # fmt: skip


stretches = st.lists(
    st.tuples(
        st.sampled_from(["distress", "connectivity_loss"]), st.integers(0, 12), st.integers(0, 9),
        st.one_of(st.none(), st.integers(1, 9)), st.sampled_from(["U1", "U2"]),
    ),
    max_size=4,
)  # fmt: skip


@settings(max_examples=60)
@given(st.lists(stretches, min_size=2, max_size=6))
def test_what_was_told_keeps_its_day_and_every_warning_has_one_id(history):
    told = WARNINGS.to_frame()
    for n, found in enumerate(history):
        rows = {}
        for rule, begun, wait, lasts, uscc in found:
            raised = begun + wait
            row = warning(rule, begun, raised, lasts and raised + lasts, uscc=uscc)
            rows[row["warning_id"]] = row
        before, on = told, day(30 + n)
        now = joined(*rows.values())
        told = as_told(now, before, on)
        days = dict(told.select("warning_id", "raised_on").iter_rows())
        assert told["warning_id"].is_unique().all()
        assert days.items() >= dict(before.select("warning_id", "raised_on").iter_rows()).items()
        assert (told["begun_on"] <= told["raised_on"]).all()
        assert (told["raised_on"] <= told["seen_on"]).all()
        assert told.height <= before.height + now.height
        assert as_told(now, told, on).equals(told)
        open_ones = told.filter(pl.col("cleared_on").is_null())
        assert set(open_ones["uscc"]) == set(now.filter(pl.col("cleared_on").is_null())["uscc"])


def test_who_was_told_at_once_and_who_was_told_day_by_day_know_the_same():
    spells = [("connectivity_loss", 1, 5, 12), ("distress", 20, 30, 44), ("distress", 60, 70, None)]
    told = None
    for n in range(80):
        known = [
            warning(rule, begun, raised, cleared if cleared and cleared <= n else None)
            for rule, begun, raised, cleared in spells
            if raised <= n
        ]
        told = as_told(joined(*known), told, day(n))
    assert told.equals(joined(*known))
    assert told["raised_on"].to_list() == [day(5), day(30), day(70)]
    assert told["cleared_on"].to_list() == [day(12), day(44), None]
