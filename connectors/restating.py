"""Replacing figures so that what they were, and why they changed, stays on record."""

import logging
from datetime import datetime
from typing import Final

import polars as pl

from connectors.lake import Lake, Partition, Written
from pipelines.restatement import restated, untold

FIGURES: Final = "oee_by_shift"
TABLE: Final = "restatements"

_logger: Final = logging.getLogger(__name__)


def replace_figures(
    lake: Lake,
    figures: pl.DataFrame,
    partition: Partition,
    *,
    cause: str,
    at: datetime,
    run_id: str,
) -> tuple[Written, int]:
    """Write the OEE of a factory-day, and before it the restatements; gives how many those are.

    The first figures of a day restate nothing.
    """
    old = _standing(lake, partition)
    fresh = 0
    if old is not None:
        rows = restated(old, figures, cause=cause, at=at, run_id=run_id)
        told = lake.read(TABLE, partition)
        new = rows if told is None else untold(rows, told)
        fresh = new.height
        if fresh:
            lake.write(TABLE, new if told is None else pl.concat([told, new]), partition)
    return lake.write(FIGURES, figures, partition), fresh


def _standing(lake: Lake, partition: Partition) -> pl.DataFrame | None:
    """The figures as they stand; damaged ones are named and cannot be compared."""
    try:
        return lake.read(FIGURES, partition)
    except pl.exceptions.PolarsError as error:
        path, why = lake.path(FIGURES, partition), str(error).partition("\n")[0]
        _logger.warning("%s: it cannot be read (%s); it is written anew and restates nothing",
                        path, why)  # fmt: skip
        return None
