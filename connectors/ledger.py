"""What was received and what was not: servers, proved coverage and gaps, in `ledger.sqlite`."""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import polars as pl

from connectors.errors import FleetFileError, HomeRefused
from pipelines import schemas

LEDGER_FILE: Final = "ledger.sqlite"
_SCHEMA: Final = """
create table if not exists server (
    server_uri text primary key, url text not null, site_id text not null,
    state text not null, since integer not null, why text not null, nodes integer not null default 0
);
create table if not exists awaited (
    url text primary key, site_id text not null, state text not null, since integer not null,
    why text not null
);
create table if not exists coverage (
    server_uri text not null, from_us integer not null, to_us integer not null,
    primary key (server_uri, from_us)
);
create table if not exists gap (
    id integer primary key, server_uri text not null, node_id text, from_us integer not null,
    to_us integer, reason text not null, resolved text
);
create table if not exists refused (
    server_uri text not null, node_id text not null, since integer not null, why text not null,
    primary key (server_uri, node_id)
);
create table if not exists short_queue (
    server_uri text not null, node_id text not null, why text not null,
    primary key (server_uri, node_id)
);
create table if not exists revised (server_uri text primary key, terms text not null);
pragma user_version = 1;
"""
_NOT_REACHED: Final = "not reached yet"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _us(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)


def _time(us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=us)


_NO_ROOM: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


