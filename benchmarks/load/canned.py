"""DataChangeNotifications as bytes, made once with numpy; only times are written per message."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

DOUBLES: Final = ("Double",)
MIXED: Final = (
    "Double", "Int32", "Boolean", "UInt16", "Int64", "String", "Float", "DateTime",
)  # fmt: skip
"""Neighbours of unlike size and layout: no run of equal rows anywhere."""
TYPES: Final = {"double": DOUBLES, "mixed": MIXED}

_IDS: Final = {
    "Boolean": 1, "UInt16": 5, "Int32": 6, "Int64": 8, "Float": 10, "Double": 11, "String": 12,
    "DateTime": 13,
}  # fmt: skip
_FORMS: Final = {
    "Boolean": "u1", "UInt16": "<u2", "Int32": "<i4", "Int64": "<i8", "Float": "<f4",
    "Double": "<f8", "DateTime": "<i8", "String": "S8",
}  # fmt: skip
_MASK: Final = 0x01 | 0x04 | 0x08
"""Value, source and server timestamp: what a server sends for a good value."""
_TEXT_BYTES: Final = 8
_FIRST_DATE_TICKS: Final = 134_000_000_000_000_000


def type_id(name: str) -> int:
    """The id of a built-in type."""
    return _IDS[name]


def row_bytes(name: str) -> int:
    """Bytes of one MonitoredItemNotification of this type."""
    return 4 + 2 + (4 if name == "String" else 0) + np.dtype(_FORMS[name]).itemsize + 16


def _layout(cycle: Sequence[str]) -> np.dtype[np.void]:
    fields: list[tuple[str, str]] = []
    for at, name in enumerate(cycle):
        fields += [(f"handle{at}", "<u4"), (f"mask{at}", "u1"), (f"type{at}", "u1")]
        fields += [(f"length{at}", "<i4")] if name == "String" else []
        fields += [(f"value{at}", _FORMS[name]), (f"source{at}", "<i8"), (f"server{at}", "<i8")]
    return np.dtype(fields)


def values(name: str, count: int, random: np.random.Generator) -> npt.NDArray[np.generic]:
    """Readings as sensors give them: no two rows alike, so that nothing compresses for free."""
    if name in ("Double", "Float"):
        return random.normal(20, 5, count).astype(_FORMS[name])
    if name == "Boolean":
        return random.integers(0, 2, count).astype("u1")
    if name == "String":
        return np.array([b"L%07d" % n for n in random.integers(0, 10**7, count)], "S8")
    if name == "DateTime":
        return _FIRST_DATE_TICKS + random.integers(0, 10**15, count)
    return random.integers(0, 60_000, count).astype(_FORMS[name])


class Canned:
    """One notification's rows; `at` gives its bytes with the times of this message."""

    def __init__(self, handles: Sequence[int], types: Sequence[str], seed: int = 0) -> None:
        self.rows = len(handles)
        cycle = _cycle(types)
        self._width = len(cycle)
        self._rows = np.zeros(self.rows // self._width, _layout(cycle))
        random = np.random.default_rng(seed)
        self._apart = random.random(self.rows).reshape(-1, self._width) * 0.9
        self._values = [
            [values(name, len(self._rows), random) for name in cycle] for _ in range(_VARIANTS)
        ]
        self._turn = 0
        of_column = np.array(handles, np.uint32).reshape(-1, self._width)
        for at, name in enumerate(cycle):
            self._rows[f"handle{at}"] = of_column[:, at]
            self._rows[f"mask{at}"], self._rows[f"type{at}"] = _MASK, _IDS[name]
            if name == "String":
                self._rows[f"length{at}"] = _TEXT_BYTES

    def at(self, first_ticks: int, span_ticks: int) -> bytes:
        """The body: every row sampled at its own moment of the span, other values than last time.

        The server took them up at the end of the span.
        """
        source = first_ticks + (self._apart * span_ticks).astype(np.int64)
        for at, column in enumerate(self._values[self._turn]):
            self._rows[f"value{at}"] = column
            self._rows[f"source{at}"] = source[:, at]
            self._rows[f"server{at}"] = first_ticks + span_ticks
        self._turn = (self._turn + 1) % _VARIANTS
        return b"".join((self.rows.to_bytes(4, "little"), self._rows.tobytes(), _NO_DIAGNOSTICS))


_VARIANTS: Final = 3
_NO_DIAGNOSTICS: Final = b"\xff\xff\xff\xff"


def _cycle(types: Sequence[str]) -> Sequence[str]:
    """The shortest pattern that repeats without a rest: fewer columns, fewer numpy calls."""
    for known in (DOUBLES, MIXED):
        whole, rest = divmod(len(types), len(known))
        if not rest and list(types) == list(known) * whole:
            return known
    return types
