"""The dictionary holds all that the plan sets as a number, and says how each comes."""

import polars as pl
import pytest

from pipelines.dictionary import dictionary
from pipelines.verdicts import MEANING_EN, MEANING_ZH, MET, NOT_MET, verdict

TABLE_1 = {
    1: ("coverage_5g", "%", "ge", 95), 2: ("download_rate_5g", "Mbps", "ge", 500),
    3: ("download_rate_fixed", "Mbps", "ge", 120), 4: ("sensing_terminals", "万个", "ge", 20),
    5: ("benchmark_parks", "个", "ge", 3), 6: ("smart_factories", "家", "ge", 10),
    7: ("internet_hospitals", "个", "ge", 4), 8: ("digital_schools", "所", "ge", 4),
    9: ("digital_business_districts", "个", "ge", 2), 10: ("online_service_share", "%", "ge", 80),
    11: ("governance_scenes", "个", "ge", 20),
}  # fmt: skip
TEXT = {
    "digital_scenic_areas": ("ge", 2), "digital_hotels": ("ge", 50),
    "digital_elderly_care": ("ge", 3), "benchmark_it_schools": ("ge", 3),
    "pue_new": ("le", 1.3), "pue_new_edge": ("le", 1.5), "smart_cameras": ("gt", 80),
    "smart_hydrants": ("eq", 100), "industry_databases": ("ge", 1),
    "data_fusion_scenes": ("ge", 10), "joint_data_labs": ("ge", 5),
    "sme_cloud_share": ("gt", 80), "sme_cloud_share_verified": ("gt", 80),
}  # fmt: skip


def row(indicator_id):
    return dictionary().row(by_predicate=pl.col("indicator_id") == indicator_id, named=True)


@pytest.mark.parametrize("place", TABLE_1)
def test_every_row_of_table_1(place):
    indicator_id, unit, comparator, target = TABLE_1[place]
    found = row(indicator_id)
    assert (found["unit"], found["comparator"], found["target"]) == (unit, comparator, target)
    assert found["plan_row"] == place
    assert f"表1 第{place}项" in found["source"]


def test_only_5g_coverage_is_binding():
    binding = dictionary().filter(pl.col("property") == "约束性")["indicator_id"].to_list()
    assert binding == ["coverage_5g"]


@pytest.mark.parametrize("indicator_id", TEXT)
def test_every_other_number_of_the_text(indicator_id):
    found = row(indicator_id)
    assert (found["comparator"], found["target"]) == TEXT[indicator_id]
    assert "“" in found["source"]


def test_what_the_plan_aims_at_is_all_there_is_with_a_target():
    aimed = set(dictionary().filter(pl.col("target").is_not_null())["indicator_id"])
    named = {one[0] for one in TABLE_1.values()} | set(TEXT)
    assert aimed == named | {"sensing_terminals_reported"}
    monitored = dictionary().filter(pl.col("target").is_null())
    assert set(monitored["property"]) == {"监测"}
    assert set(monitored["collection"]) == {"measured"}


def test_every_field_is_filled_and_every_comparator_has_its_legal_meaning():
    needed = [
        "name_zh", "name_en", "unit", "property", "collection", "frequency", "owner", "kind",
        "family", "scope", "additive", "formula", "definition_zh", "definition_en", "source",
    ]  # fmt: skip
    assert dictionary().select(needed).null_count().sum_horizontal().item() == 0
    compared = dictionary().filter(pl.col("comparator").is_not_null())
    assert compared["comparator_zh"].to_list() == [MEANING_ZH[c] for c in compared["comparator"]]
    assert compared["comparator_en"].to_list() == [MEANING_EN[c] for c in compared["comparator"]]
    assert compared["target"].null_count() == 0
    assert set(dictionary()["collection"]) == {"measured", "entered"}


def test_adoption_metrics_are_named_once_by_metric_and_basis():
    named = dictionary().filter(pl.col("metric_id").is_not_null())
    assert not named.select("metric_id", "basis").is_duplicated().any()
    assert {"CA-1", "CA-2", "CA-3", "CA-3b", "CA-4", "CA-5", "CA-6", "CA-7"} <= set(
        named["metric_id"]
    )


@pytest.mark.parametrize(
    ("indicator_id", "value", "expected"),
    [
        ("smart_cameras", 80.0, NOT_MET), ("smart_cameras", 80.04, MET),
        ("smart_cameras", 79.96, NOT_MET), ("data_fusion_scenes", 10, MET),
        ("industry_databases", 1, MET), ("industry_databases", 0, NOT_MET),
        ("smart_hydrants", 100.0, MET), ("smart_hydrants", 99.99, NOT_MET),
        ("pue_new", 1.3, MET), ("pue_new", 1.3000001, NOT_MET), ("pue_new_edge", 1.5, MET),
        ("coverage_5g", 95.0, MET), ("sme_cloud_share", 80.0, NOT_MET),
    ],
)  # fmt: skip
def test_the_law_s_words_at_the_number_itself(indicator_id, value, expected):
    found = row(indicator_id)
    assert verdict(value, None, None, found["target"], found["comparator"]) == expected
