"""The publish pump of one session: PublishRequests outstanding, their answers, silence noticed."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Final, TypeAlias

from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from connectors.opcua.decode import MalformedError, Reader
from connectors.opcua.failures import SubscriptionLostError
from connectors.opcua.session import Session
from connectors.opcua.subscribe import Hole, Message, Subscription, message

OUTSTANDING: Final = 4
"""PublishRequests the server holds: one in use, one in flight, two for a burst."""
_MOST_WAITING: Final = 16
"""Messages not yet taken: a slow disk makes us ask for no more of them."""

Receipt: TypeAlias = tuple[int, int]
"""Subscription id and sequence number of a message."""


@dataclass(slots=True)
class _Flight:
    """A PublishRequest on its way: what it acknowledges, and until when an answer is awaited."""

    request: int
    receipts: list[Receipt]
    until_s: float


class Pump:
    """`start`, then `messages` in order; `acknowledge` what is on disk."""

    def __init__(self, session: Session, outstanding: int = OUTSTANDING) -> None:
        self.session = session
        self.outstanding = outstanding
        self.subscriptions: dict[int, Subscription] = {}
        self.keep_alive_s = 0.0
        """The longest time after which some subscription must be heard."""
        self._to_acknowledge: list[Receipt] = []
        self._inbox: deque[Message | BaseException] = deque()
        """What is out of order and waits for what is before it, and why there is no more."""
        self._ready: list[Message | Hole] = []
        self._taker: asyncio.Future[None] | None = None
        """Who waits for messages."""
        self._watch: asyncio.TimerHandle | None = None
        self._flying: dict[int, _Flight] = {}
        """PublishRequests without an answer."""
        self._flights = count()
        self._is_on = False
        self._may_publish = True

    def add(self, subscription: Subscription) -> None:
        """Serve this subscription too."""
        self.subscriptions[subscription.id] = subscription
        self.keep_alive_s = max(self.keep_alive_s, subscription.keep_alive_s)

    @property
    def is_behind(self) -> bool:
        """Whether the server owes us values: the first of a subscription, or more that follow."""
        return any(one.is_behind for one in self.subscriptions.values())

    @property
    def silent_s(self) -> float:
        """For how long the most silent subscription has not been heard."""
        now = time.monotonic()
        return max((now - one.heard_s for one in self.subscriptions.values()), default=0.0)

    def start(self) -> None:
        """Begin to publish."""
        self._inbox.clear()
        self._heard_now()
        self._is_on = True
        self._top_up()
        self._look_out()

    async def stop(self) -> None:
        """Stop to publish; what was not acknowledged stays with the server."""
        self._is_on = False
        if self._watch is not None:
            self._watch.cancel()
        flying, self._flying = self._flying, {}
        for flight in flying.values():
            self._to_acknowledge += flight.receipts
            self.session.forget(flight.request)

    def acknowledge(self, receipts: Iterable[Receipt]) -> None:
        """These messages are on disk: the next PublishRequest tells the server."""
        for subscription, sequence in receipts:
            if subscription in self.subscriptions:
                self.subscriptions[subscription].unsynced.discard(sequence)
                self._to_acknowledge.append((subscription, sequence))

    def pause(self) -> None:
        """Ask for no more messages (the disk takes none): the server keeps its queues."""
        self._may_publish = False

    def resume(self) -> None:
        """Ask for messages again."""
        self._heard_now()
        self._may_publish = True
        self._top_up()

    def _heard_now(self) -> None:
        for subscription in self.subscriptions.values():
            subscription.heard_s = time.monotonic()

    @property
    def _has_room(self) -> bool:
        return self._may_publish and len(self._inbox) + len(self._ready) < _MOST_WAITING

    def _top_up(self) -> None:
        """Keep so many PublishRequests with the server, as long as their answers find room."""
        self._drop_expired()
        while self._is_on and len(self._flying) < self.outstanding and self._has_room:
            limit_s = self.keep_alive_s * (self.outstanding + 2) + self.session.timeout_s
            receipts, self._to_acknowledge = self._to_acknowledge, []
            flight = next(self._flights)
            try:
                request = self.session.publish(receipts, limit_s, partial(self._answered, flight))
            except OSError as error:
                self._to_acknowledge += receipts
                self._end(error)
                return
            self._flying[flight] = _Flight(request, receipts, time.monotonic() + limit_s)

    def _drop_expired(self) -> None:
        """One answer is lost and others came: its place is another's."""
        now = time.monotonic()
        while self._flying:
            number, oldest = next(iter(self._flying.items()))
            if oldest.until_s >= now:
                return
            del self._flying[number]
            self._to_acknowledge += oldest.receipts
            self.session.forget(oldest.request)

    def _answered(self, flight: int, answer: bytes | Exception) -> None:
        """Put what an answer brings into the inbox, its error too; then ask again."""
        flown = self._flying.pop(flight, None)
        if flown is None:
            return
        try:
            if isinstance(answer, Exception):
                raise answer
            got = self._parse(self.session.opened(answer))
        except UaStatusCodeError as error:
            self._to_acknowledge += flown.receipts
            if error.code == StatusCodes.BadTooManyPublishRequests and self.outstanding > 1:
                self.outstanding -= 1  # fewer will do
            elif error.code != StatusCodes.BadTimeout:
                self._end(_lost(error))
        except (OSError, TimeoutError, UaError, MalformedError) as error:
            self._to_acknowledge += flown.receipts
            self._end(error)
        else:
            if got is not None:
                self._put(got)
        self._top_up()

    def _end(self, error: BaseException) -> None:
        self._is_on = False
        self._put(error)

    def _put(self, got: Message | BaseException) -> None:
        """Make ready what is next in its order; let the rest wait for what is before it."""
        if self._inbox or isinstance(got, BaseException) or not self._is_next(got):
            self._inbox.append(got)
        else:
            self._ready.append(got)
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    def _is_next(self, got: Message) -> bool:
        subscription = self.subscriptions[got.subscription_id]
        if not subscription.take_next(got):
            return False
        subscription.is_behind = got.more_follow
        return True

    def _parse(self, r: Reader) -> Message | None:
        subscription = self.subscriptions.get(r.number("<I"))
        if subscription is None:
            return None
        subscription.heard_s, subscription.silences = time.monotonic(), 0
        available = r.take(4 * max(r.length(), 0))
        more = bool(r.number("<B"))
        got = message(r, subscription.id)
        got.kept, got.more_follow = available, more
        return got

    async def messages(self) -> list[Message | Hole]:
        """The next messages in order, republished ones among them, and holes.

        Whoever is cancelled here loses nothing: what is in order waits for the next call.

        Raises:
            SilentError: a subscription was not heard for two keep-alives.
            SubscriptionLostError: the server serves one no more.
        """
        if not (self._inbox or self._ready):
            await self._something_to_take()
        while self._inbox:
            got = self._inbox[0]
            if isinstance(got, BaseException):
                if self._ready:  # what came before it is taken first
                    break
                raise got
            found = await self._in_order(got)
            self._ready += found
            self._inbox.popleft()
        if not self._has_room:
            self._heard_now()  # we did not ask meanwhile
        ready = self.taken()
        self._top_up()
        return ready

    def taken(self) -> list[Message | Hole]:
        """What is in order and was not taken yet."""
        ready, self._ready = self._ready, []
        return ready

    async def _something_to_take(self) -> None:
        self._taker = asyncio.get_running_loop().create_future()
        try:
            await self._taker
        finally:
            self._taker = None

    def _look_out(self) -> None:
        """Notice silence: looked for as seldom as patience lasts, not after every message."""
        if not self._has_room:
            self._heard_now()  # we do not ask then
        patience_s = self._patience_s()
        if patience_s <= 0:
            self._end(self._silence())
        else:
            self._watch = asyncio.get_running_loop().call_later(patience_s, self._look_out)

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
        subscriptions = self.subscriptions.values()
        return min((one.heard_s + one.patience_s - now for one in subscriptions), default=1.0)

    async def _in_order(self, got: Message) -> list[Message | Hole]:
        subscription = self.subscriptions[got.subscription_id]
        found: list[Message | Hole] = []
        if not subscription.has_seen(got):
            found = await subscription.in_order(got)
        elif got.sequence not in subscription.unsynced:  # else its first copy is to come to disk
            self.acknowledge([got.receipt])
        subscription.is_behind = got.more_follow
        return found

    async def catch_up(self) -> None:
        """Make ready what the server sent and nobody took while the channel was lost."""
        for subscription in self.subscriptions.values():
            again = await subscription.republish_rest()
            self._ready += again


class SilentError(ConnectionError):
    """Nothing was heard for longer than the server promised."""


def _lost(error: UaStatusCodeError) -> Exception:
    if error.code in (StatusCodes.BadNoSubscription, StatusCodes.BadSubscriptionIdInvalid):
        return SubscriptionLostError("the server knows our subscription no more")
    return error
