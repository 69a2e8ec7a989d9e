"""The unified social credit code (统一社会信用代码, GB 32100-2015) and its check character."""

from typing import Final

import polars as pl

USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
USCC_WEIGHTS: Final = [pow(3, i, 31) for i in range(17)]
"""GB 32100-2015: character i of the first 17 weighs 3^i mod 31; I, O, S, V and Z are not used."""
LENGTH: Final = 18

_PLACES: Final = {letter: place for place, letter in enumerate(USCC_ALPHABET)}


def uscc_valid(text: pl.Expr) -> pl.Expr:
    """Is the 统一社会信用代码 18 characters long with the right check character (GB 32100-2015)?"""
    is_right = check_character(text) == text.str.slice(LENGTH - 1, 1)
    return (is_right & (text.str.len_chars() == LENGTH)).fill_null(False)


def check_character(text: pl.Expr) -> pl.Expr:
    """The 18th character that belongs to the first 17; null where one of them is no such letter."""
    weighted = sum((_place(text, i) * weight for i, weight in enumerate(USCC_WEIGHTS)), pl.lit(0))
    letters = dict(enumerate(USCC_ALPHABET))
    return ((31 - weighted % 31) % 31).replace_strict(letters, default=None, return_dtype=pl.String)


def _place(text: pl.Expr, at: int) -> pl.Expr:
    letter = text.str.slice(at, 1)
    return letter.replace_strict(_PLACES, default=None, return_dtype=pl.Int64)
