"""asyncua's socket protocol with our own receive path: chunks are cut once, bodies copied twice.

Only plain chunks that follow the rules take the short way. Whatever is encrypted, renewed, aborted
or wrong goes through asyncua, whose state (tokens, sequence numbers, parts) both ways share.
"""

import asyncio
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol
from asyncua.common.utils import Buffer
from asyncua.crypto.security_policies import CryptographyNone, SecurityPolicy
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary
from asyncua.ua.uaerrors import BadTcpMessageTooLarge, UaError

from connectors.opcua.requests import Encoded
from connectors.raw import EPOCH_TICKS

_HEADER: Final = struct.Struct("<3scIIIII")
"""Message type, chunk type, size, channel, token, sequence number, request id."""
_SHORTEST: Final = 8
OnAnswer: TypeAlias = Callable[[bytes | Exception], None]
_PUBLISH_TYPE: Final = struct.pack("<BBH", 1, 0, ObjectIds.PublishRequest_Encoding_DefaultBinary)
_REST: Final = struct.Struct("<qIIiIBBB")
"""A RequestHeader behind its token: time, handle, no diagnostics, no text, limit, nothing more."""
_LAST: Final = 0xFFFF_FC00
"""Near the end sequence numbers wrap: asyncua knows how."""
_NO_TEXT: Final = -1


def use(client: Client) -> None:
    """Let a client speak through `Transport`; before it connects."""
    connection = client.uaclient

    def make() -> Transport:
        protocol = Transport(connection._timeout, connection.security_policy)
        protocol.pre_request_hook = connection._pre_request_hook
        protocol.on_connection_lost = connection._on_transport_lost
        protocol.is_session_closing = connection._is_session_closing
        connection.protocol = protocol
        return protocol

    connection._make_protocol = make  # type: ignore[method-assign]


@dataclass(slots=True)
class _Part:
    """What asyncua asks of a chunk that waits for the rest of its message."""

    Body: bytes
    SequenceHeader: ua.SequenceHeader


