"""`simulate`: the whole simulated world on loopback, served by a few worker processes."""

import json
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urlsplit

from connectors.errors import HomeRefused, ServerUnreachable
from connectors.simulator import sites
from connectors.simulator.worker import WIRE_RECORD, Order

START_LIMIT_S: Final = 300.0
"""Longest wait for all servers; some ten seconds on two free cores."""
TRUTH_LIMIT_S: Final = 600.0
MANIFEST: Final = "manifest.json"
_STOP_LIMIT_S: Final = 10.0
_POLL_S: Final = 0.2

Message = dict[str, Any]
Messages = queue.SimpleQueue[Message]
"""Simple, because only its `put` may be called from a signal handler."""

TOLD: Final = "told"


@dataclass(frozen=True, slots=True)
class _Worker:
    process: subprocess.Popen[str]
    relay: threading.Thread
    site_ids: list[str] | None


class _ToldError(Exception):
    """SIGINT or SIGTERM."""


def run(
    *,
    seed: int,
    at: datetime | None,
    truth: Path | None,
    fleet_out: Path,
    workers: int = 2,
    signal_period_s: float = 90.0,
    wire_faults: bool = True,
    ready: Callable[[], None] | None = None,
    stop: threading.Event | None = None,
    site_ids: Sequence[str] | None = None,
    office: Path | None = None,
) -> None:
    """Serve every site, or those of `site_ids`, until `stop` is set or SIGINT or SIGTERM comes.

    The fleet file appears, whole, when every server answers; then `ready` is called. The truth is
    written meanwhile; a set `stop` still waits for it, a signal does not. With `truth` and `office`
    the district office's files are written there.
    """
    anchor = datetime.now(UTC) if at is None else at
    if anchor.tzinfo is None:
        raise ServerUnreachable("--at", "the time has no offset", "add one, as in +08:00")
    world = sites.site_ids() if site_ids is None else list(site_ids)
    order = _order(seed, anchor, truth, office, signal_period_s, wire_faults, world)
    stop = stop or threading.Event()
    messages: Messages = queue.SimpleQueue()
    started: list[_Worker] = []
    try:
        with _signals_noted(messages):
            _simulate(order, max(1, workers), fleet_out, messages, started, ready, stop)
    except _ToldError:
        _progress("stopped")
    finally:
        _end(started)


def _order(
    seed: int,
    anchor: datetime,
    truth: Path | None,
    office: Path | None,
    signal_period_s: float,
    wire_faults: bool,
    world: list[str],
) -> Order:
    if truth is not None:
        try:
            truth.mkdir(parents=True, exist_ok=True)
            (truth / MANIFEST).unlink(missing_ok=True)  # written last: with it a truth is whole
            (truth / WIRE_RECORD).write_text("")
        except OSError as error:
            raise HomeRefused(truth, str(error), "choose another folder for --truth") from error
    return Order(
        seed=seed,
        anchor=anchor.isoformat(),
        started=time.monotonic(),
        signal_period_s=signal_period_s,
        truth=None if truth is None else str(truth.resolve()),
        office=None if office is None else str(office.resolve()),
        wire_faults=wire_faults,
        world=world,
        site_ids=None,
    )


def _simulate(
    order: Order,
    workers: int,
    fleet_out: Path,
    messages: "Messages",
    started: list[_Worker],
    ready: Callable[[], None] | None,
    stop: threading.Event,
) -> None:
    ids = order.world
    shares = [ids[number::workers] for number in range(min(workers, len(ids)))]
    for share in shares:
        started += [_start(order, share, messages)]
    urls = _await_servers(ids, messages, started, stop)
    if urls is None:
        return
    sites.write_fleet(fleet_out, datetime.fromisoformat(order.anchor), urls)
    _progress(f"{len(urls)} servers answer; fleet file {fleet_out}")
    if ready is not None:
        ready()
    if order.truth is not None:
        started.append(_start(order, None, messages))
    _watch(messages, started, stop)


def _start(order: Order, site_ids: list[str] | None, messages: "Messages") -> _Worker:
    process = subprocess.Popen(
        [sys.executable, "-m", "connectors.simulator.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    own = Order(**{**json.loads(order.to_line()), "site_ids": site_ids})
    process.stdin.write(own.to_line())
    process.stdin.flush()
    relay = threading.Thread(target=_relay, args=(process.stdout, messages), daemon=True)
    relay.start()
    return _Worker(process, relay, site_ids)


def _relay(lines: TextIO, messages: "Messages") -> None:
    with lines:
        for line in lines:
            messages.put(json.loads(line))


def _await_servers(
    ids: list[str], messages: "Messages", started: list[_Worker], stop: threading.Event
) -> dict[str, str] | None:
    """The URL of every site once all answer; None when stopped before."""
    urls: dict[str, str] = {}
    deadline = time.monotonic() + START_LIMIT_S
    while len(urls) < len(ids):
        if stop.is_set():
            return None
        if time.monotonic() > deadline:
            missing = ", ".join(sorted(set(ids) - set(urls)))
            raise ServerUnreachable(missing, "not up in time", "free some CPU and start again")
        for message in _next(messages, started):
            urls[message["site_id"]] = message["url"]
            _progress(f"{message['site_id']} at {message['url']} ({len(urls)}/{len(ids)})")
    for url in urls.values():
        _check_answers(url)
    return {site: urls[site] for site in ids}


def _check_answers(url: str) -> None:
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10):
        pass


def _watch(messages: "Messages", started: list[_Worker], stop: threading.Event) -> None:
    """Until stopped; then until the truth is whole, if it was asked for."""
    truth = next((w.process for w in started if w.site_ids is None), None)
    deadline: float | None = None
    while not (stop.is_set() and (truth is None or truth.poll() is not None)):
        for message in _next(messages, started):
            _progress(f"{message['event']} written")
        if stop.is_set() and deadline is None:
            deadline = time.monotonic() + TRUTH_LIMIT_S
        if deadline is not None and time.monotonic() > deadline:
            raise HomeRefused("truth", "not written in time", "free some CPU and start again")
    if truth is not None and truth.returncode:
        raise HomeRefused("truth", "its writer failed", "see the lines above")


def _next(messages: "Messages", started: list[_Worker]) -> Iterator[Message]:
    """At most one message; an error when a serving worker has ended by itself."""
    for worker in started:
        code = worker.process.poll()
        if code is not None and (worker.site_ids is not None or code != 0):
            culprit = "the truth's writer" if worker.site_ids is None else ",".join(worker.site_ids)
            raise ServerUnreachable(culprit, f"its process ended ({code})", "see the lines above")
    try:
        message = messages.get(timeout=_POLL_S)
    except queue.Empty:
        return
    if message["event"] == TOLD:
        raise _ToldError
    yield message


def _end(started: list[_Worker]) -> None:
    """Close every worker's stdin, on which it ends; end by force what does not."""
    for worker in started:
        if worker.process.stdin is not None:
            worker.process.stdin.close()
    deadline = time.monotonic() + _STOP_LIMIT_S
    for worker in started:
        if worker.site_ids is None and worker.process.poll() is None:
            worker.process.terminate()
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
        worker.relay.join()


@contextmanager
def _signals_noted(messages: "Messages") -> Iterator[None]:
    """In the main thread SIGINT and SIGTERM become a message.

    An exception out of a signal handler is lost when it meets a destructor or foreign code, and
    the servers would go on.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def told(*_: object) -> None:
        messages.put({"event": TOLD})

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _progress(text: str) -> None:
    print(f"simulate: {text}", file=sys.stderr, flush=True)
