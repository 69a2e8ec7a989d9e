"""Which factory-days new segments have touched: the sensor's arithmetic."""

import hashlib
import json
from collections.abc import Iterable
from datetime import date, timedelta

from assets.partitions import FACTORY_IDS
from connectors import events, received
from connectors.event_segments import FOLDER
from connectors.home import Home
from connectors.lake import Partition
from connectors.segments import Sidecar

Box = tuple[Partition, Partition]


def boxes(home: Home, cursor: str | None, today: date) -> tuple[list[Box], str]:
    """One box of days per factory with segments not in `cursor`, and the cursor after them.

    A box starts a day before the first touched one (skewed clocks and night shifts reach back) and
    ends today: what is carried over midnight may change every day after.
    """
    seen: dict[str, str] = json.loads(cursor) if cursor else {}
    found: list[Box] = []
    for factory in FACTORY_IDS:
        sealed = [*received.sidecars(home, factory)[0], *events.sidecars(home, factory)[0]]
        new = unseen(sealed, seen)
        if new:
            first = max(home.first_day, _first_day(new, home) - timedelta(days=1))
            found.append((Partition(first, factory), Partition(today, factory)))
            seen |= newest(new)
    return found, json.dumps(seen, sort_keys=True)


def unseen(sealed: Iterable[Sidecar], seen: dict[str, str]) -> list[Sidecar]:
    """Segments behind the newest one seen of their own server."""
    return [one for one in sealed if one.path.name > seen.get(_writer(one), "")]


def newest(sealed: Iterable[Sidecar]) -> dict[str, str]:
    """The newest segment of each server, by site and server.

    Numbers are given when a segment opens, per site: only one server's are sealed in their order.
    """
    return {_writer(one): one.path.name for one in sorted(sealed, key=lambda one: one.path.name)}


def _writer(sidecar: Sidecar) -> str:
    of_events = "events/" if sidecar.path.parent.parent.name == FOLDER else ""
    return f"{sidecar.site_id}/{of_events}{sidecar.path.stem.partition('-')[2]}"


def _first_day(sidecars: list[Sidecar], home: Home) -> date:
    return min(day for sidecar in sidecars for day in received.asked_by(sidecar, home))


def cursor_of(cursor: str, first: Partition) -> str:
    """The part of a cursor that is a factory's own, as a short hash: it tells two runs apart."""
    seen: dict[str, str] = json.loads(cursor)
    own = sorted(name for writer, name in seen.items() if writer.startswith(f"{first.factory}/"))
    return hashlib.sha256("".join(own).encode()).hexdigest()[:16]
