"""The address space of one simulated server, built without asyncua's per-node checks.

`add_nodes` compares every new child with all its siblings (seconds for a thousand terminals) and
the standard nodes cost 1.4 s and 38 MB per server; here nodes are made directly and the standard
ones are cloned from one template per process.
"""

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final, cast

from asyncua import ua
from asyncua.server.address_space import (
    AddressSpace,
    AttributeValue,
    NodeData,
    NodeManagementService,
)
from asyncua.server.internal_server import InternalServer
from asyncua.server.server import Server
from asyncua.server.standard_address_space import standard_address_space
from asyncua.ua.attribute_ids import AttributeIds as A
from asyncua.ua.object_ids import ObjectIds

from connectors.simulator.live import LiveSubscriptions
from connectors.simulator.nodes import (
    MACHINE_TOOL,
    MACHINERY,
    OPCUA,
    PACKML,
    PROCESS_VALUES,
    UNIFIED,
    BrowseName,
    Served,
)

Path_ = tuple[BrowseName, ...]

TYPES: Final[Mapping[BrowseName, BrowseName]] = {
    (MACHINERY, "Identification"): (MACHINERY, "MachineIdentificationType"),
    (MACHINERY, "MachineryItemState"): (MACHINERY, "MachineryItemState_StateMachineType"),
    (MACHINERY, "MachineryOperationMode"): (MACHINERY, "MachineryOperationModeStateMachineType"),
    (PACKML, "Status"): (PACKML, "PackMLStatusObjectType"),
    (PACKML, "Admin"): (PACKML, "PackMLAdminObjectType"),
    (MACHINE_TOOL, "Production"): (MACHINE_TOOL, "ProductionType"),
    (MACHINE_TOOL, "ActiveProgram"): (MACHINE_TOOL, "ProductionActiveProgramType"),
    (PROCESS_VALUES, "Monitoring"): (PROCESS_VALUES, "MonitoringType"),
    (UNIFIED, "UnifiedInterface"): (UNIFIED, "UnifiedInterfaceType"),
    (UNIFIED, "Park"): (UNIFIED, "ParkType"),
}
"""Object types by browse name; an object not named here is a folder or a plain object."""

FOLDERS: Final = {"Machines", "MachineryBuildingBlocks", "Enterprises", "Terminals", "IdealCycles"}

_READ: Final = 1 << ua.AccessLevel.CurrentRead
_HISTORY: Final = 1 << ua.AccessLevel.HistoryRead


class SharedServer(InternalServer):
    """An internal server with the process's standard nodes and live subscriptions."""

    def __init__(self) -> None:
        super().__init__()
        self.subscription_service = LiveSubscriptions(self.aspace, iserver=self)
        self.isession.subscription_service = self.subscription_service

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        """Fill the address space; `shelf_file` is not used."""
        template = _template()
        for node_id in list(template.keys()):
            self.aspace[node_id] = _clone(template[node_id])


@cache
def _template() -> AddressSpace:
    space = AddressSpace()
    fill = cast(Callable[[NodeManagementService], None], standard_address_space.fill_address_space)
    fill(NodeManagementService(space))
    return space


def _clone(node: NodeData) -> NodeData:
    """Values are replaced, never changed in place, so they may be shared; the holders may not."""
    copy = NodeData(node.nodeid)
    for attribute, held in node.attributes.items():
        if held.value is not None:
            copy.attributes[attribute] = AttributeValue(held.value)
    copy.references = list(node.references)
    copy.call = node.call
    return copy


