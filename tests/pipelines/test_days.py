"""Local days: where they begin, by expression and by hand."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines import days
from pipelines.schemas import RAW
from tests.pipelines import plant


def test_local_day_turns_at_midnight_in_shanghai():
    times = pl.DataFrame({"t": [plant.at(-1), plant.at(0)]}, {"t": RAW["source_time"]})
    found = times.select(days.local_day(pl.col("t"))).to_series().to_list()
    assert found == [date(2026, 3, 1), date(2026, 3, 2)]


@given(st.dates(date(1992, 1, 1), date(2100, 1, 1)))
def test_a_day_begins_at_its_midnight(day):
    start = days.midnight(day)
    assert start == datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
    assert days.day_of(start) == day
    assert days.day_of(start - timedelta(microseconds=1)) == day - timedelta(days=1)
    frame = pl.DataFrame({"day": [day]}).select(start=days.day_start(pl.col("day")))
    assert frame["start"].to_list() == [start]
    assert frame.select(days.local_day(pl.col("start"))).item() == day
