"""What a link may be called, and what is told of it.

Never connected while it is silent: `published_state` decides.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

LinkStateType = Literal[
    "connecting", "backfilling", "connected", "degraded", "reconnecting", "refused", "stopped",
    "unknown",
]  # fmt: skip
"""Where a link stands; `unknown` is a reader's word alone, for a collector that says nothing."""
STATES: Final[tuple[LinkStateType, ...]] = get_args(LinkStateType)
STATUS_FILE: Final = "status.json"
FORMAT: Final = 1
WRITE_EVERY_S: Final = 1.0
SILENT_KEEP_ALIVES: Final = 2.0
"""One keep-alive may be late or lost; after two the link is not what it was."""
LAGGING_S: Final = 5.0
"""Rows that wait longer for the disk are no longer durable as promised (at most 2 s)."""


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


def link_json(link: LinkStatus) -> dict[str, Any]:
    """One link as JSON holds it."""
    content = asdict(link)
    return content | {name: iso(content[name]) for name in _TIMES}


def iso(time: datetime | None) -> str | None:
    """UTC to the millisecond, ending in Z."""
    if time is None:
        return None
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def link_of(content: Mapping[str, Any]) -> LinkStatus:
    """A link from its JSON; ValueError or KeyError for what is none."""
    known = {name: value for name, value in content.items() if name in _FIELDS}
    if known["state"] not in STATES:
        raise ValueError(f"no state {known['state']!r}")
    times = {name: datetime.fromisoformat(known[name]) for name in _TIMES if known.get(name)}
    return LinkStatus(**{**known, **times, "notes": tuple(known.get("notes", ()))})
