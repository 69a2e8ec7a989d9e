"""What a node means, read from where it stands: browse paths to measures, as data."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import polars as pl

from connectors.opcua.browse import BrowseName, Variable
from connectors.opcua.decode import TYPE_NAMES
from pipelines import schemas

OPCUA: Final = "http://opcfoundation.org/UA/"
MACHINERY: Final = "http://opcfoundation.org/UA/Machinery/"
MACHINE_TOOL: Final = "http://opcfoundation.org/UA/MachineTool/"
PACKML: Final = "http://opcfoundation.org/UA/PackML/"
PROCESS_VALUES: Final = "http://opcfoundation.org/UA/Machinery/ProcessValues/"
ISA95_JOBS: Final = "http://opcfoundation.org/UA/ISA95-JOBCONTROL_V2/"
UNIFIED: Final = "urn:parkpulse:unified-interface:1"

Path = tuple[BrowseName, ...]
_Cell: TypeAlias = str | int | None


def _paths(
    uri: str, folders: str, measures: Mapping[str, str], kind: str
) -> dict[Path, tuple[str, str]]:
    """Rules for the variables of one folder, all in one namespace."""
    above = tuple((uri, name) for name in folders.split("/"))
    return {(*above, (uri, name)): (measure, kind) for name, measure in measures.items()}


def _state(block: str, measure: str) -> dict[Path, tuple[str, str]]:
    above = ((MACHINERY, "MachineryBuildingBlocks"), (MACHINERY, block))
    return {(*above, (OPCUA, "CurrentState"), (OPCUA, "Number")): (measure, "state")}


_IDENTITY: Final = {
    "Manufacturer": "manufacturer",
    "SerialNumber": "serial_number",
    "ProductInstanceUri": "asset_id",
    "Model": "model",
}
_PLACE: Final = {
    name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    for name in (
        "ParkId", "FactoryId", "WorkshopId", "LineId", "WorkUnitId", "MachineType", "Uscc",
        "CounterMax", "ResetPolicy",
    )
}  # fmt: skip
_PARTS: Final = {
    "PartsTotal": "parts_total",
    "PartsGood": "parts_good",
    "PartsBad": "parts_bad",
    "PartsRework": "parts_rework",
}
_CONTEXT: Final = {
    "OrderId": "order_id",
    "ProductId": "product_id",
    "StopReasonCode": "stop_reason_code",
}
MACHINE_RULES: Final[dict[Path, tuple[str, str]]] = {
    **_paths(MACHINERY, "Identification", _IDENTITY, "identity"),
    **_state("MachineryItemState", "item_state"),
    **_state("MachineryOperationMode", "operation_mode"),
    **_paths(
        PACKML,
        "Status",
        {"StateCurrent": "packml_state", "UnitModeCurrent": "packml_mode"},
        "state",
    ),
    **_paths(PACKML, "Admin/ProdProcessedCount", {"AccCount": "parts_total"}, "counter"),
    **_paths(PACKML, "Admin/ProdDefectiveCount", {"AccCount": "parts_bad"}, "counter"),
    **_paths(
        MACHINE_TOOL,
        "Production/ActiveProgram",
        {"PartsCompleted": "parts_total", "PartsGood": "parts_good"},
        "counter",
    ),
    **_paths(UNIFIED, "UnifiedInterface", _PARTS, "counter"),
    **_paths(UNIFIED, "UnifiedInterface", _CONTEXT, "context"),
    **_paths(
        UNIFIED, "UnifiedInterface", {"EnergyKwh": "energy_kwh", "PowerKw": "power_kw"}, "energy"
    ),
    **_paths(UNIFIED, "UnifiedInterface", _PLACE, "identity"),
}
"""Browse path below a machine to measure and kind (the table of docs/architecture.md)."""

_NO_RULE: Final = ("", "identity")
"""A name plate alone makes no machine: components have one too."""
_DEPTHS: Final = sorted({len(path) for path in MACHINE_RULES})
_JOBS: Final = {
    (ISA95_JOBS, "JobOrderList"): "job_order_list",
    (ISA95_JOBS, "JobOrderResponseList"): "job_response_list",
}
"""ISA-95 job control (OPC 10031-4), wherever below a machine its objects stand. They are
structures: kept as they come, no order is read from them yet."""
_CYCLES: Final[Path] = ((UNIFIED, "UnifiedInterface"), (UNIFIED, "IdealCycles"))
_MONITORING: Final[BrowseName] = (PROCESS_VALUES, "Monitoring")
_MACHINES: Final[BrowseName] = (MACHINERY, "Machines")
_PARK: Final[BrowseName] = (UNIFIED, "Park")
_PARK_FOLDERS: Final = {
    (UNIFIED, "Enterprises"): "OperatingDay",
    (UNIFIED, "Terminals"): "DailyGoodValues",
}
"""Folders of a park gateway and, in each, the variable that is evidence; the rest is register."""
_UNITS: Final[BrowseName] = (OPCUA, "EngineeringUnits")
_LARGEST: Final = 2**63 - 1
"""The catalogue holds Int64; a counter that wraps beyond that is one that never does."""
_KNOWN_UNITS: Final = {"energy_kwh": "kWh", "power_kw": "kW", "ideal_cycle_s": "s"}


@dataclass(frozen=True, slots=True)
class _Place:
    """What all variables of one machine share."""

    park_id: str | None
    factory_id: str | None
    line_id: str | None
    work_unit_id: str | None
    machine_type: str | None
    counter_max: int | None
    reset_policy: str | None


def tags(
    variables: Sequence[Variable], *, server_uri: str, site_id: str, is_park: bool
) -> pl.DataFrame:
    """The tag catalogue of one server (pipelines.schemas.TAGS), one row per variable.

    `valid_from` and `valid_to` stay null: as long as anyone knows, the node meant this.
    """
    by_path = {variable.path: variable for variable in variables}
    elsewhere = _machines_elsewhere(by_path)
    places: dict[Path, _Place] = {}
    rows: list[dict[str, _Cell]] = []
    for variable in variables:
        row: dict[str, _Cell] = {
            "server_uri": server_uri,
            "namespace_uri": _namespace(variable.text),
            "node_id": variable.text,
        }
        machine = _machine_of(variable.path, elsewhere)
        if machine is not None:
            if machine not in places:
                places[machine] = _place(machine, by_path, site_id)
            row |= _machine_row(variable, machine, places[machine])
        elif variable.path[:1] == (_PARK,):
            row |= _park_row(variable, by_path, site_id)
        else:
            row |= {"measure_kind": "other", "measure": _name(variable)}
            row["park_id" if is_park else "factory_id"] = site_id
        row["data_type"] = type_name(variable)
        unit = _unit(by_path.get((*variable.path, _UNITS)))
        row["unit"] = unit or _KNOWN_UNITS.get(str(row["measure"]))
        rows.append(row)
    return _frame(rows)


def _frame(rows: Iterable[Mapping[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(
        [{k: row.get(k) for k in schemas.TAGS} for row in rows], schema=schemas.TAGS
    )


def _machine_of(path: Path, elsewhere: frozenset[Path]) -> Path | None:
    """The machine a variable belongs to: below Machinery's folder, or where one was recognised."""
    if path[:1] == (_MACHINES,):
        return path[:2] if len(path) > 2 else None
    return next((path[:n] for n in range(len(path) - 1, 0, -1) if path[:n] in elsewhere), None)


