"""Primitive reads of OPC UA part 6: numbers, strings, NodeIds, the head of a response."""

import base64
import struct
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from connectors.opcua.nodeids import namespaced

Json: TypeAlias = Any
"""A number, or what `json.dumps` writes."""
_MAX_DEPTH: Final = 16
"""Variants inside Variants; deeper nesting is an attack, not a measurement."""


_PLAIN: Final = struct.Struct("<H2xq4xIBiHB")
"""A response's type as a four-byte NodeId and its header without diagnostics, texts and extras."""
_FOUR_BYTES: Final = 0x0001


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
        deep(depth)
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
        if len(self.data) - self.pos >= _PLAIN.size:
            first, ticks, good, odd, table, more, encoding = _PLAIN.unpack_from(self.data, self.pos)
            if first == _FOUR_BYTES and not odd and table <= 0 and not more and not encoding:
                self.sent_ticks = ticks
                self.pos += _PLAIN.size
                return int(good)
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


def deep(depth: int) -> None:
    """Refuse what is nested deeper than any measurement."""
    if depth > _MAX_DEPTH:
        raise MalformedError("nested too deeply")
