"""The plan's indicators, their verdicts, and rounding that never flips one."""

from datetime import date
from fractions import Fraction
from math import inf

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import indicators
from pipelines.indicators import MET, NOT_MET, TO_BE_VERIFIED, shown, verdict


def target_of(indicator_id):
    row = indicators.dictionary().filter(pl.col("indicator_id") == indicator_id).row(0, named=True)
    return row["target"], row["comparator"], row["unit"]


def test_targets_are_the_plans():
    assert target_of("smart_factories") == (10, "ge", "家")
    assert target_of("benchmark_parks") == (3, "ge", "个")
    assert target_of("sensing_terminals") == (20, "ge", "万个")
    assert target_of("sme_cloud_share") == (80, "gt", "%")
    assert target_of("oee") == (None, None, "%")


def test_every_indicator_is_defined_in_both_languages_with_a_source():
    texts = indicators.dictionary().select(
        "name_zh", "name_en", "definition_zh", "definition_en", "formula", "source", "unit"
    )
    assert texts.null_count().sum_horizontal().item() == 0
    assert indicators.dictionary()["indicator_id"].is_unique().all()


@pytest.mark.parametrize(
    ("figure", "target", "comparator", "expected"),
    [
        ((80.0, None, None), 80, "gt", NOT_MET),  # 超过 excludes the number itself
        ((80.0, None, None), 80, "ge", MET),
        ((80.0001, None, None), 80, "gt", MET),
        ((7 / 9 * 100, 7 / 9 * 100, 8 / 9 * 100), 80, "gt", TO_BE_VERIFIED),
        ((5 / 9 * 100, 5 / 9 * 100, 6 / 9 * 100), 80, "gt", NOT_MET),
        ((1.3, None, None), 1.3, "le", MET),
        ((1.31, None, None), 1.3, "le", NOT_MET),
        ((1.31, 1.2, 1.4), 1.3, "le", TO_BE_VERIFIED),
        ((100.0, None, None), 100, "eq", MET),
        ((99.0, 99.0, 100.0), 100, "eq", TO_BE_VERIFIED),
        ((98.0, 98.0, 99.0), 100, "eq", NOT_MET),
        ((0.03, 0.03, inf), 20, "ge", TO_BE_VERIFIED),
        ((None, None, None), 20, "ge", None),
        ((1.0, None, None), None, None, None),
    ],
)
def test_verdict(figure, target, comparator, expected):
    assert verdict(*figure, target, comparator) == expected


def test_display_shows_what_the_verdict_rests_on():
    near = indicators.least_decimals("%", "share_of_units", 2500, 79.96, 80.0)
    assert shown((79.96, None, None), 80.0, "gt", near).value == 79.96
    assert shown((79.96, None, None), 80.0, "ge", 1).value == 79.96
    assert shown((80.04, None, None), 80.0, "gt", 1).value == 80.04
    assert shown((77.7778, 77.7778, 88.8889), 80.0, "gt", 0)[:3] == (78.0, 78.0, 89.0)
    assert shown((62.349, 61.2, 64.01), None, None, 1)[:3] == (62.3, 61.2, 64.1)


numbers = st.fractions(0, 100, max_denominator=2000).map(float)


@given(numbers, numbers, numbers, st.sampled_from(["gt", "ge", "le", "eq"]), st.integers(0, 2))
def test_rounding_never_flips_a_verdict_and_bounds_still_hold(a, b, c, comparator, places):
    low, value, high = sorted([a, b, c])
    printed = shown((value, low, high), 80.0, comparator, places)
    assert verdict(*printed[:3], 80.0, comparator) == verdict(value, low, high, 80.0, comparator)
    assert printed.lower <= low or printed.lower == printed.value
    assert printed.upper >= high or printed.upper == printed.value


@given(st.integers(0, 3000), st.integers(1, 3000))
def test_a_share_is_exactly_at_the_target_only_when_the_counts_are(part, whole):
    share = part / whole * 100.0
    assert (verdict(share, None, None, 80.0, "gt") == MET) == (
        Fraction(part, whole) > Fraction(4, 5)
    )


