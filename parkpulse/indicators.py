"""Commands of the indicators: enter what offices report, list what is known."""

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from parkpulse.common import home_option, json_option, say, use

if TYPE_CHECKING:
    import polars as pl

    from connectors.home import Home


@click.group()
def indicator() -> None:
    """The plan's indicators: enter what offices report, list targets, values and verdicts."""


@indicator.command("enter")
@click.argument("file", type=click.Path(path_type=Path))
@home_option
def enter(file: Path, home: Path) -> None:
    """Enter the rows of FILE (CSV or XLSX); what is wrong is listed beside it and left out.

    Columns: indicator_id, period (2026, 2026Q4, 2026-11 or 2026-11-21), area_id (310117 or a park),
    value, reported_on, responsible, document; and if known lower, upper, note. A later entry of the
    same indicator, period and area is a revision: the earlier stays. Exit code 1 where rows were
    refused.
    """
    from connectors.indicator_files import enter as entered_from
    from connectors.indicator_files import write_rejections

    paths = _used(home)
    now = datetime.now(UTC)
    today = _today(paths)
    found = entered_from(paths.indicators, file, entered_at=now, today=today, areas=_parks(paths))
    told = f"{found.accepted.height} entered, {found.unchanged} known already"
    if found.refused:
        beside = write_rejections(file, found.rejected, paths.indicators)
        first = found.rejected.row(0, named=True)
        say(
            f"indicator: {file} line {first['line']} column {first['column']}: "
            f"{first['value']!r}: {first['why_zh']} {first['why_en']}; "
            f"{first['remedy_zh']} {first['remedy_en']}; "
            f"{found.refused} rows refused, all in {beside}"
        )
    click.echo(f"{file}: {told}, {found.refused} refused")
    sys.exit(1 if found.refused else 0)


@indicator.command("list")
@home_option
@json_option
def list_indicators(home: Path, as_json: bool) -> None:
    """Every indicator of the dictionary: target, latest value of the New City, verdict, source."""
    from connectors.console import console
    from connectors.indicator_files import read_entries
    from connectors.indicator_table import indicators_json, indicators_view
    from pipelines.indicators import listing

    paths = _used(home)
    entered = read_entries(paths.indicators)
    rows = listing(_latest_kpi(paths), entered, _today(paths).isoformat())
    if as_json:
        click.echo(indicators_json(rows))
    else:
        console().print(indicators_view(rows))


def _used(home: Path) -> "Home":
    """A home that there is; HomeRefused for any other folder."""
    paths = use(home)
    _ = paths.first_day
    return paths


def _today(paths: "Home") -> date:
    """The home's local date."""
    from pipelines.days import day_of

    return day_of(datetime.now(UTC) + timedelta(seconds=paths.now_offset_s))


def _parks(paths: "Home") -> list[str]:
    """Parks of the home's fleet file."""
    import tomllib

    fleet = paths.root / "fleet.toml"
    if not fleet.is_file():
        return []
    return [site["id"] for site in tomllib.loads(fleet.read_text("utf-8")).get("park", [])]


def _latest_kpi(paths: "Home") -> "pl.DataFrame | None":
    """The published figures of the last day that has any."""
    from connectors.lake import Lake

    lake = Lake(paths.lake)
    days = [one for one in lake.partitions("kpi") if one.day is not None]
    return lake.read("kpi", max(days)) if days else None
