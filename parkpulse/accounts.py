"""Commands that read what was collected: export, events, ledger."""

import json
import sys
from datetime import datetime
from pathlib import Path

import click

from connectors.home import Home
from connectors.options import DAY, FILE
from parkpulse.common import home_option, json_option, patience, say, say_being_written, use


@click.command()
@click.option("--raw", is_flag=True, help="Every collected value once.")
@click.option("--events", "of_events", is_flag=True, help="Every alarm and event once.")
@click.option("--out", type=FILE, required=True, help="Parquet file to write.")
@home_option
def export(raw: bool, of_events: bool, out: Path, home: Path) -> None:
    """Write every collected value (--raw), or every alarm and event, once to one Parquet file."""
    if raw == of_events:
        raise click.UsageError("say what to export: --raw or --events")
    if of_events:
        sys.exit(_export_events(use(home), out))
    from connectors.export import export_raw

    counts = export_raw(use(home).root, out)
    for line in counts.unreadable:
        say(f"export: {line}")
    say_being_written("export", counts.being_written)
    say(f"{out}: {counts.rows_out:,} values ({counts.repeats:,} repeats removed)")
    sys.exit(1 if counts.unreadable else 0)


def _export_events(home: Home, out: Path) -> int:
    """`export --events`; gives the exit code."""
    from connectors.events import export_events

    counts = export_events(home.root, out)
    for line in counts.unreadable:
        say(f"export: {line}")
    say_being_written("export", counts.being_written)
    say(f"{out}: {counts.received - counts.repeats:,} events ({counts.repeats:,} repeats removed)")
    return 1 if counts.unreadable else 0


@click.command()
@home_option
@json_option
def events(home: Path, as_json: bool) -> None:
    """Alarms: when each was active, its severity, who acknowledged it; and what went unheard."""
    from connectors.console import print_events
    from connectors.events import summary

    found = summary(use(home).root)
    for line in found["unreadable_segments"]:
        say(f"events: {line}")
    say_being_written("events", found["being_written"])
    click.echo(json.dumps(found, ensure_ascii=False)) if as_json else print_events(found)
    sys.exit(1 if found["unreadable_segments"] else 0)


@click.command()
@home_option
@click.option("--from", "first", type=DAY, default=None, help="First local day. [all]")
@click.option("--to", "last", type=DAY, default=None, help="Last local day. [all]")
@click.option("--node", default="", help="Only nodes whose id has this text in it.")
@json_option
def ledger(
    home: Path, first: datetime | None, last: datetime | None, node: str, as_json: bool
) -> None:
    """What was received, republished, back-filled and repeated, and every open gap."""
    from connectors.accounts import ledger_summary
    from connectors.console import print_ledger

    with patience("ledger: counting"):
        summary = ledger_summary(use(home).root, first and first.date(), last and last.date(), node)
    say_being_written("ledger", summary["being_written"])
    click.echo(json.dumps(summary, ensure_ascii=False)) if as_json else print_ledger(summary)
