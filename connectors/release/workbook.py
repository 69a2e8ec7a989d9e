"""The release as a workbook: presentation sheets in Chinese, numbers as numbers."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from connectors.release import wording
from pipelines.disclosure import CONFIDENTIAL
from pipelines.indicators import DISTRICT_ID, INCOMPLETE

if TYPE_CHECKING:
    from connectors.release.write import Edition

FONT: Final = "等线"
Look = dict[str, str | float | bool]
HEAD: Final[Look] = {
    "bold": True, "bg_color": "#E4ECF2", "border": 1, "align": "center", "valign": "vcenter",
    "text_wrap": True,
}  # fmt: skip
BODY: Final[Look] = {"border": 1, "valign": "vcenter"}
Cell = str | float | int | None


class Book:
    """A workbook with the few formats that a statistical table needs."""

    def __init__(self, edition: "Edition") -> None:
        self.edition = edition
        self._buffer = io.BytesIO()
        self._book = xlsxwriter.Workbook(
            self._buffer, {"in_memory": True, "default_format_properties": {"font_name": FONT}}
        )
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}
        self._book.set_properties(
            {
                "title": wording.TITLE.zh,
                "subject": f"{edition.period} {edition.vintage}",
                # A workbook holds no zone: the same instant must give the same bytes everywhere.
                "created": edition.created_at.replace(tzinfo=None),
            }
        )

    def form(self, **properties: str | float | bool) -> Format:
        """A format, made once."""
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            self._formats[key] = self._book.add_format({"font_name": FONT, **properties})
        return self._formats[key]

    def sheet(self, name: str, widths: Sequence[float], title: str, unit_note: str) -> Worksheet:
        """A sheet with its title row, 单位 at top right, and print set-up on A4."""
        sheet = self._book.add_worksheet(name)
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width, self.form())
        sheet.set_row(0, 30)
        centred = self.form(bold=True, font_size=16, align="center", valign="vcenter")
        sheet.merge_range(0, 0, 0, len(widths) - 1, title, centred)
        sheet.write(1, 0, f"期别：{self.edition.period}　版次：{self.edition.vintage}（初步）")
        sheet.write(1, len(widths) - 1, unit_note, self.form(align="right"))
        sheet.set_paper(9)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
        sheet.set_footer("&L松江新城工业互联网运行指标&R第 &P 页 共 &N 页")
        return sheet

    def head(self, sheet: Worksheet, row: int, names: Sequence[str]) -> None:
        """Column heads, repeated on every printed page and kept in sight."""
        sheet.set_row(row, 32)
        sheet.write_row(row, 0, names, self.form(**HEAD))
        sheet.freeze_panes(row + 1, 0)
        sheet.repeat_rows(0, row)

    def cells(self, sheet: Worksheet, row: int, values: Sequence[tuple[Cell, str]]) -> None:
        """Values with a number format each ('' for text)."""
        for column, (value, pattern) in enumerate(values):
            is_number = isinstance(value, int | float)
            look: Look = {**BODY, "text_wrap": not is_number}
            if is_number:
                look["num_format"] = pattern
            elif pattern:
                look["align"] = pattern
            sheet.write(row, column, "" if value is None else value, self.form(**look))

    def foot(self, sheet: Worksheet, row: int) -> None:
        """Who fills in and answers for it, as a statistical form has it."""
        day = self.edition.created_at.date().isoformat()
        sheet.write(row, 0, f"填报单位：　　　　　　负责人：　　　　　　制表日期：{day}")
        signs = (
            f"{wording.HIDDEN} 因保密不公布；{wording.UNRELIABLE} 数据不完整，不予公布；"
            f"{wording.NOTHING} 不适用或无数据"
        )
        sheet.write(row + 1, 0, f"注：{signs}；比例以百分数存储（72.7 即 72.7 %）。")

    def content(self) -> bytes:
        """The finished file."""
        self._book.close()
        return self._buffer.getvalue()


def workbook(
    kpi: pl.DataFrame,
    dictionary: pl.DataFrame,
    checks: Sequence[Mapping[str, Any]],
    edition: "Edition",
) -> bytes:
    """封面, 主要指标, 分园区, 指标解释, 数据质量."""
    book = Book(edition)
    rows = kpi.rows(named=True)
    _cover(book, rows)
    _main(book, [row for row in rows if row["area_id"] == DISTRICT_ID])
    _parks(book, rows)
    _terms(book, dictionary)
    _quality(book, rows, checks)
    return book.content()


def _pattern(decimals: int) -> str:
    return "#,##0." + "0" * decimals if decimals else "#,##0"


def _value(row: dict[str, Any], name: str = "value") -> tuple[Cell, str]:
    if row["status"] == CONFIDENTIAL:
        return wording.HIDDEN, "center"
    if row["status"] == INCOMPLETE:
        return wording.UNRELIABLE, "center"
    if row[name] is None:
        return wording.NOTHING, "center"
    return row[name], _pattern(row["decimals"])


def _or_dash(value: Cell, pattern: str = "center") -> tuple[Cell, str]:
    return (wording.NOTHING, "center") if value is None else (value, pattern)


def _cover(book: Book, rows: list[dict[str, Any]]) -> None:
    edition = book.edition
    sheet = book.sheet("封面", [18, 90], wording.TITLE.zh, "")
    hidden = sum(row["status"] == CONFIDENTIAL for row in rows)
    facts = {
        "期别": edition.period,
        "版次": f"{edition.vintage}（初步数，可能修订）",
        "编制时间": f"{edition.created_at:%Y-%m-%d %H:%M} UTC",
        "程序版本": edition.code_version,
        "数据来源": f"园区脉搏（ParkPulse）实例 {edition.home_id}",
        "覆盖范围": "、".join(edition.areas.values()),
        "指标值": f"{len(rows)} 项，其中因保密不公布 {hidden} 项",
        "保密处理": wording.CONTROL.zh,
        "判定": "以未取整的数值及其上下限与目标比较；上下限跨越目标的记为“待核”。",
        "完整性": "文件校验和见 SHA256SUMS；每个数值的来源见 lineage.json。",
    }
    for place, (name, text) in enumerate(facts.items(), start=3):
        sheet.write(place, 0, name, book.form(**HEAD))
        sheet.write(place, 1, text, book.form(**BODY, text_wrap=True))


def _main(book: Book, rows: list[dict[str, Any]]) -> None:
    widths = [6, 36, 8, 12, 12, 12, 14, 14, 10, 14, 10, 30]
    sheet = book.sheet("主要指标", widths, f"{wording.TITLE.zh}：主要指标", "单位：见各行")
    heads = [
        "序号", "指标名称", "单位", "本期值", "下限", "上限", "比较", "目标值（2025年）", "判定",
        "数据完整率（%）", "法人组数", "说明",
    ]  # fmt: skip
    book.head(sheet, 2, heads)
    for place, row in enumerate(rows, start=1):
        verdict = wording.VERDICT.get(row["verdict"] or "")
        figures = [_value(row), _value(row, "lower"), _value(row, "upper")]
        aim = [
            _or_dash(wording.COMPARATOR_ZH.get(row["comparator"] or "")),
            _or_dash(row["target"], "General"),
            _or_dash(verdict and verdict.zh),
        ]
        quality = [_completeness(row), _or_dash(row["respondents"], "0"), (_note(row), "")]
        head: list[tuple[Cell, str]] = [
            (place, "0"), (row["name_zh"], ""), (row["unit"], "center"),
        ]  # fmt: skip
        book.cells(sheet, place + 2, [*head, *figures, *aim, *quality])
    book.foot(sheet, len(rows) + 4)


def _completeness(row: dict[str, Any]) -> tuple[Cell, str]:
    share = row["completeness"]
    return _or_dash(None if share is None else round(share * 100, 1), "0.0")


def _note(row: dict[str, Any]) -> str:
    if row["reason"]:
        return f"保密：{wording.REASON[row['reason']].zh}"
    if row["status"] == INCOMPLETE:
        return wording.KEPT_OUT.zh
    return wording.STATUS[row["status"]].zh


def _parks(book: Book, rows: list[dict[str, Any]]) -> None:
    areas = book.edition.areas
    sheet = book.sheet(
        "分园区", [36, 8, *[20] * len(areas)], f"{wording.TITLE.zh}：分园区", "单位：见各行"
    )
    book.head(sheet, 2, ["指标名称", "单位", *areas.values()])
    found = {(row["indicator_id"], row["area_id"]): row for row in rows}
    names = {row["indicator_id"]: row for row in rows if row["area_id"] != DISTRICT_ID}
    for place, (indicator_id, any_row) in enumerate(names.items(), start=3):
        figures = [
            _value(found[indicator_id, area]) if (indicator_id, area) in found else _or_dash(None)
            for area in areas
        ]
        book.cells(sheet, place, [(any_row["name_zh"], ""), (any_row["unit"], "center"), *figures])
    book.foot(sheet, len(names) + 4)


def _terms(book: Book, dictionary: pl.DataFrame) -> None:
    widths = [30, 34, 8, 10, 60, 60, 40, 46, 10, 10, 10]
    sheet = book.sheet("指标解释", widths, f"{wording.TITLE.zh}：指标解释", "")
    heads = ["指标名称", "English", "单位", "目标", "定义", "Definition", "公式", "来源"]
    book.head(sheet, 2, [*heads, "属性", "取得方式", "责任单位"])
    texts = dictionary.select(
        "name_zh",
        "name_en",
        "unit",
        _aim(),
        "definition_zh",
        "definition_en",
        "formula",
        "source",
        "property",
        pl.col("collection").replace_strict(wording.COLLECTION),
        "owner",
    )
    for place, row in enumerate(texts.rows(), start=3):
        book.cells(sheet, place, [(text, "") for text in row])


def _aim() -> pl.Expr:
    """Like `> 80`; a dash where there is no target."""
    sign = pl.col("comparator").replace_strict(wording.COMPARATOR, default=None)
    number = pl.col("target").cast(pl.String).str.strip_suffix(".0")
    return pl.concat_str(sign, number, separator=" ").fill_null(wording.NOTHING).alias("aim")


def _quality(book: Book, rows: list[dict[str, Any]], checks: Sequence[Mapping[str, Any]]) -> None:
    sheet = book.sheet("数据质量", [36, 20, 16, 12, 60], f"{wording.TITLE.zh}：数据质量", "")
    book.head(sheet, 2, ["指标名称", "地区", "数据完整率（%）", "状态", "说明"])
    for place, row in enumerate(rows, start=3):
        values = [(row["name_zh"], ""), (row["area_zh"], ""), _completeness(row),
                  (wording.STATUS[row["status"]].zh, "center"), (_note(row), "")]  # fmt: skip
        book.cells(sheet, place, values)
    start = len(rows) + 4
    sheet.write_row(start, 0, ["检查", "结果", "说明"], book.form(**HEAD))
    for place, found in enumerate(checks, start=start + 1):
        result = "通过" if found["passed"] else "未通过"
        texts = [(str(found["name"]), ""), (result, "center"), (str(found.get("note", "")), "")]
        book.cells(sheet, place, texts)