def _machines_elsewhere(paths: Iterable[Path]) -> frozenset[Path]:
    """Objects outside Machinery's folder that hold what a companion specification describes.

    PackML's own folder is one such place; many servers have a folder of the factory's own.
    """
    return frozenset(
        path[:-depth]
        for path in paths
        if path[:1] not in ((_MACHINES,), (_PARK,))
        for depth in _DEPTHS
        if len(path) > depth and MACHINE_RULES.get(path[-depth:], _NO_RULE)[1] != "identity"
    )


def _machine_row(variable: Variable, machine: Path, place: _Place) -> dict[str, _Cell]:
    measure, kind = _meaning(variable.path[len(machine) :])
    counted = kind == "counter"
    return {
        "park_id": place.park_id,
        "factory_id": place.factory_id,
        "line_id": place.line_id,
        "work_unit_id": place.work_unit_id,
        "entity_id": place.work_unit_id,
        "machine_type": place.machine_type,
        "measure_kind": kind,
        "measure": measure,
        "counter_max": place.counter_max if counted else None,
        "reset_policy": place.reset_policy if counted else None,
    }


def _meaning(path: Path) -> tuple[str, str]:
    """Measure and kind of a variable at this path below its machine."""
    if path in MACHINE_RULES:
        return MACHINE_RULES[path]
    if path[-1] in _JOBS:
        return _JOBS[path[-1]], "context"
    if len(path) == 3 and path[:2] == _CYCLES:
        return "ideal_cycle_s", "identity"
    if len(path) == 2 and path[0] == _MONITORING and path[1][0] == PROCESS_VALUES:
        return snake(path[1][1]), "process"
    return "/".join(snake(name) for _, name in path), "other"


