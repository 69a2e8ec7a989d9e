"""Days of our own outage."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.cloud.outages import down_days
from pipelines.schemas import COVERAGE

PARKS = pl.DataFrame({"server_uri": ["urn:g1", "urn:g2"], "park_id": ["P01", "P02"]})


def local(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)


def test_a_day_is_whole_or_it_is_lost() -> None:
    """Midnight of Shanghai is the edge of a day; two windows with a hole between are no whole."""
    windows = [
        ("urn:g1", None, local(1, 0), local(3, 12)),
        ("urn:g1", None, local(3, 13), local(5, 0)),
        ("urn:g2", None, local(1, 0), local(5, 0)),
    ]
    coverage = pl.DataFrame(windows, schema=COVERAGE, orient="row")
    found = down_days(coverage, PARKS, date(2026, 11, 1), date(2026, 11, 5))
    assert found.rows() == [
        ("P01", date(2026, 11, 3)), ("P01", date(2026, 11, 5)), ("P02", date(2026, 11, 5)),
    ]  # fmt: skip
