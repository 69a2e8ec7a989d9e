"""Worksheets as spreadsheet programs leave them: formulas, numbers, days, hidden sheets."""

import zipfile
from datetime import date

import openpyxl
import polars as pl
import pytest

from connectors.errors import RegisterFileError
from connectors.home import Home
from connectors.register_files import grids
from connectors.register_import import import_file
from connectors.register_store import rows

A, B = "91310117MA1J1234XJ", "91310117MA1KUXNU84"
HEAD = ["统一社会信用代码", "企业名称", "登记状态", "所属集团", "开始日期", "结束日期"]
SINCE = "2026-01-01"


def saved(path, *lines, head=HEAD):
    book = openpyxl.Workbook()
    book.active.append(head)
    for line in lines:
        book.active.append(line)
    book.save(path)
    return path


def as_excel_saves(path, old, new):
    """The workbook with a piece of its first worksheet as another program writes it."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert parts[sheet].count(old) == 1, parts[sheet]
    parts[sheet] = parts[sheet].replace(old, new)
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)


FORMULA = b'<f>IFERROR(VLOOKUP(A2,Z:Z,1,0),"")</f>'


@pytest.mark.parametrize(
    ("cell", "reasons"),
    [
        (b'<c r="D2" t="str">%s<v></v></c>', []),
        (b'<c r="D2" t="str">%s<v/></c>', []),
        (b'<c t="str" s="1" r="D2">%s<v></v></c>', []),
        (b'<c r="D2" t="str">%s<v>G</v></c>', []),
        (b'<c r="D2">%s<v></v></c>', ["no_value"]),
        (b'<c r="D2">%s<v/></c>', ["no_value"]),
        (b'<c r="D2" t="n">%s</c>', ["no_value"]),
    ],
)
def test_a_formula_whose_result_is_an_empty_text_has_its_result(tmp_path, cell, reasons):
    path = saved(
        tmp_path / "a.xlsx",
        [A, "甲", "在营", '=IFERROR(VLOOKUP(A2,Z:Z,1,0),"")', SINCE],
        [B, "乙", "在营", None, SINCE],
    )
    as_excel_saves(path, b'<c r="D2">' + FORMULA + b"<v /></c>", cell % FORMULA)
    (grid,) = grids(path)
    assert grid.found["reason"].to_list() == reasons
    assert grid.rows["uscc"].to_list() == [A, B][len(reasons) :]


TERMINAL = ["平台", "终端编号", "序列号", "开始日期"]


def test_numbers_that_a_spreadsheet_has_rounded_are_no_codes(tmp_path):
    whole = 10**15 - 1
    path = saved(
        tmp_path / "t.xlsx",
        ["海纳", "T1", 1e17, SINCE],
        ["海纳", "T2", 1234567890123450, SINCE],
        ["海纳", 1234567890123450, "S3", SINCE],
        ["海纳", "T4", 1000000000000000, SINCE],
        ["海纳", whole, whole, SINCE],
        ["海纳", "1234567890123456", "1234567890123457", SINCE],
        head=TERMINAL,
    )
    home = Home(tmp_path / "home")
    (outcome,) = import_file(home, path)
    assert outcome.rejections.select("line", "column", "value").rows() == [
        (2, "序列号", "1e+17"),
        (3, "序列号", "1.23456789012345e+15"),
        (4, "终端编号", "1.23456789012345e+15"),
        (5, "序列号", "1e+15"),
    ]
    assert outcome.rejections["why_en"].str.contains("digits are lost").all()
    assert rows(home, "terminals").select("terminal_id", "serial_number").rows() == [
        (str(whole), str(whole)),
        ("1234567890123456", "1234567890123457"),
    ]


def test_an_amount_may_be_large(tmp_path):
    path = saved(tmp_path / "a.xlsx", [A, "甲", "在营", 1e15], head=[*HEAD[:3], "营业收入(万元)"])
    home = Home(tmp_path / "home")
    assert import_file(home, path)[0].rejections.is_empty()
    assert rows(home, "enterprises")["revenue_wan"].to_list() == [1e15]


def test_a_code_that_is_a_large_number_in_parquet_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {"平台": ["海纳"], "终端编号": [1e17], "开始日期": [SINCE]}
    pl.DataFrame(columns).write_parquet(path)
    (outcome,) = import_file(Home(tmp_path / "home"), path)
    assert outcome.rejections["column"].to_list() == ["终端编号"]


def test_bytes_in_parquet_that_are_no_text_are_told_in_one_line(tmp_path):
    path = tmp_path / "t.parquet"
    columns = {"平台": [b"\xff\xfe"], "终端编号": ["T1"], "开始日期": [SINCE]}
    pl.DataFrame(columns).write_parquet(path)
    with pytest.raises(RegisterFileError, match="no text") as told:
        grids(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("end", [date(9999, 12, 31), 2958465.9999999])
def test_the_open_end_as_a_cell_that_is_a_day(tmp_path, end):
    path = saved(tmp_path / "a.xlsx", [A, "甲", "在营", None, date(2024, 1, 1)])
    book = openpyxl.load_workbook(path)
    book.active["F2"] = end
    book.active["F2"].number_format = "yyyy-mm-dd"
    book.save(path)
    home = Home(tmp_path / "home")
    assert import_file(home, path)[0].rejections.is_empty()
    held = rows(home, "enterprises").select("valid_from", "valid_to")
    assert held.rows() == [(date(2024, 1, 1), None)]


def hidden(tmp_path, *states):
    """A workbook of a worksheet for each state, each with an enterprise, and a hidden list."""
    book = openpyxl.Workbook()
    book.active.title = "说明"
    for number, state in enumerate(states):
        sheet = book.create_sheet(f"表{number}")
        sheet.append(HEAD)
        sheet.append([(A, B)[number], "甲", "在营", None, SINCE])
        sheet.sheet_state = state
    lists = book.create_sheet("选项")
    lists.append(["是", "否"])
    lists.sheet_state = "hidden"
    book.save(tmp_path / "h.xlsx")
    return tmp_path / "h.xlsx"


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_a_hidden_worksheet_is_told_and_read_only_if_it_is_named(tmp_path, state):
    path = hidden(tmp_path, "visible", state)
    (grid,) = grids(path)
    assert (grid.sheet, grid.rows["uscc"].to_list(), grid.hidden) == ("表0", [A], ["表1"])
    (named,) = grids(path, sheet="表1")
    assert (named.rows["uscc"].to_list(), named.hidden) == ([B], [])
    (outcome,) = import_file(Home(tmp_path / "home"), path)
    assert (outcome.imported.accepted, outcome.hidden) == (1, ["表1"])


def test_a_workbook_whose_tables_are_all_hidden_says_so(tmp_path):
    path = hidden(tmp_path, "hidden")
    with pytest.raises(RegisterFileError, match=r"are hidden: 表0; .*--sheet") as told:
        grids(path)
    assert "\n" not in str(told.value)
