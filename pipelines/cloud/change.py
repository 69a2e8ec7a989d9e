"""How a share changed, and by whom: those in both populations, those that came, those that left."""

from datetime import date
from typing import Final

import polars as pl

from pipelines.cloud.areas import in_areas
from pipelines.park_figures import CHANGES

PANEL: Final = ["metric_id", "basis", "unit_id", "parks", "is_counted"]


def enterprise_panel(firms: pl.DataFrame) -> pl.DataFrame:
    """`metric_id basis unit_id parks is_counted` of CA-1 and CA-5, from `firms.evidence`."""
    scope = firms.filter("in_scope")
    large = firms.filter(pl.col("is_industry") & pl.col("is_above_scale"))
    either = pl.col("is_verified") | (pl.col("declared") == "yes")
    uses_apps = pl.col("used_levels").list.contains("C4")
    return pl.concat(
        [
            _panel(scope, "CA-1", "verified", "uscc", pl.col("is_verified")),
            _panel(scope, "CA-1", "declared_or_verified", "uscc", either),
            _panel(large, "CA-5", "verified", "uscc", uses_apps),
        ]
    )


def device_panel(units: pl.DataFrame) -> pl.DataFrame:
    """The same of CA-2, from `units.units`."""
    devices = units.filter(
        pl.col("is_deployed") & (pl.col("kind") == "device") & ~pl.col("is_ambiguous")
    )
    return _panel(devices, "CA-2", "measured", "unit", pl.col("is_connected"))


def _panel(
    rows: pl.DataFrame, metric_id: str, basis: str, unit: str, counted: pl.Expr
) -> pl.DataFrame:
    return rows.select(
        metric_id=pl.lit(metric_id),
        basis=pl.lit(basis),
        unit_id=unit,
        parks="parks",
        is_counted=counted,
    )


def changes(then: pl.DataFrame, now: pl.DataFrame, since: date, on: date) -> pl.DataFrame:
    """CHANGES from the panels of two days; a side without units has null shares.

    A unit that was in another park then is one that left there and one that came here.
    """
    key = ["park_id", "metric_id", "basis"]
    unit = [*key, "unit_id"]
    sides = in_areas(then).join(
        in_areas(now), on=unit, how="full", coalesce=True, nulls_equal=True, suffix="_now"
    )
    was, is_ = pl.col("is_counted"), pl.col("is_counted_now")
    both = was.is_not_null() & is_.is_not_null()
    sums = sides.group_by(key).agg(
        then=was.sum(), then_all=was.count(), now=is_.sum(), now_all=is_.count(),
        then_both=was.filter(both).sum(), now_both=is_.filter(both).sum(), matched=both.sum(),
    )  # fmt: skip
    return (
        sums.with_columns(
            value_then=_share("then", "then_all"),
            value_now=_share("now", "now_all"),
            matched_then=_share("then_both", "matched"),
            matched_now=_share("now_both", "matched"),
        )
        .with_columns(
            reference_date=pl.lit(on),
            since=pl.lit(since),
            change=pl.col("value_now") - pl.col("value_then"),
            matched_units=pl.col("matched").cast(pl.Int64),
            matched_change=pl.col("matched_now") - pl.col("matched_then"),
            within=pl.col("matched_now") - pl.col("matched_then"),
            entry=pl.col("value_now") - pl.col("matched_now"),
            exit=pl.col("matched_then") - pl.col("value_then"),
        )
        .select(CHANGES.names())
        .sort("metric_id", "basis", "park_id")
    )


def _share(part: str, whole: str) -> pl.Expr:
    return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))
