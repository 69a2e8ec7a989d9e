"""Tables of a factory that people and collectors give, read one by one."""

import logging
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
