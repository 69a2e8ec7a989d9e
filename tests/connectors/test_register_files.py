"""Files of the register in every form, and what is kept of them."""

import csv
import io
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import HomeRefused, RegisterFileError
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.register_files import grids
from connectors.register_import import import_file
from connectors.register_known import known
from connectors.register_store import imports, rows
from connectors.register_template import choices, template
from pipelines.park_schemas import REGISTER
from pipelines.register_tables import FIELDS, ZH
from tests.pipelines.gateway import Gateway

A, B = "91310117MA1J1234XJ", "91310117MA1KUXNU84"
HEAD = "统一社会信用代码,企业名称,登记状态"
ON = date(2026, 11, 21)


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


def written(tmp_path, text, name="名录.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_every_encoding_and_delimiter(tmp_path, encoding, delimiter):
    text = f"{HEAD}\r\n{A},甲公司,在营\r\n\r\n{B},乙公司,注销\r\n".replace(",", delimiter)
    (grid,) = grids(written(tmp_path, text, encoding=encoding))
    assert grid.head.table == "enterprises"
    assert grid.rows.rows() == [(2, A, "甲公司", "在营"), (4, B, "乙公司", "注销")]
    assert grid.found.is_empty()


cell = st.text(st.sampled_from('a甲",\n '), max_size=5)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(cell, min_size=3, max_size=3), max_size=6), st.booleans())
def test_what_csv_writes_is_read_as_it_was(tmp_path, said, is_quoted):
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL if is_quoted else csv.QUOTE_MINIMAL)
    writer.writerows([HEAD.split(","), *said])
    (grid,) = grids(written(tmp_path, out.getvalue()))
    filled = [tuple(row) for row in said if any(one.strip(" \u3000") for one in row)]
    assert grid.found.is_empty()
    found = grid.rows.select("uscc", "name_zh", "register_status").fill_null("")
    assert [row for row in found.rows() if any(one.strip() for one in row)] == [
        row for row in filled if any(one.strip() for one in row)
    ]


@pytest.mark.parametrize("end", ["le", "be"])
@pytest.mark.parametrize("half", [0xD800, 0xDC00])
def test_half_a_character_in_utf_16_costs_its_own_line_only(tmp_path, end, half):
    text = f"\ufeff{HEAD}\r\n{A},甲{chr(half)}公司,在营\r\n{B},乙\ufffd公司\U00020000,注销\r\n"
    content = text.encode(f"utf-16-{end}", "surrogatepass")
    (grid,) = grids(written(tmp_path, content))
    assert grid.found.select("line", "reason").rows() == [(2, "undecodable")]
    assert grid.rows.rows() == [(3, B, "乙\ufffd公司\U00020000", "注销")]


def test_a_file_in_utf_16_that_ends_within_a_code_unit(tmp_path):
    content = f"{HEAD}\n{A},甲,在营\n{B},乙,在营".encode("utf-16")
    (grid,) = grids(written(tmp_path, content[:-1]))
    assert grid.found.select("line", "reason").rows() == [(3, "undecodable")]
    assert grid.rows["line"].to_list() == [2]


def test_a_stray_mark_costs_its_own_line_only(tmp_path):
    lines = [f'{A},5" 管材厂,在营', *[f"{B},乙{n},在营" for n in range(30)], f'{A},"甲""乙",在营']
    (grid,) = grids(written(tmp_path, "\n".join([HEAD, *lines])))
    assert grid.found.select("line", "reason").rows() == [(2, "unclosed")]
    assert grid.rows["line"].to_list() == [*range(3, 34)]
    assert grid.rows["name_zh"][-1] == '甲"乙'


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.csv", b"", "no row names the required columns"),
        ("a.csv", b"\0\1\2", "neither text nor a workbook"),
        ("a.csv", "甲,乙\n1,2".encode(), "no row names the required columns"),
        ("a.csv", f"{HEAD},企业全称\n".encode(), "two columns are both name_zh"),
        ("a.xlsx", b"PK no book", "no XLSX workbook"),
        ("a.xls", b"\xd0\xcf", ".xls is not read"),
        ("a.parquet", b"PAR1", "no Parquet file"),
    ],
)
def test_what_is_no_table_at_all_is_told_in_one_line(tmp_path, name, content, why):
    with pytest.raises(RegisterFileError, match=why) as told:
        grids(written(tmp_path, content, name))
    assert "\n" not in str(told.value)
    with pytest.raises(RegisterFileError, match="No such file"):
        grids(tmp_path / f"none{name}")


