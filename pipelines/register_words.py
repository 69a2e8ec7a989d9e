"""Small expressions that readers of cells share."""

from typing import Final

import polars as pl

ERRORS: Final = ["#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!"]
"""What a spreadsheet shows for a formula that failed."""

DIGITS_LOST: Final = r"^\d(\.\d+)?[eE]\+?\d+$"
"""A number as a spreadsheet shortens it: 1.23E+17."""

CODE_LOST: Final = r"^(\d\.\d+[eE]\+?\d+|\d[eE]\+\d+)$"
"""The same of a code: 1E17 may be one (of room 17 in block 1E), 1E+17 is none."""


def narrow(text: pl.Expr) -> pl.Expr:
    """Half-width characters without blanks."""
    return text.str.normalize("NFKC").str.replace_all(r"\s", "")


def first_of(*cases: tuple[pl.Expr, str]) -> pl.Expr:
    """The reason of the first condition that holds."""
    return pl.coalesce(pl.when(when.fill_null(False)).then(pl.lit(why)) for when, why in cases)
