"""Figures of parks, evidence cards and what of them is published, on the session's home."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from test_gates import replaced

from connectors.indicator_files import enter
from connectors.lake import Lake, Partition
from connectors.verification import verify
from pipelines import evidence_cards
from pipelines.park_figures import CARDS, CONFORMANCE


@pytest.fixture(scope="module")
def yesterday(walked):
    from assets.partitions import local_today

    return local_today() - timedelta(days=1)


def read(home, name, *partition):
    return Lake(home.lake).read(name, Partition(*partition))


def test_every_factory_and_park_has_a_card_of_every_day(walked, yesterday):
    cards = read(walked, "evidence_cards", yesterday)
    assert cards.schema == CARDS
    subjects = cards.select("subject_kind", "subject_id").unique()
    assert set(subjects["subject_id"]) == {"F01", "F07", "P01", "P02", "P03"}
    asked = dict(evidence_cards.criteria().group_by("subject_kind").len().iter_rows())
    assert cards.height == 2 * asked["smart_factory"] + 3 * asked["benchmark_park"]
    states = dict(evidence_cards.by_subject(cards).select("subject_id", "state").iter_rows())
    assert (states["F01"], states["F07"]) == ("met", "met")
    own = cards.filter(pl.col("subject_id") == "F07", pl.col("criterion_id") == "recognised")
    assert own["state"].to_list() == ["unknown"]  # of the invented list; no condition
    assert (
        cards.filter(pl.col("criterion_id") == "cloud_service_centre")["state"].to_list()
        == ["met"] * 3
    )
    first = read(walked, "evidence_cards", walked.first_day)
    days = first.filter(pl.col("criterion_id") == "connected")["evidence_en"].unique().to_list()
    assert days == ["accepted data on 1 days"]


def test_the_counts_that_are_published_are_those_of_the_cards(walked, yesterday):
    counted = evidence_cards.counted(read(walked, "evidence_cards", yesterday))
    kpi = read(walked, "kpi", yesterday)
    names = {"smart_factory": "smart_factories", "benchmark_park": "benchmark_parks"}
    for row in counted.iter_rows(named=True):
        (told,) = kpi.filter(pl.col("indicator_id") == names[row["subject_kind"]]).to_dicts()
        assert (told["value"], told["lower"]) == (row["met"], row["met"])
        assert told["upper"] == row["met"] + row["unknown"]


def test_conformance_tells_of_each_factory_day(walked, yesterday):
    for factory in ("F01", "F07"):
        (row,) = read(walked, "conformance_of_factories", yesterday, factory).to_dicts()
        assert (row["factory_id"], row["level"], row["l3"]) == (factory, 3, row["work_units"])
        assert row["heard_share"] > 0.9
        levels = read(walked, "interface_levels", yesterday, factory)
        assert levels.height == row["work_units"] > 5
        found = read(walked, "conformance", yesterday, factory)
        assert found.schema == CONFORMANCE
        assert set(found["aspect"]) <= {"status", "timestamp", "value", "silence"}
        stages = read(walked, "chain_stages", yesterday).filter(pl.col("factory_id") == factory)
        assert stages["is_covered"].all()


def test_pages_name_sites_in_both_languages(walked):
    page = (walked.pages / "index.html").read_text("utf-8")
    assert "Songjiang Lingang Science and Technology City" in page
    assert "松江临港科技城" in page


def test_verify_names_what_of_parks_and_machines_is_not_so(walked, truth, yesterday, tmp_path):
    result = verify(walked, truth)
    assert result["parks"] == {
        "pue": 9, "project_states": 23, "project_findings": 2, "service_catalogue": 20,
        "unequal": 0,
    }  # fmt: skip
    none = tmp_path / "truth"  # of which the truth knows none, and we still tell of two
    shutil.copytree(truth, none)
    pl.read_parquet(none / "project_findings.parquet").clear().write_parquet(
        none / "project_findings.parquet"
    )
    (invented,) = [line for line in verify(walked, none)["broken"] if "parks" in line]
    assert "parks.unequal is 2" in invented
    assert result["conformance"]["unequal"] == result["conformance"]["unequal_clocks"] == 0
    assert result["conformance"]["days"] == 3
    lake = Lake(walked.lake)
    pue, levels = Partition(yesterday), Partition(yesterday, "F01")
    odd = read(walked, "pue", yesterday).with_columns(days=pl.col("days") + 1)
    low = read(walked, "interface_levels", yesterday, "F01").with_columns(level=pl.lit(1, pl.Int8))
    kept = {
        table: (lake.path(table, part), lake.path(table, part).read_bytes())
        for table, part in (("pue", pue), ("interface_levels", levels))
    }
    try:
        lake.write("pue", odd, pue)
        lake.write("interface_levels", low, levels)
        broken = verify(walked, truth)["broken"]
    finally:
        for path, content in kept.values():
            path.write_bytes(content)
    assert [line.split(" ")[0] for line in broken] == ["conformance.unequal", "parks.unequal"]
    assert "F01-M01" in broken[0]
    assert "pue DC01" in broken[1]


HEAD = "indicator_id,period,area_id,value,reported_on,responsible,document"


def test_what_an_office_reported_is_published_with_where_it_stood(walked, yesterday, tmp_path):
    from assets.materialize import instance, release_period, run

    told = tmp_path / "reported.csv"
    told.write_text(f"{HEAD}\ncoverage_5g,2026,310117,95.5,{yesterday},某局,通报 1\n", "utf-8")
    day = Partition(yesterday)
    entered = enter(walked.indicators, told, entered_at=datetime.now(UTC), today=yesterday)
    assert entered.accepted.height == 1, entered.rejected
    try:
        with replaced(walked, "kpi", day, lambda rows: rows), instance() as opened:
            assert run(opened, "park_days", day, day) == []
            folder = release_period(yesterday.isoformat(), say=lambda _: None)
    finally:
        entered.stored.unlink()
    kpi = pl.read_parquet(folder / "kpi.parquet")
    (row,) = kpi.filter(pl.col("indicator_id") == "coverage_5g").to_dicts()
    assert (row["value"], row["verdict"]) == (95.5, "met")
    figures = json.loads((folder / "lineage.json").read_text("utf-8"))["figures"]
    (traced,) = [one for one in figures if one["indicator_id"] == "coverage_5g"]
    (source,) = traced["entered"]
    assert (source["file"], source["line"], source["document"]) == ("reported.csv", 2, "通报 1")
    assert len(source["sha256"]) == 64


def test_a_day_without_cards_has_no_indicators(walked):
    import dagster as dg

    from assets.cards import counted_on

    with pytest.raises(dg.Failure, match="run the job park_days first"):
        counted_on(walked.first_day - timedelta(days=1))
