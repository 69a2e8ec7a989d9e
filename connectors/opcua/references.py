"""Bytes of BrowseResults to references, each with the bytes of its NodeId to ask by."""

import struct
import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from asyncua import ua

from connectors.opcua.columns import Columns
from connectors.opcua.nodeids import KeptNodeId, encoded
from connectors.opcua.wire import MalformedError, Reader

Key: TypeAlias = tuple[int, int | str | bytes | uuid.UUID]
"""Namespace index and identifier: a NodeId however it was encoded."""

_U16: Final = struct.Struct("<H")
_U32: Final = struct.Struct("<I")
_LENGTH: Final = struct.Struct("<i")
_NUMERIC: Final = struct.Struct("<HI")
_LONG: Final = struct.Struct("<Hi")
"""Namespace index, and how many bytes follow."""
_RESULT: Final = struct.Struct("<Ii")
"""Status, and the length of the continuation point."""
_KINDS: Final = tuple(ua.NodeIdType)[:6]
_WIDTHS: Final = {0: 2, 1: 4, 2: 7, 4: 19}
"""Bytes of a NodeId by its first byte; of any other they are told further on."""
_SHORTEST: Final = 2 + 1 + 2 + 6 + 1 + 4 + 2
"""Bytes of a reference without names."""
_HAS_URI, _HAS_SERVER = 0x80, 0x40
_NOBODY: Final = (-1, 0)
_NODE_ID: Final = 17
_HELD: Final = {bytes((1, _NODE_ID, first)): 2 + width for first, width in _WIDTHS.items()}
"""Bytes of a DataValue that is nothing but a NodeId, by its first three."""


class Reference(NamedTuple):
    """A reference, of what was asked for: `requests.WANTED`."""

    type_id: Key
    node_id: KeptNodeId | None
    """None where it lies on another server, or in a namespace that this one does not name."""
    name_index: int
    name: str
    """The browse name and the index of its namespace."""
    node_class: int


class Browsed(NamedTuple):
    """The references of one node, and the status with which the server gave them."""

    references: Sequence[Reference]
    status_code: int
    point: bytes = b""
    """The continuation point of the rest; empty where there is none."""

    @property
    def is_refused(self) -> bool:
        """True where references may be missing."""
        return bool(self.status_code & 0x80000000)


_NOTHING: Final = Browsed((), 0)
_NULL, _EMPTY = b"\xff" * 4, bytes(4)
_LEAVES: Final = frozenset(
    bytes(4) + point + references for point in (_NULL, _EMPTY) for references in (_NULL, _EMPTY)
)
"""Good, no continuation point, no references: the answer for most nodes."""


def browse_results(r: Reader) -> list[Browsed]:
    """The results of a Browse or BrowseNext, in order, from behind the response header.

    Raises:
        MalformedError: the bytes are not what part 6 allows, or there are too few.
    """
    found = []
    pos = r.pos + 4
    try:
        for _ in range(max(r.length(), 0)):
            if r.data[pos : pos + 12] in _LEAVES:
                browsed, pos = _NOTHING, pos + 12
            else:
                browsed, pos = _result(r.data, pos, r.namespaces)
            found.append(browsed)
    except (IndexError, struct.error) as error:
        raise MalformedError(f"references are cut at {pos} of {len(r.data)}") from error
    r.pos = pos
    return found


def _result(data: bytes, pos: int, namespaces: Sequence[str]) -> tuple[Browsed, int]:
    status, size = _RESULT.unpack_from(data, pos)
    pos += _RESULT.size
    point = data[pos : pos + max(size, 0)]
    pos += max(size, 0)
    (count,) = _LENGTH.unpack_from(data, pos)
    pos += _LENGTH.size
    if count * _SHORTEST > len(data) - pos:
        raise MalformedError(f"{count} references in {len(data) - pos} bytes")
    references = []
    for _ in range(count):
        reference, pos = _reference(data, pos, namespaces)
        references.append(reference)
    return Browsed(references, status, point), pos


def _reference(data: bytes, pos: int, namespaces: Sequence[str]) -> tuple[Reference, int]:
    behind = pos + (_WIDTHS.get(data[pos]) or _width(data, pos))
    type_id = _key(data[pos:behind])
    pos = behind
    node_id, pos = _node_id(data, pos + 1, namespaces)  # behind IsForward, which all are
    index, size = _LONG.unpack_from(data, pos)
    pos += 6
    name = ""
    if size > 0:
        name = str(data[pos : pos + size], "utf-8", "backslashreplace")
        pos += size
    mask = data[pos]  # of the display name, which was not asked for
    pos += 1
    for bit in (1, 2):
        if mask & bit:
            pos = _behind_text(data, pos)
    (node_class,) = _U32.unpack_from(data, pos)
    pos += 4
    pos += _WIDTHS.get(data[pos]) or _width(data, pos)
    if pos > len(data):
        raise IndexError
    return Reference(type_id, node_id, index, name, node_class), pos


