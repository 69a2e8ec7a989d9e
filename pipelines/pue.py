"""PUE of data centres: what the site takes over what its IT takes, of the days that both told.

The plan's targets are for new data centres: at most 1.3, edge at most 1.5. Energy is in whole watt
hours and summed before it is divided; a verdict compares whole numbers, so that 1.3 is exactly 1.3.
"""

from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.park_figures import PUE
from pipelines.versions import as_of

DAYS: Final = 365
"""A whole year: cooling follows the seasons, so part of one flatters or blames."""

NEW_FROM: Final = date(2021, 1, 1)
"""Data centres built from the plan's first year on are new ones (新建)."""

TENTHS: Final = 13
EDGE_TENTHS: Final = 15
"""Targets in tenths: 1.3 and, for edge data centres, 1.5."""

LEAST_PERCENT: Final = 90
"""Below this share of the owed days there is no verdict: who knows what the others were like."""

AREAS: Final = pl.Schema(
    {
        "park_id": pl.String(),
        "is_edge": pl.Boolean(),
        "data_centres": pl.Int64(),
        "unknown": pl.Int64(),
        "facility_kwh": pl.Float64(),
        "it_kwh": pl.Float64(),
        "pue": pl.Float64(),
    }
)
"""PUE of parks (null: of all) and kinds (null: both). `unknown` are data centres without a PUE, or
with one that cannot be: they are in no sum."""

_WH: Final = 1000


def by_data_centre(energy_days: pl.DataFrame, on: date) -> pl.DataFrame:
    """`park_figures.PUE` over the 365 days to `on`, one row per data centre (`ENERGY_DAYS`).

    `verdict`: met, not_met, no_target (not new), impossible (less for the whole than for its IT),
    unknown (no IT energy, or too few days). Owed are the days since it was built; one that told
    nothing in the window has a row too.
    """
    return _judged(_sums(energy_days, on)).match_to_schema(PUE, extra_columns="ignore")


def by_area(energy_days: pl.DataFrame, on: date) -> pl.DataFrame:
    """`AREAS`: sums of energy of each park and of all, of each kind and of both, then divided."""
    judged = _judged(_sums(energy_days, on))
    usable = pl.col("pue").is_not_null() & (pl.col("verdict") != "impossible")
    kept = judged.with_columns(
        facility=pl.when(usable).then("facility").otherwise(0),
        it=pl.when(usable).then("it").otherwise(0),
        unknown=~usable,
    )
    no_park, no_kind = pl.lit(None, pl.String), pl.lit(None, pl.Boolean)
    of_parks = kept.filter(pl.col("park_id").is_not_null())
    every = [
        kept.with_columns(park_id=no_park), kept.with_columns(park_id=no_park, is_edge=no_kind),
        of_parks, of_parks.with_columns(is_edge=no_kind),
    ]  # fmt: skip
    return (
        pl.concat(every)
        .group_by("park_id", "is_edge")
        .agg(
            data_centres=pl.len().cast(pl.Int64),
            unknown=pl.col("unknown").sum().cast(pl.Int64),
            facility=pl.sum("facility"),
            it=pl.sum("it"),
        )
        .with_columns(pue=_pue(), facility_kwh=pl.col("facility") / _WH, it_kwh=pl.col("it") / _WH)
        .sort("park_id", "is_edge", nulls_last=False)
        .match_to_schema(AREAS, extra_columns="ignore")
    )


