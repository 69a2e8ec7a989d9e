"""From the outbox to the wire: windows kept, failures tried again, the hopeless laid aside.

A channel that is down, full or unknown holds up nobody but itself, and nothing is dropped.
"""

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, TypeAlias

from connectors.notify.answers import DEADLINE_S, Answer, within
from connectors.notify.kinds import EMAIL, KINDS, free_from, free_slots
from connectors.notify.outbox import DEAD, RETRYING, SENT, Message, Outbox, Standing
from connectors.notify.planning import next_draft
from connectors.notify.settings import Channel, Settings, missing
from connectors.notify.texts import Text, write

Clock: TypeAlias = Callable[[], datetime]
Post: TypeAlias = Callable[[Channel, Message, datetime], Answer]

MOST_TRIES: Final = 8
"""Then a message is a dead letter: after about an hour of trying."""

FIRST_WAIT_S, MOST_WAIT_S = 30.0, 1_800.0
MOST_CLOSED_S: Final = 240.0
"""A channel that is down is tried again so often: what is urgent may wait behind it."""
_DAY: Final = timedelta(days=1)


def utc_now() -> datetime:
    """The machine's clock."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Gone:
    """A message that left, was put off, or was laid aside (`status`), and why."""

    channel: str
    message_id: str
    events: int
    is_urgent: bool
    status: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Waits:
    """What waits for a channel: events owed, messages put off, until when, and why."""

    channel: str
    events: int
    messages: int
    until: datetime | None
    why: str = ""


@dataclass(slots=True)
class Summary:
    """What went where, what waits until when, what to know, and what a person must see to."""

    owed: int = 0
    gone: list[Gone] = field(default_factory=list)
    waits: list[Waits] = field(default_factory=list)
    dead: int = 0
    notes: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def is_well(self) -> bool:
        """Whether nothing failed, was refused or lacks a setting."""
        return not self.troubles and all(one.status == SENT for one in self.gone)

    @property
    def next(self) -> datetime | None:
        """When something is due again; None where nothing waits for a time."""
        return min((one.until for one in self.waits if one.until), default=None)


def post_with(environ: Mapping[str, str] = os.environ) -> Post:
    """The way to the wire, with the secrets of an environment."""

    def post(channel: Channel, message: Message, now: datetime) -> Answer:
        from connectors.notify import mail, robots

        text, at_s = Text(message.title, message.body), now.timestamp()
        value = {name: environ.get(name, "").strip() for name in channel.variables}
        if channel.kind == EMAIL:
            password = value.get(channel.password_env or "")
            letter = mail.mail_of(channel, text, message.id, at_s)
            return within(DEADLINE_S, partial(mail.send, channel, password, letter))
        webhook, secret = value[channel.webhook_env or ""], value.get(channel.secret_env or "")
        return within(
            DEADLINE_S,
            partial(robots.post, channel.kind, webhook, secret, text, message.id, at_s),
        )

    return post


def deliver(
    outbox: Outbox,
    settings: Settings,
    summary: Summary,
    *,
    clock: Clock = utc_now,
    post: Post | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Summary:
    """Send what is due, as far as each channel may now; waits for nothing but answers.

    Channels that failed of late come last, so that their silence delays nobody.
    """
    with outbox.sending() as may_send:
        if not may_send:
            summary.notes.append("another process is sending; what is owed waits for its next turn")
        names = sorted(settings.channels, key=lambda name: outbox.standing(name).failures)
        for channel in [settings.channels[name] for name in names] if may_send else []:
            if lacking := missing(channel, environ):
                summary.troubles += lacking
                if not outbox.is_copy:
                    continue
            _deliver(outbox, settings.link, channel, summary, clock, post or post_with(environ))
    now = clock()
    summary.waits = [
        _waits(outbox, name, settings.channels.get(name), now) for name in sorted(outbox.channels())
    ]
    for name in sorted(outbox.channels() - settings.channels.keys()):
        why = f"something waits for it, but {settings.path} has no such channel"
        summary.troubles.append(f"{name}: {why}")
    summary.dead = len(outbox.dead())
    return summary


def _deliver(
    outbox: Outbox, link: str, channel: Channel, summary: Summary, clock: Clock, post: Post
) -> None:
    """Send by one channel until nothing is due, its window is full, or it asks for patience."""
    while outbox.standing(channel.name).closed <= (now := clock()):
        free = free_slots(channel.windows, outbox.tries(channel.name, now - _DAY), now)
        message = _next(outbox, link, channel, free, now)
        if message is None:
            return
        gone = attempt(outbox, channel, message, clock, post)
        summary.gone.append(gone)
        if gone.status == DEAD or gone.why:
            summary.troubles.append(f"{gone.channel}: {gone.why}")


def _next(outbox: Outbox, link: str, channel: Channel, free: int, now: datetime) -> Message | None:
    """What leaves next: urgent events, then messages put off or left by a crash, then digests."""
    if free <= 0:
        return None
    left = [message for message in outbox.unsent(channel.name) if message.next <= now]
    draft = next_draft(outbox.waiting(channel.name, now), free - bool(left), now)
    if left and not (draft and draft.is_urgent):
        return left[0]
    if draft is None:
        return None
    kind = KINDS[channel.kind]
    text = write(draft, link=link, most_bytes=kind.most_bytes, is_markdown=channel.kind != EMAIL)
    return outbox.add(channel.name, text, now, draft)


def attempt(outbox: Outbox, channel: Channel, message: Message, clock: Clock, post: Post) -> Gone:
    """One try of one message, on record before and after it."""
    number = outbox.begin(message, clock())
    answer = post(channel, message, clock())
    now = clock()
    status, wait = _fate(answer, message.attempts + 1)
    before = outbox.standing(channel.name)
    is_well = answer.fate in ("sent", "refused")  # it answered, whatever it said of this message
    failures = 0 if is_well else before.failures + 1
    following = now + timedelta(seconds=wait)
    closed = now if is_well else now + timedelta(seconds=_closed_s(answer, failures))
    standing = Standing(closed, failures, "" if is_well else answer.why)
    outbox.finish(message, number, now, status, answer.why, following, standing)
    return Gone(channel.name, message.id, message.events, message.is_urgent, status, answer.why)


def _fate(answer: Answer, tries: int) -> tuple[str, float]:
    """What becomes of a message after so many tries, and how long it waits for the next."""
    if answer.fate == "sent":
        return SENT, 0.0
    if answer.fate == "refused" or tries >= MOST_TRIES:
        return DEAD, 0.0
    return RETRYING, max(answer.wait_s, backoff_s(tries))


def _closed_s(answer: Answer, failures: int) -> float:
    """How long a channel is left alone: as long as it asks for, or until it may be well again."""
    return answer.wait_s if answer.fate == "busy" else min(backoff_s(failures) / 2, MOST_CLOSED_S)


def backoff_s(tries: int, draw: Callable[[], float] = random.random) -> float:
    """Doubling from FIRST_WAIT_S to MOST_WAIT_S, of which a random half is kept: no two in step."""
    wait_s: float = min(FIRST_WAIT_S * 2.0 ** (tries - 1), MOST_WAIT_S)
    return wait_s * (1 + draw()) / 2


def _waits(outbox: Outbox, name: str, channel: Channel | None, now: datetime) -> Waits:
    events, first = outbox.owed(name)
    messages, standing = outbox.unsent(name), outbox.standing(name)
    due = min([message.next for message in messages] + ([first] if first else []))
    if channel is None:
        return Waits(name, events, len(messages), None, "no such channel")
    opens = free_from(channel.windows, outbox.tries(name, now - _DAY), now)
    until = max(due, standing.closed, opens)
    reasons = {standing.closed: standing.why, opens: "its window is full", due: "not due yet"}
    return Waits(name, events, len(messages), until, reasons[until] if until > now else "")
