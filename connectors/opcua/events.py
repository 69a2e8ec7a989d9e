"""Events of a server: what is asked of them, and their bytes to rows of EVENT_SCHEMA.

Events are few and their fields of any type: each Variant that fits its column goes there, every
other one to `other` as JSON. Bytes that are no EventNotificationList end in MalformedError.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pyarrow as pa
from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from connectors.event_segments import EVENT_SCHEMA
from connectors.opcua.decode import Reader
from connectors.opcua.variants import variant

Row = dict[str, Any]
"""One event: its columns that are not null."""

_UA: Final = "nsu=http://opcfoundation.org/UA/;i="
NOTIFICATION: Final = f"{_UA}{ObjectIds.EventNotificationList_Encoding_DefaultBinary}"
REFRESH_START: Final = f"{_UA}{ObjectIds.RefreshStartEventType}"
REFRESH_END: Final = f"{_UA}{ObjectIds.RefreshEndEventType}"
REFRESH_REQUIRED: Final = f"{_UA}{ObjectIds.RefreshRequiredEventType}"
MARKERS: Final = frozenset({REFRESH_START, REFRESH_END, REFRESH_REQUIRED})
"""Types that speak of the subscription, and of nothing in the plant."""
QUEUE_OVERFLOW: Final = f"{_UA}{ObjectIds.EventQueueOverflowEventType}"
"""The server has thrown events away."""
QUEUE_SIZE: Final = 10_000
"""Events the server keeps between two publishes, where it lets us choose."""

_SHELVING: Final = {
    f"{_UA}{ObjectIds.ShelvedStateMachineType_Unshelved}": "Unshelved",
    f"{_UA}{ObjectIds.ShelvedStateMachineType_TimedShelved}": "TimedShelved",
    f"{_UA}{ObjectIds.ShelvedStateMachineType_OneShotShelved}": "OneShotShelved",
}


def _node(r: Reader) -> str | None:
    """A NodeId; the null one says that there is none."""
    text = r.node_id()
    return None if text in (f"{_UA}0", "ns=0;i=0") else text


def _shelving(r: Reader) -> str | None:
    text = _node(r)
    return _SHELVING.get(text, text) if text else None


def _bytes(r: Reader) -> str | None:
    part = r.byte_string()
    return None if part is None else part.hex()


def _localized(r: Reader) -> str | None:
    return r.localized_text()["Text"]


Read = Callable[[Reader], Any]
BOOLEAN: Final[Mapping[int, Read]] = {1: lambda r: r.number("<?")}
SEVERITY: Final[Mapping[int, Read]] = {5: lambda r: r.number("<H")}
TICKS: Final[Mapping[int, Read]] = {13: lambda r: r.number("<q")}
STATUS: Final[Mapping[int, Read]] = {19: lambda r: r.number("<I")}
EVENT_ID: Final[Mapping[int, Read]] = {15: _bytes}
NODE: Final[Mapping[int, Read]] = {17: _node, 18: _node}
TEXT: Final[Mapping[int, Read]] = {12: Reader.text, 21: _localized}
SHELVING: Final[Mapping[int, Read]] = {17: _shelving, 18: _shelving}
MESSAGE: Final[Mapping[int, Read]] = {12: Reader.text, 21: Reader.localized_text}
"""What the column takes, by the built-in type of a scalar Variant; a message's locale is kept."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column and the SelectClause that fills it: event type, path below it, types it takes."""

    column: str
    event_type: int
    path: str
    reads: Mapping[int, Read]

    @property
    def clause(self) -> ua.SimpleAttributeOperand:
        """The SelectClause; without a path it asks for the condition's own NodeId."""
        names = self.path.split("/") if self.path else []
        return ua.SimpleAttributeOperand(
            TypeDefinitionId=ua.NodeId(ua.Int32(self.event_type)),
            BrowsePath=[ua.QualifiedName(name, ua.UInt16(0)) for name in names],
            AttributeId=ua.UInt32(AttributeIds.Value if names else AttributeIds.NodeId),
        )


