"""Columns of DataValues, and reading one DataValue into its row."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from connectors.opcua.variants import (
    BYTE_STRING,
    DIAGNOSTIC_INFO,
    EXTENSION_OBJECT,
    FIXED,
    RAW,
    TEXT,
    TYPE_NAMES,
    array,
    built_in,
    compact,
    element,
    extension_object,
)
from connectors.opcua.wire import MalformedError, Reader

VALUE, STATUS, SOURCE, SERVER, SOURCE_PICOSECONDS, SERVER_PICOSECONDS = 1, 2, 4, 8, 16, 32
"""Bits of a DataValue's first byte: which fields follow. On the wire they stand in the order of
TAIL, picoseconds behind their timestamp."""
TAIL: Final = (
    (STATUS, 4), (SOURCE, 8), (SOURCE_PICOSECONDS, 2), (SERVER, 8), (SERVER_PICOSECONDS, 2),
)  # fmt: skip
"""What follows the value, in order, with its bytes."""


class Stretch(NamedTuple):
    """DataValues that lie one behind the other: where the first begins, the bytes end, how many."""

    begin: int
    end: int
    rows: int

    def check(self, pos: int) -> None:
        """Refuse DataValues that reached beyond their bytes."""
        if pos > self.end:
            raise MalformedError(f"{self.rows} DataValues in {self.end - self.begin} bytes")


class Columns:
    """One numpy array per field, a row per DataValue.

    A text, GUID, DateTime or ByteString is only pointed at: it lies at `starts` of `data` with
    `sizes` bytes (`starts` 0: in `made_texts` or `made_raws`). `columns` says where a value is.
    """

    def __init__(self, count: int, data: bytes = b"") -> None:
        self.count, self.data = count, data
        self.handles = np.zeros(count, np.uint32)
        self.has_source = np.zeros(count, bool)
        self.has_server = np.zeros(count, bool)
        self.source_ticks = np.zeros(count, np.int64)
        self.server_ticks = np.zeros(count, np.int64)
        self.types = np.zeros(count, np.int32)
        self.is_array = np.zeros(count, bool)
        self.columns = np.zeros(count, np.uint8)
        self.floats = np.zeros(count, np.float64)
        self.ints = np.zeros(count, np.int64)
        self.uints = np.zeros(count, np.uint64)
        self.status = np.zeros(count, np.uint32)
        self.starts = np.zeros(count, np.int64)
        self.sizes = np.zeros(count, np.int64)
        self.made_texts: dict[int, str] = {}
        self.made_raws: dict[int, bytes] = {}
        self.is_compiled = False
        """True where `_walk.c` has found them, which then spells them too."""

    def numbers(self, column: int) -> npt.NDArray[np.float64 | np.int64 | np.uint64]:
        """The array of a numeric column."""
        return (self.floats, self.ints, self.uints)[column - 1]

    def read_one(self, r: Reader, row: int, prefix: int) -> None:
        """Read the DataValue at the reader, whatever it holds, behind its handle if `prefix`."""
        if prefix:
            self.handles[row] = r.number("<I")
        mask = r.number("<B")
        if mask & VALUE:
            self._variant(r, row)
        if mask & STATUS:
            self.status[row] = r.number("<I")
        if mask & SOURCE:
            self.source_ticks[row], self.has_source[row] = r.number("<q"), True
        if mask & SOURCE_PICOSECONDS:
            r.take(2)
        if mask & SERVER:
            self.server_ticks[row], self.has_server[row] = r.number("<q"), True
        if mask & SERVER_PICOSECONDS:
            r.take(2)

    def _variant(self, r: Reader, row: int) -> None:
        first = r.number("<B")
        kind = built_in(first)
        if kind == 0:
            return
        self.types[row] = kind if kind < len(TYPE_NAMES) else 0
        if first & 0x80:
            self.is_array[row] = True
            elements = array(r, kind, first)
            if elements is not None:
                self._text(row, compact(elements))
        elif kind in FIXED:
            form, _, column = FIXED[kind]
            self.numbers(column)[row] = r.number("<" + form)
            self.columns[row] = column
        else:
            self._other(r, row, kind)

    def _other(self, r: Reader, row: int, kind: int) -> None:
        start = r.pos
        if kind == BYTE_STRING:
            self._raw(row, r.byte_string())
        elif kind == EXTENSION_OBJECT:
            decoded = extension_object(r)
            if decoded is None:
                self._raw(row, r.data[start : r.pos])
            else:
                self._text(row, compact(decoded))
        elif kind == DIAGNOSTIC_INFO:
            r.diagnostic_info()
            self._raw(row, r.data[start : r.pos])
        else:
            value = element(r, kind)
            if value is not None:
                self._text(row, value if isinstance(value, str) else compact(value))

    def _text(self, row: int, text: str) -> None:
        self.columns[row] = TEXT
        self.made_texts[row] = text

    def _raw(self, row: int, part: bytes | None) -> None:
        if part is not None:
            self.columns[row] = RAW
            self.made_raws[row] = part
