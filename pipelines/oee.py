"""OEE per work unit and shift, with the times and quantities it was computed from."""

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import polars as pl

from pipelines import readings
from pipelines.amounts import IDEALS, seconds
from pipelines.asked import Asked, counted, timed
from pipelines.catalogue import numbered
from pipelines.coverage import NO_GAPS
from pipelines.elements import SUMS, element_times
from pipelines.equipment import UNIT, AnyFrame, eager, units_of
from pipelines.indices import indices, ratios, roll_up
from pipelines.lanes import counts
from pipelines.profiles import DEFAULT, Profile, profile_of
from pipelines.quantities import QUANTITIES, by_product, per_shift
from pipelines.schemas import OEE_BY_SHIFT
from pipelines.unseen import UNSEEN, unseen

__all__ = ["by_shift", "indices", "roll_up"]

BESIDE_PQ: Final = ["pq_outside_plan", "pq_estimated"]
BOUNDING: Final = ["ideal_known", "ideal_most", "ideal_read", "ideal_as_read"]


def by_shift(
    state_episodes: AnyFrame,
    count_increments: AnyFrame,
    plan: AnyFrame,
    cycles: AnyFrame,
    coverage: AnyFrame,
    tags: AnyFrame,
    profile: str | Profile = DEFAULT,
    gaps: AnyFrame = NO_GAPS,
) -> pl.DataFrame:
    """`schemas.OEE_BY_SHIFT`, one row per work unit and shift that has begun.

    `tags` may be the tag catalogue or a bare list of work units (then all of the factory's servers
    must be covered). Shifts that ended before the first coverage are left out; one that is not over
    at the end of its factory's coverage is cut there. Unknown time is no element: it is what lies
    outside coverage, in `gaps`, before the first state, or under a Bad one. KeyError where there is
    no such profile.
    """
    rules = profile_of(profile)
    prices, known_tags = eager(cycles), eager(tags)
    # What knows nothing of each other goes on side by side: Polars keeps no lock.
    with ThreadPoolExecutor(2) as beside:
        reading = beside.submit(counts, count_increments, numbered(units_of(known_tags)))
        time = timed(plan, coverage, known_tags, gaps, rules)
        times = beside.submit(element_times, state_episodes, time.covered, time.pieces, rules)
        known = counted(time, state_episodes, reading.result())
        hidden = beside.submit(unseen, known, prices)
        made = by_product(known, prices, rules)
    return figures(known, times.result(), made, hidden.result(), rules)


def figures(
    known: Asked, times: pl.DataFrame, made: pl.DataFrame, hidden: pl.DataFrame, profile: Profile
) -> pl.DataFrame:
    """`schemas.OEE_BY_SHIFT` of what was asked for, its `element_times`, pieces and `unseen`."""
    lasted = times.group_by("shift").agg(
        (pl.col("end") - pl.col("start")).dt.total_microseconds().sum().alias("pbt"),
        *(pl.sum(f"{name}_us").alias(name) for name in SUMS),
    )
    rows = (
        known.shifts.join(lasted, on="shift", how="left")
        .join(per_shift(made), on="shift", how="left")
        .join(readings.lasted(known.doubts), on="shift", how="left")
        .join(hidden, on="shift", how="left")
        .join(known.since, on="unit_no", how="left")
    )
    return _figures(rows, profile).sort(*UNIT, "start", "shift_id")


def _figures(rows: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """Working sums as `schemas.OEE_BY_SHIFT`."""
    times = ["pbt", *SUMS, "unread_pq", "unread_gq"]
    ideals = [*IDEALS, *BOUNDING]
    counts = [*QUANTITIES, *BESIDE_PQ]
    idle = pl.col("pq").is_null()
    sums = rows.with_columns(
        *(pl.col(name).fill_null(0).alias(f"_{name}_us") for name in times),
        *(pl.when(idle).then(0).otherwise(f"{name}_us").alias(f"_{name}_us") for name in ideals),
        *(pl.col(name).fill_null(0) for name in (*counts, *UNSEEN)),
    ).with_columns(_evident())
    shown = [seconds(pl.col(f"_{name}_us")).alias(f"{name}_s") for name in ("pbt", *SUMS, *IDEALS)]
    rated = sums.with_columns(*shown, profile_id=pl.lit(profile.profile_id))
    return (
        rated.with_columns(ratios(rated.columns))
        .with_columns(_bounds())
        .with_columns(is_reliable=_reliable(profile))
        .select(pl.col(name).cast(dtype) for name, dtype in OEE_BY_SHIFT.items())
    )


def _reliable(profile: Profile) -> pl.Expr:
    enough = pl.col("completeness") >= profile.least_completeness
    return (enough & pl.col("oee").is_not_null()).fill_null(value=False)


def _evident() -> list[pl.Expr]:
    """Pieces and their ideal times, null where no counter was read in the shift's busy time.

    A counter that only stood still was read: it speaks when it changes.
    """
    known = {
        figure: (pl.col(f"since_{figure}") < pl.col("end")).fill_null(value=False)
        & ((pl.col(f"_unread_{figure}_us") < pl.col("_pbt_us")) | (pl.col("_pbt_us") == 0))
        for figure in ("pq", "gq")
    }
    told = dict.fromkeys(("pq", *BESIDE_PQ, "_ideal_total_us"), known["pq"])
    told |= {"gq": known["gq"], "_ideal_good_us": known["gq"]}
    told |= {name: known["pq"] | known["gq"] | (pl.col(name) > 0) for name in ("sq", "rq")}
    return [pl.when(is_told).then(name).alias(name) for name, is_told in told.items()]


def _bounds() -> list[pl.Expr]:
    """Completeness (of time), lower and upper.

    Lower counts what surely was made in the shift and takes unknown time as lost. Upper lets the
    machine make good pieces at its ideal rate all unknown and unread time, and end one begun before
    in each such spell; the pieces of a spell within busy time came with the next reading, though
    perhaps of a slower product. All that was read in the shift may have been made in it. It stays
    below 1 unless OEE itself does not.
    """
    pbt, unknown = pl.col("_pbt_us"), pl.col("_unknown_us")
    known = pl.col("_ideal_known_us")
    least = pl.min_horizontal(known, "_ideal_read_us")
    slower = pl.min_horizontal("closed", "unseen") * pl.col("spread_us")
    reach = pl.sum_horizontal("_ideal_most_us", unknown, "unread_us", "cut_us", slower)
    reached = pl.max_horizontal(reach, "_ideal_as_read_us")
    most = pl.max_horizontal(pl.min_horizontal(reached, pbt), known)
    undefined = pl.col("_ideal_good_us").is_null()
    most = pl.when(undefined).then(pl.max_horizontal(most, pbt)).otherwise(most)
    bounds = {"completeness": pbt - unknown, "lower": least, "upper": most}
    return [pl.when(pbt > 0).then(us / pbt).alias(name) for name, us in bounds.items()]
