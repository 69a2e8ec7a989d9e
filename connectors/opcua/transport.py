"""asyncua's socket protocol with our own receive path: chunks are cut once, bodies copied twice.

Only plain chunks that follow the rules take the short way. Whatever is encrypted, renewed, aborted
or wrong goes through asyncua, whose state (tokens, sequence numbers, parts) both ways share.
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import Any, Final

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol
from asyncua.common.utils import Buffer
from asyncua.crypto.security_policies import CryptographyNone, SecurityPolicy
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary
from asyncua.ua.uaerrors import BadTcpMessageTooLarge, UaError

from connectors.opcua.requests import Encoded

_HEADER: Final = struct.Struct("<3scIIIII")
"""Message type, chunk type, size, channel, token, sequence number, request id."""
_SHORTEST: Final = 8
_PUBLISH: Final = ObjectIds.PublishRequest_Encoding_DefaultBinary
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
        self._unsent: list[bytes] = []
        """PublishRequests of this turn of the loop: they go out together, and cost one call."""

    # --- in

    def data_received(self, data: bytes) -> None:
        """Take all whole chunks."""
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
        try:
            self._call_callback(request, Buffer(body))
        except UaError as error:
            self.logger.error("%s", error)
            self.disconnect_socket()

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

    # --- out

    async def send_request(
        self,
        request: object,
        timeout: float | None = None,
        message_type: Any = ua.MessageType.SecureMessage,  # noqa: ANN401
    ) -> Buffer:
        """Send a request and await its answer; whether it is a fault, `Session.call` looks."""
        if type(request) is not ua.PublishRequest:
            return await super().send_request(request, timeout, message_type)
        if self.pre_request_hook:
            await self.pre_request_hook()
        limit_s = self.timeout if timeout is None else timeout
        async with asyncio.timeout(limit_s or None):
            answer: Buffer = await self._send_request(request, limit_s, message_type)
            return answer

    def _send_request(
        self,
        request: object,
        timeout: float = 1,
        message_type: Any = ua.MessageType.SecureMessage,  # noqa: ANN401
    ) -> asyncio.Future[Any]:
        """Send a request; PublishRequests, which are sent all day, the short way."""
        if type(request) is not ua.PublishRequest:
            self._flush()  # sequence numbers must arrive in order
            return super()._send_request(request, timeout, message_type)
        if self.transport is None:
            raise ConnectionError("Connection is not open")
        self._setup_request_header(request.RequestHeader, timeout)
        self.revolve_security_token()
        body = _publish_bytes(request, nodeid_to_binary(self.authentication_token))
        self._request_id += 1
        loop = asyncio.get_running_loop()
        if not self._unsent:
            loop.call_soon(self._flush)
        self._unsent.append(
            self._connection.message_to_binary(body, message_type, self._request_id)
        )
        future = self._callbackmap[self._request_id] = loop.create_future()
        return future

    def _flush(self) -> None:
        if self._unsent and self.transport is not None:
            self.transport.write(b"".join(self._unsent))
        self._unsent.clear()


def _publish_bytes(request: ua.PublishRequest, token: bytes) -> bytes:
    """A PublishRequest as `struct_to_binary` encodes it."""
    header = request.RequestHeader
    acknowledged = request.Parameters.SubscriptionAcknowledgements
    numbers = [n for one in acknowledged for n in (one.SubscriptionId, one.SequenceNumber)]
    return b"".join(
        (
            struct.pack("<BBH", 1, 0, _PUBLISH),
            token,
            struct.pack(
                "<qIIiIBBB",
                ua.datetime_to_win_epoch(header.Timestamp),
                header.RequestHandle,
                header.ReturnDiagnostics,
                _NO_TEXT,
                header.TimeoutHint,
                0,
                0,
                0,
            ),
            struct.pack(f"<i{len(numbers)}I", len(acknowledged), *numbers),
        )
    )
