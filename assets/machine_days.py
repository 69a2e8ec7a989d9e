"""Silver of machines over some days, read from the home's lake, and what was collected of them."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl

from assets.partitions import HOME
from connectors.lake import Lake, Partition
from connectors.ledger import Ledger
from models.machine import Machine, machines
from pipelines import states
from pipelines.days import midnight
from pipelines.schemas import TABLES


def machines_of(factory: str, days: Sequence[date], tags: pl.DataFrame) -> list[Machine]:
    """The machines of a factory with their silver over some days, read once from the lake."""
    lake, parts = Lake(HOME.lake), [Partition(day, factory) for day in days]
    kinds = sorted(set(tags["machine_type"].drop_nulls()))
    scans = {kind: _scans(lake, f"process_values_{kind}", parts) for kind in kinds}
    return list(
        machines(
            tags,
            # a machine may have got a sensor between two days
            {kind: pl.concat(found, how="diagonal") for kind, found in scans.items() if found},
            states.stitch(table("state_episodes", parts)),
            table("count_increments", parts),
            table("cycles", [Partition(factory=factory)]),
        )
    )


def _scans(lake: Lake, name: str, partitions: Sequence[Partition]) -> list[pl.DataFrame]:
    found = (lake.read(name, one) for one in partitions)
    return [frame for frame in found if frame is not None]


def table(name: str, partitions: list[Partition]) -> pl.DataFrame:
    """Partitions of a lake table, empty with its schema where none exists."""
    found = Lake(HOME.lake).scan(name, partitions)
    return found.collect() if found is not None else pl.DataFrame(schema=TABLES[name])


def coverage_of(factory: str) -> pl.DataFrame:
    """What the ledger vouches for of a factory's servers."""
    with Ledger(HOME.root, read_only=True) as ledger:
        return ledger.coverage().filter(pl.col("factory_id") == factory)


def known_until(factory: str, day: date) -> datetime:
    """The end of a local day, or of what was collected where that comes first."""
    end = midnight(day + timedelta(days=1))
    last = coverage_of(factory)["to_time"].max()
    return min(end, last) if isinstance(last, datetime) else end
