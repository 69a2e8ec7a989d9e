"""Everything under Objects except the Server object, browsed and read in batches."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes
from asyncua.ua.uaerrors import UaError

from connectors.opcua.nodeids import KeptNodeId, parsed, text_of
from connectors.opcua.references import Key, Reference
from connectors.opcua.session import Attribute, Session, attributes

BrowseName = tuple[str, str]
"""A namespace URI and a name."""

MAX_NODES: Final = 1_000_000
"""An address space that grows while it is browsed must not keep us for ever."""
_GONE: Final = frozenset({StatusCodes.BadNodeIdUnknown, StatusCodes.BadNodeIdInvalid})
_READ: Final = 1
_HISTORY_READ: Final = 4
_HISTORY_CONFIGURATION: Final = (0, ObjectIds.HasHistoricalConfiguration)
"""Below it lies how a history is kept: ten variables of each historized one, not a value of any."""
_ATTRIBUTES: Final = (
    AttributeIds.AccessLevel,
    AttributeIds.UserAccessLevel,
    AttributeIds.Historizing,
    AttributeIds.ValueRank,
)
"""What is read of a variable besides its value and DataType."""
_VARIABLE: Final = int(ua.NodeClass.Variable)


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


class Found(NamedTuple):
    """A node that browsing came to."""

    node_id: KeptNodeId
    path: tuple[BrowseName, ...]
    is_variable: bool


async def discover(
    session: Session, only: Sequence[str] = (), refused: dict[str, int] | None = None
) -> tuple[list[Variable], list[str]]:
    """The server's variables in browse order, and the texts of `only` that it does not have.

    With `only` (NodeIds as text) nothing else is collected; its nodes may lie outside Objects.
    Nodes that could not be browsed enter `refused` with their status: what lies below is unknown.
    """
    found = await walk(session, {} if refused is None else refused)
    missing: list[str] = []
    if only:
        by_id: dict[ua.NodeId, Found] = {node.node_id: node for node in found}
        chosen = []
        for text in only:
            try:
                node_id = parsed(text, session.namespaces)
            except (ValueError, UaError):
                missing.append(text)
                continue
            chosen.append(by_id.get(node_id) or Found(KeptNodeId.of(node_id), (), True))
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


async def walk(session: Session, refused: dict[str, int]) -> list[Found]:
    """Breadth first from Objects, every node once, by its shortest path.

    Nodes that could not be browsed enter `refused` with their status.
    """
    seen: set[Key] = {(0, ObjectIds.ObjectsFolder), (0, ObjectIds.Server)}
    start = KeptNodeId.of(ua.NodeId(ua.Int32(ObjectIds.ObjectsFolder)))
    frontier = [Found(start, (), False)]
    found: list[Found] = []
    while frontier and len(found) < MAX_NODES:
        browsed = await session.browse([node.node_id for node in frontier])
        level: list[Found] = []
        for node, answer in zip(frontier, browsed, strict=True):
            if answer.is_refused:
                refused[session.text_of(node.node_id)] = answer.status_code
            if answer.references:
                level += _children(session, node, answer.references, seen)
        found += level
        frontier = level
    return found


def _children(
    session: Session, parent: Found, references: Sequence[Reference], seen: set[Key]
) -> Iterator[Found]:
    """The nodes that references lead to, those of other servers and those `seen` left out."""
    for type_id, node_id, index, name, node_class in references:
        if node_id is None or type_id == _HISTORY_CONFIGURATION:
            continue
        key = (node_id.NamespaceIndex, node_id.Identifier)
        if key not in seen:
            seen.add(key)
            step = (_uri(session, index), name)
            yield Found(node_id, (*parent.path, step), node_class == _VARIABLE)


def _uri(session: Session, index: int) -> str:
    return session.namespaces[index] if index < len(session.namespaces) else f"ns={index}"


async def _read_attributes(session: Session, nodes: Sequence[Found]) -> list[Variable]:
    """The variables, from one column per attribute."""
    ids = [node.node_id for node in nodes]
    read = attributes(await session.read_columns(ids, AttributeIds.Value))
    data_types = await session.read_node_ids(ids, AttributeIds.DataType)
    told = [(await session.read_columns(ids, one)).values() for one in _ATTRIBUTES]
    namespaces = session.namespaces
    return [
        Variable(
            node.node_id,
            text_of(node.node_id, namespaces),
            node.path,
            value,
            data_type,
            rank if isinstance(rank, int) else None,
            readable=_allows(_READ, access, user_access),
            historized=bool(historizing) or _allows(_HISTORY_READ, access, user_access),
        )
        for node, value, data_type, access, user_access, historizing, rank in zip(
            nodes, read, data_types, *told, strict=True
        )
    ]


@lru_cache(maxsize=1024, typed=True)
def _allows(bit: int, *levels: object) -> bool:
    """Whether all access levels that were told allow it; where none was told, only reading."""
    known = [level for level in levels if isinstance(level, int)]
    return all(level & bit for level in known) if known else bit == _READ
