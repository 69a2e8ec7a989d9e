"""A machine that speaks, a server that follows the standard, the faults, and the law of loss.

asyncua's server differs from part 4 where a fault shows it: a transferred subscription asks its old
session for publishes, Republish forgets what it sent, and no overflow bit is ever set.
"""

import asyncio
import contextlib
import json
import os
import random
import resource
import signal
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from asyncua import Node, ua
from asyncua.common.utils import ServiceError
from asyncua.server.binary_server_asyncio import BinaryServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.subscription_service import SubscriptionService

from connectors import segments
from connectors.export import export_raw
from connectors.ledger import Ledger
from connectors.opcua import coverage, group_commit, subscribe
from connectors.opcua.backfill import NEVER_HEARD
from connectors.segments import reading
from tests.connectors.opcua.conftest import Plant, QuickServer, Run, free_port
from tests.connectors.opcua.wire import Wire

FRESH_S = 15.0
"""After the end of a fault, within so long a new value is on the disk."""
LOOK_S = 0.5
PUBLISHING_MS = 100
PREFIX = "nsu=urn:test:nodes;s="


# --- a server that follows the standard


class StandardSubscription(InternalSubscription):
    """Keeps what it sends again, and marks what is left of a queue that overflowed."""

    marks_overflow = True

    def republish(self, nb):
        kept = self._not_acknowledged_results.get(nb)
        if kept is None:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        return kept.NotificationMessage

    async def _enqueue_event(self, mid, eventdata, size, queue):
        is_full = size > 1 and len(queue.get(mid, ())) >= size
        await super()._enqueue_event(mid, eventdata, size, queue)
        if is_full and self.marks_overflow:
            oldest = queue[mid][0]
            value = ua.DataValue(
                oldest.Value.Value,
                ua.StatusCode(ua.UInt32(0x480)),
                oldest.Value.SourceTimestamp,
                oldest.Value.ServerTimestamp,
            )
            queue[mid][0] = ua.MonitoredItemNotification(oldest.ClientHandle, value)


class StandardSubscriptions(SubscriptionService):
    """Transfers a subscription with all its ways, or refuses to."""

    transfers = marks_overflow = True

    async def create_subscription(self, *args, **kwargs):
        result = await super().create_subscription(*args, **kwargs)
        made = self.subscriptions[result.SubscriptionId]
        made.__class__, made.marks_overflow = StandardSubscription, self.marks_overflow
        return result

    async def transfer_subscriptions(self, params, session_id, callback):
        if not self.transfers:
            raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
        results = await super().transfer_subscriptions(params, session_id, callback)
        for number, result in zip(params.SubscriptionIds, results, strict=True):
            if result.StatusCode.is_good():
                own = self.subscriptions[int(number)]
                own.pub_request_callback = callback.__self__.get_publish_request
        return results

    def republish(self, params):
        if params.SubscriptionId not in self.subscriptions:
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        return super().republish(params)

    @property
    def ours(self):
        """Those of clients: the server's own history listens too."""
        return [number for number, one in self.subscriptions.items() if one.pub_request_callback]


class StrictSession(InternalSession):
    """Takes no more than `most_operations` a call."""

    def _check(self, operations):
        if len(operations) > self.iserver.most_operations:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)

    async def read(self, params):
        self._check(params.NodesToRead)
        return await super().read(params)

    async def browse(self, params):
        self._check(params.NodesToBrowse)
        return await super().browse(params)

    async def history_read(self, params):
        self._check(params.NodesToRead)
        return await super().history_read(params)

    async def create_monitored_items(self, params):
        self._check(params.ItemsToCreate)
        own = self.subscription_service.subscriptions.get(params.SubscriptionId)
        room = self.iserver.most_items - len(own.monitored_item_srv._monitored_items)
        beyond = params.ItemsToCreate[max(room, 0) :]
        del params.ItemsToCreate[max(room, 0) :]
        full = ua.StatusCode(ua.StatusCodes.BadTooManyMonitoredItems)
        results = await super().create_monitored_items(params)
        return results + [ua.MonitoredItemCreateResult(full) for _ in beyond]


