"""Cloud adoption: who is on a cloud or platform, which devices are connected, how many terminals.

Evidence of an enterprise on the reference date: E1 declared, E2 a provider's record of use, E3 a
connected device. Verified is E2 or E3. What nobody knows is `unknown`, never "not on a cloud".
"""

from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.register import evidence, register, size_class, terminals, uscc_valid

__all__ = [
    "contributions", "evidence", "figures", "register", "scope", "scope_counts",
    "size_class", "terminals", "uscc_valid",
]  # fmt: skip

CLOUD_SHARE: Final = "CA-1"
DEVICE_CLOUD_RATE: Final = "CA-2"
SENSING_TERMINALS: Final = "CA-7"

VERIFIED: Final = "verified"
DECLARED_OR_VERIFIED: Final = "declared_or_verified"
MEASURED: Final = "measured"
"""Basis of CA-2 and CA-7: telemetry and register alone, nobody's word."""

USE_WINDOW: Final = timedelta(days=90)
CONNECTED_WINDOW_DAYS: Final = 30
CONNECTED_MIN_DAYS: Final = 5
CONNECTED_TENTHS: Final = 8
"""Connected on at least 8 tenths of the scheduled days: integers, so that 24 of 30 is exact."""

INDUSTRY: Final = ["B", "C", "D"]
"""GB/T 4754-2017: mining, manufacturing, energy and water supply."""

ACTIVE: Final = "在营"

CONTRIBUTION_KEY: Final = ["reference_date", "park_id", "metric_id", "basis"]


def scope() -> pl.Expr:
    """Why an enterprise is not an industrial SME of the New City; null where it is one.

    Needs the columns of `register`. The first reason that holds is named.
    """
    return (
        pl.when(pl.col("register_status").ne_missing(ACTIVE)).then(_status_reason())
        .when(pl.col("in_new_city").ne_missing(True)).then(pl.lit("outside_new_city"))
        .when(~pl.col("industry_code").str.slice(0, 1).is_in(INDUSTRY).fill_null(False))
        .then(pl.lit("not_industry"))
        .when(pl.col("size_class").is_null()).then(pl.lit("size_unknown"))
        .when(pl.col("size_class") == "large").then(pl.lit("large"))
    )  # fmt: skip


def _status_reason() -> pl.Expr:
    is_household = pl.col("register_status").eq_missing(pl.lit("个体工商户"))
    return pl.when(is_household).then(pl.lit("household")).otherwise(pl.lit("not_active"))


def scope_counts(register: pl.DataFrame) -> pl.DataFrame:
    """Enterprises per reason for being outside CA-1 (`in_scope` for those inside)."""
    reason = scope().fill_null("in_scope").alias("reason")
    return register.group_by(reason).agg(enterprises=pl.len()).sort("reason")


def figures(
    register: pl.DataFrame, terminals: pl.DataFrame, evidence: pl.DataFrame, reference_date: date
) -> pl.DataFrame:
    """CA-1, CA-2 and CA-7 per park and for the district (`park_id` null).

    Columns `reference_date park_id metric_id basis numerator denominator unknown value lower
    upper`. The bounds of a share are numerator / denominator and (numerator + unknown) /
    denominator; a count (CA-7) has no denominator.
    """
    parts = contributions(register, terminals, evidence, reference_date)
    every = _grid(register, terminals, reference_date).join(
        parts.group_by(CONTRIBUTION_KEY).agg(pl.col("numerator", "denominator", "unknown").sum()),
        on=CONTRIBUTION_KEY,
        how="left",
        nulls_equal=True,
    )
    is_count = pl.col("metric_id") == SENSING_TERMINALS
    whole = pl.when(is_count).then(1).otherwise(pl.col("denominator"))
    share = pl.when(whole > 0).then(pl.col("numerator") / whole)
    share_with_unknown = pl.when(whole > 0).then((pl.col("numerator") + pl.col("unknown")) / whole)
    return (
        every.with_columns(pl.col("numerator", "denominator", "unknown").fill_null(0))
        .with_columns(value=share, lower=share, upper=share_with_unknown)
        .with_columns(denominator=pl.when(~is_count).then("denominator"))
        .sort("metric_id", "basis", "park_id")
    )


