"""The address space of the load server: folders of variables under Objects, answers as bytes."""

import struct
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.ua_binary import struct_to_binary, variant_to_binary

from benchmarks.load.canned import Canned, row_bytes, type_id, values
from benchmarks.load.wire import TICKS_PER_S, Cursor, now_ticks

NAMESPACES: Final = ("http://opcfoundation.org/UA/", "urn:parkpulse:load", "urn:parkpulse:machines")
FOLDER: Final = 500
"""Variables in a folder, as a machine has them."""
HISTORY_PAGE: Final = 10_000
"""Values of one node in one answer; the rest behind a continuation point."""
_REFERENCES: Final = 1_000
UNKNOWN_NODE: Final = 0x8034_0000
_UNKNOWN_ATTRIBUTE: Final = 0x8035_0000
_NO_HISTORY: Final = 0x8072_0000
_NO_POINT: Final = 0x804A_0000
_ALL: Final = frozenset({0, ObjectIds.References, ObjectIds.HierarchicalReferences})
_NULL: Final = b"\xff\xff\xff\xff"

Key = tuple[int, int | bytes]


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<i", len(raw)) + raw


def node_id(key: Key) -> bytes:
    """A NodeId as on the wire."""
    index, identifier = key
    if isinstance(identifier, bytes):
        return struct.pack("<BHi", 3, index, len(identifier)) + identifier
    return struct.pack("<BHI", 2, index, identifier)


