"""Releases: whole or not at all, reproducible, checked, and closed to what may not leave."""

import hashlib
import io
import json
import re
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from rich.console import Console

from connectors.errors import ReleaseBroken
from connectors.release import check, kpi_table_text, published_before, write_release
from connectors.release.whole import SUMS
from pipelines import disclosure, indicators
from pipelines.indicators import DISTRICT_ID

PARKS = {"P01": "松江临港科技城", "P02": "G60电子信息国际创新产业园", "P03": "中山工业园区"}
AT = datetime(2026, 11, 22, 1, 5, tzinfo=UTC)
P_PERCENT = 13.75
FILES = {
    "kpi.csv", "kpi.xlsx", "kpi.parquet", "indicator_dictionary.csv", "metadata.json",
    "lineage.json", "README.zh.md", "README.en.md", "index.html", SUMS,
}  # fmt: skip


def contributions() -> pl.DataFrame:
    counts = {"P01": (2, 1), "P02": (40, 30), "P03": (60, 50)}
    rows = [
        ("sme_cloud_share", area, f"{park}-{i}", int(i < part), 1)
        for park, (whole, part) in counts.items()
        for area in (park, DISTRICT_ID)
        for i in range(whole)
    ]
    return pl.DataFrame(rows, schema=indicators.CONTRIBUTIONS, orient="row")


def published() -> pl.DataFrame:
    """Ten factories, three parks (one too small to show), a share near its target."""
    rows = [(None, 81, 102, 1), ("P01", 1, 2, 0), ("P02", 30, 40, 0), ("P03", 50, 60, 1)]
    adoption = pl.DataFrame(
        rows, schema=["park_id", "numerator", "denominator", "unknown"], orient="row"
    ).with_columns(
        metric_id=pl.lit("CA-1"), basis=pl.lit("declared_or_verified"),
        value=pl.col("numerator") / pl.col("denominator"),
        lower=pl.col("numerator") / pl.col("denominator"),
        upper=(pl.col("numerator") + pl.col("unknown")) / pl.col("denominator"),
    )  # fmt: skip
    ratios = [
        "oee",
        "availability",
        "effectiveness",
        "quality_ratio",
        "completeness",
        "lower",
        "upper",
    ]
    oee = pl.DataFrame(
        schema={"park_id": pl.String, **dict.fromkeys(ratios, pl.Float64), "is_reliable": bool}
    )
    kpi = indicators.kpi_table(
        oee, adoption, contributions(), period="2026-11-21", smart_factories=10,
        benchmark_parks=3, areas=PARKS,
    )  # fmt: skip
    return disclosure.protect(kpi, contributions(), disclosure.Rule(p_percent=P_PERCENT))


LINEAGE = {
    "figures": [
        {"indicator_id": name, "tables": [{"table": "adoption", "sha256": "0" * 64}]}
        for name in ("smart_factories", "benchmark_parks", "sme_cloud_share")
    ]
}


def write(root: Path, kpi: pl.DataFrame | None = None, at: datetime = AT) -> Path:
    return write_release(
        root, published() if kpi is None else kpi, indicators.dictionary(), LINEAGE,
        period="2026-11-21", created_at=at, code_version="0.1.0", home_id="a3f9", parks=PARKS,
        checks=[{"name": "silver: 时段不重叠", "passed": True, "note": "<b>0 行</b>"}],
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path)


def test_a_release_is_one_whole_folder(folder, tmp_path):
    assert folder == tmp_path / "2026-11-21" / "preliminary-1"
    assert {path.name for path in folder.iterdir()} == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["preliminary-1"]
    check(folder)
    listed = (folder / SUMS).read_text().splitlines()
    assert listed == [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}"
        for name in sorted(FILES - {SUMS})
    ]


