"""The slow twin: DataValues in plain Python with `struct`, what the fast walks must match."""

import struct
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from connectors.opcua.columns import SERVER, SOURCE, STATUS, VALUE, Columns, Stretch
from connectors.opcua.variants import FIXED
from connectors.opcua.wire import Reader

_FORMS: Final = {2: "I", 4: "q", 16: "2x", 8: "q", 32: "2x"}
"""Fields behind a value by their bit of the mask, in the order of the wire."""
Rows: TypeAlias = "slice | npt.NDArray[np.int64]"


def fill(values: Columns, r: Reader, prefix: int, stretches: Sequence[Stretch]) -> None:
    """Read all rows: numbers by a struct for their mask and type, the rest field by field."""
    row = 0
    for stretch in stretches:
        r.pos = stretch.begin
        _fill(values, r, prefix, range(row, row + stretch.rows))
        stretch.check(r.pos)
        row += stretch.rows


def _fill(values: Columns, r: Reader, prefix: int, rows: range) -> None:
    layouts: dict[bytes, tuple[struct.Struct | None, list[Any]]] = {}
    data, pos, row = r.data, r.pos, rows.start
    while row < rows.stop:
        at = pos + prefix
        key = data[at : at + 2]
        if key not in layouts:
            layouts[key] = (_struct(prefix, key), [])
        form, records = layouts[key]
        if form is None or pos + form.size > len(data):
            r.pos = pos
            values.read_one(r, row, prefix)
            row, pos = row + 1, r.pos
        elif data[at + form.size : at + form.size + 2] == key:
            most = min(rows.stop - row, (len(data) - pos) // form.size)
            alike = _alike(data, at, form.size, most)
            end = pos + alike * form.size
            found = form.iter_unpack(memoryview(data)[pos:end])
            _store(values, prefix, key, slice(row, row + alike), zip(*found, strict=True))
            row, pos = row + alike, end
        else:
            records.append((row, *form.unpack_from(data, pos)))
            row, pos = row + 1, pos + form.size
    r.pos = pos
    for key, (_, records) in layouts.items():
        if records:
            apart, *fields = zip(*records, strict=True)
            _store(values, prefix, key, np.array(apart), iter(fields))


def _alike(data: bytes, at: int, size: int, most: int) -> int:
    """How many DataValues of so many bytes and of one mask and type lie one behind the other."""
    end = at + most * size
    masks, kinds = data[at:end:size], data[at + 1 : end : size]
    return most - max(len(masks.lstrip(masks[:1])), len(kinds.lstrip(kinds[:1])))


@cache
def _struct(prefix: int, key: bytes) -> struct.Struct | None:
    """A whole DataValue with a number in it, for its first two bytes; None for any other."""
    if len(key) < 2 or not key[0] & VALUE or key[1] not in FIXED:
        return None
    fields = "".join(form for bit, form in _FORMS.items() if key[0] & bit)
    return struct.Struct(f"<{'I' if prefix else ''}2x{FIXED[key[1]][0]}{fields}")


def _store(
    values: Columns, prefix: int, key: bytes, rows: Rows, fields: Iterator[tuple[Any, ...]]
) -> None:
    """Fill rows of one layout from their fields."""
    mask, kind = key
    if prefix:
        values.handles[rows] = next(fields)
    column = FIXED[kind][2]
    values.types[rows], values.columns[rows] = kind, column
    values.numbers(column)[rows] = next(fields)
    if mask & STATUS:
        values.status[rows] = next(fields)
    if mask & SOURCE:
        values.source_ticks[rows], values.has_source[rows] = next(fields), True
    if mask & SERVER:
        values.server_ticks[rows], values.has_server[rows] = next(fields), True
