"""Entries: checked row by row, revised and never lost, judged like what is measured."""

import calendar
from datetime import UTC, date, datetime

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import disclosure, indicators
from pipelines.entries import COLUMNS, ENTERED, checked, history, newest, news, standing
from pipelines.park_schemas import REJECTIONS
from pipelines.periods import period_span

AT = datetime(2026, 11, 21, 2, tzinfo=UTC)
TODAY = date(2026, 11, 21)
GOOD = {
    "indicator_id": "smart_cameras", "period": "2026", "area_id": "310117", "value": "81.5",
    "lower": "", "upper": "", "reported_on": "2026-11-20", "responsible": "科委 张三",
    "document": "松科委〔2026〕1号", "note": "",
}  # fmt: skip


def rows(*given, ragged=()):
    told = [GOOD | one for one in given]
    facts = [{"line": n, "is_ragged": n in ragged} for n in range(2, len(told) + 2)]
    schema = {"line": pl.Int64, "is_ragged": pl.Boolean, **dict.fromkeys(COLUMNS, pl.String)}
    return pl.DataFrame([f | t for f, t in zip(facts, told, strict=True)], schema=schema)


def check(*given, ragged=(), file="a.csv", at=AT):
    return checked(
        rows(*given, ragged=ragged), file=file, sha256="0" * 64, entered_at=at, today=TODAY,
        areas=["P01"],
    )  # fmt: skip


def entered(*given, sequence=1):
    found = check(*given)
    assert found.rejected.is_empty(), found.rejected.rows()
    return found.accepted.with_columns(sequence=pl.lit(sequence, pl.Int64))


def test_a_good_row_is_an_entry():
    accepted, rejected = check({"lower": "80", "upper": " 83 ", "area_id": "P01"})
    assert accepted.schema == ENTERED
    assert rejected.schema == REJECTIONS
    assert rejected.is_empty()
    one = accepted.row(0, named=True)
    assert (one["value"], one["lower"], one["upper"]) == (81.5, 80.0, 83.0)
    assert (one["period_from"], one["period_to"]) == (date(2026, 1, 1), date(2026, 12, 31))
    assert (one["file"], one["line"], one["entered_at"]) == ("a.csv", 2, AT)
    assert one["note"] is None


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ({"indicator_id": "profit"}, "indicator_id"),
        ({"indicator_id": "oee"}, "indicator_id"),
        ({"indicator_id": ""}, "indicator_id"),
        ({"period": "2026-13"}, "period"),
        ({"period": "2026Q5"}, "period"),
        ({"period": "26"}, "period"),
        ({"period": "2026-02-30"}, "period"),
        ({"area_id": "P09"}, "area_id"),
        ({"value": "100.1"}, "value"),
        ({"value": "-1"}, "value"),
        ({"value": "81%"}, "value"),
        ({"value": "1,000"}, "value"),
        ({"value": "nan"}, "value"),
        ({"value": "1e999"}, "value"),
        ({"value": ""}, "value"),
        ({"indicator_id": "download_rate_5g", "value": "1e30"}, "value"),
        ({"lower": "82"}, "lower"),
        ({"upper": "x"}, "upper"),
        ({"upper": "81"}, "upper"),
        ({"reported_on": "2026-11-22"}, "reported_on"),
        ({"reported_on": "2025-12-31"}, "reported_on"),
        ({"reported_on": "21.11.2026"}, "reported_on"),
        ({"responsible": "　 "}, "responsible"),
        ({"document": ""}, "document"),
        ({"indicator_id": "digital_hotels", "value": "2.5"}, "value"),
        ({"indicator_id": "digital_hotels", "value": "-2"}, "value"),
        ({"indicator_id": "download_rate_5g", "value": "-0.5"}, "value"),
    ],
)
def test_a_bad_row_is_refused_by_line_and_column_and_the_others_go_in(given, column):
    accepted, rejected = check({}, {"period": "2026Q1"} | given, {"area_id": "P01"})
    assert accepted["line"].to_list() == [2, 4]
    assert rejected.select("line", "column").rows() == [(3, column)]
    words = rejected.select("why_zh", "why_en", "remedy_zh", "remedy_en").row(0)
    assert all(words)