def test_the_same_inputs_give_the_same_bytes_whatever_the_zone_or_hour(folder, tmp_path):
    again = write(tmp_path / "elsewhere", at=AT.astimezone(timezone(timedelta(hours=8))))
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in again.iterdir()
    }
    with zipfile.ZipFile(folder / "kpi.xlsx") as book:
        assert {item.date_time for item in book.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_a_vintage_is_never_overwritten(folder, tmp_path):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert write(tmp_path).name == "preliminary-2"
    assert write(tmp_path).name == "preliminary-3"
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("connectors.release.write._write", full)
    with pytest.raises(OSError, match="no space"):
        write(tmp_path)
    assert list((tmp_path / "2026-11-21").iterdir()) == []


@pytest.mark.parametrize("name", sorted(FILES))
def test_check_names_a_missing_file(folder, name):
    (folder / name).unlink()
    with pytest.raises(ReleaseBroken, match=re.escape(name)):
        check(folder)


@pytest.mark.parametrize("name", sorted(FILES - {SUMS}))
def test_check_names_a_changed_file(folder, name):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.unlink()
    path.write_bytes(bytes(content))
    with pytest.raises(ReleaseBroken, match=f"{re.escape(name)}: was changed"):
        check(folder)


def test_check_names_an_extra_file_and_a_forged_list(folder):
    (folder / "factory.csv").write_text("F01,0.62")
    with pytest.raises(ReleaseBroken, match=r"factory\.csv: does not belong"):
        check(folder)
    (folder / "factory.csv").unlink()
    (folder / SUMS).unlink()
    (folder / SUMS).write_text(f"{'0' * 64}  ../../../etc/passwd\n")
    with pytest.raises(ReleaseBroken, match="plain file names"):
        check(folder)


def test_check_needs_neither_dagster_nor_a_home(folder):
    code = (
        "import sys; from pathlib import Path; from connectors.release import check;"
        f"check(Path({str(folder)!r}));"
        "sys.exit(any(name in sys.modules for name in ('dagster', 'asyncua', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_csv_and_parquet_agree_and_open_in_a_spreadsheet(folder):
    content = (folder / "kpi.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    read = pl.read_csv(io.BytesIO(content), schema_overrides=disclosure.PUBLISHED)
    assert_frame_equal(read, pl.read_parquet(folder / "kpi.parquet"))
    assert (folder / "indicator_dictionary.csv").read_bytes().startswith(b"\xef\xbb\xbf")


def test_nothing_that_leaves_names_an_enterprise_a_hidden_value_or_the_parameter(folder):
    hidden = pl.read_parquet(folder / "kpi.parquet").filter(pl.col("status") == "c")
    assert hidden["area_id"].to_list() == ["P01", "P02"]
    assert hidden.select(disclosure.HIDDEN_COLUMNS).null_count().sum_horizontal().item() == 12
    for name in sorted(FILES - {"kpi.xlsx", "kpi.parquet", SUMS}):
        text = (folder / name).read_text("utf-8")
        assert str(P_PERCENT) not in text
        assert "P01-0" not in text
    with zipfile.ZipFile(folder / "kpi.xlsx") as book:
        assert not any(str(P_PERCENT).encode() in book.read(name) for name in book.namelist())
    control = json.loads((folder / "metadata.json").read_text())["disclosure_control"]
    assert "concentration rule" in control["rules"]
    assert control["parameters"] == "confidential"


def test_metadata(folder):
    metadata = json.loads((folder / "metadata.json").read_text())
    assert metadata["period"] == "2026-11-21"
    assert metadata["vintage"] == "preliminary-1"
    assert metadata["status"] == "preliminary"
    assert metadata["created_at"] == "2026-11-22T01:05:00+00:00"
    assert (metadata["figures"], metadata["confidential"]) == (6, 2)
    assert json.loads((folder / "lineage.json").read_text()) == LINEAGE


def test_the_workbook_has_numbers_as_numbers_under_chinese_heads(folder):
    book = openpyxl.load_workbook(folder / "kpi.xlsx")
    assert book.sheetnames == ["封面", "主要指标", "分园区", "指标解释", "数据质量"]
    main = book["主要指标"]
    heads = [cell.value for cell in main[3]]
    assert heads[:4] == ["序号", "指标名称", "单位", "本期值"]
    share = next(
        row
        for row in main.iter_rows(min_row=4)
        if row[1].value == "中小企业上云上平台比例（申报或核实）"
    )
    assert (share[3].value, share[3].number_format) == (79.4, "#,##0.0")
    assert share[7].value == 80
    assert share[8].value == "待核"
    parks = book["分园区"]
    assert [cell.value for cell in parks[3]] == ["指标名称", "单位", "松江新城", *PARKS.values()]
    assert [cell.value for cell in parks[4]][2:] == [79.4, "＊", "＊", 83]
    assert book.properties.created == AT.replace(tzinfo=None)


def test_the_page_is_alone_in_the_world_and_says_what_is_hidden(folder):
    page = (folder / "index.html").read_text("utf-8")
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//|@import|url\(|<script""", page)
    assert set(re.findall(r'href="([^"]+)"', page)) == FILES - {"index.html"}
    assert "因保密不公布" in page
    assert page.count("＊<sup>") == 2
    assert "待核" in page
    assert "&lt;b&gt;0 行&lt;/b&gt;" in page
    assert "<b>79.4</b>" in page


def test_readmes_in_both_languages(folder):
    assert "| 智能工厂 | 家 | 10 | ≥ 10 家 | 达标 |" in (folder / "README.zh.md").read_text("utf-8")
    assert "| Smart factories | 家 | 10 | ≥ 10 家 | Met |" in (folder / "README.en.md").read_text(
        "utf-8"
    )


def change(**columns: pl.Expr | str) -> pl.DataFrame:
    is_share = (pl.col("indicator_id") == "sme_cloud_share") & (pl.col("area_id") == "P03")
    return published().with_columns(
        **{
            name: pl.when(is_share)
            .then(pl.lit(new) if isinstance(new, str) else new)
            .otherwise(name)
            for name, new in columns.items()
        }
    )


def kept_out() -> pl.DataFrame:
    """The release, in which too little is known of P03's share."""
    return change(
        status=indicators.INCOMPLETE, completeness=pl.lit(0.62), verdict=pl.lit(None),
        **dict.fromkeys(("value", "lower", "upper"), pl.lit(None, pl.Float64)),
    )  # fmt: skip


def test_a_figure_of_which_too_little_is_known_says_so_and_is_no_number(tmp_path):
    folder = write(tmp_path, kept_out())
    for name in ("index.html", "README.zh.md"):
        assert "数据不完整" in (folder / name).read_text("utf-8")
    assert "incomplete data" in (folder / "README.en.md").read_text("utf-8")
    book = openpyxl.load_workbook(folder / "kpi.xlsx")
    told = [cell.value for row in book["数据质量"].iter_rows() for cell in row]
    assert "数据不完整" in told
    assert "…" in [cell.value for row in book["分园区"].iter_rows() for cell in row]
    console = Console(width=140, file=io.StringIO(), force_terminal=False)
    console.print(kpi_table_text(kept_out()))
    assert "… 数据不完整（1 项）" in console.file.getvalue()
    whole = (write(tmp_path / "whole") / "README.zh.md").read_text("utf-8")
    assert "数据不完整" not in whole


@pytest.mark.parametrize(
    ("kpi", "words"),
    [
        (lambda: change(status="i", value=pl.lit(None, pl.Float64)), "still shows bounds"),
        (lambda: change(status="i"), "contradict"),
        (lambda: published().with_columns(factory_id=pl.lit("F01")), "factory_id"),
        (lambda: change(area_id="F01"), "neither a park nor the district"),
        (lambda: change(status="u"), "has not been disclosure-checked"),
        (lambda: change(status="c", reason="frequency"), "still shows value"),
        (lambda: change(period="2026-11-20"), "one period at a time"),
        (lambda: published().clear(), "has no figures"),
        (lambda: change(reason="frequency"), "has not been disclosure-checked"),
        (lambda: change(value=pl.lit(83.3333)), "is not rounded"),
        (lambda: change(value=pl.lit(float("inf"))), "is not rounded"),
        (lambda: change(indicator_id="profit"), "not in the indicator dictionary"),
        (lambda: pl.concat([published(), published()]), "stands twice"),
        (
            lambda: published().filter(False).vstack(change(value=pl.lit(None, pl.Float64))),
            "contradict",
        ),
    ],
)
def test_the_guard_lets_nothing_else_out(tmp_path, kpi, words):
    with pytest.raises(ReleaseBroken, match=words):
        write(tmp_path, kpi())
    assert not (tmp_path / "2026-11-21").exists()


def test_every_figure_needs_its_lineage_and_a_real_period(tmp_path):
    given = {
        "created_at": AT, "code_version": "0", "home_id": "x", "parks": PARKS,
    }  # fmt: skip
    with pytest.raises(ReleaseBroken, match="benchmark_parks: has no lineage"):
        write_release(
            tmp_path, published(), indicators.dictionary(), {}, period="2026-11-21", **given
        )
    with pytest.raises(ReleaseBroken, match="is no period"):
        write_release(
            tmp_path, published(), indicators.dictionary(), LINEAGE, period="../x", **given
        )


def test_what_earlier_vintages_show(folder, tmp_path):
    assert published_before(tmp_path, "2026-11-22").is_empty()
    shown = published_before(tmp_path, "2026-11-21")
    assert ("sme_cloud_share", "P03") in shown.rows()
    assert ("sme_cloud_share", "P01") not in shown.rows()


def test_the_terminal_table_lines_up_with_chinese():
    console = Console(width=140, file=io.StringIO(), force_terminal=False)
    console.print(kpi_table_text(published()))
    lines = [line for line in console.file.getvalue().splitlines() if line[:1] in "┃│"]
    from rich.cells import cell_len

    assert len({cell_len(line) for line in lines}) == 1
    share = next(line for line in lines if "上云上平台" in line)
    assert [cell.strip() for cell in share.strip("│").split("│")] == [
        "中小企业上云上平台比例（申报或核实）", "%", "79.4", "> 80 %", "待核", "＊", "＊", "83",
    ]  # fmt: skip
