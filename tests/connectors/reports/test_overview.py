"""The strip of a table's score: no peak is lost, whatever the table's length; and its axis."""

from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.reports import overview
from connectors.reports.figures import LEFT, RIGHT, WIDTH
from connectors.reports.overview import Shade
from connectors.reports.stamps import MOST_TICKS, StampAxis, Stamps

START = datetime(2026, 3, 1, 22, tzinfo=UTC)
PIXELS = WIDTH - LEFT - RIGHT


def scores(steps_s, values):
    times, at = [], START
    for step in steps_s:
        at += timedelta(seconds=step)
        times.append(at)
    return pl.DataFrame(
        {"time": times, "score": values},
        schema={"time": pl.Datetime("us", "UTC"), "score": pl.Float64},
    )


def axis_of(frame):
    return StampAxis(frame["time"][0], frame["time"][-1], Stamps())


ROWS = st.lists(
    st.tuples(st.sampled_from([0.0, 0.01, 1.0, 1.0, 1.0, 600.0, 86_400.0]),
              st.floats(0, 100)), min_size=1, max_size=300,
)  # fmt: skip


@given(ROWS, st.integers(1, 20))
def test_the_overview_keeps_the_peaks(rows, times):
    steps, values = zip(*(rows * times), strict=True)
    frame = scores(steps, values)
    axis = axis_of(frame)
    drawn = overview.peaks(frame, axis)
    assert drawn["score"].max() == frame["score"].max()
    assert drawn.height <= 2 * (PIXELS + 1)
    by_pixel = dict(drawn.group_by("x").agg(pl.max("score")).iter_rows())
    for time, score in frame.iter_rows():
        near = [by_pixel.get(float(int(axis.x(time)) + d), -1.0) for d in (-1, 0, 1)]
        assert score <= max(near)


def test_a_pause_breaks_the_line_and_a_short_event_stays_visible():
    frame = scores([1.0] * 500 + [5000.0] + [1.0] * 500, [0.2] * 1001)
    axis = axis_of(frame)
    assert overview.peaks(frame, axis)["run"].n_unique() == 2
    event = Shade(7, frame["time"][100], frame["time"][101], is_told=True)
    told = overview.strip(frame, axis, [event], "a <b>")
    width = float(told.split('class="window"')[1].split('width="')[1].split('"')[0])
    assert width >= overview.THINNEST
    assert '<a href="#event-7">' in told
    assert 'aria-label="a &lt;b&gt;"' in told
    assert '<path class="limit"' in told


def test_of_crowded_numbers_the_most_severe_is_written():
    frame = scores([1.0] * 1000, [0.2] * 1000)
    near = [Shade(n, frame["time"][400 + n], frame["time"][401 + n], n < 3) for n in (2, 1, 3)]
    told = overview.strip(frame, axis_of(frame), near, "")
    assert "#event-2" in told
    assert "#event-1" not in told
    assert told.count('class="window"') == 3


@given(
    st.floats(0, 4e9), st.floats(0, 1e9), st.sampled_from([None, 1.0, 1e3, 1e9]),
    st.integers(-12, 14),
)  # fmt: skip
def test_an_axis_of_any_length_has_few_ticks_inside_it(first_s, length_s, per_s, hours):
    start = datetime(1971, 1, 1, tzinfo=UTC) + timedelta(seconds=first_s)
    stamps = Stamps(zone=timezone(timedelta(hours=hours)), per_s=per_s)
    axis = StampAxis(start, start + timedelta(seconds=length_s), stamps)
    told = list(axis.labels())
    assert len(told) <= MOST_TICKS + 1
    assert all(axis.start - timedelta(milliseconds=1) <= t <= axis.end for t, _ in told)
    if length_s > 60:
        assert told


@pytest.mark.parametrize(
    ("stamps", "told"),
    [
        (Stamps(), "2026-03-01 22:00:00 – 2026-03-02 01:00:00"),
        (Stamps(step_s=3600), "2026-03-01 22:00 – 2026-03-02 01:00"),
        (Stamps(step_s=0.1, zone=timezone(timedelta(hours=8))),
         "2026-03-02 06:00:00.000 – 09:00:00.000"),
        (Stamps(per_s=1e3), "1772402400000 – 1772413200000"),
    ],
)  # fmt: skip
def test_times_are_written_as_finely_as_the_table_steps(stamps, told):
    assert stamps.span(START, START + timedelta(hours=3)) == told
