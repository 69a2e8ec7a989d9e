"""All subscriptions of one connection: as many as the server's limits need, one pump for them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaStatusCodeError

from connectors.opcua.handover import Handover
from connectors.opcua.pump import Pump, Receipt
from connectors.opcua.quirks import Quirk, quirk_of
from connectors.opcua.session import Session
from connectors.opcua.subscribe import Hole, Message, Options, Revised, Standing, Subscription

_UNTOLD: Final = Revised(0.0, 1)


class Feed:
    """`add` nodes or `take_over` what outlived us, `start` the pump, take its messages."""

    def __init__(self, session: Session, options: Options) -> None:
        self.session, self.options = session, options
        self.quirk: Quirk = quirk_of(session.build)
        session.limits = replace(
            session.limits, items=min(session.limits.items, self.quirk.items_per_call)
        )
        self.pump = Pump(session, self.quirk.publish_requests)
        self.handles: dict[int, list[int]] = {}
        """The handles of every subscription."""
        self.durable: dict[int, int] = {}
        """The newest sequence number of every subscription whose values are on disk."""
        self._full: set[int] = set()

    @property
    def subscriptions(self) -> list[Subscription]:
        """In the order of their creation."""
        return list(self.pump.subscriptions.values())

    @property
    def publishing_interval_ms(self) -> float:
        """The longest that the server granted."""
        granted = [one.publishing_interval_ms for one in self.subscriptions]
        return max(granted, default=self.options.publishing_interval_ms)

    @property
    def revised(self) -> dict[int, Revised]:
        """What the server made of our wishes, by handle."""
        return {h: one for s in self.subscriptions for h, one in s.revised.items()}

    def short_queues(self) -> dict[int, int]:
        """Queue size of every handle whose queue may overflow between two publishes."""
        return {h: size for s in self.subscriptions for h, size in s.short_queues.items()}

    async def add(self, items: Sequence[tuple[int, ua.NodeId]]) -> dict[int, int]:
        """Monitor nodes under their handles; gives the status of every handle that was refused."""
        refused: dict[int, int] = {}
        rest = list(items)
        while rest or not self.subscriptions:
            subscription = await self._with_room()
            held = self.handles[subscription.id]
            room = max(self.quirk.items_per_subscription - len(held), 1)
            part, rest = rest[:room], rest[room:]
            status = await subscription.add(part)
            held += [handle for handle, _ in part if handle not in status]
            beyond = [i for i in part if status.get(i[0]) == StatusCodes.BadTooManyMonitoredItems]
            if beyond and held:  # this one is full: another may take them
                self._full.add(subscription.id)
                rest = beyond + rest
                for handle, _ in beyond:
                    del status[handle]
            refused |= status
        return refused

    async def _with_room(self) -> Subscription:
        most = self.quirk.items_per_subscription
        for one in self.subscriptions:
            if one.id not in self._full and len(self.handles[one.id]) < most:
                return one
        one = Subscription(self.session, self.options)
        await one.create()
        self._serve(one, [])
        return one

    def _serve(self, one: Subscription, handles: Iterable[int]) -> None:
        self.handles[one.id] = list(handles)
        self.durable[one.id] = one.expected - 1
        self.pump.add(one)

    async def take_over(self, left: Handover) -> list[Message | Hole] | None:
        """Go on with subscriptions that another session left; None where none stands any more.

        Gives what the server kept for us. Where only some stand, a hole is among it.
        """
        if not self.quirk.transfers or not left.subscriptions:
            return None
        found: list[Message | Hole] = []
        answers = await self._transfer(left.subscriptions)
        for known, handles, terms, answer in zip(
            left.subscriptions, left.handles, left.terms, answers, strict=True
        ):
            if answer is None:
                found.append(Hole(known.id, 0))
                continue
            one = Subscription(self.session, self.options)
            one.adopt(known)
            served = (revised for count, revised in terms for _ in range(count))
            one.revised = dict(zip(handles, served, strict=False))
            self._serve(one, handles)
            self.durable[one.id] = known.durable
            self.pump.acknowledge((one.id, n) for n in answer if one.is_durable(n))
            found += await one.take_back(answer)
        return found if self.subscriptions else None

    async def _transfer(self, known: Sequence[Standing]) -> list[list[int] | None]:
        """The sequence numbers that the server keeps of each subscription; None: it has it not."""
        request = ua.TransferSubscriptionsRequest()
        request.Parameters.SubscriptionIds = [ua.UInt32(one.id) for one in known]
        request.Parameters.SendInitialValues = False
        try:
            reader = await self.session.call(request)
        except UaStatusCodeError:
            return [None] * len(known)
        answers: list[list[int] | None] = []
        for _ in range(max(reader.length(), 0)):
            status = reader.number("<I")
            available = reader.array(lambda: reader.number("<I"))
            answers.append(None if status & 0x80000000 else available)
        return (answers + [None] * len(known))[: len(known)]

    def acknowledge(self, receipts: Sequence[Receipt]) -> None:
        """These messages are on disk."""
        self.pump.acknowledge(receipts)

    def note_durable(self, receipts: Sequence[Receipt]) -> None:
        """Remember how far each subscription is on disk: messages are delivered in order."""
        self.durable.update(dict(receipts))

    def handover(
        self, started: str, nodes: Sequence[str], events: tuple[int, int] | None
    ) -> Handover:
        """What the next collector needs to go on where we stopped."""
        return Handover(
            started,
            self.options,
            list(nodes),
            [
                Standing(s.id, s.keep_alive_s, s.publishing_interval_ms, self.durable[s.id])
                for s in self.subscriptions
            ],
            list(self.handles.values()),
            [_terms(one, self.handles[one.id]) for one in self.subscriptions],
            events=events,
        )


def _terms(subscription: Subscription, handles: Sequence[int]) -> list[tuple[int, Revised]]:
    """Few numbers for many items, which a server serves alike."""
    served = [subscription.revised.get(handle, _UNTOLD) for handle in handles]
    return [(len(list(alike)), revised) for revised, alike in groupby(served)]
