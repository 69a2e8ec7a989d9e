"""What a collector leaves behind so that the next one finds its subscriptions on the server.

A server keeps a subscription for a while after its client is gone, and every message that was not
acknowledged. Two files a server: what stands, and how far it is on disk (written after each commit,
before anything is acknowledged; no secret in either).
"""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.opcua.subscribe import Options, Revised, Standing


@dataclass(frozen=True, slots=True)
class Handover:
    """Subscriptions that may still stand: `nodes` are the texts of all NodeIds by handle.

    `started` names the run of the server; `handles` are those of each subscription, in order,
    `terms` how many of them, one after the other, are served alike, and how.
    `is_whole` is False where messages were lost and not yet read from history.
    """

    started: str
    options: Options
    nodes: Sequence[str]
    subscriptions: Sequence[Standing]
    handles: Sequence[Sequence[int]]
    terms: Sequence[Sequence[tuple[int, Revised]]]
    is_whole: bool = True
    events: tuple[int, int] | None = None
    """The subscription that monitors events, and with how many fields."""
    since: datetime | None = None
    """From when on they are heard; null until it is known."""


class HandoverFile:
    """The two files of one server; trouble with them costs a handover, never a collection."""

    def __init__(self, home: Path, site_id: str, server_uri: str) -> None:
        name = hashlib.sha256(server_uri.encode()).hexdigest()[:16]
        self._standing = home / "handover" / site_id / f"{name}.json"
        self._durable = self._standing.with_suffix(".durable.json")
        self._last: str = ""

    def write(self, handover: Handover) -> None:
        """Leave these subscriptions behind."""
        with contextlib.suppress(OSError):
            self._standing.parent.mkdir(parents=True, exist_ok=True)
            self.mark({s.id: s.durable for s in handover.subscriptions}, handover.is_whole)
            _replace(self._standing, json.dumps(asdict(handover), default=datetime.isoformat))

    def mark(self, durable: dict[int, int], is_whole: bool) -> None:
        """These are the newest sequence numbers on disk, by subscription."""
        text = json.dumps({"durable": durable, "is_whole": is_whole})
        if text != self._last:
            with contextlib.suppress(OSError):
                _replace(self._durable, text)
                self._last = text

    def read(self) -> Handover | None:
        """What was left behind; None where nothing was, or it cannot be read."""
        try:
            left = json.loads(self._standing.read_text())
            durable = json.loads(self._durable.read_text())
            return _handover(left, durable)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def left_by(self, started: str, options: Options) -> Handover | None:
        """Subscriptions made by this run of the server, as we would make them now."""
        left = self.read()
        if left is None or not started or (left.started, left.options) != (started, options):
            return None
        return left

    def forget(self) -> None:
        """Nothing stands on the server any more."""
        with contextlib.suppress(OSError):
            self._standing.unlink(missing_ok=True)


def _handover(left: dict[str, Any], durable: dict[str, Any]) -> Handover:
    marks = {int(key): int(value) for key, value in durable["durable"].items()}
    return Handover(
        started=str(left["started"]),
        options=Options(**left["options"]),
        nodes=[str(text) for text in left["nodes"]],
        subscriptions=[
            Standing(**{**one, "durable": marks[one["id"]]}) for one in left["subscriptions"]
        ],
        handles=[[int(handle) for handle in handles] for handles in left["handles"]],
        terms=[[(int(count), Revised(**one)) for count, one in terms] for terms in left["terms"]],
        is_whole=bool(durable["is_whole"]),
        events=(int(left["events"][0]), int(left["events"][1])) if left["events"] else None,
        since=datetime.fromisoformat(left["since"]) if left.get("since") else None,
    )


def _replace(path: Path, text: str) -> None:
    """A reader sees the old text or the new; after a power cut the old one is safe as well."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(path)
