"""The table of figures judged against the plan's targets.

Figures are in the indicator's unit (a share is 55.56, its unit %) and unrounded until they are
published.
"""

from collections.abc import Mapping
from math import inf
from typing import Final

import polars as pl

from pipelines import entries
from pipelines.contributions import (
    CONTRIBUTIONS,
    FACTORS,
    UNKNOWN_OWNER,
    adoption_contributions,
    energy_contributions,
    oee_contributions,
    of_all,
)
from pipelines.dictionary import DISTRICT_ID, DISTRICT_ZH, ENTERED, dictionary
from pipelines.verdicts import (
    COMPARE,
    MET,
    NOT_MET,
    TO_BE_VERIFIED,
    Shown,
    least_decimals,
    shown,
    verdict,
)

__all__ = [
    "COMPARE", "CONTRIBUTIONS", "DISTRICT_ID", "DISTRICT_ZH", "FACTORS", "FIGURE", "INCOMPLETE",
    "KPI", "MET", "NOT_MET", "TO_BE_VERIFIED", "UNCHECKED", "UNKNOWN_OWNER", "Shown",
    "adoption_contributions", "dictionary", "energy_contributions", "energy_figures", "kpi_table",
    "least_decimals", "listing", "oee_contributions", "shown", "verdict",
]  # fmt: skip

UNCHECKED: Final = "u"
"""Status of a figure that disclosure control has not seen: it may not leave."""

INCOMPLETE: Final = "i"
"""Status of a figure that is not reliable, too little of its time being known: it is no number."""

KPI: Final = pl.Schema(
    {
        "indicator_id": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "period": pl.String(),
        "area_id": pl.String(),
        "area_zh": pl.String(),
        "unit": pl.String(),
        "value": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
        "target": pl.Float64(),
        "comparator": pl.String(),
        "verdict": pl.String(),
        "completeness": pl.Float64(),
        "status": pl.String(),
        "respondents": pl.Int64(),
    }
)
"""One row per indicator and area. The plan sets its targets for the New City, so a park has none.
`respondents` are legal groups. A bound that is null was not stated, and for what covers only a
part of the New City `upper` is open."""

REPORTED: Final = "e"
"""Status of an entry in `listing`: an office's word."""

FIGURE: Final = pl.Schema(
    {
        "indicator_id": pl.String(),
        "area_id": pl.String(),
        "value": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
        "completeness": pl.Float64(),
        "is_reliable": pl.Boolean(),
    }
)
"""A figure before it is judged: a share is 0 to 1, terminals are a count."""

UNIT_FACTOR: Final = {"%": 100.0, "万个": 1e-4}
"""From a share or a count to the unit that an indicator is told in."""


