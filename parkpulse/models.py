"""Commands of the models: list, card, rollback, train."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connectors.errors import ParkPulseError
from connectors.home import Home
from connectors.options import DAY
from parkpulse.common import home_option, json_option, patience, say, use

if TYPE_CHECKING:
    from models.registry import Register

factory_option = click.option("--factory", default=None, help="Only this factory. [all]")


@click.group()
def model() -> None:
    """Detectors of the machines: who judges since when, and why; train one, or go back to one."""


@model.command("list")
@home_option
@json_option
@factory_option
def list_models(home: Path, as_json: bool, factory: str | None) -> None:
    """Champion and challenger of every machine, with what is known of how they judge."""
    from connectors.console import console
    from connectors.model_table import models_json, models_view

    rows = [
        row for name, register in _registers(use(home), factory) for row in _rows(name, register)
    ]
    if as_json:
        click.echo(models_json(rows))
    else:
        console().print(models_view(rows))


@model.command("card")
@home_option
@click.argument("machine")
@click.argument("version", type=click.IntRange(min=1), required=False)
def card(home: Path, machine: str, version: int | None) -> None:
    """The model card of a MACHINE: of its champion, or of VERSION."""
    from models.card import card as card_of

    _, register = _register_of(use(home), machine)
    champion = register.champion(machine)
    number = version or (champion.version if champion else 1)
    click.echo(card_of(register, register.version(machine, number)), nl=False)


@model.command("rollback")
@home_option
@click.argument("machine")
@click.option(
    "--to",
    "version",
    type=click.IntRange(min=1),
    default=None,
    help="The version to go back to. [the champion before]",
)
@click.option("--reason", required=True, help="Why; it stands in the register.")
@click.option("--by", default=None, help="Who decides. [the user]")
@click.option(
    "--since",
    type=DAY,
    default=None,
    help="From this local day on, a judged one too. [the next day to be judged]",
)
def rollback(
    home: Path,
    machine: str,
    version: int | None,
    reason: str,
    by: str | None,
    since: datetime | None,
) -> None:
    """Give a MACHINE back to an earlier model, from the next judged day on."""
    paths = use(home)
    factory, _ = _register_of(paths, machine)
    from assets import model_register as files
    from models import registry

    with ExitStack() as held:
        with patience(f"model: waiting for whoever writes the register of {factory}"):
            held.enter_context(files.writing(paths, factory))
        register = files.read(paths, factory)
        before = register.champion(machine)
        next_day = files.next_judged(paths, factory) or register.terms(machine)[-1].since
        day = since.date() if since else next_day
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = registry.rollback(
            register, machine, version, day, why=reason, by=by or getuser(), at=now
        )
        grown = files.enter(paths, factory, [entry])
        files.publish(paths, factory, grown)
    click.echo(f"{machine}: version {entry.version} judges from {day} on")
    judged = [one for one in files.judged_days(paths, factory) if one >= day]
    if judged:
        span = f"--from {judged[0]} --to {judged[-1]}"
        say(f"model: to judge its days anew: parkpulse materialize {span}")
    elif before and (past := _judged_by(grown, machine, before.version, next_day)):
        first, last = past
        say(
            f"model: {first} to {last} stand as version {before.version} judged them; to judge them"
            f" by version {entry.version}: parkpulse model rollback {machine} --to {entry.version}"
            f" --since {first} --reason ..., then parkpulse materialize --from {first} --to {last}"
        )


@model.command("train")
@home_option
@click.option("--machine", default=None, help="Only this machine. [every machine]")
@click.option("--reason", default="by hand", show_default=True, help="Why; it stands on the card.")
@click.option("--by", default=None, help="Who asks. [the user]")
def train(home: Path, machine: str | None, reason: str, by: str | None) -> None:
    """Train a challenger now; it is promoted only when it judges held-out days better."""
    paths = use(home)
    asked = dict([_register_of(paths, machine)] if machine else _registers(paths, None))
    from assets.materialize import train as run
    from assets.retraining import ask

    before = {factory: len(register.entries) for factory, register in asked.items()}
    for factory, register in asked.items():
        ask(factory, [machine] if machine else register.machines, why=reason, by=by or getuser())
    is_well = run(asked, say=say)
    told = [
        line
        for factory, register in _registers(paths, None)
        if factory in before
        for line in _news(register, before[factory])
    ]
    for line in told:
        click.echo(line)
    if is_well and not told:
        say("model: nothing to judge a challenger by yet: it is trained after the next whole day")
    sys.exit(0 if is_well else 1)


def _registers(home: Home, factory: str | None) -> Iterator[tuple[str, "Register"]]:
    """Factories with a register, or the one asked for."""
    from assets.model_register import factories, read

    there = factories(home)
    if factory is not None and factory not in there:
        raise ParkPulseError(
            factory, "has no models in this home", f"factories with models: {_told(there)}"
        )
    for name in [factory] if factory else there:
        yield name, read(home, name)


def _register_of(home: Home, machine: str) -> tuple[str, "Register"]:
    """The factory of a machine, and its register."""
    found = list(_registers(home, None))
    for factory, register in found:
        if machine in register.machines:
            return factory, register
    known = [name for _, register in found for name in register.machines]
    raise ParkPulseError(machine, "has no model in this home", f"machines: {_told(known)}")


def _told(names: list[str]) -> str:
    shown = ", ".join(names[:8]) or "none; run `parkpulse materialize`"
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _rows(factory: str, register: "Register") -> Iterator[dict[str, object]]:
    """A row per machine, of its champion, and one more of a challenger."""
    for unit in register.machines:
        champion, terms = register.champion(unit), register.terms(unit)
        for one in (champion, register.challenger(unit)):
            if one is None:
                continue
            judgements = register.judgements(one)
            found = judgements[-1][1] if judgements else {}
            yield {
                "factory_id": factory,
                "work_unit_id": unit,
                "machine_type": one.machine_type,
                "state": register.state(one),
                "version": one.version,
                "since": terms[-1].since.isoformat() if one is champion else None,
                "trained_from": one.trained_from.isoformat(),
                "trained_to": one.trained_to.isoformat(),
                "training_days": len(one.training_days),
                "scope": one.scope,
                "held_out": [day.isoformat() for day in judgements[-1][0].held_out]
                if judgements
                else [],
                "power": found.get("power"),
                "false_alarms": found.get("false_alarms"),
                "machine_weeks": found.get("machine_weeks"),
                "reason": one.reason,
                "provisional": not judgements,
            }


def _news(register: "Register", before: int) -> Iterator[str]:
    """What entries behind the first `before` say, a line each."""
    from models.registry import Appointment, Kept, Looked

    for one in register.entries[before:]:
        if isinstance(one, Appointment):
            yield f"{one.work_unit_id}: version {one.version} judges from {one.since} on: {one.why}"
        elif isinstance(one, Kept):
            yield f"{one.work_unit_id}: version {one.version} stays challenger: {one.why}"
        elif isinstance(one, Looked):
            yield from one.notes


def _judged_by(
    register: "Register", unit: str, version: int, before: date
) -> tuple[date, date] | None:
    """The last term of a version that ended before a day, as first and last."""
    terms = [term for term in register.terms(unit) if term.version == version]
    if not terms:
        return None
    last = min(terms[-1].until or before, before - timedelta(days=1))
    return (terms[-1].since, last) if last >= terms[-1].since else None