class StandardServer(QuickServer):
    """asyncua's, with what a fault needs put right."""

    most_operations = most_items = 1 << 31

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.subscription_service.__class__ = StandardSubscriptions

    def create_session(self, name, user=None, external=False):
        made = super().create_session(name, external=external)
        made.__class__ = StrictSession
        return made


class Mill(Plant):
    """Some nodes with history and some without, which speak steadily, whatever happens."""

    internal = StandardServer

    async def furnish(self, kept=2, plain=2):
        self.kept = [f"kept{i}" for i in range(kept)]
        self.plain = [f"plain{i}" for i in range(plain)]
        for name in self.kept + self.plain:
            await self.add(name, historized=False)
        await self.server.historize_node_data_change([self.nodes[name][0] for name in self.kept])
        await asyncio.sleep(0.2)  # asyncua stores what its own subscription brings
        self.counts = dict.fromkeys(self.nodes, 0)
        self.service = self.server.iserver.subscription_service
        return self

    async def say(self, names=None):
        for name in names or self.nodes:
            self.counts[name] += 1
            await self.write(name, float(self.counts[name]))

    async def speak(self, pause_s=0.05):
        """The first few without a break, all of them now and then."""
        few = (self.kept[:2] + self.plain[:2]) or None
        for turn in range(1 << 30):
            await self.say(None if turn % 100 == 0 else few)
            await asyncio.sleep(pause_s)

    async def restart(self, down_s):
        """Be away for so long: no session or subscription stays, history does."""
        server = self.server
        await server.bserver.stop()
        for one in list(server.iserver._external_sessions.values()):
            await one.close_session(delete_subs=True)
        await self.service.delete_subscriptions(self.service.ours)
        await asyncio.sleep(down_s)
        server.bserver = BinaryServer(server.iserver, "127.0.0.1", self.port, server.limits)
        server.bserver.set_policies(server._policies)
        await server.bserver.start()
        started = ua.NodeId(ua.ObjectIds.Server_ServerStatus_StartTime)
        await Node(server.iserver.isession, started).write_value(datetime.now(UTC))


# --- a collector as a process

CHILD = """
import asyncio, importlib, json, os, signal, sys
from datetime import datetime
from pathlib import Path
from connectors.home import Home
from connectors.opcua import backfill, handover, pump, service

fleet, home, begin, patches, crash, after = sys.argv[1:]
for name, value in json.loads(patches).items():
    module, attribute = name.rsplit(".", 1)
    setattr(importlib.import_module(module), attribute, value)
calls = 0

def crashing(owner, name, do):
    real = getattr(owner, name)
    def call(*args, **kwargs):
        global calls
        calls += 1
        if calls > int(after):
            do(real, *args, **kwargs)
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(owner, name, call)

def half(real, file, data, place):
    real(file, data[: len(data) // 2], place)

def nothing(real, *args, **kwargs):
    pass

if crash == "half written":
    crashing(os, "pwrite", half)
elif crash == "not synced":
    crashing(os, "fsync", nothing)
elif crash == "not marked":
    crashing(handover.HandoverFile, "mark", nothing)
elif crash == "history hangs":
    async def hang(*args):
        await asyncio.sleep(3600)
    backfill.BackFill.fill = hang
elif crash == "not acknowledged":
    crashing(pump.Pump, "acknowledge", nothing)
sys.exit(service.run(Path(fleet), Home(Path(home)), for_s=None, after_history_s=None,
    history_hours=1, history_from=datetime.fromisoformat(begin), at=None,
    say=lambda text: print(text, flush=True)))
"""


