"""A node-opcua server, our collector beside it, each a process of its own, and what both say."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from connectors.ledger import Ledger
from connectors.raw import ticks_of
from tests.connectors.opcua.conftest import free_port

ROOT = Path(__file__).parents[2]
SERVER = Path(__file__).parent / "node" / "server.js"
URI = "urn:peer:node-opcua"
START_S = 180.0
"""A busy machine may think for a minute over 5,000 historized variables."""
VALUE_COLUMNS = ("value_float", "value_int", "value_uint", "value_text")


class PeerServer:
    """tests/peers/node/server.js in a process; its options are those of the script."""

    def __init__(self, node, folder, **options):
        self.node, self.folder, self.port = node, folder, free_port()
        self.options = {"port": self.port, "truth": folder / "truth", "pki": folder / "server-pki"}
        self.options |= options

    async def start(self):
        words = []
        for key, value in self.options.items():
            words += [f"--{key.replace('_', '-')}"] + ([] if value is True else [str(value)])
        self.log = (self.folder / "server.log").open("a")
        self.process = await asyncio.create_subprocess_exec(
            self.node, str(SERVER), *words, stdout=asyncio.subprocess.PIPE, stderr=self.log
        )
        self.listening = asyncio.create_task(self._listen())
        self.ready = asyncio.Event()
        async with asyncio.timeout(START_S):
            await self.ready.wait()
        assert self.process.returncode is None, (self.folder / "server.log").read_text()[-2000:]
        return self

    async def _listen(self):
        while line := await self.process.stdout.readline():
            if line == b"ready\n":
                self.ready.set()
        self.ready.set()

    async def stop(self):
        """SIGTERM, and wait: what it still had to publish is gone with it."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            await ended(self.process, 30)
        self.listening.cancel()
        await asyncio.gather(self.listening, return_exceptions=True)
        self.log.close()

    def truth(self):
        """(name, source ticks, value) of every value it ever set, as often as it did."""
        lines = (self.folder / "truth").read_text().splitlines()
        return Counter((name, ticks, flat(value)) for name, ticks, value in map(json.loads, lines))


class Collector:
    """`parkpulse collect` in a process of its own, in `folder / "home"`."""

    def __init__(self, folder, url, **keys):
        self.folder, self.home = folder, folder / "home"
        keys = {"url": url, **keys}
        entry = "\n".join(f"{key} = {json.dumps(value)}" for key, value in keys.items())
        self.fleet = folder / "fleet.toml"
        self.fleet.write_text(f'[[factory]]\nid = "F01"\n[[factory.server]]\n{entry}\n')
        self.log = folder / "collect.log"

    async def start(self, *words):
        with self.log.open("a") as log:
            self.process = await asyncio.create_subprocess_exec(
                *parkpulse("collect", "--fleet", self.fleet, "--home", self.home, *words),
                cwd=self.folder, env=environment(), stderr=log,
            )  # fmt: skip
        return self

    async def kill(self):
        self.process.kill()
        await ended(self.process, 10)

    async def stop(self):
        """Ctrl-C, and its closing sweep."""
        self.process.send_signal(signal.SIGINT)
        await ended(self.process, 180)
        assert self.process.returncode == 0, self.log.read_text()

    async def until(self, condition, timeout_s=120.0):
        """Wait until the ledger's account of the server fulfils `condition`."""
        async with asyncio.timeout(timeout_s):
            while not condition(self.server()):
                assert self.process.returncode is None, self.log.read_text()
                await asyncio.sleep(0.2)

    async def until_connected(self, after=None):
        """Wait until it is connected, since `after` where that is given."""
        begin = (after or datetime(2000, 1, 1, tzinfo=UTC)).isoformat().replace("+00:00", "Z")
        await self.until(lambda s: s.get("state") == "connected" and s["since"] >= begin)

    def server(self):
        with contextlib.suppress(Exception), Ledger(self.home, read_only=True) as ledger:
            servers = ledger.summary()["servers"]
            return servers[0] if servers else {}
        return {}

    async def rows(self):
        """`parkpulse export --raw` of our server's changing variables."""
        out = self.folder / "raw.parquet"
        await run("export", "--raw", "--home", self.home, "--out", out, cwd=self.folder)
        frame = pl.read_parquet(out).filter(pl.col("server_uri") == URI)
        return frame.with_columns(pl.col("node_id").str.strip_prefix(f"nsu={URI};s=").alias("name"))

    async def ledger(self):
        """`parkpulse ledger --json`, the part of our server."""
        text = await run("ledger", "--json", "--home", self.home, cwd=self.folder)
        (server,) = json.loads(text)["servers"]
        return server


def counted(rows):
    """(name, source ticks, value) of the changing variables' rows, as often as they are there."""
    changing = rows.filter(pl.col("name").str.contains(r"^v\d+$"))
    columns = changing.select("name", "source_ticks", *VALUE_COLUMNS, "is_array").rows()
    return Counter(
        (name, ticks, flat(json.loads(text) if is_array else first(*numbers, text)))
        for name, ticks, *numbers, text, is_array in columns
    )


def first(*values):
    return next((value for value in values if value is not None), None)


def flat(value):
    return tuple(value) if isinstance(value, list) else value


def until(counter, time):
    """The part with source times up to `time` (ISO 8601)."""
    most = ticks_of(datetime.fromisoformat(time))
    return Counter({key: n for key, n in counter.items() if key[1] <= most})


def from_first(truth, rows):
    """The part of the truth from the first row of each variable on."""
    begin = {}
    for name, ticks, _ in rows:
        begin[name] = min(ticks, begin.get(name, ticks))
    return Counter({k: n for k, n in truth.items() if k[0] in begin and k[1] >= begin[k[0]]})


def parkpulse(*words):
    return sys.executable, "-m", "parkpulse", *map(str, words)


def environment():
    return os.environ | {"PYTHONPATH": str(ROOT)}


async def run(*words, cwd):
    process = await asyncio.create_subprocess_exec(
        *parkpulse(*words), cwd=cwd, env=environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


async def ended(process, timeout_s):
    try:
        async with asyncio.timeout(timeout_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
