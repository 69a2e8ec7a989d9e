"""Reported indicators: files in, immutable imports in the home, the rest refused beside them."""

import csv
import json
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from connectors.errors import FleetFileError
from connectors.home import Home
from connectors.indicator_files import enter, read_entries, read_rows, write_rejections
from pipelines.entries import ENTERED, history

HEADS = "indicator_id,period,area_id,value,reported_on,responsible,document,note"
AT = datetime(2026, 11, 21, 2, tzinfo=UTC)


def line(indicator="smart_cameras", period="2026", value="81", area="310117"):
    return f"{indicator},{period},{area},{value},2026-11-20,科委 张三,松科委〔2026〕1号,"


def table(path: Path, *lines: str, heads: str = HEADS, encoding: str = "utf-8") -> Path:
    path.write_bytes("\n".join([heads, *lines, ""]).encode(encoding))
    return path


def entered(folder: Path, path: Path, at=AT):
    return enter(folder, path, entered_at=at, today=date(2026, 11, 21), areas=["P01"])


def test_good_rows_go_in_with_where_they_came_from(tmp_path):
    path = table(tmp_path / "a.csv", line(), line("oee"), line("coverage_5g", value="96"))
    found = entered(tmp_path / "home", path)
    assert (found.accepted.height, found.unchanged, found.refused) == (2, 0, 1)
    kept = read_entries(tmp_path / "home")
    assert kept.schema == ENTERED
    assert kept.select("indicator_id", "file", "line", "sequence").rows() == [
        ("smart_cameras", "a.csv", 2, 1), ("coverage_5g", "a.csv", 4, 1),
    ]  # fmt: skip
    assert found.stored.name.startswith("000001-" + kept["sha256"][0][:12])


def test_a_later_file_revises_and_both_stay(tmp_path):
    home = tmp_path / "home"
    entered(home, table(tmp_path / "a.csv", line()))
    before = {path.name: path.read_bytes() for path in home.glob("*.parquet")}
    again = entered(home, table(tmp_path / "b.csv", line(), line("coverage_5g", value="96")))
    assert (again.accepted.height, again.unchanged) == (1, 1)
    revised = entered(home, table(tmp_path / "c.csv", line(value="79")))
    assert revised.accepted.height == 1
    assert {name: (home / name).read_bytes() for name in before} == before
    cameras = history(read_entries(home)).filter(pl.col("indicator_id") == "smart_cameras")
    assert cameras.select("value", "revision", "file").rows() == [
        (81.0, 1, "a.csv"), (79.0, 2, "c.csv"),
    ]  # fmt: skip
    same = entered(home, tmp_path / "c.csv")
    assert (same.accepted.height, same.unchanged, same.stored) == (0, 1, None)


def test_gb18030_chinese_heads_and_worksheets_say_the_same(tmp_path):
    heads = "指标编号,期别,地区,数值,报送日期,填报单位/负责人,依据,备注"
    utf = read_rows(table(tmp_path / "a.csv", line()))
    gbk = read_rows(table(tmp_path / "b.csv", line(), heads=heads, encoding="gb18030"))
    book = openpyxl.Workbook()
    book.active.append(heads.split(","))
    book.active.append(
        ["smart_cameras", 2026, 310117, 81.0, datetime(2026, 11, 20), "科委 张三",  # noqa: DTZ001
         "松科委〔2026〕1号", None]
    )  # fmt: skip
    book.save(tmp_path / "c.xlsx")
    assert gbk.equals(utf)
    assert read_rows(tmp_path / "c.xlsx")["value"].to_list() == ["81"]
    assert entered(tmp_path / "home", tmp_path / "c.xlsx").accepted["reported_on"].to_list() == [
        date(2026, 11, 20)
    ]


@pytest.mark.parametrize(
    ("heads", "why"),
    [
        (HEADS.replace(",value", ""), "no column `value`"),
        (HEADS + ",value", "`value` twice"),
        ("", "no column `indicator_id`"),
    ],
)
def test_a_file_that_is_no_table_of_entries(tmp_path, heads, why):
    with pytest.raises(FleetFileError, match=why):
        entered(tmp_path / "home", table(tmp_path / "a.csv", line(), heads=heads))


def test_a_ragged_line_stops_nobody(tmp_path):
    found = entered(tmp_path / "h", table(tmp_path / "a.csv", line() + ",,x", line("coverage_5g")))
    assert found.rejected["line"].to_list() == [2]
    assert found.accepted["indicator_id"].to_list() == ["coverage_5g"]


def test_what_was_refused_opens_in_a_spreadsheet(tmp_path):
    path = table(tmp_path / "a.csv", line(value="x"))
    rejected = entered(tmp_path / "home", path).rejected
    beside = write_rejections(path, rejected, tmp_path / "home")
    assert beside == tmp_path / "a.rejected.csv"
    nowhere = tmp_path / "file" / "a.csv"
    nowhere.parent.write_bytes(b"")
    elsewhere = write_rejections(nowhere, rejected, tmp_path / "home")
    assert elsewhere == tmp_path / "home" / "a.rejected.csv"
    assert beside.read_bytes().startswith(b"\xef\xbb\xbf")
    told = list(csv.DictReader(beside.read_text("utf-8-sig").splitlines()))
    assert [(one["line"], one["column"], one["value"]) for one in told] == [("2", "value", "x")]


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "parkpulse", "indicator", *map(str, arguments)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


def test_the_commands(tmp_path):
    home = tmp_path / "home"
    Home(home).create(first_day=date(2026, 11, 1))
    today = datetime.now(UTC).date().isoformat()
    rows = [line(period=today[:4]), line("oee")]
    path = table(tmp_path / "a.csv", *(one.replace("2026-11-20", today) for one in rows))
    done = command("enter", path, "--home", home)
    assert done.returncode == 1
    assert "1 entered" in done.stdout
    assert "line 3 column indicator_id" in done.stderr
    assert "a.rejected.csv" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    listed = json.loads(command("list", "--json", "--home", home).stdout)
    by = {one["indicator_id"]: one for one in listed}
    assert (by["smart_cameras"]["value"], by["smart_cameras"]["verdict"]) == (81.0, "met")
    assert by["coverage_5g"]["value"] is None
    assert "未报送" in command("list", "--home", home).stdout
    assert command("enter", tmp_path / "none.csv", "--home", home).returncode == 2
