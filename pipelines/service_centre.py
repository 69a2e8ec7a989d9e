"""云服务中心: what a park offers, who uses it, how often, and what nobody uses."""

from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.versions import as_of, holds

WINDOW: Final = timedelta(days=90)
"""Use of the days t-90 to t, both included, as cloud adoption counts it (decision 35)."""

CATALOGUE: Final = pl.Schema(
    {
        "service_id": pl.String(),
        "platform": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "level": pl.String(),
        "chain_stage": pl.String(),
        "is_listed": pl.Boolean(),
        "enterprises": pl.Int64(),
        "legal_groups": pl.Int64(),
        "unattributed": pl.Int64(),
        "uses": pl.Int64(),
        "uses_before": pl.Int64(),
        "trend": pl.Float64(),
        "is_used": pl.Boolean(),
        "last_used": pl.Date(),
    }
)
"""A row per service of the day's catalogue, and one per service that was used and is not in it (not
`is_listed`). `uses` are records of use in the window, `uses_before` in the one before; `trend` is
their quotient less 1, null where nothing was used before. `unattributed` uses are a group
account's: nobody knows by whom, and they make no enterprise a user."""

BY_LEVEL: Final = pl.Schema(
    {
        "level": pl.String(),
        "services": pl.Int64(),
        "services_used": pl.Int64(),
        "enterprises": pl.Int64(),
        "uses": pl.Int64(),
    }
)
"""C1 to C4; services without a level are those of null. An enterprise counts once at each."""

LEVELS: Final = ["C1", "C2", "C3", "C4"]
_KEY: Final = ["platform", "service_id"]


def catalogue(
    services: pl.DataFrame,
    use: pl.DataFrame,
    tenants: pl.DataFrame,
    enterprises: pl.DataFrame,
    on: date,
) -> pl.DataFrame:
    """`CATALOGUE` as of a day from SERVICES, PROVIDER_USE, TENANTS and ENTERPRISES."""
    used = users(use, tenants, enterprises, on)
    now, before = pl.col("is_now"), ~pl.col("is_now")
    counts = used.group_by(_KEY).agg(
        enterprises=pl.col("uscc").filter(now).drop_nulls().n_unique().cast(pl.Int64),
        legal_groups=pl.col("legal_group").filter(now).drop_nulls().n_unique().cast(pl.Int64),
        unattributed=(now & pl.col("uscc").is_null()).sum().cast(pl.Int64),
        uses=now.sum().cast(pl.Int64),
        uses_before=before.sum().cast(pl.Int64),
        last_used=pl.max("day"),
        used_level=pl.col("level").drop_nulls().max(),
    )
    listed = as_of(services, on).with_columns(is_listed=pl.lit(value=True))
    both = listed.join(counts, on=_KEY, how="full", coalesce=True, nulls_equal=True)
    found = both.filter(pl.col("is_listed").fill_null(value=False) | (pl.col("uses") > 0))
    uses, earlier = pl.col("uses"), pl.col("uses_before")
    return (
        found.with_columns(
            pl.col("enterprises", "legal_groups", "unattributed", "uses", "uses_before")
            .fill_null(0),
            pl.col("is_listed").fill_null(value=False),
            level=pl.coalesce("level", "used_level"),
        )
        .with_columns(is_used=uses > 0, trend=pl.when(earlier > 0).then(uses / earlier - 1))
        .sort(pl.col("is_listed"), "uses", *_KEY, descending=[True, True, False, False])
        .match_to_schema(CATALOGUE, extra_columns="ignore")
    )  # fmt: skip


def by_level(
    services: pl.DataFrame,
    use: pl.DataFrame,
    tenants: pl.DataFrame,
    enterprises: pl.DataFrame,
    on: date,
) -> pl.DataFrame:
    """`BY_LEVEL` of the same: how many services at each level, used ones, and by how many."""
    offered = catalogue(services, use, tenants, enterprises, on)
    now = users(use, tenants, enterprises, on).filter("is_now").drop("level")
    levels = offered.select(*_KEY, "level")
    counts = now.join(levels, on=_KEY, nulls_equal=True).group_by("level").agg(
        enterprises=pl.col("uscc").drop_nulls().n_unique().cast(pl.Int64),
        uses=pl.len().cast(pl.Int64),
    )  # fmt: skip
    per_level = offered.group_by("level").agg(
        services=pl.len().cast(pl.Int64),
        services_used=pl.col("is_used").sum().cast(pl.Int64),
    )
    every = pl.DataFrame({"level": LEVELS}, schema={"level": pl.String})
    return (
        every.join(per_level, on="level", how="full", coalesce=True, nulls_equal=True)
        .join(counts, on="level", how="left", nulls_equal=True)
        .with_columns(pl.exclude("level").fill_null(0))
        .sort("level", nulls_last=True)
        .match_to_schema(BY_LEVEL)
    )


def users(
    use: pl.DataFrame, tenants: pl.DataFrame, enterprises: pl.DataFrame, on: date
) -> pl.DataFrame:
    """Records of use of two windows: `platform service_id level day is_now uscc legal_group`.

    Whose a record is: its `uscc`, else that of the tenant that holds on its day. The legal group is
    that of the enterprise as of `on`, itself where it has none.
    """
    first = on - WINDOW
    length = WINDOW + timedelta(days=1)
    recent = use.filter(pl.col("day").is_between(first - length, on)).with_row_index("record")
    held = tenants.select("platform", "tenant_id", "valid_from", "valid_to", tenant_uscc="uscc")
    owners = (
        recent.filter(pl.col("uscc").is_null())
        .join(held, on=["platform", "tenant_id"])
        .filter(holds(pl.col("day")), pl.col("tenant_uscc").is_not_null())
        .unique("record", keep="first")
        .select("record", "tenant_uscc")
    )
    groups = as_of(enterprises, on).select("uscc", group="legal_group").unique("uscc")
    attributed = recent.join(owners, on="record", how="left").with_columns(
        uscc=pl.coalesce("uscc", "tenant_uscc")
    )
    return attributed.join(groups, on="uscc", how="left").select(
        "platform", service_id="service", level="level", day="day", is_now=pl.col("day") >= first,
        uscc="uscc", legal_group=pl.coalesce("group", "uscc"),
    )  # fmt: skip
