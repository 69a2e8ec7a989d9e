"""A day's figures are those of the day, whatever other days are counted in the same run."""

from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.cloud import seen
from pipelines.cloud.day import Ground, of_day
from pipelines.cloud.many_days import each_day
from tests.pipelines.cloud.town import ON, Town, ago

OLDEST = 160


def town(worked: int | None) -> Town:
    """Two firms and a device that nobody owns; both worked for so many days, or nobody said."""
    made = Town()
    for name in ("a", "b"):
        made.firm(name)
        made.device(f"d-{name}", name)
    made.rows["operating_days"] = []
    if worked:
        made.works("a", worked)
    for name in ("n1", "n2", "n3"):
        made.device(name, None)
    made.hears("d-a", *range(OLDEST))
    made.hears("n1", *range(OLDEST))
    made.hears("n2", *range(0, OLDEST, 2))
    made.hears("d-b", *range(90, OLDEST))
    return made


@pytest.mark.parametrize("worked", [None, 1, 40, 100, 159])
@settings(max_examples=3)
@given(first=st.integers(1, 150), length=st.integers(0, 45))
def test_a_day_is_counted_alike_alone_and_among_others(
    worked: int | None, first: int, length: int
) -> None:
    tables = town(worked).tables()
    begin, last = ago(first), min(ago(first) + timedelta(days=length), ON)
    before = begin - timedelta(days=1)
    evidence = tables["terminal_days"]
    told = each_day(
        Ground.of(tables, last, begin),
        seen.heard(evidence, before),
        before,
        lambda on: evidence.filter(pl.col("day") == on),
        last,
    )
    counted = list(told)
    assert [one.on for one in counted] == [
        begin + timedelta(days=n) for n in range((last - begin).days + 1)
    ]
    for one in (counted[0], counted[len(counted) // 2], counted[-1]):
        alone = of_day(Ground.of(tables, one.on), seen.heard(evidence, one.on), one.on)
        for name in ("adoption", "funnel", "liveness", "discrepancies"):
            assert_frame_equal(getattr(one.day, name), getattr(alone, name))


def test_facts_of_long_ago_make_no_calendar_longer() -> None:
    usual = town(100)
    odd = town(100)
    odd.say("operating_days", uscc="a", day=ago(20_000), is_operating=True)
    first, second = (Ground.of(one.tables(), ON) for one in (usual, odd))
    assert second.calendars.days <= 500
    evidence = usual.tables()["terminal_days"]
    state = seen.heard(evidence, ON)
    assert_frame_equal(of_day(first, state, ON).liveness, of_day(second, state, ON).liveness)