class Process:
    """A collector of its own process; `kill` is -9."""

    def __init__(self, home, url, history_from, patches=None, at_first="never"):
        self.home, self.begin = home, history_from
        self.patches = json.dumps(patches or {})
        self.fleet = home.parent / f"{home.name}.toml"
        self.fleet.write_text(
            f'[[factory]]\nid = "F01"\n[[factory.server]]\nurl = "{url}"\n'
            f"publishing_interval_ms = {PUBLISHING_MS}\n"
        )
        self.log = home.parent / f"{home.name}.log"
        self.process = None
        self.at_first = at_first

    async def start(self, crash="never", after=0):
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", CHILD, self.fleet, self.home, self.begin.isoformat(),
                self.patches, crash, str(after), stdout=log, stderr=log,
            )  # fmt: skip

    async def kill(self):
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.ended()

    async def ended(self, within_s=60):
        """Its exit code."""
        async with asyncio.timeout(within_s):
            code = await self.process.wait()
        self.process._transport.close()
        return code

    async def terminate(self):
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    def room(self, most):
        """No file of it grows beyond `most` bytes; None lifts that."""
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(
            self.process.pid, resource.RLIMIT_FSIZE, (hard if most is None else most, hard)
        )

    async def __aenter__(self):
        await self.start(self.at_first)
        return self

    async def __aexit__(self, *failure):
        if any(failure):
            await self.kill()
            return
        code = await self.terminate()
        assert code == 0, f"exit code {code}: {self.log.read_text()[-2000:]}"


class PatientRun(Run):
    patience_s = 90


# --- one fault from beginning to end


@dataclass
class Scene:
    """A mill behind a wire, a collector, and when the fault was."""

    mill: Mill
    wire: Wire
    home: Path
    random: random.Random
    patches: dict[str, float]
    hour_ago: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(hours=1))
    spans: list[tuple[datetime, datetime]] = field(default_factory=list)
    collector: Run | Process | None = None
    kills: int = 5
    prepared: datetime | None = None
    began: datetime | None = None

    @contextlib.asynccontextmanager
    async def fault(self):
        begin = datetime.now(UTC)
        yield
        self.spans.append((begin, datetime.now(UTC)))

    def run(self):
        return PatientRun(
            self.home,
            self.wire.url,
            history_from=self.hour_ago,
            publishing_interval_ms=PUBLISHING_MS,
        )

    def process(self, at_first):
        return Process(self.home, self.wire.url, self.hour_ago, self.patches, at_first)


async def until(condition, within_s=60):
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.1)


async def dropped(scene):
    async with scene.fault():
        scene.wire.drop = 3
        await until(lambda: scene.wire.dropped == 3)


async def repeated(scene):
    async with scene.fault():
        scene.wire.repeat = 5
        await until(lambda: scene.wire.repeated == 5)


async def cut(scene):
    async with scene.fault():
        await scene.wire.cut()
        await scene.wire.mend()


async def outage(scene):
    async with scene.fault():
        await scene.wire.cut()
        await asyncio.sleep(6)
        await scene.wire.mend()


async def freeze(scene):
    async with scene.fault():
        scene.wire.freeze()
        await asyncio.sleep(8)
        scene.wire.thaw()


async def stalled(scene):
    async with scene.fault():
        scene.wire.stalled = True
        await asyncio.sleep(6)
        scene.wire.stalled = False


async def restarted(scene):
    async with scene.fault():
        await scene.mill.restart(1.0)


async def deleted(scene):
    async with scene.fault():
        await scene.mill.service.delete_subscriptions(scene.mill.service.ours)


async def refused(scene):
    await asyncio.sleep(1)
    scene.mill.refuses = ()
    scene.spans.append((scene.prepared, datetime.now(UTC)))


async def overflowed(scene):
    async with scene.fault():
        for _ in range(200):
            await scene.mill.say()


async def no_fault(scene):
    async with scene.fault():
        pass