def kpi_table(
    oee_roll_up: pl.DataFrame,
    adoption: pl.DataFrame,
    contributions: pl.DataFrame,
    *,
    period: str,
    smart_factories: int,
    benchmark_parks: int,
    areas: Mapping[str, str],
    undecided: Mapping[str, int] | None = None,
    measured: pl.DataFrame | None = None,
    entered: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """The columns of KPI, unrounded and not yet disclosure-checked (status u).

    `oee_roll_up`: one row per park and one for the district (`park_id` null) with `oee
    availability effectiveness quality_ratio completeness lower upper is_reliable`, the bounds being
    OEE's. What is not reliable stays without value and bounds (status i).
    `adoption`: `adoption.figures`. `areas`: park id to Chinese name. `undecided`: of the two counts
    how many more there were if all that is unknown were met (their upper bound). `measured`:
    further rows of FIGURE, such as `energy_figures`. `entered` (`entries.ENTERED`): of each
    indicator and area the entry that stands at the period's end; what nobody entered has no row.
    """
    figures = [
        _register_figures(smart_factories, benchmark_parks, undecided or {}),
        _adoption_figures(adoption),
        _oee_figures(oee_roll_up),
        *([] if measured is None else [measured.select(FIGURE.names()).cast(FIGURE)]),
    ]
    units = dictionary().select("indicator_id", "unit")
    factor = pl.col("unit").replace_strict(UNIT_FACTOR, default=1.0)
    told = (
        pl.concat(figures)
        .join(units, on="indicator_id")
        .with_columns(pl.col("value", "lower", "upper") * factor)
        .select(FIGURE.names())
    )
    if entered is not None:
        told = pl.concat([told, _entered_figures(entries.standing(entered, period))])
    return _judged(told, contributions, period, areas)


def _judged(
    figures: pl.DataFrame, contributions: pl.DataFrame, period: str, areas: Mapping[str, str]
) -> pl.DataFrame:
    """KPI of figures in their own units."""
    order = dictionary().with_row_index("place")
    respondents = (
        contributions.filter((pl.col("denominator") > 0) | (pl.col("numerator") > 0))
        .group_by("indicator_id", "area_id")
        .agg(respondents=pl.col("legal_group").n_unique().cast(pl.Int64))
    )
    is_district = pl.col("area_id") == DISTRICT_ID
    judged = (
        figures.join(order, on="indicator_id")
        .join(respondents, on=["indicator_id", "area_id"], how="left")
        .with_columns(
            pl.when(is_district).then("target").alias("target"),
            pl.when(is_district).then("comparator").alias("comparator"),
            period=pl.lit(period),
            area_zh=pl.col("area_id").replace({DISTRICT_ID: DISTRICT_ZH, **areas}),
            status=pl.when("is_reliable").then(pl.lit(UNCHECKED)).otherwise(pl.lit(INCOMPLETE)),
        )
        .sort("place", ~is_district, "area_id")
    )
    return judged.with_columns(verdict=_verdicts(judged)).select(KPI.names()).cast(KPI)


def _verdicts(judged: pl.DataFrame) -> pl.Series:
    """One verdict per row; what covers only a part of the New City is open above."""
    columns = judged.select("value", "lower", "upper", "target", "comparator", "scope")
    verdicts = [
        verdict(value, lower, inf if scope == "partial" else upper, target, comparator)
        for value, lower, upper, target, comparator, scope in columns.iter_rows()
    ]
    return pl.Series("verdict", verdicts, dtype=pl.String)


def _entered_figures(standing: pl.DataFrame) -> pl.DataFrame:
    """Entries as figures; a bound that nobody stated is the value itself."""
    return standing.filter(pl.col("indicator_id").is_in(_entered_ids())).select(
        "indicator_id",
        "area_id",
        "value",
        pl.col("lower").fill_null(pl.col("value")),
        pl.col("upper").fill_null(pl.col("value")),
        pl.lit(None, pl.Float64).alias("completeness"),
        pl.lit(value=True).alias("is_reliable"),
    )


def _entered_ids() -> list[str]:
    return dictionary().filter(pl.col("collection") == ENTERED)["indicator_id"].to_list()


def energy_figures(contributions: pl.DataFrame) -> pl.DataFrame:
    """FIGURE rows of the PUE indicators from `energy_contributions`: energy of all over IT's."""
    summed = (
        contributions.group_by("indicator_id", "area_id")
        .agg(pl.col("numerator", "denominator").sum())
        .filter(pl.col("denominator") > 0)
        .sort("indicator_id", "area_id")
    )
    ratio = pl.col("numerator") / pl.col("denominator")
    return summed.select(
        "indicator_id",
        "area_id",
        ratio.alias("value"),
        ratio.alias("lower"),
        ratio.alias("upper"),
        pl.lit(None, pl.Float64).alias("completeness"),
        pl.lit(value=True).alias("is_reliable"),
    )


def _register_figures(
    smart_factories: int, benchmark_parks: int, undecided: Mapping[str, int]
) -> pl.DataFrame:
    counted = {"smart_factories": smart_factories, "benchmark_parks": benchmark_parks}
    rows = [(name, n, n, n + undecided.get(name, 0)) for name, n in counted.items()]
    names = ["indicator_id", "value", "lower", "upper"]
    return pl.DataFrame(rows, schema=names, orient="row").select(
        "indicator_id", pl.lit(DISTRICT_ID).alias("area_id"),
        pl.col("value", "lower", "upper").cast(pl.Float64),
        pl.lit(None, pl.Float64).alias("completeness"),
        pl.lit(value=True).alias("is_reliable"),
    )  # fmt: skip


def _adoption_figures(adoption: pl.DataFrame) -> pl.DataFrame:
    known = dictionary().select("indicator_id", "metric_id", "basis", "scope")
    is_partial = pl.col("scope") == "partial"
    named = of_all(adoption).join(known, on=["metric_id", "basis"])
    return named.with_columns(
        area_id=pl.col("park_id").fill_null(DISTRICT_ID),
        upper=pl.when(~is_partial).then("upper"),
        completeness=pl.when(pl.col("denominator") > 0).then(
            1.0 - pl.col("unknown") / pl.col("denominator")
        ),
        is_reliable=pl.lit(value=True),
    ).select(FIGURE.names())


def _oee_figures(oee_roll_up: pl.DataFrame) -> pl.DataFrame:
    """Long from wide; only OEE itself has bounds, the factors are what they are."""
    told = [*FACTORS, "lower", "upper"]
    is_told = pl.col("is_reliable") | pl.col("completeness").is_null()
    areas = oee_roll_up.with_columns(
        pl.when(is_told).then(pl.col(told)),
        area_id=pl.col("park_id").fill_null(DISTRICT_ID),
        is_reliable=is_told,
    )
    empty = pl.lit(None, pl.Float64)
    return pl.concat(
        areas.select(
            pl.lit(name).alias("indicator_id"),
            "area_id",
            pl.col(name).cast(pl.Float64).alias("value"),
            (pl.col("lower").cast(pl.Float64) if name == "oee" else empty).alias("lower"),
            (pl.col("upper").cast(pl.Float64) if name == "oee" else empty).alias("upper"),
            pl.col("completeness").cast(pl.Float64),
            "is_reliable",
        )
        for name in FACTORS
    )


def listing(kpi: pl.DataFrame | None, entered: pl.DataFrame, on: str) -> pl.DataFrame:
    """Every indicator of the dictionary with its latest figure of the New City.

    Columns of the dictionary and `period value lower upper verdict status`: of what is measured
    from `kpi` (PUBLISHED rows of its last day), of what is entered from the entry that stands on
    the day `on`, unrounded (status e). A status of null: nothing was reported yet.
    """
    told = ["indicator_id", "period", "value", "lower", "upper", "verdict", "status"]
    schema = pl.Schema({name: KPI[name] for name in told})
    of_city = pl.col("area_id") == DISTRICT_ID
    known = dictionary().select("indicator_id", "target", "comparator", "scope")
    standing = entries.standing(entered, on).filter(of_city).join(known, on="indicator_id")
    by_hand = standing.with_columns(verdict=_verdicts(standing), status=pl.lit(REPORTED))
    measured = pl.DataFrame(schema=schema)
    if kpi is not None:
        is_entered = pl.col("indicator_id").is_in(_entered_ids())
        measured = kpi.filter(of_city, ~is_entered).select(told).cast(schema)
    rows = pl.concat([measured, by_hand.select(told).cast(schema)])
    return dictionary().join(rows, on="indicator_id", how="left", maintain_order="left")
