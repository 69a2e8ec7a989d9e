"""The park register and its evidence, from the raw rows of park gateways.

Every function takes `values` (`schemas.RAW`) and `tags` (`schemas.TAGS`) and joins them; a value
whose status is not Good is skipped, and the newest by source time wins.
"""

from datetime import date
from typing import Final

import polars as pl

from pipelines.days import local_day
from pipelines.gateway_values import Frame, good_values, meaning_of, named, number, text
from pipelines.uscc import uscc_valid as uscc_valid

SIZE_BOUNDS: Final = {"large": (1000, 40_000), "medium": (300, 2_000), "small": (20, 300)}
"""NBS size classes of 2017, industry: lower bounds of staff and revenue (万元), both to be met."""

TEXT_FIELDS: Final = [
    "uscc", "name_zh", "name_en", "industry_code", "register_status", "legal_group", "park_id",
]  # fmt: skip
DATE_FIELDS: Final = ["declared_from", "declared_to", "provider_last_use"]
DECLARATIONS: Final = {
    "yes": "yes",
    "true": "yes",
    "1": "yes",
    "no": "no",
    "false": "no",
    "0": "no",
}


def size_class(staff: pl.Expr, revenue_wan: pl.Expr) -> pl.Expr:
    """NBS size class (2017, industry): the highest whose lower bounds are both met, else micro.

    With one of the two missing the class is micro if the other one alone decides, else null.
    """
    known = staff.is_not_null() & revenue_wan.is_not_null()
    is_micro = (staff < SIZE_BOUNDS["small"][0]).fill_null(False) | (
        revenue_wan < SIZE_BOUNDS["small"][1]
    ).fill_null(False)
    class_met = [
        pl.when(known & (staff >= staff_bound) & (revenue_wan >= revenue_bound)).then(pl.lit(name))
        for name, (staff_bound, revenue_bound) in SIZE_BOUNDS.items()
    ]
    return pl.coalesce(pl.when(is_micro).then(pl.lit("micro")), *class_met)


def _newest(expr: pl.Expr, measure: str) -> pl.Expr:
    """The newest value of one measure (rows are sorted), be it null: a cleared field is news."""
    return expr.filter(pl.col("measure") == measure).last()


def _as_date(name: str) -> pl.Expr:
    """A local date from `2026-11-21`, or from an ISO instant (with Z or an offset)."""
    text = pl.col(name)
    instant = text.str.to_datetime("%+", time_unit="us", time_zone="UTC", strict=False)
    return pl.coalesce(text.str.to_date("%Y-%m-%d", strict=False), local_day(instant))


def _dated(frame: pl.LazyFrame, names: list[str]) -> pl.LazyFrame:
    """Dates for texts; `unreadable` lists the fields whose text is no date."""
    bad = [
        pl.when(pl.col(name).is_not_null() & _as_date(name).is_null()).then(pl.lit(name))
        for name in names
    ]
    return frame.with_columns(
        unreadable=pl.concat_list(bad).list.drop_nulls(), **{name: _as_date(name) for name in names}
    )


def _parks(text: pl.Expr) -> pl.Expr:
    """The sorted parks of a comma-separated text."""
    return text.str.extract_all(r"[^,;，；\s]+").list.unique().list.sort()


