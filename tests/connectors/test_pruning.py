"""Pruning removes files and nothing else: export, ledger, bronze and marks tell the same after."""

import json
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors import pruning, received, segments
from connectors.accounts import ledger_summary
from connectors.errors import SegmentUnreadable
from connectors.export import export_raw
from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.ledger import Ledger
from connectors.opcua.world import Stock
from connectors.pruning import prune
from connectors.raw import RAW_SCHEMA, ticks_of
from connectors.segments import SegmentWriter, reading
from pipelines import bronze, raw
from pipelines.days import local_day
from pipelines.schemas import RAW

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
FIRST, DAY = date(2026, 11, 20), date(2026, 11, 21)
LATER = datetime.now(UTC) + timedelta(days=30)


def row(**given_fields):
    return {
        "server_uri": "urn:a", "node_id": "nsu=urn:n;s=a", "source_ticks": ticks_of(NOON),
        "server_ticks": None, "received_time": NOON, "value_type": "Double", "is_array": False,
        "value_float": 1.0, "status_code": 0, "origin": "live",
    } | given_fields  # fmt: skip


def made(root):
    home = Home(root)
    home.create(first_day=FIRST)
    with Ledger(root) as ledger:
        uri = ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        ledger.cover(uri, NOON - timedelta(hours=1), NOON + timedelta(hours=1))
    return home


def write(home, rows, site="F01"):
    writer = SegmentWriter(home.segments / site, site_id=site, server_uri="urn:a")
    writer.append(pa.RecordBatch.from_pylist(rows, schema=RAW_SCHEMA))
    return writer.seal()


def materialise(home, site="F01"):
    """Bronze as the asset makes it, day by day, from segments and what was pruned into it."""
    days = [FIRST + timedelta(days=n) for n in range(12)]
    rows, _ = received.rows(home, site, days)
    kept, quarantined = bronze.quarantine(raw.from_segments(rows))
    values = bronze.compact(kept)
    happened = pl.coalesce("source_time", "server_time", "received_time")
    for table, frame, time in (
        ("raw_values", values, happened), ("quarantine", quarantined, pl.col("received_time")),
    ):  # fmt: skip
        on = frame.select(local_day(time).clip(lower_bound=FIRST)).to_series()
        for day in days:
            Lake(home.lake).write(table, frame.filter(on == day), Partition(day, site))


def exported(home):
    counts = export_raw(home.root, home.root / "raw.parquet")
    assert counts.unreadable == []
    return pl.read_parquet(home.root / "raw.parquet"), (counts.rows_in, counts.repeats)


def told(home):
    """The ledger without what the moment of asking changes."""
    (server,) = ledger_summary(home.root)["servers"]
    return {name: server[name] for name in ("received", "per_node")} | {
        "counts": [
            {name: one[name] for name in ("day", "received_live", "back_filled", "repeats_removed")}
            for one in server["windows"]
        ]
    }


def arrows(home):
    return sorted(p.name for p in home.segments.rglob("*.arrow"))


TIMES = st.sampled_from(
    [NOON, NOON + timedelta(hours=13), NOON - timedelta(days=40), NOON + timedelta(days=40),
     datetime(1971, 1, 1, tzinfo=UTC), None]
)  # fmt: skip
drawn_rows = st.builds(
    lambda node, source, value, second, origin: row(
        node_id=node, source_ticks=source and ticks_of(source), value_float=value,
        received_time=NOON + timedelta(seconds=second), origin=origin,
    ),
    st.sampled_from("ab"), TIMES, st.sampled_from([0.0, -0.0, float("nan"), None]),
    st.integers(0, 2), st.sampled_from(["live", "history", "republished"]),
)  # fmt: skip
SEGMENTS = st.lists(st.lists(drawn_rows, min_size=1, max_size=6), min_size=1, max_size=4)


@settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(SEGMENTS, SEGMENTS, st.booleans())
def test_pruning_changes_nothing_that_is_told(tmp_path_factory, old, new, again):
    """New segments come after bronze was made, some of what they say is said already."""
    home = made(tmp_path_factory.mktemp("prune") / "home")
    for rows in old:
        write(home, rows)
    materialise(home)
    for rows in new:
        write(home, rows)
    values, counts = exported(home)
    account = told(home)
    done = prune(home, now=LATER)
    assert done.segments >= len(old)
    assert done.segments + len(done.kept) == len(old) + len(new)
    assert len(arrows(home)) == len(done.kept)
    assert exported(home)[0].equals(values)
    assert exported(home)[1] == counts
    assert told(home) == account
    if again:
        materialise(home)
        done = prune(home, now=LATER)
        assert (done.kept, arrows(home)) == ([], [])
        materialise(home)
        assert exported(home)[0].equals(values)
        assert exported(home)[1] == counts
        assert told(home) == account


def test_marks_numbers_and_hashes_survive(tmp_path):
    home = made(tmp_path / "home")
    path = write(home, [row()])
    before = segments.read_sidecar(path.with_suffix(".json"))
    materialise(home)
    assert prune(home, now=LATER).freed_bytes > 0
    after = segments.read_sidecar(path.with_suffix(".json"))
    assert after.pruned
    assert (after.marks, after.sha256, after.rows) == (before.marks, before.sha256, before.rows)
    stock = Stock.open(home.segments / "F01", "F01", "urn:a")
    assert stock.marks == {"nsu=urn:n;s=a": ticks_of(NOON)}
    assert write(home, [row(value_float=2.0)]).name.startswith("00000002")
    assert segments.recover(home.segments / "F01") == []
    assert exported(home)[0]["value_float"].to_list() == [1.0, 2.0]


