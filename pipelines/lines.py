"""OEE of a sequential line by shift: what its last stage gives, at the pace of its bottleneck.

Stations of one stage work side by side; the slowest stage is the bottleneck, and the line's times
are its times. What a station loses on the way counts in quality, what stands in it does not
(docs/decisions/0022-lines-and-scope.md).
"""

from typing import Final

import polars as pl

from pipelines import oee, pace, readings
from pipelines.amounts import IDEALS, US, seconds
from pipelines.asked import Asked, asked
from pipelines.coverage import NO_GAPS
from pipelines.elements import SUMS, element_times
from pipelines.equipment import UNIT, AnyFrame, eager
from pipelines.indices import indices, reliable
from pipelines.pace import LINE
from pipelines.profiles import DEFAULT, Profile, profile_of
from pipelines.quantities import by_product, inside_plan
from pipelines.schemas import LINE_OEE_BY_SHIFT, LINES
from pipelines.unseen import unseen

NO_LINES: Final = pl.DataFrame(schema=LINES)
LINE_SHIFT: Final = [*LINE, "production_day", "shift_id"]
EACH: Final = ["pbt", *SUMS]
LINE_BOTTLENECK: Final = "line_bottleneck"


def by_shift(
    state_episodes: AnyFrame,
    count_increments: AnyFrame,
    plan: AnyFrame,
    cycles: AnyFrame,
    coverage: AnyFrame,
    tags: AnyFrame,
    lines: AnyFrame = NO_LINES,
    profile: str | Profile = DEFAULT,
    gaps: AnyFrame = NO_GAPS,
) -> pl.DataFrame:
    """`schemas.LINE_OEE_BY_SHIFT`, one row per sequential line and shift; inputs as `oee.by_shift`.

    `lines` (`schemas.LINES`) says which lines are sequential and in what order. OEE is null, and
    `lacks` says why, where a station has no cycle, or the last stage's counters were not read.
    """
    rules, catalogue = profile_of(profile), eager(tags)
    orders = pace.orders(eager(lines), catalogue)
    stationed = catalogue.join(orders, on=UNIT, how="semi", nulls_equal=True)
    if stationed.is_empty():
        return pl.DataFrame(schema=LINE_OEE_BY_SHIFT)
    known = asked(state_episodes, count_increments, plan, coverage, stationed, gaps, rules)
    times = element_times(state_episodes, known.covered, known.pieces, rules)
    found = [
        _of_order(known, times, order, eager(cycles), rules)
        for order in orders.partition_by("since", maintain_order=True)
    ]
    return pl.concat(found).sort(LINE_SHIFT)


def _of_order(
    known: Asked, times: pl.DataFrame, order: pl.DataFrame, cycles: pl.DataFrame, profile: Profile
) -> pl.DataFrame:
    """The shifts for which one order of stations holds."""
    numbers = known.counters.select(*UNIT, "unit_no")
    stations = order.join(numbers, on=UNIT, how="left", nulls_equal=True)
    found = stations.filter(pl.col("unit_no").is_not_null())
    paces = pace.by_product(cycles, found)
    made = by_product(known, pace.as_cycles(paces), profile)
    rows = _stations(oee.figures(known, times, made, unseen(known, cycles), profile), found)
    mix = _mix(known, made, found, profile)
    shares = pace.shares(rows, mix, paces, LINE_SHIFT)
    figures = _figures(rows, _beside(mix, known), shares, stations).with_columns(
        profile_id=pl.lit(profile.profile_id)
    )
    rated = figures.with_columns(is_reliable=reliable(pl.lit(profile.least_completeness)))
    return rated.select(pl.col(name).cast(dtype) for name, dtype in LINE_OEE_BY_SHIFT.items())


def _stations(figures: pl.DataFrame, stations: pl.DataFrame) -> pl.DataFrame:
    """Figures of stations at their line's pace, on the days of its order, in microseconds too."""
    rows = figures.join(stations, on=UNIT, nulls_equal=True).filter(
        pl.col("production_day") >= pl.col("since"),
        (pl.col("production_day") < pl.col("until")).fill_null(value=True),
    )
    return rows.with_columns(
        *(_us(f"{name}_s").alias(f"{name}_us") for name in (*EACH, *IDEALS)),
        *(
            (pl.col(name) * _us("pbt_s")).round().cast(pl.Int64).fill_null(0).alias(f"{name}_us")
            for name in ("lower", "upper")
        ),
    )


def _us(name: str) -> pl.Expr:
    return (pl.col(name) * US).round().cast(pl.Int64)


def _mix(
    known: Asked, made: pl.DataFrame, stations: pl.DataFrame, profile: Profile
) -> pl.DataFrame:
    """Per shift of a station and product: `pieces` that left the line there, `lost` on the way.

    Lost is what a station before the last stage neither passes on nor brings back as rework.
    """
    back = 0 if profile.rework == "good_once_passed" else pl.col("rq")
    lost = (pl.col("pq") - pl.col("gq") - back).clip(lower_bound=0)
    ideal = (pl.col("pri_s") * pl.col("lost") * US).round().cast(pl.Int64)
    return (
        inside_plan(made)
        .join(stations.select("unit_no", *LINE, "work_unit_id", "is_last"), on="unit_no")
        .join(known.shifts.select("shift", "production_day", "shift_id"), on="shift")
        .with_columns(lost=pl.when("is_last").then(0).otherwise(lost))
        .with_columns(
            pieces=pl.when("is_last").then("pq").otherwise("lost"),
            lost_us=pl.when(pl.col("lost") == 0).then(0).otherwise(ideal),
        )
    )


