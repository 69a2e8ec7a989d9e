"""The walk with numpy: where DataValues begin, then field after field.

Every DataValue that is not a scalar of fixed size, string, time, Guid or ByteString is handed to
`Columns.read_one`.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from connectors.opcua.columns import SERVER, SOURCE, STATUS, TAIL, VALUE, Columns, Stretch
from connectors.opcua.shapes import Shape, keys_at
from connectors.opcua.variants import (
    BYTE_STRING,
    DATE_TIME,
    FIXED,
    GUID,
    INT,
    NONE,
    RAW,
    RESERVED,
    STRING,
    TEXT,
    UINT,
    XML_ELEMENT,
)
from connectors.opcua.wire import Reader

Places: TypeAlias = npt.NDArray[np.int64]

_KINDS: Final = 32
_POINTED: Final = {DATE_TIME: 8, GUID: 16}
_WITH_LENGTH: Final = (STRING, BYTE_STRING, XML_ELEMENT, *RESERVED)
_VALUE_SIZES: Final = np.zeros(_KINDS, np.int64)
"""Bytes of a value by its type: of a string those of its length."""
for _kind, (_form, _size, _column) in FIXED.items():
    _VALUE_SIZES[_kind] = _size
for _kind, _size in _POINTED.items():
    _VALUE_SIZES[_kind] = _size
_VALUE_SIZES[list(_WITH_LENGTH)] = 4
_TYPES: Final = np.where(np.isin(np.arange(_KINDS), RESERVED), BYTE_STRING, np.arange(_KINDS))
_NULL: Final = 0
_BOOLEAN: Final = 1


def _offsets(bit: int) -> Places:
    """Bytes from the value's end to the field of this bit, by mask; bit 0: to the next value."""
    found = np.zeros(64, np.int64)
    for mask in range(64):
        for other, size in TAIL:
            if other == bit:
                break
            found[mask] += size if mask & other else 0
    return found


_TO_STATUS, _TO_SOURCE, _TO_SERVER, _TO_NEXT = (_offsets(b) for b in (STATUS, SOURCE, SERVER, 0))


def _step(mask: int, kind: int) -> int:
    """Bytes of a DataValue; negative where a string's length is to be added, 0 for an odd one."""
    tail = int(_TO_NEXT[mask & 63])
    if not mask & VALUE:
        return 1 + tail
    if kind >= _KINDS or (_VALUE_SIZES[kind] == 0 and kind != _NULL):
        return 0
    size = 2 + int(_VALUE_SIZES[kind]) + tail
    return -size if kind in _WITH_LENGTH else size


_STEPS: Final = [[_step(mask, kind) for kind in range(256)] for mask in range(64)] * 4
_STEP_OF: Final = np.array(_STEPS).T
_CHUNK: Final = 128
"""Rows walked in a loop before a run of equal layout is looked for again."""
_RUN: Final = 12
"""Below about a dozen equal layouts in a row numpy's fixed cost is not earned back."""


@np.errstate(invalid="ignore")  # a signalling NaN of 4 bytes becomes a quiet one of 8
def with_numpy(values: Columns, r: Reader, prefix: int, stretches: Sequence[Stretch]) -> None:
    """Find where every DataValue begins, then gather field by field."""
    places = np.zeros(values.count, np.int64)
    shapes: dict[int, Shape] = {}
    row = 0
    for stretch in stretches:
        r.pos, last = stretch.begin, row + stretch.rows
        known = shapes.get(stretch.rows)
        found = None if known is None else known.places(r.data, stretch, prefix)
        if found is not None:
            places[row:last] = found
        else:
            _walk(values, r, prefix, range(row, last), places)
            stretch.check(r.pos)
            shape = Shape.of(r.data, places[row:last], prefix, _STEP_OF)
            if shape is not None:
                shapes[stretch.rows] = shape
        row = last
    _gather(values, r.data, places, prefix)


def _walk(values: Columns, r: Reader, prefix: int, rows: range, places: Places) -> None:
    """Note where rows begin one after the other; runs and what is odd are filled at once."""
    row = rows.start
    while row < rows.stop:
        taken = _run(values, r, prefix, row, rows.stop - row)
        if not taken:
            taken = min(_CHUNK, rows.stop - row)
            places[row : row + taken] = _loop(values, r, prefix, row, taken)
        row += taken


