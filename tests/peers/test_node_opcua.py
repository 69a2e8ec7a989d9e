"""Against a server that is not ours: every value that node-opcua ever set, once, or on record."""

import asyncio
import importlib.util
import json
from collections import Counter
from datetime import UTC, datetime

import polars as pl
import pytest

from tests.connectors.opcua.conftest import free_port
from tests.peers.factory import Collector, PeerServer, counted, from_first, until
from tests.peers.relay import Relay

pytestmark = pytest.mark.peers

NEVER_HEARD = "not heard yet, no history"


@pytest.fixture
async def factory(node, tmp_path):
    """Makes a server and, unless `relayed` is False, a relay before it; ends what it made."""
    made = []

    async def make(relayed=True, **options):
        server = await PeerServer(node, tmp_path, **options).start()
        made.append(server.stop)
        if not relayed:
            return server, None
        relay = Relay(free_port(), server.port)
        await relay.mend()
        made.append(relay.cut)
        return server, relay

    yield make
    for end in reversed(made):
        await end()


@pytest.fixture
async def collecting(tmp_path):
    """Makes collectors that do not outlive the test."""
    made = []

    def make(port, **keys):
        url = f"opc.tcp://127.0.0.1:{port}"
        made.append(Collector(tmp_path, url, sampling_interval_ms=500, **keys))
        return made[-1]

    yield make
    for collector in made:
        if collector.process.returncode is None:
            await collector.kill()


async def cut(relay, collector, seconds):
    """Break the connection, let the server go on alone, and wait until we are back."""
    begin = datetime.now(UTC)
    await relay.cut()
    await asyncio.sleep(seconds)
    await relay.mend()
    await collector.until_connected(after=begin)


async def die_and_come_back(collector, seconds, *words):
    await collector.kill()
    await asyncio.sleep(seconds)
    begin = datetime.now(UTC)
    await collector.start(*words)
    await collector.until_connected(after=begin)


def tell(what, record_property, **figures):
    record_property(what, json.dumps(figures))
    print(f"{what}: {figures}")


def by_origin(rows):
    return dict(Counter(rows["origin"].to_list()))


async def test_five_thousand_historized_variables_once_over_a_cut_and_a_kill(
    factory, collecting, record_property
):
    server, relay = await factory(variables=5000, period_ms=4000, history="all")
    collector = await collecting(relay.port).start()
    await collector.until_connected()
    await asyncio.sleep(6)
    await cut(relay, collector, 4)
    await asyncio.sleep(6)
    await die_and_come_back(collector, 3)
    await asyncio.sleep(6)
    await collector.stop()
    await server.stop()
    rows, said = await collector.rows(), await collector.ledger()
    truth, found = server.truth(), counted(rows)
    (window,) = said["coverage"]
    wanted = until(truth, window["to"])
    tell(
        "history", record_property, emitted=wanted.total(), exported=found.total(),
        lost=(wanted - found).total(), repeated=(found - truth).total(), rows=by_origin(rows),
        received=said["received"], asked=dict(relay.asked),
    )  # fmt: skip
    assert len({name for name, _, _ in wanted}) == 5000
    assert wanted - found == Counter()
    assert found - truth == Counter()
    assert said["open_gaps"] == []
    assert relay.asked["ActivateSession"] > relay.asked["CreateSession"]


async def test_variables_without_history_lose_nothing_over_a_cut_and_a_kill(
    factory, collecting, record_property
):
    server, relay = await factory(variables=1000, period_ms=2000, history="none")
    collector = await collecting(relay.port).start("--history-hours", 0)
    await collector.until_connected()
    connected = datetime.now(UTC)
    await asyncio.sleep(3)
    await cut(relay, collector, 5)
    after_cut = Counter(relay.asked)
    await asyncio.sleep(3)
    await die_and_come_back(collector, 3, "--history-hours", 0)
    await asyncio.sleep(3)
    await collector.stop()
    await server.stop()
    rows, said = await collector.rows(), await collector.ledger()
    found = counted(rows)
    truth = from_first(server.truth(), found)
    wanted = until(truth, said["coverage"][-1]["to"])
    tell(
        "no history", record_property, emitted=wanted.total(), exported=found.total(),
        lost=(wanted - found).total(), repeated=(found - truth).total(), rows=by_origin(rows),
        received=said["received"], asked=dict(relay.asked),
    )  # fmt: skip
    heard = {name for name, _, _ in until(found, connected.isoformat())}
    assert len(heard) == 1000
    assert wanted - found == Counter()
    assert found - truth == Counter()
    assert {gap["reason"] for gap in said["open_gaps"]} <= {NEVER_HEARD}
    assert all(gap["to"] <= connected.isoformat() for gap in said["open_gaps"])
    assert after_cut["CreateSession"] == after_cut["CreateSubscription"] == 1
    assert after_cut["ActivateSession"] == 2
    assert after_cut["Republish"] > 0
    assert relay.asked["TransferSubscriptions"] == 1
    assert relay.asked["CreateSubscription"] == 1
    assert rows.filter(pl.col("origin") == "republished").height > 0


async def test_a_response_that_got_lost_is_republished(factory, collecting, record_property):
    server, relay = await factory(variables=200, period_ms=2000, history="none")
    collector = await collecting(relay.port).start("--history-hours", 0)
    await collector.until_connected()
    await asyncio.sleep(2)
    relay.drop = 2
    await asyncio.sleep(4)
    await collector.stop()
    await server.stop()
    rows, said = await collector.rows(), await collector.ledger()
    found = counted(rows)
    truth = from_first(server.truth(), found)
    wanted = until(truth, said["coverage"][-1]["to"])
    tell("dropped", record_property, rows=by_origin(rows), asked=dict(relay.asked))
    assert relay.dropped == 2
    assert wanted - found == Counter()
    assert found - truth == Counter()
    assert relay.asked["Republish"] >= 2
    assert relay.asked["CreateSession"] == 1
    assert rows.filter(pl.col("origin") == "republished").height > 0


