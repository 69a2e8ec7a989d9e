"""The types of the command line's options: each names the culprit of a bad value."""

import math
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

FIRST_YEAR, LAST_YEAR = 2000, 2199
"""Values from before are not believed (pipelines.bronze), history is not read beyond."""

UNITS = {"min": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


class Time(click.ParamType[datetime]):
    """An ISO 8601 time; without an offset it is Shanghai's."""

    name = "TIME"

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse, or name the culprit."""
        from zoneinfo import ZoneInfo

        if isinstance(value, datetime):
            return value
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time like 2026-11-21T08:00", param, ctx)
        _in_reach(self, time, value, param, ctx)
        return (time if time.tzinfo else time.replace(tzinfo=ZoneInfo("Asia/Shanghai"))).astimezone(
            UTC
        )


class Day(click.DateTime):
    """A local day."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def convert(
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse, or name the culprit."""
        day: datetime = super().convert(value, param, ctx)
        _in_reach(self, day, value, param, ctx)
        return day


def _in_reach(
    kind: click.ParamType[datetime],
    time: datetime,
    value: str | datetime,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> None:
    """Refuse a year of which nothing can be known."""
    if not FIRST_YEAR <= time.year <= LAST_YEAR:
        kind.fail(f"{str(value)!r} is not between {FIRST_YEAR} and {LAST_YEAR}", param, ctx)


class Number(click.FloatRange):
    """A finite number in a range."""

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse, or name the culprit: no number compares with `nan`."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


class Length(click.ParamType[timedelta]):
    """A length of time such as 30min, 8h or 2d."""

    name = "LENGTH"

    def convert(
        self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Parse, or name the culprit."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)(min|h|d)", value)
        if found is None:
            self.fail(f"{value!r} is not a length like 30min, 8h or 2d", param, ctx)
        return float(found[1]) * UNITS[found[2]]


class Target(click.Path):
    """A file to be written, into a folder that is there."""

    def __init__(self, *endings: str) -> None:
        super().__init__(dir_okay=False, path_type=Path)
        self.endings = endings

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """The path, or name the culprit before any work is done."""
        target = Path(os.fsdecode(super().convert(value, param, ctx)))
        if self.endings and target.suffix.lower() not in self.endings:
            self.fail(f"{str(target)!r} does not end in {' or '.join(self.endings)}", param, ctx)
        if not target.parent.is_dir():
            self.fail(f"the folder {str(target.parent)!r} is not there; make it", param, ctx)
        return target


TIME = Time()
LENGTH = Length()
DAY = Day()
SECONDS = Number(min=0, max=10 * 365 * 86_400)
"""Ten years: what is waited for longer is waited for until Ctrl-C."""
SEED = click.IntRange(0, 2**32 - 1)
FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
TARGET = Target()
