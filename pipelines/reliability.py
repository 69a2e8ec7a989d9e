"""Failures of work units, and what follows from them: MTBF, MTTF, MTTR (ISO 22400-2).

A failure is a breakdown: OutOfService, reached from Processing (executing or waiting to) inside
planned busy time. It lasts until the machine is seen ready again, over any edge of shift, break or
day. Unknown time is neither up nor down (docs/decisions/0020-the-rest-of-iso-22400.md).
"""

from collections.abc import Sequence
from typing import Final

import polars as pl

from pipelines.amounts import seconds
from pipelines.axis import atoms, with_unit_no
from pipelines.catalogue import numbered
from pipelines.coverage import NO_GAPS, covered, horizon
from pipelines.equipment import UNIT, AnyFrame, eager, lifespans, units_of
from pipelines.formulas import RELIABILITY, quotients
from pipelines.profiles import DEFAULT, ELEMENTS, Profile, element_no, planned, profile_of
from pipelines.schemas import FAILURES, RELIABILITY_BY_SHIFT
from pipelines.shifts import KEY, SHIFT_KEY, calendar_of
from pipelines.states import MAINTENANCE, NOT_EXECUTING, OUT_OF_SERVICE, PROCESSING, stitch

STATE: Final = ["item_state", "operation_mode", "order_id", "stop_reason_code"]
OPERATING: Final = [ELEMENTS.index(name) for name in ("apt", "aust")]
"""ISO's time between failures counts production and setup, not delays."""
ROLES: Final = ["uptime", "downtime", "other", "unknown"]
TIMES: Final = ["pbt", *ROLES, "ttf", "tbf", "ttr"]
COUNTS: Final = ["failures", "repairs"]


def failures(
    state_episodes: AnyFrame,
    plan: AnyFrame,
    coverage: AnyFrame,
    tags: AnyFrame,
    gaps: AnyFrame = NO_GAPS,
) -> pl.DataFrame:
    """`schemas.FAILURES`: every failure once, where it was first seen. Inputs as `oee.by_shift`.

    Censored is one whose begin or end, or anything between, lies in unknown time, and one that has
    not ended: its TTR is a lower bound. What was out of service before it was seen ready is none.
    """
    busy = _busy(eager(plan), eager(coverage), eager(tags))
    walked = _walked(eager(state_episodes), busy, eager(coverage), eager(tags), eager(gaps))
    found = _failures(walked).join(busy.select(*SHIFT_KEY, "id"), left_on="busy", right_on="id")
    shown = found.with_columns(ttr_s=seconds(pl.col("ttr")))
    return shown.select(pl.col(n).cast(t) for n, t in FAILURES.items()).sort(*UNIT, "start")


def by_shift(
    state_episodes: AnyFrame,
    plan: AnyFrame,
    coverage: AnyFrame,
    tags: AnyFrame,
    gaps: AnyFrame = NO_GAPS,
    profile: str | Profile = DEFAULT,
) -> pl.DataFrame:
    """`schemas.RELIABILITY_BY_SHIFT`, one row per work unit and shift with planned busy time.

    Times lie where they passed; a failure and all its TTR belong to the shift that first saw it.
    """
    rules = profile_of(profile)
    busy = _busy(planned(eager(plan), rules), eager(coverage), eager(tags))
    walked = _walked(eager(state_episodes), busy, eager(coverage), eager(tags), eager(gaps))
    spent = walked.filter(pl.col("busy").is_not_null()).group_by("busy").agg(_spent(rules))
    ended = ~pl.col("is_censored")
    found = (
        _failures(walked)
        .group_by("busy")
        .agg(failures=pl.len(), repairs=ended.sum(), ttr=pl.col("ttr").filter(ended).sum())
    )
    rows = busy.join(spent, left_on="id", right_on="busy").join(
        found, left_on="id", right_on="busy", how="left"
    )
    sums = pl.col(*TIMES, *COUNTS).fill_null(0).sum()
    whole = rows.group_by(SHIFT_KEY).agg(pl.max("is_open"), sums)
    figures = _figures(whole.rename({name: f"_{name}_us" for name in TIMES}))
    return (
        figures.with_columns(profile_id=pl.lit(rules.profile_id))
        .select(pl.col(name).cast(dtype) for name, dtype in RELIABILITY_BY_SHIFT.items())
        .sort(SHIFT_KEY)
    )


def roll_up(frame: pl.DataFrame, by: str | Sequence[str]) -> pl.DataFrame:
    """Sums times and counts of `by_shift` rows per `by` (sorted), then takes the means of the sums.

    Of several machines the ISO means are total time over all failures and one.
    """
    keys = [by] if isinstance(by, str) else list(by)
    exact = frame.with_columns(
        (pl.col(f"{name}_s") * 1_000_000).round().cast(pl.Int64).alias(f"_{name}_us")
        for name in TIMES
    )
    sums = pl.col(*(f"_{name}_us" for name in TIMES), *COUNTS).sum()
    if not keys:
        return _figures(exact.select(sums))
    return _figures(exact.group_by(keys).agg(sums).sort(keys))


def _figures(sums: pl.DataFrame) -> pl.DataFrame:
    shown = [seconds(pl.col(f"_{name}_us")).alias(f"{name}_s") for name in TIMES]
    names = [*COUNTS, *(f"{name}_s" for name in TIMES)]
    means = [mean.alias(name) for name, mean in quotients(RELIABILITY, names).items()]
    return sums.with_columns(*shown, *means).drop(f"_{name}_us" for name in TIMES)