def test_a_measured_indicator_is_computed():
    assert "computed" in check({"indicator_id": "sme_cloud_share"}).rejected["why_en"][0]


def test_of_rows_with_the_same_key_none_is_taken():
    accepted, rejected = check({}, {"value": "82"}, {"period": "2025", "reported_on": "2026-01-31"})
    assert accepted["line"].to_list() == [4]
    assert rejected["line"].to_list() == [2, 3]


def test_a_ragged_line_is_refused_once():
    assert check({}, {"value": ""}, ragged=[3]).rejected.select("line", "column").rows() == [
        (3, "indicator_id")
    ]


def test_all_faults_of_a_row_are_told():
    bad = check({"value": "x", "responsible": "", "period": "?"}).rejected
    assert sorted(bad["column"]) == ["period", "responsible", "value"]


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2024", date(2024, 1, 1), date(2024, 12, 31)),
        ("2024Q1", date(2024, 1, 1), date(2024, 3, 31)),
        ("2026Q4", date(2026, 10, 1), date(2026, 12, 31)),
        ("2024-02", date(2024, 2, 1), date(2024, 2, 29)),
        ("2026-11-21", date(2026, 11, 21), date(2026, 11, 21)),
    ],
)
def test_periods(text, first, last):
    assert period_span(text) == (first, last)


@given(st.integers(2000, 2099), st.integers(1, 12))
def test_a_month_is_as_long_as_the_calendar_says(year, month):
    last = calendar.monthrange(year, month)[1]
    assert period_span(f"{year}-{month:02d}")[1] == date(year, month, last)


def test_a_period_that_is_none():
    with pytest.raises(ValueError, match="no period"):
        period_span("2026-11-31")


def test_a_revision_stands_beside_what_it_revises():
    first, second = entered({}), entered({"value": "82"}, sequence=2)
    both = pl.concat([second, first])
    assert history(both).select("value", "revision", "is_newest").rows() == [
        (81.5, 1, False), (82.0, 2, True),
    ]  # fmt: skip
    assert newest(both)["value"].to_list() == [82.0]


def test_the_same_words_again_revise_nothing():
    first = entered({}, {"period": "2025", "reported_on": "2026-01-31"})
    again = check({}, {"period": "2025", "reported_on": "2026-01-31", "value": "60"}).accepted
    assert news(again, first)["value"].to_list() == [60.0]
    assert news(first, pl.DataFrame(schema=ENTERED)).height == 2
    back = pl.concat([first, entered({"value": "70"}, sequence=2)])
    assert news(check({}).accepted, back).height == 1  # back to an earlier word is news


def test_what_stands_at_a_period_s_end():
    told = pl.concat([
        entered({"period": "2025", "value": "60", "reported_on": "2026-01-31"}, sequence=1),
        entered({"period": "2026Q1", "value": "70", "reported_on": "2026-04-10"}, sequence=2),
        entered({"period": "2026Q1", "value": "71", "reported_on": "2026-05-10"}, sequence=3),
        entered({"period": "2025", "value": "61", "reported_on": "2026-06-01"}, sequence=4),
    ])  # fmt: skip
    at = {
        day: standing(told, day)["value"].to_list()
        for day in ("2026-01-30", "2026-01-31", "2026-04-30", "2026-05-10", "2026Q2", "2026")
    }
    assert at == {
        "2026-01-30": [], "2026-01-31": [60.0], "2026-04-30": [70.0], "2026-05-10": [71.0],
        "2026Q2": [71.0], "2026": [71.0],
    }  # fmt: skip


