"""Which factory-days are stale and not yet asked for: the sensor's arithmetic."""

import hashlib
import json
from collections.abc import Collection
from datetime import date, timedelta

from assets.partitions import FACTORY_IDS, key_of
from connectors import fingerprints
from connectors.home import Home
from connectors.lake import Partition
from pipelines.fingerprints import boxes as runs_of

Box = tuple[Partition, Partition]


def boxes(
    home: Home, cursor: str | None, today: date, busy: Collection[str] = ()
) -> tuple[list[Box], str]:
    """Boxes of stale days, each of one factory and without a hole, and the cursor after them.

    The cursor has each day that was asked for and is not made yet, with the inputs it had then:
    a day is asked for once per change of its inputs, so a run that fails is not repeated for ever.
    Factories in `busy` wait.
    """
    before: dict[str, str] = json.loads(cursor) if cursor else {}
    asked: dict[str, str] = {}
    found: list[Box] = []
    for factory in FACTORY_IDS:
        if factory in busy:
            asked |= {key: token for key, token in before.items() if _is_of(key, factory)}
            continue
        stale = {
            key_of(Partition(day, factory)): (day, token)
            for day, token in fingerprints.stale(home, factory, today).items()
        }
        new = [day for key, (day, token) in stale.items() if before.get(key) != token]
        found += [(Partition(a, factory), Partition(b, factory)) for a, b in runs_of(new)]
        asked |= {key: token for key, (_, token) in stale.items()}
    return found, json.dumps(asked, sort_keys=True)


def _is_of(key: str, factory: str) -> bool:
    return key.partition("|")[2] == factory


def run_key(cursor: str, box: Box) -> str:
    """What tells a request from every other: its days, and what they are to be made from."""
    first, last = box
    assert first.day is not None
    assert last.day is not None
    days = [first.day + timedelta(days=n) for n in range((last.day - first.day).days + 1)]
    asked: dict[str, str] = json.loads(cursor)
    tokens = [asked[key_of(Partition(day, first.factory))] for day in days]
    told = hashlib.sha256("".join(tokens).encode()).hexdigest()[:16]
    return f"{key_of(first)}..{key_of(last)}@{told}"
