"""The workbook in somebody else's office: LibreOffice reads the figures that kpi.csv has."""

import csv
import subprocess

import pytest

from connectors.release import wording
from pipelines.disclosure import CONFIDENTIAL
from pipelines.indicators import DISTRICT_ID
from tests.connectors import test_release

pytestmark = pytest.mark.peers

EVERY_SHEET = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
"""Comma, quotes, UTF-8, numbers as stored, not as shown, each sheet its own file."""
FIGURES = {"value": 3, "lower": 4, "upper": 5, "target": 7}
"""Columns of 主要指标 by their name in kpi.csv."""


def converted(soffice, book, folder):
    """Rows of every sheet by its name."""
    subprocess.run(
        [soffice, f"-env:UserInstallation={(folder / 'profile').as_uri()}", "--headless",
         "--convert-to", EVERY_SHEET, "--outdir", str(folder), str(book)],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    return {
        path.stem.removeprefix(f"{book.stem}-"): rows(path, csv.reader)
        for path in folder.glob(f"{book.stem}-*.csv")
    }


def rows(path, reader):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(reader(file))


def cell(text):
    """A cell as a number, a mark of ours, or nothing."""
    if text in (wording.HIDDEN, wording.NOTHING):
        return text
    return float(text)


def wanted(row, name):
    if name != "target" and row["status"] == CONFIDENTIAL:
        return wording.HIDDEN
    return float(row[name]) if row[name] else wording.NOTHING


def test_libreoffice_reads_the_figures_of_kpi_csv(soffice, tmp_path):
    folder = test_release.write(tmp_path / "releases")
    sheets = converted(soffice, folder / "kpi.xlsx", tmp_path)
    assert set(sheets) == {"封面", "主要指标", "分园区", "指标解释", "数据质量"}
    kpi = rows(folder / "kpi.csv", csv.DictReader)
    district = [row for row in kpi if row["area_id"] == DISTRICT_ID]
    assert district
    for row, line in zip(district, sheets["主要指标"][3:], strict=False):
        assert line[1] == row["name_zh"]
        assert {name: cell(line[at]) for name, at in FIGURES.items()} == {
            name: wanted(row, name) for name in FIGURES
        }
    areas = ["", "", DISTRICT_ID, *test_release.PARKS]
    by_name = {line[0]: line for line in sheets["分园区"][3:]}
    in_parks = [row for row in kpi if row["area_id"] != DISTRICT_ID]
    assert in_parks
    for row in in_parks:
        assert cell(by_name[row["name_zh"]][areas.index(row["area_id"])]) == wanted(row, "value")
