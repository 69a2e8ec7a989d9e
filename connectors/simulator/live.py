"""Values spoken at their instant: the emission loop and notifications of exact times.

asyncua's own write nulls a Bad value, and its DateTime is cut to the microsecond; here every
DataValue is encoded once from the series and those bytes are what subscribers get. A value equal
to the one before in value, status and source time is no change and is swallowed (Part 4, 7.22.2).
"""

import asyncio
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from asyncua import ua
from asyncua.server.address_space import AddressSpace, AttributeValue
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.subscription_service import SubscriptionService
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.ua_binary import struct_to_binary

from connectors.raw import TICKS_PER_S, time_of
from connectors.simulator.clock import SimClock
from connectors.simulator.encoding import as_variant, data_value_list
from connectors.simulator.nodes import Series, Served, SiteTimeline

WINDOW_S: Final = 1_800
"""How far ahead values wait in memory."""
_YIELD_EVERY: Final = 50
"""Nodes or values handled before other tasks get a turn."""

_NOTIFICATION_TYPE: Final = ua.typeid_by_extension_objects[ua.DataChangeNotification]
_COUNT: Final = struct.Struct("<i")
_HANDLE: Final = struct.Struct("<I")


class SpokenValue(ua.DataValue):
    """A DataValue with its exact bytes; never changed, so it needs no copies."""

    __slots__ = ("wire",)
    wire: bytes

    def __deepcopy__(self, _: dict[int, Any]) -> "SpokenValue":
        return self


class LiveSubscription(InternalSubscription):
    """Publishes the bytes of spoken values as they are."""

    def _pop_triggered_datachanges(self, result: ua.PublishResult) -> None:
        items = [item for queue in self._triggered_datachanges.values() for item in queue]
        self._triggered_datachanges = {}
        if items:
            parts = [_HANDLE.pack(item.ClientHandle) + _wire(item.Value) for item in items]
            body = _COUNT.pack(len(items)) + b"".join(parts) + _COUNT.pack(0)
            packed = ua.ExtensionObject(_NOTIFICATION_TYPE, ua.ByteString(body))
            result.NotificationMessage.NotificationData.append(packed)


def _wire(value: ua.DataValue) -> bytes:
    return value.wire if isinstance(value, SpokenValue) else struct_to_binary(value)


class LiveSubscriptions(SubscriptionService):
    """Makes every subscription a `LiveSubscription`."""

    async def create_subscription(
        self,
        params: ua.CreateSubscriptionParameters,
        callback: Callable[..., Any],
        session_id: ua.NodeId,
        request_callback: Callable[..., Any] | None = None,
    ) -> ua.CreateSubscriptionResult:
        """Let asyncua make its subscription, then put ours in its place before it first runs."""
        result = await super().create_subscription(params, callback, session_id, request_callback)
        stock = self.subscriptions[result.SubscriptionId]
        await stock.stop()
        live = LiveSubscription(
            result,
            self.aspace,
            callback,
            session_id,
            request_callback=request_callback,
            delete_callback=stock.delete_callback,
            no_acks_limit=stock._no_acks_limit,
            max_queue_size=stock.max_queue_size,
            publishing_enabled=params.PublishingEnabled,
        )
        self.subscriptions[result.SubscriptionId] = live
        await live.start()
        return result


@dataclass(frozen=True, slots=True)
class _Ahead:
    """Values waiting to be spoken, in order of delivery: which node, and where in its cut."""

    delivered: npt.NDArray[np.int64]
    node: npt.NDArray[np.int32]
    position: npt.NDArray[np.int64]
    cuts: list[Series]


class Speaker:
    """Speaks one timeline into an address space: every value once, when it is delivered."""

    def __init__(
        self,
        space: AddressSpace,
        timeline: SiteTimeline,
        nodes: Mapping[ua.NodeId, Served],
        clock: SimClock,
    ) -> None:
        self._timeline, self._clock = timeline, clock
        self._served = list(nodes.values())
        self._held = [space[node_id].attributes[AttributeIds.Value] for node_id in nodes]
        self._until = clock.ticks()
        self.spoken = 0

    async def prepare(self) -> _Ahead:
        """Give every node the newest value delivered by now; what comes next is returned."""
        self._until = now = self._clock.ticks()
        return await self._look_ahead(now, set_current=True)

    async def run(self, ahead: _Ahead) -> None:
        """Speak until cancelled, looking further ahead when a window is over."""
        while True:
            await self._speak_window(ahead)
            ahead = await self._look_ahead(self._until, set_current=False)

    async def _speak_window(self, ahead: _Ahead) -> None:
        cursor, until = 0, self._until
        while cursor < len(ahead.delivered) or self._clock.ticks() < until:
            now = self._clock.ticks()
            due = int(np.searchsorted(ahead.delivered, now, "right"))
            for turn in range(cursor, due):
                cut, node = ahead.cuts[ahead.node[turn]], int(ahead.node[turn])
                await _write(
                    self._held[node], _spoken(self._served[node], cut, ahead.position[turn])
                )
                self.spoken += 1
                if turn % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
            cursor = due
            coming = int(ahead.delivered[cursor]) if cursor < len(ahead.delivered) else until
            await asyncio.sleep(min(1.0, max(0.0, (coming - self._clock.ticks()) / TICKS_PER_S)))

    async def _look_ahead(self, start: int, *, set_current: bool) -> _Ahead:
        end = start + WINDOW_S * TICKS_PER_S
        cuts: list[Series] = []
        for number, node in enumerate(self._served):
            series = self._timeline.series(node)
            low, high = np.searchsorted(series.delivered_ticks, [start, end], "right")
            cuts.append(_cut(series, int(low), int(high)))
            if set_current and low:
                await _write(self._held[number], _spoken(node, series, low - 1))
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)
        self._until = end
        return _in_order(cuts)


def _cut(series: Series, low: int, high: int) -> Series:
    return Series(
        series.source_ticks[low:high].copy(),
        series.server_ticks[low:high].copy(),
        series.delivered_ticks[low:high].copy(),
        series.values[low:high].copy(),
        series.status[low:high].copy(),
    )


def _in_order(cuts: list[Series]) -> _Ahead:
    sizes = [len(cut.delivered_ticks) for cut in cuts]
    if not sum(sizes):
        return _Ahead(np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int64), cuts)
    delivered = np.concatenate([cut.delivered_ticks for cut in cuts])
    node = np.repeat(np.arange(len(cuts), dtype=np.int32), sizes)
    position = np.concatenate([np.arange(size) for size in sizes])
    order = np.argsort(delivered, kind="stable")
    return _Ahead(delivered[order], node[order], position[order], cuts)


def _spoken(node: Served, series: Series, position: int) -> SpokenValue:
    value = series.values[position]
    source, server = int(series.source_ticks[position]), int(series.server_ticks[position])
    spoken = SpokenValue(
        as_variant(value, ua.VariantType[node.value_type], node.is_array),
        ua.StatusCode(ua.UInt32(int(series.status[position]))),
        _time(source),
        _time(server),
    )
    spoken.wire = data_value_list(node, series, np.array([position]))[0]
    return spoken


def _time(ticks: int) -> ua.DateTime | None:
    return cast(ua.DateTime, time_of(ticks)) if ticks else None


async def _write(held: AttributeValue, value: SpokenValue) -> None:
    held.value = value
    for handle, callback in list(held.datachange_callbacks.items()):
        await callback(handle, value)
