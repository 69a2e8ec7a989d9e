"""Funnels and liveness: from what is registered to what is in use."""

from datetime import date
from typing import Final

import polars as pl

from pipelines.cloud.areas import in_areas
from pipelines.cloud.units import STATUSES
from pipelines.park_figures import FUNNEL, LIVENESS

STAGES: Final = ["registered", "activated", "online", "in_use"]


def terminals(units: pl.DataFrame, park_ids: list[str], on: date) -> pl.DataFrame:
    """FUNNEL of terminals, from `units.units`; ambiguous listings are in none."""
    known = units.filter(~pl.col("is_ambiguous"))
    deployed = pl.col("is_deployed")
    online = deployed & pl.col("is_online")
    stages = [pl.col("is_registered"), deployed, online, deployed & pl.col("is_connected")]
    return _funnel(known, "terminals", stages, park_ids, on)


def enterprises(
    firms: pl.DataFrame, units: pl.DataFrame, uses: pl.DataFrame, park_ids: list[str], on: date
) -> pl.DataFrame:
    """FUNNEL of the enterprises in scope, from `firms.evidence` and its `attributed` uses."""
    deployed = units.filter(pl.col("is_deployed") & ~pl.col("is_ambiguous"))
    has_unit = _among(deployed)
    is_heard = _among(deployed.filter("is_online"))
    ever_used = _among(uses.filter((pl.col("day") <= on) & pl.col("uscc").is_not_null()))
    scope = firms.filter("in_scope")
    stages = [
        pl.col("in_scope"),
        has_unit | ever_used,
        is_heard | pl.col("is_provider_used"),
        pl.col("is_verified"),
    ]
    return _funnel(scope, "enterprises", stages, park_ids, on)


def _among(rows: pl.DataFrame) -> pl.Expr:
    return pl.col("uscc").is_in(rows["uscc"].unique().cast(pl.String).implode())


def _funnel(
    rows: pl.DataFrame, of: str, stages: list[pl.Expr], park_ids: list[str], on: date
) -> pl.DataFrame:
    named = dict(zip(STAGES, stages, strict=True))
    by_parks = rows.group_by("parks").agg(
        expr.cast(pl.Int64).sum().alias(stage) for stage, expr in named.items()
    )
    by_area = in_areas(by_parks).group_by("park_id").agg(pl.col(STAGES).sum())
    areas = pl.DataFrame({"park_id": [None, *park_ids]}, schema={"park_id": pl.String()})
    return (
        areas.join(by_area, on="park_id", how="left", nulls_equal=True)
        .unpivot(STAGES, index="park_id", variable_name="stage", value_name="units")
        .with_columns(
            reference_date=pl.lit(on),
            of=pl.lit(of),
            place=pl.col("stage").replace_strict(
                {stage: place for place, stage in enumerate(STAGES, 1)}, return_dtype=pl.Int64
            ),
            units=pl.col("units").fill_null(0),
        )
        .select(FUNNEL.names())
        .sort("park_id", "place")
    )


def liveness(units: pl.DataFrame, on: date) -> pl.DataFrame:
    """LIVENESS of a day: devices by kind, network and status; ambiguous listings are in none."""
    by_parks = (
        units.filter(~pl.col("is_ambiguous"))
        .group_by("parks", "kind", "network", "status")
        .agg(terminals=pl.len().cast(pl.Int64))
    )
    key = ["park_id", "kind", "network", "status"]
    return (
        in_areas(by_parks)
        .group_by(key)
        .agg(pl.col("terminals").sum())
        .with_columns(reference_date=pl.lit(on))
        .select(LIVENESS.names())
        .sort("park_id", "kind", "network", pl.col("status").cast(pl.Enum(STATUSES)))
    )
