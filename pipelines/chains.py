"""Industrial chains: which links a park has, which stand elsewhere, and which are missing."""

from datetime import date
from functools import cache
from importlib.resources import files
from typing import Final

import polars as pl

from pipelines.park_figures import MISSING_LINKS
from pipelines.versions import as_of

BEGUN: Final = 2
"""So many links of a chain make a beginning: with one, an enterprise is there, no chain (ours)."""

ACTIVE: Final = "在营"
LINK: Final = ["chain", "link"]


@cache
def supply_links() -> pl.DataFrame:
    """The five sectors' chains as SUPPLY_LINKS, with `sureness` of the code (GB/T 4754-2017)."""
    path = files("pipelines").joinpath("supply_links.csv")
    with path.open("rb") as file:
        return pl.read_csv(file, schema_overrides={"place": pl.Int64})


def missing_links(
    enterprises: pl.DataFrame, sites: pl.DataFrame, links: pl.DataFrame, on: date
) -> pl.DataFrame:
    """`park_figures.MISSING_LINKS` as of a day, of parks and of the New City (`park_id` null).

    Told are all links of the chains an area has begun. An enterprise counts where it is 在营 and in
    the New City, once a park it has a site in, and once in the New City; it makes a link when its
    sector code begins with one of the link's.
    """
    makers = _makers(enterprises, links, on)
    parks = as_of(sites, on).select("uscc", "park_id").drop_nulls("park_id").unique()
    named = links.unique(LINK, keep="first", maintain_order=True).select(
        *LINK, "name_zh", "name_en", "place"
    )
    district = makers.group_by(LINK).agg(in_district=pl.col("uscc").n_unique().cast(pl.Int64))
    own = makers.join(parks, on="uscc").group_by("park_id", *LINK).agg(
        in_park=pl.col("uscc").n_unique().cast(pl.Int64)
    )  # fmt: skip
    whole = district.select(
        *LINK, "in_district", park_id=pl.lit(None, pl.String), in_park="in_district"
    )
    areas = parks.select("park_id").unique().join(named, how="cross")
    rows = areas.join(own, on=["park_id", *LINK], how="left").join(district, on=LINK, how="left")
    every = pl.concat(
        [
            named.join(whole, on=LINK, how="left").with_columns(park_id=pl.lit(None, pl.String)),
            rows,
        ],
        how="diagonal",
    ).with_columns(pl.col("in_park", "in_district").fill_null(0))
    present = (pl.col("in_park") > 0).sum().over("park_id", "chain")
    state = (
        pl.when(pl.col("in_park") > 0).then(pl.lit("present"))
        .when(pl.col("in_district") > 0).then(pl.lit("elsewhere"))
        .otherwise(pl.lit("missing"))
    )  # fmt: skip
    return (
        every.with_columns(state=state, present=present)
        .filter(pl.col("present") >= BEGUN)
        .sort("park_id", "chain", "place", "link", nulls_last=False)
        .match_to_schema(MISSING_LINKS, extra_columns="ignore")
    )


def _makers(enterprises: pl.DataFrame, links: pl.DataFrame, on: date) -> pl.DataFrame:
    """`chain link uscc`: who makes which link. A link may have several codes, a code several."""
    standing = as_of(enterprises, on).filter(
        pl.col("register_status") == ACTIVE, pl.col("in_new_city"), pl.col("industry_code") != ""
    )
    codes = links.select(*LINK, prefix="industry_code").filter(pl.col("prefix") != "")
    sizes = codes["prefix"].str.len_chars().unique().drop_nulls().to_list()
    parts = [
        standing.select("uscc", prefix=pl.col("industry_code").str.slice(0, size))
        .join(codes, on="prefix")
        .select(*LINK, "uscc")
        for size in sorted(sizes)
    ]
    empty = pl.DataFrame(schema=dict.fromkeys([*LINK, "uscc"], pl.String))
    return pl.concat([empty, *parts]).unique()
