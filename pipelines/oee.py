"""OEE per work unit and shift, with the times and quantities it was computed from."""

from typing import Final

import polars as pl

from pipelines import readings
from pipelines.amounts import IDEALS, seconds
from pipelines.catalogue import is_measure, numbered
from pipelines.counters import KINDS
from pipelines.coverage import NO_GAPS, covered, horizon
from pipelines.elements import SUMS, element_times
from pipelines.equipment import UNIT, AnyFrame, eager, lifespans, units_of
from pipelines.indices import indices, ratios, roll_up
from pipelines.quantities import QUANTITIES, quantities
from pipelines.schemas import OEE_BY_SHIFT
from pipelines.shifts import SHIFT_KEY, busy_intervals, territories, windows

__all__ = ["by_shift", "indices", "roll_up"]

PROFILE: Final = "opc40001-1"
BOUNDING: Final = ["ideal_known", "ideal_most", "ideal_read", "ideal_own"]


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
    units = numbered(units_of(eager(tags)))
    shifts, own, pieces = _clipped(eager(plan), eager(coverage), units, eager(tags))
    spans = covered(eager(coverage), eager(tags), eager(gaps))
    times = element_times(state_episodes, spans, pieces, profile)
    lasted = times.group_by("shift").agg(
        (pl.col("end") - pl.col("start")).dt.total_microseconds().sum().alias("pbt"),
        *(pl.sum(f"{name}_us").alias(name) for name in SUMS),
    )
    counts = readings.by_kind(count_increments, units)
    spoken = readings.heard(counts)
    counters = _counters(spoken, eager(tags), units)
    uses = readings.needed(counters)
    doubts = readings.doubtful(readings.unread(counts, uses, spoken), pieces)
    made = quantities(counts, pieces, own, doubts, eager(cycles), counters)
    rows = (
        shifts.join(lasted, on="shift", how="left")
        .join(made, on="shift", how="left")
        .join(readings.lasted(doubts), on="shift", how="left")
        .join(readings.since(uses, spoken), on="unit_no", how="left")
    )
    return _figures(rows, profile).sort(*UNIT, "start", "shift_id")


