"""Size classes and the check character of the 统一社会信用代码."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.register import size_class
from pipelines.uscc import uscc_valid


@pytest.mark.parametrize(
    ("staff", "revenue", "expected"),
    [
        (1500, 39999, "medium"), (5000, 500, "small"), (1000, 40000, "large"),
        (299, 900000, "small"), (19, 900000, "micro"), (300, 1999, "small"), (20, 300, "small"),
        (300, 2000, "medium"), (999, 40000, "medium"), (20, 299.99, "micro"), (0, 0, "micro"),
        (None, 900000, None), (None, 299, "micro"), (19, None, "micro"), (500, None, None),
        (None, None, None),
    ],
)  # fmt: skip
def test_size_class_of_nbs_2017(staff, revenue, expected):
    frame = pl.DataFrame(
        {"s": [staff], "r": [revenue]}, schema={"s": pl.Int64, "r": pl.Float64}
    ).select(size_class(pl.col("s"), pl.col("r")))
    assert frame.item() == expected


ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def uscc_of(body: str) -> str:
    total = sum(ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(body))
    return body + ALPHABET[(31 - total % 31) % 31]


def is_valid(text: str | None) -> bool:
    return pl.select(uscc_valid(pl.lit(text, pl.String))).item()


def test_uscc_check_character():
    assert is_valid("91350100M000100Y43")  # the example that GB 32100-2015 itself gives
    assert not is_valid("91350100M000100Y44")
    assert not is_valid("91350100M000100Y4")
    assert not is_valid("91350100M000100Y430")
    assert not is_valid("91350100I000100Y43")
    assert not is_valid(None)


@given(st.text(ALPHABET, min_size=17, max_size=17), st.integers(0, 17), st.sampled_from(ALPHABET))
@settings(max_examples=60)
def test_uscc_notices_every_single_wrong_character(body, place, letter):
    right = uscc_of(body)
    wrong = right[:place] + letter + right[place + 1 :]
    assert is_valid(right)
    assert is_valid(wrong) == (wrong == right)
