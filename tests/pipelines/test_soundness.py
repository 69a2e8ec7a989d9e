"""What must not be is counted where it is, and nothing where all is right."""

import polars as pl
import pytest

from pipelines import soundness
from pipelines.schemas import COUNT_INCREMENTS, EQUIPMENT_KEY, STATE_EPISODES
from pipelines.semi import STATES
from tests.pipelines import plant

M1 = dict(zip(EQUIPMENT_KEY, ("P01", "F01", "L1", "M1"), strict=True))
SAME_NAME = M1 | {"line_id": "L2"}
NO_LINE = M1 | {"park_id": None, "line_id": None}


def episodes(*spans):
    rows = [
        {**key, "start": plant.at(start), "end": end if end is None else plant.at(end)}
        for key, start, end in spans
    ]
    frame = pl.DataFrame(rows, schema={n: STATE_EPISODES[n] for n in rows[0]})
    counted = soundness.of_episodes(frame.lazy().with_columns(partition_day=pl.lit(plant.DAY)))
    return counted.collect().select(pl.sum("episodes", "backwards", "overlapping")).row(0)


@pytest.mark.parametrize(
    ("spans", "counted"),
    [
        ([(M1, 0, 10), (M1, 10, 20), (M1, 20, None)], (3, 0, 0)),
        ([(M1, 0, 10), (SAME_NAME, 5, 20), (NO_LINE, 5, None)], (3, 0, 0)),
        ([(M1, 0, 11), (M1, 10, 20)], (2, 0, 1)),
        ([(M1, 0, None), (M1, 10, 20)], (2, 0, 1)),
        ([(NO_LINE, 0, 11), (NO_LINE, 10, 20)], (2, 0, 1)),
        ([(M1, 10, 10), (M1, 30, 20)], (2, 2, 0)),
    ],
)
def test_episodes(spans, counted):
    assert episodes(*spans) == counted


def test_time_that_is_not_accounted_for():
    """Of reliability and of SEMI's states, as of OEE: to the microsecond."""
    spent = {"pbt_s": 10.0, "uptime_s": 6.0, "downtime_s": 2.0, "other_s": 1.5, "unknown_s": 0.5}
    e10 = {"total_s": 10.0, **dict.fromkeys([f"{n}_s" for n in STATES], 1.5), "unknown_s": 1.0}
    for of, row, gone in (
        (soundness.of_reliability, spent, "downtime_s"),
        (soundness.of_semi, e10, "nst_s"),
    ):
        for less in (0.0, 0.000001):
            rows = pl.LazyFrame([row | {gone: row[gone] - less}])
            assert of(rows).collect()["unaccounted_us"].item() == round(less * 1e6)


def test_increments():
    rows = [
        {**M1, "from_time": plant.at(start), "to_time": plant.at(9), "kind": "total", "amount": n}
        for start, n in ((0, 1), (0, -1), (10, 1), (9, 0), (9, None))
    ]
    frame = pl.DataFrame(rows, schema={n: COUNT_INCREMENTS[n] for n in rows[0]})
    counted = soundness.of_increments(frame.lazy().with_columns(partition_day=pl.lit(plant.DAY)))
    assert counted.collect().select("increments", "negative", "backwards").rows() == [(5, 1, 1)]


def test_a_microsecond_in_no_element_shows():
    times = {"pbt_s": 10.0, "apt_s": 4.0, "aust_s": 1.0, "adet_s": 2.0, "adot_s": 1.0}
    rows = [
        {**times, "unknown_s": 2.0},
        {**times, "unknown_s": 2.0 - 1e-6},
    ]
    found = soundness.unaccounted(pl.DataFrame(rows).lazy()).collect()
    assert found["unaccounted_us"].to_list() == [0, 1]
