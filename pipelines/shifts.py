"""The plan: shifts, and the busy time in them."""

from typing import Final

import polars as pl

from pipelines.coverage import disjoint
from pipelines.equipment import UNIT, expand, units_of

SHIFT_KEY: Final = [*UNIT, "production_day", "shift_id"]
CUTS: Final = ["break", "planned_maintenance"]


def windows(plan: pl.DataFrame, work_units: pl.DataFrame) -> pl.DataFrame:
    """One row per work unit and shift: equipment key, production_day, shift_id, start, end.

    Shifts that do not run (`not_planned`) are in it too, so that what they make is seen.
    """
    return _windows(_shifts(expand(_proper(plan), units_of(work_units)))).drop("turn")


def territories(plan: pl.DataFrame, work_units: pl.DataFrame) -> pl.DataFrame:
    """The time of each shift as disjoint pieces: a window less those that begin later in it."""
    whole = _windows(_shifts(expand(_proper(plan), units_of(work_units))))
    return _without(whole, _rivals(whole))


def busy_intervals(plan: pl.DataFrame, work_units: pl.DataFrame) -> pl.DataFrame:
    """Planned busy time as disjoint pieces: equipment key, production_day, shift_id, start, end.

    Breaks and planned maintenance are cut out wherever they lie, overlaps counted once; where two
    shifts overlap, the time is of the later one (see `territories`).
    """
    rows = expand(_proper(plan), units_of(work_units))
    shifts = _shifts(rows)
    whole = _windows(shifts)
    busy = shifts.filter(pl.col("kind") == "busy").rename({"start": "from_time", "end": "to_time"})
    pieces = (
        disjoint(busy, SHIFT_KEY)
        .rename({"from_time": "start", "to_time": "end"})
        .join(whole.select(*SHIFT_KEY, "turn"), on=SHIFT_KEY, nulls_equal=True)
    )
    cuts = [shifts.filter(pl.col("kind") == "not_planned"), rows.filter(pl.col("kind").is_in(CUTS))]
    always = pl.concat(cuts).select(*UNIT, "start", "end", turn=pl.lit(None, pl.UInt32))
    return _without(pieces, pl.concat([always, _rivals(whole)]))


def _proper(plan: pl.DataFrame) -> pl.DataFrame:
    return plan.filter(pl.col("start") < pl.col("end"))


def _shifts(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that say whether a shift runs; the most specific hold: work unit, line, factory."""
    says = rows.filter(pl.col("kind").is_in(["busy", "not_planned"]))
    return says.filter(pl.col("specificity") == pl.col("specificity").max().over(SHIFT_KEY))


def _windows(shifts: pl.DataFrame) -> pl.DataFrame:
    """From the first to the last of a shift's rows; by `turn`, a later start behind an earlier."""
    whole = shifts.group_by(SHIFT_KEY).agg(pl.min("start"), pl.max("end"))
    keys = pl.col("production_day", "shift_id")
    return whole.sort(*UNIT, "start", -pl.col("end").to_physical(), keys).with_row_index("turn")


def _rivals(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows that begin before an earlier one of their work unit is over."""
    reached = pl.col("end").shift(1).cum_max().over(UNIT, order_by="turn")
    return windows.filter(pl.col("start") < reached).select(*UNIT, "start", "end", "turn")


def _without(shifts: pl.DataFrame, cuts: pl.DataFrame) -> pl.DataFrame:
    """`shifts` less the union of `cuts` of the same work unit.

    A cut with a `turn` is a window and takes from those with a lower one only. Cuts sorted by start
    and closed by an empty one at the shift's end: what lies between the furthest end so far and
    the next start is left.
    """
    shifts = shifts.sort(*UNIT, "start", "end", "turn").with_row_index("piece")
    taken = cuts.rename({"start": "cut_start", "end": "cut_end", "turn": "cut_turn"})
    inside = (
        shifts.join(taken, on=UNIT, nulls_equal=True)
        .filter(pl.col("cut_start") < pl.col("end"), pl.col("cut_end") > pl.col("start"))
        .filter(pl.col("cut_turn").is_null() | (pl.col("cut_turn") > pl.col("turn")))
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
