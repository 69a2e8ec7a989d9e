"""Bytes of DataValues (OPC UA part 6) to the columns of RAW_SCHEMA.

`DataValues.decode` takes runs of equal layout at once with numpy and everything else value by
value; `fast=False` is its slow twin. Picoseconds are read over: RAW_SCHEMA keeps 100 ns.
"""

import base64
import json
import math
import struct
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.opcua.nodeids import namespaced
from connectors.raw import EPOCH_TICKS, RAW_SCHEMA, TICKS_PER_S

TYPE_NAMES: Final = (
    "Null", "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64",
    "Float", "Double", "String", "DateTime", "Guid", "ByteString", "XmlElement", "NodeId",
    "ExpandedNodeId", "StatusCode", "QualifiedName", "LocalizedText", "ExtensionObject",
    "DataValue", "Variant", "DiagnosticInfo",
)  # fmt: skip
Json: TypeAlias = Any
"""A number, or what `json.dumps` writes."""
_MAX_DEPTH: Final = 16
"""Variants inside Variants; deeper nesting is an attack, not a measurement."""
_BYTE_STRING: Final = 15
_RESERVED: Final = range(26, 32)
"""Type ids without a type yet: their value is a ByteString or an array of them (5.2.2.16)."""
_RUN: Final = 12
"""Below about a dozen equal layouts in a row numpy's fixed cost is not earned back."""

_NONE, _FLOAT, _INT, _UINT, _TEXT, _RAW = range(6)
_FIXED: Final[dict[int, tuple[str, int, int]]] = {
    1: ("<?", 1, _INT), 2: ("<b", 1, _INT), 3: ("<B", 1, _UINT), 4: ("<h", 2, _INT),
    5: ("<H", 2, _UINT), 6: ("<i", 4, _INT), 7: ("<I", 4, _UINT), 8: ("<q", 8, _INT),
    9: ("<Q", 8, _UINT), 10: ("<f", 4, _FLOAT), 11: ("<d", 8, _FLOAT), 19: ("<I", 4, _UINT),
}  # fmt: skip
"""Built-in types of fixed size that go to a numeric column: format, bytes, column."""


class MalformedError(ValueError):
    """The bytes are not what OPC UA part 6 allows."""


class Reader:
    """A position in the bytes of one message, with the primitive reads of part 6."""

    __slots__ = ("data", "namespaces", "pos", "sent_ticks")

    def __init__(self, data: bytes, pos: int = 0, namespaces: Sequence[str] = ()) -> None:
        self.data, self.pos, self.namespaces = data, pos, namespaces
        self.sent_ticks = 0

    def number(self, form: str) -> Json:
        """One fixed-size number by its struct format."""
        try:
            (value,) = struct.unpack_from(form, self.data, self.pos)
        except struct.error as error:
            raise MalformedError(str(error)) from error
        self.pos += struct.calcsize(form)
        return value

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        end = self.pos + size
        if size < 0 or end > len(self.data):
            raise MalformedError(f"{size} bytes wanted at {self.pos} of {len(self.data)}")
        part = self.data[self.pos : end]
        self.pos = end
        return part

    def length(self) -> int:
        """An array length, -1 for null, never more than the bytes that are left."""
        size: int = self.number("<i")
        if size > len(self.data) - self.pos:
            raise MalformedError(f"an array of {size} in {len(self.data) - self.pos} bytes")
        return size

    def byte_string(self) -> bytes | None:
        """A ByteString; None where it is null."""
        size = self.number("<i")
        return None if size < 0 else self.take(size)

    def text(self) -> str | None:
        """A String; bytes that are not UTF-8 are kept as escapes."""
        part = self.byte_string()
        return None if part is None else part.decode("utf-8", "backslashreplace")

    def guid(self) -> str:
        """A Guid in its usual spelling."""
        return str(uuid.UUID(bytes_le=self.take(16)))

    def node_id(self) -> str:
        """A NodeId or ExpandedNodeId as text with its namespace URI."""
        first = self.number("<B")
        kind = first & 0x3F
        if kind == 0:
            index, identifier = 0, f"i={self.number('<B')}"
        elif kind == 1:
            index, identifier = self.number("<B"), f"i={self.number('<H')}"
        else:
            index = self.number("<H")
            identifier = self._identifier(kind)
        uri = self.text() if first & 0x80 else None
        server = f"svr={self.number('<I')};" if first & 0x40 else ""
        if uri is not None:
            return f"{server}nsu={uri};{identifier}"
        return server + namespaced(index, identifier, self.namespaces)

    def _identifier(self, kind: int) -> str:
        if kind == 2:
            return f"i={self.number('<I')}"
        if kind == 3:
            return f"s={self.text() or ''}"
        if kind == 4:
            return f"g={self.guid()}"
        if kind == 5:
            return "b=" + base64.b64encode(self.byte_string() or b"").decode()
        raise MalformedError(f"a NodeId of kind {kind}")

    def localized_text(self) -> dict[str, str | None]:
        """A LocalizedText as {"Locale", "Text"}."""
        mask = self.number("<B")
        locale = self.text() if mask & 1 else None
        return {"Locale": locale, "Text": self.text() if mask & 2 else None}

    def diagnostic_info(self, depth: int = 0) -> None:
        """Read over a DiagnosticInfo."""
        _deep(depth)
        mask = self.number("<B")
        self.take(4 * bin(mask & 0x0F).count("1"))
        if mask & 0x10:
            self.byte_string()
        if mask & 0x20:
            self.take(4)
        if mask & 0x40:
            self.diagnostic_info(depth + 1)

    def array(self, read: Callable[[], Any]) -> list[Any]:
        """An array of anything; null gives an empty list."""
        return [read() for _ in range(self.length())]

    def service_result(self) -> int:
        """Read over a response's type and header (keeps its time); gives its ServiceResult."""
        self.node_id()
        self.sent_ticks = self.number("<q")
        self.take(4)
        result: int = self.number("<I")
        self.diagnostic_info()
        self.array(self.text)
        self.node_id()
        if self.number("<B"):
            self.byte_string()
        return result


