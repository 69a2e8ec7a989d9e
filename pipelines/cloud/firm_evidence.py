"""What is known of each enterprise on a day: its terminals, what it declares, when it was seen."""

from datetime import date
from typing import Final

import polars as pl

from pipelines.cloud.day import Day
from pipelines.cloud.owed import NOBODY

FIRM_EVIDENCE: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "terminals": pl.Int64(),
        "terminals_online": pl.Int64(),
        "declared": pl.String(),
        "is_verified": pl.Boolean(),
        "seen_on": pl.Date(),
    }
)
"""A row per enterprise of the register, or that owns a terminal in service. Online: heard within 30
days. `declared`: yes, no, unknown, expired. `seen_on` is the last day on which a provider recorded
use, or a terminal of its was heard; null: never."""


def firm_evidence(day: Day, uses: pl.DataFrame, on: date) -> pl.DataFrame:
    """FIRM_EVIDENCE of a day; `uses` is `firms.attributed`."""
    owned = day.units.with_columns(pl.col("uscc").cast(pl.String)).filter(
        "is_deployed", pl.col("uscc") != NOBODY
    )
    terminals = owned.group_by("uscc").agg(
        terminals=pl.len().cast(pl.Int64),
        terminals_online=pl.col("is_online").sum().cast(pl.Int64),
        heard_on=pl.col("last_seen_on").max(),
    )
    known = uses.filter(pl.col("uscc").is_not_null(), pl.col("day") <= on)
    used = known.group_by("uscc").agg(used_on=pl.col("day").max())
    return (
        day.firms.select("uscc", "declared", "is_verified")
        .join(terminals, on="uscc", how="full", coalesce=True)
        .join(used, on="uscc", how="left")
        .with_columns(
            pl.col("terminals", "terminals_online").fill_null(0),
            seen_on=pl.max_horizontal("heard_on", "used_on"),
        )
        .select(FIRM_EVIDENCE.names())
        .sort("uscc")
    )
