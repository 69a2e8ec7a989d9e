"""Values of every built-in type, and arrays and structures of them, as JSON can hold them."""

import base64
import json
import math
import struct
from datetime import datetime
from typing import Any, Final

import numpy as np

from connectors.opcua.wire import Json, MalformedError, Reader, deep
from connectors.raw import EPOCH_TICKS, TICKS_PER_S

TYPE_NAMES: Final = (
    "Null", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64",
    "Float", "Double", "String", "DateTime", "Guid", "ByteString", "XmlElement", "NodeId",
    "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "ExtensionObject",
    "DataValue", "Variant", "DiagnosticInfo",
)  # fmt: skip
STRING: Final = 12
DATE_TIME: Final = 13
GUID: Final = 14
BYTE_STRING: Final = 15
XML_ELEMENT: Final = 16
EXTENSION_OBJECT: Final = 22
DIAGNOSTIC_INFO: Final = 25
RESERVED: Final = range(26, 32)
"""Type ids without a type yet: their value is a ByteString or an array of them (5.2.2.16)."""
NONE, FLOAT, INT, UINT, TEXT, RAW = range(6)
"""The column of RAW_SCHEMA that holds a row's value."""
FIXED: Final[dict[int, tuple[str, int, int]]] = {
    1: ("?", 1, INT), 2: ("b", 1, INT), 3: ("B", 1, UINT), 4: ("h", 2, INT),
    5: ("H", 2, UINT), 6: ("i", 4, INT), 7: ("I", 4, UINT), 8: ("q", 8, INT),
    9: ("Q", 8, UINT), 10: ("f", 4, FLOAT), 11: ("d", 8, FLOAT), 19: ("I", 4, UINT),
}  # fmt: skip
"""Built-in types of fixed size that go to a numeric column: struct format, bytes, column."""
_MOST_DIMENSIONS: Final = 16


def built_in(first: int) -> int:
    """The built-in type that the first byte of a Variant names."""
    kind = first & 0x3F
    return BYTE_STRING if kind in RESERVED else kind


def date_time(ticks: int) -> str:
    """A DateTime as ISO 8601 to 100 ns; `ticks=…` beyond the years 1000 to 9999."""
    seconds, rest = divmod(ticks - EPOCH_TICKS, TICKS_PER_S)
    try:
        day = np.datetime64(seconds, "s").astype(datetime)
        return f"{day:%Y-%m-%dT%H:%M:%S}.{rest:07d}Z" if day.year >= 1000 else f"ticks={ticks}"
    except (AttributeError, OverflowError):
        return f"ticks={ticks}"


def _eu_information(r: Reader) -> dict[str, Any]:
    return {
        "NamespaceUri": r.text(),
        "UnitId": r.number("<i"),
        "DisplayName": r.localized_text(),
        "Description": r.localized_text(),
    }


def _range(r: Reader) -> dict[str, Any]:
    return {"Low": _json_number(r.number("<d")), "High": _json_number(r.number("<d"))}


_STRUCTURES: Final = {
    f"{namespace};i={number}": read
    for namespace in ("nsu=http://opcfoundation.org/UA/", "ns=0")
    for number, read in ((889, _eu_information), (886, _range))
}
"""Structures of part 8 that say what a value means, by the id of their binary encoding."""


def extension_object(r: Reader) -> dict[str, Any] | None:
    """A known structure as a dict; None for one that must be kept raw (position behind it)."""
    read = _STRUCTURES.get(r.node_id())
    encoding = r.number("<B")
    body = r.byte_string() if encoding else None
    if read is None or encoding != 1 or body is None:
        return None
    inner = Reader(body, 0, r.namespaces)
    try:
        decoded = read(inner)
    except MalformedError:
        return None
    return decoded if inner.pos == len(body) else None


def _json_number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")


def _raw_json(part: bytes | None) -> str | None:
    return None if part is None else base64.b64encode(part).decode()


def element(r: Reader, kind: int, depth: int = 0) -> Json:
    """One value inside an array or structure, as JSON can hold it."""
    deep(depth)
    if kind in FIXED:
        value = r.number("<" + FIXED[kind][0])
        return _json_number(value) if kind in (10, 11) else value
    if kind in (STRING, XML_ELEMENT):
        return r.text()
    if kind == BYTE_STRING:
        return _raw_json(r.byte_string())
    if kind == EXTENSION_OBJECT:
        start = r.pos
        decoded = extension_object(r)
        return decoded if decoded is not None else {"Raw": _raw_json(r.data[start : r.pos])}
    if kind == 23:
        return _data_value_json(r, depth + 1)
    if kind == 24:
        return _variant_json(r, depth + 1)
    return _scalar_text(r, kind, depth)


def _scalar_text(r: Reader, kind: int, depth: int) -> Json:
    if kind == DATE_TIME:
        return date_time(r.number("<q"))
    if kind == GUID:
        return r.guid()
    if kind in (17, 18):
        return r.node_id()
    if kind == 20:
        return {"NamespaceIndex": r.number("<H"), "Name": r.text()}
    if kind == 21:
        return r.localized_text()
    if kind == DIAGNOSTIC_INFO:
        start = r.pos
        r.diagnostic_info(depth)
        return {"Raw": _raw_json(r.data[start : r.pos])}
    raise MalformedError(f"built-in type {kind}")


def variant(r: Reader) -> tuple[str, Json]:
    """One Variant of any kind: the name of its built-in type, its value as JSON can hold it."""
    kind = r.data[r.pos] & 0x3F if r.pos < len(r.data) else 0
    found = _variant_json(r, 0)
    return TYPE_NAMES[kind] if kind < len(TYPE_NAMES) else f"Reserved{kind}", found


def _variant_json(r: Reader, depth: int) -> Json:
    deep(depth)
    first = r.number("<B")
    kind = built_in(first)
    if kind == 0:
        return None
    return array(r, kind, first, depth) if first & 0x80 else element(r, kind, depth)


def _data_value_json(r: Reader, depth: int) -> dict[str, Any]:
    mask = r.number("<B")
    found: dict[str, Any] = {}
    if mask & 1:
        found["Value"] = _variant_json(r, depth)
    if mask & 2:
        found["StatusCode"] = r.number("<I")
    if mask & 4:
        found["SourceTimestamp"] = date_time(r.number("<q"))
    if mask & 16:
        r.take(2)
    if mask & 8:
        found["ServerTimestamp"] = date_time(r.number("<q"))
    if mask & 32:
        r.take(2)
    return found


def array(r: Reader, kind: int, first: int, depth: int = 0) -> list[Any] | None:
    """The elements of an array Variant, nested by its dimensions; None where it is null."""
    size = r.length()
    deep(depth + 1)
    elements = (
        _numbers(r, kind, size)
        if kind in FIXED
        else [element(r, kind, depth + 1) for _ in range(size)]
    )
    shape = r.array(lambda: r.number("<i")) if first & 0x40 else []
    if size < 0:
        return None
    if 1 < len(shape) <= _MOST_DIMENSIONS and min(shape) > 0 and math.prod(shape) == size:
        for width in reversed(shape[1:]):
            elements = [elements[i : i + width] for i in range(0, len(elements), width)]
    return elements


def _numbers(r: Reader, kind: int, size: int) -> list[Any]:
    form, width, column = FIXED[kind]
    found = struct.unpack(f"<{max(size, 0)}{form}", r.take(max(size, 0) * width))
    return [_json_number(value) for value in found] if column == FLOAT else list(found)


def compact(value: object) -> str:
    """JSON in as few letters as it takes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
