"""企业画像: one row of facts per enterprise, of a reference date (docs/decisions/0041).

An enterprise's row is made of its own rows only. What is not known is null, never zero.
"""

from datetime import date
from typing import Final, NamedTuple

import polars as pl

from pipelines.cloud.firms import ACTIVE
from pipelines.digital import scores
from pipelines.digital_evidence import of_days, of_machines, of_statuses, of_terminals
from pipelines.park_figures import PORTRAITS
from pipelines.portrait_trends import trends
from pipelines.register import size_class
from pipelines.versions import as_of

LIVENESS_OF_FIRMS: Final = pl.Schema(
    {"uscc": pl.String(), "terminals": pl.Int64(), "terminals_online": pl.Int64()}
)
"""Terminals in service of an enterprise, and those of them that are online."""

DECLARED: Final = pl.Schema(
    {"uscc": pl.String(), "declared": pl.String(), "is_verified": pl.Boolean()}
)
"""Status of what an enterprise declares (yes, no, unknown, expired), and whether use was seen."""

OEE_OF_FIRMS: Final = pl.Schema(
    {"uscc": pl.String(), "oee": pl.Float64(), "completeness": pl.Float64()}
)
"""OEE of an enterprise's factory: rows of those only that permit it."""


class Known(NamedTuple):
    """What a portrait is made of: register tables, and figures of other rooms by enterprise."""

    enterprises: pl.DataFrame
    sites: pl.DataFrame
    machines: pl.DataFrame
    terminals: pl.DataFrame
    enterprise_days: pl.DataFrame
    warnings: pl.DataFrame
    liveness: pl.DataFrame
    declared: pl.DataFrame
    oee: pl.DataFrame


def portraits(known: Known, on: date) -> pl.DataFrame:
    """PORTRAITS: a row per enterprise 在营 on the day, by `uscc`.

    `known` holds ENTERPRISES, SITES, MACHINES, TERMINALS, ENTERPRISE_DAYS, WARNINGS (those that no
    person closed), LIVENESS_OF_FIRMS, DECLARED and OEE_OF_FIRMS. `peers` stays null
    (`quartiles.with_peers`).
    """
    found = trends(known.enterprise_days, on)
    firms = _firms(known.enterprises, on)
    parts = [
        _parks(known.sites, on),
        found,
        known.oee.select("uscc", "oee", oee_completeness="completeness"),
        known.liveness,
        known.declared.select("uscc", cloud_declared="declared", cloud_verified="is_verified"),
        scores(_measures(firms, known, found, on)),
        _open(known.warnings, on),
    ]
    for part in parts:
        firms = firms.join(part, on="uscc", how="left")
    return (
        firms.with_columns(
            pl.col("park_ids").fill_null([]),
            pl.col("warnings_open").fill_null(0),
            reference_date=pl.lit(on),
            peers=pl.lit(None, pl.Int64),
        )
        .select(PORTRAITS.names())
        .sort("uscc")
    )


def _firms(enterprises: pl.DataFrame, on: date) -> pl.DataFrame:
    sector = pl.col("industry_code").str.slice(0, 3)
    return (
        as_of(enterprises, on)
        .filter(pl.col("register_status") == ACTIVE)
        .join(_size_classes(enterprises, on), on="uscc", how="left")
        .select(
            "uscc", "name_zh", "name_en", "size_class", "self_score",
            sector=pl.when(sector.str.contains(r"^[A-T]\d\d$")).then(sector),
        )
    )  # fmt: skip


def _size_classes(enterprises: pl.DataFrame, on: date) -> pl.DataFrame:
    """`uscc size_class` frozen on 31 December; who came later has that of its first version."""
    frozen = date(on.year - 1, 12, 31)
    stood = as_of(enterprises, frozen)
    came = pl.col("valid_from").is_between(frozen, on, closed="right")
    late = (
        enterprises.filter(came)
        .join(stood, on="uscc", how="anti")
        .sort("valid_from")
        .unique("uscc", keep="first", maintain_order=True)
    )
    rows = pl.concat([stood, late])
    return rows.select("uscc", size_class=size_class(pl.col("staff"), pl.col("revenue_wan")))


def _parks(sites: pl.DataFrame, on: date) -> pl.DataFrame:
    parks = pl.col("park_id").drop_nulls().unique().sort()
    return as_of(sites, on).group_by("uscc").agg(park_ids=parks)


def _open(warnings: pl.DataFrame, on: date) -> pl.DataFrame:
    is_raised = pl.col("raised_on") <= on
    is_open = pl.col("cleared_on").is_null() | (pl.col("cleared_on") > on)
    count = pl.col("warning_id").n_unique().cast(pl.Int64)
    return warnings.filter(is_raised, is_open).group_by("uscc").agg(warnings_open=count)


def _measures(
    firms: pl.DataFrame, known: Known, found: pl.DataFrame, on: date
) -> pl.DataFrame:  # fmt: skip
    measures = firms.select("uscc")
    for part in (
        of_machines(known.machines, known.terminals, on),
        of_terminals(known.terminals, known.liveness, on),
        of_days(known.enterprise_days, on),
        of_statuses(known.declared, known.oee, found),
    ):
        measures = measures.join(part, on="uscc", how="left")
    return measures
