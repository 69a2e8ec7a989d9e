"""Requests asked in bulk, as bytes: what all nodes share is encoded once and put between them.

asyncua's classes cost more to fill and encode than the server's answer costs to read. Every
encoder gives the bytes of asyncua's `struct_to_binary`.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from connectors.opcua.nodeids import encoded

NEITHER: Final = ua.TimestampsToReturn.Neither
BOTH: Final = ua.TimestampsToReturn.Both
WANTED: Final = 0b1101
"""Of a reference its type, node class and browse name: all that anybody uses."""

_READ_HEAD: Final = struct.Struct("<dIi")
"""MaxAge, TimestampsToReturn, how many."""
_READ_TAIL: Final = struct.Struct("<IiHi")
"""AttributeId, no IndexRange, no DataEncoding."""
_NO_VIEW: Final = bytes(2 + 8 + 4)
_BROWSE_TAIL: Final = struct.Struct("<IBBBII")
"""BrowseDirection, ReferenceTypeId, IncludeSubtypes, NodeClassMask, ResultMask."""
_FORWARD: Final = 0
_TWO_BYTE, _FOUR_BYTE = 0, 1
"""How a NodeId of the standard is encoded."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request as the transport sends it: only its RequestHeader is missing."""

    encoding: bytes
    """The NodeId of its binary encoding."""
    parameters: bytes

    @classmethod
    def of(cls, number: int, *parts: bytes) -> "Encoded":
        """The parameters in parts, under the `ObjectIds` number of their encoding."""
        return cls(struct.pack("<BBH", _FOUR_BYTE, 0, number), b"".join(parts))


def read_columns(
    nodes: Sequence[ua.NodeId], attribute: AttributeIds, timestamps: ua.TimestampsToReturn
) -> Encoded:
    """A Read of one attribute of many nodes."""
    tail = _READ_TAIL.pack(attribute, -1, 0, -1)
    return _read(len(nodes), timestamps, [tail.join(map(encoded, nodes)), tail if nodes else b""])


def read_pairs(
    wanted: Sequence[tuple[ua.NodeId, AttributeIds]], timestamps: ua.TimestampsToReturn
) -> Encoded:
    """A Read of nodes with an attribute each."""
    tails = {a: _READ_TAIL.pack(a, -1, 0, -1) for a in {attribute for _, attribute in wanted}}
    parts = (part for node, attribute in wanted for part in (encoded(node), tails[attribute]))
    return _read(len(wanted), timestamps, parts)


def _read(count: int, timestamps: ua.TimestampsToReturn, parts: Iterable[bytes]) -> Encoded:
    head = _READ_HEAD.pack(0.0, timestamps, count)
    return Encoded.of(ObjectIds.ReadRequest_Encoding_DefaultBinary, head, *parts)


def browse(nodes: Sequence[ua.NodeId]) -> Encoded:
    """A Browse of all hierarchical forward references, as many as the server gives at once."""
    tail = _BROWSE_TAIL.pack(_FORWARD, _TWO_BYTE, ObjectIds.HierarchicalReferences, True, 0, WANTED)
    head = _NO_VIEW + struct.pack("<Ii", 0, len(nodes))
    rows = tail.join(map(encoded, nodes)), tail if nodes else b""
    return Encoded.of(ObjectIds.BrowseRequest_Encoding_DefaultBinary, head, *rows)


def browse_next(points: Sequence[bytes], *, release: bool = False) -> Encoded:
    """What lies behind continuation points; with `release` they are given back instead."""
    parts = [struct.pack("<?i", release, len(points))]
    for point in points:
        parts += (struct.pack("<i", len(point)), point)
    return Encoded.of(ObjectIds.BrowseNextRequest_Encoding_DefaultBinary, *parts)


def create_items(
    subscription_id: int,
    items: Sequence[tuple[int, ua.NodeId]],
    *,
    sampling_interval_ms: float,
    queue_size: int,
) -> Encoded:
    """A CreateMonitoredItems: every change of status, value or timestamp of nodes, by handle."""
    head = struct.pack("<IIi", subscription_id, ua.TimestampsToReturn.Both, len(items))
    watch = _READ_TAIL.pack(AttributeIds.Value, -1, 0, -1)
    watch += struct.pack("<I", ua.MonitoringMode.Reporting)
    how = struct.pack("<d", sampling_interval_ms) + _EVERY_CHANGE
    how += struct.pack("<I?", queue_size, True)
    handle_bytes = struct.Struct("<I").pack
    parts = [p for handle, node in items for p in (encoded(node), watch, handle_bytes(handle), how)]
    return Encoded.of(ObjectIds.CreateMonitoredItemsRequest_Encoding_DefaultBinary, head, *parts)


_EVERY_CHANGE: Final = struct.pack(
    "<BBHBiIId", _FOUR_BYTE, 0, ObjectIds.DataChangeFilter_Encoding_DefaultBinary, 1, 16,
    ua.DataChangeTrigger.StatusValueTimestamp, ua.DeadbandType.None_, 0.0,
)  # fmt: skip
"""A DataChangeFilter as an ExtensionObject."""
