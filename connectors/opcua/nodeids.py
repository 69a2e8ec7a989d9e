"""NodeIds as text that stays true when a server numbers its namespaces anew."""

import re
from collections.abc import Sequence

from asyncua import ua

_TEXT = re.compile(r"(?:ns=(?P<index>\d+);|nsu=(?P<uri>[^;]+);)?(?P<rest>[isgb]=.+)", re.DOTALL)


def namespaced(index: int, identifier: str, namespaces: Sequence[str]) -> str:
    """`nsu=<uri>;<identifier>`, or `ns=<index>;…` where the server names no such namespace."""
    if index < len(namespaces):
        return f"nsu={namespaces[index]};{identifier}"
    return f"ns={index};{identifier}"


def text_of(node_id: ua.NodeId, namespaces: Sequence[str]) -> str:
    """The text of asyncua's NodeId, with its namespace URI."""
    identifier = ua.NodeId(node_id.Identifier, ua.Int16(0), node_id.NodeIdType).to_string()
    return namespaced(node_id.NamespaceIndex, identifier, namespaces)


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
