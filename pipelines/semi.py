"""SEMI E10 states and E79 efficiencies of the tools of an IC factory, by production day.

E79's OEE is over total time, so that standby, engineering and nonscheduled time are losses in it:
it compares with TEEP, never with the OEE index. What the rules rest on:
docs/decisions/0020-the-rest-of-iso-22400.md.
"""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.amounts import US, over, seconds
from pipelines.axis import atoms, with_unit_no
from pipelines.catalogue import numbered
from pipelines.coverage import NO_GAPS, covered, disjoint, horizon
from pipelines.days import day_start
from pipelines.equipment import UNIT, AnyFrame, eager, expand, lifespans, units_of
from pipelines.schemas import PLAN, SEMI_BY_DAY
from pipelines.shifts import CUTS, busy_intervals
from pipelines.states import (
    EXECUTING,
    MAINTENANCE,
    NONE,
    NOT_AVAILABLE,
    NOT_EXECUTING,
    OUT_OF_SERVICE,
    PROCESSING,
    SETUP,
    stitch,
)

STATES: Final = ["prd", "sby", "eng", "sdt", "udt", "nst"]
"""Productive, standby, engineering, scheduled and unscheduled down, nonscheduled."""

RULES: Final = {
    (EXECUTING, PROCESSING): "prd",
    (NOT_EXECUTING, PROCESSING): "sby",
    (NOT_EXECUTING, SETUP): "eng",
    (OUT_OF_SERVICE, PROCESSING): "udt",
    (EXECUTING, SETUP): "eng",
    (OUT_OF_SERVICE, SETUP): "udt",
    (EXECUTING, NONE): "sby",
    (NOT_EXECUTING, NONE): "sby",
    (OUT_OF_SERVICE, NONE): "udt",
    (EXECUTING, MAINTENANCE): "udt",
    (NOT_EXECUTING, MAINTENANCE): "udt",
    (OUT_OF_SERVICE, MAINTENANCE): "udt",
}
"""State inside scheduled time, with or without an order. The first four are OPC 40001-1 annex
C.3's, the others ours: it is silent. NotAvailable counts as OutOfService."""

TOTALS: Final = ["total", *STATES, "unknown"]
IDEALS: Final = {"ideal_actual": "ideal_total_s", "ideal_effective": "ideal_good_s"}
BOUNDS: Final = ["lower", "upper"]
SUMMED: Final = [*TOTALS, *IDEALS, *BOUNDS]
DAY_KEY: Final = [*UNIT, "production_day"]


def calendar_days(days: Collection[date], begins: timedelta = timedelta(0)) -> pl.DataFrame:
    """Production days of 24 h (`production_day start end`) that begin so long after midnight."""
    frame = pl.DataFrame({"production_day": sorted(days)}, {"production_day": pl.Date()})
    start = day_start(pl.col("production_day")) + begins
    return frame.with_columns(start=start, end=start + timedelta(days=1))


def operations(plan: AnyFrame, tags: AnyFrame, days: AnyFrame) -> pl.DataFrame:
    """`schemas.PLAN` of one shift a day, in which only scheduled down and nonscheduled time is cut.

    `oee.by_shift` of this plan is what `by_day` takes as `made`: pieces as E79 counts them.
    """
    units = units_of(eager(tags))
    rows = _per_unit(eager(days), units)
    whole = rows.with_columns(kind=pl.lit("busy"))
    spans = atoms(_calendar(eager(plan), rows)).join(rows.drop("start", "end"), left_on="day",
                                                     right_on="id")  # fmt: skip
    cut = spans.filter(_scheduled_state().is_not_null()).with_columns(kind=pl.lit("break"))
    columns = {**PLAN, "shift_id": pl.String()}
    return (
        pl.concat([whole, cut], how="diagonal")
        .with_columns(shift_id=pl.lit("day"))
        .select(pl.col(name).cast(dtype) for name, dtype in columns.items())
        .sort(*UNIT, "start", "kind")
    )


