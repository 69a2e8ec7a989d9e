"""A TCP relay that knows OPC UA chunks: it counts what is asked, cuts, and drops responses."""

import asyncio
import contextlib
import struct
from collections import Counter

from asyncua.ua.object_ids import ObjectIds

SERVICES = (
    "ActivateSession", "Browse", "BrowseNext", "CreateSession", "CreateSubscription",
    "HistoryRead", "Publish", "Republish", "TransferSubscriptions",
)  # fmt: skip
REQUESTS = {getattr(ObjectIds, f"{s}Request_Encoding_DefaultBinary"): s for s in SERVICES}
PUBLISH_RESPONSE = ObjectIds.PublishResponse_Encoding_DefaultBinary
TYPE_AT = 24
"""Behind the message, channel and sequence headers of an unsecured chunk."""
KEEP_ALIVE_BYTES = 150
"""A PublishResponse without values is shorter."""


class Relay:
    """`mend` to listen on `port` for the server at `server_port`, `cut` to break every connection.

    `asked` counts the requests by service, on unsecured channels. `drop` whole PublishResponses
    with values: a chunk behind them takes their sequence number on the channel, so that only the
    subscription's tells of the loss.
    """

    def __init__(self, port, server_port):
        self.port, self.server_port = port, server_port
        self.asked = Counter()
        self.drop = self.dropped = 0
        self._streams = []
        self._pipes = set()

    async def mend(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def cut(self):
        self._server.close()
        for stream in self._streams:
            stream.transport.abort()
        self._streams = []
        await asyncio.gather(*self._pipes, return_exceptions=True)

    async def _serve(self, reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.server_port)
        except OSError:
            writer.transport.abort()
            return
        self._streams += [writer, back]
        task = asyncio.current_task()
        self._pipes.add(task)
        with contextlib.suppress(OSError):
            await asyncio.gather(
                self._pipe(reader, back, self._request),
                self._pipe(there, writer, self._Response(self)),
            )
        self._pipes.discard(task)

    async def _pipe(self, reader, writer, look):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(8)
                chunk = head + await reader.readexactly(struct.unpack("<I", head[4:])[0] - 8)
                passed = look(chunk)
                if passed is not None:
                    writer.write(passed)
                    await writer.drain()
        writer.close()

    def _request(self, chunk):
        self.asked[REQUESTS.get(type_of(chunk))] += 1
        return chunk

    class _Response:
        """One direction of one connection: drops, and closes the gap in the channel's numbers."""

        def __init__(self, relay):
            self.relay, self.missing, self.whole = relay, 0, True

        def __call__(self, chunk):
            relay, first = self.relay, self.whole
            if chunk[:3] != b"MSG":
                return self._renumbered(chunk) if chunk[:3] == b"CLO" else chunk
            self.whole = chunk[3:4] == b"F"
            if (
                relay.dropped < relay.drop
                and first
                and self.whole
                and type_of(chunk) == PUBLISH_RESPONSE
                and len(chunk) > KEEP_ALIVE_BYTES
            ):
                relay.dropped += 1
                self.missing += 1
                return None
            return self._renumbered(chunk)

        def _renumbered(self, chunk):
            number = struct.unpack_from("<I", chunk, 16)[0] - self.missing
            return chunk[:16] + struct.pack("<I", number) + chunk[20:]


def type_of(chunk):
    """The numeric type of an unsecured message; None in a chunk that begins none."""
    if chunk[:3] == b"MSG" and chunk[TYPE_AT : TYPE_AT + 2] == b"\x01\x00":
        return struct.unpack_from("<H", chunk, TYPE_AT + 2)[0]
    return None