class Space:
    """Answers Read, Browse and HistoryRead of `count` variables of the given types."""

    def __init__(self, count: int, types: tuple[str, ...], history: int = 0) -> None:
        self.types = [types[number % len(types)] for number in range(count)]
        self.keys: list[Key] = [(2, b"v%d" % number) for number in range(count)]
        self.numbers = {key: number for number, key in enumerate(self.keys)}
        self.history = history
        self._references = self._tree()
        self._fixed = _server_values()
        random = np.random.default_rng(1)
        self._values = [_one_value(name, random) for name in self.types]
        if history:
            self._first = now_ticks() // TICKS_PER_S * TICKS_PER_S - history * TICKS_PER_S
            self._past = [self._made(name) for name in dict.fromkeys(types)]
            self._kinds = {name: row for row, name in enumerate(dict.fromkeys(types))}

    # --- Browse

    def _tree(self) -> dict[Key, list[bytes]]:
        folders: list[Key] = [(2, b"f%d" % n) for n in range(-(-len(self.keys) // FOLDER))]
        server: Key = (0, ObjectIds.Server)
        organizes, component = ObjectIds.Organizes, ObjectIds.HasComponent
        tree = {
            (0, ObjectIds.ObjectsFolder): [_reference(server, organizes, "Server", 1, 2004, 0)]
            + [_reference(one, organizes, f"Machine{n}", 1, 61) for n, one in enumerate(folders)],
            server: [],
        }
        for number, folder in enumerate(folders):
            mine = range(number * FOLDER, min((number + 1) * FOLDER, len(self.keys)))
            tree[folder] = [_reference(self.keys[n], component, f"Signal{n}", 2, 63) for n in mine]
        return tree

    def browse(self, cursor: Cursor) -> bytes:
        """One BrowseDescription to one BrowseResult."""
        key = cursor.node_id()
        direction = cursor.u32()
        _, kind = cursor.node_id()
        cursor.pos += 9
        found = self._references.get(key, [] if key in self.numbers else None)
        if found is None:
            return struct.pack("<I", UNKNOWN_NODE) + _NULL + _NULL
        wanted = kind in _ALL or kind in (ObjectIds.Organizes, ObjectIds.HasComponent)
        return self._page(key, 0) if direction != 1 and wanted and found else _NOTHING

    def browse_next(self, point: bytes) -> bytes:
        """The next references behind a continuation point, which names its place itself."""
        begin, _, identifier = point.partition(b":")
        if not begin.isdigit():
            return struct.pack("<I", _NO_POINT) + _NULL + _NULL
        index, _, name = identifier.partition(b":")
        key: Key = (int(index), int(name) if index == b"0" else name)
        return self._page(key, int(begin))

    def _page(self, key: Key, begin: int) -> bytes:
        found = self._references[key]
        part = found[begin : begin + _REFERENCES]
        point = _NULL
        if begin + len(part) < len(found):
            name = key[1] if isinstance(key[1], bytes) else b"%d" % key[1]
            place = b"%d:%d:%s" % (begin + len(part), key[0], name)
            point = struct.pack("<i", len(place)) + place
        return struct.pack("<I", 0) + point + struct.pack("<i", len(part)) + b"".join(part)

    # --- Read

    def read(self, cursor: Cursor) -> bytes:
        """One ReadValueId to one DataValue."""
        key, attribute = cursor.node_id(), cursor.u32()
        cursor.text()
        cursor.pos += 2
        cursor.text()
        number = self.numbers.get(key)
        if number is not None:
            return self._attribute(number, attribute)
        if attribute == AttributeIds.Value:
            if key == (0, ObjectIds.Server_ServerStatus_CurrentTime):
                return struct.pack("<BBq", 1, 13, now_ticks())
            if key in self._fixed:
                return self._fixed[key]
        code = _UNKNOWN_ATTRIBUTE if key in self._references else UNKNOWN_NODE
        return struct.pack("<BI", 2, code)

    def _attribute(self, number: int, attribute: int) -> bytes:
        name = self.types[number]
        if attribute == AttributeIds.Value:
            return self._values[number]
        if attribute == AttributeIds.DataType:
            return struct.pack("<BB", 1, 17) + node_id((0, type_id(name)))
        if attribute in (AttributeIds.AccessLevel, AttributeIds.UserAccessLevel):
            return struct.pack("<BBB", 1, 3, 5 if self.history else 1)
        if attribute == AttributeIds.Historizing:
            return struct.pack("<BBB", 1, 1, bool(self.history))
        if attribute == AttributeIds.ValueRank:
            return struct.pack("<BBi", 1, 6, -1)
        if attribute == AttributeIds.NodeClass:
            return struct.pack("<BBi", 1, 6, 2)
        if attribute == AttributeIds.NodeId:
            return struct.pack("<BB", 1, 17) + node_id(self.keys[number])
        if attribute == AttributeIds.BrowseName:
            return struct.pack("<BBH", 1, 20, 2) + _text(f"Signal{number}")
        if attribute == AttributeIds.DisplayName:
            return struct.pack("<BBB", 1, 21, 2) + _text(f"Signal{number}")
        return struct.pack("<BI", 2, _UNKNOWN_ATTRIBUTE)

    # --- HistoryRead

    def _made(self, name: str) -> tuple[bytes, int]:
        """Rows of `history` values a second apart, and the bytes of one."""
        whole = row_bytes(name)
        body = Canned([0] * self.history, [name] * self.history).at(0, 0)
        rows = np.frombuffer(body, np.uint8, self.history * whole, 4).reshape(-1, whole).copy()
        ticks = self._first + np.arange(self.history) * TICKS_PER_S
        rows[:, -16:-8] = ticks.astype("<i8")[:, None].view(np.uint8)
        rows[:, -8:] = (ticks + 3_000).astype("<i8")[:, None].view(np.uint8)
        return rows[:, 4:].tobytes(), whole - 4

    def history_read(self, start: int, end: int, most: int, cursor: Cursor) -> bytes:
        """One HistoryReadValueId to one HistoryReadResult (raw values, both directions)."""
        key = cursor.node_id()
        cursor.text()
        cursor.pos += 2
        cursor.text()
        point = cursor.text()
        number = self.numbers.get(key)
        if number is None or not self.history:
            code = UNKNOWN_NODE if number is None else _NO_HISTORY
            return struct.pack("<I", code) + _NULL + b"\x00\x00\x00"
        data, size = self._past[self._kinds[self.types[number]]]
        rows = self._rows(start, end)
        begin = int(point) if point.isdigit() else 0
        page = rows[begin : begin + min(most or HISTORY_PAGE, HISTORY_PAGE)]
        if not page:
            part = b""
        elif page.step == 1:
            part = data[page[0] * size : (page[-1] + 1) * size]
        else:
            part = b"".join([data[row * size : (row + 1) * size] for row in page])
        rest = begin + len(page) < len(rows) and not (most and most <= begin + len(page))
        place = b"%d" % (begin + len(page))
        body = struct.pack("<i", len(page)) + part
        return b"".join(
            (
                struct.pack("<I", 0),
                struct.pack("<i", len(place)) + place if rest else _NULL,
                struct.pack("<BBHBi", 1, 0, _HISTORY_DATA, 1, len(body)),
                body,
            )
        )

    def _rows(self, start: int, end: int) -> range:
        """The rows asked for, backwards where there is no start or it is the later time."""
        if end and not start:
            return range(self._place(end, after=True) - 1, -1, -1)
        if end and end < start:
            return range(self._place(start, after=True) - 1, self._place(end, after=True) - 1, -1)
        return range(self._place(start), self._place(end) if end else self.history)

    def _place(self, ticks: int, *, after: bool = False) -> int:
        """The row of the first value at or after this time; behind it where `after`."""
        whole, rest = divmod(ticks - self._first, TICKS_PER_S)
        return min(max(whole + (1 if rest or after else 0), 0), self.history)


_HISTORY_DATA: Final = ObjectIds.HistoryData_Encoding_DefaultBinary
_NOTHING: Final = struct.pack("<I", 0) + _NULL + struct.pack("<i", 0)


def _reference(
    key: Key, kind: int, name: str, node_class: int, type_of: int, index: int = 2
) -> bytes:
    return b"".join(
        (
            node_id((0, kind)), b"\x01", node_id(key), struct.pack("<H", index), _text(name),
            b"\x02", _text(name), struct.pack("<I", node_class), node_id((0, type_of)),
        )
    )  # fmt: skip


def _one_value(name: str, random: np.random.Generator) -> bytes:
    value = values(name, 1, random).tobytes()
    length = struct.pack("<i", 8) if name == "String" else b""
    ticks = now_ticks()
    stamps = struct.pack("<qq", ticks, ticks)
    return struct.pack("<BB", 0x0D, type_id(name)) + length + value + stamps


def _server_values() -> dict[Key, bytes]:
    """What clients ask of the Server object before they begin."""
    variants = {
        ObjectIds.Server_NamespaceArray: ua.Variant(list(NAMESPACES), ua.VariantType.String),
        ObjectIds.Server_ServerArray: ua.Variant([NAMESPACES[1]], ua.VariantType.String),
        ObjectIds.Server_ServerStatus_State: ua.Variant(0, ua.VariantType.Int32),
        ObjectIds.Server_ServiceLevel: ua.Variant(255, ua.VariantType.Byte),
    }
    for name, limit in _LIMITS.items():
        number = getattr(ObjectIds, f"Server_ServerCapabilities_OperationLimits_{name}")
        variants[number] = ua.Variant(limit, ua.VariantType.UInt32)
    status = ua.ServerStatusDataType(State=ua.ServerState.Running)
    found: dict[Key, bytes] = {
        (0, number): b"\x01" + variant_to_binary(one) for number, one in variants.items()
    }
    body = struct_to_binary(status)
    kind = ObjectIds.ServerStatusDataType_Encoding_DefaultBinary
    found[(0, ObjectIds.Server_ServerStatus)] = (
        struct.pack("<BBBBHBi", 1, 22, 1, 0, kind, 1, len(body)) + body
    )
    return found


_LIMITS: Final = {
    "MaxNodesPerRead": 1_000,
    "MaxNodesPerBrowse": 1_000,
    "MaxNodesPerHistoryReadData": 500,
    "MaxMonitoredItemsPerCall": 1_000,
}
