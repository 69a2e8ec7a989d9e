"""Commands of early warning: list, ack, close, reopen."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from parkpulse.common import home_option, json_option, patience, use

by_option: Final = click.option("--by", default=None, help="Who says so. [the user]")
reason_option: Final = click.option("--reason", required=True, help="Why: for whoever reads it.")
SHOWN: Final = (
    "warning_id", "uscc", "rule", "severity", "confidence", "begun_on", "raised_on", "cleared_on",
    "figure", "value", "expected", "owner_park_id", "state", "is_open", "days_open", "by", "on",
    "reason", "evidence",
)  # fmt: skip


@click.group()
def warning() -> None:
    """Early warning 潜在风险预警 of enterprises: what is open, and what people said of it."""


@warning.command("list")
@click.option("--park", default=None, help="Only warnings that this park answers for. [all]")
@click.option("--all", "with_past", is_flag=True, help="Also those that are cleared or closed.")
@home_option
@json_option
def list_warnings(park: str | None, with_past: bool, home: Path, as_json: bool) -> None:
    """Warnings that are open, the gravest first."""
    from connectors.console import console
    from connectors.warning_journal import known
    from connectors.warning_tables import sorted_warnings, warnings_table

    with patience("warning: reading"):
        told = sorted_warnings(known(use(home)), park, with_past=with_past)
    if as_json:
        rows = told.select(SHOWN).to_dicts()
        click.echo(json.dumps(rows, ensure_ascii=False, default=str))
    else:
        console().print(warnings_table(told))


@warning.command()
@click.argument("warning_id", metavar="ID")
@reason_option
@by_option
@home_option
def ack(warning_id: str, reason: str, by: str | None, home: Path) -> None:
    """Acknowledge warning ID: somebody looks into it. It stays open until the data clear it."""
    _tell(home, warning_id, "acknowledge", reason, by)


@warning.command()
@click.argument("warning_id", metavar="ID")
@reason_option
@by_option
@home_option
def close(warning_id: str, reason: str, by: str | None, home: Path) -> None:
    """Close warning ID for good. If its sign comes back after it cleared, that is a new one."""
    _tell(home, warning_id, "close", reason, by)


@warning.command()
@click.argument("warning_id", metavar="ID")
@reason_option
@by_option
@home_option
def reopen(warning_id: str, reason: str, by: str | None, home: Path) -> None:
    """Take back that warning ID was acknowledged or closed."""
    _tell(home, warning_id, "reopen", reason, by)


def _tell(home: Path, warning_id: str, action: str, reason: str, by: str | None) -> None:
    """Write it down, and say in one line what the warning is now."""
    from connectors.warning_journal import say

    click.echo(_line(say(use(home), warning_id, action, reason, by)))


def _line(row: Mapping[str, Any]) -> str:
    owner = row["owner_park_id"] or "the district"
    return f"{row['warning_id']}: {row['state']} by {row['by']}; {owner} answers for it"