def by_day(
    state_episodes: AnyFrame,
    plan: AnyFrame,
    coverage: AnyFrame,
    tags: AnyFrame,
    days: AnyFrame,
    made: AnyFrame,
    gaps: AnyFrame = NO_GAPS,
    test_products: Collection[str] = (),
) -> pl.DataFrame:
    """`schemas.SEMI_BY_DAY`, one row per work unit and production day that has begun.

    `days`: `production_day start end`, disjoint (and `factory_id`, where factories differ). `made`:
    rows with `ideal_total_s ideal_good_s` per work unit and day (see `operations`), `lower upper
    pbt_s` for bounds, `product_id` for `test_products`, whose wafers are never effective. A day
    that is not over is cut at the end of its coverage.
    """
    units = units_of(eager(tags))
    rows = _begun(_per_unit(eager(days), units), eager(coverage), eager(tags))
    spent = _spent(eager(state_episodes), eager(plan), eager(coverage), eager(tags), rows,
                   eager(gaps))  # fmt: skip
    sums = (
        rows.select(*DAY_KEY, "id", "is_open")
        .join(spent, left_on="id", right_on="day", how="left")
        .join(_made(eager(made), test_products), on=DAY_KEY, how="left", nulls_equal=True)
    )
    figures = _figures(sums)
    return figures.select(pl.col(name).cast(dtype) for name, dtype in SEMI_BY_DAY.items()).sort(
        DAY_KEY
    )


def roll_up(frame: pl.DataFrame, by: str | Sequence[str]) -> pl.DataFrame:
    """Sums times and ideal times of `by_day` rows per `by` (sorted), then takes the ratios.

    A sum with an unknown part is unknown. Of modules of a cluster tool this is the tool's time by
    module, which E10 does not mean: it rolls up by intended process.
    """
    keys = [by] if isinstance(by, str) else list(by)
    total = pl.col("total_s")
    exact = frame.with_columns(
        *(_us(pl.col(f"{name}_s")).alias(f"_{name}_us") for name in (*TOTALS, *IDEALS)),
        *(_us(pl.col(name) * total).alias(f"_{name}_us") for name in BOUNDS),
    )
    sums = [_null_if_any(f"_{name}_us") for name in SUMMED]
    return _figures(exact.group_by(keys).agg(sums).sort(keys) if keys else exact.select(sums))


