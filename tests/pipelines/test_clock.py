"""Source clocks that are off."""

import polars as pl
import pytest

from pipelines import clock
from pipelines.schemas import RAW
from tests.pipelines import plant
from tests.pipelines.plant import Said

HOURS = 6


def skewed(offset_s):
    """One value a minute whose source is ahead by `offset_s(second)`."""
    said = [Said(60 * n, "power", 1.0) for n in range(60 * HOURS)]
    ahead = pl.Series([round(offset_s(s.second) * 1e6) for s in said])
    return plant.raw(said).with_columns(
        source_time=pl.col("source_time") + pl.duration(microseconds=ahead)
    )


def verdict(rows):
    return clock.skew(rows).row(0, named=True)


@pytest.mark.parametrize("offset", [37, -125.3, 3600])
def test_a_steady_offset_is_taken_off(offset):
    rows = skewed(lambda s: offset - 0.032)
    found = verdict(rows)
    assert found["stable"]
    assert found["offset_us"] == offset * 1_000_000
    timed = clock.correct(rows, clock.skew(rows))
    error = (timed["time"] - timed["server_time"]).dt.total_microseconds().abs()
    assert error.max() == 32_000
    assert not timed["clock_unstable"].any()


def test_sampling_latency_is_no_offset():
    rows = skewed(lambda s: -1.9)
    timed = clock.correct(rows, clock.skew(rows))
    assert timed["time"].equals(timed["source_time"].rename("time"))


def test_late_values_do_not_hide_a_steady_offset():
    """A fifth of the values is seen minutes late, in every hour."""
    rows = skewed(lambda s: 37 - (300 if s // 60 % 5 == 0 else 0))
    assert verdict(rows)["stable"]
    assert verdict(rows)["offset_us"] == 37_000_000


def test_a_drifting_clock_is_flagged_and_left_alone():
    rows = skewed(lambda s: 30 + s / 600)
    timed = clock.correct(rows, clock.skew(rows))
    assert not verdict(rows)["stable"]
    assert timed["clock_unstable"].all()
    assert timed["time"].equals(timed["source_time"].rename("time"))


def test_server_time_stands_in_where_the_source_gave_none():
    rows = skewed(lambda s: 0).with_columns(source_time=pl.lit(None, RAW["source_time"]))
    timed = clock.correct(rows, clock.skew(rows))
    assert timed["time"].equals(timed["server_time"].rename("time"))
    assert not timed["clock_unstable"].any()


def test_history_written_into_a_server_at_once_is_no_wrong_clock():
    rows = plant.raw([Said(60 * n, "power", 1.0) for n in range(60 * HOURS)]).with_columns(
        server_time=pl.col("source_time").max() + pl.duration(seconds=5)
    )
    timed = clock.correct(rows, clock.skew(rows))
    assert timed["time"].equals(rows["source_time"].rename("time"))
    assert not timed["clock_unstable"].any()