def _clipped(
    plan: pl.DataFrame, coverage: pl.DataFrame, units: pl.DataFrame, tags: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(shifts, their own time, busy intervals) that coverage reaches, cut at its end.

    Numbered by `shift`, and by the `unit_no` of `units`. A work unit has no shifts after its last
    tag has ended: it was taken away or renamed.
    """
    seen = horizon(coverage)
    begun = (pl.col("start") < pl.col("last")) & (pl.col("end") > pl.col("first"))
    shifts = (
        _while_there(windows(plan, units), tags)
        .join(seen, on="factory_id")
        .filter(begun)
        .with_columns(is_open=pl.col("end") > pl.col("last"))
        .with_columns(end=pl.min_horizontal("end", "last"))
        .drop("first")
        .join(units, on=UNIT, nulls_equal=True, maintain_order="left")
        .with_row_index("shift")
    )
    number = shifts.select(*SHIFT_KEY, "shift", "unit_no", "last")

    def cut(spans: pl.DataFrame) -> pl.DataFrame:
        return (
            spans.join(number, on=SHIFT_KEY, nulls_equal=True)
            .with_columns(end=pl.min_horizontal("end", "last"))
            .filter(pl.col("start") < pl.col("end"))
            .drop("last")
        )

    own, pieces = cut(territories(plan, units)), cut(busy_intervals(plan, units))
    return shifts.drop("last"), own, pieces


def _while_there(shifts: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    if "valid_to" not in tags.columns:
        return shifts
    ended = lifespans(tags).filter(pl.col("until").is_not_null())
    there = shifts.join(ended, on=UNIT, how="left", nulls_equal=True, maintain_order="left")
    return there.filter((pl.col("start") < pl.col("until")).fill_null(value=True)).drop("until")


def _counters(spoken: pl.DataFrame, tags: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """The work units, and which kinds of pieces each counts itself, as `has_<kind>`."""
    if "measure" in tags.columns:
        wanted = tags.filter(is_measure(list(KINDS))).join(units, on=UNIT, nulls_equal=True)
        rows = wanted.select("unit_no", kind=pl.col("measure").replace(KINDS))
    else:
        rows = spoken.select("unit_no", pl.col("kind").cast(pl.String))
    own = rows.group_by("unit_no").agg(
        (pl.col("kind") == kind).any().alias(f"has_{kind}") for kind in KINDS.values()
    )
    return units.join(own, on="unit_no", how="left").with_columns(
        pl.col(f"has_{kind}").fill_null(value=False) for kind in KINDS.values()
    )


def _figures(rows: pl.DataFrame, profile: str) -> pl.DataFrame:
    """Working sums as `schemas.OEE_BY_SHIFT`."""
    times = ["pbt", *SUMS, "unread_pq", "unread_gq"]
    ideals = [*IDEALS, *BOUNDING]
    counts = [*QUANTITIES, "pq_outside_plan"]
    idle = pl.col("pq").is_null()
    sums = rows.with_columns(
        *(pl.col(name).fill_null(0).alias(f"_{name}_us") for name in times),
        *(pl.when(idle).then(0).otherwise(f"{name}_us").alias(f"_{name}_us") for name in ideals),
        *(pl.col(name).fill_null(0) for name in counts),
    ).with_columns(_evident())
    shown = [seconds(pl.col(f"_{name}_us")).alias(f"{name}_s") for name in ("pbt", *SUMS, *IDEALS)]
    rated = sums.with_columns(*shown, profile_id=pl.lit(profile))
    return (
        rated.with_columns(ratios(rated.columns))
        .with_columns(_bounds())
        .select(pl.col(name).cast(dtype) for name, dtype in OEE_BY_SHIFT.items())
    )


def _evident() -> list[pl.Expr]:
    """Pieces and their ideal times, null where no counter was read in the shift's busy time.

    A counter that only stood still was read: it speaks when it changes.
    """
    known = {
        figure: (pl.col(f"since_{figure}") < pl.col("end")).fill_null(value=False)
        & ((pl.col(f"_unread_{figure}_us") < pl.col("_pbt_us")) | (pl.col("_pbt_us") == 0))
        for figure in ("pq", "gq")
    }
    told = {"pq": known["pq"], "pq_outside_plan": known["pq"], "_ideal_total_us": known["pq"]}
    told |= {"gq": known["gq"], "_ideal_good_us": known["gq"]}
    told |= {name: known["pq"] | known["gq"] | (pl.col(name) > 0) for name in ("sq", "rq")}
    return [pl.when(is_told).then(name).alias(name) for name, is_told in told.items()]


def _bounds() -> list[pl.Expr]:
    """Completeness (of time), lower and upper.

    Lower takes unknown time as lost, and not as a shift's own what came over its edge while nobody
    listened: unread pieces, with unknown time all that were begun before. Upper lets the machine
    make good pieces at its ideal rate all unknown and unread time; it stays below 1 unless OEE
    itself does not.
    """
    pbt, unknown = pl.col("_pbt_us"), pl.col("_unknown_us")
    known = pl.col("_ideal_known_us")
    sure = pl.when(unknown == 0).then("_ideal_read_us").otherwise("_ideal_own_us")
    least = pl.min_horizontal(known, sure)
    reach = pl.col("_ideal_most_us") + unknown + pl.col("_unread_gq_us")
    most = pl.max_horizontal(pl.min_horizontal(reach, pbt), known)
    undefined = pl.col("_ideal_good_us").is_null()
    most = pl.when(undefined).then(pl.max_horizontal(most, pbt)).otherwise(most)
    bounds = {"completeness": pbt - unknown, "lower": least, "upper": most}
    return [pl.when(pbt > 0).then(us / pbt).alias(name) for name, us in bounds.items()]