def register(values: Frame, tags: Frame, as_of: date | None = None) -> pl.DataFrame:
    """One row per enterprise: the newest Good value of each field up to `as_of`.

    Columns `uscc name_zh name_en staff revenue_wan industry_code register_status legal_group
    in_new_city declared_cloud declared_from declared_to provider_last_use park_ids size_class
    is_uscc_valid unreadable`. `declared_cloud` is yes, no or unknown; `legal_group` falls back to
    the enterprise itself, `park_ids` to the gateways that serve it; `unreadable` names fields
    whose text is no date.
    """
    said = named(values, tags, "register", as_of)
    is_enterprise = pl.col("measure").is_in(["uscc"]).any().over("server_uri", "entity_id")
    wide = (
        said.filter(is_enterprise)
        .group_by("entity_id", maintain_order=True)
        .agg(
            *[_newest(text(), name).alias(name) for name in TEXT_FIELDS + DATE_FIELDS],
            staff=_newest(number(), "staff").cast(pl.Int64, strict=False),
            revenue_wan=_newest(number(), "revenue_wan"),
            in_new_city=_newest(number(), "in_new_city") == 1,
            declared_cloud=_newest(text(), "declared_cloud").str.to_lowercase(),
            gateways=pl.col("park_id").drop_nulls().unique().sort().str.join(","),
        )
    )
    return (
        _dated(wide, DATE_FIELDS)
        .with_columns(uscc=pl.coalesce("uscc", "entity_id"))
        .select(
            "uscc", "name_zh", "name_en", "staff", "revenue_wan", "industry_code",
            "register_status", pl.coalesce("legal_group", "uscc").alias("legal_group"),
            "in_new_city",
            pl.col("declared_cloud").replace_strict(DECLARATIONS, default="unknown"),
            *DATE_FIELDS,
            _parks(pl.coalesce("park_id", "gateways")).alias("park_ids"),
            size_class(pl.col("staff"), pl.col("revenue_wan")).alias("size_class"),
            uscc_valid(pl.col("uscc")).alias("is_uscc_valid"),
            "unreadable",
        )
        .unique("uscc", keep="last", maintain_order=True)
        .sort("uscc")
        .collect(engine="in-memory")
    )  # fmt: skip


def terminals(values: Frame, tags: Frame, as_of: date | None = None) -> pl.DataFrame:
    """One row per terminal listing: the newest Good value of each field up to `as_of`.

    Columns `entity_id product_instance_uri kind enterprise_uscc activated_on retired_on platforms
    park_ids unreadable`; `park_ids` are the gateways that serve it.
    """
    said = named(values, tags, "register", as_of)
    is_terminal = (
        pl.col("measure").is_in(["activated_on", "kind"]).any().over("server_uri", "entity_id")
    )
    texts = [
        "product_instance_uri",
        "kind",
        "enterprise_uscc",
        "activated_on",
        "retired_on",
        "platforms",
    ]
    wide = (
        said.filter(is_terminal)
        .group_by("entity_id", maintain_order=True)
        .agg(
            *[_newest(text(), name).alias(name) for name in texts],
            gateways=pl.col("park_id").drop_nulls().unique().sort().str.join(","),
        )
    )
    return (
        _dated(wide, ["activated_on", "retired_on"])
        .with_columns(pl.col("kind").str.to_lowercase(), park_ids=_parks(pl.col("gateways")))
        .select("entity_id", *texts, "park_ids", "unreadable")
        .sort("entity_id")
        .collect(engine="in-memory")
    )  # fmt: skip


def evidence(values: Frame, tags: Frame) -> pl.DataFrame:
    """One row per entity and local day: `entity_id day good_values is_operating`.

    Of several values of one node on a day the newest counts; where two gateways speak of one
    entity, the larger. The day is that of the source time, so a back-filled value counts for the
    day it speaks of.
    """
    meaning = meaning_of(tags, "evidence")
    numbers = good_values(values, meaning).select("node", "day", number=number())
    newest = numbers.group_by("node", "day").agg(pl.col("number").last()).join(meaning, on="node")
    is_count = pl.col("measure") == "daily_good_values"
    is_plan = pl.col("measure") == "operating_day"
    return (
        newest.filter(is_count | is_plan)
        .with_columns(
            good_values=pl.when(is_count).then(pl.col("number").cast(pl.Int64, strict=False)),
            is_operating=pl.when(is_plan).then(pl.col("number") == 1),
        )
        .group_by("entity_id", "day")
        .agg(pl.col("good_values").max(), pl.col("is_operating").max())
        .sort("entity_id", "day")
        .collect(engine="in-memory")
    )
