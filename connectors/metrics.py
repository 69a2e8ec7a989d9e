"""The published state as Prometheus text (exposition format 0.0.4), on loopback alone."""

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.errors import ParkPulseError
from connectors.link_status import STATES, HomeStatus, LinkStatus
from connectors.status import read_status

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
HOST: Final = "127.0.0.1"
ORIGINS: Final = ("live", "republished", "history")
MAX_AT_ONCE: Final = 8
"""Scrapers served at a time; what comes beyond is hung up on."""
PATIENCE_S: Final = 5.0
"""A client has so long for its request."""
_OURS: Final = frozenset({"127.0.0.1", "localhost"})

Labels = Mapping[str, str]


@dataclass(slots=True)
class _Family:
    """One metric: its type, what it means, and its samples."""

    name: str
    kind: str
    words: str
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def add(self, value: float | None, labels: Labels | None = None) -> None:
        """A sample; what is not known is left out."""
        if value is not None:
            self.samples.append((labels or {}, float(value)))

    def lines(self) -> Iterator[str]:
        """The metric as text; nothing where nothing is known."""
        if not self.samples:
            return
        yield f"# HELP {self.name} {_escaped(self.words, quote=False)}"
        yield f"# TYPE {self.name} {self.kind}"
        for labels, value in self.samples:
            told = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield (
                f"{self.name}{{{told}}} {_number(value)}"
                if told
                else (f"{self.name} {_number(value)}")
            )


def _escaped(text: str, *, quote: bool = True) -> str:
    """A label's value: backslash, line feed and quote escaped; help text has no quotes to end."""
    safe = text.replace("\\", "\\\\").replace("\n", "\\n")
    return safe.replace('"', '\\"') if quote else safe


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1 << 53 else repr(value)


def exposition(status: HomeStatus) -> str:
    """A home's status as Prometheus text."""
    families = [*_of_home(status), *_of_links(status.links)]
    return "".join(f"{line}\n" for family in families for line in family.lines())


def _of_home(status: HomeStatus) -> Iterator[_Family]:
    figures: list[tuple[str, str, float | None]] = [
        ("collector_up", "1 while a collector holds the home and tells its state.",
         float(status.is_running and not status.why)),
        ("collector_start_time_seconds", "When the collector started, since 1970.",
         _seconds(status.started)),
        ("status_written_timestamp_seconds", "When the collector last told its state.",
         _seconds(status.written)),
        ("home_free_bytes", "Free on the disk of the home.", status.disk_free_bytes),
        ("home_size_bytes", "Size of the disk of the home.", status.disk_total_bytes),
        ("home_fill_bytes_per_second", "What segments took of it in the last hour.",
         status.fill_bytes_per_s),
    ]  # fmt: skip
    for name, words, value in figures:
        family = _Family(f"parkpulse_{name}", "gauge", words)
        family.add(value)
        yield family


_GAUGES: Final[tuple[tuple[str, str, Callable[[LinkStatus], float | None]], ...]] = (
    ("link_up", "1 while the link is connected: heard within two keep-alives, nothing owed.",
     lambda link: link.state == "connected"),
    ("link_state_since_timestamp_seconds", "Since when the link is in its state.",
     lambda link: _seconds(link.since)),
    ("nodes", "Variables found on the server.", lambda link: link.nodes),
    ("nodes_quarantined", "Of these, refused by the server and tried again slowly.",
     lambda link: link.quarantined),
    ("gap_open", "Gaps that nothing has filled yet and that have not ended.",
     lambda link: link.open_gaps),
    ("pending_rows", "Rows in memory, not yet on the disk.", lambda link: link.pending_rows),
    ("durable_lag_seconds", "Age of the oldest row not yet on the disk.",
     lambda link: link.lag_s),
    ("last_heard_timestamp_seconds", "The last notification or keep-alive.",
     lambda link: _seconds(link.last_heard)),
    ("last_durable_timestamp_seconds", "The last fsync.", lambda link: _seconds(link.last_durable)),
)  # fmt: skip


def _of_links(links: tuple[LinkStatus, ...]) -> Iterator[_Family]:
    for name, words, value in _GAUGES:
        family = _Family(f"parkpulse_{name}", "gauge", words)
        for link in links:
            family.add(value(link), _labels(link))
        yield family
    states = _Family("parkpulse_link_state", "gauge", "1 for the state that the link is in.")
    values = _Family("parkpulse_values_total", "counter", "Values received since the start.")
    for link in links:
        for state in STATES:
            states.add(link.state == state, {**_labels(link), "state": state})
        for origin in ORIGINS if link.values else ():
            values.add(link.values.get(origin, 0), {**_labels(link), "origin": origin})
    yield from (states, values)


def _labels(link: LinkStatus) -> Labels:
    """What tells one link from another: it never changes while the fleet file does not."""
    return {"site": link.site_id, "url": link.url}


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()


class MetricsServer(ThreadingHTTPServer):
    """GET /metrics on 127.0.0.1; port 0 takes a free one. ParkPulseError where it is taken."""

    daemon_threads = True

    def __init__(self, home: Path, port: int) -> None:
        self.home = home
        self._seats = threading.BoundedSemaphore(MAX_AT_ONCE)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            why = f"it cannot be listened on ({error.strerror})"
            raise ParkPulseError(f"{HOST}:{port}", why, "give another --port") from error

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self.server_port}/metrics"

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - a socket and its address, as socketserver has them
        """A thread for each client, for a few at a time."""
        if self._seats.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """Give the seat back whatever happens."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._seats.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A client that hangs up is no event."""

    def finish_request(self, request: socket.socket, client_address: Any) -> None:  # type: ignore[override]  # noqa: ANN401
        """Nobody holds a seat for ever."""
        request.settimeout(PATIENCE_S)
        super().finish_request(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server_version = "ParkPulse"
    sys_version = ""
    server: MetricsServer

    def do_GET(self) -> None:
        """The metrics, to whoever asks this machine by its own name."""
        if self.headers.get("Host", HOST).split(":")[0] not in _OURS:
            self._answer(403, "ask for 127.0.0.1\n")  # a page elsewhere that points its name here
        elif urlsplit(self.path).path != "/metrics":
            self._answer(404, "there is only /metrics\n")
        else:
            self._metrics()

    do_HEAD = do_GET  # noqa: N815

    def _metrics(self) -> None:
        try:
            text = exposition(read_status(self.server.home))
        except (ParkPulseError, OSError) as error:
            self._answer(503, f"{error}\n")
        else:
            self._answer(200, text, CONTENT_TYPE)

    def _answer(self, code: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Scrapes are no events."""
