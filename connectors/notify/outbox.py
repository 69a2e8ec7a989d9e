"""The outbox: what is owed, what was said to whom, in `notifications.sqlite` of the home.

A message stands here before it leaves and is marked after it was answered: a crash between may
repeat it, under the same id, and loses none. No address of a robot and no secret is kept.
"""

import base64
import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from connectors.errors import NotifyError
from connectors.notify.planning import DAILY, Draft, Event, Item, Known
from connectors.notify.texts import Text

OUTBOX_FILE: Final = "notifications.sqlite"
LOCK_FILE: Final = "notifications.lock"
QUEUED, SENT, RETRYING, DEAD = "queued", "sent", "retrying", "dead"
UNANSWERED_S: Final = 30.0
"""A try of which no end is on record (a crash) counts as if it had been answered so much later."""

_KEPT: Final = timedelta(days=2)
"""Tries older than any window are of no use."""

_SCHEMA: Final = """
create table if not exists key (id integer primary key check (id = 1), bytes blob not null);
create table if not exists known (
    channel text not null, factory text not null, event_id text not null, reference text not null,
    day text not null, rank integer not null, is_active integer not null, is_told integer not null,
    is_silent integer not null,
    primary key (channel, factory, event_id)
);
create index if not exists known_reference on known (reference);
create table if not exists message (
    id text primary key, channel text not null, is_urgent integer not null, events integer not null,
    title text not null, body text not null, status text not null, attempts integer not null,
    next_us integer not null, reason text not null, created_us integer not null, ended_us integer
);
create index if not exists message_status on message (channel, status);
create table if not exists item (
    id integer primary key, channel text not null, route text not null, language text not null,
    band text not null, due_us integer not null, rank integer not null, factory text not null,
    event_id text not null, day text not null, reference text not null,
    message_id text references message (id)
);
create index if not exists item_waiting on item (channel) where message_id is null;
create table if not exists attempt (
    id integer primary key, channel text not null, message_id text not null,
    begun_us integer not null, ended_us integer, outcome text
);
create index if not exists attempt_channel on attempt (channel, begun_us);
create table if not exists channel (
    name text primary key, closed_us integer not null, failures integer not null, why text not null
);
pragma user_version = 1;
"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _us(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the outbox; `attempts` are those that ended, `reason` why the last failed."""

    id: str
    channel: str
    is_urgent: bool
    events: int
    title: str
    body: str
    status: str
    attempts: int
    next: datetime
    reason: str
    created: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """A channel's state: no message leaves before `closed`, after so many failures in a row."""

    closed: datetime
    failures: int
    why: str


OPEN: Final = Standing(_EPOCH, 0, "")


