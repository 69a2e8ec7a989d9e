"""The enterprises of a day: who is in scope, what they declare, what providers recorded.

Rules: docs/decisions/0035, "Enterprises".
"""

from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.cloud.owed import EVERYWHERE
from pipelines.register import size_class
from pipelines.versions import as_of

WINDOW: Final = timedelta(days=90)
LEVELS: Final = ["C1", "C2", "C3", "C4"]
MACHINE_HOURS: Final = "machine_hours"
"""Hours of a shared machine are bought like computing: they connect no device of the buyer's."""

INDUSTRY: Final = ["B", "C", "D"]
"""GB/T 4754-2017: mining, manufacturing, energy and water supply."""

ACTIVE: Final = "在营"
LARGE_ENOUGH_WAN: Final = 2_000.0
"""规模以上: industrial enterprises of this revenue and more."""


def enterprises(versions: pl.DataFrame, sites: pl.DataFrame, on: date) -> pl.DataFrame:
    """One row per enterprise that the register has on the day.

    Columns `uscc legal_group parks size_class sector is_industry in_scope is_above_scale
    out_of_scope`; `out_of_scope` is the first reason that holds, null in scope.
    """
    frozen = _frozen(versions, on)
    parks = (
        as_of(sites, on)
        .filter(pl.col("park_id").is_not_null())
        .group_by("uscc")
        .agg(parks=pl.col("park_id").unique().sort().str.join("+"))
    )
    code = pl.col("industry_code")
    found = (
        as_of(versions, on)
        .join(frozen, on="uscc", how="left")
        .join(parks, on="uscc", how="left")
        .with_columns(out_of_scope=out_of_scope())
    )
    is_industry = ~pl.col("out_of_scope").is_in(
        ["not_active", "household", "outside_new_city", "not_industry"]
    )
    return found.select(
        "uscc",
        pl.col("legal_group").fill_null(pl.col("uscc")),
        pl.col("parks").fill_null(EVERYWHERE),
        pl.col("size_class").fill_null("unknown"),
        code.str.slice(0, 3).fill_null("unknown").alias("sector"),
        is_industry.fill_null(value=True).alias("is_industry"),
        pl.col("out_of_scope").is_null().alias("in_scope"),
        (pl.col("frozen_revenue_wan") >= LARGE_ENOUGH_WAN)
        .fill_null(value=False).alias("is_above_scale"),
        "out_of_scope",
    ).sort("uscc")  # fmt: skip


def _frozen(versions: pl.DataFrame, on: date) -> pl.DataFrame:
    """Size class and revenue of last 31 December, or of an enterprise's first version."""
    known = versions.filter(pl.col("valid_from") <= on).sort("valid_from")
    stood = as_of(known, date(on.year - 1, 12, 31))
    later = known.join(stood, on="uscc", how="anti").group_by("uscc", maintain_order=True).first()
    both = pl.concat([stood, later.select(stood.columns)])
    return both.select(
        "uscc",
        size_class(pl.col("staff"), pl.col("revenue_wan")).alias("size_class"),
        frozen_revenue_wan="revenue_wan",
    )


def out_of_scope() -> pl.Expr:
    """Why an enterprise is not an industrial SME of the New City; null where it is one."""
    section = pl.col("industry_code").str.slice(0, 1)
    status = pl.col("register_status")
    return (
        pl.when(status.eq_missing(pl.lit("个体工商户"))).then(pl.lit("household"))
        .when(status.ne_missing(pl.lit(ACTIVE))).then(pl.lit("not_active"))
        .when(pl.col("in_new_city").ne_missing(pl.lit(value=True)))
        .then(pl.lit("outside_new_city"))
        .when(~section.is_in(INDUSTRY).fill_null(value=False)).then(pl.lit("not_industry"))
        .when(pl.col("size_class").is_null()).then(pl.lit("size_unknown"))
        .when(pl.col("size_class") == "large").then(pl.lit("large"))
    )  # fmt: skip


