"""Bytes of DataValues (OPC UA part 6) to the columns of RAW_SCHEMA.

`DataValues.decode` walks them in bulk (`walk`); `fast=False` is its slow twin (`twin`). Picoseconds
are read over: RAW_SCHEMA keeps 100 ns.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.opcua import pieces, twin, walk
from connectors.opcua.columns import Columns, Stretch
from connectors.opcua.variants import (
    DATE_TIME,
    FLOAT,
    GUID,
    INT,
    NONE,
    RAW,
    TEXT,
    TYPE_NAMES,
    UINT,
    date_time,
)
from connectors.opcua.walk import walker_in_use
from connectors.opcua.wire import MalformedError, Reader
from connectors.raw import RAW_SCHEMA

__all__ = ["TYPE_NAMES", "DataValues", "MalformedError", "Reader", "rows_of", "walker_in_use"]

Made: TypeAlias = Mapping[int, str] | Mapping[int, bytes]
_COUNT, _HANDLE = 4, 4
"""Bytes of a notification's count, and of the handle before each DataValue in it."""
_MADE: Final = -1
_TYPE_WORDS: Final = pa.array(TYPE_NAMES, pa.string())
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_TIME: Final = RAW_SCHEMA.field("received_time").type


def rows_of(body: bytes) -> int:
    """The values that a DataChangeNotification says it holds."""
    return max(int.from_bytes(body[:_COUNT], "little", signed=True), 0)