_EVENT, _CONDITION = ObjectIds.BaseEventType, ObjectIds.ConditionType
_ACKNOWLEDGEABLE, _ALARM = ObjectIds.AcknowledgeableConditionType, ObjectIds.AlarmConditionType
BASE_FIELDS: Final = (
    Field("event_id", _EVENT, "EventId", EVENT_ID),
    Field("event_type", _EVENT, "EventType", NODE),
    Field("source_node", _EVENT, "SourceNode", NODE),
    Field("source_name", _EVENT, "SourceName", TEXT),
    Field("time_ticks", _EVENT, "Time", TICKS),
    Field("receive_ticks", _EVENT, "ReceiveTime", TICKS),
    Field("message", _EVENT, "Message", MESSAGE),
    Field("severity", _EVENT, "Severity", SEVERITY),
)
FIELDS: Final = (
    *BASE_FIELDS,
    Field("condition_id", _CONDITION, "", NODE),
    Field("condition_name", _CONDITION, "ConditionName", TEXT),
    Field("branch_id", _CONDITION, "BranchId", NODE),
    Field("retain", _CONDITION, "Retain", BOOLEAN),
    Field("enabled", _CONDITION, "EnabledState/Id", BOOLEAN),
    Field("quality", _CONDITION, "Quality", STATUS),
    Field("comment", _CONDITION, "Comment", TEXT),
    Field("user", _CONDITION, "ClientUserId", TEXT),
    Field("acked", _ACKNOWLEDGEABLE, "AckedState/Id", BOOLEAN),
    Field("confirmed", _ACKNOWLEDGEABLE, "ConfirmedState/Id", BOOLEAN),
    Field("active", _ALARM, "ActiveState/Id", BOOLEAN),
    Field("active_ticks", _ALARM, "ActiveState/TransitionTime", TICKS),
    Field("suppressed", _ALARM, "SuppressedState/Id", BOOLEAN),
    Field("shelving", _ALARM, "ShelvingState/CurrentState/Id", SHELVING),
)
"""Asked of every server; one that knows no conditions is asked for BASE_FIELDS."""


def event_item(fields: Sequence[Field], handle: int = 0) -> ua.MonitoredItemCreateRequest:
    """Monitor the Server object for all events, with these fields of each."""
    server = ua.NodeId(ua.Int32(ObjectIds.Server))
    return ua.MonitoredItemCreateRequest(
        ItemToMonitor=ua.ReadValueId(NodeId=server, AttributeId=AttributeIds.EventNotifier),
        MonitoringMode=ua.MonitoringMode.Reporting,
        RequestedParameters=ua.MonitoringParameters(
            ClientHandle=ua.UInt32(handle),
            SamplingInterval=0.0,
            Filter=ua.EventFilter(SelectClauses=[field.clause for field in fields]),
            QueueSize=ua.UInt32(QUEUE_SIZE),
            DiscardOldest=True,
        ),
    )


def condition_refresh(subscription_id: int) -> ua.CallRequest:
    """Ask that all retained conditions be told again (part 9, 5.5.7)."""
    request = ua.CallRequest()
    request.Parameters.MethodsToCall = [
        ua.CallMethodRequest(
            ObjectId=ua.NodeId(ua.Int32(ObjectIds.ConditionType)),
            MethodId=ua.NodeId(ua.Int32(ObjectIds.ConditionType_ConditionRefresh)),
            InputArguments=[ua.Variant(ua.UInt32(subscription_id), ua.VariantType.UInt32)],
        )
    ]
    return request


def decode(r: Reader, fields: Sequence[Field]) -> list[Row]:
    """The events of one EventNotificationList, in order; MalformedError where it is none."""
    return [_row(r, fields) for _ in range(r.length())]


def _row(r: Reader, fields: Sequence[Field]) -> Row:
    r.number("<I")  # the handle: there is one item
    row: Row = {}
    other: Row = {}
    for place in range(r.length()):
        if place < len(fields):
            _field(r, fields[place], row, other)
        else:
            _keep(other, f"field {place}", r)
    if other:
        row["other"] = as_json(other)
    return row


def _field(r: Reader, field: Field, row: Row, other: Row) -> None:
    first: int = r.number("<B")
    read = field.reads.get(first)
    if read is None:
        r.pos -= 1
        _keep(other, field.column, r)
        return
    found = read(r)
    if isinstance(found, dict):
        row[f"{field.column}_locale"], found = found["Locale"], found["Text"]
    row[field.column] = found


def _keep(other: Row, name: str, r: Reader) -> None:
    kind, found = variant(r)
    if found is not None:
        other[name] = {"Type": kind, "Value": found}


def as_json(found: object) -> str:
    """As the column `other` holds it."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def batch(
    rows: Sequence[Row], *, server_uri: str, received: datetime, origin: str
) -> pa.RecordBatch:
    """Rows as EVENT_SCHEMA."""
    said = {"server_uri": server_uri, "received_time": received, "origin": origin}
    return pa.RecordBatch.from_pylist([row | said for row in rows], schema=EVENT_SCHEMA)
