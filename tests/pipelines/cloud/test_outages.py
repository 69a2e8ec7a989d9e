"""Days of our own outage."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.cloud.outages import down_days
from pipelines.schemas import COVERAGE


def local(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)


def test_a_day_is_whole_or_it_is_lost() -> None:
    """Midnight of Shanghai is the edge of a day; two windows with a hole between are no whole."""
    windows = [
        ("urn:g1", "P01", local(1, 0), local(3, 12)),
        ("urn:g1", "P01", local(3, 13), local(5, 0)),
        ("urn:g2", "P02", local(1, 0), local(5, 0)),
    ]
    coverage = pl.DataFrame(windows, schema=COVERAGE, orient="row")
    found = down_days(coverage, date(2026, 11, 5))
    assert found.rows() == [
        ("P01", date(2026, 11, 3)), ("P01", date(2026, 11, 5)), ("P02", date(2026, 11, 5)),
    ]  # fmt: skip
    assert down_days(coverage.clear(), date(2026, 11, 5)).is_empty()
    assert down_days(coverage, date(2026, 10, 1)).is_empty()
