"""The plan that events are read against is the one that OEE is made by."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from models.planned import plan_by_unit
from pipelines import schemas
from pipelines.conventions import row_of_profile
from pipelines.profiles import DEFAULT
from pipelines.shifts import busy_intervals

DAY = date(2026, 11, 20)
UNITS = ["M1", "M2"]


def at(hour, day=DAY):
    midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo("Asia/Shanghai"))
    return midnight.astimezone(UTC) + timedelta(hours=hour)


def row(kind, start, end, *, unit=None, shift="S1", day=DAY):
    key = {"park_id": "P01", "factory_id": "F01", "line_id": "L1" if unit else None}
    times = {"production_day": day, "shift_id": shift, "start": at(start), "end": at(end)}
    return key | {"work_unit_id": unit} | times | {"kind": kind}


PLAN = pl.DataFrame(
    [
        row("busy", 8, 16),
        row("break", 12, 12.5),
        row("planned_maintenance", 14, 15, unit="M2"),
        row("busy", 15, 24, shift="S2"),
        row("not_planned", 0, 8, shift="S3"),
        row("busy", 0, 8, shift="S3", unit="M2"),
    ],
    schema=schemas.PLAN,
)
TAGS = pl.DataFrame(
    [
        dict.fromkeys(schemas.TAGS)
        | {"park_id": "P01", "factory_id": "F01", "line_id": "L1", "work_unit_id": unit}
        for unit in UNITS
    ],
    schema=schemas.TAGS,
)


def kept(since=DAY, unit="M1"):
    where = {"park_id": "P01", "factory_id": "F01", "line_id": "L1", "work_unit_id": unit}
    profile = row_of_profile(DEFAULT, DEFAULT.profile_id) | {"breaks": "kept", "profile_id": "own"}
    return pl.DataFrame([where | profile | {"valid_from": since}], schema=schemas.CONVENTIONS)


NONE = pl.DataFrame(schema=schemas.CONVENTIONS)


def kinds(plan, unit, hour):
    own = plan.filter(
        pl.col("work_unit_id") == unit, pl.col("start") <= at(hour), pl.col("end") > at(hour)
    )
    return sorted(zip(own["kind"], own["shift_id"], strict=True))


@pytest.mark.parametrize(
    ("conventions", "unit", "hour", "found"),
    [
        (NONE, "M1", 9, [("busy", "S1")]),
        (NONE, "M1", 12.2, [("break", "S1"), ("busy", "S1")]),
        (kept(), "M1", 12.2, [("busy", "S1")]),
        (kept(), "M2", 12.2, [("break", "S1"), ("busy", "S1")]),
        (kept(DAY + timedelta(days=1)), "M1", 12.2, [("break", "S1"), ("busy", "S1")]),
        (NONE, "M2", 14.5, [("busy", "S1"), ("planned_maintenance", "S1")]),
        (NONE, "M1", 15.5, [("busy", "S2")]),
        (NONE, "M1", 4, [("not_planned", "S3")]),
        (NONE, "M2", 4, [("busy", "S3")]),
    ],
)
def test_a_break_is_there_where_the_convention_cuts_it(conventions, unit, hour, found):
    """A shift that begins takes the time over; what names the machine goes before the factory."""
    assert kinds(plan_by_unit(PLAN, TAGS, conventions), unit, hour) == found


def test_busy_less_what_is_cut_is_the_busy_time_of_the_figures():
    plan = plan_by_unit(PLAN, TAGS, NONE)
    minutes = [at(n / 60) for n in range(0, 24 * 60, 15)]
    cuts = ("break", "planned_maintenance")
    figures = busy_intervals(PLAN, TAGS)
    for unit in UNITS:
        for minute in minutes:
            inside = (pl.col("start") <= minute) & (pl.col("end") > minute)
            own = set(plan.filter(inside, pl.col("work_unit_id") == unit)["kind"])
            busy = figures.filter(inside, pl.col("work_unit_id") == unit).height > 0
            assert busy == ("busy" in own and not own & set(cuts))


def test_no_plan_is_none():
    assert plan_by_unit(PLAN.clear(), TAGS, NONE).is_empty()
