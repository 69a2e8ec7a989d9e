"""What early warning reads of the register and of cloud evidence."""

from datetime import date
from typing import Final

import polars as pl

from pipelines.park_schemas import PLATFORM_USE_SHARES
from pipelines.versions import as_of
from pipelines.warning_cycle import MODEL, OF_REGISTER
from pipelines.warning_rules import SURE

SEPARATOR: Final = "+"
"""A gateway names the platforms of a terminal in one field."""


def platform_shares(terminals: pl.DataFrame, on: date) -> pl.DataFrame:
    """PLATFORM_USE_SHARES: terminals in service on a day; one on two platforms counts on each."""
    is_left = (pl.col("retired_on") <= on).fill_null(value=False)
    in_service = as_of(terminals, on).filter(pl.col("activated_on") <= on, ~is_left)
    return (
        in_service.drop_nulls(["uscc", "platform"])
        .with_columns(pl.col("platform").str.split(SEPARATOR))
        .explode("platform")
        .group_by("uscc", "platform")
        .agg(terminals=pl.col("terminal_id").n_unique().cast(pl.Int64))
        .sort("uscc", "platform")
        .match_to_schema(PLATFORM_USE_SHARES)
    )


def peer_groups(enterprises: pl.DataFrame, on: date) -> pl.DataFrame:
    """`uscc peer_group`: the sector (letter and two digits) of an enterprise on a day."""
    return as_of(enterprises, on).select("uscc", peer_group=pl.col("industry_code").str.slice(0, 3))


def is_for_people() -> pl.Expr:
    """Whether a person is told of a row of WARNINGS, or it stands on the enterprise's own page."""
    return pl.col("rule").is_in([MODEL, *sorted(OF_REGISTER | SURE)])
