"""Everything under Objects except the Server object, browsed and read in batches."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError

from connectors.opcua.nodeids import parsed
from connectors.opcua.session import Attribute, Session

BrowseName = tuple[str, str]
"""A namespace URI and a name."""

MAX_NODES: Final = 1_000_000
"""An address space that grows while it is browsed must not keep us for ever."""
_GONE: Final = frozenset({StatusCodes.BadNodeIdUnknown, StatusCodes.BadNodeIdInvalid})
_READ: Final = 1
_HISTORY_READ: Final = 4
_HISTORY_CONFIGURATION: Final = ua.NodeId(ua.Int32(ObjectIds.HasHistoricalConfiguration))
"""Below it lies how a history is kept: ten variables of each historized one, not a value of any."""
_ATTRIBUTES: Final = (
    AttributeIds.Value,
    AttributeIds.DataType,
    AttributeIds.AccessLevel,
    AttributeIds.UserAccessLevel,
    AttributeIds.Historizing,
    AttributeIds.ValueRank,
)


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: where it is, what it holds now, whether its history can be read."""

    node_id: ua.NodeId
    text: str
    path: tuple[BrowseName, ...]
    value: Attribute
    data_type: str | None = None
    value_rank: int | None = None
    readable: bool = True
    historized: bool = False


@dataclass(frozen=True, slots=True)
class _Found:
    node_id: ua.NodeId
    path: tuple[BrowseName, ...]
    is_variable: bool


async def discover(
    session: Session, only: Sequence[str] = (), refused: dict[str, int] | None = None
) -> tuple[list[Variable], list[str]]:
    """The server's variables in browse order, and the texts of `only` that it does not have.

    With `only` (NodeIds as text) nothing else is collected; its nodes may lie outside Objects.
    Nodes that could not be browsed enter `refused` with their status: what lies below is unknown.
    """
    found = await _walk(session, {} if refused is None else refused)
    missing: list[str] = []
    if only:
        by_id = {node.node_id: node for node in found}
        chosen = []
        for text in only:
            try:
                node_id = parsed(text, session.namespaces)
            except (ValueError, UaError):
                missing.append(text)
                continue
            chosen.append(by_id.get(node_id) or _Found(node_id, (), True))
        found = chosen
    variables = await _read_attributes(session, [node for node in found if node.is_variable])
    return variables, missing


async def missing_nodes(session: Session, texts: Sequence[str]) -> list[str]:
    """Those of these nodes that the server does not know (any more)."""
    known: list[tuple[str, ua.NodeId]] = []
    for text in texts:
        with contextlib.suppress(ValueError, UaError):
            known.append((text, parsed(text, session.namespaces)))
    read = await session.read([(node_id, AttributeIds.NodeClass) for _, node_id in known])
    there = {
        text for (text, _), found in zip(known, read, strict=True) if found.status_code not in _GONE
    }
    return [text for text in texts if text not in there]


async def _walk(session: Session, refused: dict[str, int]) -> list[_Found]:
    """Breadth first from Objects, every node once, by its shortest path."""
    start = ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder))
    seen = {start, ua.NodeId(ua.Int32(ObjectIds.Server))}
    frontier = [_Found(start, (), False)]
    found: list[_Found] = []
    while frontier and len(found) < MAX_NODES:
        browsed = await session.browse([node.node_id for node in frontier])
        level = []
        for node, answer in zip(frontier, browsed, strict=True):
            if answer.is_refused:
                refused[session.text_of(node.node_id)] = answer.status_code
            for target in answer.references:
                if target.ReferenceTypeId == _HISTORY_CONFIGURATION:
                    continue
                child = _child(session, node, target)
                if child is not None and child.node_id not in seen:
                    seen.add(child.node_id)
                    level.append(child)
        found += level
        frontier = level
    return found


def _child(session: Session, parent: _Found, target: ua.ReferenceDescription) -> _Found | None:
    """The node a reference leads to; None where it lies on another server."""
    expanded = target.NodeId
    if getattr(expanded, "ServerIndex", 0):
        return None
    index = expanded.NamespaceIndex
    uri = getattr(expanded, "NamespaceUri", None)
    if uri:
        if uri not in session.namespaces:
            return None
        index = ua.Int16(session.namespaces.index(uri))
    name = target.BrowseName
    step = (_uri(session, name.NamespaceIndex), str(name.Name))
    node_id = ua.NodeId(expanded.Identifier, index, expanded.NodeIdType)
    return _Found(node_id, (*parent.path, step), target.NodeClass == ua.NodeClass.Variable)


def _uri(session: Session, index: int) -> str:
    return session.namespaces[index] if index < len(session.namespaces) else f"ns={index}"


async def _read_attributes(session: Session, nodes: Sequence[_Found]) -> list[Variable]:
    wanted = [(node.node_id, attribute) for node in nodes for attribute in _ATTRIBUTES]
    read = await session.read(wanted)
    width = len(_ATTRIBUTES)
    return [
        _variable(session, node, read[i * width : (i + 1) * width]) for i, node in enumerate(nodes)
    ]


def _variable(session: Session, node: _Found, read: Sequence[Attribute]) -> Variable:
    value, data_type, access, user_access, historizing, rank = read
    levels = [a.value for a in (access, user_access) if isinstance(a.value, int)]
    return Variable(
        node_id=node.node_id,
        text=session.text_of(node.node_id),
        path=node.path,
        value=value,
        data_type=data_type.value if isinstance(data_type.value, str) else None,
        value_rank=rank.value if isinstance(rank.value, int) else None,
        readable=all(level & _READ for level in levels),
        historized=bool(historizing.value)
        or bool(levels and all(level & _HISTORY_READ for level in levels)),
    )
