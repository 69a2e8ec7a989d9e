"""Two walks over DataValues: a compiled one where it was built, and one with numpy.

Both read what is common (scalars of fixed size, strings, times) in bulk and hand every other
DataValue to `Columns.read_one`; `twin.fill` is their slow twin. Environment: PARKPULSE_WALKER is
`python` or `compiled` (the default where it can be imported).
"""

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from connectors.opcua.columns import (
    SERVER,
    SOURCE,
    STATUS,
    TAIL,
    VALUE,
    Columns,
)
from connectors.opcua.pieces import Joined
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
from connectors.opcua.wire import MalformedError, Reader

_walk: ModuleType | None
try:
    from connectors.opcua import _walk
except ImportError:  # no C compiler was there, or it was built for another Python
    _walk = None

CONTRACT: Final = 2
"""What `_walk.c` was built for; another one is not used."""
Walk: TypeAlias = Callable[[Columns, Reader, int], None]
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
_LONGEST: Final = 28
"""Letters that a DateTime has; a Guid has 36, but for 16 bytes."""
_CHUNK: Final = 128
"""Rows walked in a loop before a run of equal layout is looked for again."""
_RUN: Final = 12
"""Below about a dozen equal layouts in a row numpy's fixed cost is not earned back."""


def with_numpy(values: Columns, r: Reader, prefix: int) -> None:
    """Find where every DataValue begins, then gather field by field."""
    places = np.zeros(values.count, np.int64)
    row = 0
    while row < values.count:
        taken = _run(values.count - row, r, prefix)
        if taken:
            stride = prefix + _STEPS[r.data[r.pos + prefix]][r.data[r.pos + prefix + 1]]
            places[row : row + taken] = np.arange(r.pos, r.pos + taken * stride, stride)
            r.pos += taken * stride
        else:
            taken = min(_CHUNK, values.count - row)
            places[row : row + taken] = _loop(values, r, prefix, row, taken)
        row += taken
    if r.pos > len(r.data):
        raise MalformedError(f"{values.count} DataValues end beyond {len(r.data)} bytes")
    _gather(values, r.data, places, prefix)


def _run(most: int, r: Reader, prefix: int) -> int:
    """How many DataValues of one layout of fixed size begin at the reader; 0 where they are few."""
    data, at = r.data, r.pos + prefix
    if most < _RUN or at + 2 > len(data):
        return 0
    mask, kind = data[at], data[at + 1]
    stride = prefix + _STEPS[mask][kind]
    probe = at + stride * (_RUN - 1)
    if not mask & VALUE or stride <= prefix or data[probe : probe + 2] != data[at : at + 2]:
        return 0
    rows = min((len(data) - r.pos) // stride, most)
    block = np.frombuffer(data, np.uint8, rows * stride, r.pos).reshape(rows, stride)
    other = (block[:, prefix] != mask) | (block[:, prefix + 1] != kind)
    found = int(np.argmax(other)) if other.any() else rows
    return found if found >= _RUN else 0


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
        at = at + prefix
    mask = (_field(data, "u1", at) & 63).astype(np.intp)
    kind = np.where(mask & VALUE, _field(data, "u1", at + 1), 0).astype(np.intp)
    end = at + 1 + (mask & VALUE) + _VALUE_SIZES[kind]
    _values(values, data, rows, kind, at + 2, end)
    has = (mask & STATUS) != 0
    values.status[rows[has]] = _field(data, "<u4", (end + _TO_STATUS[mask])[has])
    for bit, offset, ticks, known in (
        (SOURCE, _TO_SOURCE, values.source_ticks, values.has_source),
        (SERVER, _TO_SERVER, values.server_ticks, values.has_server),
    ):
        has = (mask & bit) != 0
        ticks[rows[has]] = _field(data, "<i8", (end + offset[mask])[has])
        known[rows[has]] = True


def _values(
    values: Columns, data: bytes, rows: Places, kinds: Places, at: Places, end: Places
) -> None:
    """The values of every type in turn; `end` moves behind the bytes of strings."""
    for kind in np.flatnonzero(np.bincount(kinds)).tolist():
        which = np.flatnonzero(kinds == kind)
        where, begin = rows[which], at[which]
        values.types[where] = _TYPES[kind]
        if kind in FIXED:
            form, size, column = FIXED[kind]
            letter = {INT: "i", UINT: "u"}.get(column, "f") if form != "?" else "u"
            found = _field(data, f"<{letter}{size}", begin)
            values.numbers(column)[where] = found != 0 if form == "?" else found
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


def compiled(values: Columns, r: Reader, prefix: int) -> None:
    """The walk of `_walk.c`, which stops at every DataValue that is odd or cut."""
    assert _extension is not None
    values.is_compiled = True
    buffers = _buffers(values)
    row = 0
    while True:
        row, r.pos = _extension.walk(r.data, r.pos, row, values.count, prefix, buffers)
        if row == values.count:
            return
        values.read_one(r, row, prefix)
        row += 1


def _buffers(values: Columns) -> tuple[npt.NDArray[Any], ...]:
    return (
        values.handles, values.has_source, values.has_server, values.source_ticks,
        values.server_ticks, values.types, values.columns, values.floats, values.ints,
        values.uints, values.status, values.starts, values.sizes,
    )  # fmt: skip


def spelled(values: Columns, column: int) -> Joined | None:
    """The pieces of a column by `_walk.c`; None where it did not walk or leaves them to Python."""
    if _extension is None or not values.is_compiled:
        return None
    offsets = np.empty(values.count + 1, np.int32)
    letters = np.empty(int(values.sizes.sum()) + _LONGEST * values.count, np.uint8)
    end = _extension.spell(values.data, values.count, column, _buffers(values), offsets, letters)
    return (offsets, letters[:end]) if end >= 0 else None


def usable(module: ModuleType | None) -> ModuleType | None:
    """The module, None where it was built for another contract."""
    return module if getattr(module, "CONTRACT", None) == CONTRACT else None


_extension = usable(_walk)


def is_compiled() -> bool:
    """True where the compiled walk was built for this version."""
    return _extension is not None


def walker_in_use() -> str:
    """`compiled` or `python`: what decodes values in this process."""
    wanted = os.environ.get("PARKPULSE_WALKER", "compiled")
    return "compiled" if is_compiled() and wanted != "python" else "python"


def chosen() -> Walk:
    """The walk that is in use."""
    return compiled if walker_in_use() == "compiled" else with_numpy
