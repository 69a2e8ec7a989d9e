"""The files of the district office say what the facts say, and the bad ones what is listed."""

import csv
from datetime import date, timedelta

import polars as pl
import pytest
from openpyxl import load_workbook

from connectors.home import Home
from connectors.register_import import import_file
from connectors.simulator.district import bad_files, files, tables, truth_tables
from connectors.simulator.district.facts import facts
from connectors.simulator.park_facts import uscc
from pipelines import park_figures

ON = date(2026, 11, 21)


@pytest.fixture(scope="module")
def district():
    return facts(2, ON, enterprises=400, terminals=600)


@pytest.fixture(scope="module")
def folder(district, tmp_path_factory):
    folder = tmp_path_factory.mktemp("office")
    files.write_files(district, folder)
    return folder


def lines(path, encoding="utf-8-sig"):
    with path.open(newline="", encoding=encoding) as file:
        return list(csv.reader(file))


def test_every_file_is_there(folder):
    assert sorted(p.name for p in folder.iterdir()) == [
        "claims.csv", "collector_down.csv", "declarations.xlsx", "enterprises.xlsx", "later",
        "machines.csv", "operating_days.parquet", "provider_use.csv", "sites.csv", "tenants.csv",
        "terminal_days.parquet", "terminals.csv",
    ]  # fmt: skip


def test_the_register_of_enterprises_is_a_worksheet_with_chinese_headers(district, folder):
    sheet = load_workbook(folder / "enterprises.xlsx").worksheets[0]
    header, *rows = sheet.iter_rows(values_only=True)
    assert header[:3] == ("统一社会信用代码", "企业名称", "英文名称")
    assert len(rows) == len(district.enterprises)
    for row, told in zip(rows, district.enterprises, strict=True):
        found = dict(zip(header, row, strict=True))
        assert found["统一社会信用代码"] == told.uscc
        assert found["从业人员"] == told.staff
        assert found["营业收入(万元)"] == told.revenue_wan
        assert found["是否在新城"] == ("是" if told.in_new_city else "否")
        assert found["生效日期"].date() == told.valid_from
        assert (found["失效日期"] is None) == (told.valid_to is None)


@pytest.mark.parametrize("name", files.CSVS)
def test_a_csv_file_has_the_columns_and_rows_of_its_table(district, folder, name):
    encoding = files.ENCODINGS.get(name, "utf-8")
    header, *rows = lines(folder / f"{name}.csv", encoding)
    assert header == files.columns(name)
    told = tables.tables(district, [name])[name].to_pylist()
    assert len(rows) == len(told)
    for row, expected in zip(rows, told, strict=True):
        for column, text in zip(header, row, strict=True):
            value = expected[column]
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            assert text == ("" if value is None else shown)


def test_what_came_late_is_in_a_file_of_its_own(district, folder):
    whole = pl.DataFrame(tables.tables(district, ["terminal_days"])["terminal_days"])
    in_time = pl.read_parquet(folder / "terminal_days.parquet")
    late = pl.read_parquet(folder / "later" / "terminal_days.parquet")
    assert late.select("terminal_id", "day").rows() == [
        row[:2] for row in sorted(district.late, key=lambda row: row[1])
    ]
    both = pl.concat([in_time, late]).sort("terminal_id", "day")
    assert both.equals(whole.sort("terminal_id", "day"))


def test_bad_rows_are_where_the_list_says(tmp_path):
    bad_files.write_bad_files(tmp_path)
    header, *wrong = lines(tmp_path / "wrong.csv")
    assert header == ["file", "line", "column", "value", "why"]
    assert len(wrong) == 3 + sum(len(rows) for rows in bad_files.WRONG.values())
    for file, line, column, value, _ in wrong:
        if file.endswith(".csv"):
            rows = lines(tmp_path / file)
        elif file.endswith(".xlsx"):
            sheet = load_workbook(tmp_path / file).worksheets[0]
            rows = [["" if c is None else str(c) for c in r] for r in sheet.values]
        else:
            continue
        name = column if file != "enterprises.xlsx" else files.HEADERS[column]
        found = rows[int(line) - 1][rows[0].index(name)]
        assert found.partition(" ")[0] == value
    good = bad_files.GOOD["enterprises"]["uscc"]
    assert uscc(good[:17]) == good


def test_the_truth_has_the_tables_of_the_figures(district, tmp_path):
    since = ON - timedelta(days=90)
    truth_tables.write_district(district, tmp_path / "office", tmp_path / "truth", since)
    assert (tmp_path / "office" / "bad" / "wrong.csv").exists()
    figures = {
        "adoption": park_figures.ADOPTION, "funnel": park_figures.FUNNEL,
        "liveness": park_figures.LIVENESS, "changes": park_figures.CHANGES,
        "discrepancies": park_figures.DISCREPANCIES,
    }  # fmt: skip
    for name, schema in figures.items():
        found = pl.read_parquet(tmp_path / "truth" / f"{name}.parquet")
        assert found.schema == schema
        assert found.height > 0
        counted = ("numerator", "denominator", "unknown", "value", "units", "terminals", "change")
        key = [column for column in schema.names() if not column.startswith(counted)]
        assert not found.select(key).is_duplicated().any()
    _, *traps = lines(tmp_path / "truth" / "traps.csv")
    assert len(traps) == len(district.traps)


def test_the_register_takes_every_row_of_the_office(tmp_path):
    """What is refused was planted to be, and lies in files of its own."""
    many = facts(4, ON, enterprises=1_200, terminals=1_200)
    office = tmp_path / "office"
    office.mkdir()
    files.write_files(many, office)
    home = Home(tmp_path / "home")
    refused = {
        (path.name, row["line"], row["column"])
        for path in sorted(office.glob("*.*"))
        for outcome in import_file(home, path, as_of=ON)
        for row in outcome.rejections.to_dicts()
    }
    assert refused == set()
