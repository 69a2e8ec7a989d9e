"""Periods of a statistical form: 2026, 2026Q4, 2026-11 and 2026-11-21."""

from datetime import date
from typing import Final

import polars as pl

_YEAR: Final = r"^20\d\d$"
_MONTH: Final = r"^20\d\d-\d\d$"
_QUARTER: Final = r"^20\d\dQ[1-4]$"
_DAY: Final = r"^20\d\d-\d\d-\d\d$"


def period_span(period: str) -> tuple[date, date]:
    """First and last day of a period; ValueError where it is none.

    >>> period_span("2026Q4")
    (datetime.date(2026, 10, 1), datetime.date(2026, 12, 31))
    """
    one = pl.DataFrame({"period": [period]}).with_columns(first=period_from("period"))
    first, last = one.select("first", last=period_to("period", "first")).row(0)
    if first is None:
        raise ValueError(f"{period!r} is no period: use 2026-11-21, 2026-11, 2026Q4 or 2026")
    return first, last


def day(name: str) -> pl.Expr:
    """A text column as dates like 2026-11-21; null where it is none."""
    text = pl.col(name)
    return pl.when(text.str.contains(_DAY)).then(text).str.to_date("%Y-%m-%d", strict=False)


def period_from(name: str) -> pl.Expr:
    """The first day of a text column of periods; null where it is none."""
    text = pl.col(name)
    quarter = text.str.slice(5, 1).cast(pl.Int32, strict=False)
    month = (quarter * 3 - 2).cast(pl.String).str.zfill(2)
    first = pl.coalesce(
        pl.when(text.str.contains(_YEAR)).then(text + "-01-01"),
        pl.when(text.str.contains(_MONTH)).then(text + "-01"),
        pl.when(text.str.contains(_QUARTER)).then(text.str.slice(0, 4) + "-" + month + "-01"),
        pl.when(text.str.contains(_DAY)).then(text),
    )
    return first.str.to_date("%Y-%m-%d", strict=False)


def period_to(name: str, first: str) -> pl.Expr:
    """The last day of periods of which the column `first` is the first."""
    text, begun = pl.col(name), pl.col(first)
    return (
        pl.when(text.str.contains(_YEAR)).then(begun.dt.offset_by("11mo").dt.month_end())
        .when(text.str.contains(_QUARTER)).then(begun.dt.offset_by("2mo").dt.month_end())
        .when(text.str.contains(_MONTH)).then(begun.dt.month_end())
        .otherwise(begun)
    )  # fmt: skip
