"""The published state of a collector, read from its home and never believed when old.

Times are the machine's own, UTC, replays included.
"""

import fcntl
import json
import os
import shutil
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from connectors.errors import HomeRefused
from connectors.home import Home
from connectors.ledger import LEDGER_FILE, Ledger
from connectors.link_status import (
    FORMAT,
    STATUS_FILE,
    WRITE_EVERY_S,
    Facts,
    HomeStatus,
    LinkStatus,
    iso,
    link_json,
    link_of,
    published_state,
)

LOCK_FILE: Final = "collector.lock"
STALE_S: Final = 10.0
"""A collector that is well writes once a second: ten times that is no pause, it is stuck."""
_FILL_OVER_S: Final = 3600.0
_LEAST_FILL_S: Final = 60.0
_REMEDY_FILE: Final = "delete it; a running collector writes it anew within a second"


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
            links=tuple(link_of(link) for link in content["links"]),
            pid=int(content["pid"]),
            started=datetime.fromisoformat(content["started"]),
            written=datetime.fromisoformat(content["written"]),
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise HomeRefused(path, f"it is no status ({error!r})", _REMEDY_FILE) from error


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
