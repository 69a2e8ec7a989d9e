import asyncio
import struct

import pytest
from asyncua import ua
from asyncua.common.connection import SecureConnection, TransportLimits
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ServerUnreachable
from connectors.opcua.session import Session
from connectors.opcua.transport import Transport, publish_bytes


class Wire(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.closed, self.sent = False, b""

    def write(self, data):
        self.sent += data

    def is_closing(self):
        return self.closed

    def close(self):
        self.closed = True


def linked():
    """A transport with an open channel 7 whose token is 3, and the server's end of it."""
    limits = TransportLimits(65535, 8192, 0, 0)
    server = SecureConnection(SecurityPolicyNone(), limits)
    protocol = Transport(1, SecurityPolicyNone())
    protocol.connection_made(Wire())
    for end in (server, protocol._connection):
        end.security_token.ChannelId, end.security_token.TokenId = 7, 3
        end._open = True
    return protocol, server


def cut(data, sizes):
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@given(
    st.lists(st.integers(1, 40_000), min_size=1, max_size=4),
    st.lists(st.integers(1, 30_000), max_size=12),
)
def test_messages_survive_any_cut_of_the_stream(lengths, sizes):
    async def answers():
        protocol, server = linked()
        bodies = [bytes([n]) * length for n, length in enumerate(lengths)]
        futures = []
        for number, _ in enumerate(bodies):
            protocol._callbackmap[number] = asyncio.get_running_loop().create_future()
            futures.append(protocol._callbackmap[number])
        data = b"".join(
            server.message_to_binary(body, request_id=number) for number, body in enumerate(bodies)
        )
        for part in cut(data, sizes):
            if part:
                protocol.data_received(part)
        assert [bytes(future.result()) for future in futures] == bodies
        assert not protocol._held
        assert not protocol._callbackmap

    asyncio.run(answers())


@given(st.integers(0, 60), st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 999))))
def test_publish_request_as_asyncua_encodes_it(token, acknowledged):
    request = ua.PublishRequest()
    request.RequestHeader.AuthenticationToken = ua.NodeId(ua.Int32(token), ua.Int16(token))
    request.RequestHeader.RequestHandle = ua.UInt32(5)
    request.RequestHeader.TimeoutHint = ua.UInt32(15_000)
    request.Parameters.SubscriptionAcknowledgements = [
        ua.SubscriptionAcknowledgement(ua.UInt32(one), ua.UInt32(other))
        for one, other in acknowledged
    ]
    encoded = nodeid_to_binary(request.RequestHeader.AuthenticationToken)
    ours = publish_bytes(encoded, 5, acknowledged, 15.0)
    theirs = struct_to_binary(request)
    sent = slice(4 + len(encoded), 4 + len(encoded) + 8)
    assert ours[: sent.start] + ours[sent.stop :] == theirs[: sent.start] + theirs[sent.stop :]
    (ours_ticks,), (theirs_ticks,) = (
        struct.unpack("<q", ours[sent]),
        struct.unpack("<q", theirs[sent]),
    )
    assert abs(ours_ticks - theirs_ticks) < 600 * 10_000_000


async def test_an_answer_to_a_publish_request_goes_to_who_asked():
    protocol, server = linked()
    answers = []
    first = protocol.publish([(7, 1)], 5.0, answers.append)
    second = protocol.publish([], 5.0, answers.append)
    late = protocol.publish([], 5.0, answers.append)
    protocol.forget(late)
    for request, body in ((second, b"second"), (late, b"late"), (first, b"first")):
        protocol.data_received(server.message_to_binary(body, request_id=request))
    assert answers == [b"second", b"first"]
    protocol.publish([], 5.0, answers.append)
    protocol.connection_lost(None)
    assert isinstance(answers[-1], ConnectionError)


@pytest.mark.parametrize("broken", ["sequence", "channel", "token", "size", "short"])
async def test_what_breaks_the_rules_ends_the_link(broken):
    protocol, server = linked()
    waiting = protocol._callbackmap[1] = asyncio.get_running_loop().create_future()
    protocol.data_received(server.message_to_binary(b"first", request_id=1))
    assert bytes(waiting.result()) == b"first"
    chunk = bytearray(server.message_to_binary(b"second", request_id=2))
    at, value = {
        "sequence": (16, 99), "channel": (8, 99), "token": (12, 99), "size": (4, 1 << 30),
        "short": (4, 3),
    }[broken]  # fmt: skip
    struct.pack_into("<I", chunk, at, value)
    protocol.data_received(bytes(chunk))
    assert protocol.transport.is_closing()


async def test_an_aborted_message_is_dropped_and_the_next_one_comes_through():
    protocol, server = linked()
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    protocol._callbackmap.update({1: first, 2: second})
    chunks = bytearray(server.message_to_binary(bytes(20_000), request_id=1))
    begin = int.from_bytes(chunks[4:8], "little")
    reason = struct_to_binary(ua.ErrorMessage(ua.StatusCode(ua.UInt32(0x80030000)), "too much"))
    abort = struct.pack("<4sIIIII", b"MSGA", 24 + len(reason), 7, 3, 2, 1) + reason
    protocol.data_received(bytes(chunks[:begin]) + abort)
    server._sequence_number = 2
    protocol.data_received(server.message_to_binary(b"next", request_id=2))
    assert bytes(second.result()) == b"next"
    assert not first.done()


async def test_many_chunks_and_a_renewed_token_on_a_real_server(plants):
    plant = await plants()
    text = "电" * 400_000
    await plant.add("long", text, historized=False, kind=ua.VariantType.String)
    session = Session(plant.url)
    await session.open()
    try:
        wanted = [(ua.NodeId("long", plant.ns), AttributeIds.Value)]
        for _ in range(2):
            (read,) = await session.read(wanted)
            assert read.value == text
            assert isinstance(session._client.uaclient.protocol, Transport)
            await session._client.open_secure_channel(renew=True)
    finally:
        await session.close()


async def test_a_server_that_announces_an_endless_chunk_is_left_at_once():
    async def endless(reader, writer):
        await reader.read(100)
        writer.write(b"ACKF" + struct.pack("<I", 1 << 31))
        await reader.read(1)
        writer.close()

    listener = await asyncio.start_server(endless, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    session = Session(f"opc.tcp://127.0.0.1:{port}", timeout_s=30)
    async with asyncio.timeout(10):
        with pytest.raises(ServerUnreachable, match="BadTcpMessageTooLarge"):
            await session.open()
    listener.close()
    await listener.wait_closed()
