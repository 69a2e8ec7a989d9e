"""Commands by which people answer events: verdict, ack, shelve, unshelve, alarms."""

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from connectors.errors import ParkPulseError
from connectors.options import DAY, LENGTH, TIME
from parkpulse.common import home_option, json_option, patience, say, use

if TYPE_CHECKING:
    from connectors.answers import Heard
    from connectors.home import Home
    from models.feedback import Review

VERDICTS: Final = ("true", "false", "handled", "duplicate")

by_option = click.option("--by", default=None, help="Who says so. [the user of this machine]")
note_option = click.option("--note", default=None, help="A word for whoever reads it next.")


@click.command()
@click.argument("event")
@click.argument("said", metavar="VERDICT", type=click.Choice(VERDICTS))
@click.option("--of", default=None, help="The event that it is a duplicate of.")
@note_option
@by_option
@home_option
def verdict(
    event: str, said: str, of: str | None, note: str | None, by: str | None, home: Path
) -> None:
    """What an event was: true, false (nothing was wrong), handled, or a duplicate of another.

    EVENT is the id in the report, such as F01-CNC01-20261120T031500Z. A verdict acknowledges and
    confirms the event too; the last one holds, and precision is reported from it.
    """
    from connectors import answers

    paths = _used(home)
    action = answers.verdict(paths, event, said, of)
    _tell(paths, answers.answer(paths, event, by, [action | {"note": note}]))


@click.command()
@click.argument("event")
@click.option("--confirm", is_flag=True, help="Something was done about it, too.")
@note_option
@by_option
@home_option
def ack(event: str, confirm: bool, note: str | None, by: str | None, home: Path) -> None:
    """Acknowledge EVENT: it was seen, and asks no more unless it worsens or lasts over a shift."""
    from connectors import answers

    paths = _used(home)
    actions = ["acknowledge", *(["confirm"] if confirm else [])]
    said = [{"action": action, "note": note} for action in actions]
    _tell(paths, answers.answer(paths, event, by, said))


@click.command()
@click.argument("event")
@click.option("--for", "length", type=LENGTH, default=None, help="So long: 30min, 8h, 2d.")
@click.option("--until", type=TIME, default=None, help="To this time.")
@click.option("--once", is_flag=True, help="Until this event is over.")
@click.option("--reason", required=True, help="Why nobody needs to hear of it.")
@by_option
@home_option
def shelve(
    event: str,
    length: timedelta | None,
    until: datetime | None,
    once: bool,
    reason: str,
    by: str | None,
    home: Path,
) -> None:
    """Hear no more of EVENT for a time, nor of its machine's later events of the same kind.

    With --once only this event is shelved. What is shelved is still detected and listed.
    """
    from connectors import answers

    paths = _used(home)
    action = answers.shelf(paths, event, reason, length=length, until=until, once=once)
    _tell(paths, answers.answer(paths, event, by, [action]))


@click.command()
@click.argument("event")
@note_option
@by_option
@home_option
def unshelve(event: str, note: str | None, by: str | None, home: Path) -> None:
    """End the shelf that covers EVENT."""
    from connectors import answers

    paths = _used(home)
    _tell(paths, answers.answer(paths, event, by, [{"action": "unshelve", "note": note}]))


@click.command()
@click.option("--factory", default=None, help="Only this factory. [all]")
@click.option("--day", type=DAY, default=None, help="Local day. [the last that was judged]")
@home_option
@json_option
def alarms(factory: str | None, day: datetime | None, home: Path, as_json: bool) -> None:
    """Events of a day in the words of OPC UA Part 9, and what they weigh on an engineer."""
    from connectors import answers
    from connectors.alarm_tables import alarm_tables
    from connectors.console import console
    from connectors.judged import judged_factories, last_judged_day

    paths = _used(home)
    wanted = day.date() if day else last_judged_day(paths, factory)
    judged = judged_factories(paths, wanted) if wanted else []
    if wanted is None or not judged or factory not in (None, *judged):
        where = f"{factory or 'this home'} {wanted or ''}".strip()
        raise ParkPulseError(where, "no events were judged", "run `parkpulse materialize`")
    found, set_aside = [], list[int]()
    with patience("alarms: looking back over 30 days"):
        for one in [factory] if factory else judged:
            known = _heard(paths, one, wanted)
            found.append(_told(one, wanted, _review(known, one, answers.now(paths))))
            set_aside = known.set_aside
    if set_aside:
        say(f"alarms: set aside lines of the journal that are no entries: {_list(set_aside)}")
    if as_json:
        told = {"day": wanted, "set_aside": set_aside, "factories": found}
        click.echo(json.dumps(told, ensure_ascii=False, default=_plain))
        return
    for one_found in found:
        console().print(*alarm_tables(one_found), sep="\n")


def _used(home: Path) -> "Home":
    paths = use(home)
    paths.first_day  # noqa: B018 - refuses a folder that is no home
    return paths


def _heard(home: "Home", factory: str, day: date) -> "Heard":
    from connectors.answers import heard
    from models.feedback import DAYS

    return heard(home, factory, day, DAYS)


def _review(known: "Heard", factory: str, at: datetime) -> "Review":
    from models.feedback import JudgedDay, review
    from models.lifecycle import journal

    return review(
        [JudgedDay(*one) for one in known.days],
        journal(known.records),
        factory=factory,
        plan=known.plan,
        engineers=known.engineers,
        at=max(at, known.days[-1][1]),
    )


def _told(factory: str, day: date, found: "Review") -> dict[str, Any]:
    """One factory as `alarms --json` has it."""
    from models.budget import digest

    return {
        "factory_id": factory,
        "day": day,
        "events": found.told.to_dicts(),
        "announcements": found.asked.to_dicts(),
        "over_budget": digest(found.asked)["event_id"].to_list(),
        "metrics": found.metrics.to_dicts(),
        "precision": found.precision.to_dicts(),
        "nowhere": found.nowhere.to_dicts(),
    }


def _tell(home: "Home", event: dict[str, Any]) -> None:
    """Say in one line what the event is now."""
    from connectors.alarm_tables import part_9
    from connectors.answers import now
    from connectors.judged import last_judged_day

    factory, name = event["factory_id"], event["event_id"]
    day = last_judged_day(home, factory)
    states = _review(_heard(home, factory, day), factory, now(home)).states if day else None
    rows = [] if states is None else states.filter(
        (states["event_id"] == name) | states["aliases"].list.contains(name)
    ).to_dicts()  # fmt: skip
    said = f"{part_9(rows[0])}; verdict {rows[0]['verdict'] or 'none yet'}" if rows else "recorded"
    click.echo(f"{name}: {said}")


def _list(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5]))
    return shown if len(numbers) <= 5 else f"{shown} and {len(numbers) - 5} more"


def _plain(value: date) -> str:
    return value.isoformat()
