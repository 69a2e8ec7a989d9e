"""Values of a series as OPC UA binary DataValues (Part 6), in bulk where the layout is fixed."""

import json
import re
import struct
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
from asyncua import ua
from asyncua.ua.ua_binary import variant_to_binary

from connectors.raw import ticks_of
from connectors.simulator.nodes import Series, Served

Index = npt.NDArray[np.intp]

FIXED: Final = {
    "Boolean": "<?", "SByte": "<b", "Byte": "<B", "Int16": "<h", "UInt16": "<H", "Int32": "<i",
    "UInt32": "<I", "Int64": "<q", "UInt64": "<Q", "Float": "<f", "Double": "<d",
}  # fmt: skip
"""Built-in types whose value always takes the same bytes, as formats of struct and of numpy."""

_VALUE, _STATUS, _SOURCE, _SERVER = 1, 2, 4, 8
_NULL_VARIANT: Final = b"\x00"
_FRACTION: Final = re.compile(r"\.(\d+)")
_STRING: Final = struct.Struct("<Bi")
_DATE_TIME: Final = struct.Struct("<Bq")
_STATUS_CODE: Final = struct.Struct("<I")
_TICKS: Final = struct.Struct("<q")


def data_values(node: Served, series: Series, index: Index) -> bytes:
    """The DataValues at `index`, one after the other; a time of 0 ticks is left out."""
    timed = series.source_ticks[index].all() and series.server_ticks[index].all()
    if node.value_type not in FIXED or node.is_array or not timed:
        return b"".join(_each(node, series, index))
    if series.values.dtype != object:
        return _bulk(node.value_type, series, index)
    return b"".join(_runs(node, series, index))


def data_value_list(node: Served, series: Series, index: Index) -> list[bytes]:
    """The same DataValues, one bytes object each."""
    return list(_each(node, series, index))


def history_body(node: Served, series: Series, index: Index) -> bytes:
    """The body of a `HistoryData` structure with the values at `index`."""
    return struct.pack("<i", len(index)) + data_values(node, series, index)


def _bulk(value_type: str, series: Series, index: Index) -> bytes:
    row = np.dtype(
        [
            ("mask", "u1"),
            ("type", "u1"),
            ("value", FIXED[value_type]),
            ("status", "<u4"),
            ("source", "<i8"),
            ("server", "<i8"),
        ]
    )
    rows = np.empty(len(index), row)
    rows["mask"] = _VALUE | _STATUS | _SOURCE | _SERVER
    rows["type"] = ua.VariantType[value_type].value
    rows["value"] = series.values[index]
    rows["status"] = series.status[index]
    rows["source"] = series.source_ticks[index]
    rows["server"] = series.server_ticks[index]
    return rows.tobytes()


def _runs(node: Served, series: Series, index: Index) -> Iterator[bytes]:
    """Runs of numbers in bulk, the nulls between them one by one."""
    is_null = np.array([value is None for value in series.values[index]], np.bool_)
    for run in np.split(index, np.flatnonzero(np.diff(is_null)) + 1):
        if len(run):
            null = series.values[run[0]] is None
            yield (
                b"".join(_each(node, series, run)) if null else _bulk(node.value_type, series, run)
            )


def _each(node: Served, series: Series, index: Index) -> list[bytes]:
    encode = variant_encoder(node.value_type, node.is_array)
    known: dict[Any, bytes] = {}
    parts = []
    for value, status, source, server in zip(
        series.values[index].tolist(),
        series.status[index].tolist(),
        series.source_ticks[index].tolist(),
        series.server_ticks[index].tolist(),
        strict=True,
    ):
        variant = known.get(value)
        if variant is None:
            variant = encode(value)
            if isinstance(value, str):
                known[value] = variant
        parts.append(_data_value(variant, status, source, server))
    return parts


def _data_value(variant: bytes, status: int, source: int, server: int) -> bytes:
    mask = _VALUE | _STATUS | (_SOURCE if source else 0) | (_SERVER if server else 0)
    times = (_TICKS.pack(source) if source else b"") + (_TICKS.pack(server) if server else b"")
    return bytes([mask]) + variant + _STATUS_CODE.pack(status) + times


def variant_encoder(value_type: str, is_array: bool) -> Callable[[Any], bytes]:
    """A function from a series' value (None, number, text, bytes) to the bytes of its Variant."""
    kind = ua.VariantType[value_type]
    if is_array:
        return lambda value: (
            _NULL_VARIANT if value is None else variant_to_binary(as_variant(value, kind, True))
        )
    if value_type in FIXED:
        pack = struct.Struct("<B" + FIXED[value_type][1:]).pack
        return lambda value: _NULL_VARIANT if value is None else pack(kind.value, value)
    if value_type == "String":
        return _encode_string
    if value_type == "DateTime":
        return _encode_date_time
    return lambda value: (
        _NULL_VARIANT if value is None else variant_to_binary(as_variant(value, kind, False))
    )


def _encode_string(value: str | None) -> bytes:
    if value is None:
        return _NULL_VARIANT
    text = value.encode()
    return _STRING.pack(ua.VariantType.String.value, len(text)) + text


def _encode_date_time(value: str | None) -> bytes:
    if value is None:
        return _NULL_VARIANT
    return _DATE_TIME.pack(ua.VariantType.DateTime.value, date_time_ticks(value))


def date_time_ticks(text: str) -> int:
    """OPC UA ticks of an ISO 8601 time with offset or Z, exact to 100 ns."""
    fraction = _FRACTION.search(text)
    whole = ticks_of(datetime.fromisoformat(_FRACTION.sub("", text)))
    return whole + (int(fraction[1].ljust(7, "0")[:7]) if fraction else 0)


def as_variant(value: object, kind: ua.VariantType, is_array: bool) -> ua.Variant:
    """The asyncua Variant of a series' value: JSON text becomes the structure it describes."""
    if value is None:
        return ua.Variant(None, ua.VariantType.Null)
    if is_array:
        items = json.loads(str(value))
        return ua.Variant([_scalar(item, kind) for item in items], kind, is_array=True)
    return ua.Variant(_scalar(value, kind), kind)


def _scalar(value: object, kind: ua.VariantType) -> object:
    text = str(value)
    match kind:
        case ua.VariantType.Boolean:
            return bool(value)
        case ua.VariantType.DateTime:
            return datetime.fromisoformat(text)
        case ua.VariantType.Guid:
            return UUID(text)
        case ua.VariantType.StatusCode:
            return ua.StatusCode(ua.UInt32(int(text)))
        case ua.VariantType.LocalizedText:
            return _localized_text(_loaded(value))
        case ua.VariantType.ExtensionObject:
            return _eu_information(_loaded(value))
    return value.item() if isinstance(value, np.generic) else value


def _loaded(value: object) -> object:
    return json.loads(value) if isinstance(value, str) and value.startswith(("{", "[")) else value


def _localized_text(value: object) -> ua.LocalizedText:
    if not isinstance(value, dict):
        return ua.LocalizedText(None if value is None else str(value))
    fields = {name.lower(): item for name, item in value.items()}
    return ua.LocalizedText(fields.get("text"), fields.get("locale"))


def _eu_information(value: object) -> ua.EUInformation:
    assert isinstance(value, dict), "a structure is a JSON object"
    fields = {name.lower(): item for name, item in value.items()}
    return ua.EUInformation(
        NamespaceUri=fields.get("namespaceuri"),
        UnitId=ua.Int32(fields.get("unitid", 0)),
        DisplayName=_localized_text(fields.get("displayname")),
        Description=_localized_text(fields.get("description")),
    )
