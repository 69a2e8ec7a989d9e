import contextlib
import itertools
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.errors import FleetFileError
from connectors.ledger import Ledger
from pipelines import schemas

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def at(seconds):
    return NOON + timedelta(seconds=seconds)


def windows(ledger):
    return [((a - NOON).seconds, (b - NOON).seconds) for _, _, a, b in ledger.coverage().rows()]


def test_windows_that_touch_become_one(tmp_path):
    with Ledger(tmp_path) as ledger:
        uri = ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        ledger.cover(uri, at(0), at(10))
        ledger.cover(uri, at(20), at(30))
        ledger.cover(uri, at(10), at(15))
        assert windows(ledger) == [(0, 15), (20, 30)]
        ledger.cover(uri, at(15), at(20))
        assert windows(ledger) == [(0, 30)]
        assert ledger.coverage().schema == schemas.COVERAGE
        assert ledger.coverage()["factory_id"].to_list() == ["F01"]
        assert ledger.covered(uri) == (at(0), at(30))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12))
def test_coverage_is_the_union(tmp_path_factory, pairs):
    with Ledger(tmp_path_factory.mktemp("ledger")) as ledger:
        uri = ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        for low, high in pairs:
            ledger.cover(uri, at(low), at(high))
        covered = {s for low, high in pairs for s in range(low, high)}
        assert {s for low, high in windows(ledger) for s in range(low, high)} == covered
        edges = windows(ledger)
        assert all(a[1] < b[0] for a, b in itertools.pairwise(edges))


def test_gaps_open_once_and_close_with_their_cure(tmp_path):
    with Ledger(tmp_path) as ledger:
        uri = ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        ledger.open_gap(uri, None, at(0), "link lost: x")
        ledger.open_gap(uri, None, at(5), "link lost: y")
        (gap,) = ledger.gaps().to_dicts()
        assert (gap["from_time"], gap["to_time"], gap["reason"]) == (at(0), None, "link lost: x")
        ledger.close_gap(uri, None, at(9), "history")
        ledger.add_gaps(uri, [("n", at(0), at(9), "history BadNotSupported")])
        assert ledger.gaps()["node_id"].to_list() == ["n"]
        assert ledger.gaps().schema == schemas.GAPS
        assert ledger.unresolved_since(uri) == {"n": at(0)}
        ledger.resolve_node_gaps(uri, ["n"], "history")
        assert ledger.gaps().is_empty()
    with Ledger(tmp_path, read_only=True) as ledger:
        (server,) = ledger.summary()["servers"]
    assert [gap["resolved"] for gap in server["closed_gaps"]] == ["history", "history"]


def test_one_uri_belongs_to_one_server(tmp_path):
    with Ledger(tmp_path) as ledger:
        assert ledger.claim("F01", "opc.tcp://a:1", "urn:same") == "urn:same"
        assert ledger.claim("F02", "opc.tcp://a:2", "urn:same") == "opc.tcp://a:2"
        assert ledger.claim("F01", "opc.tcp://a:1", "urn:same") == "urn:same"
        assert ledger.claim("F02", "opc.tcp://a:2", "urn:same") == "opc.tcp://a:2"


