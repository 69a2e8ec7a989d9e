"""The published state of a collector: one file in the home, written whole, never believed when old.

`published_state` decides what a link may be called, `StatusBoard` writes it down for the collector,
`read_status` reads it for anyone. All times are the machine's own, UTC, replays included.
"""

import asyncio
import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import shutil
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

from connectors.errors import HomeRefused
from connectors.home import Home
from connectors.ledger import LEDGER_FILE, Ledger

log = logging.getLogger(__name__)

LinkStateType = Literal[
    "connecting", "backfilling", "connected", "degraded", "reconnecting", "refused", "stopped",
    "unknown",
]  # fmt: skip
"""Where a link stands; `unknown` is a reader's word alone, for a collector that says nothing."""
STATES: Final[tuple[LinkStateType, ...]] = get_args(LinkStateType)

STATUS_FILE: Final = "status.json"
LOCK_FILE: Final = "collector.lock"
FORMAT: Final = 1
WRITE_EVERY_S: Final = 1.0
STALE_S: Final = 10.0
"""A collector that is well writes once a second: ten times that is no pause, it is stuck."""
SILENT_KEEP_ALIVES: Final = 2.0
"""One keep-alive may be late or lost; after two the link is not what it was."""
LAGGING_S: Final = 5.0
"""Rows that wait longer for the disk are no longer durable as promised (at most 2 s)."""
_RATE_OVER_S: Final = 10.0
_FILL_OVER_S: Final = 3600.0
_LEAST_FILL_S: Final = 60.0
_REMEDY_FILE: Final = "delete it; a running collector writes it anew within a second"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a link at a moment; `why` is the last error, `silent_s` None: never heard.

    `refused` says why the server will not have us; `gaps` are spans being filled from history.
    """

    session_active: bool = False
    was_connected: bool = False
    silent_s: float | None = None
    keep_alive_s: float = 5.0
    backfilling: bool = False
    gaps: int = 0
    quarantined: int = 0
    disk_full: bool = False
    lag_s: float | None = None
    refused: str = ""
    stopped: bool = False
    why: str = ""


def published_state(facts: Facts) -> tuple[LinkStateType, str]:
    """The state that a link may be published with, and why: the gravest thing that is true of it.

    `connected` says that a session is active, was heard within two keep-alives, and owes nothing.
    """
    if facts.stopped:
        return "stopped", facts.why
    if facts.refused:
        return "refused", facts.refused
    if not facts.session_active:
        return ("reconnecting" if facts.was_connected else "connecting"), facts.why
    if not _is_heard(facts) and (facts.silent_s is not None or not facts.backfilling):
        return "degraded", _silence(facts)
    if facts.disk_full:
        return "degraded", "the disk is full: nothing is acknowledged until rows can be written"
    if facts.lag_s is not None and not facts.lag_s <= LAGGING_S:
        return "degraded", f"rows wait {facts.lag_s:.0f} s for the disk"
    if facts.backfilling:
        return "backfilling", ""
    return _indebted(facts)


def _is_heard(facts: Facts) -> bool:
    """Within two keep-alives; a number that is none was not heard."""
    silent_s = facts.silent_s
    return silent_s is not None and silent_s <= SILENT_KEEP_ALIVES * facts.keep_alive_s


def _silence(facts: Facts) -> str:
    if facts.silent_s is None:
        return "connected, and not one word heard yet"
    return f"silent for {facts.silent_s:.0f} s; it promised a word every {facts.keep_alive_s:g} s"


def _indebted(facts: Facts) -> tuple[LinkStateType, str]:
    """What a link that is heard still owes."""
    debts = []
    if facts.gaps:
        debts.append(f"{facts.gaps} {_plural(facts.gaps, 'gap')} being filled from history")
    if facts.quarantined:
        nodes = _plural(facts.quarantined, "node")
        debts.append(f"{facts.quarantined:,} {nodes} refused, tried again slowly")
    return ("degraded", "; ".join(debts)) if debts else ("connected", "")


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One server as its owner sees it; `values` counts rows by origin since the start.

    `lag_s` is the age of the oldest row not yet on disk, `notes` are revised queues and the like.
    """

    site_id: str
    url: str
    state: LinkStateType
    since: datetime
    why: str = ""
    server_uri: str | None = None
    nodes: int = 0
    quarantined: int = 0
    open_gaps: int = 0
    values: Mapping[str, int] = field(default_factory=dict)
    values_per_s: float | None = None
    last_heard: datetime | None = None
    last_durable: datetime | None = None
    lag_s: float | None = None
    pending_rows: int = 0
    security: str = "None"
    publishing_interval_ms: float | None = None
    keep_alive_s: float | None = None
    notes: tuple[str, ...] = ()


_TIMES: Final = ("since", "last_heard", "last_durable")
_FIELDS: Final = frozenset(f.name for f in dataclasses.fields(LinkStatus))


