"""What a server takes in one call, and calls that keep to it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence, Sized
from dataclasses import dataclass
from typing import Final, TypeVar

from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError, UaStatusCodeError

TOO_MUCH: Final = frozenset(
    {
        StatusCodes.BadTooManyOperations,
        StatusCodes.BadResponseTooLarge,
        StatusCodes.BadRequestTooLarge,
        StatusCodes.BadEncodingLimitsExceeded,
        StatusCodes.BadTcpMessageTooLarge,
    }
)
"""Answers that mean: ask for less at once."""
Item = TypeVar("Item")
Result = TypeVar("Result")
Answer = TypeVar("Answer", bound=Sized)


@dataclass(frozen=True, slots=True)
class Limits:
    """Operations per call: what the server allows, at most what is wise."""

    read: int = 1000
    browse: int = 500
    history: int = 500
    items: int = 200  # more than 200 items a call are 50 times slower on some controllers


async def in_chunks(
    items: Sequence[Item],
    size: int,
    send: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
    learn: Callable[[int], None] = lambda size: None,
) -> list[Result]:
    """`send` chunks of at most `size` items, smaller where the server finds that too many.

    `learn` is told the size that it took after it had found a larger one too many.
    """
    return [one async for answer in answers(items, size, send, learn) for one in answer]


async def answers(
    items: Sequence[Item],
    size: int,
    send: Callable[[Sequence[Item]], Awaitable[Answer]],
    learn: Callable[[int], None] = lambda size: None,
) -> AsyncIterator[Answer]:
    """What `in_chunks` joins: the answer to every chunk, as long as the chunk."""
    done, halved = 0, False
    while done < len(items):
        part = items[done : done + size]
        try:
            answer = await send(part)
        except UaStatusCodeError as error:
            if error.code not in TOO_MUCH or len(part) == 1:
                raise
            size, halved = max(1, len(part) // 2), True
            continue
        if len(answer) != len(part):
            raise UaError(f"{len(part)} operations sent, {len(answer)} results came back")
        if halved:
            learn(size)
        done += len(part)
        yield answer
