"""Commands of notifications: notify check, send, test, dead, find."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from connectors.options import DAY, FILE, SECONDS
from parkpulse.common import home_option, json_option, say, use

if TYPE_CHECKING:
    from connectors.home import Home
    from connectors.notify.sending import Summary
    from connectors.notify.settings import Channel, Settings

settings_option = click.option(
    "--settings", type=FILE, default=None, help="The settings. [HOME/notify.toml]"
)


@click.group()
def notify() -> None:
    """Tell people of anomaly events by WeCom, DingTalk, Feishu or mail: id and link, no data.

    Who is told of what stands in notify.toml; webhooks, secrets and passwords come from the
    environment alone. See docs/guides/notifications.md.
    """


@notify.command("check")
@home_option
@settings_option
def check(home: Path, settings: Path | None) -> None:
    """Is notify.toml sound, and is every environment variable set? Ends with 1 where not."""
    from connectors.notify.outbox import OUTBOX_FILE, Outbox
    from connectors.notify.settings import missing

    paths = use(home)
    chosen = _settings(paths, settings)
    lacking = [line for channel in chosen.channels.values() for line in missing(channel)]
    unheard = chosen.channels.keys() - {route.channel for route in chosen.routes}
    lacking += [f"{name}: no route goes by it" for name in sorted(unheard)]
    for channel in chosen.channels.values():
        if not missing(channel):
            click.echo(f"{channel.name}: {channel.kind}, ready")
    for line in lacking:
        say(f"notify: {line}")
    if (paths.root / OUTBOX_FILE).exists():
        with Outbox(paths.root, as_copy=True) as outbox:
            if dead := outbox.dead():
                say(f"notify: {len(dead)} dead letters (see `parkpulse notify dead`)")
    sys.exit(1 if lacking else 0)


@notify.command("send")
@home_option
@settings_option
@click.option("--day", type=DAY, default=None, help="Events of a local day. [the latest two days]")
@click.option("--dry-run", is_flag=True, help="Print what would go, send and keep nothing.")
@click.option(
    "--for", "for_s", type=SECONDS, default=0.0, help="Go on sending what falls due for SECONDS."
)
@json_option
def send(
    home: Path,
    settings: Path | None,
    day: datetime | None,
    dry_run: bool,
    for_s: float,
    as_json: bool,
) -> None:
    """Tell of new or worsened anomaly events, and send all that is due.

    Urgent (high) events go at once, the others by digest. What waits, goes with a later call: run
    it every few minutes. Ends with 1 where a message failed, was refused, or a setting lacks.
    """
    paths = use(home)
    _settings(paths, settings)
    if dry_run and for_s:
        raise click.UsageError("choose one of --dry-run and --for")
    until = time.monotonic() + for_s
    well = True
    while True:
        summary = _send(paths, settings, day, dry_run=dry_run)
        _print(summary, as_json=as_json, dry_run=dry_run)
        well = well and summary.is_well
        left = until - time.monotonic()
        if left <= 0:
            break
        due = summary.next.timestamp() - time.time() if summary.next else 30.0
        time.sleep(min(max(due, 1.0), 30.0, left))
    sys.exit(0 if well else 1)


def _send(
    paths: "Home", settings: Path | None, day: datetime | None, *, dry_run: bool
) -> "Summary":
    from connectors.notify.answers import SENT, Answer
    from connectors.notify.outbox import Message
    from connectors.notify.service import events_of_days, tell

    def rehearsed(channel: "Channel", message: Message, now: datetime) -> Answer:
        click.echo(f"--- {channel.name}\n{message.title}\n\n{message.body}\n")
        return SENT

    now = datetime.now(UTC) + timedelta(seconds=paths.now_offset_s)
    events = events_of_days(paths, day and day.date(), now)
    post = rehearsed if dry_run else None
    return tell(paths, events, now, settings=settings, post=post, is_rehearsal=dry_run)


@notify.command("test")
@click.argument("channel")
@home_option
@settings_option
def test(channel: str, home: Path, settings: Path | None) -> None:
    """Send one test message by CHANNEL now, without waiting for its turn."""
    from connectors.errors import NotifyError
    from connectors.notify.outbox import SENT, Outbox
    from connectors.notify.sending import attempt, post_with, utc_now
    from connectors.notify.settings import missing
    from connectors.notify.texts import trial

    paths = use(home)
    chosen = _settings(paths, settings)
    if channel not in chosen.channels:
        names = ", ".join(chosen.channels)
        raise NotifyError(chosen.path, f"it has no channel {channel}", f"name one of {names}")
    target = chosen.channels[channel]
    if lacking := missing(target):
        for line in lacking:
            say(f"notify: {line}")
        sys.exit(2)
    with Outbox(paths.root) as outbox:
        message = outbox.add(channel, trial(), utc_now())
        gone = attempt(outbox, target, message, utc_now, post_with())
        if gone.status == SENT:
            outbox.reopen(channel)
        else:
            outbox.forget(message)
    verdict = "sent" if gone.status == SENT else "not sent"
    click.echo(f"{channel}: {verdict}{f' ({gone.why})' if gone.why else ''}")
    sys.exit(0 if gone.status == SENT else 1)


@notify.command("dead")
@click.option("--requeue", default=None, metavar="ID|all", help="Send these again.")
@home_option
@json_option
def dead(requeue: str | None, home: Path, as_json: bool) -> None:
    """Messages that were laid aside, and why; --requeue puts them back."""
    from connectors.errors import NotifyError
    from connectors.notify.outbox import Outbox
    from connectors.notify.sending import utc_now

    paths = use(home)
    _ = paths.first_day  # only a home has an outbox
    with Outbox(paths.root) as outbox:
        if requeue is not None:
            if not (count := outbox.requeue(requeue, utc_now())):
                remedy = "see `parkpulse notify dead`"
                raise NotifyError(requeue, "no dead letter has this id", remedy)
            say(f"notify: {count} queued again; `parkpulse notify send` sends them")
            return
        letters = outbox.dead()
    if as_json:
        rows = [{"id": m.id, "channel": m.channel, "events": m.events, "title": m.title,
                 "created": m.created.isoformat(), "attempts": m.attempts, "reason": m.reason}
                for m in letters]  # fmt: skip
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for m in letters:
        when = m.created.isoformat(timespec="seconds")
        click.echo(f"{m.id[:12]}  {when}  {m.channel}  {_some(m.events, 'event')}  {m.reason}")


@notify.command("find")
@click.argument("reference")
@home_option
def find(reference: str, home: Path) -> None:
    """Which event a message speaks of: REFERENCE stands in it. Prints factory, day and event id."""
    from connectors.errors import NotifyError
    from connectors.notify.outbox import Outbox

    paths = use(home)
    _ = paths.first_day
    with Outbox(paths.root, as_copy=True) as outbox:
        found = outbox.event_of(reference)
    if found is None:
        raise NotifyError(reference, "no message of this home says so", "copy it as it stands")
    click.echo("  ".join((found[0], found[2], found[1])))


def _settings(paths: "Home", settings: Path | None) -> "Settings":
    from connectors.notify.settings import SETTINGS_FILE, read_settings

    _ = paths.first_day  # HomeRefused where it is no home
    return read_settings(settings or paths.root / SETTINGS_FILE)


def _print(summary: "Summary", *, as_json: bool, dry_run: bool) -> None:
    """What went where, what waits until when."""
    from dataclasses import asdict

    if as_json:
        click.echo(json.dumps(asdict(summary), ensure_ascii=False, default=str))
        return
    for line in (*_gone(summary, dry_run=dry_run), *_waiting(summary)):
        click.echo(line)
    if not summary.gone and not summary.waits:
        click.echo("nothing to tell")
    if summary.dead:
        say(f"notify: {summary.dead} dead letters (see `parkpulse notify dead`)")
    for line in dict.fromkeys([*summary.notes, *summary.troubles]):
        say(f"notify: {line}")


def _gone(summary: "Summary", *, dry_run: bool) -> Iterator[str]:
    """A line for all messages of a channel that fared alike."""
    alike: dict[tuple[str, bool, str, str], list[int]] = {}
    for one in summary.gone:
        alike.setdefault((one.channel, one.is_urgent, one.status, one.why), []).append(one.events)
    for (channel, is_urgent, status, why), events in alike.items():
        what = f"{_some(sum(events), 'event')} in {_some(len(events), 'message')}"
        fate = "would be sent" if dry_run and status == "sent" else status
        urgent, said = ", urgent" if is_urgent else "", f" ({why})" if why else ""
        yield f"{channel}: {what}{urgent}: {fate}{said}"


def _waiting(summary: "Summary") -> Iterator[str]:
    for one in summary.waits:
        messages = f" and {_some(one.messages, 'message')}" if one.messages else ""
        until = f" until {one.until.astimezone():%Y-%m-%d %H:%M:%S}" if one.until else ""
        why = f" ({one.why})" if one.why else ""
        yield f"{one.channel}: waiting: {_some(one.events, 'event')}{messages}{until}{why}"


def _some(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
