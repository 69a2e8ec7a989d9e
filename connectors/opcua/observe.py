"""How values behave while they are watched for a few seconds."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal

from asyncua.ua.attribute_ids import AttributeIds

from connectors.opcua.browse import Variable
from connectors.opcua.session import Session

Value = float | int | str
Kind = Literal["unseen", "counts", "grows", "codes", "flag", "signal", "steady", "text"]

EVERY_S: Final = 0.5
MOST_SAMPLES: Final = 40
MOST_NODES: Final = 20_000
"""A plant that is larger is watched in part: its names and types are read all the same."""
FEW: Final = 8
LARGEST_CODE: Final = 255
_REAL: Final = ("Float", "Double")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a variable did: its `kind`, and the distinct values it showed, in order of value.

    counts: whole numbers that never fell; grows: real ones; codes: few small whole numbers; flag: a
    Boolean; signal: moves up and down; steady: one number all the time.
    """

    kind: Kind
    values: tuple[Value, ...] = ()
    rose_by: float = 0.0

    @property
    def said(self) -> str:
        """In a few words, for the `why` of a proposal."""
        shown = ", ".join(str(value) for value in self.values[:FEW])
        match self.kind:
            case "counts" | "grows":
                return f"only rose, by {self.rose_by:g}"
            case "codes":
                return f"took the codes {shown}"
            case "flag":
                return f"a Boolean, was {shown}"
            case "signal":
                return f"moved between {self.values[0]:.6g} and {self.values[-1]:.6g}"
            case "steady":
                return f"stayed at {shown}"
            case "text":
                return f"text: {shown[:40]}"
            case _:
                return "not observed"


UNSEEN: Final = Behaviour("unseen")


async def watch(
    session: Session, variables: Sequence[Variable], seconds: float
) -> dict[str, list[Value]]:
    """Values of readable variables, read again and again for `seconds`, by NodeId text.

    Bad values and what is no scalar are left out; the value that browsing read comes first.
    """
    watched = [variable for variable in variables if variable.readable][:MOST_NODES]
    seen: dict[str, list[Value]] = {
        variable.text: _scalar([variable.value]) for variable in watched
    }
    wanted = [(variable.node_id, AttributeIds.Value) for variable in watched]
    every_s = max(EVERY_S, seconds / MOST_SAMPLES)
    until = time.monotonic() + seconds
    for _ in range(MOST_SAMPLES if wanted else 0):
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        await asyncio.sleep(min(every_s, left_s))
        for variable, read in zip(watched, await session.read(wanted), strict=True):
            seen[variable.text] += _scalar([read])
    return seen


def _scalar(read: Sequence[object]) -> list[Value]:
    return [
        value
        for one in read
        if not getattr(one, "status_code", 0) & 0x80000000
        and isinstance(value := getattr(one, "value", None), float | int | str)
    ]


def behaviour(values: Sequence[Value], data_type: str | None) -> Behaviour:
    """What these values, in order of time, look like."""
    if not values:
        return UNSEEN
    if any(isinstance(value, str) for value in values):
        return Behaviour("text", tuple(sorted({str(value) for value in values})))
    numbers = [float(value) for value in values]
    distinct = tuple(_number(value) for value in sorted(set(numbers)))
    if data_type == "Boolean":
        return Behaviour("flag", distinct)
    is_whole = all(number.is_integer() for number in numbers)
    pairs = list(pairwise(numbers))
    rises = all(later >= earlier for earlier, later in pairs) and len(distinct) > 1
    is_small = min(numbers) >= 0 and max(numbers) <= LARGEST_CODE
    is_code = is_whole and is_small and len(distinct) <= FEW and data_type not in _REAL
    if rises and numbers[0] >= 0 and not (is_code and len(distinct) == 2 and len(pairs) > 3):
        rose = numbers[-1] - numbers[0]
        return Behaviour("counts" if is_whole else "grows", distinct, rose)
    if len(distinct) == 1:
        return Behaviour("steady", distinct)
    return Behaviour("codes" if is_code else "signal", distinct)


def _number(value: float) -> Value:
    return int(value) if value.is_integer() else value
