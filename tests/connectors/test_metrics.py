"""Prometheus text, read by a strict parser of our own and served on loopback alone."""

import http.client
import re
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ParkPulseError
from connectors.link_status import STATES, HomeStatus, LinkStatus
from connectors.metrics import MetricsServer, exposition
from tests.connectors.test_status import collecting, link

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")


def unescaped(text):
    return re.sub(r"\\(.)", lambda m: {"n": "\n"}.get(m[1], m[1]), text)


def labels_of(text):
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        assert match, text[at:]
        assert match[1] not in found
        found[match[1]] = unescaped(match[2])
        at = match.end()
    return found


def parse(text):
    """Samples by (name, labels), as strictly as exposition format 0.0.4 is written."""
    assert text.endswith("\n")
    samples, types, helped, current = {}, {}, set(), None
    for line in text[:-1].split("\n"):
        if match := re.fullmatch(rf"# HELP ({NAME}) (.+)", line):
            assert match[1] not in helped
            helped.add(match[1])
        elif match := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge)", line):
            current = match[1]
            assert current in helped
            assert current not in types
            types[current] = match[2]
            assert current.endswith("_total") == (match[2] == "counter")
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == current
            key = (match[1], tuple(sorted(labels_of(match[2] or "").items())))
            assert key not in samples
            samples[key] = float(match[3])
    return samples


def home_status(*links, **given_fields):
    fields = {"home": None, "is_running": True, "why": "", "links": links, "pid": 7} | given_fields
    return HomeStatus(**fields)


def test_every_figure_of_a_link_is_there():
    now = datetime(2026, 11, 21, tzinfo=UTC)
    one = link(lag_s=0.25, quarantined=2, open_gaps=1, last_heard=now, state="degraded")
    samples = parse(exposition(home_status(one, disk_free_bytes=10**12)))
    of = {"site": "F01", "url": one.url}

    def value(name, **labels):
        return samples[f"parkpulse_{name}", tuple(sorted((of | labels).items()))]

    assert value("link_up") == 0
    assert {s: value("link_state", state=s) for s in STATES} == {
        s: float(s == "degraded") for s in STATES
    }
    assert value("values_total", origin="live") == 5
    assert value("values_total", origin="republished") == 0
    assert value("values_total", origin="history") == 7
    assert (value("gap_open"), value("nodes_quarantined")) == (1, 2)
    assert value("durable_lag_seconds") == 0.25
    assert value("last_heard_timestamp_seconds") == now.timestamp()
    assert samples["parkpulse_home_free_bytes", ()] == 1e12
    assert samples["parkpulse_collector_up", ()] == 1
    assert ("parkpulse_home_fill_bytes_per_second", ()) not in samples


@given(st.lists(st.text(), min_size=1, max_size=4, unique=True), st.floats(allow_nan=True))
def test_whatever_a_url_holds_comes_back(urls, lag_s):
    now = datetime(2026, 11, 21, tzinfo=UTC)
    links = [LinkStatus("F01", url, "connected", now, lag_s=lag_s) for url in urls]
    samples = parse(exposition(home_status(*links)))
    told = [dict(labels)["url"] for name, labels in samples if name == "parkpulse_link_up"]
    assert told == urls


@contextmanager
def serving(home):
    with MetricsServer(home, 0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(10)


def ask(server, method, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        connection.request(method, path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    finally:
        connection.close()


def test_it_serves_get_and_head_of_one_path_to_this_machine(tmp_path):
    with collecting(tmp_path) as board, serving(tmp_path) as server:
        board.note(link())
        assert server.server_address[0] == "127.0.0.1"
        code, kind, text = ask(server, "GET", "/metrics?x=1")
        assert (code, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        up = ("parkpulse_link_up", (("site", "F01"), ("url", link().url)))
        assert parse(text)[up] == 1
        code, _, text = ask(server, "HEAD", "/metrics")
        assert (code, text) == (200, "")
        assert ask(server, "GET", "/")[0] == 404
        assert ask(server, "POST", "/metrics")[0] == 501
        assert ask(server, "GET", "/metrics", Host="evil.example")[0] == 403
        assert ask(server, "GET", "/metrics", Host="[")[0] == 403
        assert ask(server, "GET", "/metrics", Host="localhost:1")[0] == 200


def test_a_home_that_cannot_be_read_is_said_to_be(tmp_path):
    with serving(tmp_path) as server:
        code, _, text = ask(server, "GET", "/metrics")
    assert code == 503
    assert "collect first" in text


def test_those_who_say_nothing_keep_nobody_waiting_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("connectors.metrics.PATIENCE_S", 0.2)
    monkeypatch.setattr("connectors.metrics.MAX_AT_ONCE", 2)
    with collecting(tmp_path) as board, serving(tmp_path) as server:
        board.note(link())
        mute = [socket.create_connection(("127.0.0.1", server.server_port)) for _ in range(3)]
        try:
            for one in mute:
                one.settimeout(10)
                assert one.recv(1) == b""
        finally:
            for one in mute:
                one.close()
        assert ask(server, "GET", "/metrics")[0] == 200


def test_a_port_that_is_taken_is_named(tmp_path):
    with (
        MetricsServer(tmp_path, 0) as server,
        pytest.raises(ParkPulseError, match=rf"127\.0\.0\.1:{server.server_port}.*--port"),
    ):
        MetricsServer(tmp_path, server.server_port)
