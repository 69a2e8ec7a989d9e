"""Forecasts of indicators with intervals, and when a target will be reached."""

from collections.abc import Iterator
from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from assets.enterprises import closed_day
from assets.partitions import HOME
from assets.tables import up_to
from assets.words import OWNERS, both
from connectors.lake import Lake, Partition
from models.errors import SeriesError
from models.forecast import COUNTED, Asked, Outlook, forecast, scale_of
from pipelines.dictionary import DISTRICT_ID, dictionary
from pipelines.forecast_series import adoption_series, oee_series, told
from pipelines.park_figures import ARRIVALS, FORECASTS

UNSETTLED_DAYS: Final = 3
"""Platforms and gateways send a day's evidence within the next three: what is known of the last
days will be revised up, and would be read as a fall."""


def _out(chinese: str, english: str) -> dg.AssetOut:
    return dg.AssetOut(
        group_name="gold",
        kinds={"polars", "scikitlearn"},
        owners=OWNERS,
        description=both(chinese, english),
    )


@dg.multi_asset(
    outs={
        "forecasts": _out(
            "指标预测（90 天）与区间：上云、设备上云率、感知终端、OEE；披露控制隐藏的不预测。",
            "Forecasts of indicators, 90 days with intervals; none of cells that are hidden.",
        ),
        "arrivals": _out(
            "目标何时达到：最早、中位、最晚与一年内达到的机会。",
            "When a target will be reached: earliest, median, latest, the chance within a year.",
        ),
    },
    deps=["adoption", "oee_roll_up", "kpi"],
    name="outlook",
)
def outlook(
    context: dg.AssetExecutionContext, adoption_before: pl.LazyFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """FORECASTS and ARRIVALS from the last closed day; what cannot be said, the run's log says."""
    on = closed_day()
    forecasts, arrivals = [FORECASTS.to_frame()], [ARRIVALS.to_frame()]
    for series in _series(adoption_before.collect(), on):
        name, area = series["indicator_id"][0], series["area_id"][0]
        try:
            found = _outlook(series, name, area, on)
        except SeriesError as error:
            context.log.warning("%s of %s: %s", name, area, error)
            continue
        if found.note:
            context.log.info("%s of %s: %s", name, area, found.note)
        forecasts.append(found.forecasts)
        arrivals.append(found.arrivals)
    return pl.concat(forecasts), pl.concat(arrivals)


def _outlook(series: pl.DataFrame, name: str, area: str, on: date) -> Outlook:
    asked = dictionary().row(by_predicate=pl.col("indicator_id") == name, named=True)
    whole = area == DISTRICT_ID  # the plan sets its targets for the New City
    target = Asked(
        name,
        area,
        scale_of(asked["unit"]),
        asked["target"] if whole else None,
        asked["comparator"] if whole else None,
        COUNTED.get(asked["unit"], 1.0),
    )
    return forecast(series, target, origin=on, unsettled_days=UNSETTLED_DAYS)


def _series(before: pl.DataFrame, on: date) -> Iterator[pl.DataFrame]:
    """SERIES of every cell that the day's indicators publish; none where they were not made."""
    published = Lake(HOME.lake).read("kpi", Partition(on))
    if published is None:
        return
    adopted, rolled = (up_to(Lake(HOME.lake), name, on) for name in ("adoption", "oee_roll_up"))
    parts = [adoption_series(before if adopted is None else pl.concat([before, adopted]))]
    if rolled is not None:
        parts.append(oee_series(rolled))
    known = told(pl.concat(parts), published)
    yield from known.partition_by("indicator_id", "area_id", maintain_order=True)