def test_a_head_of_two_tables_asks_which(tmp_path):
    path = written(tmp_path, "日期,统一社会信用代码,平台,使用日期,带动数,园区编号\n")
    with pytest.raises(RegisterFileError, match="--table"):
        grids(path)
    (grid,) = grids(path, table="claims")
    assert grid.head.table == "claims"
    with pytest.raises(RegisterFileError, match="required columns of machines"):
        grids(path, table="machines")


def test_parquet_is_typed_and_its_rows_are_held_against_the_same_rules(tmp_path, home):
    path = tmp_path / "名录.parquet"
    typed = {
        "统一社会信用代码": [A, B], "企业名称": ["甲", "乙"], "登记状态": ["在营", "在营"],
        "从业人员": [128, -1], "开始日期": [ON, ON], "是否在新城": [True, None],
    }  # fmt: skip
    pl.DataFrame(typed).write_parquet(path)
    (outcome,) = import_file(home, path)
    assert outcome.rejections.select("line", "column").rows() == [(2, "从业人员")]
    only = rows(home, "enterprises").row(0, named=True)
    assert (only["staff"], only["valid_from"], only["in_new_city"]) == (128, ON, True)


def test_each_worksheet_may_be_another_table(tmp_path, home):
    book = openpyxl.Workbook()
    book.active.title = "说明"
    for name, head, row in (
        ("企业", HEAD, [A, "甲", "在营"]),
        ("场所", "场所编号,统一社会信用代码,园区编号", ["S1", B, "P01"]),
        ("企业二", HEAD, [A, "甲", "在营"]),
    ):
        sheet = book.create_sheet(name)
        sheet.append(head.split(","))
        sheet.append(row)
    book.save(tmp_path / "all.xlsx")
    firms, sites = import_file(home, tmp_path / "all.xlsx", as_of=ON)
    assert (firms.imported.accepted, firms.imported.repeats) == (1, 1)
    assert (sites.imported.seq, sites.imported.table) == (2, "sites")
    assert known(home).dangling.rows() == [("sites", "uscc", B, 1)]
    with pytest.raises(RegisterFileError, match="it has 说明, 企业, 场所, 企业二"):
        import_file(home, tmp_path / "all.xlsx", sheet="Sheet1")
    (alone,) = import_file(home, tmp_path / "all.xlsx", sheet="企业", as_of=ON)
    assert alone.is_new


@pytest.mark.parametrize("table", FIELDS)
def test_a_template_is_filled_in_and_goes_in(table, tmp_path, home):
    path = tmp_path / f"{table}.xlsx"
    path.write_bytes(template(table))
    (empty,) = import_file(home, path, as_of=ON)
    assert (empty.imported.table, empty.imported.rows, empty.missing) == (table, 0, [])
    book = openpyxl.load_workbook(path)
    sheet = book[ZH[table]]
    examples = {"uscc": A, "industry": "C3973", "mac": "00:1B:44:11:3A:B7", "text": "甲",
                "code": "X1", "longitude": 121.2, "latitude": 31.0}  # fmt: skip
    for column, field in enumerate(FIELDS[table], 1):
        is_day = field.kind in ("day", "end_day")
        value = ON + timedelta(days=column) if is_day else examples.get(field.kind, 1)
        value = B if field.name == "successor_uscc" else value
        sheet.cell(2, column, next(iter(choices(field)), value))
    book.save(path)
    (filled,) = import_file(home, path, as_of=ON)
    assert filled.rejections.is_empty(), filled.rejections.rows()
    said = rows(home, table).select(set(REGISTER[table]) - {"source"})
    assert said.height == 1
    assert said.null_count().sum_horizontal().item() == 0


