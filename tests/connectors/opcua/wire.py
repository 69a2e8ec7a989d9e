"""A TCP relay that understands the messages of an unsecured OPC UA channel, so as to harm them."""

import asyncio
import contextlib
import struct
from collections import deque

from asyncua import ua

from connectors.opcua.decode import Reader

HEADER = struct.Struct("<3scI")
SEQUENCE, REQUEST = 16, 20
"""Where a MSG chunk has its sequence number and request id (part 6, 6.7.2), after 8 of header."""
BODY = 24
HANDLE = 4 + 8
"""Where a response's body has its request handle, behind type id and timestamp."""
PUBLISH_REQUEST = ua.ObjectIds.PublishRequest_Encoding_DefaultBinary
PUBLISH_RESPONSE = ua.ObjectIds.PublishResponse_Encoding_DefaultBinary


class Link:
    """One relayed connection: the publishes that the client waits for, the numbers it has seen."""

    def __init__(self, up, down):
        self.up, self.down = up, down
        self.waiting = deque()
        self.sequence = 0
        self.is_dead = False

    def send(self, chunks, request=None):
        """Chunks of one message to the client, numbered without a hole (part 6, 6.7.2.4)."""
        for number, chunk in enumerate(chunks):
            if chunk[:3] == b"MSG":
                self.sequence += 1
                struct.pack_into("<I", chunk, SEQUENCE, self.sequence)
                if request is not None:
                    struct.pack_into("<I", chunk, REQUEST, request[0])
                    if number == 0:
                        struct.pack_into("<I", chunk, BODY + HANDLE, request[1])
            elif chunk[:3] == b"OPN":
                place = _behind_security_header(chunk)
                self.sequence += 1
                struct.pack_into("<I", chunk, place, self.sequence)
            self.down.write(bytes(chunk))

    def close(self):
        for writer in (self.up, self.down):
            writer.transport.abort()


class Wire:
    """`await mend()`, connect to `url`; then harm what it carries."""

    def __init__(self, port, own_port):
        self.port, self.own_port = port, own_port
        self.drop = self.repeat = 0
        """How many of the next PublishResponses with values are lost, or delivered twice."""
        self.dropped = self.repeated = 0
        self.stalled = False
        """Connections are taken, bytes read, nothing is ever answered over them."""
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._links, self._tasks, self._server = set(), set(), None

    @property
    def url(self):
        return f"opc.tcp://127.0.0.1:{self.own_port}"

    async def mend(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.own_port)

    async def cut(self):
        """Cut all connections and take none until mended."""
        self._server.close()
        for link in self._links:
            link.close()
        await asyncio.sleep(0)

    async def end(self):
        await self.cut()
        self._thawed.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def freeze(self):
        """Bytes stand still both ways and go on when it thaws; connections stay."""
        self._thawed.clear()

    def thaw(self):
        self._thawed.set()

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(OSError):
            answers, up = await asyncio.open_connection("127.0.0.1", self.port)
            link = Link(up, writer)
            self._links.add(link)
            try:
                await asyncio.gather(
                    self._pipe(reader, link, self._ask), self._pipe(answers, link, self._answer)
                )
            finally:
                link.close()
                self._links.discard(link)
        writer.transport.abort()

    async def _pipe(self, reader, link, hand_on):
        """Whole messages, however many chunks each has."""
        chunks = []
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(HEADER.size)
                _, final, size = HEADER.unpack(head)
                chunks.append(bytearray(head + await reader.readexactly(size - HEADER.size)))
                if final != b"C":
                    await self._thawed.wait()
                    link.is_dead |= self.stalled  # what lost bytes makes no sense any more
                    if not link.is_dead:
                        hand_on(link, chunks)
                    chunks = []
        link.close()

    def _ask(self, link, chunks):
        if _type(chunks) == PUBLISH_REQUEST:
            body = Reader(bytes(chunks[0][BODY:]), 0, [])
            body.node_id()
            body.node_id()  # authentication token
            body.number("<q")
            (request,) = struct.unpack_from("<I", chunks[0], REQUEST)
            link.waiting.append((request, body.number("<I")))
        for chunk in chunks:
            link.up.write(bytes(chunk))

    def _answer(self, link, chunks):
        if _type(chunks) != PUBLISH_RESPONSE or not link.waiting:
            self._forget(link, chunks)
            link.send(chunks)
        elif self.drop and _has_values(chunks):
            self.drop -= 1
            self.dropped += 1
            self._forget(link, chunks)
        elif self.repeat and _has_values(chunks) and len(link.waiting) > 1:
            self.repeat -= 1
            self.repeated += 1
            link.send([bytearray(chunk) for chunk in chunks], link.waiting.popleft())
            link.send(chunks, link.waiting.popleft())
        else:
            link.send(chunks, link.waiting.popleft())

    def _forget(self, link, chunks):
        """This request has its answer, be it a fault."""
        if chunks[0][:3] == b"MSG":
            (request,) = struct.unpack_from("<I", chunks[0], REQUEST)
            link.waiting = deque(one for one in link.waiting if one[0] != request)


def _behind_security_header(chunk):
    """Where an OPN chunk has its sequence number: behind policy, certificate and thumbprint."""
    place = 12
    for _ in range(3):
        (length,) = struct.unpack_from("<i", chunk, place)
        place += 4 + max(length, 0)
    return place


def _type(chunks):
    """The number of a message's type; 0 for what is no MSG."""
    if chunks[0][:3] != b"MSG" or chunks[0][BODY] != 1:
        return 0
    return struct.unpack_from("<H", chunks[0], BODY + 2)[0]


def _has_values(chunks):
    body = Reader(b"".join(bytes(chunk[BODY:]) for chunk in chunks), 0, [])
    body.service_result()
    body.number("<I")
    body.take(4 * max(body.length(), 0))
    body.take(1 + 4 + 8)
    return body.length() > 0
