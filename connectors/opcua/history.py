"""HistoryRead (raw) of many nodes per call, decoded from bytes, continued to its end."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

from connectors.opcua.decode import DataValues, Reader
from connectors.opcua.limits import TOO_MUCH
from connectors.opcua.session import Session
from connectors.raw import TICKS_PER_S, ticks_of, time_of

HISTORY_TIMEOUT_S: Final = 60.0
"""A page of a busy historian takes longer than any other answer."""
_FIRST_NODES: Final = 16
_FEW_VALUES: Final = 20_000
_MANY_VALUES: Final = 150_000
"""Nodes per call grow below the first and shrink above the second: about 1 to 5 MB an answer."""
_SAME_START_TICKS: Final = 300 * TICKS_PER_S
"""Nodes are asked together when their starts are this near: the rest would be read in vain."""
_SHORTEST_TICKS: Final = TICKS_PER_S
_UNBOUNDED: Final = 0
"""A null start time: values are read backwards from the end."""
_STANDING_NODES: Final = 500
_LESS: Final = TOO_MUCH | {StatusCodes.BadTimeout}
_LOST: Final = frozenset(
    {
        StatusCodes.BadSessionIdInvalid,
        StatusCodes.BadSessionClosed,
        StatusCodes.BadSecureChannelIdInvalid,
        StatusCodes.BadSecureChannelClosed,
        StatusCodes.BadConnectionClosed,
        StatusCodes.BadServerHalted,
        StatusCodes.BadShutdown,
    }
)
"""Answers that mean the connection, not the question."""
_NO_DATA: Final = frozenset({StatusCodes.GoodNoData, StatusCodes.BadNoData})
_DATA_TYPES: Final = frozenset(
    f"nsu=http://opcfoundation.org/UA/;i={number}"
    for number in (
        ObjectIds.HistoryData_Encoding_DefaultBinary,
        ObjectIds.HistoryModifiedData_Encoding_DefaultBinary,
    )
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A node (`key` is the caller's) and the source time from which its values are wanted."""

    key: int
    node_id: ua.NodeId
    start_ticks: int
    point: bytes | None = None
    page: tuple[int, int, int] | None = None
    """Count, first and last ticks of the page before: a page that comes again is a dead end."""


@dataclass(slots=True)
class Outcome:
    """How a back-fill goes: values read, nodes read to their end, the status of failures."""

    values: int = 0
    failed: dict[int, int] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)


OnPage = Callable[[int, DataValues], Awaitable[None]]


async def read_raw(
    session: Session,
    wanted: Sequence[Wanted],
    end_ticks: int,
    on_page: OnPage,
    outcome: Outcome | None = None,
) -> Outcome:
    """Every raw value of every node from its start to `end_ticks`, page by page to `on_page`.

    A node that the server refuses is in `Outcome.failed` and does not stop the others; a loss of
    the connection is raised, and the next call goes on where `outcome` stands.
    """
    outcome = outcome or Outcome()
    nodes = _FIRST_NODES
    rest = sorted((w for w in wanted if w.key not in outcome.done), key=lambda w: w.start_ticks)
    while rest:
        part = list(_together(rest, min(nodes, session.limits.history)))
        before = outcome.values
        await _read_window(session, part, part[0].start_ticks, end_ticks, on_page, outcome)
        rest = rest[len(part) :]
        outcome.done.update(w.key for w in part)
        got = outcome.values - before
        nodes = nodes * 2 if got < _FEW_VALUES else nodes // 2 if got > _MANY_VALUES else nodes
        nodes = min(max(nodes, 1), session.limits.history)
    return outcome


async def read_standing(
    session: Session, wanted: Sequence[Wanted], at_ticks: int, on_page: OnPage
) -> int:
    """The value of each node that stood at `at_ticks`: one read backwards (Part 11, 6.5.3.2).

    Gives how many nodes had one. What the server refuses here costs only the carried-in state, so
    it is no failure.
    """
    found = 0
    most = max(1, min(session.limits.history, _STANDING_NODES))
    for begin in range(0, len(wanted), most):
        part = wanted[begin : begin + most]
        request = _request(part, _UNBOUNDED, at_ticks, count=1)
        try:
            reader = await session.call(request, HISTORY_TIMEOUT_S)
        except UaStatusCodeError:
            return found
        reader.length()
        for one in part:
            status, _, values = _result(reader)
            if not status & 0x80000000 and values.count:
                found += 1
                await on_page(one.key, values)
    return found


