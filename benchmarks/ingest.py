"""What one value costs its collector: ours to the disk, peers to a callback, from one server.

CPU (user and system) of the client process from the moment its subscription is live until the
server has its last acknowledgement, over the values the server says it sent. The server sends the
next message as soon as it is asked: every client takes values as fast as it can.
"""

import shutil
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Final

import polars as pl

from benchmarks.load.process import ROOT, ClientProcess, LoadProcess, ProcessFailure
from benchmarks.rounds import Contender, DisagreementError, Measurement, Target
from connectors import segments
from connectors.opcua.walk import walker_in_use

VARIABLES: Final = 2_000
"""Sensors at 1 Hz, published every half second: a thousand values in a notification."""
INTERVAL_MS: Final = 500
LIMIT_S: Final = 120.0
NODE_FOLDER: Final = ROOT / "benchmarks" / "node"
OURS: Final = "ParkPulse, durable"
TWIN: Final = "ParkPulse, durable, pure Python twin"
UNCOMPILED: Final = "ParkPulse, durable, without a compiler"
MODULES: Final = {
    OURS: "parkpulse", TWIN: "benchmarks.twin", UNCOMPILED: "benchmarks.uncompiled",
}  # fmt: skip
NODE: Final = "node-opcua client, callback"
STOCK: Final = "asyncua client, callback"
VALUES: Final = {
    OURS: 8_000_000, UNCOMPILED: 5_000_000, TWIN: 3_000_000, NODE: 2_500_000, STOCK: 150_000,
}  # fmt: skip
"""Some seconds of each, so that what a beginning costs is little of it."""
AGREEMENT: Final = "every client has each value the server says it sent, ours on disk once"


def doubles(folder: Path) -> Measurement:
    """Doubles with both timestamps."""
    targets = [Target(OURS, NODE, 1 / 8), Target(OURS, STOCK, 1 / 60), Target(TWIN, NODE, 1 / 2)]
    return _measurement(folder, "double", "ingest Doubles", targets, ours=(OURS, TWIN))


def large(folder: Path) -> Measurement:
    """Doubles of 20,000 sensors: ten thousand in a notification."""
    targets = [Target(OURS, NODE, 1 / 8), Target(OURS, STOCK, 1 / 60)]
    return _measurement(folder, "double", "ingest Doubles", targets, variables=20_000)


def mixed(folder: Path) -> Measurement:
    """Eight types in turn: no run of equal rows."""
    if walker_in_use() == "python":
        targets = [Target(OURS, NODE, 1 / 3)]
        return _measurement(folder, "mixed", "ingest mixed types (no compiled walk)", targets)
    targets = [Target(OURS, NODE, 1 / 6), Target(UNCOMPILED, NODE, 1 / 3)]
    task = "ingest mixed types (compiled walk)"
    return _measurement(folder, "mixed", task, targets, ours=(OURS, UNCOMPILED))


def _measurement(
    folder: Path,
    types: str,
    task: str,
    targets: Sequence[Target],
    *,
    ours: Sequence[str] = (OURS,),
    variables: int = VARIABLES,
) -> Measurement:
    """All clients at one server, half of whose variables are in a notification."""
    per_publish = variables // 2
    task = f"{task}, {per_publish:,} a publish"
    held = ExitStack()
    server = held.enter_context(
        LoadProcess(variables=variables, types=types, per_publish=per_publish)
    )
    homes = count()

    def collector(name: str) -> Contender:
        def work() -> float:
            return _collected(server, name, MODULES[name], folder / f"home{next(homes)}")

        return Contender(name, work, True)

    def peer(name: str, command: Sequence[str]) -> Contender:
        given = [*command, server.url, str(variables), str(INTERVAL_MS)]
        return Contender(name, lambda: _counted(server, name, given), True)

    contenders = [collector(name) for name in ours]
    absent = why_no_node()
    if not absent:
        contenders.append(peer(NODE, ["node", str(NODE_FOLDER / "listen.js")]))
    contenders.append(peer(STOCK, [sys.executable, "-m", "benchmarks.stock"]))
    return Measurement(
        task, contenders, AGREEMENT, "CPU µs/value", targets,
        [(NODE, absent)] if absent else [], held,
    )  # fmt: skip


def why_no_node() -> str:
    """Why node-opcua cannot run here; empty where it can."""
    if shutil.which("node") is None:
        return "not run: needs Node"
    if not (NODE_FOLDER / "node_modules" / "node-opcua-client").is_dir():
        return "not run: needs `npm ci` in benchmarks/node"
    return ""


def _counted(server: LoadProcess, name: str, command: Sequence[str]) -> float:
    """CPU µs per value of a client that counts."""
    client = ClientProcess(name, command)
    try:
        cost, sent = _cost(server, client, VALUES[name])
        found = client.finish()["values"]
    except ProcessFailure as error:
        raise DisagreementError(str(error)) from error
    finally:
        client.kill()
    if found != sent:
        raise DisagreementError(f"{name} counted {found:,} of {sent:,} values sent")
    return cost


def _collected(server: LoadProcess, name: str, module: str, home: Path) -> float:
    """CPU µs per value of our collector, as its own command."""
    client = collector_process(name, module, server.url, home)
    try:
        cost, sent = _cost(server, client, VALUES[name])
        client.interrupt()
    except ProcessFailure as error:
        raise DisagreementError(str(error)) from error
    finally:
        client.kill()
    check_rows(name, home, sent)
    shutil.rmtree(home)
    return cost


def collector_process(name: str, module: str, url: str, home: Path) -> ClientProcess:
    """`parkpulse collect` of one server."""
    home.parent.mkdir(parents=True, exist_ok=True)
    fleet = home.with_suffix(".toml")
    server = f'[[factory.server]]\nurl = "{url}"\npublishing_interval_ms = {INTERVAL_MS}\n'
    fleet.write_text(f'[[factory]]\nid = "F01"\n{server}', encoding="utf-8")
    given = ["collect", "--fleet", str(fleet), "--home", str(home), "--history-hours", "0"]
    return ClientProcess(name, [sys.executable, "-m", module, *given])


def _cost(server: LoadProcess, client: ClientProcess, values: int) -> tuple[float, int]:
    server.wait_for_items(client)
    before = client.cpu_s()
    server.go(values)
    account = server.wait_for_all(client, LIMIT_S)
    return (client.cpu_s() - before) / account["values"] * 1e6, account["values"]


def check_rows(name: str, home: Path, sent: int) -> None:
    """DisagreementError unless the sealed segments hold so many live values, each once."""
    keys = []
    for path in sorted(home.glob("segments/*/*.arrow")):
        table = segments.read(path).select(["node_id", "source_ticks", "origin"])
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        live = frame.filter(pl.col("origin").cast(pl.String) == "live")
        keys.append(live.select(pl.col("node_id").cast(pl.String).hash(), "source_ticks"))
    found = pl.concat(keys) if keys else pl.DataFrame()
    once = found.unique().height if keys else 0
    if not found.height == once == sent:
        raise DisagreementError(
            f"{name}: {sent:,} values sent, {found.height:,} on disk, {once:,} of them once"
        )