def _grid(register: pl.DataFrame, terminals: pl.DataFrame, reference_date: date) -> pl.DataFrame:
    """Every area times every metric and basis, so that an empty park shows as zero."""
    parks = pl.concat([register["park_ids"].explode(), terminals["park_ids"].explode()])
    areas = pl.DataFrame(
        {"park_id": [None, *parks.drop_nulls().unique().sort()]}, {"park_id": pl.String()}
    )
    metrics = pl.DataFrame(
        [(CLOUD_SHARE, VERIFIED), (CLOUD_SHARE, DECLARED_OR_VERIFIED),
         (DEVICE_CLOUD_RATE, MEASURED), (SENSING_TERMINALS, MEASURED)],
        schema={"metric_id": pl.String(), "basis": pl.String()}, orient="row",
    )  # fmt: skip
    dated = areas.join(metrics, how="cross").with_columns(reference_date=pl.lit(reference_date))
    return dated.select(CONTRIBUTION_KEY)


def contributions(
    register: pl.DataFrame, terminals: pl.DataFrame, evidence: pl.DataFrame, reference_date: date
) -> pl.DataFrame:
    """What each legal group adds to each figure: the ground of `figures` and of disclosure control.

    Columns `reference_date park_id metric_id basis legal_group numerator denominator unknown`;
    `park_id` null is the district, where whoever is in two parks counts once.
    """
    devices = _listings(register, terminals, evidence, reference_date)
    firms = _firms(register, devices, reference_date)
    deployed = pl.col("is_deployed")
    in_service = deployed & (pl.col("kind") == "device")
    connected = in_service & pl.col("is_connected")
    no_schedule = in_service & (pl.col("scheduled_days") == 0)
    is_unknown, is_verified = pl.col("is_unknown"), pl.col("is_verified")
    is_either = is_verified | pl.col("is_declared")
    parts = [
        _by_group(firms, CLOUD_SHARE, VERIFIED, is_verified, None, is_unknown),
        _by_group(firms, CLOUD_SHARE, DECLARED_OR_VERIFIED, is_either, None, is_unknown),
        _by_group(devices, DEVICE_CLOUD_RATE, MEASURED, connected, in_service, no_schedule),
        _by_group(devices, SENSING_TERMINALS, MEASURED, deployed, deployed, None),
    ]
    counted = ["legal_group", "numerator", "denominator", "unknown"]
    return (
        pl.concat(parts)
        .with_columns(reference_date=pl.lit(reference_date))
        .select(*CONTRIBUTION_KEY, *counted)
        .sort("metric_id", "basis", "park_id", "legal_group")
    )


def _by_group(
    units: pl.DataFrame,
    metric_id: str,
    basis: str,
    numerator: pl.Expr,
    denominator: pl.Expr | None,
    unknown: pl.Expr | None,
) -> pl.DataFrame:
    """Count each `unit_id` once per area, under its first legal group."""
    marked = units.select(
        "unit_id",
        "legal_group",
        "park_ids",
        numerator=numerator,
        denominator=pl.lit(True) if denominator is None else denominator,
        unknown=pl.lit(False) if unknown is None else unknown,
    ).filter("denominator")
    parks = marked.explode("park_ids", empty_as_null=False, keep_nulls=False)
    areas = pl.concat(
        [
            parks.rename({"park_ids": "park_id"}),
            marked.with_columns(park_id=pl.lit(None, pl.String())).select(
                "unit_id", "legal_group", "park_id", "numerator", "denominator", "unknown"
            ),
        ]
    )
    once = areas.group_by("park_id", "unit_id").agg(
        pl.col("legal_group").min(),
        pl.col("numerator", "denominator").any(),
        pl.col("unknown").all(),
    )
    return (
        once.group_by("park_id", "legal_group")
        .agg(pl.col("numerator", "denominator", "unknown").sum().cast(pl.Int64))
        .with_columns(metric_id=pl.lit(metric_id), basis=pl.lit(basis))
    )