async def build(server: Server, nodes: Iterable[Served]) -> dict[ua.NodeId, Served]:
    """Create every served variable and the objects above it; their NodeIds in the order of `nodes`.

    Variables have no value yet. Node ids are `nsu=<uri>;<s|i|g|b>=<identifier>`.
    """
    served = list(nodes)
    uris = {uri for node in served for uri, _ in node.path}
    uris |= {_namespace(node.node_id) for node in served} | {uri for uri, _ in TYPES.values()}
    for uri in sorted(uris - {OPCUA, ""}):
        await server.register_namespace(uri)
    names = await server.get_namespace_array()
    builder = _Builder(server.iserver.aspace, {uri: index for index, uri in enumerate(names)})
    with _no_collection():
        for node in sorted(served, key=lambda n: len(n.path)):
            builder.variable(node)
    return {builder.node_id(node.node_id): node for node in served}


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector, which would walk all the new nodes again and again."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _namespace(node_id: str) -> str:
    return node_id[4 : node_id.index(";")] if node_id.startswith("nsu=") else OPCUA


class _Builder:
    def __init__(self, space: AddressSpace, index: dict[str, int]) -> None:
        self.space, self.index = space, index
        self.made: dict[Path_, ua.NodeId] = {(): _id(ObjectIds.ObjectsFolder)}
        self.types: dict[BrowseName, ua.NodeId] = {}

    def node_id(self, text: str) -> ua.NodeId:
        """The NodeId with this server's namespace index."""
        return ua.NodeId.from_string(
            f"ns={self.index[_namespace(text)]};{text.partition(';')[2]}"
            if text.startswith("nsu=")
            else text
        )

    def variable(self, node: Served) -> None:
        node_id = self.node_id(node.node_id)
        kind = ObjectIds.PropertyType if node.is_property else ObjectIds.BaseDataVariableType
        data = self.add(node_id, node.path, ua.NodeClass.Variable, _id(kind), node.is_property)
        access = _READ | (_HISTORY if node.historized else 0)
        for attribute, value in (
            (A.Value, ua.DataValue(ua.Variant(None, ua.VariantType.Null))),
            (A.DataType, _data_type(node.value_type)),
            (A.ValueRank, _int32(1 if node.is_array else -1)),
            (A.AccessLevel, _byte(access)),
            (A.UserAccessLevel, _byte(access)),
            (A.MinimumSamplingInterval, _double(0.0)),
            (A.Historizing, _boolean(node.historized)),
        ):
            data.attributes[attribute] = AttributeValue(value)

    def object(self, path: Path_) -> ua.NodeId:
        if path not in self.made:
            text = "/".join(f"{self.index[uri]}:{name}" for uri, name in path)
            kind = self.object_type(path[-1])
            data = self.add(_id(text, 1), path, ua.NodeClass.Object, kind, False)
            data.attributes[A.EventNotifier] = AttributeValue(_byte(0))
        return self.made[path]

    def object_type(self, name: BrowseName) -> ua.NodeId:
        if name not in TYPES:
            folder = name[1] in FOLDERS
            plain = ObjectIds.FolderType if folder else ObjectIds.BaseObjectType
            return _id(plain)
        wanted = TYPES[name]
        if wanted not in self.types:
            base = _id(ObjectIds.BaseObjectType)
            node_id = _id(wanted[1], self.index[wanted[0]])
            data = self.node(node_id, wanted, ua.NodeClass.ObjectType)
            data.attributes[A.IsAbstract] = AttributeValue(_boolean(False))
            self.link(base, data, wanted, ObjectIds.HasSubtype, ua.NodeClass.ObjectType, None)
            self.types[wanted] = node_id
        return self.types[wanted]

    def add(
        self, node_id: ua.NodeId, path: Path_, kind: ua.NodeClass, type_: ua.NodeId, prop: bool
    ) -> NodeData:
        parent = self.object(path[:-1])
        in_folder = len(path) == 1 or path[-2][1] in FOLDERS
        reference = ObjectIds.Organizes if in_folder else ObjectIds.HasComponent
        if prop:
            reference = ObjectIds.HasProperty
        data = self.node(node_id, path[-1], kind)
        self.link(parent, data, path[-1], reference, kind, type_)
        self.made[path] = node_id
        return data

    def node(self, node_id: ua.NodeId, name: BrowseName, kind: ua.NodeClass) -> NodeData:
        data = NodeData(node_id)
        qualified = ua.QualifiedName(name[1], self.index[name[0]])
        for attribute, value in (
            (A.NodeId, ua.DataValue(ua.Variant(node_id, ua.VariantType.NodeId))),
            (A.BrowseName, ua.DataValue(ua.Variant(qualified, ua.VariantType.QualifiedName))),
            (A.NodeClass, _int32(int(kind))),
            (A.DisplayName, _text(name[1])),
            (A.Description, _text("")),
            (A.WriteMask, _uint32(0)),
            (A.UserWriteMask, _uint32(0)),
        ):
            data.attributes[attribute] = AttributeValue(value)
        self.space[node_id] = data
        return data

    def link(
        self,
        parent: ua.NodeId,
        data: NodeData,
        name: BrowseName,
        reference: int,
        kind: ua.NodeClass,
        type_: ua.NodeId | None,
    ) -> None:
        """References between parent and child, and from the child to its type."""
        above = self.space[parent]
        qualified = ua.QualifiedName(name[1], self.index[name[0]])
        above.references.append(
            _reference(reference, True, data.nodeid, kind, qualified, type_ or ua.NodeId())
        )
        data.references.append(_back(reference, above))
        if type_ is not None:
            data.references.append(_to_type(self.space[type_]))