@dataclass(frozen=True, slots=True)
class HomeStatus:
    """What a reader may believe of a home: its collector, its links, its disk.

    `why` says what is wrong with the collector; `fill_bytes_per_s` is that of the last hour.
    """

    home: Path
    is_running: bool
    why: str
    links: tuple[LinkStatus, ...]
    pid: int | None = None
    started: datetime | None = None
    written: datetime | None = None
    disk_free_bytes: int = 0
    disk_total_bytes: int = 0
    fill_bytes_per_s: float | None = None

    @property
    def lasts_s(self) -> float | None:
        """How long the disk lasts at the present rate; None where nothing is being written."""
        rate = self.fill_bytes_per_s
        return self.disk_free_bytes / rate if rate else None

    @property
    def is_well(self) -> bool:
        """True when there is a link and every one is connected."""
        return bool(self.links) and all(link.state == "connected" for link in self.links)


# --- the collector's side


class StatusBoard:
    """What every link last said, written to HOME/status.json at most once a second.

    Made by the collector that holds the home: it removes what an earlier one has said.
    `note` never blocks on the disk for long and never raises: a status that cannot be written
    grows old, and its readers say so. `beat_forever` is the pulse that tells stuck from quiet.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / STATUS_FILE
        self._started = datetime.now(UTC)
        self._links: dict[str, LinkStatus] = {}
        self._counted: dict[str, deque[tuple[float, int]]] = {}
        self._written_s = -WRITE_EVERY_S
        self._warned = False
        with contextlib.suppress(OSError):  # what an earlier collector said is not ours
            self._path.unlink(missing_ok=True)

    def note(self, link: LinkStatus) -> None:
        """Take a link's newest status; `since` stays while the state does."""
        before = self._links.get(link.url)
        if before is not None and before.state == link.state:
            link = replace(link, since=before.since)
        self._links[link.url] = replace(link, values_per_s=self._rate(link))
        self.beat()

    def _rate(self, link: LinkStatus) -> float | None:
        """Values a second over the last few; None before there is a span to speak of."""
        now_s, total = time.monotonic(), sum(link.values.values())
        counted = self._counted.setdefault(link.url, deque())
        if counted and total < counted[-1][1]:
            counted.clear()
        if not counted or now_s - counted[-1][0] >= WRITE_EVERY_S / 2:
            counted.append((now_s, total))
        while len(counted) > 2 and now_s - counted[1][0] > _RATE_OVER_S:
            counted.popleft()
        span_s = now_s - counted[0][0]
        return (total - counted[0][1]) / span_s if span_s >= WRITE_EVERY_S else None

    def beat(self) -> None:
        """Write if the last writing is a second ago."""
        if time.monotonic() - self._written_s >= WRITE_EVERY_S:
            self.flush()

    async def beat_forever(self) -> None:
        """The pulse, and a last word at the end; cancel it to end it."""
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY_S)
                self.beat()
        finally:
            self.flush()

    def flush(self) -> None:
        """Write now. Without fsync: after a power cut the file is stale anyway."""
        self._written_s = time.monotonic()
        content = {
            "format": FORMAT,
            "pid": os.getpid(),
            "started": iso(self._started),
            "written": iso(datetime.now(UTC)),
            "links": [link_json(link) for link in self._links.values()],
        }
        temporary = self._path.with_name(f".{STATUS_FILE}.{os.getpid()}.tmp")
        try:
            temporary.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
            temporary.replace(self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
            self._warn_once(error)
        else:
            self._warned = False

    def _warn_once(self, error: OSError) -> None:
        if not self._warned:
            log.warning("%s: the status cannot be written (%s); `parkpulse status` calls it old "
                        "until it can", self._path, error.strerror or error)  # fmt: skip
        self._warned = True


def link_json(link: LinkStatus) -> dict[str, Any]:
    """One link as JSON holds it."""
    content = asdict(link)
    return content | {name: iso(content[name]) for name in _TIMES}


def iso(time: datetime | None) -> str | None:
    """UTC to the millisecond, ending in Z."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- the reader's side


def read_status(home: Path, *, stale_s: float = STALE_S) -> HomeStatus:
    """What may be believed of a home now; never `connected` from a collector that is not there.

    HomeRefused where ParkPulse never worked, or the file is no status.
    """
    here = Home(home)
    if not (here.exists() or (home / LEDGER_FILE).is_file() or (home / STATUS_FILE).is_file()):
        raise HomeRefused(home, "nothing was ever collected in it", "collect first, or give --home")
    written, held = _read_file(home / STATUS_FILE), is_collecting(home)
    disk = shutil.disk_usage(home)
    found = written or HomeStatus(home, is_running=held, why="", links=_from_ledger(home))
    found = replace(found, is_running=held)
    now = datetime.now(UTC)
    why = _doubt(found, disk.free, now, stale_s)
    return replace(
        found,
        home=home,
        why=why,
        links=tuple(_believed(link, found, why, now) for link in found.links),
        disk_free_bytes=disk.free,
        disk_total_bytes=disk.total,
        fill_bytes_per_s=fill_rate(home),
    )


def is_collecting(home: Path) -> bool:
    """Whether a collector holds the home; looks for microseconds at who holds its lock."""
    try:
        with (home / LOCK_FILE).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _read_file(path: Path) -> HomeStatus | None:
    """The status as its collector wrote it; None where none ever did."""
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise HomeRefused(path, f"it is no status ({error})", _REMEDY_FILE) from error
    try:
        if content["format"] != FORMAT:
            why = f"its format is {content['format']!r}, this ParkPulse reads {FORMAT}"
            raise HomeRefused(path, why, "use the version that collects")
        return HomeStatus(
            path.parent, is_running=True, why="",
            links=tuple(_link(link) for link in content["links"]),
            pid=int(content["pid"]),
            started=datetime.fromisoformat(content["started"]),
            written=datetime.fromisoformat(content["written"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise HomeRefused(path, f"it is no status ({error!r})", _REMEDY_FILE) from error


def _link(content: Mapping[str, Any]) -> LinkStatus:
    known = {name: value for name, value in content.items() if name in _FIELDS}
    if known["state"] not in STATES:
        raise ValueError(f"no state {known['state']!r}")
    times = {name: datetime.fromisoformat(known[name]) for name in _TIMES if known.get(name)}
    return LinkStatus(**{**known, **times, "notes": tuple(known.get("notes", ()))})


def _from_ledger(home: Path) -> tuple[LinkStatus, ...]:
    """The links of a home whose collector has left no status: what the ledger remembers."""
    with Ledger(home, read_only=True) as ledger:
        servers = ledger.summary()["servers"]
    return tuple(
        LinkStatus(
            site_id=one["site_id"], url=one["url"], server_uri=one["server_uri"], state="stopped",
            since=datetime.fromisoformat(one["since"]), why=one["why"], nodes=one["nodes"],
            quarantined=len(one["refused"]),
            open_gaps=sum(gap["to"] is None for gap in one["open_gaps"]),
        )
        for one in servers
        if one["state"] != "retired"
    )  # fmt: skip


def _doubt(found: HomeStatus, free_bytes: int, now: datetime, stale_s: float) -> str:
    """Why what was written down is not what is; blank where it is."""
    if not found.is_running:
        return "no collector is running"
    if found.written is None:
        return "a collector is running and has told nothing yet"
    age_s = (now - found.written).total_seconds()
    if age_s <= stale_s:
        return ""
    full = "; the disk is full" if free_bytes < 1 << 20 else ""
    return f"the collector (pid {found.pid}) has told nothing for {age_s:,.0f} s{full}"


def _believed(link: LinkStatus, found: HomeStatus, doubt: str, now: datetime) -> LinkStatus:
    """A link as far as it can be believed: without a collector it is stopped, whatever it said."""
    if not doubt:
        return link if link.state != "connected" else _still_heard(link, now)
    known = replace(link, values_per_s=None, lag_s=None)
    if found.is_running:
        return replace(known, state="unknown", why=doubt, since=found.written or link.since)
    if link.state == "stopped":
        return known
    last = f"it was {link.state}" + (f": {link.why}" if link.why else "")
    why = f"the collector ended without a word; {last}"
    return replace(known, state="stopped", why=why, since=found.written or link.since)


def _still_heard(link: LinkStatus, now: datetime) -> LinkStatus:
    """Connected holds at the moment of reading too, not only when it was written."""
    silent_s = None if link.last_heard is None else (now - link.last_heard).total_seconds()
    keep_alive_s = max(link.keep_alive_s or 0.0, WRITE_EVERY_S)
    state, why = published_state(
        Facts(session_active=True, silent_s=silent_s, keep_alive_s=keep_alive_s)
    )
    return replace(link, state=state, why=why or link.why)


def fill_rate(home: Path) -> float | None:
    """Bytes a second that segments took in the last hour; None where there are none that young."""
    now_s = time.time()
    sizes = [
        (now_s - status.st_mtime, status.st_size)
        for site in _folders(home / "segments")
        for entry in os.scandir(site)
        if (status := _stat(entry)) is not None and now_s - status.st_mtime <= _FILL_OVER_S
    ]
    if not sizes:
        return None
    oldest_s = max(age_s for age_s, _ in sizes)
    return sum(size for _, size in sizes) / max(oldest_s, _LEAST_FILL_S)


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None for a tail that was sealed meanwhile."""
    try:
        return entry.stat() if entry.is_file() else None
    except FileNotFoundError:
        return None


def status_json(status: HomeStatus) -> dict[str, Any]:
    """A home's status for `status --json`."""
    return {
        "home": str(status.home),
        "ok": status.is_well,
        "collector": {
            "running": status.is_running, "why": status.why, "pid": status.pid,
            "started": iso(status.started), "written": iso(status.written),
        },
        "disk": {
            "free_bytes": status.disk_free_bytes, "total_bytes": status.disk_total_bytes,
            "fill_bytes_per_s": status.fill_bytes_per_s, "lasts_s": status.lasts_s,
        },
        "links": [link_json(link) for link in status.links],
    }  # fmt: skip
