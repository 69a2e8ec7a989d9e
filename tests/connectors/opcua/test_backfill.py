"""What the ledger says of time in which nobody listened."""

import asyncio
from datetime import UTC, datetime, timedelta

from asyncua import ua
from asyncua.server.internal_session import InternalSession
from hypothesis import given
from hypothesis import strategies as st

from connectors.accounts import ledger_summary
from connectors.event_segments import SERVER_NODE
from connectors.opcua.backfill import LINK_LOST, NEVER_HEARD, Unheard, may_have_lost, unheard
from connectors.opcua.subscribe import Subscription
from connectors.raw import ticks_of
from tests.connectors.opcua.test_collector import until, values
from tests.connectors.opcua.test_wire import drop

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
NODE = "nsu=urn:test:nodes;s="


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def summary(home):
    (server,) = ledger_summary(home)["servers"]
    windows = [tuple(map(datetime.fromisoformat, w.values())) for w in server["coverage"]]
    return server, windows


def brief(gaps):
    return {(gap["node_id"], gap["reason"]) for gap in gaps}


SPANS = st.tuples(st.integers(0, 9), st.integers(0, 9))


@given(st.none() | SPANS.filter(lambda s: s[0] < s[1]), st.none() | st.integers(0, 9))
def test_every_wanted_second_is_covered_or_unheard_once(covered, asked):
    found = unheard(
        tuple(map(at, covered)) if covered else None, None if asked is None else at(asked), at(10)
    )
    spans = [((a - NOON).seconds, (b - NOON).seconds) for a, b in found.spans]
    begin = min([s for s in (asked, covered and covered[0]) if s is not None], default=10)
    heard = range(*covered) if covered else range(0)
    seconds = [second for span in spans for second in range(*span)]
    assert sorted([*seconds, *heard]) == list(range(begin, 10))


@given(st.none() | st.integers(0, 9), st.none() | st.integers(0, 9))
def test_a_silent_node_is_one_whose_standing_value_proves_it(standing, mark):
    spans = Unheard((at(1), at(3)), (at(5), at(8)))
    ticks = [None if t is None else ticks_of(at(t)) for t in (standing, mark)]
    lost = {why for _, why in may_have_lost(spans, *ticks)}
    assert (NEVER_HEARD in lost) == (standing is None or standing > 1)
    if mark is None:
        assert (LINK_LOST in lost) == (standing is None or standing > 5)
    else:
        assert (LINK_LOST in lost) == (standing != mark)


async def test_a_plain_server_is_vouched_for_only_while_it_is_heard(
    tmp_path, plants, running, hour_ago
):
    plant = await plants()
    await plant.add("a", historized=False)
    began = datetime.now(UTC)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 5, first=1)
    server, ((start, end),) = summary(tmp_path)
    assert start >= began
    assert server["open_gaps"] == []
    await plant.tick("a", 5, first=10)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 5, first=20)
    server, windows = summary(tmp_path)
    assert windows[0] == (start, end)
    assert len(windows) == 2
    (gap,) = server["open_gaps"]
    assert (gap["node_id"], gap["reason"]) == (None, "collector was away")
    assert datetime.fromisoformat(gap["from"]) == end
    assert end < datetime.fromisoformat(gap["to"]) <= windows[1][0] + timedelta(milliseconds=1)
    assert values(tmp_path, "a") == [*range(1), *range(1, 6), 14, *range(20, 25)]


async def test_a_plain_server_that_said_nothing_meanwhile_stays_covered(tmp_path, plants, running):
    plant = await plants()
    await plant.add("a", historized=False)
    for _ in range(2):
        async with running(tmp_path, plant, publishing_interval_ms=50):
            pass
    server, windows = summary(tmp_path)
    assert len(windows) == 1
    assert server["open_gaps"] == []
    assert [gap["resolved"] for gap in server["closed_gaps"]] == ["unchanged"]


