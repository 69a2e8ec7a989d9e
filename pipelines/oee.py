"""OEE per work unit and shift, with the times and quantities it was computed from."""

from typing import Final

import polars as pl

from pipelines.amounts import IDEALS, US
from pipelines.coverage import NO_GAPS, covered, horizon
from pipelines.elements import SUMS, element_times
from pipelines.equipment import UNIT, AnyFrame, eager, units_of
from pipelines.indices import indices, ratios, roll_up
from pipelines.quantities import QUANTITIES, quantities
from pipelines.schemas import OEE_BY_SHIFT
from pipelines.shifts import SHIFT_KEY, busy_intervals, windows
from pipelines.states import stitch

__all__ = ["by_shift", "indices", "roll_up"]

PROFILE: Final = "opc40001-1"


def by_shift(
    state_episodes: AnyFrame,
    count_increments: AnyFrame,
    plan: AnyFrame,
    cycles: AnyFrame,
    coverage: AnyFrame,
    tags: AnyFrame,
    profile: str = PROFILE,
    gaps: AnyFrame = NO_GAPS,
) -> pl.DataFrame:
    """`schemas.OEE_BY_SHIFT`, one row per work unit and shift that has begun.

    `tags` may be the tag catalogue or a bare list of work units (then all of the factory's servers
    must be covered). Shifts that ended before the first coverage are left out; one that is not over
    at the end of its factory's coverage is cut there. Unknown time is no element: it is what lies
    outside coverage, in `gaps`, before the first state, or under a Bad one.
    """
    units = units_of(eager(tags))
    shifts, pieces = _clipped(eager(plan), eager(coverage), units)
    spans = covered(eager(coverage), eager(tags), eager(gaps))
    times = element_times(stitch(eager(state_episodes)), spans, pieces, profile)
    increments = eager(count_increments)
    counters = _counters(increments, eager(tags), units)
    made = quantities(increments, pieces, shifts, eager(cycles), counters)
    lasted = times.group_by("shift").agg(
        (pl.col("end") - pl.col("start")).dt.total_microseconds().sum().alias("pbt"),
        *(pl.sum(f"{name}_us").alias(name) for name in SUMS),
    )
    rows = shifts.join(lasted, on="shift", how="left").join(made, on="shift", how="left")
    return _figures(rows, profile).sort(*UNIT, "start", "shift_id")


def _clipped(
    plan: pl.DataFrame, coverage: pl.DataFrame, units: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(shifts, busy intervals) that coverage reaches, numbered by `shift` and cut at its end."""
    seen = horizon(coverage)
    begun = (pl.col("start") < pl.col("last")) & (pl.col("end") > pl.col("first"))
    shifts = (
        windows(plan, units)
        .join(seen, on="factory_id")
        .filter(begun)
        .with_columns(is_open=pl.col("end") > pl.col("last"))
        .with_columns(end=pl.min_horizontal("end", "last"))
        .drop("first")
        .with_row_index("shift")
    )
    number = shifts.select(*SHIFT_KEY, "shift", "last")
    pieces = (
        busy_intervals(plan, units)
        .join(number, on=SHIFT_KEY, nulls_equal=True)
        .with_columns(end=pl.min_horizontal("end", "last"))
        .filter(pl.col("start") < pl.col("end"))
        .drop("last")
    )
    return shifts.drop("last"), pieces


def _counters(increments: pl.DataFrame, tags: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """Which work units count their total and their good pieces themselves."""
    if "measure" in tags.columns:
        rows, name, total, good = tags, "measure", "parts_total", "parts_good"
    else:
        rows, name, total, good = increments, "kind", "total", "good"
    own = rows.group_by(UNIT).agg(
        has_total=(pl.col(name) == total).any(), has_good=(pl.col(name) == good).any()
    )
    return units.join(own, on=UNIT, nulls_equal=True, how="left")


def _figures(rows: pl.DataFrame, profile: str) -> pl.DataFrame:
    """Working sums as `schemas.OEE_BY_SHIFT`."""
    times = ["pbt", *SUMS]
    ideals = [*IDEALS, "ideal_known", "ideal_own"]
    counts = [*QUANTITIES, "pq_outside_plan"]
    idle = pl.col("pq").is_null()
    sums = rows.with_columns(
        *(pl.col(name).fill_null(0).alias(f"_{name}_us") for name in times),
        *(pl.when(idle).then(0).otherwise(f"{name}_us").alias(f"_{name}_us") for name in ideals),
        *(pl.col(name).fill_null(0) for name in counts),
    )
    seconds = [(pl.col(f"_{name}_us") / US).alias(f"{name}_s") for name in [*times, *IDEALS]]
    rated = sums.with_columns(*seconds, profile_id=pl.lit(profile))
    return (
        rated.with_columns(ratios(rated.columns))
        .with_columns(_bounds())
        .select(pl.col(name).cast(dtype) for name, dtype in OEE_BY_SHIFT.items())
    )


def _bounds() -> list[pl.Expr]:
    """completeness, lower and upper.

    Lower takes unknown time as lost, and pieces that were begun before a shift with unknown time
    as not its own. Upper lets the machine make good pieces at its ideal rate all unknown time; it
    stays below 1 unless OEE itself does not.
    """
    pbt, unknown = pl.col("_pbt_us"), pl.col("_unknown_us")
    least = (
        pl.when(unknown == 0)
        .then("_ideal_known_us")
        .otherwise(pl.min_horizontal("_ideal_known_us", "_ideal_own_us"))
    )
    most = pl.max_horizontal(pl.min_horizontal(pl.col("_ideal_known_us") + unknown, pbt), least)
    most = (
        pl.when(pl.col("_ideal_good_us").is_null())
        .then(pl.max_horizontal(most, pbt))
        .otherwise(most)
    )
    bounds = {"completeness": pbt - unknown, "lower": least, "upper": most}
    return [pl.when(pbt > 0).then(us / pbt).alias(name) for name, us in bounds.items()]