@lru_cache(maxsize=1024)
def _key(part: bytes) -> Key:
    """What a NodeId of the server's own says: few reference types are used again and again."""
    node_id, _ = _node_id(part, 0, ())
    return _NOBODY if node_id is None else (node_id.NamespaceIndex, node_id.Identifier)


def _width(data: bytes, pos: int) -> int:
    """Bytes of any NodeId or ExpandedNodeId."""
    first, behind = data[pos], pos
    if first & 0x3F in _WIDTHS:
        behind += _WIDTHS[first & 0x3F]
    elif first & 0x3F in (3, 5):
        behind = _behind_text(data, pos + 3)
    else:
        raise MalformedError(f"a NodeId of kind {first & 0x3F}")
    if first & _HAS_URI:
        behind = _behind_text(data, behind)
    return behind - pos + (4 if first & _HAS_SERVER else 0)


def _behind_text(data: bytes, pos: int) -> int:
    (size,) = _LENGTH.unpack_from(data, pos)
    return pos + 4 + max(int(size), 0)


def _node_id(data: bytes, pos: int, namespaces: Sequence[str]) -> tuple[KeptNodeId | None, int]:
    """A NodeId or ExpandedNodeId of this server and the place behind it; None for any other."""
    first = data[pos]
    kind = first & 0x3F
    identifier: int | str | bytes | uuid.UUID
    if kind == 3 or kind == 5:
        index, size = _LONG.unpack_from(data, pos + 1)
        end = pos + 7 + max(size, 0)
        letters = data[pos + 7 : end]
        identifier = letters if kind == 5 else str(letters, "utf-8", "surrogateescape")
    elif kind == 2:
        index, identifier = _NUMERIC.unpack_from(data, pos + 1)
        end = pos + 7
    elif kind == 1:
        index, end = data[pos + 1], pos + 4
        (identifier,) = _U16.unpack_from(data, pos + 2)
    elif kind == 0:
        index, identifier, end = 0, data[pos + 1], pos + 2
    elif kind == 4:
        (index,), end = _U16.unpack_from(data, pos + 1), pos + 19
        if end > len(data):
            raise IndexError
        identifier = uuid.UUID(bytes_le=data[pos + 3 : end])
    else:
        raise MalformedError(f"a NodeId of kind {kind}")
    if first < _HAS_SERVER:
        return KeptNodeId.made(identifier, index, _KINDS[kind], data[pos:end]), end
    return _expanded(data, first, end, identifier, index, namespaces)


def _expanded(
    data: bytes,
    first: int,
    pos: int,
    identifier: int | str | bytes | uuid.UUID,
    index: int,
    namespaces: Sequence[str],
) -> tuple[KeptNodeId | None, int]:
    """An ExpandedNodeId, whose namespace URI rules over its index; None where it is not ours."""
    uri, server = None, 0
    if first & _HAS_URI:
        start, pos = pos + 4, _behind_text(data, pos)
        uri = str(data[start:pos], "utf-8", "surrogateescape")
    if first & _HAS_SERVER:
        (server,) = _U32.unpack_from(data, pos)
        pos += 4
    if server or (uri and uri not in namespaces):
        return None, pos
    if uri:
        index = namespaces.index(uri)
    plain = ua.NodeId(identifier, index)  # type: ignore[arg-type]
    return KeptNodeId.made(identifier, index, plain.NodeIdType, encoded(plain)), pos


def node_id_texts(r: Reader) -> list[str | None]:
    """DataValues that hold NodeIds, each as text with its namespace URI; None of anything else.

    Raises:
        MalformedError: as `DataValues.decode` does.
    """
    known: dict[bytes, str | None] = {}
    found = []
    data = r.data
    for _ in range(max(r.length(), 0)):
        pos = r.pos
        width = _HELD.get(data[pos : pos + 3], 0)
        part = data[pos : pos + width]
        if part in known:
            r.pos = pos + width
            found.append(known[part])
        else:
            one = Columns(1)
            one.read_one(r, 0, 0)
            is_one = one.types[0] == _NODE_ID and not one.is_array[0]
            text = one.made_texts.get(0) if is_one else None
            found.append(text)
            if width:
                known[part] = text
    return found