class Transport(UASocketProtocol):
    """A client's connection; every byte received is looked at once, however large the message."""

    def __init__(self, timeout: float, security_policy: SecurityPolicy) -> None:
        super().__init__(timeout, security_policy)
        self._held = bytearray()
        """The beginning of a chunk whose end has not come."""
        self._encoded: tuple[ua.NodeId | None, bytes] = None, b""
        self._publishing: dict[int, OnAnswer] = {}
        """Who waits for the answer to a PublishRequest, by the request's id."""
        self._unsent: list[bytes] = []
        """PublishRequests of this turn of the loop: they go out together, and cost one call."""
        self._is_receiving = False

    # --- in

    def data_received(self, data: bytes) -> None:
        """Take all whole chunks, then send what their takers asked for."""
        self._is_receiving = True
        try:
            self._take(data)
        finally:
            self._is_receiving = False
            self._flush()

    def _take(self, data: bytes) -> None:
        if self._held:
            self._held += data
            taken = self._take_chunks(self._held)
            del self._held[:taken]
        else:
            taken = self._take_chunks(data)
            if taken < len(data):
                self._held += memoryview(data)[taken:]

    def _take_chunks(self, data: bytes | bytearray) -> int:
        """Hand on every whole chunk; gives how many bytes they were."""
        at = 0
        with memoryview(data) as view:
            while len(data) - at >= _SHORTEST and not self._is_ending:
                size = int.from_bytes(view[at + 4 : at + 8], "little")
                if not _SHORTEST <= size <= self._connection._limits.max_recv_buffer:
                    self._refuse(size)
                    return len(data)
                if len(data) - at < size:
                    break
                if not self._take_plain(view[at : at + size]):
                    self._process_received_data(bytes(view[at : at + size]))
                at += size
        return at

    @property
    def _is_ending(self) -> bool:
        return self.transport is None or self.transport.is_closing()

    def _refuse(self, size: int) -> None:
        """A chunk larger than we said we take, or none: what follows cannot be understood."""
        self.logger.error("a chunk of %d bytes came, that is none of ours; the link is cut", size)
        self._fail_all_pending(BadTcpMessageTooLarge())  # type: ignore[no-untyped-call]
        self.disconnect_socket()

    def _take_plain(self, chunk: memoryview) -> bool:
        """Take a plain chunk in order; False where asyncua has to see it."""
        link = self._connection
        is_plain = type(link.security_policy.symmetric_cryptography) is CryptographyNone
        if not is_plain or len(chunk) < _HEADER.size:
            return False
        kind, position, size, channel, token, sequence, request = _HEADER.unpack_from(chunk)
        parts, limits = link._incoming_parts, link._limits
        size += link._incoming_size - _HEADER.size
        if (
            kind != b"MSG"
            or position not in (b"F", b"C")
            or channel != link.security_token.ChannelId
            or token != link.security_token.TokenId
            or link._peer_sequence_number is None
            or sequence != link._peer_sequence_number + 1
            or (parts and parts[0].SequenceHeader.RequestId != request)
            or 0 < limits.max_message_size < size
            or 0 < limits.max_chunk_count <= len(parts)
        ):
            return False
        link._peer_sequence_number = sequence
        body = bytes(chunk[_HEADER.size :])
        if position == b"C":
            parts.append(_Part(body, ua.SequenceHeader(sequence, request)))  # type: ignore[arg-type]
            link._incoming_size = size
        elif parts:
            link._drop_incoming_parts()
            self._answered(request, b"".join([*(part.Body for part in parts), body]))
        else:
            self._answered(request, body)
        return True

    def _answered(self, request: int, body: bytes) -> None:
        answer = self._publishing.pop(request, None)
        if answer is not None:
            answer(body)
            return
        try:
            self._call_callback(request, Buffer(body))
        except UaError as error:
            self.logger.error("%s", error)
            self.disconnect_socket()

    # --- out

    async def ask(self, request: Encoded, limit_s: float) -> Buffer:
        """Send a request that is encoded but for its header; gives the response's bytes."""
        if self.pre_request_hook:
            await self.pre_request_hook()
        if self.transport is None:
            raise ConnectionError("Connection is not open")
        header = ua.RequestHeader()
        self._setup_request_header(header, limit_s)
        self.revolve_security_token()
        body = b"".join((request.encoding, struct_to_binary(header), request.parameters))
        self._flush()  # sequence numbers must arrive in order
        self._request_id += 1
        message = self._connection.message_to_binary(body, request_id=self._request_id)
        future = self._callbackmap[self._request_id] = asyncio.get_running_loop().create_future()
        self.transport.write(message)
        async with asyncio.timeout(limit_s):
            answer: Buffer = await future
            return answer

    def publish(self, receipts: Sequence[tuple[int, int]], limit_s: float, answer: OnAnswer) -> int:
        """Send a PublishRequest that acknowledges these (subscription, sequence number).

        `answer` is called with the response's bytes, or with why there will be none; gives the
        request's id. No future, no task: this is what is sent all day.
        """
        if self.transport is None:
            raise ConnectionError("Connection is not open")
        self.revolve_security_token()
        self._request_id += 1
        self._request_handle += 1
        if not (self._unsent or self._is_receiving):
            asyncio.get_running_loop().call_soon(self._flush)
        body = publish_bytes(self._token, self._request_handle, receipts, limit_s)
        self._unsent.append(self._chunk(body))
        self._publishing[self._request_id] = answer
        return self._request_id

    def forget(self, request: int) -> None:
        """Nobody waits for the answer to this PublishRequest any more."""
        if request in self._publishing:
            self._publishing[request] = _ignore

    def _fail_all_pending(self, exc: Exception) -> None:
        publishing, self._publishing = self._publishing, {}
        for answer in publishing.values():
            answer(exc)
        super()._fail_all_pending(exc)

    def _call_callback(self, request_id: int, body: Buffer | ua.Acknowledge) -> None:
        answer = self._publishing.pop(request_id, None)
        if answer is None:
            super()._call_callback(request_id, body)
        elif isinstance(body, Buffer):
            answer(bytes(body))

    @property
    def _token(self) -> bytes:
        """The authentication token's bytes, encoded once per session."""
        if self.authentication_token is not self._encoded[0]:
            token = self.authentication_token
            self._encoded = token, nodeid_to_binary(token)
        return self._encoded[1]

    def _chunk(self, body: bytes) -> bytes:
        """The message as it goes out: plain ones are a header and the body."""
        link = self._connection
        is_plain = type(link.security_policy.symmetric_cryptography) is CryptographyNone
        size = _HEADER.size + len(body)
        if not is_plain or size > link._limits.max_send_buffer or link._sequence_number >= _LAST:
            return link.message_to_binary(body, request_id=self._request_id)
        link._sequence_number += 1
        token = link.security_token
        numbers = token.ChannelId, token.TokenId, link._sequence_number, self._request_id
        return _HEADER.pack(b"MSG", b"F", size, *numbers) + body

    def _send_request(
        self,
        request: object,
        timeout: float = 1,
        message_type: Any = ua.MessageType.SecureMessage,  # noqa: ANN401
    ) -> asyncio.Future[Any]:
        self._flush()  # sequence numbers must arrive in order
        return super()._send_request(request, timeout, message_type)

    def _flush(self) -> None:
        if self._unsent and self.transport is not None:
            self.transport.write(b"".join(self._unsent))
        self._unsent.clear()


def _ignore(answer: bytes | Exception) -> None:
    """Take an answer that came too late."""


def publish_bytes(
    token: bytes, handle: int, receipts: Sequence[tuple[int, int]], limit_s: float
) -> bytes:
    """A PublishRequest as `struct_to_binary` encodes it."""
    numbers = [number for receipt in receipts for number in receipt]
    sent = EPOCH_TICKS + time.time_ns() // 100
    return b"".join(
        (
            _PUBLISH_TYPE,
            token,
            _REST.pack(sent, handle, 0, _NO_TEXT, int(limit_s * 1000), 0, 0, 0),
            struct.pack(f"<i{len(numbers)}I", len(receipts), *numbers),
        )
    )
