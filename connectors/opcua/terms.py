"""On what terms a server serves us: put on record in the ledger, and told once in the log."""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from connectors.opcua.connection import Connection
from connectors.opcua.failures import status_name
from connectors.opcua.nodes import some_of

log = logging.getLogger(__name__)

_VANISHED: Final = "vanished"
_REFUSED: Final = "refused"


class Terms:
    """Each `note_…` writes to the ledger what stands now, and may find the disk full."""

    def __init__(self, connection: Connection) -> None:
        self.uri, self.url, self.ledger = connection.uri, connection.url, connection.ledger
        self.clock, self.stock = connection.world.clock, connection.stock
        self.session, self.feed, self.nodes = connection.session, connection.feed, connection.nodes
        self.short_queues = 0
        """Nodes whose queue may overflow between two publishes."""

    def note_vanished(self, vanished: set[str]) -> None:
        """Nodes that we know and the server does not; those that are back have their gap closed."""
        now = self.clock()
        for node in sorted(vanished):
            self.ledger.open_gap(self.uri, node, now, f"{_VANISHED} from the address space")
        for node in self.ledger.open_node_gaps(self.uri, _VANISHED):
            if node not in vanished:
                self.ledger.close_gap(self.uri, node, now, None)

    def note_refused(self) -> None:
        """Nodes that are not monitored have a gap, for as long as they are refused."""
        why = {self.nodes.text(i): status_name(s) for i, s in self.nodes.refused.items()}
        unbrowsed = {node: f"browse {status_name(s)}" for node, s in self.nodes.unbrowsed.items()}
        now = self.clock()
        self.ledger.set_refused(self.uri, unbrowsed | why, now)
        known = set(self.ledger.open_node_gaps(self.uri, _REFUSED))
        for node, name in why.items():
            self.ledger.open_gap(self.uri, node, now, f"{_REFUSED}: {name}")
        historized = {self.nodes.text(code) for code in self.nodes.historized}
        for node in known - why.keys() - historized:  # of the others history has yet to be read
            self.ledger.close_gap(self.uri, node, now, None)
        fresh = [f"{node} ({name})" for node, name in why.items() if node not in known]
        if fresh:
            log.warning(
                "%s: it refuses %s; correct the nodes on the server; the others flow, we retry",
                self.url, some_of(fresh),
            )  # fmt: skip

    def note_read(self, failed: dict[int, int]) -> None:
        """Nodes that are monitored after all, and what they said meanwhile has been read."""
        refused = set(self.ledger.open_node_gaps(self.uri, _REFUSED))
        now = self.clock()
        for code in self.nodes.historized:
            if self.nodes.text(code) in refused and code not in self.nodes.refused:
                how = None if code in failed else "history"
                self.ledger.close_gap(self.uri, self.nodes.text(code), now, how)

    def note_revised(self) -> None:
        """What the server made of our wishes; a queue too short may lose values without a word."""
        queues = {self.nodes.text(i): n for i, n in self.feed.short_queues().items()}
        why = {
            node: f"queue of {size}: values between two publishes may be lost"
            for node, size in queues.items()
        }
        self.short_queues = len(why)
        self.ledger.set_short_queues(self.uri, why)
        self.ledger.set_revised(self.uri, self._revised())
        if queues:
            named = [f"{node} (queue of {size})" for node, size in queues.items()]
            self.stock.warn_once(
                f"{self.url}: it keeps fewer values than come between two publishes, of "
                f"{len(queues)} nodes: {some_of(named)}; let it keep longer queues, or lower "
                "`publishing_interval_ms`"
            )

    def _revised(self) -> dict[str, Any]:
        revised = self.feed.revised.values()
        return {
            "subscriptions": len(self.feed.subscriptions),
            "publishing_interval_ms": self.feed.publishing_interval_ms,
            "keep_alive_s": self.feed.pump.keep_alive_s,
            "sampling_intervals_ms": _counted(one.sampling_interval_ms for one in revised),
            "queue_sizes": _counted(one.queue_size for one in revised),
            "learned_limits": dict(self.session.learned),
            "quirk": self.feed.quirk.why,
        }

    def warn_of_unbrowsed(self) -> None:
        """Say below which nodes the server does not tell what lies."""
        named = [f"{node} ({status_name(s)})" for node, s in self.nodes.unbrowsed.items()]
        if named:
            self.stock.warn_once(
                f"{self.url}: it does not tell what lies below {some_of(named)}; give our user "
                "leave to browse there, or the server more continuation points; what is known flows"
            )


def _counted(numbers: Iterable[float]) -> dict[str, int]:
    """How often each number occurs, the most frequent first."""
    return {f"{number:g}": times for number, times in Counter(numbers).most_common()}
