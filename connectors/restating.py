"""Replacing figures so that what they were, and why they changed, stays on record."""

import logging
from datetime import datetime
from typing import Final

import polars as pl

from connectors.lake import Lake, Partition, Written
from pipelines.restatement import PARTS, restated, untold
from pipelines.schemas import RESTATEMENTS

OEE: Final = "oee_by_shift"
TABLE: Final = "restatements"

_logger: Final = logging.getLogger(__name__)


def table_of(figures: str) -> str:
    """The table beside a table of figures in which its restatements stand.

    One each: two that are made at once never write the same file.
    """
    return TABLE if figures == OEE else f"{TABLE}_of_{figures}"


def replace_figures(
    lake: Lake,
    figures: pl.DataFrame,
    partition: Partition,
    *,
    cause: str,
    at: datetime,
    run_id: str,
    table: str = OEE,
) -> tuple[Written, int]:
    """Write figures of a factory-day, and before it the restatements; gives how many those are.

    The first figures of a day restate nothing.
    """
    old = _standing(lake, table, partition)
    fresh = 0
    if old is not None:
        parts = PARTS.get(table, ())
        rows = restated(old, figures, cause=cause, at=at, run_id=run_id, parts=parts)
        before = told(lake, table, partition)
        new = untold(rows, before)
        fresh = new.height
        if fresh:
            lake.write(table_of(table), pl.concat([before, new]), partition)
    return lake.write(table, figures, partition), fresh


def told(lake: Lake, table: str, partition: Partition) -> pl.DataFrame:
    """The restatements of a factory-day's table of figures so far, oldest first."""
    found = lake.read(table_of(table), partition)
    rows = pl.DataFrame(schema=RESTATEMENTS) if found is None else found
    if "part" not in rows.columns:
        rows = rows.with_columns(part=pl.lit(None, pl.String))
    return rows.select(RESTATEMENTS.names())


def _standing(lake: Lake, table: str, partition: Partition) -> pl.DataFrame | None:
    """The figures as they stand; damaged ones are named and cannot be compared."""
    try:
        return lake.read(table, partition)
    except pl.exceptions.PolarsError as error:
        path, why = lake.path(table, partition), str(error).partition("\n")[0]
        _logger.warning("%s: it cannot be read (%s); it is written anew and restates nothing",
                        path, why)  # fmt: skip
        return None
