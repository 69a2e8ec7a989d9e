"""Bad files as clerks send them: the good rows go in, the report names each bad one."""

import csv
import io
from datetime import date
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from connectors.home import Home
from connectors.register_import import import_file
from connectors.register_store import rows

CASES = sorted(p for p in (Path(__file__).parents[1] / "data" / "register").iterdir() if p.is_dir())
ON = date(2026, 11, 21)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_good_rows_go_in_and_each_bad_one_is_named(case, tmp_path):
    (path,) = case.glob("input.*")
    home = Home(tmp_path / "home")
    (outcome,) = import_file(home, path, as_of=ON)
    good = pl.read_csv(case / "good.csv", infer_schema=False)
    found = rows(home, "enterprises").select(pl.col(good.columns).cast(pl.String))
    assert found.rows() == good.rows()
    refused = pl.read_csv(case / "refused.csv", infer_schema=False)
    named = outcome.rejections.select(pl.col(refused.columns).cast(pl.String))
    assert named.rows() == refused.rows()
    one = outcome.imported
    assert one.rows == one.accepted + one.repeats + one.refused
    assert one.refused == refused.select("sheet", "line").n_unique()


def test_the_report_is_a_csv_with_a_bom_and_a_workbook_that_say_the_same(tmp_path):
    path = next(case for case in CASES if case.name == "wrong_check_characters") / "input.csv"
    home = Home(tmp_path / "home")
    (outcome,) = import_file(home, path, as_of=ON)
    book = home.root / outcome.imported.report
    content = book.with_suffix(".csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    told = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    sheet = openpyxl.load_workbook(book).active
    shown = [
        ["" if c is None else str(c) for c in row] for row in sheet.iter_rows(values_only=True)
    ]
    assert shown == told
    assert told[0][2:7] == ["行 line", "列 column", "内容 value", "原因", "改法"]
    assert len(told) == outcome.rejections.height + 1
