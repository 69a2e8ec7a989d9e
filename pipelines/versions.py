"""Versions of what the register knows: which row held on a day."""

from datetime import date

import polars as pl


def holds(on: date | pl.Expr) -> pl.Expr:
    """Whether a row holds on a day: `valid_from` included, `valid_to` not."""
    return (pl.col("valid_from") <= on) & (pl.col("valid_to").is_null() | (pl.col("valid_to") > on))


def as_of(versions: pl.DataFrame, on: date) -> pl.DataFrame:
    """The versions that hold on a day, one row per thing."""
    return versions.filter(holds(on))
