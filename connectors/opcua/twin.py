"""The slow twin: DataValues in plain Python with `struct`, what the fast walks must match."""

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np

from connectors.opcua.columns import SERVER, SOURCE, STATUS, VALUE, Columns, Stretch
from connectors.opcua.variants import FIXED
from connectors.opcua.wire import Reader

_FORMS: Final = {2: "I", 4: "q", 16: "2x", 8: "q", 32: "2x"}
"""Fields behind a value by their bit of the mask, in the order of the wire."""


def fill(values: Columns, r: Reader, prefix: int, stretches: Sequence[Stretch]) -> None:
    """Read all rows: numbers by a struct for their mask and type, the rest field by field."""
    row = 0
    for stretch in stretches:
        r.pos = stretch.begin
        _fill(values, r, prefix, range(row, row + stretch.count))
        stretch.check(r.pos)
        row += stretch.count


def _fill(values: Columns, r: Reader, prefix: int, rows: range) -> None:
    layouts: dict[bytes, tuple[struct.Struct | None, list[Any]]] = {}
    data, pos = r.data, r.pos
    for row in rows:
        key = data[pos + prefix : pos + prefix + 2]
        if key not in layouts:
            layouts[key] = (_struct(prefix, key), [])
        form, records = layouts[key]
        if form is None or pos + form.size > len(data):
            r.pos = pos
            values.read_one(r, row, prefix)
            pos = r.pos
        else:
            records.append((row, *form.unpack_from(data, pos)))
            pos += form.size
    r.pos = pos
    for key, (_, records) in layouts.items():
        if records:
            _store(values, prefix, key, records)


@cache
def _struct(prefix: int, key: bytes) -> struct.Struct | None:
    """A whole DataValue with a number in it, for its first two bytes; None for any other."""
    if len(key) < 2 or not key[0] & VALUE or key[1] not in FIXED:
        return None
    fields = "".join(form for bit, form in _FORMS.items() if key[0] & bit)
    return struct.Struct(f"<{'I' if prefix else ''}2x{FIXED[key[1]][0]}{fields}")


def _store(values: Columns, prefix: int, key: bytes, records: list[Any]) -> None:
    mask, kind = key
    fields = zip(*records, strict=True)
    rows = np.array(next(fields))
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
