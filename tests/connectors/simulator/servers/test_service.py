import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from datetime import UTC, datetime

import psutil
import pyarrow.parquet as pq
import pytest
from asyncua import Client

from connectors.errors import ParkPulseError
from connectors.simulator import service

COMMAND = """
import sys
from pathlib import Path
from connectors.simulator import service
service.run(seed=3, at=None, truth=None, fleet_out=Path(sys.argv[1]), site_ids=["P02"],
            ready=lambda: print("ready", flush=True))
print("ended", flush=True)
"""


async def test_the_world_is_up_when_it_says_so(tmp_path):
    fleet, truth = tmp_path / "out" / "fleet.toml", tmp_path / "truth"
    ready, stop, trouble = threading.Event(), threading.Event(), []

    def simulate():
        try:
            service.run(
                seed=3, at=None, truth=truth, fleet_out=fleet, ready=ready.set, stop=stop,
                site_ids=["P01"],
            )  # fmt: skip
        except BaseException as error:
            trouble.append(error)
            ready.set()

    thread = threading.Thread(target=simulate)
    thread.start()
    try:
        assert ready.wait(120)
        assert not trouble
        sites = tomllib.loads(fleet.read_text())
        assert [park["id"] for park in sites["park"]] == ["P01"]
        for site in sites["park"]:
            async with Client(site["server"][0]["url"]) as client:
                uris = await client.get_namespace_array()
            assert uris[1].endswith(site["id"])
    finally:
        stop.set()
        thread.join(120)
    assert not thread.is_alive()
    assert not trouble
    adoption = pq.read_table(truth / "adoption.parquet")
    assert {"CA-1", "CA-2", "CA-7"} <= set(adoption["metric_id"].to_pylist())
    assert (truth / "wire_faults.jsonl").exists()
    assert not children_of(os.getpid())


def test_workers_end_with_their_parent(tmp_path):
    command = [sys.executable, "-c", COMMAND, str(tmp_path / "fleet.toml")]
    signals = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
    parents = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in signals]
    workers = []
    for parent, number in zip(parents, signals, strict=True):
        wait_until(lambda pid=parent.pid: children_of(pid))
        workers += children_of(parent.pid)
        parent.send_signal(number)
    ends = [(parent.communicate(timeout=60)[0], parent.returncode) for parent in parents]
    assert ends[:2] == [("ended\n", 0)] * 2
    assert len(workers) == 3
    assert not psutil.wait_procs(workers, timeout=30)[1]


def test_a_time_without_offset_is_refused(tmp_path):
    with pytest.raises(ParkPulseError, match="no offset"):
        service.run(
            seed=1,
            at=datetime(2026, 11, 21, tzinfo=UTC).replace(tzinfo=None),
            truth=None,
            fleet_out=tmp_path / "fleet.toml",
        )


def children_of(pid):
    return psutil.Process(pid).children()


def wait_until(true, seconds=30):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)
