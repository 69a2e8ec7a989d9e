"""Work units, and rows that speak of a whole line or factory."""

from typing import Final, TypeAlias, TypeVar

import polars as pl

from pipelines.schemas import EQUIPMENT_KEY

UNIT: Final = EQUIPMENT_KEY

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)
AnyFrame: TypeAlias = pl.DataFrame | pl.LazyFrame


def eager(frame: AnyFrame) -> pl.DataFrame:
    """The frame in memory, in its own row order (the streaming engine would not keep it)."""
    return frame.lazy().collect(engine="in-memory")


def units_of(frame: pl.DataFrame) -> pl.DataFrame:
    """The work units named in `frame` (a tag catalogue or a list of work units), sorted."""
    return frame.select(UNIT).filter(pl.col("work_unit_id").is_not_null()).unique().sort(UNIT)


def lifespans(tags: pl.DataFrame) -> pl.DataFrame:
    """Per work unit until when any tag holds, `until`; null where one still does."""
    until = pl.when(pl.col("valid_to").is_not_null().all()).then(pl.col("valid_to").max())
    return tags.group_by(UNIT).agg(until=until)


def expand(rows: pl.DataFrame, work_units: pl.DataFrame) -> pl.DataFrame:
    """`rows` once per work unit they mean: a null line or work unit means all of the factory's.

    Adds `specificity`: 2 names the work unit, 1 the line, 0 the factory. The park is the unit's.
    """
    specificity = (
        pl.when(pl.col("work_unit_id").is_not_null())
        .then(2)
        .otherwise(pl.col("line_id").is_not_null().cast(pl.Int32))
    )
    wanted = rows.with_columns(specificity=specificity).rename(
        {"line_id": "_line", "work_unit_id": "_unit"}
    )
    meant = pl.col("_line").is_null() | (pl.col("_line") == pl.col("line_id"))
    meant &= pl.col("_unit").is_null() | (pl.col("_unit") == pl.col("work_unit_id"))
    return (
        wanted.drop("park_id")
        .join(work_units, on="factory_id")
        .filter(meant)
        .select(*rows.columns, "specificity")
    )
