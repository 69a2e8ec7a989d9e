"""An empty sheet that a clerk fills in: heads in both languages, lists to choose from, notes."""

import io
from typing import Final

import xlsxwriter

from pipelines.register_fields import Field
from pipelines.register_tables import FIELDS, ZH

ROWS: Final = 5_000
"""So far down reach the lists to choose from; rows below are read as well."""
_FONT: Final = "等线"
_CHOICES: Final = 255
"""Excel's limit for a list that stands in the cell itself."""
_TEXT: Final = ("text", "code", "uscc", "industry", "mac")
_NOTES: Final = {
    "text": ("文字", "text"),
    "code": ("编号，按文本填写", "a code, as text"),
    "uscc": ("18 位，按文本填写", "18 characters, as text"),
    "industry": ("GB/T 4754-2017，例如 C3973", "GB/T 4754-2017, like C3973"),
    "count": ("整数，不小于 0", "a whole number, 0 or more"),
    "amount": ("数字，不小于 0，单位见表头", "a number, 0 or more, in the unit of the head"),
    "score": ("0 至 100", "0 to 100"),
    "longitude": ("度，例如 121.2278", "degrees, like 121.2278"),
    "latitude": ("度，例如 31.0322", "degrees, like 31.0322"),
    "word": ("从列表中选择", "choose from the list"),
    "flag": ("是 或 否，不详留空", "是 (yes) or 否 (no), nothing if unknown"),
    "grade": ("L0、L1、L2、L3，未核查留空", "L0 to L3, nothing if nobody looked"),
    "mac": ("例如 00:1B:44:11:3A:B7", "like 00:1B:44:11:3A:B7"),
    "day": ("日期，例如 2026-11-21", "a date, like 2026-11-21"),
    "end_day": ("日期；仍有效则留空", "a date; nothing while it holds"),
}


def template(table: str) -> bytes:
    """A workbook with one empty sheet of a table of `park_schemas.REGISTER`, and its notes."""
    buffer = io.BytesIO()
    options = {"in_memory": True, "default_format_properties": {"font_name": _FONT}}
    with xlsxwriter.Workbook(buffer, options) as book:
        _sheet(book, table)
        _notes(book, table)
    return buffer.getvalue()


def _sheet(book: xlsxwriter.Workbook, table: str) -> None:
    sheet = book.add_worksheet(ZH[table])
    look = {"font_name": _FONT, "bold": True, "text_wrap": True, "border": 1, "valign": "vcenter"}
    plain = book.add_format({**look, "bg_color": "#E4ECF2"})
    required = book.add_format({**look, "bg_color": "#F6DDCC"})
    text = book.add_format({"font_name": _FONT, "num_format": "@"})
    day = book.add_format({"font_name": _FONT, "num_format": "yyyy-mm-dd"})
    for column, field in enumerate(FIELDS[table]):
        is_day = field.kind in ("day", "end_day")
        form = day if is_day else text if field.kind in _TEXT else None
        sheet.set_column(column, column, 24 if field.kind in _TEXT else 16, form)
        star = "*" if field.is_required else ""
        sheet.write(0, column, f"{star}{field.zh}\n{field.name}", required if star else plain)
        _choices(sheet, column, field)
    sheet.set_row(0, 34)
    sheet.freeze_panes(1, 0)


def _choices(sheet: xlsxwriter.worksheet.Worksheet, column: int, field: Field) -> None:
    """A list to choose from, or a rule that Excel itself holds a cell against."""
    options = choices(field)
    rule: dict[str, object] = {}
    if options and len(",".join(options)) <= _CHOICES:
        rule = {"validate": "list", "source": options}
    elif field.kind == "uscc":
        rule = {"validate": "length", "criteria": "==", "value": 18}
    elif field.kind == "count":
        rule = {"validate": "integer", "criteria": ">=", "value": 0}
    if rule:
        zh, en = _NOTES[field.kind]
        told = {
            "input_title": field.zh[:32],
            "input_message": f"{zh}\n{en}",
            "error_type": "warning",
        }
        sheet.data_validation(1, column, ROWS, column, {**rule, **told})


def choices(field: Field) -> list[str]:
    """What a clerk may choose for a field, in Chinese."""
    if field.kind == "flag":
        return ["是", "否"]
    if field.kind == "grade":
        return ["L0", "L1", "L2", "L3"]
    return [
        word if not word.isascii() else next((a for a in aliases if not a.isascii()), word)
        for word, aliases in field.words.items()
    ]


def _notes(book: xlsxwriter.Workbook, table: str) -> None:
    sheet = book.add_worksheet("填写说明 notes")
    head = book.add_format({"font_name": _FONT, "bold": True, "bg_color": "#E4ECF2", "border": 1})
    for column, width in enumerate((26, 24, 8, 30, 44, 60)):
        sheet.set_column(column, column, width)
    sheet.write_row(0, 0, ["列", "column", "必填", "怎样填", "how", "可选值 choices"], head)
    for row, field in enumerate(FIELDS[table], 1):
        zh, en = _NOTES[field.kind]
        must = "是" if field.is_required else ""
        sheet.write_row(row, 0, [field.zh, field.name, must, zh, en, "、".join(choices(field))])
    below = len(FIELDS[table]) + 2
    for number, line in enumerate(
        (
            "每行一条，不合并单元格；从第二行起填写。One row each from row 2 on, no merged cells.",
            "结束日期是不再有效的第一天。An end is the first day on which it no longer holds.",
            f"导入：parkpulse register import FILE（表名 table：{table}）",
        )
    ):
        sheet.write(below + number, 0, line)