def _id(identifier: int | str, namespace: int = 0) -> ua.NodeId:
    plain = ua.String(identifier) if isinstance(identifier, str) else ua.Int32(identifier)
    return ua.NodeId(plain, ua.Int16(namespace))


def _reference(
    kind: int,
    forward: bool,
    node_id: ua.NodeId,
    node_class: ua.NodeClass,
    name: ua.QualifiedName,
    type_: ua.NodeId,
) -> ua.ReferenceDescription:
    description = ua.ReferenceDescription()
    description.ReferenceTypeId = _id(kind)
    description.IsForward = forward
    description.NodeId = node_id
    description.NodeClass = node_class
    description.BrowseName = name
    description.DisplayName = ua.LocalizedText(name.Name)
    description.TypeDefinition = type_
    return description


def _back(kind: int, above: NodeData) -> ua.ReferenceDescription:
    return _reference(kind, False, above.nodeid, *_class_and_name(above), type_=ua.NodeId())


def _to_type(type_: NodeData) -> ua.ReferenceDescription:
    kind = ObjectIds.HasTypeDefinition
    return _reference(kind, True, type_.nodeid, *_class_and_name(type_), type_=ua.NodeId())


def _class_and_name(data: NodeData) -> tuple[ua.NodeClass, ua.QualifiedName]:
    kind, name = _value(data, A.NodeClass), _value(data, A.BrowseName)
    return ua.NodeClass(cast(int, kind)), cast(ua.QualifiedName, name)


def _value(data: NodeData, attribute: int) -> object:
    held = data.attributes[attribute].value
    assert held is not None
    assert held.Value is not None
    return cast(object, held.Value.Value)


@cache
def _data_type(value_type: str) -> ua.DataValue:
    kind = ua.VariantType[value_type]
    identifier = ObjectIds.EUInformation if value_type == "ExtensionObject" else kind.value
    return ua.DataValue(ua.Variant(_id(identifier), ua.VariantType.NodeId))


@cache
def _int32(value: int) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, ua.VariantType.Int32))


@cache
def _uint32(value: int) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, ua.VariantType.UInt32))


@cache
def _byte(value: int) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, ua.VariantType.Byte))


@cache
def _double(value: float) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, ua.VariantType.Double))


@cache
def _boolean(value: bool) -> ua.DataValue:
    return ua.DataValue(ua.Variant(value, ua.VariantType.Boolean))


@cache
def _text(value: str) -> ua.DataValue:
    return ua.DataValue(ua.Variant(ua.LocalizedText(value), ua.VariantType.LocalizedText))