def test_the_young_and_the_unproved_stay(tmp_path):
    home = made(tmp_path / "home")
    first = write(home, [row()])
    assert prune(home, now=LATER).kept == [
        f"{first}: bronze lacks 1 of its 1 rows; run `parkpulse materialize`, then prune again"
    ]
    materialise(home)
    assert prune(home).segments == 0
    second = write(home, [row(value_float=5.0), row()])
    done = prune(home, now=LATER, dry_run=True)
    assert (done.segments, arrows(home)) == (1, [first.name, second.name])
    done = prune(home, now=LATER)
    assert "lacks 1 of its 2 rows" in done.kept[0]
    assert arrows(home) == [second.name]


def test_a_value_that_bronze_has_only_from_a_later_receipt_is_no_proof(tmp_path):
    home = made(tmp_path / "home")
    write(home, [row(received_time=NOON + timedelta(seconds=9))])
    materialise(home)
    early = write(home, [row()])
    prune(home, now=LATER)
    assert arrows(home) == [early.name]


@pytest.mark.parametrize("harm", ["changed", "cut", "bronze cut", "bronze gone", "sidecar"])
def test_what_is_damaged_is_no_proof_and_is_not_removed(tmp_path, harm):
    home = made(tmp_path / "home")
    path = write(home, [row(), row(value_float=2.0)])
    materialise(home)
    part = Lake(home.lake).path("raw_values", Partition(DAY, "F01"))
    victim = {"bronze cut": part, "bronze gone": part, "sidecar": path.with_suffix(".json")}.get(
        harm, path
    )
    data = victim.read_bytes()
    if harm == "changed":
        victim.write_bytes(data[:-20] + bytes(20))
    elif harm == "bronze gone":
        victim.unlink()
    else:
        victim.write_bytes(data[: len(data) // 2])
    done = prune(home, now=LATER)
    assert (done.segments, len(done.kept)) == (0, 1)
    assert str(path.with_suffix("")) in done.kept[0]
    assert path.exists()


def test_bronze_that_is_lost_after_pruning_is_named_and_not_written_over(tmp_path):
    home = made(tmp_path / "home")
    write(home, [row()])
    write(home, [row(source_ticks=ticks_of(NOON + timedelta(days=1)), value_float=7.0)])
    materialise(home)
    prune(home, now=LATER)
    part = Lake(home.lake).path("raw_values", Partition(DAY, "F01"))
    part.write_bytes(b"PAR1")
    counts = export_raw(home.root, home.root / "raw.parquet")
    assert pl.read_parquet(home.root / "raw.parquet")["value_float"].to_list() == [7.0]
    (line,) = counts.unreadable
    assert str(part) in line
    assert "restore it from a backup" in line
    with pytest.raises(SegmentUnreadable, match="restore it"):
        received.rows(home, "F01", [DAY])


def test_a_pruning_that_was_cut_short_counts_once(tmp_path, monkeypatch):
    home = made(tmp_path / "home")
    for value in (1.0, 2.0, 3.0):
        write(home, [row(value_float=value)])
    materialise(home)
    values, counts = exported(home)
    account = told(home)
    real = reading.write_sidecar

    def cut(sidecar):
        if sidecar.path.name.startswith("00000002"):
            raise OSError(5, "cut")
        real(sidecar)

    monkeypatch.setattr(reading, "write_sidecar", cut)
    with pytest.raises(OSError, match="cut"):
        prune(home, now=LATER)
    monkeypatch.setattr(reading, "write_sidecar", real)
    assert len(arrows(home)) == 2
    for _ in range(2):
        assert exported(home)[0].equals(values)
        assert (exported(home)[1], told(home)) == (counts, account)
        prune(home, now=LATER)
    assert arrows(home) == []


def test_a_segment_that_goes_while_it_is_read_is_read_from_bronze(tmp_path):
    home = made(tmp_path / "home")
    write(home, [row()])
    materialise(home)
    (car,), _ = received.sidecars(home, "F01")
    prune(home, now=LATER)
    assert car.pruned is None
    assert segments.read_held(car) is None
    rows, (one,) = received.rows(home, "F01", [DAY])
    assert (rows.height, one.sha256) == (1, car.sha256)


def test_a_park_is_held_in_one_piece(tmp_path):
    home = made(tmp_path / "home")
    write(home, [row(), row(source_ticks=ticks_of(NOON - timedelta(days=100)))], site="P01")
    rows, _ = received.everything(home, "P01")
    values = bronze.compact(raw.from_segments(rows))
    Lake(home.lake).write("park_values", values, Partition(factory="P01"))
    before = exported(home)
    assert prune(home, now=LATER).segments == 1
    assert exported(home)[0].equals(before[0])
    rows, _ = received.everything(home, "P01")
    assert bronze.compact(raw.from_segments(rows)).equals(values)


def test_rows_come_back_from_bronze_as_segments_had_them(tmp_path):
    home = made(tmp_path / "home")
    path = write(home, [row(), row(value_float=None, value_raw=b"\x00", value_type="ByteString")])
    rows = raw.from_segments(pl.DataFrame(pl.from_arrow(segments.read(path))))
    again = pruning.as_segment(rows)
    assert again.schema == RAW_SCHEMA
    assert raw.from_segments(pl.DataFrame(pl.from_arrow(again))).equals(rows)
    assert rows.schema == RAW
    assert json.loads(path.with_suffix(".json").read_text())["pruned"] is None