def _place(machine: Path, by_path: Mapping[Path, Variable], site_id: str) -> _Place:
    def told(name: str) -> str | None:
        variable = by_path.get((*machine, (UNIFIED, "UnifiedInterface"), (UNIFIED, name)))
        value = variable.value.value if variable is not None else None
        return None if value is None or value == "" else str(value)

    return _Place(
        park_id=told("ParkId"),
        factory_id=told("FactoryId") or site_id,
        line_id=told("LineId"),
        work_unit_id=told("WorkUnitId") or machine[-1][1],
        machine_type=told("MachineType"),
        counter_max=_counter_max(told("CounterMax")),
        reset_policy=told("ResetPolicy"),
    )


def _counter_max(told: str | None) -> int | None:
    most = int(told) if told and told.isdecimal() and len(told) <= len(str(_LARGEST)) else None
    return most if most is not None and most <= _LARGEST else None


def _park_row(
    variable: Variable, by_path: Mapping[Path, Variable], site_id: str
) -> dict[str, _Cell]:
    path = variable.path
    if len(path) != 4 or path[1] not in _PARK_FOLDERS or path[3][0] != UNIFIED:
        return {"park_id": site_id, "measure_kind": "other", "measure": _name(variable)}
    told = by_path.get((*path[:3], (UNIFIED, "ParkId")))
    park = told.value.value if told is not None else None
    return {
        "park_id": park if isinstance(park, str) and park else site_id,
        "entity_id": path[2][1],
        "measure_kind": "evidence" if path[3][1] == _PARK_FOLDERS[path[1]] else "register",
        "measure": snake(path[3][1]),
    }


def _unit(variable: Variable | None) -> str | None:
    """The display name of an EUInformation; None where there is none."""
    value = variable.value.value if variable is not None else None
    if not isinstance(value, str):
        return None
    try:
        name = json.loads(value)["DisplayName"]["Text"]
    except (ValueError, KeyError, TypeError):
        return None
    return name or None


def type_name(variable: Variable) -> str | None:
    """The OPC UA type a variable declares: a built-in type by name, any other by its NodeId.

    Abstract types (Number, Enumeration) say less than the value does; they are named too.
    """
    declared = variable.data_type
    found = _BASE_TYPE.fullmatch(declared or "")
    if found is None:
        return declared
    number = int(found["number"])
    return TYPE_NAMES[number] if number < len(TYPE_NAMES) else _ABSTRACT.get(number, declared)


_BASE_TYPE: Final = re.compile(rf"(?:nsu={re.escape(OPCUA)};|ns=0;)?i=(?P<number>[0-9]{{1,9}})")
_ABSTRACT: Final = {26: "Number", 27: "Integer", 28: "UInteger", 29: "Enumeration"}


def given(
    rows: pl.DataFrame,
    tags: pl.DataFrame,
    variables: Sequence[Variable],
    *,
    server_uri: str,
    url: str,
) -> tuple[pl.DataFrame, list[str]]:
    """The rows of a tag file (`connectors.tag_file.FILE`) for one server, as TAGS.

    Also the node ids among them that this server does not have.
    """
    uris = {int(v.node_id.NamespaceIndex): _namespace(v.text) for v in variables}
    known = {row["node_id"]: row for row in tags.iter_rows(named=True)}
    found, unknown = [], []
    for row in rows.iter_rows(named=True):
        if row["server"] not in (None, server_uri, url):
            continue
        text = _with_uri(row["node_text"], uris)
        if text not in known:
            unknown.append(row["node_text"])
        browsed = known.get(text, {})
        found.append(
            {name: row.get(name) for name in schemas.TAGS}
            | {"server_uri": server_uri, "node_id": text, "namespace_uri": _namespace(text)}
            | {name: row[name] or browsed.get(name) for name in ("unit", "data_type")}
        )
    return _frame(found), unknown


def _with_uri(text: str, uris: Mapping[int, str | None]) -> str:
    """A NodeId with the URI of its namespace, where the server has nodes in it."""
    if text.startswith("nsu="):
        return text
    index, separator, rest = text.removeprefix("ns=").partition(";")
    if not (separator and text.startswith("ns=")):
        index, rest = "0", text
    uri = uris.get(int(index))
    return f"nsu={uri};{rest}" if uri else text


def _name(variable: Variable) -> str:
    return "/".join(snake(name) for _, name in variable.path)


def _namespace(text: str) -> str | None:
    return text[4:].partition(";")[0] if text.startswith("nsu=") else None


def snake(name: str) -> str:
    """A browse name in snake case: `SpindleLoad2` -> `spindle_load2`, `OPC UA-x` -> `opc_ua_x`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return re.sub(r"\W+", "_", parted).strip("_").lower()
