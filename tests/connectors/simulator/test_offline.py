from datetime import timedelta

import polars as pl
import pytest

from connectors.simulator.truth import write_values

from .conftest import ANCHOR, SEED

segments = pytest.importorskip("connectors.segments")
offline = pytest.importorskip("connectors.simulator.offline")

IDENTITY = [
    "node_id", "source_ticks", "value_type", "is_array", "value_float", "value_int", "value_uint",
    "value_text", "status_code",
]  # fmt: skip


@pytest.fixture(scope="module")
def written(factories, tmp_path_factory):
    folder = tmp_path_factory.mktemp("offline")
    sites = [factories[0], factories[7]]
    outages = offline.write_segments(folder, seed=SEED, anchor=ANCHOR, days=1, sites=sites)
    start = ANCHOR.replace(hour=0) - timedelta(days=1)
    (folder / "values").mkdir()
    for site in sites:
        write_values(folder, site, start=start, end=ANCHOR)
    return folder, outages


def received(folder, site_id):
    paths = sorted((folder / site_id).glob("*.arrow"))
    tables = [pl.DataFrame(pl.from_arrow(segments.read(p))) for p in paths]
    plain = pl.col(pl.Categorical).cast(pl.String)
    return pl.concat([table.with_columns(plain) for table in tables])


@pytest.mark.parametrize("site_id", ["F01", "F08"])
def test_every_delivered_value_is_received_and_nothing_else(written, site_id):
    folder, outages = written
    rows = received(folder, site_id)
    truth = pl.read_parquet(folder / "values" / f"{site_id}.parquet")
    last = max(o.end_ms for o in outages) + 10_000
    assert last < ANCHOR.timestamp() * 1000
    for left, right in ((rows, truth), (truth, rows)):
        assert left.join(right, on=IDENTITY, how="anti", nulls_equal=True).height == 0
    assert rows.height > truth.height  # what stood was given again after each outage


@pytest.mark.parametrize("site_id", ["F01", "F08"])
def test_rows_are_in_order_of_delivery_and_silent_in_outages(written, site_id):
    folder, outages = written
    rows = received(folder, site_id)
    assert rows["received_time"].is_sorted()
    own = [o for o in outages if o.site_id == site_id]
    assert {o.kind for o in own} == {"dropped_connection", "server_restart"}
    for outage in own:
        length = outage.end_ms - outage.start_ms
        assert 20_000 <= length <= 300_000
        ms = pl.col("received_time").dt.epoch("ms")
        assert rows.filter(ms >= outage.start_ms, ms < outage.end_ms).height == 0
    back = rows.filter(pl.col("origin") == "history")
    assert back.height > 0
    assert back["received_time"].n_unique() == 1 + len(own)  # the first back-fill, then one each


def test_what_is_late_arrives_out_of_order(written):
    folder, _ = written
    rows = received(folder, "F01").filter(pl.col("origin") == "live")
    late = rows.filter(pl.col("source_ticks") < pl.col("source_ticks").cum_max().over("node_id"))
    assert late.height >= 3


def test_wire_faults_are_json_lines(written):
    lines = offline.wire_faults(written[1]).splitlines()
    assert len(lines) == len(written[1]) >= 4
