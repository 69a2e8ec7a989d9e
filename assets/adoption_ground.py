"""What the adoption of each day was made from, whether it still is that, and what was replaced."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from assets.partitions import local_today
from connectors.arithmetic_version import ADOPTION, arithmetic_version
from connectors.home import Home
from connectors.lake import Lake, Partition, sha256_of
from pipelines.cloud import grounds
from pipelines.cloud.restated import restated, untold
from pipelines.fingerprints import CHARACTERS
from pipelines.fingerprints import boxes as runs_of
from pipelines.park_figures import ADOPTION_GROUND, ADOPTION_RESTATEMENTS

REGISTER: Final = [
    "enterprises", "sites", "machines", "terminals", "tenants", "declarations", "provider_use",
    "operating_days", "collector_down",
]  # fmt: skip
"""What adoption is counted from, beside the evidence of each day."""

EVIDENCE: Final = "terminal_days"
FIGURES: Final = "adoption"
GROUND: Final = "adoption_ground"
TOLD: Final = "adoption_restatements"

Grounds = Mapping[date, Mapping[str, str]]


def grounds_of(home: Home, tables: Mapping[str, pl.DataFrame], days: Sequence[date]) -> Grounds:
    """Per day the hashes of the register's tables and the evidence, as far as the day knows them.

    The arithmetic is one of them. Evidence is told file by file: the same rows keep their bytes.
    """
    lake = Lake(home.lake)
    by_table = {name: grounds.digests(name, tables[name], days) for name in REGISTER}
    files = ((one.day, sha256_of(lake.path(EVIDENCE, one))) for one in lake.partitions(EVIDENCE))
    by_table[EVIDENCE] = grounds.chained(files, days)
    by_table[grounds.CODE] = dict.fromkeys(days, arithmetic_version(*ADOPTION))
    return {day: {name: found[day] for name, found in by_table.items()} for day in days}


class Replacing(NamedTuple):
    """The figures that a run makes, beside those that stand.

    `made_from` has the days that are made and those that they lean on.
    """

    home: Home
    made_from: Grounds
    at: datetime
    run_id: str

    def ground(self, on: date) -> pl.DataFrame:
        """ADOPTION_GROUND of a day."""
        rows = list(self.made_from[on].items())
        told = pl.DataFrame(rows, schema=["component", "digest"], orient="row")
        is_open = on >= local_today(self.home, self.at)
        return told.with_columns(was_open=pl.lit(is_open)).match_to_schema(ADOPTION_GROUND)

    def is_current(self, on: date, *components: str) -> bool:
        """Whether a day was made from what it would be made from now, by default in everything."""
        was, now = self._made_from(on), self.made_from[on]
        return bool(was) and all(was.get(name) == now[name] for name in components or now)

    def _made_from(self, on: date) -> dict[str, str]:
        return _components(_read(Lake(self.home.lake), GROUND, Partition(on), ADOPTION_GROUND))

    def told(self, on: date, figures: pl.DataFrame) -> pl.DataFrame:
        """ADOPTION_RESTATEMENTS of a day so far, with what `figures` replace.

        Figures of a day that was not over were never said to be final.
        """
        lake, one = Lake(self.home.lake), Partition(on)
        before = _read(lake, TOLD, one, ADOPTION_RESTATEMENTS)
        was = _read(lake, GROUND, one, ADOPTION_GROUND)
        standing = lake.read(FIGURES, one)
        if standing is None or was["was_open"].any():
            return before
        why = grounds.cause(_components(was), self.made_from[on])
        rows = restated(standing, figures, cause=why, at=self.at, run_id=self.run_id)
        return pl.concat([before, untold(rows, before)])


class Stale(NamedTuple):
    """Days without a hole whose adoption is not what it would be made from now."""

    first: Partition
    last: Partition
    run_key: str


def stale(home: Home, cursor: str | None) -> tuple[list[Stale], str]:
    """Days before today that are to be made again, and the cursor after it.

    The cursor stands for the files as they are: nothing is read, and nothing asked for again,
    until one of them is another. Days that nobody made are the night's matter; a day of which
    nobody wrote down what it was made from is made again.
    """
    lake = Lake(home.lake)
    looked_at = _files(lake)
    if looked_at == cursor:
        return [], looked_at
    today = local_today(home)
    made = {
        one.day: _components(_read(lake, GROUND, one, ADOPTION_GROUND))
        for one in lake.partitions(FIGURES)
        if one.day and one.day < today
    }
    tables = {name: lake.read(name, Partition()) for name in REGISTER}
    known = {name: rows for name, rows in tables.items() if rows is not None}
    if not made or len(known) < len(REGISTER):
        return [], looked_at
    now = grounds_of(home, known, sorted(made))
    differ = [day for day, was in made.items() if was != now[day]]
    return [
        Stale(Partition(first), Partition(last), f"adoption {first}..{last}@{looked_at}")
        for first, last in runs_of(differ)
    ], looked_at


def _components(ground: pl.DataFrame) -> dict[str, str]:
    return dict(ground.select("component", "digest").iter_rows())


def _read(lake: Lake, table: str, partition: Partition, schema: pl.Schema) -> pl.DataFrame:
    found = lake.read(table, partition)
    return schema.to_frame() if found is None else found


def _files(lake: Lake) -> str:
    """One hash of when each file of the inputs, and of what they became, was written."""
    files = [f"{path} {path.stat().st_mtime_ns}" for path in _paths(lake)]
    told = [arithmetic_version(*ADOPTION), *files]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:CHARACTERS]


def _paths(lake: Lake) -> Iterator[Path]:
    for table in (*REGISTER, EVIDENCE, GROUND):
        yield from (lake.path(table, one) for one in lake.partitions(table))
