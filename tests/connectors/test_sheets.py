from datetime import UTC, date, datetime

import polars as pl
import pytest
from openpyxl import Workbook

from connectors.conventions import read_conventions
from connectors.errors import FleetFileError
from connectors.plans import read_calendar, read_cycles, read_lines, read_reasons
from pipelines import schemas

EIGHT = datetime(2026, 11, 21, 8, tzinfo=UTC).replace(tzinfo=None)
"""A worksheet keeps times without a zone."""
CALENDAR = [
    ["line_id", "work_unit_id", "production_day", "shift_id", "start", "end", "kind"],
    [None, None, date(2026, 11, 21), "A", EIGHT, EIGHT.replace(hour=16),
     "busy"],
    [None] * 7,
    ["L1", "M1", date(2026, 11, 21), 1,
     "2026-11-21T12:00:00+08:00", EIGHT.replace(hour=12, minute=30),
     "break"],
]  # fmt: skip
REASONS = """stop_reason_code,name_zh,name_en,category,valid_from
17,换模,Tool change,setup,2026-01-01T00:00:00+08:00
23,缺料,No material,starved,2026-01-01T00:00:00+08:00
"""


def sheet(path, rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def test_a_worksheet_is_read_as_the_same_rows_as_csv(tmp_path):
    plan = read_calendar(sheet(tmp_path / "cal.xlsx", CALENDAR), "F01")
    assert plan.schema == schemas.PLAN
    whole, part = plan.to_dicts()
    assert whole["start"] == datetime(2026, 11, 21, tzinfo=UTC)
    assert (whole["production_day"], whole["line_id"]) == (date(2026, 11, 21), None)
    assert (part["shift_id"], part["work_unit_id"]) == ("1", "M1")
    assert part["end"] == datetime(2026, 11, 21, 4, 30, tzinfo=UTC)


def test_a_bad_cell_of_a_worksheet_is_named_by_its_row(tmp_path):
    rows = [*CALENDAR[:3], [*CALENDAR[3][:6], "pause"]]
    path = sheet(tmp_path / "cal.xlsx", rows)
    with pytest.raises(FleetFileError, match=r"cal\.xlsx line 4 column kind: 'pause'"):
        read_calendar(path, "F01")


@pytest.mark.parametrize("content", [b"", b"no workbook", b"PK\x03\x04broken"])
def test_what_is_no_workbook_is_named(tmp_path, content):
    path = tmp_path / "cal.xlsx"
    path.write_bytes(content)
    with pytest.raises(FleetFileError, match=r"cal\.xlsx: it is no XLSX workbook"):
        read_calendar(path, "F01")


def test_a_missing_or_empty_file_is_named(tmp_path):
    with pytest.raises(FleetFileError, match=r"none\.xlsx: No such file"):
        read_calendar(tmp_path / "none.xlsx", "F01")
    with pytest.raises(FleetFileError, match="no column `line_id`"):
        read_calendar(sheet(tmp_path / "cal.xlsx", []), "F01")


def test_csv_as_excel_writes_it_on_a_chinese_desktop_is_read(tmp_path):
    path = tmp_path / "reasons.csv"
    path.write_bytes(REASONS.encode("gb18030"))
    reasons = read_reasons(path, "F01")
    assert reasons.schema == schemas.REASONS
    assert reasons["name_zh"].to_list() == ["换模", "缺料"]
    assert reasons["work_unit_id"].null_count() == 2


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ("setup", "tooling", "category"),
        ("换模", "", "name_zh"),
        ("2026-01-01T00:00:00+08:00", "2026-01-01", "valid_from"),
        ("\n23", "\n17", "stop_reason_code"),
    ],
)
def test_a_bad_reason_is_named(tmp_path, old, new, column):
    path = tmp_path / "reasons.csv"
    path.write_text(REASONS.replace(old, new, 1), "utf-8")
    with pytest.raises(FleetFileError, match=rf"reasons\.csv line [23] column {column}"):
        read_reasons(path, "F01")


LINES = """line_id,work_unit_id,stage,valid_from
L1,M1,1,2026-01-01T00:00:00+08:00
L1,M2,2,2026-01-01T00:00:00+08:00
L1,M3,2,2026-01-01T00:00:00+08:00
L1,M1,1,2026-02-01T00:00:00+08:00
"""


def test_the_order_of_a_line_is_read_from_csv_and_worksheet(tmp_path):
    path = tmp_path / "lines.csv"
    path.write_text(LINES, "utf-8")
    lines = read_lines(path, "F01")
    assert lines.schema == schemas.LINES
    assert lines.select("work_unit_id", "stage").rows() == [
        ("M1", 1), ("M2", 2), ("M3", 2), ("M1", 1),
    ]  # fmt: skip
    rows = [line.split(",") for line in LINES.splitlines()]
    whole = [rows[0], *([a, b, int(n), t] for a, b, n, t in rows[1:])]
    assert read_lines(sheet(tmp_path / "lines.xlsx", whole), "F01").equals(lines)
    path.write_text(LINES.splitlines()[0], "utf-8")
    assert read_lines(path, "F01").is_empty()