async def test_a_node_without_source_times_has_a_gap_of_its_own(
    tmp_path, plants, running, hour_ago
):
    plant = await plants()
    await plant.add("kept")
    await plant.add("constant", historized=False)
    timeless = await plant.add("timeless", historized=False)
    await timeless.write_value(ua.DataValue(ua.Variant(1.0)))
    for number in range(2):
        async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
            await asyncio.sleep(0.1)
        await timeless.write_value(ua.DataValue(ua.Variant(2.0 + number)))
        await plant.write("kept", 5.0 + number)
    server, windows = summary(tmp_path)
    assert len(windows) == 1
    assert [gap["resolved"] for gap in server["closed_gaps"]] == ["history"]
    assert brief(server["open_gaps"]) == {
        (f"{NODE}constant", NEVER_HEARD),
        (f"{NODE}timeless", NEVER_HEARD),
        (f"{NODE}timeless", LINK_LOST),
    }
    assert all(gap["to"] is not None for gap in server["open_gaps"])


def without_history(monkeypatch, status):
    real = InternalSession.history_read

    async def refuse(self, params):
        return [ua.HistoryReadResult(StatusCode=ua.StatusCode(status)) for _ in params.NodesToRead]

    monkeypatch.setattr(InternalSession, "history_read", refuse)
    return lambda: monkeypatch.setattr(InternalSession, "history_read", real)


async def test_a_server_that_only_says_it_has_history_has_gaps_where_it_was_not_heard(
    tmp_path, plants, running, hour_ago, monkeypatch
):
    plant = await plants()
    await plant.add("a")
    without_history(monkeypatch, ua.StatusCodes.BadHistoryOperationUnsupported)
    for number in range(2):
        async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
            await plant.tick("a", 5, first=10 * number + 1)
    server, windows = summary(tmp_path)
    assert len(windows) == 2
    gaps = [gap for gap in server["open_gaps"] if gap["node_id"] == f"{NODE}a"]
    assert {gap["reason"] for gap in gaps} == {"history BadHistoryOperationUnsupported"}
    edges = [(datetime.fromisoformat(g["from"]), datetime.fromisoformat(g["to"])) for g in gaps]
    first, second = windows
    us = timedelta(microseconds=1)
    assert edges == [(hour_ago, first[0] + us), (first[1], second[0] + us)]


async def test_what_history_gives_after_all_is_covered_after_all(
    tmp_path, plants, running, hour_ago, monkeypatch
):
    plant = await plants()
    await plant.add("a")
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        pass
    await plant.tick("a", 5, first=1)
    back = without_history(monkeypatch, ua.StatusCodes.BadHistoryOperationInvalid)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 5, first=10)
    assert len(summary(tmp_path)[1]) == 2
    back()
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        pass
    server, windows = summary(tmp_path)
    assert len(windows) == 1
    assert server["open_gaps"] == []
    assert values(tmp_path, "a") == [*range(6), *range(10, 15)]


async def test_lost_notifications_of_a_plain_server_end_its_coverage(
    tmp_path, plants, running, hour_ago, monkeypatch
):
    plant = await plants()
    await plant.add("a", historized=False)

    async def gone(self, sequence):
        return None

    drop(monkeypatch, {3})
    monkeypatch.setattr(Subscription, "_republish", gone)
    async with running(tmp_path, plant, history_from=hour_ago, publishing_interval_ms=50):
        await plant.tick("a", 150, first=1)
        await until(lambda: len(summary(tmp_path)[1]) == 2)
        await plant.tick("a", 20, first=200)
    server, ((_, lost_from), (back, _)) = summary(tmp_path)
    gap, of_events = server["open_gaps"]  # an event may have been among what was lost
    assert of_events["node_id"] == SERVER_NODE
    assert gap["from"] <= of_events["from"] <= of_events["to"]
    assert (gap["node_id"], gap["reason"]) == (None, "notifications lost, no history")
    assert datetime.fromisoformat(gap["from"]) == lost_from
    assert timedelta() < datetime.fromisoformat(gap["to"]) - back <= timedelta(milliseconds=1)
    assert values(tmp_path, "a")[-20:] == [*range(200, 220)]
