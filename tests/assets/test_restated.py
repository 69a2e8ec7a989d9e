"""A late segment makes just the days anew that it touches, and what they said before is kept."""

import shutil
from datetime import timedelta

import dagster as dg
import polars as pl
import pyarrow as pa
import pytest

from connectors.lake import Lake, Partition
from connectors.raw import RAW_SCHEMA, ticks_of
from connectors.segments import SegmentWriter
from pipelines.schemas import CONVENTIONS

ABORTING = 8
"""PackML: the machine is out of service."""
MOST_TICKS = 10
SITE = ["park_id", "factory_id", "line_id"]


@pytest.fixture
def late(walked, tmp_path):
    """The walked home, to which a late segment may be added; afterwards it is what it was."""
    shutil.copytree(walked.lake, tmp_path / "lake")
    before = set((walked.segments / "F01").iterdir())
    yield walked
    shutil.rmtree(walked.lake)
    shutil.move(tmp_path / "lake", walked.lake)
    for path in set((walked.segments / "F01").iterdir()) - before:
        path.unlink()


def files_of(home):
    """Every file of the lake with its bytes and when it was written."""
    paths = (path for path in home.lake.rglob("part.*"))
    return {
        str(path.relative_to(home.lake)): (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in paths
    }


def long_run(home, day):
    """A long episode in which a machine of F01 ran, inside one shift of a day."""
    lake = Lake(home.lake)
    episodes = lake.read("state_episodes", Partition(day, "F01"))
    shifts = lake.read("oee_by_shift", Partition(day, "F01"))
    assert episodes is not None
    assert shifts is not None
    key = ["park_id", "factory_id", "line_id", "work_unit_id"]
    tags = lake.read("tags", Partition(factory="F01"))
    own_state = tags.filter(measure="packml_state").select("work_unit_id", "node_id", "server_uri")
    ran = (
        episodes.filter(item_state=3, operation_mode=3)
        .join(
            shifts.select(*key, "production_day", "shift_id", begin="start", over="end"),
            on=key,
            nulls_equal=True,
        )
        .filter(pl.col("start") > pl.col("begin"), pl.col("end") < pl.col("over"))
        .join(own_state, on="work_unit_id")
        .with_columns(lasted=pl.col("end") - pl.col("start"))
    )
    return ran.sort("lasted", "work_unit_id").row(-1, named=True)


def seal_late(home, found):
    """A state that was told days later: the machine stopped in the middle of the episode."""
    time = found["start"] + (found["end"] - found["start"]) / 2
    row = {
        "server_uri": found["server_uri"], "node_id": found["node_id"], "value_type": "Int32",
        "value_int": ABORTING, "source_ticks": ticks_of(time), "server_ticks": ticks_of(time),
        "received_time": time + timedelta(days=1), "is_array": False, "status_code": 0,
        "origin": "history",
    }  # fmt: skip
    writer = SegmentWriter(home.segments / "F01", site_id="F01", server_uri=found["server_uri"])
    writer.append(pa.RecordBatch.from_pylist([row], schema=RAW_SCHEMA))
    writer.seal()
    return time


def ticks_to_the_end(opened, sensor="new_segments", job="factory_days"):
    """Evaluate a sensor and run what it asks for, until it asks for nothing."""
    from assets import definitions
    from assets.definitions import defs
    from assets.materialize import run
    from assets.partitions import partition_of

    cursor, asked = None, []
    for _ in range(MOST_TICKS):
        context = dg.build_sensor_context(
            instance=opened, cursor=cursor, repository_def=defs.get_repository_def()
        )
        requests = getattr(definitions, sensor).evaluate_tick(context).run_requests
        cursor = context.cursor
        if not requests:
            return asked
        for request in requests:
            ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
            keys = tuple(request.tags[end] for end in ends)
            asked.append(keys)
            assert run(opened, request.job_name or job, *map(partition_of, keys)) == []
    raise AssertionError(f"it asks for ever: {asked}")


def made_since(opened, asset, storage_id):
    found = opened.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), after_storage_id=storage_id), limit=1000
    )
    return [record.partition_key for record in found.records], found.records


def newest(opened, asset):
    found = opened.fetch_materializations(dg.AssetKey(asset), limit=1)
    return found.records[0].storage_id