def of_new(energy_days: pl.DataFrame, enterprises: pl.DataFrame, on: date) -> pl.DataFrame:
    """`data_centre_id park_id legal_group is_edge facility_wh it_wh` of the new data centres.

    Of those with a PUE that can be, as `contributions.energy_contributions` takes them; who owns
    one is the legal group of its last `uscc` as of the day (`ENTERPRISES`), null if nobody knows.
    """
    owners = energy_days.filter(pl.col("day") <= on).sort("data_centre_id", "day")
    last = owners.group_by("data_centre_id").agg(pl.col("uscc").drop_nulls().last())
    groups = as_of(enterprises, on).select("uscc", legal_group=pl.coalesce("legal_group", "uscc"))
    counted = pl.col("target").is_not_null() & (pl.col("it") > 0)
    return (
        _judged(_sums(energy_days, on))
        .filter(counted, pl.col("verdict") != "impossible")
        .join(last, on="data_centre_id", how="left", maintain_order="left")
        .join(groups.unique("uscc"), on="uscc", how="left", maintain_order="left")
        .select(
            "data_centre_id", "park_id", "legal_group", "is_edge", facility_wh="facility",
            it_wh="it",
        )
    )  # fmt: skip


def impossible_days(energy_days: pl.DataFrame, on: date) -> pl.DataFrame:
    """The rows of ENERGY_DAYS that cannot be: less for the whole than for its IT, or negative."""
    facility, it = pl.col("facility_wh"), pl.col("it_wh")
    odd = (facility < it) | (facility < 0) | (it < 0)
    return _window(energy_days, on).filter(odd).sort("data_centre_id", "day")


def _window(energy_days: pl.DataFrame, on: date) -> pl.DataFrame:
    return energy_days.filter(pl.col("day").is_between(on - timedelta(days=DAYS - 1), on))


def _sums(energy_days: pl.DataFrame, on: date) -> pl.DataFrame:
    """Energy of the days on which both meters spoke, and the span that was owed."""
    first, built = pl.lit(on - timedelta(days=DAYS - 1)), pl.col("built_on")
    both = pl.col("facility_wh").is_not_null() & pl.col("it_wh").is_not_null()
    both &= (pl.col("day") >= first) & (built.is_null() | (pl.col("day") >= built))
    facts = ["park_id", "is_edge", "built_on"]
    return (
        energy_days.filter(pl.col("day") <= on, built.is_null() | (built <= on))
        .sort("data_centre_id", "day")
        .group_by("data_centre_id", maintain_order=True)
        .agg(
            *(pl.col(name).drop_nulls().last() for name in facts),
            days=both.sum().cast(pl.Int64),
            facility=pl.col("facility_wh").filter(both).sum(),
            it=pl.col("it_wh").filter(both).sum(),
        )
        .with_columns(
            from_day=pl.max_horizontal(first, "built_on"),
            to_day=pl.lit(on),
            is_edge=pl.col("is_edge").fill_null(value=False),
        )
    )


def _judged(sums: pl.DataFrame) -> pl.DataFrame:
    owed = (pl.col("to_day") - pl.col("from_day")).dt.total_days() + 1
    tenths = pl.when("is_edge").then(EDGE_TENTHS).otherwise(TENTHS)
    target = pl.when("is_edge").then(EDGE_TENTHS / 10).otherwise(TENTHS / 10)
    is_new = (pl.col("built_on") >= NEW_FROM).fill_null(value=False)
    facility, it = pl.col("facility"), pl.col("it")
    verdict = (
        pl.when(it <= 0).then(pl.lit("unknown"))
        .when(facility < it).then(pl.lit("impossible"))
        .when(~is_new).then(pl.lit("no_target"))
        .when(pl.col("days") * 100 < owed * LEAST_PERCENT).then(pl.lit("unknown"))
        .when(facility * 10 <= it * tenths).then(pl.lit("met"))
        .otherwise(pl.lit("not_met"))
    )  # fmt: skip
    return sums.with_columns(
        facility_kwh=facility / _WH, it_kwh=it / _WH, pue=_pue(),
        target=pl.when(is_new).then(target), completeness=pl.col("days") / owed,
        verdict=verdict,
    ).sort("data_centre_id")  # fmt: skip


def _pue() -> pl.Expr:
    return pl.when(pl.col("it") > 0).then(pl.col("facility") / pl.col("it"))
