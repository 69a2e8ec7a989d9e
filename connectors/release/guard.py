"""The last look before figures leave: park and district rows that control let through."""

from collections.abc import Collection
from math import isfinite
from typing import Any, Final

import polars as pl

from connectors.errors import ReleaseBroken
from pipelines.disclosure import (
    CONFIDENTIAL,
    DOMINANCE,
    FREQUENCY,
    HIDDEN_COLUMNS,
    MISSING,
    PROVISIONAL,
    PUBLISHED,
    SECONDARY,
)
from pipelines.indicators import DISTRICT_ID, INCOMPLETE

_REASONS: Final = {FREQUENCY, DOMINANCE, SECONDARY}
_REMEDY: Final = "publish only what pipelines.disclosure.protect returns"
NUMBERS: Final = ["value", "lower", "upper"]


def guard(kpi: pl.DataFrame, park_ids: Collection[str], indicator_ids: Collection[str]) -> None:
    """Raise ReleaseBroken, naming the figure that is no checked row of a park or the district."""
    if kpi.schema != PUBLISHED:
        odd = sorted(set(kpi.schema.items()) ^ set(PUBLISHED.items()), key=str)
        raise ReleaseBroken("kpi", f"columns differ from a published table: {odd}", _REMEDY)
    key = ["indicator_id", "area_id"]
    if kpi.select(key).is_duplicated().any():
        raise ReleaseBroken("kpi", "an indicator stands twice for one area", _REMEDY)
    for row in kpi.iter_rows(named=True):
        why = _fault(row, park_ids, indicator_ids)
        if why:
            raise ReleaseBroken(f"{row['indicator_id']} of {row['area_id']}", why, _REMEDY)


def _fault(
    row: dict[str, Any], park_ids: Collection[str], indicator_ids: Collection[str]
) -> str | None:
    """What is wrong with one row; null where nothing is."""
    if row["area_id"] != DISTRICT_ID and row["area_id"] not in park_ids:
        return "is neither a park nor the district"
    if row["indicator_id"] not in indicator_ids:
        return "is not in the indicator dictionary"
    if row["status"] == CONFIDENTIAL:
        shows = [name for name in HIDDEN_COLUMNS if row[name] is not None]
        if shows:
            return f"is confidential and still shows {', '.join(shows)}"
        return None if row["reason"] in _REASONS else "is confidential without a reason"
    if row["reason"] is not None or row["status"] not in (
        PROVISIONAL,
        MISSING,
        INCOMPLETE,
    ):
        return f"has not been disclosure-checked (status {row['status']}, reason {row['reason']})"
    if (row["value"] is None) != (row["status"] in (MISSING, INCOMPLETE)):
        return "has a value and status that contradict each other"
    if row["status"] == INCOMPLETE and not row["lower"] is row["upper"] is None:
        return "is not reliable and still shows bounds"
    return (
        None
        if all(_is_printed(row[name], row["decimals"]) for name in NUMBERS)
        else "is not rounded"
    )


def _is_printed(number: float | None, decimals: int) -> bool:
    return number is None or (isfinite(number) and round(number, decimals) == number)