def is_disk_full(error: BaseException) -> bool:
    """Whether the ledger could not be written for want of room, or because the disk fails."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF in _NO_ROOM


class Ledger:
    """The ledger of one home; the collector writes it, anyone may read it meanwhile."""

    def __init__(self, home: Path, *, read_only: bool = False) -> None:
        path = home / LEDGER_FILE
        try:
            self._open(home, path, read_only)
        except sqlite3.DatabaseError as error:
            remedy = "close what holds it; if it is damaged, put it aside and collect again"
            raise HomeRefused(path, f"it is no ledger ({error})", remedy) from error

    def _open(self, home: Path, path: Path, read_only: bool) -> None:
        if read_only and not path.exists():
            self._db = sqlite3.connect(":memory:", isolation_level=None)
        elif read_only:
            self._db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            self._db.execute("select count(*) from server")
            return
        else:
            home.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = full")
        self._db.executescript(_SCHEMA)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing: what fails (a full disk) can be tried again."""
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("rollback")
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def claim(self, site_id: str, url: str, server_uri: str) -> str:
        """The URI under which a server's rows are kept: its own, or its url where that is taken.

        FleetFileError for a server that was collected as another site: its repeats would stay.
        """
        found = self._db.execute(
            "select server_uri, site_id from server where url = ? and server_uri in (?, ?)"
            " order by server_uri = ? desc",
            (url, server_uri, url, server_uri),
        ).fetchone()
        taken = self._db.execute(
            "select url, site_id, state from server where server_uri = ?", (server_uri,)
        ).fetchone()
        moved = taken is not None and taken[2] == "retired"
        known = found[1] if found else taken[1] if moved else site_id
        if known != site_id:
            why = f"its {server_uri} was collected here as site {known}, the fleet file has it as"
            raise FleetFileError(
                url, f"{why} {site_id}", f"keep the id {known}, or use a new --home"
            )
        uri = str(found[0]) if found else url if taken and not moved else server_uri
        self._db.execute("delete from awaited where url = ?", (url,))
        self._retire("url = ? and server_uri != ?", (url, uri))
        if found:
            return uri
        self._db.execute(
            "insert into server (server_uri, url, site_id, state, since, why)"
            " values (?, ?, ?, 'new', 0, '')"
            " on conflict (server_uri) do update set url = excluded.url",
            (uri, url, site_id),
        )
        return uri

    def retire_others(self, urls: Iterable[str]) -> None:
        """Servers that the fleet file no longer names keep their rows and are marked so."""
        named = list(urls)
        marks = ",".join("?" * len(named))
        self._retire(f"url not in ({marks})", named)
        self._db.execute(f"delete from awaited where url not in ({marks})", named)

    def _retire(self, which: str, values: Sequence[str]) -> None:
        self._db.execute(f"update server set state = 'retired', why = '' where {which}", values)

    def await_server(self, site_id: str, url: str, now: datetime) -> None:
        """A server that the fleet names is looked for from now on."""
        uri = self._last_heard(url)
        if uri is not None:
            self.set_state(uri, "connecting", now, _NOT_REACHED)
        else:
            self._db.execute(
                "insert or replace into awaited values (?, ?, 'connecting', ?, ?)",
                (url, site_id, _us(now), _NOT_REACHED),
            )

    def set_unreached(self, url: str, state: str, why: str) -> None:
        """How the search for a server stands that has not answered since it began."""
        values = (state, why, self._last_heard(url) or url)
        for table, key in (("server", "server_uri"), ("awaited", "url")):
            self._db.execute(
                f"update {table} set state = ?, why = coalesce(nullif(?, ''), why) where {key} = ?",
                values,
            )

    def _last_heard(self, url: str) -> str | None:
        """The URI that answered at this url most recently."""
        row = self._db.execute(
            "select server_uri from server where url = ? order by since desc, rowid desc", (url,)
        ).fetchone()
        return None if row is None else str(row[0])

    def set_state(
        self, server_uri: str, state: str, since: datetime, why: str = "", nodes: int | None = None
    ) -> None:
        """A server's state (the words of opcua.world.Progress), since when, and why."""
        self._db.execute(
            "update server set state = ?, since = ?, why = ?, nodes = coalesce(?, nodes)"
            " where server_uri = ?",
            (state, _us(since), why, nodes, server_uri),
        )

    def cover(self, server_uri: str, start: datetime, end: datetime) -> None:
        """Vouch for [start, end); windows that touch or overlap become one."""
        first, last = _us(start), _us(end)
        if last <= first:
            return
        with self._transaction():
            touching = "server_uri = ? and from_us <= ? and to_us >= ?"
            low, high = self._db.execute(
                f"select min(from_us), max(to_us) from coverage where {touching}",
                (server_uri, last, first),
            ).fetchone()
            self._db.execute(f"delete from coverage where {touching}", (server_uri, last, first))
            window = (server_uri, min(first, low or first), max(last, high or last))
            self._db.execute("insert into coverage values (?, ?, ?)", window)

    def covered(self, server_uri: str) -> tuple[datetime, datetime] | None:
        """The start of all coverage and the end of the newest window; None where there is none."""
        low, high = self._db.execute(
            "select min(from_us), max(to_us) from coverage where server_uri = ?", (server_uri,)
        ).fetchone()
        return None if low is None else (_time(low), _time(high))

    def open_gap(self, server_uri: str, node_id: str | None, start: datetime, reason: str) -> None:
        """Nothing is heard from `start` on; a gap that is open already stays as it is."""
        self._db.execute(
            "insert into gap (server_uri, node_id, from_us, reason) select ?, ?, ?, ?"
            " where not exists (select 1 from gap where server_uri = ? and node_id is ?"
            " and to_us is null)",
            (server_uri, node_id, _us(start), reason, server_uri, node_id),
        )

    def close_gap(
        self, server_uri: str, node_id: str | None, end: datetime, resolved: str | None
    ) -> None:
        """The open gap ends; `resolved` says how its values came after all (None: they did not)."""
        self._db.execute(
            "update gap set to_us = max(from_us, ?), resolved = ? where server_uri = ?"
            " and node_id is ? and to_us is null",
            (_us(end), resolved, server_uri, node_id),
        )

    def add_gaps(
        self, server_uri: str, rows: Iterable[tuple[str | None, datetime, datetime, str]]
    ) -> None:
        """Closed gaps: node (None: the server), from, to, reason; what touches becomes one."""
        with self._transaction():
            for node, start, end, why in rows:
                self._add_gap(server_uri, node, _us(start), _us(end), why)

    def _add_gap(self, server_uri: str, node: str | None, first: int, last: int, why: str) -> None:
        touching = (
            "server_uri = ? and node_id is ? and reason = ? and resolved is null"
            " and from_us <= ? and to_us >= ?"
        )
        which = (server_uri, node, why, last, first)
        low, high = self._db.execute(
            f"select min(from_us), max(to_us) from gap where {touching}", which
        ).fetchone()
        if low is not None:
            first, last = min(first, low), max(last, high)
            self._db.execute(f"delete from gap where {touching}", which)
        self._db.execute(
            "insert into gap (server_uri, node_id, from_us, to_us, reason) values (?, ?, ?, ?, ?)",
            (server_uri, node, first, last, why),
        )

    def unfilled(self, server_uri: str) -> list[tuple[datetime, datetime]]:
        """The closed gaps of a server as a whole that nothing filled."""
        rows = self._db.execute(
            "select from_us, to_us from gap where server_uri = ? and node_id is null"
            " and to_us is not null and resolved is null order by from_us",
            (server_uri,),
        )
        return [(_time(first), _time(last)) for first, last in rows]

    def resolve_gap(self, server_uri: str, start: datetime, end: datetime, how: str) -> None:
        """A closed gap of a server as a whole was filled after all."""
        self._db.execute(
            "update gap set resolved = ? where server_uri = ? and node_id is null"
            " and from_us = ? and to_us = ? and resolved is null",
            (how, server_uri, _us(start), _us(end)),
        )

    def resolve_node_gaps(self, server_uri: str, node_ids: Iterable[str], how: str) -> None:
        """The past gaps of nodes whose history could be read in full after all."""
        with self._transaction():
            self._db.executemany(
                "update gap set resolved = ? where server_uri = ? and node_id = ?"
                " and resolved is null and to_us is not null and reason like 'history %'",
                [(how, server_uri, node) for node in node_ids],
            )

    def unresolved_since(self, server_uri: str) -> dict[str, datetime]:
        """From where the history of a node must still be read: its oldest unfilled loss."""
        rows = self._db.execute(
            "select node_id, min(from_us) from gap where server_uri = ? and node_id is not null"
            " and resolved is null and reason like 'history %' group by node_id",
            (server_uri,),
        )
        return {node: _time(us) for node, us in rows}

    def open_node_gaps(self, server_uri: str, reason: str) -> list[str]:
        """Nodes with an open gap whose reason begins so."""
        rows = self._db.execute(
            "select node_id from gap where server_uri = ? and node_id is not null"
            " and to_us is null and substr(reason, 1, ?) = ?",
            (server_uri, len(reason), reason),
        )
        return [row[0] for row in rows]

    def set_refused(self, server_uri: str, refused: dict[str, str], now: datetime) -> None:
        """The nodes that the server will not let us monitor now, by name, with its reason."""
        rows = [(server_uri, node, _us(now), why) for node, why in refused.items()]
        with self._transaction():
            self._db.execute("delete from refused where server_uri = ?", (server_uri,))
            self._db.executemany("insert into refused values (?, ?, ?, ?)", rows)

    def set_short_queues(self, server_uri: str, short: dict[str, str]) -> None:
        """The nodes whose values may overwrite each other unnoticed on the server, and why."""
        rows = [(server_uri, node, why) for node, why in short.items()]
        with self._transaction():
            self._db.execute("delete from short_queue where server_uri = ?", (server_uri,))
            self._db.executemany("insert into short_queue values (?, ?, ?)", rows)

    def set_revised(self, server_uri: str, terms: dict[str, Any]) -> None:
        """On what terms the server serves us: intervals, queues and limits as it revised them."""
        row = (server_uri, json.dumps(terms, ensure_ascii=False))
        self._db.execute("insert or replace into revised values (?, ?)", row)

    def _revised(self, server_uri: str | None) -> dict[str, Any]:
        """Empty in a ledger that was last written before these were kept."""
        with contextlib.suppress(sqlite3.OperationalError):
            query = "select terms from revised where server_uri = ?"
            for (text,) in self._db.execute(query, (server_uri,)):
                terms: dict[str, Any] = json.loads(text)
                return terms
        return {}

    def _short_queues(self, server_uri: str | None) -> dict[str, str]:
        """Empty in a ledger that was last written before these were kept."""
        try:
            return dict(
                self._db.execute(
                    "select node_id, why from short_queue where server_uri = ? order by node_id",
                    (server_uri,),
                ).fetchall()
            )
        except sqlite3.OperationalError:
            return {}

    def gaps(self) -> pl.DataFrame:
        """Gaps that nothing filled (pipelines.schemas.GAPS)."""
        rows = self._db.execute(
            "select server_uri, node_id, from_us, to_us, reason from gap where resolved is null"
            " order by server_uri, from_us, node_id"
        ).fetchall()
        return _frame(rows, schemas.GAPS)

    def coverage(self) -> pl.DataFrame:
        """What the ledger vouches for (pipelines.schemas.COVERAGE)."""
        rows = self._db.execute(
            "select c.server_uri, s.site_id, c.from_us, c.to_us from coverage c"
            " join server s using (server_uri) order by c.server_uri, c.from_us"
        ).fetchall()
        return _frame(rows, schemas.COVERAGE)

    def summary(self) -> dict[str, Any]:
        """Servers with state, coverage, refused nodes, short queues, gaps (open, unfilled, filled).

        One that never answered has no `server_uri`.
        """
        servers = "select server_uri, url, site_id, state, since, why, nodes from server"
        if self._db.execute("select 1 from sqlite_master where name = 'awaited'").fetchone():
            servers += " union all select null, url, site_id, state, since, why, 0 from awaited"
        rows = self._db.execute(f"select * from ({servers}) order by site_id, url").fetchall()
        return {"servers": [self._server(*row) for row in rows]}

    def _server(
        self, uri: str | None, url: str, site: str, state: str, since: int, why: str, nodes: int
    ) -> dict[str, Any]:
        windows = self._db.execute(
            "select from_us, to_us from coverage where server_uri = ? order by from_us", (uri,)
        ).fetchall()
        refused = self._db.execute(
            "select node_id, why from refused where server_uri = ? order by node_id", (uri,)
        ).fetchall()
        gaps = self._db.execute(
            "select node_id, from_us, to_us, reason, resolved from gap where server_uri = ?"
            " order by from_us, node_id",
            (uri,),
        ).fetchall()
        rows = [
            {"node_id": node, "from": _iso(a), "to": _iso(b), "reason": why, "resolved": how}
            for node, a, b, why, how in gaps
        ]
        return {
            "server_uri": uri,
            "url": url,
            "site_id": site,
            "state": state,
            "since": _iso(since),
            "why": why,
            "nodes": nodes,
            "coverage": [{"from": _iso(a), "to": _iso(b)} for a, b in windows],
            "refused": dict(refused),
            "short_queues": self._short_queues(uri),
            "revised": self._revised(uri),
            "open_gaps": [row for row in rows if row["resolved"] is None],
            "closed_gaps": [row for row in rows if row["resolved"] is not None],
        }


def _iso(us: int | None) -> str | None:
    return None if us is None else _time(us).isoformat().replace("+00:00", "Z")


def _frame(rows: list[tuple[Any, ...]], schema: pl.Schema) -> pl.DataFrame:
    integers = {k: pl.Int64() if k.endswith("_time") else v for k, v in schema.items()}
    frame = pl.DataFrame(rows, schema=integers, orient="row")
    return frame.with_columns(pl.col("from_time", "to_time").cast(schemas.TIME))
