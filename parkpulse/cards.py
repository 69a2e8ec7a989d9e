"""Commands of evidence cards: enter what no data of ours tells, show what stands."""

from datetime import UTC, datetime
from pathlib import Path

import click

from connectors.errors import ParkPulseError
from connectors.options import DAY
from parkpulse.common import home_option, json_option, use


@click.group()
def card() -> None:
    """Evidence cards 证据卡 of smart factories and benchmark parks: enter facts, show cards."""


@card.command("enter")
@click.argument("file", type=click.Path(path_type=Path))
@home_option
def enter(file: Path, home: Path) -> None:
    """Enter the facts of FILE (CSV or XLSX): the authority's list, certificates, assessments.

    Columns: subject_kind (smart_factory, benchmark_park), subject_id, fact_id (as the criteria have
    it, such as recognised), value, as_of, document. A blank value takes an entry back. A file is
    taken whole or, where a row is wrong, not at all. Run `materialize` to see it on the cards.
    """
    from connectors.entered_facts import enter_facts

    paths = use(home)
    _ = paths.first_day  # HomeRefused for any other folder
    found = enter_facts(paths.entered_facts, file, entered_at=datetime.now(UTC))
    click.echo(f"{file}: {found.fresh} entered, {found.unchanged} known already")


@card.command("show")
@click.argument("subject", required=False)
@click.option("--on", type=DAY, default=None, help="Local day. [the last closed one]")
@home_option
@json_option
def show(subject: str | None, on: datetime | None, home: Path, as_json: bool) -> None:
    """Which factories and parks count on a day; of SUBJECT, criterion by criterion, why."""
    from datetime import timedelta

    import polars as pl

    from connectors.card_tables import card_view, subjects_view
    from connectors.console import console
    from connectors.lake import Lake, Partition
    from connectors.register_store import today
    from connectors.register_view import frames_json

    paths = use(home)
    day = on.date() if on else today(paths) - timedelta(days=1)
    found = Lake(paths.lake).read("evidence_cards", Partition(day))
    if found is None:
        raise ParkPulseError(day, "has no evidence cards", "run `parkpulse materialize` first")
    own = found if subject is None else found.filter(pl.col("subject_id") == subject)
    if subject is not None and own.is_empty():
        known = ", ".join(sorted(set(found["subject_id"])))
        raise ParkPulseError(subject, "has no card", f"name one of {known}")
    if as_json:
        click.echo(frames_json({"cards": own}))
    else:
        console().print(subjects_view(own, day) if subject is None else card_view(own, day))
