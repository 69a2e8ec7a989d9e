import asyncio
from datetime import timedelta
from unittest.mock import patch

import numpy as np
import pytest
from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.raw import EPOCH_TICKS
from connectors.simulator import history
from connectors.simulator.nodes import Series, Served
from connectors.simulator.space import SharedServer

NODE = Served("nsu=urn:x;s=v", (("urn:x", "v"),), "Double")
PLAIN = Served("nsu=urn:x;s=p", (("urn:x", "p"),), "Double", historized=False)
NODE_ID, PLAIN_ID = ua.NodeId("v", 2), ua.NodeId("p", 2)
BASE = EPOCH_TICKS + 10**17
TIMES = st.integers(1, 12)


class OneNode:
    site_id, server_uri, nodes = "X", "urn:x", (NODE, PLAIN)

    def __init__(self, series):
        self.said = series

    def series(self, node):
        return self.said


class FixedClock:
    def __init__(self, now):
        self.now = now

    def ticks(self):
        return self.now


def told(rows):
    """Rows of (source, delivered) in seconds after BASE, numbered in order of delivery."""
    rows = sorted(rows, key=lambda row: row[1])
    source = np.array([BASE + row[0] * 10**7 for row in rows], np.int64)
    delivered = np.array([BASE + row[1] * 10**7 for row in rows], np.int64)
    numbers = np.arange(len(rows), dtype=float)
    return Series(source, source, delivered, numbers, np.zeros(len(rows), np.uint32))


def manager(series, now=99):
    server = SharedServer()
    nodes = {NODE_ID: NODE, PLAIN_ID: PLAIN}
    clock = FixedClock(BASE + now * 10**7)
    return history.TimelineHistory(server, OneNode(series), nodes, clock)


def read(served, start, end, count=0, point=None, node_id=NODE_ID):
    details = ua.ReadRawModifiedDetails(False, at(start), at(end), count, True)
    item = ua.HistoryReadValueId(node_id, ContinuationPoint=point)
    params = ua.HistoryReadParameters(details, ReleaseContinuationPoints=False, NodesToRead=[item])
    return asyncio.run(served.read_history(params))[0]


def at(second):
    return ua.get_win_epoch() if second is None else ua.win_epoch_to_datetime(BASE + second * 10**7)


def numbers(result):
    body = struct_from_binary(ua.HistoryData, Buffer(result.HistoryData.Body))
    return [int(value.Value.Value) for value in body.DataValues]


def read_all(served, start, end, count=0):
    result = read(served, start, end, count)
    found = numbers(result)
    while result.ContinuationPoint is not None:
        result = read(served, start, end, count, result.ContinuationPoint)
        found += numbers(result)
    return found


def expected(series, now, start, end):
    """Part 11 word by word, one value after the other."""
    second = (series.source_ticks - BASE) // 10**7
    rows = [
        (int(second[i]), i)
        for i in range(len(second))
        if series.delivered_ticks[i] <= BASE + now * 10**7
    ]
    rows.sort()
    if start == end:
        return [i for s, i in rows if s == start]
    if start < end:
        return [i for s, i in rows if start <= s < end]
    return [i for s, i in reversed(rows) if end < s <= start]


@settings(deadline=None)
@given(
    st.lists(st.tuples(TIMES, st.integers(0, 5)), max_size=20),
    TIMES, TIMES, st.integers(0, 14), st.integers(0, 4), st.integers(1, 4),
)  # fmt: skip
def test_pages_hold_each_value_once_in_order(rows, start, end, now, count, page):
    series = told([(second, second + late) for second, late in rows])
    with patch.object(history, "PAGE_VALUES", page):
        found = read_all(manager(series, now), start, end, count)
    assert found == expected(series, now, start, end)


def test_a_read_sees_what_was_delivered_when_it_began():
    series = told([(1, 1), (2, 2), (3, 3), (2, 9)])
    served = manager(series, now=5)
    first = read(served, 1, 9, count=2)
    served._clock.now = BASE + 20 * 10**7
    assert numbers(first) == [0, 1]
    assert numbers(read(served, 1, 9, 2, first.ContinuationPoint)) == [2]
    assert read_all(served, 1, 9) == [0, 1, 3, 2]


@pytest.mark.parametrize(
    ("start", "end", "count", "found"),
    [
        (2, None, 2, [1, 2]),
        (2, None, 0, [1, 2, 3]),
        (None, 3, 2, [2, 1]),
        (3, 1, 0, [2, 1]),
        (1, 4, 0, [0, 1, 2]),
        (4, 9, 0, [3]),
        (7, 9, 0, []),
    ],
)
def test_bounds(start, end, count, found):
    served = manager(told([(1, 1), (2, 2), (3, 3), (4, 4)]))
    assert read_all(served, start, end, count) == found


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"start": None, "end": None}, "BadHistoryOperationInvalid"),
        ({"node_id": PLAIN_ID}, "BadNodeIdUnknown"),
        ({"node_id": ua.NodeId("none", 2)}, "BadNodeIdUnknown"),
        ({"point": b"nonsense"}, "BadContinuationPointInvalid"),
        ({"start": 7, "end": 9}, "GoodNoData"),
    ],
)
def test_what_cannot_be_given_is_named(change, status):
    served = manager(told([(1, 1)]))
    assert read(served, **{"start": 1, "end": 9, **change}).StatusCode.name == status


async def test_stock_client_reads_equal_times_across_continuation_points(
    told, serving, monkeypatch
):
    monkeypatch.setattr(history, "PAGE_VALUES", 97)
    rows = [(-600 + n // 7, float(n), 0, 0) for n in range(1_000)]
    async with serving(told({"v": "Double"}, {"v": rows})) as server, Client(server.url) as client:
        index = await client.get_namespace_index(server.timeline.server_uri)
        node = client.get_node(f"ns={index};s=v")
        start = server.clock.anchor - timedelta(days=1)
        values = await node.read_raw_history(start, server.clock.now())
        assert [value.Value.Value for value in values] == [row[1] for row in rows]
        assert values[700].SourceTimestamp == server.clock.anchor - timedelta(seconds=500)
        newest = await node.read_raw_history(None, server.clock.now(), numvalues=3)
        assert [value.Value.Value for value in newest] == [999.0, 998.0, 997.0]
        stranger = client.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime)
        with pytest.raises(ua.UaStatusCodeError, match="BadHistoryOperationUnsupported"):
            await stranger.read_raw_history(start, server.clock.now())