def adoption_figures() -> pl.DataFrame:
    rows = [
        (None, "CA-1", "verified", 5, 9, 1), (None, "CA-1", "declared_or_verified", 7, 9, 1),
        (None, "CA-2", "measured", 150, 200, 0), (None, "CA-7", "measured", 323, None, 0),
        ("P01", "CA-1", "verified", 0, 0, 0),
    ]  # fmt: skip
    schema = ["park_id", "metric_id", "basis", "numerator", "denominator", "unknown"]
    whole = pl.coalesce("denominator", pl.lit(1))
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
        reference_date=pl.lit(date(2026, 11, 21)),
        value=pl.when(whole > 0).then(pl.col("numerator") / whole),
        lower=pl.when(whole > 0).then(pl.col("numerator") / whole),
        upper=pl.when(whole > 0).then((pl.col("numerator") + pl.col("unknown")) / whole),
    )


def test_a_figure_that_is_not_reliable_is_no_number():
    """Too little is known of P01; P02 planned nothing, which is no lack of data."""
    rolled = pl.DataFrame(
        {
            "park_id": ["P01", "P02", None], "oee": [0.5, None, 0.44],
            "availability": [0.6, None, 0.5], "effectiveness": [0.9, None, 0.9],
            "quality_ratio": [0.9, None, 0.9], "completeness": [0.62, None, 0.98],
            "lower": [0.3, None, 0.43], "upper": [0.7, None, 0.46],
            "is_reliable": [False, False, True],
        }
    )  # fmt: skip
    table = indicators.kpi_table(
        rolled, adoption_figures(), pl.DataFrame(schema=indicators.CONTRIBUTIONS),
        period="2026-11-21", smart_factories=10, benchmark_parks=2, areas={},
    )  # fmt: skip
    by = {(r["indicator_id"], r["area_id"]): r for r in table.iter_rows(named=True)}
    for name in indicators.FACTORS:
        kept_out = by[name, "P01"]
        assert kept_out["status"] == indicators.INCOMPLETE
        assert (kept_out["value"], kept_out["lower"], kept_out["upper"]) == (None, None, None)
        assert kept_out["completeness"] == 0.62
        assert by[name, "P02"]["status"] == indicators.UNCHECKED
    assert by["oee", indicators.DISTRICT_ID]["value"] == pytest.approx(44)


@pytest.mark.parametrize(
    ("met", "unknown", "verdict"), [(2, 0, NOT_MET), (2, 1, TO_BE_VERIFIED), (3, 4, MET)]
)
def test_what_is_undecided_opens_a_count_above(met, unknown, verdict):
    none = pl.DataFrame(
        schema={
            "park_id": pl.String,
            **dict.fromkeys([*indicators.FACTORS, "completeness", "lower", "upper"], pl.Float64),
            "is_reliable": pl.Boolean,
        }
    )
    table = indicators.kpi_table(
        none, adoption_figures(), pl.DataFrame(schema=indicators.CONTRIBUTIONS),
        period="2026-11-21", smart_factories=10, benchmark_parks=met, areas={},
        undecided={"benchmark_parks": unknown},
    )  # fmt: skip
    by = {row["indicator_id"]: row for row in table.iter_rows(named=True)}
    parks, factories = by["benchmark_parks"], by["smart_factories"]
    assert (parks["value"], parks["lower"], parks["upper"]) == (met, met, met + unknown)
    assert parks["verdict"] == verdict
    assert (factories["value"], factories["upper"]) == (10, 10)


def oee_by_factory() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "park_id": ["P01", "P01", None],
            "factory_id": ["F01", "F02", "F03"],
            "pbt_s": [1000.0, 2000.0, 500.0],
            "apt_s": [800.0, 1000.0, 0.0],
            "ideal_total_s": [700.0, 900.0, None],
            "ideal_good_s": [690.0, 850.0, None],
        }
    )


