"""The plan: shifts, and the busy time in them."""

from typing import Final

import polars as pl

from pipelines.equipment import UNIT, expand, units_of

SHIFT_KEY: Final = [*UNIT, "production_day", "shift_id"]
CUTS: Final = ["break", "planned_maintenance"]


def windows(plan: pl.DataFrame, work_units: pl.DataFrame) -> pl.DataFrame:
    """One row per work unit and shift: equipment key, production_day, shift_id, start, end.

    Shifts that do not run (`not_planned`) are in it too, so that what they make is seen.
    """
    shifts = _shifts(expand(_proper(plan), units_of(work_units)))
    return shifts.group_by(SHIFT_KEY).agg(pl.min("start"), pl.max("end")).sort(*UNIT, "start")


def busy_intervals(plan: pl.DataFrame, work_units: pl.DataFrame) -> pl.DataFrame:
    """Planned busy time as disjoint pieces: equipment key, production_day, shift_id, start, end.

    Breaks and planned maintenance are cut out wherever they lie, overlaps counted once.
    """
    rows = expand(_proper(plan), units_of(work_units))
    shifts = _shifts(rows)
    cuts = [shifts.filter(pl.col("kind") == "not_planned"), rows.filter(pl.col("kind").is_in(CUTS))]
    pieces = shifts.filter(pl.col("kind") == "busy").unique([*SHIFT_KEY, "start", "end"])
    return _without(pieces, pl.concat(cuts).select(*UNIT, "start", "end"))


def _proper(plan: pl.DataFrame) -> pl.DataFrame:
    return plan.filter(pl.col("start") < pl.col("end"))


def _shifts(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that say whether a shift runs; the most specific hold: work unit, line, factory."""
    says = rows.filter(pl.col("kind").is_in(["busy", "not_planned"]))
    return says.filter(pl.col("specificity") == pl.col("specificity").max().over(SHIFT_KEY))


def _without(shifts: pl.DataFrame, cuts: pl.DataFrame) -> pl.DataFrame:
    """`shifts` less the union of `cuts` of the same work unit.

    Cuts sorted by start and closed by an empty one at the shift's end: what lies between the
    furthest end so far and the next start is busy.
    """
    shifts = shifts.sort(*UNIT, "start", "end").with_row_index("piece")
    inside = (
        shifts.join(
            cuts.rename({"start": "cut_start", "end": "cut_end"}), on=UNIT, nulls_equal=True
        )
        .filter(pl.col("cut_start") < pl.col("end"), pl.col("cut_end") > pl.col("start"))
        .select(*shifts.columns, "cut_start", "cut_end")
    )
    closing = shifts.with_columns(cut_start=pl.col("end"), cut_end=pl.col("end"))
    reached = pl.col("cut_end").shift(1).cum_max().over("piece", order_by="cut_start")
    return (
        pl.concat([inside, closing])
        .sort("piece", "cut_start", "cut_end")
        .with_columns(reached=reached)
        .with_columns(
            start=pl.max_horizontal("start", "reached"), end=pl.min_horizontal("end", "cut_start")
        )
        .filter(pl.col("start") < pl.col("end"))
        .select(*SHIFT_KEY, "start", "end")
        .sort(*UNIT, "start")
    )
