"""Which segments a local day asks for: by the source's time, or by receipt where that cannot be."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest

from connectors import received
from connectors.home import Home
from connectors.raw import RAW_SCHEMA, ticks_of
from connectors.segments import SegmentWriter
from pipelines import bronze, raw
from pipelines.days import local_day

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
FIRST, TODAY, TOMORROW = date(2026, 11, 19), date(2026, 11, 21), date(2026, 11, 22)


@pytest.fixture
def home(tmp_path):
    made = Home(tmp_path / "home")
    made.replace(first_day=FIRST, now_offset_s=0.0)
    return made


def seal(home, *times):
    writer = SegmentWriter(home.segments / "F01", site_id="F01", server_uri="urn:a")
    rows = [
        {
            "server_uri": "urn:a", "node_id": "nsu=urn:n;s=a", "value_type": "Int32",
            "source_ticks": ticks_of(source), "received_time": receipt, "is_array": False,
            "value_int": n, "status_code": 0, "origin": "live",
        }
        for n, (source, receipt) in enumerate(times)
    ]  # fmt: skip
    writer.append(pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA))
    writer.seal()


HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("source", "days"),
    [
        (NOON, {TODAY}),
        (NOON - 30 * HOURS, {date(2026, 11, 20)}),
        (NOON - 3000 * HOURS, {FIRST}),
        (datetime(2000, 1, 2, tzinfo=UTC), {FIRST}),
        (datetime(1970, 1, 1, tzinfo=UTC), {TODAY}),
        (NOON + 13 * HOURS, {TODAY, TOMORROW}),
        (NOON + 30 * HOURS, {TODAY, TOMORROW}),
        (NOON + 3000 * HOURS, {TODAY}),
    ],
    ids=str,
)
def test_a_row_is_asked_for_by_every_day_that_may_hold_it(home, source, days):
    seal(home, (source, NOON))
    (sidecar,), _ = received.sidecars(home, "F01")
    assert received.asked_by(sidecar, home) == days


def test_every_row_is_in_one_partition_or_in_quarantine(home):
    times = [NOON + n * HOURS for n in (-500_000, -3000, -40, -20, 0, 11, 13, 23, 25, 30, 3000)]
    for time in times:
        seal(home, (time, NOON))
    kept, set_apart = 0, 0
    happened, arrived = (local_day(pl.col(c)) for c in ("source_time", "received_time"))
    for day in (FIRST, date(2026, 11, 20), TODAY, TOMORROW):
        rows, _ = received.rows(home, "F01", [day])
        good, bad = bronze.quarantine(raw.from_segments(rows))
        kept += good.filter(happened.clip(lower_bound=FIRST) == day).height
        set_apart += bad.filter(arrived == day).height
    assert (kept, set_apart) == (7, 4)
