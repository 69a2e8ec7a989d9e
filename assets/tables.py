"""Tables read from the lake one by one: what people and collectors give, and days up to one."""

import logging
from datetime import date
from typing import Final

import polars as pl

from connectors.lake import Lake, Partition
from pipelines.schemas import TABLES

_logger: Final = logging.getLogger(__name__)


def readable(lake: Lake, table: str, factory: str) -> pl.DataFrame:
    """A factory's own table; empty where there is none or, with a warning, where it is broken."""
    found = lake.scan(table, [Partition(factory=factory)])
    try:
        return found.collect() if found is not None else pl.DataFrame(schema=TABLES[table])
    except (pl.exceptions.PolarsError, OSError) as error:
        _logger.warning("%s of %s cannot be read and is left out: %s", table, factory, error)
        return pl.DataFrame(schema=TABLES[table])


def up_to(lake: Lake, table: str, on: date) -> pl.DataFrame | None:
    """All partitions by day of a table up to a day, one after the other; None where none is."""
    parts = [one for one in lake.partitions(table) if one.day is not None and one.day <= on]
    rows = [frame for one in parts if (frame := lake.read(table, one)) is not None]
    return pl.concat(rows, how="diagonal") if rows else None  # older files know less
