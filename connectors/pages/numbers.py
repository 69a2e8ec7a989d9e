"""How numbers are written: as a statistics desk does, rounded only here."""

from datetime import date
from typing import Any, Final

from pipelines.disclosure import CONFIDENTIAL
from pipelines.indicators import INCOMPLETE, UNCHECKED, least_decimals, shown

NOTHING: Final = "—"
HIDDEN: Final = "＊"
"""A figure kept back so that nobody can be told from it (因保密不公布)."""
UNRELIABLE: Final = "…"
"""A figure of which too little is known (数据不足)."""
MINUS: Final = "\N{MINUS SIGN}"
SPACE: Final = "\N{NO-BREAK SPACE}"
FINE: Final = {"%": 2, "kWh/kWh": 3}
"""Decimals of figures of a unit, on pages that may show them exactly."""


def whole(value: float | None) -> str:
    """A count with thousands separators."""
    return NOTHING if value is None else f"{value:,.0f}"


def number(value: float | None, decimals: int = 1) -> str:
    """With exactly so many decimals, and a true minus sign."""
    return NOTHING if value is None else signed_out(f"{value:,.{decimals}f}")


def percent(share: float | None, decimals: int = 2) -> str:
    """A share as 55.56 %."""
    return NOTHING if share is None else f"{number(100 * share, decimals)}{SPACE}%"


def points(share: float | None, decimals: int = 2) -> str:
    """A difference of shares in percentage points, always with its sign."""
    if share is None:
        return NOTHING
    text = f"{100 * share:+.{decimals}f}"
    return signed_out(text) if float(text) else f"{0:.{decimals}f}"


def change(share: float | None) -> str:
    """A trend as +3.2 %."""
    return NOTHING if share is None else f"{points(share, 1)}{SPACE}%"


def gap(more: float | None, less: float | None) -> float | None:
    """More less less, null where either is."""
    return None if more is None or less is None else more - less


def signed_out(text: str) -> str:
    """ASCII hyphens of numbers as minus signs."""
    return text.replace("-", MINUS)


def plain(value: float | None) -> str:
    """Up to four significant digits, for evidence of any size."""
    if value is None:
        return NOTHING
    size = abs(value)
    decimals = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2
    return number(value, decimals)


def day(when: date | None) -> str:
    """An ISO date."""
    return NOTHING if when is None else f"{when:%Y-%m-%d}"


def month_zh(when: date | None) -> str:
    """Like 2027年3月."""
    return NOTHING if when is None else f"{when.year}年{when.month}月"


def month_en(when: date | None) -> str:
    """Like Mar 2027."""
    return NOTHING if when is None else f"{MONTHS[when.month - 1]} {when.year}"


MONTHS: Final = (
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
)  # fmt: skip


def kpi_texts(row: dict[str, Any], kind: str, *, is_public: bool) -> dict[str, str | None]:
    """`value` and `bounds` of a row of KPI or PUBLISHED as printed, never against its verdict.

    On a public page a figure that disclosure control has not seen is no number.
    """
    if row["status"] == CONFIDENTIAL or (is_public and row["status"] == UNCHECKED):
        return {"value": HIDDEN, "bounds": None}
    if row["status"] == INCOMPLETE:
        return {"value": UNRELIABLE, "bounds": None}
    figure = row["value"], row["lower"], row["upper"]
    decimals = row.get("decimals")
    if decimals is None:
        least = least_decimals(row["unit"], kind, 1_000_000, row["value"], row["target"])
        printed = shown(
            figure, row["target"], row["comparator"], max(least, FINE.get(row["unit"], 0))
        )
        figure, decimals = printed[:3], printed.decimals
    value, lower, upper = figure
    known = lower is not None and upper is not None and lower != upper
    return {
        "value": number(value, decimals),
        "bounds": f"{number(lower, decimals)} – {number(upper, decimals)}" if known else None,
    }


def target_text(row: dict[str, Any], words: dict[str, tuple[str, str]]) -> tuple[str, str] | None:
    """Like 超过 80 %; null where the plan sets none."""
    if row["target"] is None:
        return None
    zh, en = words[row["comparator"]]
    number_, unit = f"{row['target']:g}", row["unit"]
    return f"{zh} {number_}{SPACE}{unit}", f"{en} {number_}{SPACE}{english_unit(unit)}".rstrip(
        SPACE
    )


def english_unit(unit: str) -> str:
    """A unit in English; Chinese measure words (家, 个, 所) have none."""
    if unit == "万个":
        return "× 10,000"
    return unit if unit.isascii() else ""
