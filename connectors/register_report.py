"""The rows that were refused, as a table that a clerk opens, reads and works through."""

import csv
import io
import re
from pathlib import Path
from typing import Final

import polars as pl
import xlsxwriter

from connectors.home import Home, write_atomic
from pipelines.register_tables import ZH

HEADS: Final = {
    "file": "文件 file",
    "sheet": "工作表 sheet",
    "line": "行 line",
    "column": "列 column",
    "value": "内容 value",
    "why_zh": "原因",
    "remedy_zh": "改法",
    "why_en": "why",
    "remedy_en": "remedy",
}
_WIDTHS: Final = (24, 14, 8, 20, 26, 34, 40, 34, 40)
_FONT: Final = "等线"
_FORMULA: Final = re.compile(r"[=@\t]|[-+](?![\d.,]*$)")
MAX_ROWS: Final = 1_048_575
"""As many as a worksheet holds below its head; the CSV holds all."""


def write_report(
    home: Home, path: Path, table: str, sha256: str, rejections: pl.DataFrame
) -> str | None:
    """Write `register/rejections/<file>-<table>-<sha8>` as .csv (with BOM) and .xlsx.

    Returns the path of the workbook below the home, None where nothing was refused.
    """
    if rejections.is_empty():
        return None
    folder = home.register / "rejections"
    base = folder / f"{path.stem}-{table}-{sha256[:8]}"
    rows = rejections.select(HEADS.keys()).rows()
    write_atomic(base.with_name(f"{base.name}.csv"), _csv(rows))
    book = base.with_name(f"{base.name}.xlsx")
    write_atomic(book, _book(table, rows))
    return str(book.relative_to(home.root))


def _csv(rows: list[tuple[object, ...]]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(HEADS.values())
    writer.writerows(["" if cell is None else _inert(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _inert(cell: object) -> object:
    """A text that no spreadsheet takes for a formula: nobody vouches for what a file says."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _book(table: str, rows: list[tuple[object, ...]]) -> bytes:
    buffer = io.BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "default_format_properties": {"font_name": _FONT},
    }
    with xlsxwriter.Workbook(buffer, options) as book:
        sheet = book.add_worksheet("未导入的行")
        head = book.add_format(
            {"font_name": _FONT, "bold": True, "bg_color": "#E4ECF2", "border": 1}
        )
        body = book.add_format({"font_name": _FONT, "text_wrap": True, "valign": "top"})
        for column, width in enumerate(_WIDTHS):
            sheet.set_column(column, column, width, body)
        sheet.write_row(0, 0, list(HEADS.values()), head)
        for number, row in enumerate(rows[:MAX_ROWS], 1):
            sheet.write_row(number, 0, row, body)
        sheet.freeze_panes(1, 0)
        sheet.autofilter(0, 0, min(len(rows), MAX_ROWS), len(HEADS) - 1)
        sheet.set_header(f"&L{ZH[table]} {table}")
    return buffer.getvalue()
