import asyncio
from datetime import timedelta

import pyarrow as pa

from connectors import segments
from connectors.ledger import Ledger


def rows(home, site="F01"):
    folder = home / "segments" / site
    tables = [segments.read(car.path) for car in segments.sidecars(folder)]
    return pa.concat_tables(tables).to_pylist() if tables else []


def values(home, name, **wanted):
    found = {
        (row["source_ticks"], row["value_float"])
        for row in rows(home)
        if row["node_id"] == f"nsu=urn:test:nodes;s={name}"
        and all(row[k] == v for k, v in wanted.items())
    }
    return [value for _, value in sorted(found)]


def written(plant, name):
    return [value for _, value in plant.expected(name)]


async def test_collects_static_changing_and_past_values(tmp_path, plants, running, hour_ago):
    plant = await plants()
    past = [(hour_ago + timedelta(seconds=i + 1), float(-i)) for i in range(100)]
    await plant.add("history", past=past)
    await plant.add("live")
    await plant.add("static", historized=False)
    await plant.write("static", 7.5)
    await asyncio.sleep(0.2)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("live", 200)
    assert values(tmp_path, "history") == written(plant, "history")
    assert values(tmp_path, "live") == written(plant, "live")
    assert values(tmp_path, "static") == [7.5]
    assert {row["server_uri"] for row in rows(tmp_path)} == {"urn:test:plant"}
    with Ledger(tmp_path, read_only=True) as ledger:
        ((uri, factory, start, end),) = ledger.coverage().rows()
        assert (uri, factory, start) == ("urn:test:plant", "F01", hour_ago)
        assert end > plant.expected("live")[-1][0]
        assert ledger.gaps().is_empty()
