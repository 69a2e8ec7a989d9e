"""Which segments a local day asks for: by the source's time, or by receipt where that cannot be."""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest

from connectors import received
from connectors.accounts import ledger_summary
from connectors.export import ExportCounts, export_raw, site_spans
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
        (NOON, [TODAY]),
        (NOON - 30 * HOURS, [date(2026, 11, 20)]),
        (NOON - 3000 * HOURS, [FIRST]),
        (datetime(2000, 1, 2, tzinfo=UTC), [FIRST]),
        (datetime(1970, 1, 1, tzinfo=UTC), [TODAY]),
        (NOON + 13 * HOURS, [TODAY, TOMORROW]),
        (NOON + 30 * HOURS, [TODAY, TOMORROW]),
        (NOON + 3000 * HOURS, [TODAY]),
    ],
    ids=str,
)
def test_a_row_is_asked_for_by_every_day_that_may_hold_it(home, source, days):
    seal(home, (source, NOON))
    (sidecar,), _ = received.sidecars(home, "F01")
    assert received.asked_by(sidecar, home) == set(days)


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


BEYOND = {
    "the last day": (2_650_467_743_999_999_999, "10000-01-01"),
    "DateTime.MaxValue": (2**63 - 1, "30828-09-14"),
    "the smallest": (-(2**63), "30828-09-14"),
    "before the first year": (-(2**62), "-13013-06-07"),
}
"""Ticks that no date can name, and the day that older sidecars give them."""


@pytest.mark.parametrize("older", [False, True], ids=["new", "older"])
@pytest.mark.parametrize("case", BEYOND)
def test_an_impossible_time_stops_nobody(home, case, older):
    ticks, day = BEYOND[case]
    writer = SegmentWriter(home.segments / "F01", site_id="F01", server_uri="urn:a")
    row = {
        "server_uri": "urn:a", "node_id": "nsu=urn:n;s=a", "value_type": "Int32",
        "received_time": NOON, "is_array": False, "status_code": 0, "origin": "live",
    }  # fmt: skip
    rows = [row | {"source_ticks": t, "value_int": 1} for t in (ticks_of(NOON), ticks)]
    writer.append(pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA))
    path = writer.seal().with_suffix(".json")
    if older:
        content = json.loads(path.read_text())
        path.write_text(json.dumps(content | {"days": {"2026-11-21": 1, day: 1}}))
    frame, _ = received.rows(home, "F01", [TODAY])
    good, bad = bronze.quarantine(raw.from_segments(frame))
    assert [part["source_ticks"].to_list() for part in (good, bad)] == [[ticks_of(NOON)], [ticks]]
    counts = export_raw(home.root, home.root / "raw.parquet")
    assert (counts.rows_in, counts.rows_out, counts.unreadable) == (2, 2, [])
    spans = [rows for _, rows in site_spans(home.root, "F01", ExportCounts())]
    assert sum(rows.height for rows in spans) == 2
    assert ledger_summary(home.root)["unreadable_segments"] == []


def test_a_segment_that_lost_all_rows_is_asked_for_with_the_first_day(home):
    seal(home, (NOON, NOON))
    (sidecar,), _ = received.sidecars(home, "F01")
    none = {"rows": 0, "days": {}, "received_days": {}}
    path = sidecar.path.with_suffix(".json")
    path.write_text(json.dumps(json.loads(path.read_text()) | none))
    (sidecar,), _ = received.sidecars(home, "F01")
    assert received.asked_by(sidecar, home) == {FIRST}
