"""What each legal group adds to an indicator: the ground of disclosure control."""

from typing import Final

import polars as pl

from pipelines.dictionary import DISTRICT_ID, dictionary

CONTRIBUTIONS: Final = pl.Schema(
    {
        "indicator_id": pl.String(),
        "area_id": pl.String(),
        "legal_group": pl.String(),
        "numerator": pl.Int64(),
        "denominator": pl.Int64(),
    }
)
"""What each legal group adds to a figure: units, or microseconds for time ratios."""

UNKNOWN_OWNER: Final = "?"
"""The legal group of every factory whose owner is not known; no USCC looks like it."""

FACTORS: Final = {
    "oee": ("ideal_good_s", "pbt_s"),
    "availability": ("apt_s", "pbt_s"),
    "effectiveness": ("ideal_total_s", "apt_s"),
    "quality_ratio": ("ideal_good_s", "ideal_total_s"),
}


def oee_contributions(by_factory: pl.DataFrame, groups: pl.DataFrame | None = None) -> pl.DataFrame:
    """CONTRIBUTIONS of the OEE figures, for every park and the district.

    `by_factory` has `park_id factory_id pbt_s apt_s ideal_total_s ideal_good_s`, `groups` has
    `factory_id legal_group`: factories it does not name could all be one owner's and count as one
    group. Without `groups` every factory stands for itself.
    """
    known = by_factory.with_columns(legal_group=pl.col("factory_id"))
    if groups is not None:
        named = groups.sort("legal_group", nulls_last=True).unique(
            "factory_id", keep="first", maintain_order=True
        )
        known = by_factory.join(named, on="factory_id", how="left").with_columns(
            pl.col("legal_group").fill_null(UNKNOWN_OWNER)
        )
    parts = [
        known.select(
            pl.lit(indicator_id).alias("indicator_id"),
            pl.col("park_id").alias("area_id"),
            "legal_group",
            _microseconds(numerator).alias("numerator"),
            _microseconds(denominator).alias("denominator"),
        )
        for indicator_id, (numerator, denominator) in FACTORS.items()
    ]
    by_park = pl.concat(parts)
    return _summed(
        pl.concat(
            [
                by_park.filter(pl.col("area_id").is_not_null()),
                by_park.with_columns(area_id=pl.lit(DISTRICT_ID)),
            ]
        )
    )


def _microseconds(name: str) -> pl.Expr:
    return (pl.col(name).fill_null(0) * 1e6).round().cast(pl.Int64)


def adoption_contributions(contributions: pl.DataFrame) -> pl.DataFrame:
    """CONTRIBUTIONS of the adoption indicators.

    From `park_id metric_id basis legal_group numerator denominator` (`park_id` null: the New City);
    where there is a `dimension`, of the rows that are of all.
    """
    known = dictionary().select("indicator_id", "metric_id", "basis")
    named = of_all(contributions).join(known, on=["metric_id", "basis"])
    return _summed(named.with_columns(area_id=pl.col("park_id").fill_null(DISTRICT_ID)))


def of_all(adoption: pl.DataFrame) -> pl.DataFrame:
    """The rows that are no breakdown by size class, sector or level."""
    is_cut = "dimension" in adoption.columns
    return adoption.filter(pl.col("dimension") == "all") if is_cut else adoption


def energy_contributions(energy: pl.DataFrame) -> pl.DataFrame:
    """CONTRIBUTIONS of the PUE of new data centres, for every park and the New City.

    `energy` has `park_id legal_group is_edge facility_wh it_wh` of the new ones alone, summed over
    days on which both meters spoke.
    """
    of_kind = pl.when("is_edge").then(pl.lit("pue_new_edge")).otherwise(pl.lit("pue_new"))
    by_park = energy.select(
        of_kind.alias("indicator_id"),
        pl.col("park_id").alias("area_id"),
        "legal_group",
        pl.col("facility_wh").alias("numerator"),
        pl.col("it_wh").alias("denominator"),
    )
    in_parks = by_park.filter(pl.col("area_id").is_not_null())
    return _summed(pl.concat([in_parks, by_park.with_columns(area_id=pl.lit(DISTRICT_ID))]))


def _summed(parts: pl.DataFrame) -> pl.DataFrame:
    key = ["indicator_id", "area_id", "legal_group"]
    summed = parts.group_by(key).agg(pl.col("numerator", "denominator").sum())
    return summed.select(CONTRIBUTIONS.names()).cast(CONTRIBUTIONS).sort(key)
