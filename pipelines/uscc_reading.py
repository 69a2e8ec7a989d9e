"""What is wrong with a unified social credit code, and which one may have been meant."""

from typing import Final

import polars as pl

from pipelines.register_words import DIGITS_LOST, ERRORS, first_of, narrow
from pipelines.uscc import LENGTH, check_character, uscc_valid

_TYPED: Final = {"I": "1", "O": "0", "Z": "2", "S": "5"}
"""Letters that no code has, and the digits they are mistaken for."""


def read_codes(distinct: pl.DataFrame) -> pl.DataFrame:
    """`text value reason about` of texts that are to be codes.

    In steps, each on the columns of the one before: as one expression, Polars computes the check
    character ten times over.
    """
    code = pl.col("value")
    shaped = distinct.with_columns(
        value=narrow(pl.col("text")).str.replace_all("[-‐–—]", "")
    ).with_columns(upper=code.str.to_uppercase(), length=code.str.len_chars())
    meant = shaped.with_columns(
        typed=pl.col("upper").str.replace_many(list(_TYPED), list(_TYPED.values())),
        checked=pl.col("upper").str.slice(0, LENGTH - 1) + check_character(pl.col("upper")),
        foreign=pl.col("upper").str.replace_all("[0-9ABCDEFGHJKLMNPQRTUWXY]", ""),
    ).with_columns(
        as_u=pl.col("typed").str.replace_all("V", "U"),
        as_y=pl.col("typed").str.replace_all("V", "Y"),
    )
    judged = meant.with_columns(
        is_valid=uscc_valid(code),
        meant=pl.coalesce(
            pl.when(uscc_valid(pl.col(name))).then(pl.col(name))
            for name in ("typed", "as_u", "as_y")
        ),
    )
    told = judged.with_columns(reason=_reason())
    about = (
        pl.when(pl.col("reason") == "uscc_typed").then("meant")
        .when(pl.col("reason") == "uscc_length").then(pl.col("length").cast(pl.String))
        .when(pl.col("reason") == "uscc_letter").then("foreign")
        .when(pl.col("reason") == "uscc_check").then("checked")
    )  # fmt: skip
    return told.select("text", "value", "reason", about=about)


def _reason() -> pl.Expr:
    """The first thing that is wrong; null where nothing is."""
    code, length = pl.col("value"), pl.col("length")
    is_zeroed = (length == LENGTH) & code.str.contains(r"^\d{15}000$")
    return first_of(
        (pl.col("is_valid"), ""),
        (pl.col("text").is_in(ERRORS), "excel_error"),
        (code.str.contains(DIGITS_LOST) | is_zeroed, "digits_lost"),
        (pl.col("meant").is_not_null(), "uscc_typed"),
        (code.str.contains(r"^\d{15}$"), "uscc_old"),
        (length != LENGTH, "uscc_length"),
        (pl.col("foreign") != "", "uscc_letter"),
        (code.is_not_null(), "uscc_check"),
    ).replace({"": None})