def _built_in(first: int) -> int:
    """The built-in type that the first byte of a Variant names."""
    kind = first & 0x3F
    return _BYTE_STRING if kind in _RESERVED else kind


def _deep(depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise MalformedError("nested too deeply")


def _date_time(ticks: int) -> str:
    """A DateTime as ISO 8601 to 100 ns; `ticks=…` beyond the years 1 to 9999."""
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


_UA: Final = "http://opcfoundation.org/UA/"
_STRUCTURES: Final = {889: _eu_information, 886: _range}
"""Structures of part 8 that say what a value means, by the id of their binary encoding."""


def _extension_object(r: Reader) -> dict[str, Any] | None:
    """A known structure as a dict; None for one that must be kept raw (position behind it)."""
    type_id = r.node_id()
    encoding = r.number("<B")
    body = r.byte_string() if encoding else b""
    numeric = type_id.rpartition(";i=")[2] if type_id.startswith((f"nsu={_UA};", "ns=0;")) else ""
    read = _STRUCTURES.get(int(numeric)) if numeric.isdigit() and encoding == 1 and body else None
    if read is None or body is None:
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


def _element(r: Reader, kind: int, depth: int = 0) -> Json:
    """One value inside an array or structure, as JSON can hold it."""
    _deep(depth)
    if kind in _FIXED:
        value = r.number(_FIXED[kind][0])
        return _json_number(value) if kind in (10, 11) else value
    if kind in (12, 16):
        return r.text()
    if kind == _BYTE_STRING:
        return _raw_json(r.byte_string())
    if kind == 22:
        start = r.pos
        decoded = _extension_object(r)
        return decoded if decoded is not None else {"Raw": _raw_json(r.data[start : r.pos])}
    if kind == 23:
        return _data_value_json(r, depth + 1)
    if kind == 24:
        return _variant_json(r, depth + 1)
    return _scalar_text(r, kind, depth)


def _scalar_text(r: Reader, kind: int, depth: int) -> Json:
    if kind == 13:
        return _date_time(r.number("<q"))
    if kind == 14:
        return r.guid()
    if kind in (17, 18):
        return r.node_id()
    if kind == 20:
        return {"NamespaceIndex": r.number("<H"), "Name": r.text()}
    if kind == 21:
        return r.localized_text()
    if kind == 25:
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
    _deep(depth)
    first = r.number("<B")
    kind = _built_in(first)
    if kind == 0:
        return None
    return _array(r, kind, first, depth) if first & 0x80 else _element(r, kind, depth)


def _data_value_json(r: Reader, depth: int) -> dict[str, Any]:
    mask = r.number("<B")
    found: dict[str, Any] = {}
    if mask & 1:
        found["Value"] = _variant_json(r, depth)
    if mask & 2:
        found["StatusCode"] = r.number("<I")
    if mask & 4:
        found["SourceTimestamp"] = _date_time(r.number("<q"))
    if mask & 16:
        r.take(2)
    if mask & 8:
        found["ServerTimestamp"] = _date_time(r.number("<q"))
    if mask & 32:
        r.take(2)
    return found


def _array(r: Reader, kind: int, first: int, depth: int = 0) -> list[Any] | None:
    """The elements of an array Variant, nested by its dimensions; None where it is null."""
    size = r.length()
    elements = [_element(r, kind, depth + 1) for _ in range(size)]
    shape = r.array(lambda: r.number("<i")) if first & 0x40 else []
    if size < 0:
        return None
    if len(shape) > 1 and math.prod(shape) == size and size > 0:
        for width in reversed(shape[1:]):
            elements = [elements[i : i + width] for i in range(0, len(elements), width)]
    return elements


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class DataValues:
    """Decoded DataValues as columns: numpy arrays, and texts and bytes by row."""

    def __init__(self, count: int) -> None:
        self.count = count
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
        self.texts: dict[int, str] = {}
        self.raws: dict[int, bytes] = {}

    @classmethod
    def decode(cls, r: Reader, *, with_handles: bool = False, fast: bool = True) -> "DataValues":
        """An array of DataValues (or MonitoredItemNotifications) at the reader; moves behind it."""
        count = max(r.length(), 0)
        values = cls(count)
        row = 0
        prefix = 4 if with_handles else 0
        while row < count:
            taken = values._run(r, row, prefix) if fast and count - row >= _RUN else 0
            if not taken:
                if with_handles:
                    values.handles[row] = r.number("<I")
                values._one(r, row)
                taken = 1
            row += taken
        return values

    def _run(self, r: Reader, row: int, prefix: int) -> int:
        """Take the longest run of this layout at the reader; 0 where it is not worth it."""
        data, at = r.data, r.pos + prefix
        if at + 2 > len(data):
            return 0
        mask, kind = data[at], data[at + 1]
        if not mask & 1 or kind not in _FIXED or mask > 63:
            return 0
        stride, offsets = _layout(prefix, mask, _FIXED[kind][1])
        probe = at + stride * (_RUN - 1)
        if probe + 1 >= len(data) or data[probe] != mask or data[probe + 1] != kind:
            return 0
        rows = min((len(data) - r.pos) // stride, self.count - row)
        block = np.frombuffer(data, np.uint8, rows * stride, r.pos).reshape(rows, stride)
        other = (block[:, prefix] != mask) | (block[:, prefix + 1] != kind)
        if other.any():
            rows = int(np.argmax(other))
        if rows < 2:
            return 0
        self._store(block[:rows], slice(row, row + rows), kind, mask, offsets, prefix)
        r.pos += rows * stride
        return rows

    def _store(
        self,
        block: npt.NDArray[np.uint8],
        rows: slice,
        kind: int,
        mask: int,
        offsets: dict[str, int],
        prefix: int,
    ) -> None:
        def column(name: str, form: str) -> npt.NDArray[Any]:
            dtype = np.dtype(form).newbyteorder("<")
            at = offsets[name]
            return np.ascontiguousarray(block[:, at : at + dtype.itemsize]).view(dtype)[:, 0]

        if prefix:
            self.handles[rows] = np.ascontiguousarray(block[:, :4]).view("<u4")[:, 0]
        target = (None, self.floats, self.ints, self.uints)[_FIXED[kind][2]]
        assert target is not None
        value = column("value", _dtype(kind))
        target[rows] = value != 0 if kind == 1 else value
        self.columns[rows], self.types[rows] = _FIXED[kind][2], kind
        if mask & 2:
            self.status[rows] = column("status", "u4")
        if mask & 4:
            self.source_ticks[rows], self.has_source[rows] = column("source", "i8"), True
        if mask & 8:
            self.server_ticks[rows], self.has_server[rows] = column("server", "i8"), True

    def _one(self, r: Reader, row: int) -> None:
        mask = r.number("<B")
        if mask & 1:
            self._variant(r, row)
        if mask & 2:
            self.status[row] = r.number("<I")
        if mask & 4:
            self.source_ticks[row], self.has_source[row] = r.number("<q"), True
        if mask & 16:
            r.take(2)
        if mask & 8:
            self.server_ticks[row], self.has_server[row] = r.number("<q"), True
        if mask & 32:
            r.take(2)

    def _variant(self, r: Reader, row: int) -> None:
        first = r.number("<B")
        kind = _built_in(first)
        if kind == 0:
            return
        self.types[row] = kind if kind < len(TYPE_NAMES) else 0
        if first & 0x80:
            self.is_array[row] = True
            elements = _array(r, kind, first)
            if elements is not None:
                self._text(row, _compact(elements))
        elif kind in _FIXED:
            form, _, column = _FIXED[kind]
            (self.floats, self.ints, self.uints)[column - 1][row] = r.number(form)
            self.columns[row] = column
        else:
            self._other(r, row, kind)

    def _other(self, r: Reader, row: int, kind: int) -> None:
        start = r.pos
        if kind == _BYTE_STRING:
            self._raw(row, r.byte_string())
        elif kind == 22:
            decoded = _extension_object(r)
            if decoded is None:
                self._raw(row, r.data[start : r.pos])
            else:
                self._text(row, _compact(decoded))
        elif kind == 25:
            r.diagnostic_info()
            self._raw(row, r.data[start : r.pos])
        else:
            value = _element(r, kind)
            if value is not None:
                self._text(row, value if isinstance(value, str) else _compact(value))

    def _text(self, row: int, text: str) -> None:
        self.columns[row] = _TEXT
        self.texts[row] = text

    def _raw(self, row: int, part: bytes | None) -> None:
        if part is not None:
            self.columns[row] = _RAW
            self.raws[row] = part

    def value(self, row: int) -> float | int | str | bytes | None:
        """The value of one row as Python has it (texts and JSON as text)."""
        column = self.columns[row]
        if column == _NONE:
            return None
        if column == _TEXT:
            return self.texts[row]
        if column == _RAW:
            return self.raws[row]
        found: float | int = (self.floats, self.ints, self.uints)[column - 1][row].item()
        return found

    def batch(
        self,
        *,
        server_uri: str,
        nodes: pa.Array,
        codes: npt.NDArray[np.int32],
        received: datetime,
        origin: str,
    ) -> pa.RecordBatch:
        """The rows as RAW_SCHEMA; `codes` are each row's place in the dictionary `nodes`."""
        constant = np.zeros(self.count, np.int32)
        time = RAW_SCHEMA.field("received_time").type
        columns = {
            "server_uri": _words(constant, [server_uri]),
            "node_id": pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), nodes),
            "source_ticks": pa.array(self.source_ticks, mask=~self.has_source),
            "server_ticks": pa.array(self.server_ticks, mask=~self.has_server),
            "received_time": pa.repeat(pa.scalar(received, time), self.count),
            "value_type": _words(self.types, TYPE_NAMES),
            "is_array": pa.array(self.is_array),
            "value_float": pa.array(self.floats, mask=self.columns != _FLOAT),
            "value_int": pa.array(self.ints, mask=self.columns != _INT),
            "value_uint": pa.array(self.uints, mask=self.columns != _UINT),
            "value_text": _sparse(self.texts, self.count, pa.string()),
            "value_raw": _sparse(self.raws, self.count, pa.binary()),
            "status_code": pa.array(self.status),
            "origin": _words(constant, [origin]),
        }
        return pa.RecordBatch.from_arrays(list(columns.values()), schema=RAW_SCHEMA)


def _words(codes: npt.NDArray[np.int32], words: Sequence[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(words, pa.string()))


def _sparse(found: dict[int, Any], count: int, kind: pa.DataType) -> pa.Array:
    return pa.array([found.get(i) for i in range(count)], kind) if found else pa.nulls(count, kind)


def _dtype(kind: int) -> str:
    _, size, column = _FIXED[kind]
    if column == _FLOAT:
        return f"f{size}"
    return f"u{size}" if column == _UINT or kind == 1 else f"i{size}"


def _layout(prefix: int, mask: int, size: int) -> tuple[int, dict[str, int]]:
    """Bytes from one DataValue of this mask and value size to the next, and where fields lie."""
    at = prefix + 2
    offsets = {"value": at}
    at += size
    for bit, name, width in (
        (2, "status", 4),
        (4, "source", 8),
        (16, "", 2),
        (8, "server", 8),
        (32, "", 2),
    ):
        if mask & bit:
            offsets[name] = at
            at += width
    return at, offsets