def _firms(register: pl.DataFrame, devices: pl.DataFrame, on: date) -> pl.DataFrame:
    """Enterprises in the scope of CA-1 with `is_declared is_verified is_unknown`.

    A declaration without a readable beginning may hold or not: it is unknown, not "no".
    """
    is_connected_device = (
        pl.col("is_deployed") & (pl.col("kind") == "device") & pl.col("is_connected")
    )
    with_device = devices.filter(is_connected_device)["enterprise_uscc"].drop_nulls().unique()
    last_use, declared = pl.col("provider_last_use"), pl.col("declared_cloud")
    is_verified = (
        last_use.is_between(on - USE_WINDOW, on).fill_null(False)
        | pl.col("uscc").is_in(with_device.implode())
    )  # fmt: skip
    may_last = pl.col("declared_to").is_null() | (pl.col("declared_to") >= on - USE_WINDOW)
    claims = (declared == "yes") & may_last
    is_declared = (claims & (pl.col("declared_from") <= on)).fill_null(False)
    is_undated = claims & pl.col("declared_from").is_null()
    return register.filter(scope().is_null()).select(
        unit_id="uscc",
        legal_group="legal_group",
        park_ids="park_ids",
        is_declared=is_declared,
        is_verified=is_verified,
        is_unknown=((declared == "unknown") | is_undated) & ~is_verified,
    )


def _listings(
    register: pl.DataFrame, terminals: pl.DataFrame, evidence: pl.DataFrame, on: date
) -> pl.DataFrame:
    """One row per device identity and enterprise, with `is_deployed is_connected scheduled_days`.

    `unit_id` is the ProductInstanceUri, or the terminal id where none is given: a device listed
    by two platforms is one device, connected on a day when either of them saw it.
    """
    window = pl.col("day").is_between(on - timedelta(days=CONNECTED_WINDOW_DAYS - 1), on)
    recent = evidence.filter(window)
    scheduled = recent.filter("is_operating").select(enterprise_uscc="entity_id", day="day")
    schedule = scheduled.group_by("enterprise_uscc").agg(scheduled_days=pl.len())
    key = ["unit_id", "enterprise_uscc"]
    named = terminals.with_columns(unit_id=pl.coalesce("product_instance_uri", "entity_id"))
    seen = (
        recent.filter(pl.col("good_values") >= 1)
        .join(named.select("entity_id", *key), on="entity_id")
        .join(scheduled, on=["enterprise_uscc", "day"])
        .group_by(key)
        .agg(connected_days=pl.col("day").n_unique())
    )
    is_deployed = (pl.col("activated_on") <= on).fill_null(False) & (
        pl.col("retired_on").is_null() | (pl.col("retired_on") > on)
    )
    listed = named.group_by(key).agg(
        pl.col("kind").sort_by("entity_id").first(),
        pl.col("park_ids").explode(empty_as_null=False, keep_nulls=False).unique().sort(),
        is_deployed=is_deployed.any(),
    )
    groups = register.select(pl.col("uscc").alias("enterprise_uscc"), "legal_group")
    days = pl.col("connected_days", "scheduled_days").fill_null(0).cast(pl.Int64)
    return (
        listed.join(seen, on=key, how="left", nulls_equal=True)
        .join(schedule, on="enterprise_uscc", how="left")
        .join(groups, on="enterprise_uscc", how="left")
        .with_columns(days, legal_group=pl.coalesce("legal_group", "enterprise_uscc", "unit_id"))
        .with_columns(is_connected=_is_connected())
    )  # fmt: skip


def _is_connected() -> pl.Expr:
    days, scheduled = pl.col("connected_days"), pl.col("scheduled_days")
    return (days * 10 >= scheduled * CONNECTED_TENTHS) & (days >= CONNECTED_MIN_DAYS)
