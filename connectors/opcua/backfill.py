"""What nobody heard: read from history, or on record as a gap.

A span is covered where every node is accounted for: read from history, silent by the time of its
standing value, or with a gap of its own. Where no node's history could be read and values may be
lost, the server has the gap, and coverage begins anew behind it.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from asyncua.ua.attribute_ids import AttributeIds

from connectors.ledger import Ledger
from connectors.opcua.catalogue import OPCUA
from connectors.opcua.failures import status_name
from connectors.opcua.history import OnPage, Outcome, Wanted, read_raw, read_standing
from connectors.opcua.nodes import UNKNOWN, Nodes
from connectors.opcua.session import Session
from connectors.raw import TICKS_PER_S, ticks_of

log = logging.getLogger(__name__)

Span = tuple[datetime, datetime]
Row = tuple[str | None, datetime, datetime, str]
"""A gap: node (None: the server), from, to, reason."""

NEVER_HEARD: Final = "not heard yet, no history"
LINK_LOST: Final = "link lost, no history"
NOTIFICATIONS_LOST: Final = "notifications lost, no history"
_HISTORY_END: Final = ticks_of(datetime.fromisoformat("2200-01-01T00:00:00+00:00"))
"""History is read beyond now: clocks run ahead, and their values are values too."""
_BASE: Final = f"nsu={OPCUA};"
"""Nodes that every server has by the standard (aliases, arguments of methods) have no times."""
_MOMENT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Unheard:
    """Before a subscription: the past that is wanted and not covered, and the last outage."""

    before: Span | None
    outage: Span | None

    @property
    def spans(self) -> list[Span]:
        """Both, as far as they are."""
        return [span for span in (self.before, self.outage) if span is not None]


def unheard(covered: Span | None, asked: datetime | None, now: datetime) -> Unheard:
    """What must be filled at `now`: from `asked` on, and since the newest coverage ended."""
    known = covered[0] if covered else now
    before = (asked, known) if asked is not None and asked < known else None
    outage = (covered[1], now) if covered and covered[1] < now else None
    return Unheard(before, outage)


def may_have_lost(spans: Unheard, standing: int | None, mark: int | None) -> list[tuple[Span, str]]:
    """The spans in which a node without history may have said more than anyone heard, and why.

    `standing` and `mark` are the source ticks of its value now and of the newest one we have: it
    was silent in an outage where they are equal, and in any span that began after both.
    """
    lost = []
    if spans.before and not _is_older(standing, spans.before):
        lost.append((spans.before, NEVER_HEARD))
    if spans.outage:
        is_silent = _is_older(standing, spans.outage) if mark is None else standing == mark
        if not is_silent:
            lost.append((spans.outage, LINK_LOST))
    return lost


def _before(span: Span, time: datetime | None) -> Span:
    """The part of a span before a time within it."""
    return span if time is None or not span[0] < time < span[1] else (span[0], time)


def _is_older(standing: int | None, span: Span) -> bool:
    return standing is not None and standing <= ticks_of(span[0])


@dataclass(slots=True)
class BackFill:
    """Reads the history of one connection's nodes and keeps the ledger true about what is here.

    `take` appends a page, `settle` waits until all is on disk, `write` does so for a change of the
    ledger.
    """

    session: Session
    ledger: Ledger
    server_uri: str
    nodes: Nodes
    overlap: timedelta
    take: OnPage
    settle: Callable[[], Awaitable[None]]
    write: Callable[[Callable[[], None]], Awaitable[None]]
    lost: list[tuple[str, Span, str]] = field(default_factory=list)
    """Node, span and reason of what nodes without history may have said unheard."""
    _filling: Outcome = field(default_factory=Outcome)
    """How far the first back-fill is: a lost channel does not begin it anew."""

    @property
    def mute(self) -> list[int]:
        """The nodes that are heard live or never; those of the standard itself say nothing."""
        return [
            code
            for code, variable in enumerate(self.nodes.variables)
            if variable.readable and not variable.historized and not variable.text.startswith(_BASE)
        ]

    async def look(
        self, spans: Unheard, queued: Set[int] = frozenset(), since: datetime | None = None
    ) -> None:
        """Find what nodes without history may have lost, before any live value moves the marks.

        Of the `queued` nodes the server kept what they said in the outage, and `since` they were
        first monitored, though nobody had read history by then.
        """
        codes = self.mute if spans.spans else []
        nodes = [(self.nodes.variables[code].node_id, AttributeIds.Value) for code in codes]
        self.lost = [
            (self.nodes.text(code), _before(span, since) if code in queued else span, why)
            for code, read in zip(codes, await self.session.read(nodes), strict=True)
            for span, why in may_have_lost(spans, read.source_ticks, self._mark(code))
            if not (code in queued and span == spans.outage)
        ]

    def _mark(self, code: int) -> int | None:
        mark = int(self.nodes.marks[code])
        return None if mark == UNKNOWN else mark

    async def fill(self, spans: Unheard, now: datetime) -> dict[int, int]:
        """Read what was not heard before `now`; cover it, or begin to cover anew.

        Gives the status of every node that could not be read.
        """
        # a source clock that is behind stamps what happened after the beginning before it
        early = spans.before[0] - self.overlap if spans.before else None
        codes = self.nodes.historized if spans.spans else []
        failed = await self.read(codes, early, self._filling)
        self._warn_of(failed)
        filled = len(failed) < len(codes)
        gaps = {span: self._gaps(span, failed) for span in spans.spans}
        covered = [span for span in spans.spans if filled or not gaps[span]]
        cure = "history" if filled else "unchanged"
        is_cured = bool(covered) and covered[-1] == spans.spans[-1]
        # failed reads of a span that is not covered are on record too: they are tried again
        kept = [
            row
            for span, rows in gaps.items()
            for row in rows
            if span in covered or row[3] not in (NEVER_HEARD, LINK_LOST)
        ]

        def write() -> None:
            for span in covered:
                self.ledger.cover(self.server_uri, *span)
            self.ledger.cover(self.server_uri, now - _MOMENT, now)
            self.ledger.add_gaps(self.server_uri, kept)
            self.ledger.close_gap(self.server_uri, None, now, cure if is_cured else None)

        await self.write(write)
        return failed

    def _gaps(self, span: Span, failed: dict[int, int]) -> list[Row]:
        mute: list[Row] = [(node, *own, why) for node, own, why in self.lost if own[0] == span[0]]
        return mute + self._failures(span, failed)

    def _failures(self, span: Span, failed: dict[int, int]) -> list[Row]:
        return [
            (self.nodes.text(code), *span, f"history {status_name(status)}")
            for code, status in failed.items()
        ]

    async def refill(
        self, lost: Sequence[int] | None, now: datetime, since: datetime | None = None
    ) -> None:
        """Read what an overflow of some nodes' queues, or a hole (None: any node), lost.

        It was lost `since` then, else since coverage ended.
        """
        covered = self.ledger.covered(self.server_uri)
        if covered is None:
            return
        now = max(now, covered[1] + _MOMENT)  # clocks that tick once a second stand still
        span = (min(covered[1], since or covered[1]), now)
        nodes = set(range(len(self.nodes.variables)) if lost is None else lost)
        codes = sorted(nodes.intersection(self.nodes.historized))
        failed = await self.read(codes, None)
        self._warn_of(failed)
        mute = sorted(nodes.intersection(self.mute))
        rows: list[Row] = [(self.nodes.text(c), *span, NOTIFICATIONS_LOST) for c in mute]
        is_server = lost is None and bool(rows or failed) and len(failed) == len(codes)
        if is_server:
            rows = [(None, *span, NOTIFICATIONS_LOST)]
        rows += self._failures(span, failed)

        def write() -> None:
            self.ledger.add_gaps(self.server_uri, rows)
            if is_server:
                self.ledger.cover(self.server_uri, now - _MOMENT, now)

        await self.write(write)

    async def read(
        self, codes: Sequence[int], from_start: datetime | None, so_far: Outcome | None = None
    ) -> dict[int, int]:
        """Read nodes from `from_start`, else from their marks less the overlap.

        Gives the status of every node that could not be read; goes on where `so_far` stands.
        """
        if not codes:
            return {}
        starts = self._starts(codes, from_start)
        wanted = [Wanted(c, self.nodes.variables[c].node_id, starts[c]) for c in codes]
        if from_start is not None:
            await read_standing(self.session, wanted, ticks_of(from_start), self.take)
        outcome = await read_raw(self.session, wanted, _HISTORY_END, self.take, so_far)
        if outcome.failed:
            again = [w for w in wanted if w.key in outcome.failed]
            outcome = await read_raw(self.session, again, _HISTORY_END, self.take)
        await self.settle()
        texts = [self.nodes.text(c) for c in codes if c not in outcome.failed]
        is_whole = not (outcome.failed or self.mute) and len(codes) == len(self.nodes.historized)
        healed = self._healed(max(starts.values())) if is_whole else []

        def write() -> None:
            self.ledger.resolve_node_gaps(self.server_uri, texts, "history")
            for span in healed:
                self.ledger.cover(self.server_uri, *span)
                self.ledger.resolve_gap(self.server_uri, *span, "history")

        await self.write(write)
        return outcome.failed

    def _healed(self, start_ticks: int) -> list[Span]:
        """Gaps of the server that a whole read from `start_ticks` on has filled after all."""
        gaps = self.ledger.unfilled(self.server_uri)
        return [span for span in gaps if ticks_of(span[0]) >= start_ticks]

    def _starts(self, codes: Sequence[int], from_start: datetime | None) -> dict[int, int]:
        """Source ticks from which each node is read: late values carry older source times."""
        if from_start is not None:
            return dict.fromkeys(codes, ticks_of(from_start))
        covered = self.ledger.covered(self.server_uri)
        assert covered is not None
        first, last = ticks_of(covered[0]), ticks_of(covered[1])
        overlap = int(self.overlap.total_seconds() * TICKS_PER_S)
        losses = self.ledger.unresolved_since(self.server_uri)
        starts = {}
        for code in codes:
            mark = int(self.nodes.marks[code])
            start = first if mark == UNKNOWN else max(first, min(mark, last) - overlap)
            loss = losses.get(self.nodes.text(code))
            starts[code] = min(start, ticks_of(loss)) if loss else start
        return starts

    def _warn_of(self, failed: dict[int, int]) -> None:
        if failed:
            code, status = next(iter(failed.items()))
            log.warning(
                "%s: no history of %d nodes (%s, ...: history %s); they have a gap in the ledger",
                self.session.url, len(failed), self.nodes.text(code), status_name(status),
            )  # fmt: skip
