"""Series that are forecast: in the indicator's unit, a day once, and nothing that is hidden."""

from datetime import date

import polars as pl
import pytest

from pipelines.forecast_series import SERIES, adoption_series, oee_series, told
from pipelines.park_figures import ADOPTION

DAY = date(2026, 11, 16)


def figure(metric_id, basis, numerator, denominator, park_id=None, on=DAY, dimension="all"):
    return dict.fromkeys(ADOPTION) | {
        "reference_date": on, "park_id": park_id, "dimension": dimension, "metric_id": metric_id,
        "basis": basis, "numerator": numerator, "denominator": denominator,
        "value": numerator / denominator if denominator else float(numerator),
    }  # fmt: skip


def series(*rows):
    found = adoption_series(pl.DataFrame(list(rows), schema=ADOPTION))
    assert found.schema == SERIES
    return found


def test_shares_are_percent_and_terminals_ten_thousands():
    found = series(
        figure("CA-1", "verified", 45, 90), figure("CA-1", "declared_or_verified", 60, 90, "P01"),
        figure("CA-2", "measured", 3, 4), figure("CA-7", "measured", 20_000, None),
    )  # fmt: skip
    values = {row["indicator_id"]: (row["area_id"], row["value"]) for row in found.to_dicts()}
    assert values.keys() == {
        "sme_cloud_share_verified", "sme_cloud_share", "device_cloud_rate", "sensing_terminals",
    }  # fmt: skip
    assert values["sme_cloud_share_verified"] == ("310117", 50.0)
    assert values["sme_cloud_share"] == ("P01", pytest.approx(200 / 3))
    assert values["sensing_terminals"] == ("310117", pytest.approx(2.0))


def test_what_has_no_indicator_or_is_a_breakdown_has_no_series():
    assert series(
        figure("CA-1", "declared", 1, 2),
        figure("CA-7", "points", 1, None),
        figure("CA-3", "verified", 1, 2),
        figure("CA-1", "verified", 1, 2, dimension="sector"),
    ).is_empty()


def test_of_a_day_that_stands_twice_the_later_row_counts():
    found = series(figure("CA-2", "measured", 1, 4), figure("CA-2", "measured", 2, 4))
    assert found.select("day", "value").rows() == [(DAY, 50.0)]


def test_oee_is_of_the_new_city_on_reliable_days():
    rolled = pl.DataFrame(
        {
            "level": ["district", "district", "park"],
            "production_day": [date(2026, 11, 17), DAY, DAY],
            "is_reliable": [True, False, True],
            "oee": [0.7, 0.9, 0.8],
        }
    )
    found = oee_series(rolled)
    assert found.schema == SERIES
    assert found.select("area_id", "day", "value").rows() == [
        ("310117", date(2026, 11, 17), pytest.approx(70.0))
    ]


def test_what_disclosure_control_hides_is_not_forecast():
    kpi = pl.DataFrame(
        {
            "indicator_id": ["device_cloud_rate"] * 3,
            "area_id": ["310117", "P01", "P02"],
            "value": [50.0, None, 40.0],
            "status": ["p", "c", "p"],
        }
    )
    areas = [None, "P01", "P02", "P03"]
    found = told(series(*(figure("CA-2", "measured", 1, 2, area) for area in areas)), kpi)
    assert found["area_id"].to_list() == ["310117", "P02"]
