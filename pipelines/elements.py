"""How long each time element lasted inside an interval, in whole microseconds."""

from typing import Final

import polars as pl

from pipelines.axis import Axis, atoms, axis, ordered, with_unit_no
from pipelines.catalogue import numbered
from pipelines.equipment import AnyFrame, eager
from pipelines.profiles import ELEMENTS, STATED, Profile, element_no

SUMS: Final = [*ELEMENTS, "unknown"]
READ: Final = ["park_id", "factory_id", "line_id", "work_unit_id", "start", *STATED]
"""What is read of an episode: it lasts until the next one starts."""


def element_times(
    episodes: AnyFrame, covered: pl.DataFrame, intervals: pl.DataFrame, profile: Profile
) -> pl.DataFrame:
    """Adds `apt_us aust_us adet_us adot_us unknown_us` to intervals (equipment key, start, end).

    Episodes may come day by day: of several with one start the last holds. Unknown is what no state
    tells or no coverage vouches for; the five sum to end less start. The intervals of a work unit
    are disjoint. Each element's running total is taken at both edges (prefix sums): cost grows with
    the sum of episodes and intervals, not with their product.
    """
    units = numbered(intervals)
    states = with_unit_no(eager(episodes.lazy().select(READ)), units)
    rows = with_unit_no(intervals, units).with_row_index("id")
    whole = axis(units.height, [states["start"], rows["start"], rows["end"]])
    known = _known(rows, with_unit_no(covered, units), states)
    totals = _running(states, whole, profile)
    at_start, at_end = (_at(known.select(at=whole.at(edge)), totals) for edge in ("start", "end"))
    spent = (at_end - at_start).with_columns(known["interval"])
    lasted = pl.col("end") - pl.col("start")
    return (
        rows.join(
            spent.group_by("interval").agg(pl.sum(*ELEMENTS)),
            left_on="id", right_on="interval", how="left", maintain_order="left",
        )
        .with_columns(pl.col(ELEMENTS).fill_null(0))
        .with_columns(unknown=lasted.dt.total_microseconds() - pl.sum_horizontal(ELEMENTS))
        .select(pl.col(name).alias(f"{name}_us") for name in SUMS)
    ).hstack(intervals).select(*intervals.columns, *(f"{name}_us" for name in SUMS))  # fmt: skip


def _known(rows: pl.DataFrame, covered: pl.DataFrame, states: pl.DataFrame) -> pl.DataFrame:
    """The parts of intervals that are covered, from the first state of a work unit on."""
    spans = covered.select("unit_no", start="from_time", end="to_time", id=1)
    never = pl.lit(None, states.schema["start"])
    told = states.group_by("unit_no").agg(pl.min("start")).with_columns(end=never, id=1)
    parts = atoms({"interval": rows, "covered": spans, "told": told})
    return parts.filter(pl.all_horizontal(pl.col("interval", "covered", "told").is_not_null()))


def _running(states: pl.DataFrame, whole: Axis, profile: Profile) -> pl.DataFrame:
    """`at`, the `element` from there on, and per element the microseconds spent in it before.

    A work unit's last state runs on to the next unit's first, where no interval asks for it.
    """
    rows = ordered(states.select(at=whole.at("start"), element=element_no(profile)))
    lasted = pl.col("at").shift(-1) - pl.col("at")
    return rows.with_columns(
        pl.when(pl.col("element") == number).then(lasted).otherwise(0)
        .cum_sum().shift(1, fill_value=0).alias(name)
        for number, name in enumerate(ELEMENTS)
    )  # fmt: skip


def _at(edges: pl.DataFrame, totals: pl.DataFrame) -> pl.DataFrame:
    """The running totals at each edge; edges and totals are sorted."""
    since = totals.with_columns(since="at")
    found = edges.join_asof(since, on="at", check_sortedness=False)
    passed = pl.col("at") - pl.col("since")
    return found.select(
        pl.col(name) + pl.when(pl.col("element") == number).then(passed).otherwise(0)
        for number, name in enumerate(ELEMENTS)
    )
