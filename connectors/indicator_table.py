"""The indicators on the terminal, and as JSON."""

import json
from typing import Any, Final

import polars as pl
from rich.table import Table
from rich.text import Text

from connectors.release import wording
from pipelines.verdicts import MET, NOT_MET, TO_BE_VERIFIED, least_decimals, shown

NOTHING_YET: Final = {"entered": "未报送", "measured": "未计算"}
_COLOUR: Final = {MET: "green", NOT_MET: "red", TO_BE_VERIFIED: "yellow"}


def indicators_json(rows: pl.DataFrame) -> str:
    """The rows of `indicators.listing` for programs."""
    return json.dumps(rows.rows(named=True), ensure_ascii=False, default=str)


def indicators_view(rows: pl.DataFrame) -> Table:
    """A line per indicator: what it should be, what it is, and how that comes."""
    table = Table(title="规划指标与监测指标", title_justify="left")
    for name in ("编号", "指标", "属性", "目标", "最近值", "期别", "判定", "取得方式"):
        table.add_column(name, overflow="fold")
    for row in rows.iter_rows(named=True):
        table.add_row(*_cells(row))
    return table


def _cells(row: dict[str, Any]) -> list[str | Text]:
    known = wording.VERDICT.get(row["verdict"] or "")
    mark = Text(known.zh, style=_COLOUR[row["verdict"]]) if known else Text(wording.NOTHING)
    return [
        row["indicator_id"],
        row["name_zh"],
        row["property"],
        wording.target(row),
        _value(row),
        row["period"] or wording.NOTHING,
        mark,
        wording.COLLECTION[row["collection"]],
    ]


def _value(row: dict[str, Any]) -> str:
    """Printed so that it says what the verdict says; where there is none, who owes it."""
    if row["status"] == "c":
        return wording.HIDDEN
    if row["value"] is None:
        return NOTHING_YET[row["collection"]] if row["status"] is None else wording.NOTHING
    least = least_decimals(row["unit"], row["kind"], 100, row["value"], row["target"])
    figure = (row["value"], row["lower"], row["upper"])
    printed = shown(figure, row["target"], row["comparator"], least)
    return f"{wording.number(printed.value, printed.decimals)} {row['unit']}"
