"""A gap over an edge of shifts: its pieces are shared by the time in which they may have been made.

Nobody saw when in the gap a piece was made. Each stretch of it (a shift's busy time, or the time
between two) gets its part by the production and unknown time in it, whole pieces by the largest
remainder. The parts are estimates, and no bound counts on them.
"""

from datetime import timedelta
from typing import Final, NamedTuple

import polars as pl

from pipelines.asked import Asked
from pipelines.elements import element_times
from pipelines.equipment import UNIT, eager
from pipelines.lanes import LANES
from pipelines.profiles import Profile
from pipelines.readings import AFTER, BEFORE

LONGEST: Final = timedelta(hours=8)
"""A longer gap stays where it was read. Figures of a day are made of the next one too, not of later
ones, so that its shifts would not see such a gap end."""


class Shared(NamedTuple):
    """Pieces of gaps over an edge, as `row` and `amount`.

    `kept` stay where they were read, `moved` belong before `to_time`, the end of their stretch.
    """

    kept: pl.DataFrame
    moved: pl.DataFrame


def shared(rows: pl.DataFrame, spans: pl.DataFrame, known: Asked, profile: Profile) -> Shared:
    """The pieces of those `rows` (as `booking` looks at them) that are gaps over an edge.

    `spans` are booking's, in lanes, with `stretch_start` and `lost_since`, the end of what was
    heard before.
    """
    parts = _parts(_over_edges(rows, spans), spans)
    dealt = _dealt(_weighed(parts, known, profile)) if parts.height else parts
    stays = pl.col("stretch_end") > pl.col("to_time")
    some = dealt.group_by("row").agg(pl.col("amount").filter(stays).sum())
    moved = dealt.filter(~stays, pl.col("amount") > 0)
    return Shared(some, moved.select("row", "amount", to_time="stretch_end"))


def _over_edges(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """`row lane amount since to_time` of gaps that began in a stretch before that of their reading.

    A gap is unread time, or time that was not heard: then since the last that was.
    """
    of_span = spans.select("span", "stretch_start", "heard_since", "lost_since", of="lane")
    told = rows.filter(pl.col("amount") > 0, ~pl.col("is_reset")).join(of_span, on="span")
    lost = pl.col("good_since") < pl.col("heard_since")
    unheard = pl.when(lost & pl.col("lost_since").is_not_null()).then(
        pl.max_horizontal("good_since", "lost_since")
    )
    since = pl.when("unread").then("from_time").otherwise(unheard)
    return (
        told.filter(pl.col("of") == pl.col("lane"))
        .with_columns(since=since)
        .filter(pl.col("since") < pl.col("stretch_start"))
        .filter(pl.col("to_time") - pl.col("since") <= LONGEST)
        .select("row", "lane", "amount", "since", "to_time")
    )


def _parts(gaps: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Gaps cut by stretches: `row lane unit_no amount to_time start end stretch_end`."""
    of_unit = spans.filter(pl.col("lane") % LANES == 0)
    known = of_unit.group_by("unit_no", "stretch_start").agg(
        stretch_end=pl.col("end").fill_null(AFTER).max()
    )
    before = known.group_by("unit_no").agg(
        stretch_start=BEFORE, stretch_end=pl.min("stretch_start")
    )
    stretches = pl.concat([known, before])
    begun = pl.col("stretch_start") < pl.col("to_time")
    return (
        gaps.with_columns(unit_no=pl.col("lane") // LANES)
        .join(stretches, on="unit_no")
        .filter(begun, pl.col("stretch_end") > pl.col("since"))
        .with_columns(
            start=pl.max_horizontal("stretch_start", "since"),
            end=pl.min_horizontal("stretch_end", "to_time"),
        )
        .sort("row", "start")
    )


def _weighed(parts: pl.DataFrame, known: Asked, profile: Profile) -> pl.DataFrame:
    """Adds `us` of production and unknown time; the gaps of one counter are disjoint."""
    units = known.counters.select(*UNIT, "unit_no")
    placed = parts.join(units, on="unit_no", maintain_order="left")
    own = placed.select(UNIT).unique().lazy()
    states = eager(
        known.states.lazy().join(own, on=UNIT, how="semi", nulls_equal=True, maintain_order="left")
    )
    us = pl.col("apt_us") + pl.col("unknown_us")
    weighed = []
    for _, part in placed.group_by(pl.col("lane") % LANES, maintain_order=True):
        asked = part.select(*UNIT, "start", "end")
        times = element_times(states, known.covered, asked, profile)
        weighed.append(part.with_columns(times.select(us=us)))
    return pl.concat(weighed)


def _dealt(parts: pl.DataFrame) -> pl.DataFrame:
    """Parts with their own share of `amount`: whole pieces by the largest remainder, then in order.

    Where nothing can have been made, by time.
    """
    lasted = (pl.col("end") - pl.col("start")).dt.total_microseconds()
    none = pl.col("us").sum().over("row") == 0
    weight = pl.when(none).then(lasted).otherwise("us").cast(pl.Int128)
    product = pl.col("amount").cast(pl.Int128) * pl.col("weight")
    whole = pl.col("weight").sum().over("row")
    cut = parts.with_columns(weight=weight).with_columns(
        share=(product // whole).cast(pl.Int64),
        rest=(product % whole).cast(pl.Int64),
    )
    place = pl.int_range(pl.len()).over("row")
    left = pl.col("amount") - pl.col("share").sum().over("row")
    ranked = cut.sort("row", -pl.col("rest"), "start")
    return ranked.with_columns(amount=pl.col("share") + (place < left).cast(pl.Int64))
