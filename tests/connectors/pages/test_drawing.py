"""Charts and maps keep within their place, and leave out what is not known."""

import json
import re
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.pages import charts, timeline
from connectors.pages.desk import file_name
from connectors.pages.geography import hull, outline, sheet
from connectors.pages.risk_view import facts

COORDINATE = st.tuples(st.integers(0, 40), st.integers(0, 40))
SHARE = st.floats(-0.5, 1.5)
DAY = date(2026, 11, 21)


def turn(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def is_corner(place, places):
    """The slow way: some line through it has all other places strictly on one side, or on it."""
    others = [p for p in places if p != place]
    if len(others) < 2:
        return True
    return any(
        all(turn(place, one, q) > 0 or is_on_ray(place, one, q) for q in others)
        for one in others
    )  # fmt: skip


def is_on_ray(place, one, other):
    """Whether `other` lies on the ray from `place` to `one`."""
    return (
        turn(place, one, other) == 0
        and (one[0] - place[0]) * (other[0] - place[0])
        + (one[1] - place[1]) * (other[1] - place[1])
        > 0
    )


@given(places=st.lists(COORDINATE, min_size=1, max_size=12))
def test_the_hull_is_that_of_the_slow_way(places):
    assert set(hull(places)) == {p for p in set(places) if is_corner(p, set(places))}


@given(places=st.lists(COORDINATE, min_size=3, max_size=12))
def test_an_outline_holds_its_sites(places):
    corners = outline(places, 3.0)
    if len(hull(places)) > 2:
        edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
        assert all(turn(a, b, place) > 0 for a, b in edges for place in places)


@given(
    places=st.lists(st.tuples(st.floats(121, 122), st.floats(30, 32)), min_size=1, max_size=9),
    aspect=st.sampled_from([1.0, 4 / 3, 1.6]),
)
def test_a_sheet_holds_every_place_with_scales_alike(places, aspect):
    drawn = sheet(places, aspect)
    for place in places:
        x, y = drawn.at(place)
        assert 0.06 < x < 0.94
        assert 0.06 < y < 0.94
    here = drawn.at(places[0])
    east, north = (
        drawn.at((places[0][0] + 0.01, places[0][1])),
        drawn.at((places[0][0], places[0][1] + 0.01)),
    )
    assert (here[1] - north[1]) / aspect / (east[0] - here[0]) == pytest.approx(drawn.shrink)
    assert north[1] < here[1]


def test_a_kilometre_is_one():
    """One degree of latitude is 111.2 km; at 60° one of longitude is half of it."""
    drawn = sheet([(10.0, 60.0), (11.0, 60.0)], 1.0)
    assert drawn.kilometres() * 0.86 == pytest.approx(111.195 / 2, rel=1e-3)


def numbers_of(svg, name):
    return [float(n) for n in re.findall(rf'\b{name}="(-?[\d.]+)%"', svg)]


@given(value=SHARE, lower=SHARE, upper=SHARE, target=SHARE, claimed=SHARE)
def test_a_meter_keeps_within_its_track(value, lower, upper, target, claimed):
    svg = charts.meter(value, lower, upper, target, claimed)
    for left, width in re.findall(r'x="([\d.]+)%" y="[\d.]+" width="([\d.]+)%"', svg):
        assert float(left) + float(width) <= 100.02
    assert all(0 <= n <= 100 for name in ("x1", "x2", "cx") for n in numbers_of(svg, name))


@given(then=st.floats(0, 1), steps=st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3))
def test_a_waterfall_begins_and_ends_where_the_share_did(then, steps):
    svg = charts.waterfall(then, steps, then + sum(steps))
    assert svg.count("<rect") == 3
    assert svg.count('class="gain"') == sum(
        then + sum(steps[: i + 1]) >= then + sum(steps[:i]) for i in range(3)
    )


@given(counts=st.lists(st.integers(0, 500), min_size=1, max_size=7))
def test_the_parts_of_a_stack_lie_side_by_side(counts):
    svg = charts.stack([(f"p{i}", n) for i, n in enumerate(counts)], sum(counts))
    found = re.findall(r'class="p\d" x="([\d.]+)%" y="3" width="([\d.]+)%"', svg)
    parts = [(float(x), float(w)) for x, w in found]
    assert len(parts) == sum(n > 0 for n in counts)
    assert all(abs(a + w - b) < 0.02 for (a, w), (b, _) in pairwise(parts))


@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20),
    every=st.integers(1, 400),
    target=st.none() | st.floats(-1e6, 1e6),
)
@settings(max_examples=40)
def test_a_timeline_keeps_within_its_height(values, every, target):
    points = [(DAY + timedelta(every * i), v) for i, v in enumerate(values)]
    svg = timeline.timeline([timeline.Line("verified", points, "x")], "label", target=target)
    whole = timeline.TOP + timeline.HEIGHT + timeline.FOOT
    assert all(0 <= float(y) <= whole for y in re.findall(r'\by[12]?="([\d.-]+)"', svg))
    assert len(re.findall('class="tick mid"', svg)) <= 8


def test_nothing_known_is_no_chart():
    assert timeline.timeline([timeline.Line("verified", [])], "label") is None
    assert timeline.spark([None, None], "label") == ""


def test_a_spark_breaks_where_nothing_is_known():
    assert timeline.spark([1.0, 2.0, None, 3.0, None, None, 4.0, 5.0], "l").count("<polyline") == 3


def test_months_are_named_in_both_languages_and_the_first_with_its_year():
    told = timeline.months(date(2025, 11, 21), date(2026, 11, 21))
    assert "2026-01" in told[0][1] or "2025-12" in told[0][1]
    assert all('class="zh"' in text and 'class="en"' in text for _, text in told)
    assert len(told) <= 7


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=8,
)  # fmt: skip


@given(evidence=JSON.map(json.dumps) | st.text(max_size=20) | st.none())
@settings(max_examples=60)
def test_evidence_of_any_kind_is_told_in_words(evidence):
    for name, value in facts(evidence):
        assert len(name) == len(value) == 2
        assert all(isinstance(text, str) for text in value)


def test_evidence_is_told_by_name():
    told = facts('{"scheduled_days": 10, "drop": -0.404, "platform": "甲"}')
    assert told[0] == (("开工天数", "scheduled days"), ("10", "10"))
    assert told[1][1] == ("−40.4\N{NO-BREAK SPACE}%",) * 2
    assert told[2] == (("平台", "platform"), ("甲", "甲"))


def test_what_a_model_weighed_is_named_in_one_language_at_a_time():
    told = facts('{"contributions": {"output": 0.9, "running": 0.4, "alarms": -0.1}}')
    assert told == [(("主要依据", "spoken for by"), ("产量、运行时间", "output, running time"))]


def test_rules_joined_to_a_warning_are_named():
    told = facts('{"rules": [{"rule": "output_drop", "raised_on": "2026-11-02", "value": 0.7}]}')
    assert told == [(("产量下降", "Output drop"), ("2026-11-02", "2026-11-02"))]


@given(identifier=st.text(max_size=80))
def test_a_page_is_a_plain_file_name(identifier):
    assert re.fullmatch(
        r"enterprise-[0-9A-Za-z_-]{1,64}\.html", file_name("enterprise", identifier)
    )
