"""NodeIds: as text that stays true when a server numbers its namespaces anew, and as bytes."""

import base64
import re
import struct
import uuid
from collections.abc import Sequence
from typing import Final

from asyncua import ua
from asyncua.ua.ua_binary import nodeid_to_binary

_TEXT = re.compile(r"(?:ns=(?P<index>\d+);|nsu=(?P<uri>[^;]+);)?(?P<rest>[isgb]=.+)", re.DOTALL)
_STRING, _BYTES = ua.NodeIdType.String, ua.NodeIdType.ByteString
_HEAD: Final = struct.Struct("<BHi")
"""Kind, namespace index and the length of a string."""


class KeptNodeId(ua.NodeId):
    """A NodeId with its bytes on the wire: encoded once, asked for by them again and again."""

    __slots__ = ("encoded",)
    encoded: bytes

    @classmethod
    def made(
        cls, identifier: int | str | bytes | uuid.UUID, index: int, kind: ua.NodeIdType, part: bytes
    ) -> "KeptNodeId":
        """All fields known to fit: asyncua's own checks cost more than reading the bytes."""
        found = cls.__new__(cls)
        found.Identifier, found.NamespaceIndex = identifier, index  # type: ignore[assignment]
        found.NodeIdType, found.encoded = kind, part
        return found

    @classmethod
    def of(cls, node_id: ua.NodeId) -> "KeptNodeId":
        """Any NodeId of this server."""
        if type(node_id) is cls:
            return node_id
        kind, index = node_id.NodeIdType, int(node_id.NamespaceIndex)
        return cls.made(node_id.Identifier, index, kind, encoded(node_id))


def encoded(node_id: ua.NodeId) -> bytes:
    """The bytes of a NodeId (part 6, 5.2.2.9)."""
    if type(node_id) is KeptNodeId:
        return node_id.encoded
    identifier = node_id.Identifier
    if node_id.NodeIdType is _STRING and type(node_id) is ua.NodeId and identifier is not None:
        letters = str(identifier).encode("utf-8", "surrogateescape")
        return _HEAD.pack(3, node_id.NamespaceIndex, len(letters)) + letters
    return bytes(nodeid_to_binary(node_id))


def namespaced(index: int, identifier: str, namespaces: Sequence[str]) -> str:
    """`nsu=<uri>;<identifier>`, or `ns=<index>;…` where the server names no such namespace."""
    if index < len(namespaces):
        return f"nsu={namespaces[index]};{identifier}"
    return f"ns={index};{identifier}"


def text_of(node_id: ua.NodeId, namespaces: Sequence[str]) -> str:
    """The text of asyncua's NodeId, with its namespace URI."""
    return namespaced(node_id.NamespaceIndex, _spelled(node_id), namespaces)


def _spelled(node_id: ua.NodeId) -> str:
    identifier: object = node_id.Identifier
    if isinstance(identifier, str) and node_id.NodeIdType is not _BYTES:
        if not identifier.isascii():  # what was no UTF-8 is kept as surrogates
            letters = identifier.encode("utf-8", "surrogateescape")
            identifier = letters.decode("utf-8", "backslashreplace")
        return f"s={identifier}"
    if isinstance(identifier, int):
        return f"i={identifier:d}"
    if isinstance(identifier, bytes):
        return f"b={base64.b64encode(identifier).decode()}"
    return f"g={identifier}"


def parsed(text: str, namespaces: Sequence[str]) -> ua.NodeId:
    """The NodeId that `ns=…` or `nsu=…` text means on this server; ValueError where it has none."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a NodeId")
    index = int(found["index"] or 0)
    if found["uri"] is not None:
        if found["uri"] not in namespaces:
            raise ValueError(f"the server has no namespace {found['uri']}")
        index = list(namespaces).index(found["uri"])
    node_id = ua.NodeId.from_string(f"ns={index};{found['rest']}")
    assert isinstance(node_id, ua.NodeId)
    return node_id
