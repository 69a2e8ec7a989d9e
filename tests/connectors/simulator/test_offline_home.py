import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from connectors import received
from connectors.errors import HomeRefused
from connectors.fleet import read_fleet
from connectors.home import Home
from connectors.ledger import Ledger
from connectors.offline_home import write_offline
from connectors.simulator import parks
from connectors.simulator.calendars import ZONE
from pipelines import schemas

from .conftest import ANCHOR, SEED, Part

MIDNIGHT = datetime(2026, 11, 17, tzinfo=ZONE)


def tags_of(home, site):
    return pl.read_parquet(home / "lake" / "tags" / f"factory={site}" / "part.parquet")


@pytest.fixture(scope="module")
def home(factories, tmp_path_factory):
    folder = tmp_path_factory.mktemp("offline-home")
    outages = write_offline(
        folder / "home",
        seed=SEED,
        anchor=ANCHOR,
        days=1,
        sites=[factories[7], Part(parks.timelines(SEED, ANCHOR)[1], 6)],
        truth=folder / "truth",
    )
    assert len(outages) == 4
    return folder / "home"


def test_the_home_has_every_part_that_a_collected_home_has(home):
    assert {path.name for path in home.iterdir()} == {
        "home.json", "fleet.toml", "F08.calendar.csv", "F08.cycles.csv", "F08.reasons.csv",
        "segments", "ledger.sqlite", "lake",
    }  # fmt: skip
    assert [site.site_id for site in read_fleet(home / "fleet.toml").sites] == [
        "F08",
        "P02",
    ]
    for table, schema in (("plan", schemas.PLAN), ("cycles", schemas.CYCLES)):
        frame = pl.read_parquet(home / "lake" / table / "factory=F08" / "part.parquet")
        assert frame.schema == schema
        assert frame.height > 0


def test_the_home_lives_at_the_anchor(home):
    marked = Home(home)
    assert marked.first_day == MIDNIGHT.date()
    pretended = datetime.now(UTC) + timedelta(seconds=marked.now_offset_s)
    assert abs(pretended - ANCHOR) < timedelta(minutes=10)


def test_the_catalogue_names_every_node_of_the_segments(home):
    for site in ("F08", "P02"):
        tags = tags_of(home, site)
        assert tags.schema == schemas.TAGS
        rows, _ = received.everything(Home(home), site)
        assert set(rows["node_id"].cast(pl.String)) == set(tags["node_id"])
        kinds = {"F08": "counter", "P02": "evidence"}
        assert tags.filter(measure_kind=kinds[site]).height > 10


def test_the_ledger_vouches_for_all_of_it(home):
    with Ledger(home, read_only=True) as ledger:
        coverage, gaps, summary = ledger.coverage(), ledger.gaps(), ledger.summary()
    starts = dict(coverage.select("factory_id", "from_time").iter_rows())
    assert starts == {"F08": MIDNIGHT, "P02": MIDNIGHT - timedelta(days=120)}
    assert set(coverage["to_time"]) == {ANCHOR}
    assert gaps.height == 0
    for server in summary["servers"]:
        assert server["state"] == "stopped"
        assert server["nodes"] > 100
        assert {gap["resolved"] for gap in server["closed_gaps"]} == {"history"}
        assert len(server["closed_gaps"]) == 2


def test_a_first_back_fill_brings_what_stood_and_the_parks_evidence(home):
    rows, _ = received.everything(Home(home), "F08")
    old = rows.filter(
        pl.col("received_time") == MIDNIGHT.astimezone(UTC), pl.col("origin") == "history"
    )
    tags = tags_of(home, "F08")
    dynamic = tags.filter(pl.col("measure_kind").is_in(["state", "counter", "process", "context"]))
    assert set(dynamic["node_id"]) <= set(old["node_id"].cast(pl.String))
    rows, _ = received.everything(Home(home), "P02")
    evidence = rows.filter(pl.col("node_id").cast(pl.String).str.ends_with(".DailyGoodValues"))
    most = evidence.group_by("node_id").agg(pl.col("source_ticks").n_unique())["source_ticks"].max()
    assert most == 120


def test_the_truth_is_whole(home):
    truth = home.parent / "truth"
    names = {"manifest.json", "values", "machine_shifts.parquet", "machine_losses.parquet"}
    names |= {"faults.parquet"}
    names |= {"nastiness.parquet", "wire_faults.jsonl"}
    parks = ("adoption", "funnel", "liveness", "changes", "discrepancies", "conformance")
    names |= {f"{name}.parquet" for name in parks}
    assert {path.name for path in truth.iterdir()} == names
    faults = [json.loads(line) for line in (truth / "wire_faults.jsonl").read_text().splitlines()]
    assert len(faults) == 4


def test_a_folder_in_use_is_refused(home, tmp_path):
    before = (home / "home.json").read_text()
    (tmp_path / "mine.txt").write_text("mine")
    for folder in (home, tmp_path):
        with pytest.raises(HomeRefused, match=str(folder)):
            write_offline(folder, seed=SEED, anchor=ANCHOR, sites=[])
    assert (home / "home.json").read_text() == before