def _beside(mix: pl.DataFrame, known: Asked) -> pl.DataFrame:
    """Per station and shift what it lost, and what bounds the ideal time of its good pieces."""
    unread = readings.lasted(known.doubts).join(known.shifts, on="shift")
    unit = [*LINE_SHIFT, "work_unit_id"]
    lost = mix.group_by(unit).agg(
        pl.sum("lost"), _all_or_none("lost_us"),
        known_us=pl.sum("ideal_good_us"),
    )  # fmt: skip
    return lost.join(
        unread.select(*unit, unread_us="unread_gq"), on=unit, how="full", coalesce=True,
        nulls_equal=True,
    )  # fmt: skip


def _figures(
    rows: pl.DataFrame, beside: pl.DataFrame, shares: pl.DataFrame, stations: pl.DataFrame
) -> pl.DataFrame:
    """One row per line and shift from those of its stations."""
    unit = [*LINE_SHIFT, "work_unit_id"]
    expected = stations.group_by(LINE).agg(expected=pl.len())
    sums = (
        rows.join(shares, on=unit, how="left", nulls_equal=True)
        .join(beside, on=unit, how="left", nulls_equal=True)
        .with_columns(_if_read())
        .sort(*LINE_SHIFT, "stage", "work_unit_id")
        .group_by(LINE_SHIFT, maintain_order=True)
        .agg(_sums())
        .join(expected, on=LINE, nulls_equal=True)
    )
    pbt_us = pl.sum_horizontal(f"{name}_us" for name in SUMS)
    whole = sums.with_columns(_whole()).with_columns(pbt_us=pbt_us)
    shown = [seconds(pl.col(f"{name}_us")).alias(f"{name}_s") for name in (*EACH, *IDEALS)]
    return indices(whole.with_columns(shown)).with_columns(_known())


def _if_read() -> list[pl.Expr]:
    """A station's part beside its figures: nothing where it made none, null where nobody read."""
    is_read = pl.all_horizontal(pl.col("pq", "gq").is_not_null())
    idle = pl.col("lost").is_null()
    lost = [
        pl.when(is_read).then(pl.when(idle).then(0).otherwise(name)).alias(name)
        for name in ("lost", "lost_us")
    ]
    return [*lost, pl.col("known_us", "unread_us").fill_null(0)]


def _sums() -> list[pl.Expr]:
    """Of the stations of a line and shift: the bottleneck's times, the last stage's pieces."""
    last, share = pl.col("is_last"), pl.col("share")
    unseen = pl.col("unknown_us") + pl.col("unread_us")
    catching_up = unseen * (pl.col("haste").fill_null(1.0) - 1).clip(lower_bound=0)
    reach = pl.col("upper_us") + catching_up.round().cast(pl.Int64)
    return [
        *((pl.col(f"{name}_us") * share).round().cast(pl.Int64).sum() for name in SUMS),
        *(_all_or_none(name, last) for name in ("pq", "gq", *(f"{n}_us" for n in IDEALS))),
        *(_all_or_none(name, ~last) for name in ("lost", "lost_us")),
        *(_all_or_none(name) for name in ("sq", "rq")),
        *(pl.col(name).filter(last).sum() for name in ("lower_us", "known_us")),
        reach.filter(last).sum().alias("reach_us"),
        pl.min("start", "completeness"),
        pl.max("end"),
        pl.max("is_open"),
        pl.first("bottleneck").alias("bottleneck_stage"),
        pl.col("work_unit_id").filter(share > 0, pl.col("bottleneck").is_not_null())
        .str.join("+").replace("", None).alias("bottleneck"),
        pl.len().alias("work_units"),
    ]  # fmt: skip


def _all_or_none(name: str, chosen: pl.Expr | None = None) -> pl.Expr:
    """A sum that one unknown part makes unknown."""
    part = pl.col(name) if chosen is None else pl.col(name).filter(chosen)
    return pl.when(part.is_not_null().all()).then(part.sum()).alias(name)


def _whole() -> list[pl.Expr]:
    """The line's pieces: those of its last stage and those lost before; null where one `lacks`."""
    lacks = (
        pl.when(pl.col("work_units") < pl.col("expected")).then(pl.lit("station"))
        .when(pl.any_horizontal(pl.col("pq", "gq").is_null())).then(pl.lit("count"))
        .when(pl.col("ideal_good_us").is_null()).then(pl.lit("cycle"))
    )  # fmt: skip
    there = pl.col("work_units") == pl.col("expected")
    out = {"pq": "lost", "gq": None, "ideal_total_us": "lost_us", "ideal_good_us": None}
    return [
        lacks.alias("lacks"),
        *(
            pl.when(there).then(pl.col(name) + (pl.col(lost) if lost else 0)).alias(name)
            for name, lost in out.items()
        ),
        pl.when(there).then("completeness").otherwise(0.0).alias("completeness"),
    ]


def _known() -> list[pl.Expr]:
    """Bounds and scope. A line makes no more in unseen time than its pace allows in all."""
    pbt, good = pl.col("pbt_us"), pl.col("ideal_good_us")
    most = pl.max_horizontal(pl.min_horizontal("reach_us", pbt), "known_us")
    upper = pl.when(good.is_null()).then(pl.max_horizontal(most, pbt)).otherwise(most)
    bounds = {"lower": pl.col("lower_us"), "upper": upper}
    return [
        *(pl.when(pbt > 0).then(us / pbt).alias(name) for name, us in bounds.items()),
        pl.when(pbt > 0).then("completeness").alias("completeness"),
        pl.lit(LINE_BOTTLENECK).alias("aggregation"),
        (pl.col("expected") - pl.col("work_units")).alias("work_units_missing"),
    ]
