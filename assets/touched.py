"""Which factory-days new segments have touched: the sensor's arithmetic."""

import json
from datetime import date, timedelta

from assets.partitions import FACTORY_IDS
from connectors import received
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
        sealed, _ = received.sidecars(home, factory)
        new = [one for one in sealed if one.path.name > seen.get(factory, "")]
        if new:
            first = max(home.first_day, _first_day(new, home) - timedelta(days=1))
            found.append((Partition(first, factory), Partition(today, factory)))
            seen[factory] = max(one.path.name for one in sealed)
    return found, json.dumps(seen, sort_keys=True)


def _first_day(sidecars: list[Sidecar], home: Home) -> date:
    return min(day for sidecar in sidecars for day in received.asked_by(sidecar, home))


def cursor_of(cursor: str, first: Partition) -> str:
    """The part of a cursor that is a factory's own: its newest segment."""
    seen: dict[str, str] = json.loads(cursor)
    return seen[str(first.factory)]
