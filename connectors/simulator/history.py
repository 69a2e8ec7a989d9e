"""HistoryRead answered from the timeline: nothing is stored, nothing is copied per value.

asyncua's own manager continues by timestamp and so loses or repeats values of equal time; here a
continuation point is a position in one snapshot (what was delivered when the read began).
"""

import asyncio
import struct
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from asyncua import ua
from asyncua.server.history import HistoryManager
from asyncua.server.internal_server import InternalServer
from asyncua.ua.status_codes import StatusCodes

from connectors.simulator.clock import SimClock
from connectors.simulator.encoding import Index, history_body
from connectors.simulator.nodes import Series, Served, SiteTimeline

PAGE_VALUES: Final = 50_000
"""Most values of one node in a response: 1.5 MB of Doubles."""
RESPONSE_VALUES: Final = 200_000
"""Values of a whole response are kept to this by sharing it between its nodes."""
_KEPT_SERIES: Final = 128

_BODY_TYPE: Final = ua.typeid_by_extension_objects[ua.HistoryData]
_OPEN_END: Final = np.iinfo(np.int64).max
_POINT: Final = struct.Struct("<4sIqqqqq")
_MAGIC: Final = b"pph1"


class _RefusedError(Exception):
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class _Window:
    """What a read still has to give: `taken` values are done, `left` may follow (-1: all)."""

    as_of: int
    start: int
    end: int
    taken: int
    left: int


@dataclass(frozen=True, slots=True)
class _Ordered:
    """A series with its history order: by time, then by delivery."""

    series: Series
    ticks: npt.NDArray[np.int64]
    order: Index

    @classmethod
    def of(cls, series: Series) -> "_Ordered":
        ticks = np.where(series.source_ticks > 0, series.source_ticks, series.server_ticks)
        order = np.argsort(ticks, kind="stable")
        return cls(series, ticks[order], order)

    def select(self, window: _Window) -> Index:
        """Part 11: start <= t < end, or backwards end < t <= start; both equal: t == start."""
        start, end = window.start, window.end
        if start <= end:
            low = np.searchsorted(self.ticks, start, "left")
            high = np.searchsorted(self.ticks, end, "right" if start == end else "left")
        else:
            low = np.searchsorted(self.ticks, end, "right")
            high = np.searchsorted(self.ticks, start, "right")
        chosen = self.order[low:high]
        chosen = chosen[self.series.delivered_ticks[chosen] <= window.as_of]
        return chosen if start <= end else chosen[::-1]


class TimelineHistory(HistoryManager):
    """Raw history of one server's nodes; bounding values and modified history are not served."""

    def __init__(
        self,
        iserver: InternalServer,
        timeline: SiteTimeline,
        nodes: Mapping[ua.NodeId, Served],
        clock: SimClock,
    ) -> None:
        super().__init__(iserver)
        self._timeline, self._nodes, self._clock = timeline, nodes, clock
        self._kept: OrderedDict[str, _Ordered] = OrderedDict()

    async def read_history(self, params: ua.HistoryReadParameters) -> list[ua.HistoryReadResult]:
        """One result per node, pages short enough for the whole response."""
        if params.ReleaseContinuationPoints:
            return [ua.HistoryReadResult() for _ in params.NodesToRead]
        page = max(1, min(PAGE_VALUES, RESPONSE_VALUES // max(1, len(params.NodesToRead))))
        results = []
        for item in params.NodesToRead:
            try:
                results.append(self._read(params.HistoryReadDetails, item, page))
            except _RefusedError as refused:
                results.append(_refused(refused.code))
            await asyncio.sleep(0)
        return results

    def _read(
        self, details: object, item: ua.HistoryReadValueId, page: int
    ) -> ua.HistoryReadResult:
        if not isinstance(details, ua.ReadRawModifiedDetails) or details.IsReadModified:
            raise _RefusedError(StatusCodes.BadHistoryOperationUnsupported)
        node = self._nodes.get(item.NodeId)
        if node is None or not node.historized:
            known = item.NodeId in self.iserver.aspace
            unsupported = StatusCodes.BadHistoryOperationUnsupported
            raise _RefusedError(unsupported if known else StatusCodes.BadNodeIdUnknown)
        if item.ContinuationPoint:
            window = _unpack_point(item.ContinuationPoint, node)
        else:
            window = _window(details, self._clock.ticks())
        return self._page(node, window, min(page, details.NumValuesPerNode or page))

    def _page(self, node: Served, window: _Window, page: int) -> ua.HistoryReadResult:
        ordered = self._ordered(node)
        chosen = ordered.select(window)
        if window.left >= 0:
            chosen = chosen[: window.taken + window.left]
        given = chosen[window.taken : window.taken + page]
        result = ua.HistoryReadResult()
        body = history_body(node, ordered.series, given)
        result.HistoryData = ua.ExtensionObject(_BODY_TYPE, ua.ByteString(body))
        if window.taken + len(given) < len(chosen):
            result.ContinuationPoint = _pack_point(node, window, len(given))
        if not len(chosen):
            result.StatusCode = ua.StatusCode(ua.UInt32(StatusCodes.GoodNoData))
        return result

    def _ordered(self, node: Served) -> _Ordered:
        if node.node_id not in self._kept:
            self._kept[node.node_id] = _Ordered.of(self._timeline.series(node))
            if len(self._kept) > _KEPT_SERIES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(node.node_id)
        return self._kept[node.node_id]


def _window(details: ua.ReadRawModifiedDetails, as_of: int) -> _Window:
    """The range asked for; with one bound only, NumValuesPerNode is the total (Part 11, 6.5.3)."""
    start, end = (ua.datetime_to_win_epoch(t) for t in (details.StartTime, details.EndTime))
    count = details.NumValuesPerNode or -1
    if start and end:
        return _Window(as_of, start, end, 0, -1)
    if start:
        return _Window(as_of, start, _OPEN_END, 0, count)
    if end:
        return _Window(as_of, end, 0, 0, count)
    raise _RefusedError(StatusCodes.BadHistoryOperationInvalid)


def _pack_point(node: Served, window: _Window, given: int) -> bytes:
    left = window.left - given if window.left >= 0 else -1
    check = zlib.crc32(node.node_id.encode())
    taken = window.taken + given
    return _POINT.pack(_MAGIC, check, window.as_of, window.start, window.end, taken, left)


def _unpack_point(point: bytes, node: Served) -> _Window:
    if len(point) == _POINT.size:
        magic, check, *numbers = _POINT.unpack(point)
        if magic == _MAGIC and check == zlib.crc32(node.node_id.encode()):
            return _Window(*numbers)
    raise _RefusedError(StatusCodes.BadContinuationPointInvalid)


def _refused(code: int) -> ua.HistoryReadResult:
    result = ua.HistoryReadResult()
    result.StatusCode = ua.StatusCode(ua.UInt32(code))
    return result
