"""The plan of each machine as its factory's convention reads it: what its figures are made by."""

from functools import partial
from typing import Final

import polars as pl

from pipelines.catalogue import numbered
from pipelines.conventions import by_convention
from pipelines.equipment import AnyFrame, eager, expand, units_of
from pipelines.profiles import Profile, planned
from pipelines.schemas import PLAN
from pipelines.shifts import SHIFT_KEY, calendar_of

BUSY: Final = "busy"
NOT_PLANNED: Final = "not_planned"


def plan_by_unit(plan: AnyFrame, tags: AnyFrame, conventions: AnyFrame) -> pl.DataFrame:
    """PLAN with one row per work unit and piece: shifts as `oee_by_shift` has them, and cuts.

    Busy rows are the shifts' own time, disjoint; breaks that a convention keeps are no rows at all.
    """
    known = eager(plan)
    if known.is_empty():
        return known
    return by_convention(partial(_pieces, known), tags, known, conventions).sort(
        "work_unit_id", "start", "kind", maintain_order=True
    )


def _pieces(plan: pl.DataFrame, *, tags: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """The plan of the work units of `tags` by one profile."""
    units = numbered(units_of(tags))
    read = planned(plan, profile)
    own = units.join(calendar_of(read, units).own, on="unit_no", maintain_order="right")
    said = expand(read, units_of(tags))
    of_shift = pl.col("kind").is_in([BUSY, NOT_PLANNED])
    shifts = said.filter(of_shift).filter(
        pl.col("specificity") == pl.col("specificity").max().over(SHIFT_KEY)
    )
    runs = shifts.filter(pl.col("kind") == BUSY).select(SHIFT_KEY).unique()
    busy = own.join(runs, on=SHIFT_KEY, how="semi", nulls_equal=True).with_columns(
        kind=pl.lit(BUSY)
    )
    rest = pl.concat([shifts.filter(pl.col("kind") == NOT_PLANNED), said.filter(~of_shift)])
    return pl.concat([busy.select(PLAN.names()), rest.select(PLAN.names())]).cast(PLAN)