def _together(rest: Sequence[Wanted], most: int) -> Iterator[Wanted]:
    for wanted in rest[:most]:
        if wanted.start_ticks - rest[0].start_ticks > _SAME_START_TICKS:
            return
        yield wanted


async def _read_window(
    session: Session,
    part: Sequence[Wanted],
    start: int,
    end: int,
    on_page: OnPage,
    outcome: Outcome,
) -> None:
    """All pages of some nodes; asks for fewer nodes, then for less time, where that fails."""
    try:
        await _read_pages(session, part, start, end, on_page, outcome)
    except (UaStatusCodeError, TimeoutError) as error:
        code = StatusCodes.BadTimeout if isinstance(error, TimeoutError) else error.code
        if code in _LOST:
            raise
        if len(part) > 1:
            middle = len(part) // 2
            await _read_window(session, part[:middle], start, end, on_page, outcome)
            await _read_window(session, part[middle:], start, end, on_page, outcome)
        elif code in _LESS and end - start > 2 * _SHORTEST_TICKS:
            half = _half(start, end)
            await _read_window(session, part, start, half, on_page, outcome)
            await _read_window(session, part, half, end, on_page, outcome)
        else:
            outcome.failed[part[0].key] = code


def _half(start: int, end: int) -> int:
    """Where to part a window; the far future holds little and goes first."""
    tomorrow = ticks_of(datetime.now(UTC)) + 86_400 * TICKS_PER_S
    middle = start + (end - start) // 2
    return tomorrow if start + _SAME_START_TICKS < tomorrow < middle else middle


async def _read_pages(
    session: Session,
    part: Sequence[Wanted],
    start: int,
    end: int,
    on_page: OnPage,
    outcome: Outcome,
) -> None:
    pending = [replace(wanted, point=None, page=None) for wanted in part]
    try:
        while pending:
            reader = await session.call(_request(pending, start, end), HISTORY_TIMEOUT_S)
            asked, pending = pending, []
            count = reader.length()
            if count != len(asked):
                raise UaError(f"history of {len(asked)} nodes asked, {count} came back")
            for wanted in asked:
                status, point, values = _result(reader)
                if status & 0x80000000 and status not in _NO_DATA:
                    outcome.failed[wanted.key] = status
                    continue
                if values.count:
                    outcome.values += values.count
                    await on_page(wanted.key, values)
                if point:
                    _continue(wanted, point, values, pending, outcome)
    except BaseException:
        await _release(session, pending, start, end)
        raise


def _continue(
    wanted: Wanted, point: bytes, values: DataValues, pending: list[Wanted], outcome: Outcome
) -> None:
    ticks = values.source_ticks
    page = (values.count, int(ticks[0]), int(ticks[-1])) if values.count else (0, 0, 0)
    if (point, page) == (wanted.point, wanted.page):
        outcome.failed[wanted.key] = StatusCodes.BadContinuationPointInvalid
    else:
        pending.append(replace(wanted, point=point, page=page))


def _result(r: Reader) -> tuple[int, bytes | None, DataValues]:
    """One HistoryReadResult: status, continuation point, values."""
    status, point = r.number("<I"), r.byte_string()
    type_id, encoding = r.node_id(), r.number("<B")
    body = r.byte_string() if encoding else None
    if body and type_id in _DATA_TYPES:
        return status, point, DataValues.decode(Reader(body, 0, r.namespaces))
    return status, point, DataValues(0)


def _request(
    nodes: Sequence[Wanted], start: int, end: int, *, release: bool = False, count: int = 0
) -> ua.HistoryReadRequest:
    request = ua.HistoryReadRequest()
    parameters = request.Parameters
    parameters.HistoryReadDetails = ua.ReadRawModifiedDetails(
        IsReadModified=False,
        StartTime=time_of(start),
        EndTime=time_of(end),
        NumValuesPerNode=ua.UInt32(count),
        ReturnBounds=False,
    )
    parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
    parameters.ReleaseContinuationPoints = release
    parameters.NodesToRead = [
        ua.HistoryReadValueId(NodeId=wanted.node_id, ContinuationPoint=wanted.point)
        for wanted in nodes
    ]
    return request


async def _release(session: Session, nodes: Sequence[Wanted], start: int, end: int) -> None:
    """Hand back continuation points that will not be used: servers have few."""
    held = [wanted for wanted in nodes if wanted.point]
    if held:
        with contextlib.suppress(OSError, TimeoutError, UaError):
            async with asyncio.timeout(2):
                await session.call(_request(held, start, end, release=True))