async def disk_full(scene):
    async with scene.fault():
        scene.collector.room(4096)
        await asyncio.sleep(3)
        scene.collector.room(None)


async def killed(scene):
    """At random moments of its life, and started again at once."""
    for _ in range(scene.kills if scene.mill.service.transfers else max(2, scene.kills // 5)):
        await asyncio.sleep(scene.random.uniform(0.2, 4.0))
        async with scene.fault():
            await scene.collector.kill()
            await scene.collector.start()


async def killed_in_a_write(scene):
    """Between any two steps from the write of a segment to the acknowledgement."""
    await scene.collector.kill()
    async with scene.fault():
        for moment in ("half written", "not synced", "not marked", "not acknowledged"):
            await scene.collector.start(moment, scene.random.randrange(2, 12))
            assert await scene.collector.ended() == -signal.SIGKILL
        await scene.collector.start()


def meanwhile(happen):
    """Killed, and something happens before it is started again."""

    async def strike(scene):
        async with scene.fault():
            await scene.collector.kill()
            await happen(scene)
            await scene.collector.start()

    return strike


async def nothing(scene):
    await asyncio.sleep(1)


async def torn(scene):
    """Power failed: the file has its name and no content."""
    (path,) = (scene.home / "handover" / "F01").glob("*.durable.json")
    os.truncate(path, 0)


async def another_run(scene):
    await scene.mill.restart(0.5)


async def gone(scene):
    await scene.mill.service.delete_subscriptions(scene.mill.service.ours)


async def much_said(scene):
    for _ in range(200):
        await scene.mill.say()


async def short_queues(scene):
    scene.mill.server.iserver.max_monitored_item_queue_size = 50


async def short_queues_untold(scene):
    """Queues that overflow without a word: the handover knows how much one holds."""
    scene.mill.service.__dict__["marks_overflow"] = False
    await short_queues(scene)


async def shy(scene):
    mill = scene.mill
    mill.refuses = ("kept1", "plain1")
    aspace = mill.server.iserver.aspace
    allowed = aspace.add_datachange_callback

    def perhaps(node, attribute, callback):
        if node.Identifier in mill.refuses:
            return ua.StatusCode(ua.StatusCodes.BadNotSupported), None
        return allowed(node, attribute, callback)

    aspace.add_datachange_callback = perhaps


async def hundred(scene):
    """No more than 100 of anything a call, as its OperationLimits tell."""
    scene.mill.server.iserver.most_operations = 100
    for name in ("Read", "Browse", "HistoryReadData"):
        await _tell(scene, f"MaxNodesPer{name}", 100)
    await _tell(scene, "MaxMonitoredItemsPerCall", 100)


async def hundred_untold(scene):
    """No more than 100 of anything a call, and nobody is told."""
    scene.mill.server.iserver.most_operations = 100


async def _tell(scene, name, number):
    limit = getattr(ua.ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}")
    node = scene.mill.server.get_node(ua.NodeId(limit))
    await node.write_value(number, ua.VariantType.UInt32)


async def no_transfer(scene):
    scene.mill.service.__dict__["transfers"] = False


@dataclass(frozen=True)
class Fault:
    """What is done, before and after the collector begins; whether the server keeps everything."""

    strike: object
    keeps: bool = True
    prepare: object = None
    is_process: bool = False
    nodes: tuple[int, int] = (2, 2)
    after_s: float = FRESH_S
    """A gap may last so long beyond the fault."""
    at_first: str = "never"
    """What happens to the first collector of a process of its own."""


FAULTS = {
    "dropped response": Fault(dropped),
    "duplicated message": Fault(repeated),
    "cut connection": Fault(cut),
    "6 s outage": Fault(outage),
    "8 s freeze": Fault(freeze),
    "stalled server": Fault(stalled),
    "server restart": Fault(restarted, keeps=False),
    "deleted subscription": Fault(deleted, keeps=False, after_s=2 * FRESH_S),
    "refused items": Fault(refused, keeps=False, prepare=shy),
    "operation limits of 100": Fault(no_fault, prepare=hundred, nodes=(230, 20)),
    "operation limits of 100, untold": Fault(no_fault, prepare=hundred_untold, nodes=(230, 20)),
    "queue overflow": Fault(overflowed, keeps=False, prepare=short_queues),
    "kill -9": Fault(killed, is_process=True),
    "kill -9 in a write": Fault(killed_in_a_write, is_process=True),
    "kill -9 before history is read": Fault(
        meanwhile(nothing), is_process=True, at_first="history hangs"
    ),
    "kill -9, no transfer": Fault(killed, keeps=False, prepare=no_transfer, is_process=True),
    "kill -9, handover torn": Fault(meanwhile(torn), keeps=False, is_process=True),
    "kill -9, server restart": Fault(meanwhile(another_run), keeps=False, is_process=True),
    "kill -9, subscription gone": Fault(meanwhile(gone), keeps=False, is_process=True),
    "kill -9, queue overflow": Fault(
        meanwhile(much_said), keeps=False, prepare=short_queues_untold, is_process=True
    ),
    "kill -9 before history, queue overflow": Fault(
        meanwhile(much_said),
        keeps=False,
        prepare=short_queues_untold,
        is_process=True,
        at_first="history hangs",
    ),
    "disk full": Fault(disk_full, is_process=True),
}


def before_s(fault):
    """A gap may begin so long before its fault: what came until then is not yet vouched for.

    Eight publishes: a busy machine is some of them behind.
    """
    unheard_s = 8 * (PUBLISHING_MS + 100) / 1000 + group_commit.COMMIT_S
    return unheard_s + (coverage.COVER_EVERY_S if fault.is_process else subscribe.KEEP_ALIVE_S)


@contextlib.asynccontextmanager
async def staged(fault, home, *, seed=0, kills=5, patches=None):
    """A scene in which everything flows; at its end all must flow again, and the law holds."""
    mill = await Mill().start()
    await mill.furnish(*fault.nodes)
    wire = Wire(mill.port, free_port())
    scene = Scene(mill, wire, home, random.Random(seed), patches or {}, kills=kills)
    speaking = asyncio.create_task(mill.speak())
    try:
        await wire.mend()
        scene.prepared = datetime.now(UTC)
        if fault.prepare:
            await fault.prepare(scene)
        scene.collector = scene.process(fault.at_first) if fault.is_process else scene.run()
        await scene.collector.__aenter__()
        try:
            await fresh(scene, [name for name in mill.nodes if name not in mill.refuses], 60)
            scene.began = datetime.now(UTC)
            yield scene
            await fresh(scene, list(mill.nodes))
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)
        finally:
            await scene.collector.__aexit__(*sys.exc_info())
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
        await wire.end()
        await mill.stop()
    whole(scene, fault)


async def play(name, folder, *, seed, kills=5, patches=None):
    """One fault in a folder of its own; raises where the law is broken."""
    fault, home = FAULTS[name], folder / name.replace(" ", "-").replace(",", "")
    options = {"seed": f"{seed}{name}", "kills": kills, "patches": patches}
    async with staged(fault, home, **options) as scene:
        await fault.strike(scene)


async def fresh(scene, names, within_s=FRESH_S):
    """What is said from now on is on the disk in time (a busy machine's looks take longer)."""
    await scene.mill.say(names)
    wanted = {PREFIX + name: scene.mill.counts[name] for name in names}
    for _ in range(round(within_s / LOOK_S)):
        await asyncio.sleep(LOOK_S)
        late = _late(scene.home, wanted)
        if not late:
            return
    raise AssertionError(f"nothing fresh within {within_s} s: {late[:5]}")


def _late(home, wanted):
    """The nodes of which nothing as new as this is on the disk, sealed or not."""
    newest = dict.fromkeys(wanted, 0.0)
    for path in (home / "segments" / "F01").glob("*.arrow*"):
        with contextlib.suppress(FileNotFoundError):
            for batch in reading.whole_batches(path, segments.VALUES)[0]:
                column = batch.column("node_id")
                values = batch.column("value_float").fill_null(0.0).to_numpy()
                most = np.zeros(len(column.dictionary))
                np.maximum.at(most, column.indices.to_numpy(), values)
                for node, value in zip(column.dictionary.to_pylist(), most.tolist(), strict=True):
                    if node in newest:
                        newest[node] = max(newest[node], value)
    return [node for node, count in wanted.items() if newest[node] < count]


# --- the law


def whole(scene, fault):
    """Every value once, or in a gap no longer than its fault; with history there is no gap."""
    mill, out = scene.mill, scene.home / "raw.parquet"
    export_raw(scene.home, out)
    frame = pl.read_parquet(out).filter(pl.col("node_id").str.starts_with(PREFIX))
    with Ledger(scene.home, read_only=True) as ledger:
        gaps = ledger.gaps().to_dicts()
        windows = ledger.coverage().to_dicts()
    found = {name: [] for name in mill.nodes}
    for node, time, value in frame.select("node_id", "source_time", "value_float").iter_rows():
        found[node.removeprefix(PREFIX)].append((time, value))
    assert [g for g in gaps if g["node_id"] is None] == [], f"the server: {gaps}"
    for name in mill.kept:
        assert sorted(found[name]) == mill.expected(name), _difference(mill, found, name)
        assert [g for g in gaps if g["node_id"] == PREFIX + name] == [], f"with history: {gaps}"
    for name in mill.plain:
        own = [g for g in gaps if g["node_id"] == PREFIX + name]
        assert len(found[name]) == len(set(found[name])), f"{name} holds repeats"
        lost = set(mill.expected(name)) - set(found[name])
        foreign = set(found[name]) - set(mill.expected(name))
        assert foreign == set(), f"{name} never said {sorted(foreign)[:3]}"
        told = [(g["from_time"], g["to_time"]) for g in own]
        silent = [t for t, _ in sorted(lost) if not any(a <= t <= b for a, b in told)]
        assert silent == [], f"{name} lost {len(silent)} values in silence: {silent[:3]}, {own}"
        since = [g for g in own if g["reason"] != NEVER_HEARD]
        at_first = [g for g in own if g not in since]
        assert all(g["to_time"] <= scene.began for g in at_first), f"{at_first}, {scene.began}"
        if fault.keeps:
            assert since == [], f"nothing need be lost: {since}"
            missed = [t for t, _ in lost if t >= scene.began]
            assert missed == [], f"{name} lost {missed[:3]}"
        slack = timedelta(seconds=before_s(fault)), timedelta(seconds=fault.after_s)
        blanket = [g for g in since if not _within(g, scene.spans, slack)]
        assert blanket == [], f"{blanket} is no fault's: {scene.spans}"
    for window in windows:
        assert window["from_time"] < window["to_time"]


def _within(gap, spans, slack):
    """Whether it lies within a fault, or within faults that follow upon each other at once."""
    before, after = slack
    joined = []
    for a, b in sorted(spans):
        if joined and a - before <= joined[-1][1]:
            joined[-1] = (joined[-1][0], b + after)
        else:
            joined.append((a - before, b + after))
    return any(a <= gap["from_time"] and gap["to_time"] <= b for a, b in joined)


def _difference(mill, found, name):
    lost = sorted(set(mill.expected(name)) - set(found[name]))
    more = sorted(set(found[name]) - set(mill.expected(name)))
    return f"{name}: lost {lost[:5]} ({len(lost)}), more {more[:5]}, {len(found[name])} found"


Mill.refuses = ()
os.environ.setdefault("PYTHONUNBUFFERED", "1")