async def test_a_restarted_server_fills_from_history_and_leaves_gaps_without(
    factory, collecting, record_property
):
    server, _ = await factory(False, variables=200, period_ms=1000, history="half", linger_ms=1500)
    collector = await collecting(server.port).start()
    await collector.until_connected()
    await asyncio.sleep(3)
    begin = datetime.now(UTC)
    await server.stop()
    await server.start()
    await collector.until_connected(after=begin)
    await asyncio.sleep(3)
    await collector.stop()
    await server.stop()
    rows, said = await collector.rows(), await collector.ledger()
    found, truth = counted(rows), server.truth()
    wanted = until(truth, said["coverage"][-1]["to"])
    lost = wanted - found
    gaps = {}
    for gap in said["open_gaps"]:
        gaps.setdefault(gap["node_id"].rpartition("=")[2], []).append(gap)
    tell(
        "restart", record_property, emitted=wanted.total(), lost=lost.total(), rows=by_origin(rows)
    )
    assert found - truth == Counter()
    assert {int(name[1:]) % 2 for name, _, _ in lost} <= {1}  # the even ones are historized
    assert not {name for name in gaps if name[0] == "v" and int(name[1:]) % 2 == 0}
    assert {f"v{i:05}" for i in range(1, 200, 2)} <= gaps.keys()
    for name, ticks, _ in lost:
        assert any(inside(ticks, gap) for gap in gaps[name]), (name, ticks, gaps[name])


def inside(ticks, gap):
    begin, end = ({("x", ticks, 0): 1}, gap["from"]), ({("x", ticks, 0): 1}, gap["to"])
    return not until(*begin) and bool(until(*end))


async def test_every_node_is_found_within_the_servers_limits(factory, collecting, record_property):
    server, relay = await factory(
        variables=10, history="none", still=21_000, browse_limit=10, references=1000, odd=True
    )
    collector = await collecting(relay.port).start("--history-hours", 0)
    await collector.until_connected()
    await asyncio.sleep(2)
    await collector.stop()
    rows, said = await collector.rows(), await collector.ledger()
    tell("browse", record_property, nodes=said["nodes"], asked=dict(relay.asked))
    assert set(rows["name"].to_list()) >= {f"s{i}" for i in range(21_000)}
    assert counted(rows).keys() <= server.truth().keys()
    assert said["refused"] == {}
    odd = {row["name"]: row for row in rows.sort("source_ticks").to_dicts()}
    expected = {
        "mode": ("Int32", 1),
        "matrix": ("Int32", [[1, 2, 3], [4, 5, 6]]),
        "strings": ("String", ["a", None, "丙"]),
        "nothing": ("Double", []),
        "guid": ("Guid", "72962b91-fa75-4ae6-8d28-b404dc7daf63"),
        "nan": ("Double", "NaN"),
    }
    assert {name: told(odd[name]) for name in expected} == expected
    for name in ("range", "ranges", "text", "name", "id", "bytes", "time", "status", "xml"):
        assert odd[name]["value_type"] != "Null", odd[name]
        assert odd[name]["status_code"] == 0
    assert odd["bad"]["status_code"] == 0x808C0000  # BadSensorFailure
    assert odd["unset"]["status_code"] == 0x40920000  # UncertainInitialValue
    assert relay.asked["BrowseNext"] >= 20


def told(row):
    values = (row[c] for c in ("value_float", "value_int", "value_uint", "value_text"))
    value = next((v for v in values if v is not None), None)
    if row["is_array"]:
        value = json.loads(value)
    elif isinstance(value, float) and value != value:
        value = "NaN"
    return row["value_type"], value


SECURED = ("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss")


@pytest.mark.skipif(
    importlib.util.find_spec("connectors.opcua.security") is None,
    reason="not run: secured channels are not spoken yet",
)
@pytest.mark.parametrize("policy", SECURED)
async def test_a_secured_server_is_trusted_by_hand_and_loses_nothing(
    factory, collecting, monkeypatch, policy, record_property
):
    monkeypatch.setenv("PEER_PASSWORD", "园区-secret")
    server, relay = await factory(
        variables=200, history="all", security=policy, user="operator", password="园区-secret"
    )
    collector = collecting(
        relay.port, security=f"{policy}/SignAndEncrypt", user="operator",
        password_env="PEER_PASSWORD",
    )  # fmt: skip
    await collector.start()
    rejected = collector.home / "pki" / "rejected"
    async with asyncio.timeout(60):
        while not (kept := list(rejected.glob("*.der"))):
            await asyncio.sleep(0.2)
    assert counted_files(collector.home / "segments") == 0
    kept[0].rename(rejected.parent / "trusted" / kept[0].name)
    await collector.until_connected()
    await asyncio.sleep(3)
    await cut(relay, collector, 3)
    await die_and_come_back(collector, 2)
    await asyncio.sleep(3)
    await collector.stop()
    await server.stop()
    rows, said = await collector.rows(), await collector.ledger()
    found, truth = counted(rows), server.truth()
    wanted = until(truth, said["coverage"][-1]["to"])
    tell(policy, record_property, emitted=wanted.total(), rows=by_origin(rows))
    assert wanted - found == Counter()
    assert found - truth == Counter()
    assert "is not trusted" in collector.log.read_text()


def counted_files(folder):
    return sum(1 for path in folder.rglob("*") if path.is_file()) if folder.exists() else 0
