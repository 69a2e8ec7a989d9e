"""Which profile holds for which work unit from which production day on."""

from collections.abc import Callable
from typing import Final

import polars as pl

from pipelines.equipment import UNIT, AnyFrame, eager, expand, units_of
from pipelines.profiles import DEFAULT, PROFILES, Profile
from pipelines.schemas import CONVENTIONS

NO_CONVENTIONS: Final = pl.DataFrame(schema=CONVENTIONS)


def by_convention(
    figures: Callable[[Profile], pl.DataFrame], conventions: AnyFrame
) -> pl.DataFrame:
    """Figures of each work unit and production day by the profile that holds there.

    `figures` gives rows with the equipment key, `production_day` and `profile_id` of one profile;
    `conventions` is `schemas.CONVENTIONS`. Where none holds, the default does.
    """
    known = eager(conventions)
    parts = [(one, figures(one)) for one in _in_use(known)]
    return pl.concat(
        rows.join(_meant(rows, known), on=[*UNIT, "production_day"], nulls_equal=True)
        .filter(pl.col("_meant") == one.profile_id)
        .drop("_meant")
        for one, rows in parts
    )


def _in_use(conventions: pl.DataFrame) -> list[Profile]:
    """The default, and every profile of the table."""
    named = {DEFAULT.profile_id: DEFAULT}
    for row in conventions.iter_rows(named=True):
        named[row["profile_id"]] = Profile(
            row["profile_id"],
            PROFILES[row["rules"]].rules,
            row["breaks"],
            row["rework"],
            row["micro_stop_s"],
            row["start_up_s"],
            row["least_completeness"],
        )
    return list(named.values())


def _meant(rows: pl.DataFrame, conventions: pl.DataFrame) -> pl.DataFrame:
    """Per work unit and production day of `rows` the profile that is meant, `_meant`.

    The most specific convention that holds by then, however much later a wider one begins.
    """
    days = rows.select(*UNIT, "production_day").unique()
    every = expand(conventions, units_of(rows))
    held = days.join(every, on=UNIT, nulls_equal=True).filter(
        pl.col("valid_from") <= pl.col("production_day")
    )
    newest = held.sort("specificity", "valid_from", maintain_order=True).unique(
        [*UNIT, "production_day"], keep="last", maintain_order=True
    )
    chosen = newest.select(*UNIT, "production_day", _meant="profile_id")
    meant = days.join(chosen, on=[*UNIT, "production_day"], how="left", nulls_equal=True)
    return meant.with_columns(pl.col("_meant").fill_null(DEFAULT.profile_id))