def test_kpi_table_of_parks_and_district():
    oee = pl.DataFrame(
        {
            "park_id": ["P01", None], "oee": [0.5133, 0.44], "availability": [0.6, 0.5143],
            "effectiveness": [0.8889, 0.8889], "quality_ratio": [0.9625, 0.9625],
            "completeness": [1.0, 0.98], "lower": [0.5133, 0.43], "upper": [0.5133, 0.46],
            "is_reliable": [True, True],
        }
    )  # fmt: skip
    groups = pl.DataFrame({"factory_id": ["F02", "F03"], "legal_group": ["G", "G"]})
    contributions = indicators.oee_contributions(oee_by_factory(), groups)
    table = indicators.kpi_table(
        oee, adoption_figures(), contributions, period="2026-11-21", smart_factories=10,
        benchmark_parks=2, areas={"P01": "松江临港科技城"},
    )  # fmt: skip
    assert table.schema == indicators.KPI
    assert set(table["status"]) == {indicators.UNCHECKED}
    by = {(r["indicator_id"], r["area_id"]): r for r in table.iter_rows(named=True)}
    district = indicators.DISTRICT_ID
    assert by["smart_factories", district]["verdict"] == MET
    assert by["benchmark_parks", district]["verdict"] == NOT_MET
    assert by["sme_cloud_share", district]["value"] == pytest.approx(77.7778, abs=1e-4)
    assert by["sme_cloud_share", district]["verdict"] == TO_BE_VERIFIED
    assert by["sme_cloud_share", district]["completeness"] == pytest.approx(8 / 9)
    assert by["sensing_terminals", district]["value"] == pytest.approx(0.0323)
    assert by["sensing_terminals", district]["verdict"] == TO_BE_VERIFIED
    assert by["sme_cloud_share_verified", "P01"]["value"] is None
    assert by["oee", "P01"]["target"] is None
    assert by["oee", "P01"]["respondents"] == 2
    assert by["oee", district]["respondents"] == 2
    assert by["oee", "P01"]["area_zh"] == "松江临港科技城"
    assert table["indicator_id"].to_list()[0] == "smart_factories"


@pytest.mark.parametrize(
    ("groups", "by_area"),
    [
        (None, {"P01": 2, "310117": 3}),
        ({}, {"P01": 1, "310117": 1}),
        ({"F01": "G"}, {"P01": 2, "310117": 2}),
        ({"F01": None}, {"P01": 1, "310117": 1}),
        ({"F01": "G", "F02": "H"}, {"P01": 2, "310117": 3}),
    ],
    ids=str,
)
def test_factories_of_unknown_owners_count_as_one_legal_group(groups, by_area):
    named = groups if groups is None else pl.DataFrame(
        {"factory_id": list(groups), "legal_group": list(groups.values())},
        schema={"factory_id": pl.String, "legal_group": pl.String},
    )  # fmt: skip
    found = indicators.oee_contributions(oee_by_factory(), named)
    counted = found.group_by("area_id").agg(pl.col("legal_group").n_unique())
    assert dict(counted.iter_rows()) == by_area
    whole = found.filter(pl.col("indicator_id") == "availability", pl.col("area_id") == "310117")
    assert whole["denominator"].sum() == 3_500_000_000


def test_oee_contributions_add_up_and_multiply():
    parts = indicators.oee_contributions(oee_by_factory())
    district = parts.filter(pl.col("area_id") == indicators.DISTRICT_ID)
    ratio = {
        name: Fraction(*district.filter(pl.col("indicator_id") == name).select(
            pl.col("numerator", "denominator").sum()
        ).row(0))
        for name in indicators.FACTORS
    }  # fmt: skip
    assert ratio["oee"] == ratio["availability"] * ratio["effectiveness"] * ratio["quality_ratio"]
    assert ratio["availability"] == Fraction(1800, 3500)


def test_adoption_contributions_are_named_by_indicator():
    rows = pl.DataFrame(
        {
            "reference_date": [date(2026, 11, 21)] * 2, "park_id": ["P01", None],
            "metric_id": ["CA-1"] * 2, "basis": ["verified"] * 2, "legal_group": ["G"] * 2,
            "numerator": [1, 1], "denominator": [2, 3], "unknown": [0, 0],
        }
    )  # fmt: skip
    found = indicators.adoption_contributions(rows)
    assert found.select("indicator_id", "area_id", "denominator").rows() == [
        ("sme_cloud_share_verified", "310117", 3), ("sme_cloud_share_verified", "P01", 2),
    ]  # fmt: skip


def test_whatever_was_entered_is_printed():
    assert shown((1e30, 1e30, 1e30), 4.0, "ge", 0).value == 1e30
    assert shown((1e-30, 0.0, 1e300), 4.0, "ge", 2).upper == 1e300