class DataValues(Columns):
    """Decoded DataValues as columns: numpy arrays, and texts and bytes by row."""

    @classmethod
    def decode(
        cls,
        r: Reader,
        *,
        with_handles: bool = False,
        fast: bool = True,
        walker: walk.Walk | None = None,
    ) -> "DataValues":
        """An array of DataValues (or MonitoredItemNotifications) at the reader; moves behind it.

        Raises:
            MalformedError: the bytes are not what part 6 allows, or there are too few.
        """
        count = max(r.length(), 0)
        prefix = 4 if with_handles else 0
        if count * (prefix + 1) > len(r.data) - r.pos:
            raise MalformedError(f"{count} DataValues in {len(r.data) - r.pos} bytes")
        values = cls(count, r.data)
        if count:
            fill = walker or walk.chosen() if fast else twin.fill
            fill(values, r, prefix, [Stretch(r.pos, len(r.data), count)])
        return values

    @classmethod
    def of_notifications(
        cls,
        bodies: Sequence[bytes],
        namespaces: Sequence[str],
        *,
        fast: bool = True,
        walker: walk.Walk | None = None,
    ) -> "DataValues":
        """The values of many DataChangeNotifications (their bodies), one behind the other.

        Raises:
            MalformedError: one of them is not what part 6 allows.
        """
        stretches, base = [], 0
        for body in bodies:
            count = rows_of(body)
            if count * (_HANDLE + 1) > len(body) - _COUNT:
                raise MalformedError(f"{count} DataValues in {len(body)} bytes")
            stretches.append(Stretch(base + _COUNT, base + len(body), count))
            base += len(body)
        data = bodies[0] if len(bodies) == 1 else b"".join(bodies)
        values = cls(sum(one.rows for one in stretches), data)
        reader = Reader(data, 0, namespaces)
        fill = walker or walk.chosen() if fast else twin.fill
        fill(values, reader, _HANDLE, stretches)
        return values

    @classmethod
    def joined(cls, parts: Sequence["DataValues"]) -> "DataValues":
        """The rows of several one behind the other."""
        if len(parts) == 1:
            return parts[0]
        found = cls(sum(part.count for part in parts), b"".join([part.data for part in parts]))
        row = place = 0
        for part in parts:
            rows = slice(row, row + part.count)
            for name in _ARRAYS:
                getattr(found, name)[rows] = getattr(part, name)
            found.starts[rows] += np.where(part.starts > 0, place, 0)
            found.made_texts |= {row + at: text for at, text in part.made_texts.items()}
            found.made_raws |= {row + at: raw for at, raw in part.made_raws.items()}
            row, place = rows.stop, place + len(part.data)
        found.is_compiled = all(part.is_compiled for part in parts)
        return found

    def __len__(self) -> int:
        return self.count

    @property
    def texts(self) -> dict[int, str]:
        """The texts by row, JSON of arrays and structures among them."""
        return {row: str(self.value(row)) for row in np.flatnonzero(self.columns == TEXT).tolist()}

    @property
    def raws(self) -> dict[int, bytes]:
        """ByteStrings and what could not be decoded, by row."""
        return {row: self._raw_at(row) for row in np.flatnonzero(self.columns == RAW).tolist()}

    def value(self, row: int) -> float | int | str | bytes | None:
        """The value of one row as Python has it (texts and JSON as text)."""
        column = self.columns[row]
        if column == NONE:
            return None
        if column == TEXT:
            return self._text_at(row)
        if column == RAW:
            return self._raw_at(row)
        found: float | int = self.numbers(column)[row].item()
        return found

    def values(self) -> list[float | int | str | bytes | None]:
        """`value` of every row, at a tenth of its cost."""
        columns, count = self.columns, self.count
        found: list[Any] = [None] * count
        for column, held in enumerate(_counted(columns)):
            if not held or column == NONE:
                continue
            rows = np.flatnonzero(columns == column)
            if column in (TEXT, RAW):
                at = self._text_at if column == TEXT else self._raw_at
                for row in rows.tolist():
                    found[row] = at(row)
            elif held == count:
                return list(self.numbers(column).tolist())
            else:
                numbers = self.numbers(column)[rows].tolist()
                for row, number in zip(rows.tolist(), numbers, strict=True):
                    found[row] = number
        return found

    def _text_at(self, row: int) -> str:
        if not self.starts[row]:
            return self.made_texts[row]
        part, kind = self._part(row), self.types[row]
        if kind == DATE_TIME:
            return date_time(int.from_bytes(part, "little", signed=True))
        return Reader(part).guid() if kind == GUID else part.decode("utf-8", "backslashreplace")

    def _raw_at(self, row: int) -> bytes:
        return self._part(row) if self.starts[row] else self.made_raws[row]

    def _part(self, row: int) -> bytes:
        start = int(self.starts[row])
        return self.data[start : start + int(self.sizes[row])]

    def batch(
        self,
        *,
        server_uri: str,
        nodes: pa.Array,
        codes: npt.NDArray[np.int32],
        received: datetime | npt.NDArray[np.int64],
        origin: str,
    ) -> pa.RecordBatch:
        """The rows as RAW_SCHEMA; `codes` are each row's place in the dictionary `nodes`.

        `received` is one time for all, or the µs since 1970 of every row.
        """
        count = self.count
        if isinstance(received, datetime):
            received = np.full(count, (received - _EPOCH) // _US, np.int64)
        held = _counted(self.columns)

        def column(kind: pa.DataType, which: int) -> pa.Array:
            if not held[which]:
                return _nulls(kind, _room(count)).slice(0, count)
            if which in (TEXT, RAW):
                return self._piece_column(kind, which)
            known = None if held[which] == count else self.columns == which
            return _array(kind, self.numbers(which), known)

        columns = [
            _constant(server_uri, _room(count)).slice(0, count),
            pa.DictionaryArray.from_arrays(_array(pa.int32(), np.asarray(codes, np.int32)), nodes),
            _array(pa.int64(), self.source_ticks, self.has_source),
            _array(pa.int64(), self.server_ticks, self.has_server),
            _array(_TIME, received),
            pa.DictionaryArray.from_arrays(_array(pa.int32(), self.types), _TYPE_WORDS, safe=False),
            pa.Array.from_buffers(pa.bool_(), count, [None, _bits(self.is_array)]),
            column(pa.float64(), FLOAT),
            column(pa.int64(), INT),
            column(pa.uint64(), UINT),
            column(pa.string(), TEXT),
            column(pa.binary(), RAW),
            _array(pa.uint32(), self.status),
            _constant(origin, _room(count)).slice(0, count),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=RAW_SCHEMA)

    def _piece_column(self, kind: pa.DataType, which: int) -> pa.Array:
        known = self.columns == which
        made = self.made_raws if which == RAW else self.made_texts
        found = None if made else walk.spelled(self, which)
        offsets, letters = found or self._pieces(known, made)
        if which == RAW or pieces.are_utf8(offsets, letters):
            return pieces.arrow(kind, _bits(known), offsets, letters)
        texts = self.texts
        return pa.array([texts.get(row) for row in range(self.count)], kind)

    def _pieces(self, known: npt.NDArray[np.bool_], made: Made) -> pieces.Joined:
        """What lies in `data`, is spelled from it or was made of it, a piece per row."""
        sizes, found = np.zeros(self.count, np.int64), list(self._sources(known, made))
        for rows, (_, _, lengths) in found:
            sizes[rows] = lengths
        offsets = np.zeros(self.count + 1, np.int64)
        np.cumsum(sizes, out=offsets[1:])
        letters = np.empty(offsets[-1], np.uint8)
        for rows, source in found:
            pieces.put(letters, offsets[rows], source)
        return offsets.astype(np.int32), letters

    def _sources(
        self, known: npt.NDArray[np.bool_], made: Made
    ) -> Iterator[tuple[npt.NDArray[np.int64], pieces.Source]]:
        """Rows, and where their letters are."""
        every = np.frombuffer(self.data, np.uint8)
        rows = np.flatnonzero(known)
        kinds = np.where(self.starts[rows] > 0, self.types[rows], _MADE)
        for kind, size, spell in ((DATE_TIME, 8, pieces.moments), (GUID, 16, pieces.guids)):
            some = rows[kinds == kind]
            if some.size:
                yield some, spell(pieces.windows(every, size)[self.starts[some]])
        some = rows[(kinds != DATE_TIME) & (kinds != GUID) & (kinds != _MADE)]
        yield some, (every, self.starts[some], self.sizes[some])
        if made:
            parts = [part.encode() if isinstance(part, str) else part for part in made.values()]
            yield np.array(list(made)), pieces.words(parts)


_ARRAYS: Final = [name for name, held in vars(Columns(0)).items() if isinstance(held, np.ndarray)]


def _counted(columns: npt.NDArray[np.uint8]) -> list[int]:
    """How many values are in each column; mostly all are in one, which is cheap to see."""
    found = [0] * (RAW + 1)
    if columns.size and columns.min() == columns.max():
        found[columns[0]] = columns.size
        return found
    counts: list[int] = np.bincount(columns, minlength=RAW + 1).tolist()
    return counts


def _bits(flags: npt.NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _array(
    kind: pa.DataType, found: npt.NDArray[Any], known: npt.NDArray[np.bool_] | None = None
) -> pa.Array:
    """The numbers, over the same memory; null where not known."""
    found = np.ascontiguousarray(found)
    if known is None or known.all():
        return pa.Array.from_buffers(kind, len(found), [None, pa.py_buffer(found)], 0)
    if not known.any():
        return _nulls(kind, _room(len(found))).slice(0, len(found))
    return pa.Array.from_buffers(kind, len(found), [_bits(known), pa.py_buffer(found)])


def _room(count: int) -> int:
    """The power of two that holds so many: of each a constant column is kept."""
    return 1 << max(count - 1, 0).bit_length()


@lru_cache(maxsize=64)
def _constant(word: str, room: int) -> pa.DictionaryArray:
    codes = pa.array(np.zeros(room, np.int32))
    return pa.DictionaryArray.from_arrays(codes, pa.array([word], pa.string()))


@lru_cache(maxsize=64)
def _nulls(kind: pa.DataType, room: int) -> pa.Array:
    return pa.nulls(room, kind)
