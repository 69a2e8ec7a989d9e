"""What is asked for: the shifts of work units, their busy time, and what vouches for it."""

from typing import NamedTuple

import polars as pl

from pipelines import lanes, readings
from pipelines.catalogue import is_measure, numbered
from pipelines.counters import KINDS
from pipelines.coverage import covered, horizon
from pipelines.equipment import UNIT, AnyFrame, eager, lifespans, units_of
from pipelines.profiles import Profile, planned
from pipelines.shifts import KEY, SHIFT_KEY, calendar_of


class Timed(NamedTuple):
    """Shifts (numbered by `shift`) of work units (by `unit_no`), cut at the end of coverage.

    `own` is the time of each shift and `pieces` its busy intervals, both disjoint; `covered` spans
    by work unit; `units` their numbers and `tags` what is known of them.
    """

    shifts: pl.DataFrame
    own: pl.DataFrame
    pieces: pl.DataFrame
    covered: pl.DataFrame
    units: pl.DataFrame
    tags: pl.DataFrame


class Asked(NamedTuple):
    """The time asked for (see `Timed`) and what was read in it.

    `states` the episodes as they were given; `counts` what was read of pieces; `unread` when in
    busy time a figure's counters were not, one by one, `doubts` the same as disjoint spans; `since`
    from when on they had spoken; `counters` the kinds a work unit counts.
    """

    states: AnyFrame
    shifts: pl.DataFrame
    own: pl.DataFrame
    pieces: pl.DataFrame
    covered: pl.DataFrame
    counts: lanes.Counts
    counters: pl.DataFrame
    unread: pl.DataFrame
    doubts: pl.DataFrame
    since: pl.DataFrame


def asked(
    state_episodes: AnyFrame,
    count_increments: AnyFrame,
    plan: AnyFrame,
    coverage: AnyFrame,
    tags: AnyFrame,
    gaps: AnyFrame,
    profile: Profile,
) -> Asked:
    """The shifts that have begun, and what is known of their time and counters."""
    time = timed(plan, coverage, tags, gaps, profile)
    return counted(time, state_episodes, lanes.counts(count_increments, time.units))


def timed(
    plan: AnyFrame, coverage: AnyFrame, tags: AnyFrame, gaps: AnyFrame, profile: Profile
) -> Timed:
    """The shifts that have begun, and what is known of their time."""
    known, vouched = eager(tags), eager(coverage)
    units = numbered(units_of(known))
    shifts, own, pieces = _clipped(planned(eager(plan), profile), vouched, units, known)
    return Timed(shifts, own, pieces, covered(vouched, known, eager(gaps)), units, known)


def counted(time: Timed, state_episodes: AnyFrame, counts: lanes.Counts) -> Asked:
    """The same with what is known of its counters."""
    spoken = lanes.heard(counts)
    counters = _counters(spoken, time.tags, time.units)
    uses = readings.needed(counters)
    unread = readings.doubtful(readings.unread(counts.told, uses, spoken), time.pieces)
    return Asked(
        state_episodes,
        time.shifts,
        time.own,
        time.pieces,
        time.covered,
        counts,
        counters,
        unread,
        readings.together(unread),
        readings.since(uses, spoken),
    )


def _clipped(
    plan: pl.DataFrame, coverage: pl.DataFrame, units: pl.DataFrame, tags: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """(shifts, their own time, busy intervals) that coverage reaches, cut at its end.

    Numbered by `shift`, and by the `unit_no` of `units`. A work unit has no shifts after its last
    tag has ended: it was taken away or renamed.
    """
    seen, calendar = horizon(coverage), calendar_of(plan, units)
    begun = (pl.col("start") < pl.col("last")) & (pl.col("end") > pl.col("first"))
    windows = units.join(calendar.windows, on="unit_no", maintain_order="right")
    shifts = (
        _while_there(windows, tags)
        .join(seen, on="factory_id", maintain_order="left")
        .filter(begun)
        .with_columns(is_open=pl.col("end") > pl.col("last"))
        .with_columns(end=pl.min_horizontal("end", "last"))
        .drop("first")
        .with_row_index("shift")
    )
    number = shifts.select(*SHIFT_KEY, "shift", "unit_no", "last")

    def cut(spans: pl.DataFrame) -> pl.DataFrame:
        return (
            spans.join(number, on=KEY, maintain_order="left")
            .with_columns(end=pl.min_horizontal("end", "last"))
            .filter(pl.col("start") < pl.col("end"))
            .drop("last")
        )

    return shifts.drop("last"), cut(calendar.own), cut(calendar.busy)


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
