"""Numbers are written as a statistics desk does, and never against a verdict."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from connectors.pages import numbers, words
from pipelines.indicators import verdict


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (numbers.percent(5 / 9), "55.56\N{NO-BREAK SPACE}%"),
        (numbers.percent(None), "—"),
        (numbers.percent(1.0, 1), "100.0\N{NO-BREAK SPACE}%"),
        (numbers.points(0.0523), "+5.23"),
        (numbers.points(-0.0042), "−0.42"),
        (numbers.points(-0.00001), "0.00"),
        (numbers.points(None), "—"),
        (numbers.change(-0.106), "−10.6\N{NO-BREAK SPACE}%"),
        (numbers.whole(67263), "67,263"),
        (numbers.plain(1.92), "1.92"),
        (numbers.plain(188.0), "188"),
        (numbers.plain(-17.84), "−17.8"),
        (numbers.month_zh(None), "—"),
    ],
)
def test_numbers_as_they_are_written(told, text):
    assert told == text


def row(value, lower, upper, target, comparator, status="u", unit="%"):
    said = verdict(value, lower, upper, target, comparator)
    return {
        "value": value, "lower": lower, "upper": upper, "target": target, "unit": unit,
        "comparator": comparator, "status": status, "verdict": said,
    }  # fmt: skip


def parsed(text):
    return float(text.replace(",", "").replace(numbers.MINUS, "-"))


@given(
    value=st.floats(79.9, 80.1), more=st.floats(0, 0.2),
    comparator=st.sampled_from(["gt", "ge", "le"]),
)  # fmt: skip
def test_what_is_printed_has_the_verdict_that_is_printed_beside_it(value, more, comparator):
    assume(abs(value - 80) > 1e-7 or value == 80)
    assume(abs(value + more - 80) > 1e-7)
    exact = row(value, value, value + more, 80.0, comparator)
    told = numbers.kpi_texts(exact, "share_of_enterprises", is_public=False)
    figure = parsed(told["value"])
    low, high = (figure, figure)
    if told["bounds"]:
        low, high = (parsed(one) for one in told["bounds"].split(" – "))
    assert verdict(figure, low, high, 80.0, comparator) == exact["verdict"]


@pytest.mark.parametrize(
    ("status", "is_public", "told"),
    [
        ("u", False, "55.56"), ("u", True, "＊"), ("p", True, "55.56"), ("c", False, "＊"),
        ("i", False, "…"),
    ],
)  # fmt: skip
def test_a_figure_that_may_not_be_told_is_a_sign(status, is_public, told):
    figure = row(500 / 9, None, None, 80.0, "gt", status)
    texts = numbers.kpi_texts(figure, "share_of_enterprises", is_public=is_public)
    assert texts["value"] == told


def test_a_target_says_whether_it_includes_its_number():
    figure = row(10.0, 10.0, 10.0, 10.0, "ge", unit="家")
    assert numbers.target_text(figure, words.TARGET)[0] == "不少于 10\N{NO-BREAK SPACE}家"
    assert numbers.target_text(figure, words.TARGET)[1] == "at least 10"
    assert numbers.target_text(figure | {"target": None}, words.TARGET) is None