def test_imports_are_kept_with_where_they_come_from_and_once(tmp_path, home):
    path = written(tmp_path, f"{HEAD}\n{A},甲,在营\n")
    (first,) = import_file(home, path, as_of=ON)
    (again,) = import_file(home, path, as_of=ON)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.imported == first.imported
    (kept,) = imports(home)
    assert kept == first.imported
    assert (kept.file, kept.source, kept.as_of) == ("名录.csv", "名录.csv", "2026-11-21")
    assert (home.register / kept.name).name == f"000001-enterprises-{kept.file_sha256[:8]}.parquet"
    (later,) = import_file(home, path, as_of=date(2026, 12, 1))
    assert (later.is_new, later.imported.seq) == (True, 2)
    assert known(home).tables["enterprises"]["valid_from"].to_list() == [ON]
    (anew,) = import_file(home, path, as_of=ON, again=True)
    assert anew.imported.seq == 3
    (other,) = import_file(home, path, as_of=ON, rank="platform")
    assert (other.is_new, other.imported.rank) == (True, "platform")
    copy = written(tmp_path, path.read_bytes(), "副本.csv")
    assert not import_file(home, copy, as_of=ON)[0].is_new
    assert import_file(home, copy, as_of=ON, source="经委")[0].is_new


def test_gateways_whose_values_the_lake_holds_are_known_too(tmp_path, home):
    home.create(first_day=ON)
    gateway = Gateway()
    gateway.firm(A, at=date(2026, 5, 1), name_zh="甲", staff=20)
    gateway.terminal("T1", A)
    values, tags = gateway.frames()
    for table, frame in (("park_values", values), ("tags", tags)):
        Lake(home.lake).write(table, frame, Partition(factory="P01"))
    dated = f"{HEAD},从业人员,开始日期\n{A},甲,在营,30,2026-01-01\n"
    import_file(home, written(tmp_path, dated))
    found = known(home)
    assert found.tables["enterprises"]["staff"].to_list() == [30]
    assert found.conflicts.filter(field="staff").select("kept", "refused").rows() == [("30", "20")]
    assert found.tables["terminals"]["terminal_id"].to_list() == ["T1"]


def test_two_files_that_differ_are_a_conflict_and_one_source_corrects_itself(tmp_path, home):
    dated = f"{HEAD},从业人员,开始日期\n{A},甲,在营,%d,2026-01-01\n"
    import_file(home, written(tmp_path, dated % 20, "一.csv"))
    import_file(home, written(tmp_path, dated % 30, "二.csv"))
    (only,) = known(home).conflicts.rows(named=True)
    assert (only["field"], only["kept"], only["refused"]) == ("staff", "30", "20")
    assert (only["kept_source"], only["refused_source"]) == ("二.csv", "一.csv")
    import_file(home, written(tmp_path, dated % 30 + "\n", "三.csv"), source="一.csv")
    assert known(home).conflicts.is_empty()
    import_file(home, written(tmp_path, dated % 99, "云间.csv"), rank="platform")
    found = known(home)
    assert found.tables["enterprises"]["staff"].to_list() == [30]
    assert found.conflicts["refused"].to_list() == ["99"]


def test_a_file_of_which_nothing_goes_in_is_no_import(tmp_path, home):
    path = written(tmp_path, f"{HEAD}\n{A[:17]}A,甲,在营\n")
    (outcome,) = import_file(home, path)
    assert (outcome.imported.accepted, outcome.imported.refused) == (0, 1)
    assert imports(home) == []
    assert (home.root / outcome.imported.report).is_file()


def test_a_foreign_folder_and_a_damaged_import_are_named(tmp_path, home):
    path = written(tmp_path, f"{HEAD}\n{A},甲,在营\n")
    with pytest.raises(HomeRefused, match="not made by ParkPulse"):
        import_file(Home(tmp_path), path)
    (one,) = import_file(home, path)
    (home.register / one.imported.name).write_bytes(b"PAR1")
    with pytest.raises(HomeRefused, match="no import of ours"):
        imports(home)


def test_a_home_may_begin_with_its_register(tmp_path, home):
    import_file(home, written(tmp_path, f"{HEAD}\n{A},甲,在营\n"))
    home.create(first_day=ON)
    assert home.exists()
    assert Path(home.register).is_dir()