def _per_unit(days: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    on = "factory_id" if "factory_id" in days.columns else None
    paired = units.join(days, on=on) if on else units.join(days, how="cross")
    return paired.sort(*UNIT, "start").with_row_index("id")


def _begun(rows: pl.DataFrame, coverage: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """The days that coverage reaches, cut at its end; none after a work unit's last tag."""
    seen = rows.join(horizon(coverage), on="factory_id", maintain_order="left")
    seen = seen.filter(pl.col("start") < pl.col("last"), pl.col("end") > pl.col("first"))
    if "valid_to" in tags.columns:
        seen = seen.join(lifespans(tags), on=UNIT, how="left", nulls_equal=True)
        seen = seen.filter((pl.col("start") < pl.col("until")).fill_null(value=True))
    ended = pl.min_horizontal("end", "last")
    return seen.with_columns(end=ended, is_open=pl.col("end") > pl.col("last")).select(
        *rows.columns, "is_open"
    )


def _calendar(plan: pl.DataFrame, rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Layers of `axis.atoms`: the days, scheduled time (breaks in it), planned maintenance."""
    own = units_of(rows)
    units = numbered(own)
    scheduled = busy_intervals(plan.filter(~pl.col("kind").is_in(CUTS)), own)
    planned = plan.filter(pl.col("kind") == "planned_maintenance", pl.col("start") < pl.col("end"))
    spans = expand(planned, own).rename({"start": "from_time", "end": "to_time"})
    down = disjoint(spans, UNIT).rename({"from_time": "start", "to_time": "end"})
    return {
        "day": with_unit_no(rows, units),
        "scheduled": with_unit_no(scheduled, units).with_columns(id=1),
        "maintenance": with_unit_no(down, units).with_columns(id=1),
    }


def _scheduled_state() -> pl.Expr:
    """What the calendar alone says: maintenance wherever it is planned, nonscheduled else."""
    down = pl.when(pl.col("maintenance").is_not_null()).then(pl.lit("sdt"))
    return down.when(pl.col("scheduled").is_null()).then(pl.lit("nst"))


def _spent(
    episodes: pl.DataFrame,
    plan: pl.DataFrame,
    coverage: pl.DataFrame,
    tags: pl.DataFrame,
    rows: pl.DataFrame,
    gaps: pl.DataFrame,
) -> pl.DataFrame:
    """Microseconds in each state by `day`."""
    units = numbered(units_of(rows))
    states = with_unit_no(stitch(episodes), units).with_row_index("id")
    heard = with_unit_no(covered(coverage, tags, gaps), units)
    layers = _calendar(plan, rows) | {
        "covered": heard.select("unit_no", start="from_time", end="to_time", id=1),
        "state": states,
    }
    told = states.select("item_state", "operation_mode", state=pl.col("id").cast(pl.Int64))
    spans = atoms(layers).filter(pl.col("day").is_not_null())
    rated = spans.join(told, on="state", how="left").with_columns(
        e10=pl.coalesce(_scheduled_state(), pl.when(pl.col("covered").is_not_null()).then(_told())),
        lasted=(pl.col("end") - pl.col("start")).dt.total_microseconds(),
    )
    lasted = pl.col("lasted")
    by_state = [lasted.filter(pl.col("e10") == name).sum().alias(f"_{name}_us") for name in STATES]
    unknown = lasted.filter(pl.col("e10").is_null()).sum().alias("_unknown_us")
    return rated.group_by("day").agg(lasted.sum().alias("_total_us"), *by_state, unknown)


def _told() -> pl.Expr:
    """The state by what the tool itself says; null where it says nothing."""
    state = pl.col("item_state").cast(pl.Int16).replace({NOT_AVAILABLE: OUT_OF_SERVICE})
    code = state * 4 + pl.col("operation_mode").cast(pl.Int16)
    rules = {item * 4 + mode: name for (item, mode), name in RULES.items()}
    return code.replace_strict(rules, default=None, return_dtype=pl.String)


def _made(made: pl.DataFrame, test_products: Collection[str]) -> pl.DataFrame:
    """Ideal microseconds of actual and effective units, and their bounds, by work unit and day."""
    is_test = pl.lit(value=False)
    if "product_id" in made.columns:
        is_test = pl.col("product_id").is_in(list(test_products)).fill_null(value=False)
    bounded = {*BOUNDS, "pbt_s"} <= {*made.columns}
    bounds = {
        name: pl.col(name) * pl.col("pbt_s") if bounded else pl.lit(None, pl.Float64)
        for name in BOUNDS
    }
    amounts = {name: pl.col(column) for name, column in IDEALS.items()} | bounds
    never = {name: is_test & (name != "ideal_actual") for name in amounts}
    known = made.with_columns(
        pl.when(never[name]).then(0).otherwise(_us(amount)).alias(f"_{name}_us")
        for name, amount in amounts.items()
    )
    return known.group_by(DAY_KEY).agg(_null_if_any(f"_{name}_us") for name in amounts)


def _us(time_s: pl.Expr) -> pl.Expr:
    return (time_s.cast(pl.Float64) * US).round().cast(pl.Int64)


def _null_if_any(name: str) -> pl.Expr:
    return pl.when(pl.col(name).is_not_null().all()).then(pl.col(name).sum()).alias(name)


def _figures(sums: pl.DataFrame) -> pl.DataFrame:
    """Sums of microseconds as seconds, and the ratios of them."""
    us = {name: pl.col(f"_{name}_us") for name in SUMMED}
    up = us["prd"] + us["sby"] + us["eng"]
    shown = {f"{name}_s": seconds(us[name]) for name in (*TOTALS, *IDEALS)}
    ratios = {
        "availability_efficiency": over(up, us["total"]),
        "operational_efficiency": over(us["prd"], up),
        "rate_efficiency": over(us["ideal_actual"], us["prd"]),
        "quality_efficiency": over(us["ideal_effective"], us["ideal_actual"]),
        "e79_oee": over(us["ideal_effective"], us["total"]),
        "completeness": over(us["total"] - us["unknown"], us["total"]),
    }
    bounds = {name: over(us[name], us["total"]) for name in BOUNDS}
    named = shown | ratios | bounds
    rated = sums.with_columns(expr.alias(name) for name, expr in named.items())
    return rated.drop(f"_{name}_us" for name in SUMMED)
