"""The ledger as an asset: it counts what bronze kept, as the command does, pruned or not."""

import shutil
from datetime import UTC, datetime, timedelta

import polars as pl

from connectors import received
from connectors.accounts import ledger_summary
from connectors.export import export_raw
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.pruning import prune
from pipelines import ledger

WAYS = ["received_live", "republished", "back_filled"]


def test_every_row_of_bronze_is_accounted_for(walked):
    lake = Lake(walked.lake)
    parts = [p for p in lake.partitions("ledger_by_day") if p.factory == "F01"]
    assert parts == [p for p in lake.partitions("raw_values") if p.factory == "F01"]
    rows = lake.scan("ledger_by_day", parts).collect()
    nodes, servers = (rows.filter(pl.col("node_id").is_null() == flag) for flag in (False, True))
    kept = lake.scan("raw_values", parts).select(pl.len()).collect().item()
    came = nodes.select(pl.sum_horizontal(WAYS).sum()).item()
    assert came - nodes["repeats_removed"].sum() == kept > 0
    assert nodes.select(pl.sum(ledger.COUNTS)).row(0) == servers.select(pl.sum(ledger.COUNTS)).row(
        0
    )
    assert servers["day"].to_list() == [p.day for p in parts]
    assert nodes["completeness"].drop_nulls().is_between(0, 1).all()


def test_the_command_and_the_asset_say_the_same_of_a_whole_day(walked):
    lake, day = Lake(walked.lake), walked.first_day + timedelta(days=1)
    rows = lake.scan("ledger_by_day", [Partition(day, "F01")]).collect()
    summary = ledger_summary(walked.root, day, day)
    (server,) = (one for one in summary["servers"] if one["site_id"] == "F01")
    (window,) = server["windows"]
    (asset,) = rows.filter(pl.col("node_id").is_null()).to_dicts()
    names = [*ledger.COUNTS, "covered_s", "uncovered_s", "gap_s", "completeness"]
    assert {n: window[n] for n in names} == {n: asset[n] for n in names}


def test_values_and_counts_outlive_the_segments(walked, tmp_path):
    copy = Home(tmp_path / "home")
    shutil.copytree(walked.root / "lake", copy.root / "lake")
    shutil.copytree(walked.segments / "F01", copy.segments / "F01")
    shutil.copy(walked.root / "home.json", copy.root)
    days = [walked.first_day + timedelta(days=n) for n in range(3)]
    order = ["server_uri", "node_id", "day", "origin"]
    before = received.counted(copy, "F01", days).sort(order)
    counts = export_raw(copy.root, tmp_path / "before.parquet")
    done = prune(copy, now=datetime.now(UTC) + timedelta(days=30))
    assert (done.kept, list((copy.segments / "F01").glob("*.arrow"))) == ([], [])
    assert received.counted(copy, "F01", days).sort(order).equals(before)
    assert export_raw(copy.root, tmp_path / "after.parquet") == counts
    frames = [pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("before", "after")]
    assert frames[0].equals(frames[1])
