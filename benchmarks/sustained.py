"""A plant for a minute: the collector's share of a core, its lag to the disk, its memory, its loss.

The lag of a value is from its sampling on the server until the server hears that it is on disk
(the collector acknowledges behind its fsync): it includes the wait for the publishing interval and
the way of the acknowledgement on the next PublishRequest, so the disk had it sooner than that.
"""

import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil

from benchmarks.ingest import INTERVAL_MS, LIMIT_S, check_rows, collector_process
from benchmarks.load.process import ClientProcess, LoadProcess, ProcessFailure
from benchmarks.rounds import DisagreementError, Result, Sheet, verdict

VARIABLES: Final = 20_000
PER_PUBLISH: Final = 10_000
CORES: Final = {20_000: 0.10, 200_000: 0.35}
LAG_S: Final = 2.0
FLAT: Final = 1.05
"""Median memory of the last quarter over that of the third: below this it is flat."""
AFTER_S: Final = 3
"""So long the server speaks on: the last values measured are acknowledged in its stride."""


def measure(folder: Path, rate: int, seconds: int) -> Sheet:
    """Collect so many values a second for so long; DisagreementError where one is lost."""
    with LoadProcess(variables=VARIABLES, per_publish=PER_PUBLISH) as server:
        home = folder / "home"
        client = collector_process("ParkPulse", "parkpulse", server.url, home)
        try:
            server.wait_for_items(client)
            used, serving, memory = _watched(server, client, rate, seconds)
            account = server.wait_for_all(client, LIMIT_S)
            client.interrupt()
        except ProcessFailure as error:
            raise DisagreementError(str(error)) from error
        finally:
            client.kill()
        check_rows("ParkPulse", home, account["values"])
    return _sheet(rate, seconds, used, serving, memory, account)


def _watched(
    server: LoadProcess, client: ClientProcess, rate: int, seconds: int
) -> tuple[float, float, list[int]]:
    """Cores of the client, cores of the server, the client's memory by the second."""
    serving = psutil.Process(server.pid)
    server.go(rate * (seconds + AFTER_S), rate)
    time.sleep(INTERVAL_MS / 1000)
    began_s, before, served = time.monotonic(), client.cpu_s(), sum(serving.cpu_times()[:2])
    memory = []
    for second in range(1, seconds + 1):
        time.sleep(max(began_s + second - time.monotonic(), 0))
        client.check()
        memory.append(client.rss_bytes())
    took_s = time.monotonic() - began_s
    used = (client.cpu_s() - before) / took_s
    return used, (sum(serving.cpu_times()[:2]) - served) / took_s, memory


def _sheet(
    rate: int, seconds: int, used: float, serving: float, memory: list[int], account: dict[str, Any]
) -> Sheet:
    task = f"{rate:,} values/s for {seconds} s"
    lag = account["lag_s"]
    half = np.array(memory[len(memory) // 2 :]) / 2**20
    growth = float(np.polyfit(np.arange(len(half)), half, 1)[0]) * 60 if len(half) > 1 else 0.0
    quarter = max(len(half) // 2, 1)
    is_flat = float(np.median(half[-quarter:]) / np.median(half[:quarter])) <= FLAT
    rows = [
        Result("collector, CPU", used, "cores"),
        Result("load server, CPU", serving, "cores"),
        Result("sampled to known durable, median", lag.get("sampled_p50"), "s"),
        Result("sampled to known durable, p99", lag.get("sampled_p99"), "s"),
        Result("published to known durable, p99", lag.get("due_p99"), "s"),
        Result("resident memory at the end", float(half[-1]), "MiB"),
        Result("its growth in the second half", growth, "MiB/min"),
    ]
    cores = CORES[rate]
    worst = lag.get("sampled_p99", float("inf"))
    sent = account["values"]
    return Sheet(
        task,
        rows,
        [
            f"{task}: {sent:,} values sent in {account['messages']:,} messages, {sent:,} on disk, "
            f"each once, {account['republished']} messages asked for again",
            f"{task}: at most {cores} core: {verdict(used <= cores)} ({used:.3f})",
            f"{task}: p99 of the lag at most {LAG_S:g} s: {verdict(worst <= LAG_S)} ({worst:.2f})",
            f"{task}: memory flat: {verdict(is_flat)}",
        ],
    )
