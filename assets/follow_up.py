"""What was made of figures that were restated since: asked for again, for those days and no others.

What was never made is not its matter, nor is today: the night makes days that have ended
(`assets.nights`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from assets.partitions import FACTORY_IDS, key_of
from connectors.lake import Lake, Partition
from pipelines.fingerprints import CHARACTERS, DAY
from pipelines.fingerprints import boxes as runs_of

ROLLED_UP: Final = "rolled_up"
ANOMALIES: Final = "anomalies"
INDICATORS: Final = "indicators"

ROLLED: Final = ["oee_by_shift", "line_oee_by_shift"]
REPORTED: Final = ["oee_by_shift", "losses_by_shift"]
JUDGED: Final = ["state_episodes", "count_increments"]


class Made(NamedTuple):
    """A partition that a job made: one of its files, and the files that it was made of."""

    job: str
    partition: Partition
    path: Path
    inputs: list[Path]


class Request(NamedTuple):
    """Days of one job without a hole, first and last, and what tells it from every other."""

    job: str
    first: Partition
    last: Partition
    run_key: str


def requests(lake: Lake, cursor: str | None, today: date) -> tuple[list[Request], str]:
    """What is to be made again of days before `today`, and the cursor after it.

    The cursor has the inputs of all that was looked at: each change is asked for once. What it does
    not know yet is asked for where an input is newer.
    """
    before: dict[str, str] = json.loads(cursor) if cursor else {}
    seen: dict[str, str] = {}
    changed: dict[tuple[str, str | None], list[Partition]] = {}
    for made in (*_rolled_up(lake), *_judged(lake), *_indicated(lake)):
        if made.partition.day is None or made.partition.day >= today:
            continue
        name = _name(made.job, made.partition)
        seen[name] = _token(made.inputs)
        if seen[name] != before.get(name) and (name in before or _is_older(made)):
            changed.setdefault((made.job, made.partition.factory), []).append(made.partition)
    found = [
        _request(job, Partition(first, factory), Partition(last, factory), seen)
        for (job, factory), partitions in changed.items()
        for first, last in runs_of(one.day for one in partitions if one.day)
    ]
    return found, json.dumps(seen, sort_keys=True)


def _rolled_up(lake: Lake) -> Iterator[Made]:
    for one in lake.partitions("oee_roll_up"):
        inputs = [
            lake.path(table, Partition(one.day, factory))
            for table in ROLLED
            for factory in FACTORY_IDS
        ]
        yield Made(ROLLED_UP, one, lake.path("oee_roll_up", one), inputs)


def _judged(lake: Lake) -> Iterator[Made]:
    """Days of machines: their report has figures of the day, and the day before leads in."""
    measured = sorted(path.name for path in lake.root.glob("process_values_*"))
    for one in lake.partitions("anomaly_report"):
        assert one.day is not None
        near = (one, Partition(one.day - DAY, one.factory))
        inputs = [lake.path(table, part) for table in (*JUDGED, *measured) for part in near]
        inputs += [lake.path(table, one) for table in REPORTED]
        yield Made(ANOMALIES, one, lake.path("anomaly_report", one), inputs)


def _indicated(lake: Lake) -> Iterator[Made]:
    for one in lake.partitions("kpi"):
        yield Made(INDICATORS, one, lake.path("kpi", one), [lake.path("adoption", one)])


def _token(inputs: Iterable[Path]) -> str:
    """One hash of the files as they are; a file that holds the same rows is never written anew."""
    told = "\n".join(f"{written} {size}" for written, size in map(_stat, inputs))
    return hashlib.sha256(told.encode()).hexdigest()[:CHARACTERS]


def _is_older(made: Made) -> bool:
    return max(map(_stat, made.inputs)) > _stat(made.path)


def _stat(path: Path) -> tuple[int, int]:
    """When a file was written (nanoseconds) and its bytes; before all others where it is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_size


def _request(job: str, first: Partition, last: Partition, seen: Mapping[str, str]) -> Request:
    assert first.day is not None
    assert last.day is not None
    days = [first.day + DAY * n for n in range((last.day - first.day).days + 1)]
    tokens = "".join(seen[_name(job, Partition(day, first.factory))] for day in days)
    told = hashlib.sha256(tokens.encode()).hexdigest()[:CHARACTERS]
    return Request(job, first, last, f"{job} {key_of(first)}..{key_of(last)}@{told}")


def _name(job: str, partition: Partition) -> str:
    return f"{job} {key_of(partition)}"
