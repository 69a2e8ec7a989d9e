"""What a page says of single rows: the odd ones too, which must not stop the pages after it."""

import re
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from connectors.pages import PageFrames, adoption_view, indicator_view, list_view
from connectors.pages.desk import Desk
from connectors.pages.frames import SERVICE_USE
from pipelines import park_figures as figures
from tests.connectors.pages import invented
from tests.connectors.pages.firms import DAY, table

PARK = {"P01": ("甲", "A")}


def term(indicator_id):
    return next(t for t in indicator_view.terms() if t["indicator_id"] == indicator_id)


def test_lines_that_end_at_one_value_are_both_drawn():
    same = {"park_id": "P01", "dimension": "all", "metric_id": "CA-1", "value": 0.6}
    rows = [
        same | {"reference_date": DAY - timedelta(back), "basis": basis}
        for back in (0, 1)
        for basis in adoption_view.BOTH
    ]
    frames = PageFrames(day=DAY, parks=PARK, adoption=table(rows, figures.ADOPTION))
    (view,) = adoption_view.trends(Desk(frames), "P01")
    assert str(view["chart"]).count('class="line ') == 2


def test_use_of_a_platform_without_a_service_is_listed():
    rows = [
        {"platform": "乙", "service_id": key, "enterprises": 4, "uses": 9, "is_listed": False}
        for key in (None, "V01", None)
    ]
    frames = PageFrames(day=DAY, service_use=table(rows, SERVICE_USE))
    (level,) = list_view.services(Desk(frames), None)
    assert [one["name"][0] for one in level["items"]] == ["未注明 not named"] * 2 + ["V01"]


def test_a_forecast_is_drawn_with_one_interval_which_is_named():
    frames = invented.frames()
    assert set(frames.forecasts["coverage"]) == {0.8, 0.95}
    asked = term("sme_cloud_share_verified")
    view = indicator_view.course(Desk(frames), asked)
    one = frames.forecasts.filter(
        pl.col("indicator_id") == asked["indicator_id"], pl.col("coverage") == 0.8
    )
    (band,) = re.findall(r'class="band" points="([^"]*)"', str(view["chart"]))
    places = [float(point.split(",")[0]) for point in band.split()]
    assert len(places) == 2 * one.height
    assert places[: one.height] == sorted(set(places))
    assert view["forecast"]["coverage"].startswith("80")
    shown = [when for when, *_ in view["table"]]
    assert len(shown) == len(set(shown))
    alone = replace(frames, forecasts=one)
    assert indicator_view.course(Desk(alone), asked) == view


@pytest.mark.parametrize("tier", ["park", "public"])
def test_the_seasonal_skill_is_against_the_week_before(tier):
    frames = invented.published(invented.small())
    (page,) = (h for n, h in invented.rendered(frames, tier).items() if n == "indicators.html")
    assert "上周同日" in page
    assert "same day of the week before" in page
    assert "上年同期" not in page