def test_a_server_that_moved_keeps_its_rows(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        ledger.retire_others(["opc.tcp://a:9"])
        assert ledger.claim("F01", "opc.tcp://a:9", "urn:a") == "urn:a"


def test_a_server_that_never_answered_is_told(tmp_path):
    url = "opc.tcp://a:1"
    with Ledger(tmp_path) as ledger:
        ledger.await_server("F01", url, at(0))
        ledger.set_unreached(url, "reconnecting", "refused")
        ledger.set_unreached(url, "connecting", "")
    with Ledger(tmp_path, read_only=True) as ledger:
        (server,) = ledger.summary()["servers"]
    assert (server["server_uri"], server["url"], server["site_id"]) == (None, url, "F01")
    assert (server["state"], server["why"]) == ("connecting", "refused")
    assert server["since"] == "2026-11-21T12:00:00Z"
    with Ledger(tmp_path) as ledger:
        ledger.claim("F01", url, "urn:a")
        assert [s["server_uri"] for s in ledger.summary()["servers"]] == ["urn:a"]
        ledger.await_server("F01", "opc.tcp://a:2", at(1))
        ledger.retire_others([url])
        assert [s["server_uri"] for s in ledger.summary()["servers"]] == ["urn:a"]


def test_a_known_server_that_does_not_answer_again_is_told(tmp_path):
    url = "opc.tcp://a:1"
    with Ledger(tmp_path) as ledger:
        for second, uri in enumerate(("urn:old", "urn:new")):
            ledger.set_state(ledger.claim("F01", url, uri), "stopped", at(second))
        ledger.await_server("F01", url, at(9))
        ledger.set_unreached(url, "reconnecting", "refused")
        new, old = sorted(ledger.summary()["servers"], key=lambda s: s["server_uri"])
    assert (old["state"], old["why"]) == ("retired", "")
    assert (new["state"], new["why"], new["since"]) == (
        "reconnecting",
        "refused",
        "2026-11-21T12:00:09Z",
    )


def test_an_older_ledger_is_read(tmp_path):
    with Ledger(tmp_path) as ledger:
        ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        ledger._db.execute("drop table awaited")
    with Ledger(tmp_path, read_only=True) as ledger:
        assert [s["server_uri"] for s in ledger.summary()["servers"]] == ["urn:a"]


@pytest.mark.parametrize("url", ["opc.tcp://a:1", "opc.tcp://a:9"])
def test_a_known_server_under_another_site_is_refused(tmp_path, url):
    with Ledger(tmp_path) as ledger:
        ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        ledger.retire_others([url])
        ledger.await_server("F02", url, at(0))
        with pytest.raises(FleetFileError, match=r"as site F01.*as F02; keep the id F01, or") as e:
            ledger.claim("F02", url, "urn:a")
        assert url in str(e.value)
        assert ledger.claim("F01", url, "urn:a") == "urn:a"
        assert ledger.claim("F02", url, "urn:b") == "urn:b"


def test_an_empty_home_has_an_empty_ledger(tmp_path):
    with Ledger(tmp_path, read_only=True) as ledger:
        assert ledger.summary() == {"servers": []}
        assert ledger.gaps().is_empty()
    assert not list(tmp_path.iterdir())


def test_gaps_of_one_reason_that_touch_are_one(tmp_path):
    with Ledger(tmp_path) as ledger:
        uri = ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        rows = [("n", at(0), at(9), "history X"), ("n", at(5), at(12), "history X")]
        for row in (*rows, *reversed(rows), ("n", at(20), at(30), "history X")):
            ledger.add_gaps(uri, [row])
        ledger.add_gaps(uri, [("n", at(2), at(3), "link lost"), (None, at(2), at(3), "history X")])
        found = [
            (g["node_id"], g["from_time"], g["to_time"], g["reason"])
            for g in ledger.gaps().to_dicts()
        ]
        assert sorted(found, key=str) == sorted(
            [
                ("n", at(0), at(12), "history X"),
                ("n", at(20), at(30), "history X"),
                ("n", at(2), at(3), "link lost"),
                (None, at(2), at(3), "history X"),
            ],
            key=str,
        )
        assert ledger.unfilled(uri) == [(at(2), at(3))]
        ledger.resolve_gap(uri, at(2), at(3), "history")
        assert ledger.unfilled(uri) == []


def test_a_failed_write_can_be_tried_again(tmp_path):
    with Ledger(tmp_path) as ledger:
        uri = ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        with pytest.raises(sqlite3.ProgrammingError):
            ledger.set_refused(uri, {"n": object()}, at(0))
        ledger.set_refused(uri, {"n": "BadNotSupported"}, at(0))
        (server,) = ledger.summary()["servers"]
        assert server["refused"] == {"n": "BadNotSupported"}


def test_an_older_ledger_has_no_short_queues(tmp_path):
    with Ledger(tmp_path) as ledger:
        uri = ledger.claim("F01", "opc.tcp://a:1", "urn:a")
        ledger.set_short_queues(uri, {"n": "queue of 1"})
    with Ledger(tmp_path, read_only=True) as ledger:
        assert ledger.summary()["servers"][0]["short_queues"] == {"n": "queue of 1"}
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as db:
        db.execute("drop table short_queue")
    with Ledger(tmp_path, read_only=True) as ledger:
        assert ledger.summary()["servers"][0]["short_queues"] == {}
