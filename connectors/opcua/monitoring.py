"""What the server monitors for us, and what of it stands for whoever comes after us."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connectors.opcua.connection import Connection
from connectors.opcua.event_flow import EventFlow
from connectors.opcua.full_disk import FullDisk
from connectors.opcua.handover import Handover, HandoverFile
from connectors.opcua.losses import Losses
from connectors.opcua.subscribe import Hole, Message
from connectors.opcua.terms import Terms


@dataclass(frozen=True, slots=True)
class Kept:
    """What the server kept while nobody was there; of the `whole` handles, all that they said."""

    messages: Sequence[Message]
    whole: set[int]


class Monitoring:
    """`begin` with what was `left`, `retry_refused` now and then, `forget` when all is told."""

    def __init__(
        self,
        connection: Connection,
        events: EventFlow,
        losses: Losses,
        disk: FullDisk,
        handover: HandoverFile,
    ) -> None:
        self.session, self.feed, self.nodes = connection.session, connection.feed, connection.nodes
        self.events, self.losses, self.disk = events, losses, disk
        self.handover = handover
        self.terms = Terms(connection)
        self.since: datetime | None = None
        """From when on what the server kept has been heard, by whomever."""

    def left(self) -> Handover | None:
        """Subscriptions that may still stand on the server, made as we would make them now."""
        return self.handover.left_by(self.session.build.started, self.feed.options)

    async def begin(self, left: Handover | None) -> Kept | None:
        """Monitor every readable node; None where nothing of what was left stands any more."""
        kept = None if left is None else await self._take_over(left)
        self.since = left.since if left and kept else None
        held = {handle for handles in self.feed.handles.values() for handle in handles}
        fresh = [item for item in self.nodes.readable if item[0] not in held]
        self.nodes.refused = await self.feed.add(fresh)
        self.write_handover()
        # what no session ever takes over would be a burden of the server
        is_refused = left is not None and kept is None
        self.session.leaves_subscriptions = self.feed.quirk.transfers and not is_refused
        self.terms.warn_of_unbrowsed()
        await self.disk.written(self.terms.note_refused)
        await self.disk.written(self.terms.note_revised)
        return kept

    async def _take_over(self, left: Handover) -> Kept | None:
        self.session.leaves_subscriptions = self.feed.quirk.transfers
        found = await self.feed.take_over(left)
        if left.events and left.events[0] in self.feed.handles:
            self.events.adopt(*left.events)
        if found is None:
            return None
        torn = {one.subscription_id for one in found if isinstance(one, Hole)}
        whole = {
            handle
            for number, handles in self.feed.handles.items()
            for handle in handles
            if left.is_whole and number not in torn
        }
        return Kept([one for one in found if isinstance(one, Message)], whole)

    def heard_from(self, time: datetime) -> None:
        """Live values are heard from then on, or from earlier where somebody has left them."""
        if self.since is None:
            self.since = time
            self.write_handover()

    def write_handover(self) -> None:
        """Leave what stands now to the next collector."""
        texts = [variable.text for variable in self.nodes.variables]
        events = self.events
        monitored = (events.subscription_id, len(events.fields)) if events.is_on else None
        left = self.feed.handover(self.session.build.started, texts, monitored)
        is_whole = not self.losses.is_any
        self.handover.write(replace(left, is_whole=is_whole, since=self.since))

    async def retry_refused(self) -> list[int]:
        """Ask once more for what was refused; gives the nodes that are monitored now."""
        before = self.nodes.refused.keys()
        if not before:
            return []
        again = [(code, self.nodes.variables[code].node_id) for code in before]
        self.nodes.refused = await self.feed.add(again)
        accepted = sorted(before - self.nodes.refused.keys())
        if accepted:
            self.write_handover()
            await self.disk.written(self.terms.note_refused)
        return accepted

    def forget(self) -> None:
        """All is told: the session ends with its subscriptions."""
        self.handover.forget()
        self.session.leaves_subscriptions = False
