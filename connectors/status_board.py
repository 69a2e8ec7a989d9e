"""The collector's side of its status: one file in the home, written whole once a second."""

import asyncio
import contextlib
import json
import logging
import os
import time
from collections import deque
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from connectors.link_status import FORMAT, STATUS_FILE, WRITE_EVERY_S, LinkStatus, iso, link_json

log = logging.getLogger(__name__)
_RATE_OVER_S: Final = 10.0


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
