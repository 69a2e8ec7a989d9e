"""Which daily series are forecast, in the indicator's unit, and of which areas they are told."""

from typing import Final

import polars as pl

from pipelines.contributions import of_all
from pipelines.dictionary import DISTRICT_ID, dictionary
from pipelines.indicators import UNIT_FACTOR

METRICS: Final = ("CA-1", "CA-2", "CA-7")
"""Of ADOPTION, in the bases that the dictionary has."""
OEE: Final = "oee"

SERIES: Final = pl.Schema(
    {
        "indicator_id": pl.String(),
        "area_id": pl.String(),
        "day": pl.Date(),
        "value": pl.Float64(),
        "numerator": pl.Int64(),
        "denominator": pl.Int64(),
    }
)
"""`value` as in KPI but unrounded; of OEE there are no counts."""


def adoption_series(adoption: pl.DataFrame) -> pl.DataFrame:
    """SERIES of METRICS from ADOPTION of many days; of a day that stands twice the last row."""
    named = dictionary().filter(pl.col("metric_id").is_in(METRICS))
    known = of_all(adoption).join(
        named.select("indicator_id", "metric_id", "basis", "unit"), on=["metric_id", "basis"]
    )
    factor = pl.col("unit").replace_strict(UNIT_FACTOR, default=1.0)
    return (
        known.with_columns(
            value=pl.col("value") * factor,
            day=pl.col("reference_date"),
            area_id=pl.col("park_id").fill_null(DISTRICT_ID),
        )
        .unique(["indicator_id", "area_id", "day"], keep="last", maintain_order=True)
        .match_to_schema(SERIES, extra_columns="ignore")
        .sort("indicator_id", "area_id", "day")
    )


def oee_series(rolled: pl.DataFrame) -> pl.DataFrame:
    """SERIES of the New City's OEE on days of which enough is known (`levels.by_day`)."""
    rows = rolled.filter(pl.col("level") == "district", "is_reliable")
    return rows.select(
        indicator_id=pl.lit(OEE),
        area_id=pl.lit(DISTRICT_ID),
        day="production_day",
        value=pl.col("oee") * UNIT_FACTOR["%"],
        numerator=pl.lit(None, pl.Int64),
        denominator=pl.lit(None, pl.Int64),
    ).sort("day")


def told(series: pl.DataFrame, kpi: pl.DataFrame) -> pl.DataFrame:
    """SERIES of the cells that a day's KPI publishes: what is hidden has no forecast either."""
    shown = kpi.filter(pl.col("value").is_not_null()).select("indicator_id", "area_id").unique()
    return series.join(shown, on=["indicator_id", "area_id"], how="semi", maintain_order="left")
