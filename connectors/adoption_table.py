"""Cloud adoption as a table for the terminal: declared, verified, bounds, target, verdict."""

from typing import Final

import polars as pl
from rich.table import Table

from pipelines.dictionary import dictionary
from pipelines.indicators import UNIT_FACTOR
from pipelines.verdicts import verdict

VERDICTS: Final = {"met": "达到 met", "not_met": "未达 not met", "to_be_verified": "待核 unsure"}

ROWS: Final = {
    "CA-1": ("中小企业上云上平台 SMEs on cloud or platform", "declared_or_verified"),
    "CA-2": ("工业设备上云 Industrial devices connected", "measured"),
    "CA-3": ("数字化设备联网 Digital machines networked", "verified"),
    "CA-4": ("关键工序数控化 Key operations under control", "mean_of_firms"),
    "CA-5": ("平台普及 Enterprises above scale on platforms", "verified"),
    "CA-6": ("接口达标 Interface conformance", "measured"),
}
"""What is shown, by metric, and the basis whose bounds are the widest that is claimed."""


def adoption_table(figures: pl.DataFrame, names: dict[str, str]) -> Table:
    """ADOPTION of a day for the New City and each park; `names` of parks by id."""
    days = figures["reference_date"].unique().to_list()
    table = Table(title=f"上云上平台 Cloud adoption {days[0]:%Y-%m-%d}", title_justify="left")
    table.add_column("指标 indicator")
    for column in ("申报 declared", "核实 verified", "上下限 bounds", "目标 target"):
        table.add_column(column, justify="right")
    table.add_column("判定 verdict")
    whole = figures.filter(pl.col("dimension") == "all")
    for area in (None, *sorted(names)):
        of_area = whole.filter(pl.col("park_id").eq_missing(area))
        table.add_row(f"[bold]{'松江新城 New City' if area is None else f'{area} {names[area]}'}")
        for metric_id, (name, basis) in ROWS.items():
            table.add_row(*_row(of_area, metric_id, name, basis, is_city=area is None))
        table.add_row(*_terminals(of_area, is_city=area is None))
        table.add_section()
    return table


def _row(
    figures: pl.DataFrame, metric_id: str, name: str, basis: str, *, is_city: bool
) -> list[str]:
    by_basis = {row["basis"]: row for row in figures.filter(metric_id=metric_id).to_dicts()}
    widest = by_basis.get(basis)
    if widest is None or widest["value"] is None:
        return [f"  {name}", "—", "—", "—", "", ""]
    declared = by_basis.get("declared", {}).get("value")
    verified = by_basis.get("verified", widest)["value"]
    bounds = f"{_percent(widest['lower'])} – {_percent(widest['upper'])}"
    target, word = _judged(metric_id, basis, widest) if is_city else ("", "")
    return [f"  {name}", _percent(declared), _percent(verified), bounds, target, word]


def _terminals(figures: pl.DataFrame, *, is_city: bool) -> list[str]:
    found = figures.filter(metric_id="CA-7", basis="measured").to_dicts()
    if not found:
        return ["  感知终端 Sensing terminals", "—", "—", "—", "", ""]
    row = found[0]
    bounds = f"{row['lower']:,.0f} – {row['upper']:,.0f}"
    target, word = _judged("CA-7", "measured", row) if is_city else ("", "")
    return ["  感知终端 Sensing terminals", "", f"{row['numerator']:,}", bounds, target, word]


def _judged(metric_id: str, basis: str, row: dict[str, float]) -> tuple[str, str]:
    """The target and the verdict of the New City; both empty where the plan sets none."""
    known = dictionary().filter(metric_id=metric_id, basis=basis).to_dicts()
    if not known or known[0]["target"] is None:
        return "", ""
    one = known[0]
    factor = UNIT_FACTOR.get(one["unit"], 1.0)
    value, lower, upper = (row[name] * factor for name in ("value", "lower", "upper"))
    upper = float("inf") if one["scope"] == "partial" else upper
    found = verdict(value, lower, upper, one["target"], one["comparator"])
    sign = {"gt": ">", "ge": "≥", "le": "≤", "eq": "="}[one["comparator"]]
    return f"{sign} {one['target']:g} {one['unit']}", VERDICTS.get(found or "", "")


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.2f} %"