def _run(values: Columns, r: Reader, prefix: int, row: int, most: int) -> int:
    """Fill as many rows as DataValues of one layout and number begin here; 0 for only a few."""
    data, at = r.data, r.pos + prefix
    if most < _RUN or at + 2 > len(data):
        return 0
    mask, kind = data[at], data[at + 1]
    stride = prefix + _STEPS[mask][kind]
    probe = at + stride * (_RUN - 1)
    if not mask & VALUE or kind not in FIXED or data[probe : probe + 2] != data[at : at + 2]:
        return 0
    rows = min((len(data) - r.pos) // stride, most)
    block = np.frombuffer(data, np.uint8, rows * stride, r.pos).reshape(rows, stride)
    other = (block[:, prefix] != mask) | (block[:, prefix + 1] != kind)
    rows = int(np.argmax(other)) if other.any() else rows
    if rows < _RUN:
        return 0
    _store_run(values, r, prefix, slice(row, row + rows), stride)
    r.pos += rows * stride
    return rows


def _store_run(values: Columns, r: Reader, prefix: int, where: slice, stride: int) -> None:
    at, rows = r.pos + prefix, where.stop - where.start
    mask, kind = r.data[at] & 63, r.data[at + 1]
    end = at + 2 + int(_VALUE_SIZES[kind])

    def field(form: str, begin: int) -> npt.NDArray[Any]:
        return np.ndarray((rows,), np.dtype(form), r.data, begin, (stride,))

    if prefix:
        values.handles[where] = field("<u4", r.pos)
    column = FIXED[kind][2]
    found = field(_dtype(kind), at + 2)
    values.types[where], values.columns[where] = kind, column
    values.numbers(column)[where] = found != 0 if kind == _BOOLEAN else found
    if mask & STATUS:
        values.status[where] = field("<u4", end + _TO_STATUS[mask])
    if mask & SOURCE:
        values.source_ticks[where] = field("<i8", end + _TO_SOURCE[mask])
        values.has_source[where] = True
    if mask & SERVER:
        values.server_ticks[where] = field("<i8", end + _TO_SERVER[mask])
        values.has_server[where] = True


def _dtype(kind: int) -> str:
    _, size, column = FIXED[kind]
    return f"<{'u' if kind == _BOOLEAN else {INT: 'i', UINT: 'u'}.get(column, 'f')}{size}"


def _loop(values: Columns, r: Reader, prefix: int, row: int, rows: int) -> list[int]:
    """Where the next rows begin, 0 for an odd one, which is read at once."""
    data, pos = r.data, r.pos
    found: list[int] = []
    while len(found) < rows:
        at = pos + prefix
        try:
            step = _STEPS[data[at]][data[at + 1]]
        except IndexError:
            step = 0
        if step > 0:
            found.append(pos)
            pos = at + step
        elif step < 0:
            found.append(pos)
            size = int.from_bytes(data[at + 2 : at + 6], "little", signed=True)
            pos = at - step + (size if size > 0 else 0)
        else:
            r.pos = pos
            values.read_one(r, row + len(found), prefix)
            found.append(0)
            pos = r.pos
    r.pos = pos
    return found


def _gather(values: Columns, data: bytes, places: Places, prefix: int) -> None:
    """Fill the rows that begin at `places` (0: filled before); all lie inside `data`."""
    rows = np.flatnonzero(places)
    if not rows.size:
        return
    at = places[rows]
    whole: Any = slice(None) if rows.size == values.count else rows
    if prefix:
        values.handles[whole] = _field(data, "<u4", at)
        at += prefix
    keys = keys_at(data, at)
    mask = (keys & 63).astype(np.intp)
    kind = np.where(mask & VALUE, keys >> 8, 0).astype(np.intp)
    at += 1
    end = at + (mask & VALUE) + _VALUE_SIZES[kind]
    _values(values, data, rows, kind, at + 1, end)
    for bit, offset, form, target, known in (
        (STATUS, _TO_STATUS, "<u4", values.status, None),
        (SOURCE, _TO_SOURCE, "<i8", values.source_ticks, values.has_source),
        (SERVER, _TO_SERVER, "<i8", values.server_ticks, values.has_server),
    ):
        has = mask & bit > 0
        if not has.any():
            continue
        every = bool(has.all())
        some = whole if every else rows[has]
        place = end + offset[mask]
        target[some] = _field(data, form, place if every else place[has])
        if known is not None:
            known[some] = True


def _values(
    values: Columns, data: bytes, rows: Places, kinds: Places, at: Places, end: Places
) -> None:
    """The values of every type in turn; `end` moves behind the bytes of strings."""
    for kind in np.flatnonzero(np.bincount(kinds)).tolist():
        which = np.flatnonzero(kinds == kind)
        where, begin = rows[which], at[which]
        values.types[where] = _TYPES[kind]
        if kind in FIXED:
            column, found = FIXED[kind][2], _field(data, _dtype(kind), begin)
            values.numbers(column)[where] = found != 0 if kind == _BOOLEAN else found
            values.columns[where] = column
        elif kind in _POINTED:
            values.columns[where] = TEXT
            values.starts[where], values.sizes[where] = begin, _POINTED[kind]
        elif kind in _WITH_LENGTH:
            sizes = _field(data, "<i4", begin).astype(np.int64)
            end[which] += np.maximum(sizes, 0)
            column = TEXT if kind in (STRING, XML_ELEMENT) else RAW
            known = sizes >= 0
            values.columns[where] = np.where(known, column, NONE)
            values.starts[where] = np.where(known, begin + 4, 0)
            values.sizes[where] = np.maximum(sizes, 0)


def _field(data: bytes, form: str, at: Places) -> npt.NDArray[Any]:
    """The numbers of this form that begin at the given places."""
    dtype = np.dtype(form)
    if not at.size:
        return np.empty(0, dtype)
    every = np.ndarray((len(data) - dtype.itemsize + 1,), dtype, data, 0, (1,))
    found: npt.NDArray[Any] = every[at]
    return found
