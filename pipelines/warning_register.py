"""Early warning from what the register says: terminals on one platform, an old declaration.

These are facts of a day, no matter of weeks, and are as sure as the register.
"""

from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.versions import as_of
from pipelines.warning_table import table

CONCENTRATED: Final = 90
LEAST_TERMINALS: Final = 20
"""Percent of an enterprise's terminals on one platform, and how many terminals make that matter."""

STALE: Final = timedelta(days=365)
UNSEEN: Final = timedelta(days=90)
"""A declaration nobody confirmed for so long, and nothing seen of it for so long."""

NEVER: Final = pl.lit(None, pl.Date())


def concentration(shares: pl.DataFrame, on: date) -> pl.DataFrame:
    """WARNINGS of enterprises with almost all terminals on one platform (PLATFORM_USE_SHARES).

    Shares are of one day: it is all that `raised_on` can say. `warning_told.as_told` keeps the
    first day and its id.
    """
    counted = shares.group_by("uscc").agg(
        terminals=pl.col("terminals").sum(),
        most=pl.col("terminals").max(),
        platform=pl.col("platform")
        .sort_by(pl.col("terminals"), "platform", descending=[True, False])
        .first(),
    )
    is_so = pl.col("most") * 100 >= pl.col("terminals") * CONCENTRATED
    found = counted.filter(is_so, pl.col("terminals") >= LEAST_TERMINALS).sort("uscc")
    evidence = pl.struct("platform", "most", "terminals").struct.json_encode()
    days = dict.fromkeys(("begun_on", "raised_on", "seen_on"), pl.lit(on))
    key = pl.format("{}-{}", "platform", pl.lit(f"{on:%Y%m%d}"))
    told = found.with_columns(
        **days, cleared_on=NEVER,
        value=pl.col("most") / pl.col("terminals"), expected=pl.lit(CONCENTRATED / 100),
        lost=pl.lit(0.0), evidence=evidence,
    )  # fmt: skip
    return table(
        told, "concentration", figure="terminals_on_one_platform", unit="1",
        confidence=pl.lit(1.0), key=key,
    )  # fmt: skip


def stale_declaration(declarations: pl.DataFrame, seen: pl.DataFrame, on: date) -> pl.DataFrame:
    """WARNINGS of declarations that nobody confirmed for a year and nothing bears out.

    A declaration without any day of its own is as old as its row of the register.

    Args:
        declarations: DECLARATIONS.
        seen: `uscc seen_on`, the last day of use by a provider or of a connected device.
        on: the day asked about.
    """
    lasts = pl.col("declared_to").is_null() | (pl.col("declared_to") >= on)
    claims = as_of(declarations, on).filter(lasts, pl.col("declared_cloud") == "yes")
    confirmed = pl.coalesce("declared_on", "declared_from", "valid_from").max()
    latest = claims.group_by("uscc").agg(declared_on=confirmed)
    last = seen.filter(pl.col("seen_on") <= on).group_by("uscc").agg(pl.col("seen_on").max())
    since = pl.max_horizontal(pl.col("declared_on") + STALE, pl.col("seen_on") + UNSEEN)
    found = (
        latest.join(last, on="uscc", how="left")
        .with_columns(since=since + pl.duration(days=1))
        .filter(pl.col("since") <= on)
    )
    told = found.sort("uscc").with_columns(
        value=(pl.lit(on) - pl.col("declared_on")).dt.total_days().cast(pl.Float64),
        expected=pl.lit(float(STALE.days)),
        lost=pl.lit(0.0),
        evidence=pl.struct(
            pl.col("declared_on").cast(pl.String),
            pl.col("seen_on").cast(pl.String).alias("last_seen_on"),
        ).struct.json_encode(),
    )
    since_then = pl.col("since")
    days = {"begun_on": since_then, "raised_on": since_then, "seen_on": pl.lit(on)}
    return table(
        told.with_columns(**days, cleared_on=NEVER), "stale_declaration",
        figure="declaration_age", unit="d", confidence=pl.lit(1.0),
    )  # fmt: skip