class Outbox:
    """The outbox of one home. One process sends at a time, any may add what is owed meanwhile."""

    def __init__(self, home: Path, *, as_copy: bool = False) -> None:
        self._home, path = home, home / OUTBOX_FILE
        try:
            self._db = _copy(path) if as_copy else _opened(path)
            if self._db.execute("pragma user_version").fetchone()[0] == 0:
                self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            remedy = (
                "close what holds it; if it is damaged, put it aside: what it held is told anew"
            )
            raise NotifyError(path, f"it is no outbox ({error})", remedy) from error
        self.is_copy, self._key_bytes = as_copy, b""

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "Outbox":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, and no other process between reading and writing."""
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("rollback")
            raise

    @contextlib.contextmanager
    def sending(self) -> Iterator[bool]:
        """Hold the right to send; False where another process has it."""
        if self.is_copy:
            yield True
            return
        descriptor = os.open(self._home / LOCK_FILE, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            yield _locked(descriptor)
        finally:
            os.close(descriptor)

    # --- what is owed

    def known(self, channel: str, events: Sequence[Event]) -> dict[tuple[str, str], Known]:
        """What a channel knows of some events, by factory and event id.

        A cross join keeps the order: SQLite would read the list anew for every row it knows.
        """
        asked = json.dumps([[one.factory, name] for one in events for name in one.names])
        rows = self._db.execute(
            "select k.factory, k.event_id, k.rank, k.is_active, k.is_told, k.is_silent"
            " from json_each(?) asked cross join known k on k.channel = ?"
            " and k.factory = json_extract(asked.value, '$[0]')"
            " and k.event_id = json_extract(asked.value, '$[1]')",
            (asked, channel),
        )
        return {(r[0], r[1]): Known(r[2], *map(bool, r[3:])) for r in rows}

    def learn(self, channel: str, event: Event, known: Known) -> None:
        """Keep what a channel knows of an event from now on."""
        self._db.execute(
            "insert or replace into known values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (channel, event.factory, event.event_id, self.reference(event.factory, event.event_id),
             event.day.isoformat(), known.rank, known.is_active, known.is_told, known.is_silent),
        )  # fmt: skip

    def owe(self, channel: str, event: Event, route: tuple[str, str], band: str, due: datetime
    ) -> None:  # fmt: skip
        """An event is to be told; one that still waits to be told is told once, as it is now."""
        self._db.execute(
            "delete from item where message_id is null"
            " and channel = ? and factory = ? and event_id = ?",
            (channel, event.factory, event.event_id),
        )
        self._db.execute(
            "insert into item (channel, route, language, band, due_us, rank, factory, event_id,"
            " day, reference) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (channel, *route, band, _us(due), event.rank, event.factory, event.event_id,
             event.day.isoformat(), self.reference(event.factory, event.event_id)),
        )  # fmt: skip

    def waiting(self, channel: str, now: datetime) -> list[Item]:
        """What is owed by a channel, in no message yet, and might go into the next one."""
        rows = self._db.execute(
            "select id, route, language, band, due_us, rank, factory, day, reference from item"
            " where message_id is null and channel = ? and (band != ? or due_us <= ?) order by id",
            (channel, DAILY, _us(now)),
        )
        return [
            Item(r[0], r[1], r[2], r[3], _time(r[4]), r[5], r[6], date.fromisoformat(r[7]), r[8])
            for r in rows
        ]

    def owed(self, channel: str) -> tuple[int, datetime | None]:
        """How many events a channel owes that are in no message yet, and when the first is due."""
        count, first = self._db.execute(
            "select count(*), min(due_us) from item where message_id is null and channel = ?",
            (channel,),
        ).fetchone()
        return count, None if first is None else _time(first)

    def channels(self) -> set[str]:
        """Every channel for which something waits, or is still to be sent."""
        rows = self._db.execute(
            "select channel from item where message_id is null"
            " union select channel from message where status in ('queued', 'retrying')"
        )
        return {row[0] for row in rows}

    def told(self, channel: str) -> dict[tuple[str, str], datetime]:
        """When each event of a channel was told, for the first time, by factory and event id."""
        rows = self._db.execute(
            "select i.factory, i.event_id, min(m.ended_us) from item i join message m"
            " on m.id = i.message_id where m.status = 'sent' and i.channel = ? group by 1, 2",
            (channel,),
        )
        return {(row[0], row[1]): _time(row[2]) for row in rows}

    # --- references

    def reference(self, factory: str, event_id: str) -> str:
        """How messages call an event: ten letters that say nothing to who lacks this home's key.

        The event's own id would not do, for the machine's is in it.
        """
        digest = hmac.new(self._key(), f"{factory}\n{event_id}".encode(), hashlib.sha256).digest()
        text = base64.b32encode(digest).decode()
        return f"{text[:5]}-{text[5:10]}"

    @property
    def has_key(self) -> bool:
        """Whether this home has a key yet: a copy's own would be another each time."""
        return self._db.execute("select 1 from key").fetchone() is not None

    def _key(self) -> bytes:
        if not self._key_bytes:
            self._db.execute("insert or ignore into key values (1, ?)", (os.urandom(32),))
            self._key_bytes = self._db.execute("select bytes from key").fetchone()[0]
        return self._key_bytes

    def event_of(self, reference: str) -> tuple[str, str, str] | None:
        """Factory, event id and day that a reference stands for."""
        row: tuple[str, str, str] | None = self._db.execute(
            "select factory, event_id, day from known where reference = ?",
            (reference.strip().upper(),),
        ).fetchone()
        return row

    # --- messages

    def add(self, channel: str, text: Text, now: datetime, draft: Draft | None = None) -> Message:
        """Queue a message, with the items that it tells."""
        items = draft.items if draft else ()
        row = Message(
            uuid.uuid4().hex, channel, bool(draft and draft.is_urgent), len(items), text.title,
            text.body, QUEUED, 0, now, "", now,
        )  # fmt: skip
        with self.transaction():
            self._db.execute(
                "insert into message values (?, ?, ?, ?, ?, ?, ?, 0, ?, '', ?, null)",
                (row.id, channel, row.is_urgent, row.events, row.title, row.body, QUEUED,
                 _us(now), _us(now)),
            )  # fmt: skip
            self._db.executemany(
                "update item set message_id = ? where id = ?", [(row.id, one.id) for one in items]
            )
        return row

    def unsent(self, channel: str) -> list[Message]:
        """Messages still to be sent: those with the fewest tries first, then the oldest."""
        return self._messages(
            "channel = ? and status in ('queued', 'retrying') order by attempts, created_us, rowid",
            channel,
        )

    def dead(self) -> list[Message]:
        """Dead letters, the oldest first."""
        return self._messages("status = 'dead' order by created_us, rowid")

    def all_messages(self) -> list[Message]:
        """Every message there ever was, the oldest first."""
        return self._messages("true order by created_us, rowid")

    def _messages(self, where: str, *values: Any) -> list[Message]:  # noqa: ANN401 - SQL values
        rows = self._db.execute(
            "select id, channel, is_urgent, events, title, body, status, attempts, next_us, reason,"
            f" created_us from message where {where}",
            values,
        )
        return [_message(row) for row in rows]

    def forget(self, message: Message) -> None:
        """Take out a message that tells of no event."""
        self._db.execute("delete from message where id = ? and events = 0", (message.id,))

    def requeue(self, which: str, now: datetime) -> int:
        """Send dead letters again: one by its id (or how it begins), or `all`; gives how many."""
        chosen = [m.id for m in self.dead() if which == "all" or m.id.startswith(which)]
        if which != "all" and len(chosen) > 1:
            raise NotifyError(which, f"{len(chosen)} dead letters begin so", "give more of the id")
        with self.transaction():
            self._db.executemany(
                "update message set status = 'queued', attempts = 0, next_us = ? where id = ?",
                [(_us(now), one) for one in chosen],
            )
        return len(chosen)

    # --- tries

    def begin(self, message: Message, now: datetime) -> int:
        """A try begins: on record before anything is on the wire."""
        with self.transaction():
            self._db.execute("delete from attempt where begun_us < ?", (_us(now - _KEPT),))
            added = self._db.execute(
                "insert into attempt (channel, message_id, begun_us) values (?, ?, ?)",
                (message.channel, message.id, _us(now)),
            )
        return int(added.lastrowid or 0)

    def finish(
        self, message: Message, attempt: int, now: datetime, status: str, reason: str,
        following: datetime, standing: Standing,
    ) -> None:  # fmt: skip
        """A try has ended: what became of the message, and how its channel stands."""
        with self.transaction():
            self._db.execute(
                "update attempt set ended_us = ?, outcome = ? where id = ?",
                (_us(now), reason or status, attempt),
            )
            self._db.execute(
                "update message set status = ?, attempts = attempts + 1, next_us = ?, reason = ?,"
                " ended_us = ? where id = ?",
                (status, _us(following), reason, _us(now), message.id),
            )
            self._db.execute(
                "insert or replace into channel values (?, ?, ?, ?)",
                (message.channel, _us(standing.closed), standing.failures, standing.why),
            )

    def standing(self, channel: str) -> Standing:
        """How a channel stands."""
        row = self._db.execute(
            "select closed_us, failures, why from channel where name = ?", (channel,)
        ).fetchone()
        return Standing(_time(row[0]), row[1], row[2]) if row else OPEN

    def reopen(self, channel: str) -> None:
        """A person says that a channel is well again: its next message need not wait."""
        self._db.execute("delete from channel where name = ?", (channel,))

    def tries(self, channel: str, since: datetime) -> list[datetime]:
        """When each try of a channel ended, of those that began since."""
        rows: Sequence[tuple[int, int | None]] = self._db.execute(
            "select begun_us, ended_us from attempt where channel = ? and begun_us > ?",
            (channel, _us(since)),
        ).fetchall()
        unanswered = timedelta(seconds=UNANSWERED_S)
        return [_time(begun) + unanswered if end is None else _time(end) for begun, end in rows]


def _message(row: tuple[Any, ...]) -> Message:
    known = dict(zip(Message.__slots__, row, strict=True))
    known |= {name: _time(known[name]) for name in ("next", "created")}
    return Message(**known | {"is_urgent": bool(known["is_urgent"])})


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=10)
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = full")
    return db


def _copy(path: Path) -> sqlite3.Connection:
    """The outbox in memory: what is done with it leaves nothing behind."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    if path.exists():
        with contextlib.closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        ) as d:
            d.backup(db)
    return db
