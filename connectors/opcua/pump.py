"""The publish pump of one session: PublishRequests outstanding, their answers, silence noticed."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
from asyncua import ua
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from connectors.opcua.decode import MalformedError, Reader
from connectors.opcua.session import Session, SubscriptionLostError
from connectors.opcua.subscribe import Hole, Message, Subscription, message

OUTSTANDING: Final = 3
"""PublishRequests the server holds: one in use, one in flight, one for a burst."""
_MOST_WAITING: Final = 16
"""Messages decoded and not yet taken: a slow disk makes us ask for no more of them."""

Receipt: TypeAlias = tuple[int, int]
"""Subscription id and sequence number of a message."""


class Pump:
    """`start`, then `messages` in order; `acknowledge` what is on disk."""

    def __init__(self, session: Session, outstanding: int = OUTSTANDING) -> None:
        self.session = session
        self.outstanding = outstanding
        self.subscriptions: dict[int, Subscription] = {}
        self._to_acknowledge: list[Receipt] = []
        self._inbox: asyncio.Queue[Message | BaseException] = asyncio.Queue(_MOST_WAITING)
        self._workers: list[asyncio.Task[None]] = []
        self._may_publish = asyncio.Event()
        self._may_publish.set()

    def add(self, subscription: Subscription) -> None:
        """Serve this subscription too."""
        self.subscriptions[subscription.id] = subscription

    @property
    def keep_alive_s(self) -> float:
        """The longest time after which some subscription must be heard."""
        return max(one.keep_alive_s for one in self.subscriptions.values())

    @property
    def silent_s(self) -> float:
        """For how long the most silent subscription has not been heard."""
        now = time.monotonic()
        return max((now - one.heard_s for one in self.subscriptions.values()), default=0.0)

    def start(self) -> None:
        """Begin to publish."""
        self._inbox = asyncio.Queue(_MOST_WAITING)
        self._heard_now()
        self._workers = [asyncio.create_task(self._publish()) for _ in range(self.outstanding)]

    async def stop(self) -> None:
        """Stop to publish; what was not acknowledged stays with the server."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers = []

    def acknowledge(self, receipts: Iterable[Receipt]) -> None:
        """These messages are on disk: the next PublishRequest tells the server."""
        for subscription, sequence in receipts:
            if subscription in self.subscriptions:
                self.subscriptions[subscription].unsynced.discard(sequence)
                self._to_acknowledge.append((subscription, sequence))

    def pause(self) -> None:
        """Ask for no more messages (the disk takes none): the server keeps its queues."""
        self._may_publish.clear()

    def resume(self) -> None:
        """Ask for messages again."""
        self._heard_now()
        self._may_publish.set()

    def _heard_now(self) -> None:
        for subscription in self.subscriptions.values():
            subscription.heard_s = time.monotonic()

    async def _publish(self) -> None:
        """One outstanding PublishRequest, again and again; ends with its error in the inbox."""
        limit_s = self.keep_alive_s * (self.outstanding + 2) + self.session.timeout_s
        while True:
            await self._may_publish.wait()
            acknowledged, self._to_acknowledge = self._to_acknowledge, []
            try:
                reader = await self.session.call(_publish_request(acknowledged), limit_s)
                got = self._parse(reader)
            except UaStatusCodeError as error:
                self._to_acknowledge += acknowledged
                if error.code == StatusCodes.BadTooManyPublishRequests and self._at_work > 1:
                    return  # fewer outstanding requests will do
                if error.code != StatusCodes.BadTimeout:
                    await self._inbox.put(_lost(error))
                    return
            except (OSError, TimeoutError, UaError, MalformedError) as error:
                self._to_acknowledge += acknowledged
                if isinstance(error, TimeoutError) and self._patience_s() > 0:
                    continue  # one answer is lost, others came
                await self._inbox.put(error)
                return
            except asyncio.CancelledError:
                self._to_acknowledge += acknowledged
                raise
            else:
                if got is not None:
                    await self._inbox.put(got)

    @property
    def _at_work(self) -> int:
        return sum(not worker.done() for worker in self._workers)

    def _parse(self, r: Reader) -> Message | None:
        subscription = self.subscriptions.get(r.number("<I"))
        if subscription is None:
            return None
        subscription.heard_s, subscription.silences = time.monotonic(), 0
        available = np.frombuffer(r.take(4 * max(r.length(), 0)), "<u4")
        r.number("<B")
        got = message(r, subscription.id)
        got.available = frozenset(available.tolist())
        return got

    async def messages(self) -> list[Message | Hole]:
        """The next messages of a subscription in order (republished ones among them), and holes.

        Raises:
            SilentError: a subscription was not heard for two keep-alives.
            SubscriptionLostError: the server serves one no more.
        """
        while True:
            try:
                # not wait_for: on Python 3.11 it can swallow a cancellation that meets a result
                async with asyncio.timeout(max(self._patience_s(), 0.01)):
                    got = await self._inbox.get()
            except TimeoutError:
                if not self._may_publish.is_set():
                    self._heard_now()
                elif self._patience_s() <= 0:
                    raise self._silence() from None
                continue
            if isinstance(got, BaseException):
                raise got
            return await self._in_order(got)

    def _silence(self) -> ConnectionError:
        """Silent over a new channel too, a subscription is dead, whatever the server says."""
        now = time.monotonic()
        for one in self.subscriptions.values():
            if now >= one.heard_s + one.patience_s:
                one.silences += 1
                if one.silences > 1:
                    return SubscriptionLostError("a subscription stays silent")
        return SilentError("no keep-alive from the subscription")

    def _patience_s(self) -> float:
        """How long the most silent subscription may stay so."""
        now = time.monotonic()
        return min(one.heard_s + one.patience_s - now for one in self.subscriptions.values())

    async def _in_order(self, got: Message) -> list[Message | Hole]:
        subscription = self.subscriptions[got.subscription_id]
        if subscription.has_seen(got):
            if got.sequence not in subscription.unsynced:  # else its first copy is to come to disk
                self.acknowledge([got.receipt])
            return []
        return await subscription.in_order(got)

    async def catch_up(self) -> AsyncIterator[Message]:
        """What the server sent and nobody took, after the session found a new channel.

        One subscription after the other: what was given is not asked for again.
        """
        for subscription in self.subscriptions.values():
            for got in await subscription.republish_rest():
                yield got


class SilentError(ConnectionError):
    """Nothing was heard for longer than the server promised."""


def _lost(error: UaStatusCodeError) -> Exception:
    if error.code in (StatusCodes.BadNoSubscription, StatusCodes.BadSubscriptionIdInvalid):
        return SubscriptionLostError("the server knows our subscription no more")
    return error


def _publish_request(acknowledged: Sequence[Receipt]) -> ua.PublishRequest:
    request = ua.PublishRequest()
    request.Parameters.SubscriptionAcknowledgements = [
        ua.SubscriptionAcknowledgement(ua.UInt32(subscription), ua.UInt32(sequence))
        for subscription, sequence in acknowledged
    ]
    return request
