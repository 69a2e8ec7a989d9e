"""OPC UA TCP (part 6) without security, as a server: chunks to messages, bodies to chunks."""

import asyncio
import struct
import time
from collections.abc import Callable
from typing import Final

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary

TICKS_PER_S: Final = 10_000_000
_EPOCH_TICKS: Final = 116_444_736_000_000_000
_HEADER_BYTES: Final = 24
_LARGEST_CHUNK: Final = 65_535
_POLICY: Final = b"http://opcfoundation.org/UA/SecurityPolicy#None"
_NULL: Final = b"\xff\xff\xff\xff"
_LIFETIME_MS: Final = 3_600_000

Handler = Callable[["Connection", int, int, "Cursor"], None]
"""Answers one request: connection, request id, binary encoding id, cursor behind that id."""


def now_ticks() -> int:
    """The time in OPC UA ticks."""
    return _EPOCH_TICKS + time.time_ns() // 100


class Cursor:
    """A position in a request."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes) -> None:
        self.data, self.pos = data, 0

    def u32(self) -> int:
        """An unsigned number of four bytes."""
        self.pos += 4
        return int.from_bytes(self.data[self.pos - 4 : self.pos], "little")

    def count(self) -> int:
        """The length of an array; null is empty."""
        size = self.u32()
        return 0 if size >= 1 << 31 else size

    def take(self, size: int) -> bytes:
        """The next bytes."""
        self.pos += size
        return self.data[self.pos - size : self.pos]

    def text(self) -> bytes:
        """A String or ByteString."""
        return self.take(self.count())

    def node_id(self) -> tuple[int, int | bytes]:
        """Namespace index and identifier."""
        kind = self.take(1)[0] & 0x3F
        if kind == 0:
            return 0, self.take(1)[0]
        if kind == 1:
            index = self.take(1)[0]
            return index, int.from_bytes(self.take(2), "little")
        index = int.from_bytes(self.take(2), "little")
        if kind == 2:
            return index, self.u32()
        return index, self.take(16) if kind == 4 else self.text()

    def request_header(self) -> int:
        """Read over a RequestHeader; gives its handle."""
        self.node_id()
        self.pos += 8
        handle = self.u32()
        self.pos += 4
        self.text()
        self.pos += 4
        self.node_id()
        if self.take(1)[0]:
            self.text()
        return handle


def response_header(type_id: int, handle: int, result: int = 0) -> bytes:
    """Encoding id and ResponseHeader."""
    return struct.pack("<BBHqIIBiBBB", 1, 0, type_id, now_ticks(), handle, result, 0, -1, 0, 0, 0)


class Connection(asyncio.Protocol):
    """One client: its buffer, its secure channel, its messages handed to `handler`."""

    _channels = 0

    def __init__(self, handler: Handler, on_lost: Callable[["Connection"], None]) -> None:
        self._handler, self._on_lost = handler, on_lost
        self._buffer = bytearray()
        self._parts: list[bytes] = []
        self._sequence = 0
        self._chunk = _LARGEST_CHUNK
        self._token = 0
        Connection._channels += 1
        self.channel = Connection._channels

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_lost(self)

    def data_received(self, data: bytes) -> None:
        """Cut whole chunks off."""
        self._buffer += data
        while len(self._buffer) >= 8:
            size = int.from_bytes(self._buffer[4:8], "little")
            if len(self._buffer) < size:
                return
            chunk = bytes(self._buffer[:size])
            del self._buffer[:size]
            self._take(chunk)

    def _take(self, chunk: bytes) -> None:
        kind = chunk[:3]
        if kind == b"HEL":
            self._acknowledge(chunk)
        elif kind == b"OPN":
            self._open(chunk)
        elif kind == b"CLO":
            self.transport.close()
        else:
            self._parts.append(chunk[_HEADER_BYTES:])
            if chunk[3:4] == b"C":
                return
            cursor = Cursor(b"".join(self._parts))
            self._parts.clear()
            request_id = int.from_bytes(chunk[20:24], "little")
            _, type_id = cursor.node_id()
            assert isinstance(type_id, int)
            self._handler(self, request_id, type_id, cursor)

    def _acknowledge(self, chunk: bytes) -> None:
        _, receives, _ = struct.unpack_from("<III", chunk, 8)
        self._chunk = min(receives, _LARGEST_CHUNK)
        body = struct.pack("<IIIII", 0, _LARGEST_CHUNK, self._chunk, 0, 0)
        self.transport.write(b"ACKF" + struct.pack("<I", 8 + len(body)) + body)

    def _open(self, chunk: bytes) -> None:
        cursor = Cursor(chunk)
        cursor.pos = 12
        for _ in range(3):
            cursor.text()
        cursor.pos += 4
        request_id = cursor.u32()
        request = struct_from_binary(ua.OpenSecureChannelRequest, Buffer(chunk[cursor.pos :]))
        self._token += 1
        response = ua.OpenSecureChannelResponse()
        response.ResponseHeader.RequestHandle = request.RequestHeader.RequestHandle
        response.Parameters.ServerNonce = b""
        token = response.Parameters.SecurityToken
        token.ChannelId, token.TokenId = ua.UInt32(self.channel), ua.UInt32(self._token)
        token.RevisedLifetime = ua.UInt32(request.Parameters.RequestedLifetime or _LIFETIME_MS)
        self._sequence += 1
        body = (
            struct.pack("<I", len(_POLICY)) + _POLICY + _NULL + _NULL
            + struct.pack("<II", self._sequence, request_id) + struct_to_binary(response)
        )  # fmt: skip
        self.transport.write(b"OPNF" + struct.pack("<II", 12 + len(body), self.channel) + body)

    def send(self, request_id: int, *parts: bytes) -> None:
        """Answer a request, in as many chunks as the client's buffer wants."""
        body = b"".join(parts)
        room = self._chunk - _HEADER_BYTES
        out: list[bytes | memoryview] = []
        view = memoryview(body)
        for begin in range(0, len(body), room):
            part = view[begin : begin + room]
            self._sequence += 1
            last = begin + room >= len(body)
            out.append(
                struct.pack(
                    "<4sIIIII", b"MSGF" if last else b"MSGC", _HEADER_BYTES + len(part),
                    self.channel, self._token, self._sequence, request_id,
                )
            )  # fmt: skip
            out.append(part)
        self.transport.write(b"".join(out))

    def fault(self, request_id: int, handle: int, code: int) -> None:
        """Answer with a ServiceFault."""
        type_id = ObjectIds.ServiceFault_Encoding_DefaultBinary
        self.send(request_id, response_header(type_id, handle, code))