def kpi_of(told, period="2026-11-21"):
    ratios = ["oee", "availability", "effectiveness", "quality_ratio", "completeness", "lower",
              "upper"]  # fmt: skip
    rolled = pl.DataFrame(
        schema={"park_id": pl.String, **dict.fromkeys(ratios, pl.Float64), "is_reliable": bool}
    )
    counts = dict.fromkeys(["numerator", "denominator", "unknown"], pl.Int64)
    adoption = pl.DataFrame(
        schema={"park_id": pl.String, "metric_id": pl.String, "basis": pl.String, **counts,
                "value": pl.Float64, "lower": pl.Float64, "upper": pl.Float64}
    )  # fmt: skip
    return indicators.kpi_table(
        rolled, adoption, pl.DataFrame(schema=indicators.CONTRIBUTIONS), period=period,
        smart_factories=1, benchmark_parks=1, areas={}, entered=told,
    )  # fmt: skip


def test_entries_are_rows_of_the_table_judged_unrounded_and_shown_to_everybody():
    told = entered(
        {"value": "80.04"}, {"indicator_id": "coverage_5g", "value": "94.96"},
        {"indicator_id": "digital_hotels", "value": "50"},
        {"indicator_id": "smart_hydrants", "value": "99", "lower": "98", "upper": "100"},
        {"area_id": "P01", "value": "70"},
        {"indicator_id": "sensing_terminals_reported", "value": "19.9999"},
    )  # fmt: skip
    table = kpi_of(told)
    by = {(r["indicator_id"], r["area_id"]): r for r in table.iter_rows(named=True)}
    assert by["smart_cameras", "310117"]["verdict"] == "met"
    assert by["coverage_5g", "310117"]["verdict"] == "not_met"
    assert by["digital_hotels", "310117"]["verdict"] == "met"
    assert by["smart_hydrants", "310117"]["verdict"] == "to_be_verified"
    assert by["smart_cameras", "P01"]["target"] is None
    assert by["sensing_terminals_reported", "310117"]["value"] == 19.9999
    assert ("download_rate_5g", "310117") not in by
    none = pl.DataFrame(schema=indicators.CONTRIBUTIONS)
    shown = disclosure.protect(table, none, disclosure.Rule(p_percent=10.0))
    assert set(shown["status"]) == {disclosure.PROVISIONAL}
    printed = dict(
        shown.filter(pl.col("area_id") == "310117").select("indicator_id", "value").rows()
    )
    assert (printed["smart_cameras"], printed["coverage_5g"]) == (80.04, 94.96)


def test_the_list_names_what_nobody_reported():
    listed = indicators.listing(None, entered({"value": "79.96"}), "2026-11-21")
    by = {row["indicator_id"]: row for row in listed.iter_rows(named=True)}
    assert listed["indicator_id"].to_list() == indicators.dictionary()["indicator_id"].to_list()
    assert (by["smart_cameras"]["value"], by["smart_cameras"]["verdict"]) == (79.96, "not_met")
    assert by["coverage_5g"]["status"] is None


def test_the_list_has_what_was_published_of_what_is_measured():
    none = pl.DataFrame(schema=indicators.CONTRIBUTIONS)
    published = disclosure.protect(kpi_of(None), none, disclosure.Rule(p_percent=10.0))
    empty = pl.DataFrame(schema=ENTERED)
    listed = indicators.listing(published, empty, "2026-11-22")
    row = listed.row(by_predicate=pl.col("indicator_id") == "smart_factories", named=True)
    assert (row["value"], row["verdict"], row["period"]) == (1.0, "not_met", "2026-11-21")


def test_new_data_centres_are_judged_by_all_their_energy():
    energy = pl.DataFrame(
        {
            "park_id": ["P01", None, "P01"], "legal_group": ["G", "H", "G"],
            "is_edge": [False, False, True], "facility_wh": [13, 14, 15], "it_wh": [10, 10, 10],
        }
    )  # fmt: skip
    parts = indicators.energy_contributions(energy)
    assert parts.schema == indicators.CONTRIBUTIONS
    found = indicators.energy_figures(parts).select("indicator_id", "area_id", "value").rows()
    assert found == [
        ("pue_new", "310117", 1.35), ("pue_new", "P01", 1.3), ("pue_new_edge", "310117", 1.5),
        ("pue_new_edge", "P01", 1.5),
    ]  # fmt: skip