def _busy(plan: pl.DataFrame, coverage: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Busy intervals (numbered by `id`) of the shifts that coverage reaches, cut at its end."""
    units = numbered(units_of(tags))
    calendar = calendar_of(plan, units)
    seen = units.join(calendar.windows, on="unit_no").join(horizon(coverage), on="factory_id")
    seen = seen.filter(pl.col("start") < pl.col("last"), pl.col("end") > pl.col("first"))
    seen = seen.with_columns(is_open=pl.col("end") > pl.col("last"))
    if "valid_to" in tags.columns:
        seen = seen.join(lifespans(tags), on=UNIT, how="left", nulls_equal=True)
        seen = seen.filter((pl.col("start") < pl.col("until")).fill_null(value=True))
    return (
        calendar.busy.join(seen.select(*UNIT, *KEY, "last", "is_open"), on=KEY)
        .with_columns(end=pl.min_horizontal("end", "last"))
        .filter(pl.col("start") < pl.col("end"))
        .drop("last", "unit_no")
        .sort(*UNIT, "start")
        .with_row_index("id")
    )


def _walked(
    episodes: pl.DataFrame,
    busy: pl.DataFrame,
    coverage: pl.DataFrame,
    tags: pl.DataFrame,
    gaps: pl.DataFrame,
) -> pl.DataFrame:
    """Spans in which nothing changes, in order, each with its `role` and the `failure` it is in."""
    units = numbered(units_of(tags))
    states = with_unit_no(stitch(episodes), units).with_row_index("id")
    spans = with_unit_no(covered(coverage, tags, gaps), units)
    layers = {
        "busy": with_unit_no(busy, units),
        "covered": spans.select("unit_no", start="from_time", end="to_time", id=1),
        "state": states,
    }
    told = states.select(*STATE, state=pl.col("id").cast(pl.Int64))
    rows = atoms(layers).join(told, on="state", how="left", maintain_order="left")
    lasted = (pl.col("end") - pl.col("start")).dt.total_microseconds()
    return (
        rows.with_columns(_is_known(), lasted=lasted)
        .with_columns(pl.when("is_known").then(pl.col("item_state", "operation_mode")))
        .with_columns(_is_up().alias("is_up"), begins=_begins())
        .with_columns(
            failure=pl.col("begins").cum_sum().over("unit_no"), failing=_since("begins", "is_up")
        )
        .join(units, on="unit_no", maintain_order="left")
    )


def _is_known() -> pl.Expr:
    told = pl.all_horizontal(pl.col("covered", "item_state", "operation_mode").is_not_null())
    return told.alias("is_known")


def _is_up() -> pl.Expr:
    """Ready for what it is there for. After a failure, not before mode Maintenance is left."""
    able = pl.col("item_state") >= NOT_EXECUTING
    return (able & (pl.col("operation_mode") != MAINTENANCE)).fill_null(value=False)


def _begins() -> pl.Expr:
    """Out of service in busy time, when the last that was known was Processing, and able to."""
    ready = (pl.col("item_state") >= NOT_EXECUTING) & (pl.col("operation_mode") == PROCESSING)
    before = ready.forward_fill().shift(1).over("unit_no")
    out = pl.col("item_state") == OUT_OF_SERVICE
    return (out & pl.col("busy").is_not_null() & before).fill_null(value=False)


def _since(opens: str, closes: str) -> pl.Expr:
    """Whether of two events the first was the later one, row by row of a work unit."""
    told = pl.when(opens).then(pl.lit(value=True)).when(closes).then(pl.lit(value=False))
    return told.forward_fill().over("unit_no").fill_null(value=False)


def _failures(walked: pl.DataFrame) -> pl.DataFrame:
    """One row per failure: equipment key, `busy` interval of its begin, start, end, ttr, ..."""
    seen = pl.col("is_known")
    rows = walked.with_columns(after_seen=seen.shift(1).over("unit_no"))
    down = seen & pl.col("busy").is_not_null()
    return (
        rows.filter("failing")
        .group_by(*UNIT, "failure", maintain_order=True)
        .agg(
            pl.col("busy", "start").first(),
            pl.col("stop_reason_code").filter("is_known").drop_nulls().first(),
            end=pl.when(seen.last()).then(pl.col("end").last()),
            ttr=pl.col("lasted").filter(down).sum(),
            is_censored=~(pl.col("after_seen").first() & seen.all()),
        )
    )


def _spent(profile: Profile) -> list[pl.Expr]:
    """Microseconds of busy intervals by role; time to and between failures as ISO counts them."""
    lasted, known = pl.col("lasted"), pl.col("is_known")
    down = known & pl.col("failing")
    operating = pl.col("is_up") & element_no(profile).is_in(OPERATING).fill_null(value=False)
    return [
        lasted.sum().alias("pbt"),
        lasted.filter("is_up").sum().alias("uptime"),
        lasted.filter(down).sum().alias("downtime"),
        lasted.filter(known & ~pl.col("is_up") & ~pl.col("failing")).sum().alias("other"),
        lasted.filter(~known).sum().alias("unknown"),
        lasted.filter(operating).sum().alias("ttf"),
        lasted.filter(operating | down).sum().alias("tbf"),
    ]
