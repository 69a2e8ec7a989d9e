"""The files of the district office, as its clerks keep them: worksheets, CSV of two encodings.

`later/terminal_days.parquet` is evidence that arrived after the rest and belongs to earlier days.
`source` is no column of them: it is the name of the file.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import xlsxwriter

from connectors.simulator.district.rows import NO_ROW, DistrictFacts
from connectors.simulator.district.tables import SCHEMAS, tables, terminal_days, write_table

HEADERS: Final = {
    "uscc": "统一社会信用代码", "name_zh": "企业名称", "name_en": "英文名称", "staff": "从业人员",
    "revenue_wan": "营业收入(万元)", "industry_code": "行业代码", "register_status": "登记状态",
    "legal_group": "所属集团", "in_new_city": "是否在新城", "successor_uscc": "承继单位",
    "self_score": "自评分", "valid_from": "生效日期", "valid_to": "失效日期",
}  # fmt: skip
"""What the clerk of the register calls the columns."""

ENCODINGS: Final = {"sites": "gb18030", "terminals": "utf-8-sig"}
"""A Chinese desktop writes GB 18030 or UTF-8 with a mark; the rest is plain UTF-8."""
SHEETS: Final = ("enterprises", "declarations")
CSVS: Final = (
    "sites", "machines", "tenants", "provider_use", "terminals", "collector_down", "claims",
)  # fmt: skip

Rows = Iterable[Sequence[Any]]


def write_files(facts: DistrictFacts, folder: Path) -> None:
    """Write the office's files into `folder`; what arrives later into `later/`."""
    (folder / "later").mkdir(parents=True, exist_ok=True)
    for name in SHEETS:
        write_sheet(folder / f"{name}.xlsx", headers(name), _cells(facts, name))
    for name in CSVS:
        write_csv(folder / f"{name}.csv", columns(name), _cells(facts, name), ENCODINGS.get(name))
    in_time, late = _by_arrival(facts)
    days = SCHEMAS["terminal_days"]
    write_table(folder / "terminal_days.parquet", days, terminal_days(facts, in_time))
    write_table(folder / "later" / "terminal_days.parquet", days, terminal_days(facts, late))
    operating = tables(facts, ["operating_days"])["operating_days"]
    write_table(
        folder / "operating_days.parquet", operating.schema, iter(operating.to_batches())
    )  # fmt: skip


def columns(name: str) -> list[str]:
    """The columns of a file: those of its table without `source`."""
    return [column for column in SCHEMAS[name].names if column != "source"]


def headers(name: str) -> list[str]:
    """What stands in the first line of a worksheet: Chinese in the register of enterprises."""
    if name != "enterprises":
        return columns(name)
    return [HEADERS[column] for column in columns(name)]


def _cells(facts: DistrictFacts, name: str) -> Iterator[list[Any]]:
    for row in getattr(facts, name):
        if name == "collector_down":
            yield list(row)
        else:
            yield [getattr(row, column) for column in columns(name)]


def _by_arrival(facts: DistrictFacts) -> tuple[np.ndarray, np.ndarray]:
    """Evidence without what was filled in, and that alone."""
    row = {name: number for number, name in enumerate(facts.listing_ids)}
    column = {day: number for number, day in enumerate(facts.days)}
    in_time, late = facts.good_values.copy(), np.full_like(facts.good_values, NO_ROW)
    for terminal_id, day, _ in facts.late:
        place = row[terminal_id], column[day]
        late[place], in_time[place] = in_time[place], NO_ROW
    return in_time, late


def write_sheet(path: Path, names: Sequence[str], rows: Rows) -> None:
    """Write a worksheet: codes as text, days as days, yes and no in Chinese."""
    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        sheet = book.add_worksheet("名录")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, names)
        for line, row in enumerate(rows, start=1):
            for place, value in enumerate(row):
                if isinstance(value, bool):
                    sheet.write_string(line, place, "是" if value else "否")
                elif isinstance(value, date):
                    sheet.write_datetime(line, place, value, day)
                elif isinstance(value, str):
                    sheet.write_string(line, place, value)
                elif value is not None:
                    sheet.write_number(line, place, value)


def write_csv(path: Path, names: Sequence[str], rows: Rows, encoding: str | None = None) -> None:
    """Write a CSV file: null is blank, a day ISO 8601, true and false."""
    with path.open("w", newline="", encoding=encoding or "utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([_text(value) for value in row] for row in rows)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