def test_a_late_segment_restates_just_what_it_touches(late):
    from assets.materialize import instance

    first, second = late.first_day, late.first_day + timedelta(days=1)
    found = long_run(late, first)
    said = Lake(late.lake).read("oee_by_shift", Partition(first, "F01"))
    with instance() as opened:
        ticks_to_the_end(opened, "restated_days")
        before = files_of(late)
        since = {name: newest(opened, name) for name in ("oee_by_shift", "restatements")}
        seal_late(late, found)
        asked = ticks_to_the_end(opened)
        assert asked == [(f"{first}|F01",) * 2, (f"{second}|F01",) * 2]
        for name, storage_id in since.items():
            keys, _ = made_since(opened, name, storage_id)
            assert sorted(keys) == [f"{first}|F01", f"{second}|F01"]
        _, records = made_since(opened, "restatements", since["restatements"])
    restated = {
        record.partition_key: record.asset_materialization.metadata["restated"].value
        for record in records
    }
    assert restated[f"{first}|F01"] > 0
    assert restated[f"{second}|F01"] == 0

    after = files_of(late)
    changed = {name for name, seen in after.items() if before.get(name) != seen}
    own = {name for name in changed if f"day={first}/factory=F01" in name}
    assert changed - own == {f"fingerprints/day={second}/factory=F01/part.json"}
    tables = {name.split("/")[0] for name in own}
    others = {
        "reliability_by_shift",
        "line_oee_by_shift",
        "semi_by_day",
        "conformance_of_factories",
    }
    assert tables - others - {f"restatements_of_{name}" for name in others} == {
        "raw_values", "state_episodes", "oee_by_shift", "losses_by_shift", "restatements",
        "restatements_of_losses_by_shift", "fingerprints", "ledger_by_day", "clock_offsets",
    }  # fmt: skip

    rows = Lake(late.lake).read("restatements", Partition(first, "F01"))
    assert set(rows["cause"]) == {"late_values"}
    assert set(rows["change"]) == {"changed"}
    shift = {name: found[name] for name in ("work_unit_id", "production_day", "shift_id")}
    assert rows.select(*shift).unique().to_dicts() == [shift]
    now = Lake(late.lake).read("oee_by_shift", Partition(first, "F01"))
    for figure, old, new in rows.select("figure", "old", "new").rows():
        assert said.filter(**shift)[figure].to_list() == [old]
        assert now.filter(**shift)[figure].to_list() == [new]
    (apt,) = rows.filter(figure="apt_s").to_dicts()
    assert 0 < apt["old"] - apt["new"] <= (found["end"] - found["start"]).total_seconds()
    assert {"apt_s", "availability"} <= set(rows["figure"])
    assert rows["figure"].is_in(["pq", "gq", "completeness", "profile_id", "pbt_s"]).sum() == 0
    with instance() as opened:
        follow_up(opened, late, first, second)


def follow_up(opened, late, first, second):
    """What was made of the restated figures is made again, and nothing else."""
    lake = Lake(late.lake)
    said, before = rolled(lake, first), files_of(late)
    since = {name: newest(opened, name) for name in ("oee_roll_up", "kpi", "anomaly_report")}
    asked = ticks_to_the_end(opened, "restated_days")
    assert asked == [(f"{first}",) * 2, (f"{second}|F01",) * 2]
    made = {name: made_since(opened, name, storage_id)[0] for name, storage_id in since.items()}
    assert made == {
        "oee_roll_up": [f"{first}"], "kpi": [f"{first}"], "anomaly_report": [f"{second}|F01"],
    }  # fmt: skip
    changed = {name for name, seen in files_of(late).items() if before.get(name) != seen}
    assert {name for name in changed if "oee" in name} == {f"oee_roll_up/day={first}/part.parquet"}
    now = rolled(lake, first)
    assert said.select("level", *SITE).equals(now.select("level", *SITE))
    up = now.filter(said["apt_s"].ne_missing(now["apt_s"]))
    assert {"factory", "park", "district"} <= set(up["level"])
    assert set(up["factory_id"]) == {"F01", None}
    assert (now["apt_s"] <= said["apt_s"]).all()


def rolled(lake, day):
    """The roll-up of a day, in an order of its own."""
    rows = lake.read("oee_roll_up", Partition(day))
    assert rows is not None
    return rows.sort("level", *SITE)


def test_a_convention_restates_the_days_from_its_own_on_and_no_others(late):
    from assets.materialize import instance
    from assets.partitions import local_today

    first, second, today = late.first_day, late.first_day + timedelta(days=1), local_today()
    lake = Lake(late.lake)
    agreed = [{"factory_id": "F01", "profile_id": "own", "rules": "semi-e10", "breaks": "cut",
               "rework": "not_good", "micro_stop_s": 60.0, "start_up_s": 600.0,
               "least_completeness": 0.9, "valid_from": second}]  # fmt: skip
    before = files_of(late)
    lake.write("conventions", pl.DataFrame(agreed, CONVENTIONS), Partition(factory="F01"))
    with instance() as opened:
        since = newest(opened, "restatements")
        assert ticks_to_the_end(opened) == [(f"{second}|F01", f"{today}|F01")]
        keys, records = made_since(opened, "restatements", since)
    assert sorted(keys) == [f"{second}|F01", f"{today}|F01"]
    causes = [record.asset_materialization.metadata["causes"].value for record in records]
    assert ["profile"] in causes
    assert all(set(cause) <= {"profile"} for cause in causes)

    changed = {name for name, seen in files_of(late).items() if before.get(name) != seen}
    days = {name.split("/")[1] for name in changed if "/day=" in name}
    assert days == {f"day={second}", f"day={today}"}
    assert {name.split("/")[0] for name in changed} == {
        "conventions", "oee_by_shift", "losses_by_shift", "reliability_by_shift", "restatements",
        "restatements_of_losses_by_shift", "restatements_of_reliability_by_shift", "fingerprints",
    }  # fmt: skip
    for day, name in ((first, "opc40001-1"), (second, "own")):
        for table in ("oee_by_shift", "losses_by_shift", "reliability_by_shift"):
            assert set(lake.read(table, Partition(day, "F01"))["profile_id"]) >= {name}
    rows = lake.read("restatements", Partition(second, "F01"))
    told = rows.filter(figure="profile_id").select("old_text", "new_text").unique().rows()
    assert told == [("opc40001-1", "own")]
    assert "adet_s" in set(rows["figure"])
    assert rows["figure"].is_in(["pbt_s", "pq", "gq", "oee"]).sum() == 0
