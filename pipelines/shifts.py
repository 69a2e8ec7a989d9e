"""The plan: shifts, and the busy time in them."""

from typing import Final, NamedTuple

import polars as pl

from pipelines.catalogue import numbered
from pipelines.coverage import disjoint
from pipelines.equipment import UNIT, expand, units_of

SHIFT_KEY: Final = [*UNIT, "production_day", "shift_id"]
KEY: Final = ["unit_no", "production_day", "shift_id"]
CUTS: Final = ["break", "planned_maintenance"]


class Calendar(NamedTuple):
    """`unit_no` (of `catalogue.numbered`), production_day, shift_id, start, end of three things.

    `windows`: one row per work unit and shift; shifts that do not run (`not_planned`) are in it
    too, so that what they make is seen. `own`: the time of each shift as disjoint pieces, a window
    less those that begin later in it. `busy`: planned busy time as disjoint pieces; breaks and
    planned maintenance are cut out wherever they lie, overlaps counted once.
    """

    windows: pl.DataFrame
    own: pl.DataFrame
    busy: pl.DataFrame


def calendar_of(plan: pl.DataFrame, units: pl.DataFrame) -> Calendar:
    """What the plan says of work units; where two shifts overlap, the time is of the later one."""
    rows = expand(_proper(plan), units_of(units)).join(units, on=UNIT, nulls_equal=True).drop(UNIT)
    shifts = _shifts(rows)
    whole = _windows(shifts)
    rivals = _rivals(whole)
    busy = shifts.filter(pl.col("kind") == "busy").rename({"start": "from_time", "end": "to_time"})
    pieces = (
        disjoint(busy, KEY)
        .rename({"from_time": "start", "to_time": "end"})
        .join(whole.select(*KEY, "turn"), on=KEY)
    )
    cuts = [shifts.filter(pl.col("kind") == "not_planned"), rows.filter(pl.col("kind").is_in(CUTS))]
    always = pl.concat(cuts).select("unit_no", "start", "end", turn=pl.lit(None, pl.UInt32))
    left = _without(pieces, pl.concat([always, rivals]))
    return Calendar(whole.drop("turn"), _without(whole, rivals), left)


def busy_intervals(plan: pl.DataFrame, work_units: pl.DataFrame) -> pl.DataFrame:
    """`Calendar.busy` with the equipment key instead of `unit_no`."""
    units = numbered(work_units)
    busy = units.join(calendar_of(plan, units).busy, on="unit_no", maintain_order="right")
    return busy.select(*SHIFT_KEY, "start", "end")


def _proper(plan: pl.DataFrame) -> pl.DataFrame:
    return plan.filter(pl.col("start") < pl.col("end"))


def _shifts(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows that say whether a shift runs; the most specific hold: work unit, line, factory."""
    says = rows.filter(pl.col("kind").is_in(["busy", "not_planned"]))
    return says.filter(pl.col("specificity") == pl.col("specificity").max().over(KEY))


def _windows(shifts: pl.DataFrame) -> pl.DataFrame:
    """From the first to the last of a shift's rows; by `turn`, a later start behind an earlier."""
    whole = shifts.group_by(KEY).agg(pl.min("start"), pl.max("end"))
    keys = pl.col("production_day", "shift_id")
    return whole.sort("unit_no", "start", -pl.col("end").to_physical(), keys).with_row_index("turn")


def _rivals(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows that begin before an earlier one of their work unit is over."""
    reached = pl.col("end").shift(1).cum_max().over("unit_no", order_by="turn")
    return windows.filter(pl.col("start") < reached).select("unit_no", "start", "end", "turn")


def _without(shifts: pl.DataFrame, cuts: pl.DataFrame) -> pl.DataFrame:
    """`shifts` less the union of `cuts` of the same work unit.

    A cut with a `turn` is a window and takes from those with a lower one only. Cuts sorted by start
    and closed by an empty one at the shift's end: what lies between the furthest end so far and
    the next start is left.
    """
    if cuts.is_empty():
        return shifts.select(*KEY, "start", "end").sort("unit_no", "start", "end")
    shifts = shifts.sort("unit_no", "start", "end", "turn").with_row_index("piece")
    taken = cuts.rename({"start": "cut_start", "end": "cut_end", "turn": "cut_turn"})
    inside = (
        shifts.join(taken, on="unit_no")
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
        .select(*KEY, "start", "end")
        .sort("unit_no", "start")
    )