def declared(declarations: pl.DataFrame, on: date) -> pl.DataFrame:
    """`uscc declared claimed_levels has_unlevelled_claim` (E1); who has no row is not in it."""
    says, begun, ended = (pl.col(n) for n in ("declared_cloud", "declared_from", "declared_to"))
    since = on - WINDOW
    is_yes = says == "yes"
    over = is_yes & (ended < since).fill_null(value=False)
    claims = is_yes & (begun <= on).fill_null(value=False) & ~over
    is_open = ((says == "unknown") | (is_yes & begun.is_null() & ~over)).fill_null(value=True)
    return (
        as_of(declarations, on)
        .with_columns(claims=claims.fill_null(value=False), open=is_open, over=over)
        .group_by("uscc")
        .agg(
            pl.col("claims", "open", "over").any(),
            claimed_levels=pl.col("level").filter("claims").drop_nulls().unique().sort(),
            has_unlevelled_claim=(pl.col("claims") & pl.col("level").is_null()).any(),
        )
        .select(
            "uscc",
            pl.when("claims").then(pl.lit("yes")).when("open").then(pl.lit("unknown"))
            .when("over").then(pl.lit("expired")).otherwise(pl.lit("no")).alias("declared"),
            "claimed_levels",
            "has_unlevelled_claim",
        )
    )  # fmt: skip


def attributed(provider_use: pl.DataFrame, tenants: pl.DataFrame) -> pl.DataFrame:
    """PROVIDER_USE as `uscc legal_group level day`: whose each use was, or which group's.

    A use without an enterprise is its tenant's, as the account stood on that day; `level` is at
    most C2 for hours of a shared machine.
    """
    use = provider_use.with_row_index("use")
    accounts = tenants.select(
        "platform", "tenant_id", "valid_from", "valid_to", account="uscc", group="legal_group"
    )
    held = (
        use.filter(pl.col("uscc").is_null())
        .join(accounts, on=["platform", "tenant_id"])
        .filter(pl.col("valid_from") <= pl.col("day"))
        .filter(pl.col("valid_to").is_null() | (pl.col("valid_to") > pl.col("day")))
        .select("use", "account", "group")
    )
    is_hours = (pl.col("service") == MACHINE_HOURS).fill_null(value=False)
    capped = pl.when(is_hours & pl.col("level").is_in(["C3", "C4"])).then(pl.lit("C2"))
    return use.join(held, on="use", how="left").select(
        pl.coalesce("uscc", "account").alias("uscc"),
        pl.when(pl.coalesce("uscc", "account").is_null()).then("group").alias("legal_group"),
        pl.coalesce(capped, "level").alias("level"),
        "day",
    )


def used(uses: pl.DataFrame, on: date) -> tuple[pl.DataFrame, list[str]]:
    """E2 from `attributed`: `uscc used_levels has_unlevelled_use`, and the groups in use."""
    window = uses.filter(pl.col("day").is_between(on - WINDOW, on))
    by_firm = (
        window.filter(pl.col("uscc").is_not_null())
        .select("uscc", "level").unique()
        .group_by("uscc")
        .agg(
            used_levels=pl.col("level").drop_nulls().sort(),
            has_unlevelled_use=pl.col("level").is_null().any(),
        )
    )  # fmt: skip
    return by_firm, window["legal_group"].drop_nulls().unique().sort().to_list()


def evidence(
    firms: pl.DataFrame,
    declarations: pl.DataFrame,
    uses: pl.DataFrame,
    connected: pl.Series,
    on: date,
) -> pl.DataFrame:
    """`enterprises` with what speaks for each: E1, E2, E3, and what is not known.

    Adds `declared claimed_levels used_levels has_unlevelled_claim has_unlevelled_use
    is_provider_used is_connected is_verified group_in_use`. `connected`: USCCs that own a connected
    device.
    """
    by_firm, groups = used(uses, on)
    nothing = pl.lit([], dtype=pl.List(pl.String()))
    flags = ["has_unlevelled_claim", "has_unlevelled_use"]
    return (
        firms.join(declared(declarations, on), on="uscc", how="left", maintain_order="left")
        .join(by_firm, on="uscc", how="left", maintain_order="left")
        .with_columns(
            pl.col("declared").fill_null("unknown"),
            pl.col(flags).fill_null(value=False),
            is_provider_used=pl.col("used_levels").is_not_null(),
            is_connected=pl.col("uscc").is_in(connected.implode()),
            group_in_use=pl.col("legal_group").is_in(groups),
        )
        .with_columns(
            pl.col("claimed_levels", "used_levels").fill_null(nothing),
            is_verified=pl.col("is_provider_used") | pl.col("is_connected"),
        )
    )