@pytest.mark.parametrize(
    ("old", "new", "culprit"),
    [
        ("M2,2", "M2,0", "line 3 column stage: '0': it is below 1"),
        ("M2,2", "M2,two", "line 3 column stage: 'two': it is not a whole number"),
        ("M2,2", ",2", "line 3 column work_unit_id: '': it is blank"),
        ("L1,M1", ",M1", "line 2 column line_id: '': it is blank"),
        ("M2,2", "M1,2", "line 3 column work_unit_id: 'M1': line 2 places it already"),
        ("M1,1", "M1,3", "line L1 from 2025-12-31 on has no stage 1"),
        ("+08:00", "", "column valid_from"),
    ],
)
def test_a_bad_station_is_named(tmp_path, old, new, culprit):
    path = tmp_path / "lines.csv"
    path.write_text(LINES.replace(old, new, 1), "utf-8")
    with pytest.raises(FleetFileError) as caught:
        read_lines(path, "F01")
    assert culprit in str(caught.value)


CONVENTIONS = """\
line_id,work_unit_id,profile_id,rules,breaks,rework,micro_stop_s,start_up_s,least_completeness,valid_from
,,short,opc40001-1,cut,not_good,120,600,0.9,2026-03-01
L1,M1,e10,semi-e10,kept,good_once_passed,0,0,1,2026-03-01
L1,,semi-e10,semi-e10,,,,,,2026-03-01
L1,M1,short,opc40001-1,cut,not_good,120,600,0.9,2026-04-01
"""


def test_conventions_are_read_from_csv_and_worksheet(tmp_path):
    path = tmp_path / "conventions.csv"
    path.write_text(CONVENTIONS, "utf-8")
    read = read_conventions(path, "F01")
    assert read.schema == schemas.CONVENTIONS
    assert read["work_unit_id"].to_list() == [None, "M1", None, "M1"]
    assert read["micro_stop_s"].to_list() == [120, 0, 300, 120]
    usual = read.select("breaks", "rework", "start_up_s", "least_completeness").row(2)
    assert usual == ("cut", "not_good", 600.0, 0.9)
    head, *lines = (line.split(",") for line in CONVENTIONS.splitlines())
    days = [[*line[:-1], date.fromisoformat(line[-1])] for line in lines]
    assert read_conventions(sheet(tmp_path / "c.xlsx", [head, *days]), "F01").equals(read)
    path.write_text(CONVENTIONS.splitlines()[0], "utf-8")
    assert read_conventions(path, "F01").is_empty()


@pytest.mark.parametrize(
    ("old", "new", "culprit", "remedy"),
    [
        ("short,opc40001-1", "short,opc", "line 2 column rules: 'opc': it is none", "opc40501-1"),
        (",cut", ",off", "line 2 column breaks: 'off': it is none", "use cut, kept"),
        ("good_once_passed", "good", "line 3 column rework: 'good': it is none", "not_good"),
        ("120", "-1", "line 2 column micro_stop_s: '-1': it is not from 0 to 86,400", "give a num"),
        ("120", "nan", "line 2 column micro_stop_s: 'nan': it is not from", "give a number"),
        ("120", "1e300", "line 2 column micro_stop_s: '1e300': it is not from", "86,400"),
        ("120", "2 min", "line 2 column micro_stop_s: '2 min': it is not a number", "a number"),
        ("0.9", "90", "line 2 column least_completeness: '90': it is not from 0 to 1", "a number"),
        ("short", "", "line 2 column profile_id: '': it is blank", "fill it in"),
        ("2026-03-01", "1 March", "line 2 column valid_from: '1 March'", "an ISO 8601 date"),
        ("120", "60", "line 5 column profile_id: 'short': line 2 of that name has micro_stop_s 60,"
         " not 120", "a name of its own"),
        ("semi-e10,,,,", "semi-e10,kept,,,", "line 4 column profile_id: 'semi-e10': ParkPulse's own"
         " profile of that name has breaks cut, not kept", "a name of its own"),
        ("L1,,semi-e10", ",,semi-e10", "line 4 column valid_from: '2026-03-01': line 2 has a "
         "convention there already", "delete one, or give it a later valid_from"),
        ("micro_stop_s", "micro_stop", "it has no column `micro_stop_s`", "give it the columns"),
    ],
)  # fmt: skip
def test_a_bad_convention_is_named(tmp_path, old, new, culprit, remedy):
    path = tmp_path / "conventions.csv"
    path.write_text(CONVENTIONS.replace(old, new, 1), "utf-8")
    with pytest.raises(FleetFileError) as caught:
        read_conventions(path, "F01")
    assert str(caught.value).startswith(f"{path}")
    assert culprit in str(caught.value)
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_every_bad_line_is_named_at_once(tmp_path):
    path = tmp_path / "reasons.csv"
    path.write_text(REASONS.replace("setup", "a").replace("starved", "b"), "utf-8")
    with pytest.raises(FleetFileError, match=r"line 2 .*'a'.*; so are 1 further lines \(3\)"):
        read_reasons(path, "F01")


def test_a_cycle_without_a_product_is_every_products(tmp_path):
    path = tmp_path / "cycles.csv"
    path.write_text("line_id,work_unit_id,product_id,pri_s,origin,valid_from\n"
                    ",,,10,design,2026-01-01T00:00:00+08:00\n")  # fmt: skip
    cycles = read_cycles(path, "F01")
    assert cycles.select("product_id", "pri_s").row(0) == (None, 10.0)
    assert isinstance(cycles.schema["product_id"], pl.String)
