"""What enterprises declare beside what was seen of them, and where the two differ."""

from datetime import date

import polars as pl

from pipelines.park_figures import DISCREPANCIES


def discrepancies(firms: pl.DataFrame, on: date) -> pl.DataFrame:
    """DISCREPANCIES of the enterprises in scope, from `firms.evidence`."""
    device = pl.when("is_connected").then(pl.lit("C3"))
    claimed = pl.col("claimed_levels").list.max()
    seen = pl.max_horizontal(pl.col("used_levels").list.max(), device)
    says, verified = pl.col("declared"), pl.col("is_verified")
    named = (
        pl.when((says == "yes") & ~verified).then(pl.lit("claimed_not_seen"))
        .when((says == "no") & verified).then(pl.lit("seen_though_denied"))
        .when(says.is_in(["unknown", "expired"]) & verified).then(pl.lit("seen_not_claimed"))
        .when((says == "yes") & (claimed > seen)).then(pl.lit("level_not_seen"))
    )  # fmt: skip
    return (
        firms.filter("in_scope")
        .with_columns(
            reference_date=pl.lit(on),
            declared_level=claimed,
            seen_level=seen,
            discrepancy=named,
        )
        .select(DISCREPANCIES.names())
        .sort("uscc")
    )
