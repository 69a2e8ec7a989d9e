from datetime import UTC, datetime, timedelta
from statistics import mean, stdev

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features import window_features

START = datetime(2026, 11, 21, tzinfo=UTC)
VALUES = st.one_of(st.none(), st.floats(-1e3, 1e3, width=32))


def table(seconds, values, time_unit="us"):
    times = [START + timedelta(seconds=s) for s in seconds]
    return pl.DataFrame(
        {"timestamp": times, "a": values, "state": ["on"] * len(times)},
        schema={"timestamp": pl.Datetime(time_unit, "UTC"), "a": pl.Float64, "state": pl.String},
    )


def slow(seconds, values, every):
    """One window after the other."""
    rows = {}
    for second, value in zip(seconds, values, strict=True):
        rows.setdefault(int(second // every * every), []).append(value)
    for start, found in rows.items():
        known = [v for v in found if v is not None]
        yield (
            START + timedelta(seconds=start), mean(known) if known else None,
            stdev(known) if len(known) > 1 else None, min(known, default=None),
            max(known, default=None),
        )  # fmt: skip


def same(got, wanted):
    wanted = list(wanted)
    assert got.columns == ["timestamp", "a_mean", "a_std", "a_min", "a_max"]
    assert got.height == len(wanted)
    for row, other in zip(got.iter_rows(), wanted, strict=True):
        assert row[0] == other[0]
        for x, y in zip(row[1:], other[1:], strict=True):
            assert (x is None) == (y is None), (row, other)
            assert x is None or x == pytest.approx(y, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 5), st.sampled_from([1, 2, 10, 30]), st.data())
def test_even_rows_are_as_their_slow_twin(windows, step, data):
    seconds = list(range(0, 60 * windows, step))
    values = data.draw(st.lists(VALUES, min_size=len(seconds), max_size=len(seconds)))
    same(window_features(table(seconds, values)), slow(seconds, values, 60))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), VALUES), min_size=1, max_size=60))
def test_any_rows_are_as_their_slow_twin(rows):
    rows = sorted(rows, key=lambda r: r[0])
    seconds, values = [s for s, _ in rows], [v for _, v in rows]
    same(window_features(table(seconds, values)), slow(seconds, values, 60))


@pytest.mark.parametrize(
    "seconds",
    [
        range(30, 150),  # begins and ends within a window
        range(90),  # ends within one
        [*range(59), 60, *range(61, 120)],  # one row was not sent
        range(0, 300, 60),  # one row a window
        range(0, 140, 7),  # no whole number of rows
        [0, 0, *range(1, 59)],  # a time twice
    ],
)
def test_rows_that_only_look_even(seconds):
    values = [float(s % 13) for s in seconds]
    same(window_features(table(seconds, values)), slow(seconds, values, 60))


def test_other_lengths_other_units_of_time_and_whole_numbers():
    seconds = list(range(40))
    values = [float(s) for s in seconds]
    frame = table(seconds, values, "ms").with_columns(pl.col("a").cast(pl.Int32))
    got = window_features(frame, every=timedelta(seconds=10))
    same(got, slow(seconds, values, 10))
    assert window_features(frame.clear()).is_empty()
