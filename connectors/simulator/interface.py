"""The unified interface of one machine: which variables it exposes and what each one means."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from connectors.simulator.fleet import Factory, Machine, unit_code
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

Value = str | int | float | bool
UNITS_NAMESPACE: Final = "http://www.opcfoundation.org/UA/units/un/cefact"
_BLOCKS: Final = (MACHINERY, "MachineryBuildingBlocks")
_UI: Final = (UNIFIED, "UnifiedInterface")
_PROGRAM: Final = ((MACHINE_TOOL, "Production"), (MACHINE_TOOL, "ActiveProgram"))


@dataclass(frozen=True, slots=True)
class Point:
    """A served variable and what it says: a fixed `value`, or else the series of `measure`."""

    served: Served
    measure: str
    value: Value | None = None


@dataclass(frozen=True, slots=True)
class _Site:
    server_uri: str
    factory: Factory
    machine: Machine

    def point(
        self,
        path: tuple[BrowseName, ...],
        measure: str,
        value_type: str,
        value: Value | None = None,
        *,
        is_property: bool = False,
    ) -> Point:
        """A variable below the machine's object; its identifier repeats the browse names."""
        root = ((MACHINERY, "Machines"), (self.server_uri, self.machine.work_unit_id))
        text = ".".join(name for _, name in path)
        served = Served(
            node_id=f"nsu={self.server_uri};s={self.machine.work_unit_id}.{text}",
            path=(*root, *path),
            value_type=value_type,
            historized=value is None,
            is_property=is_property,
        )
        return Point(served, measure, value)


def points(server_uri: str, factory: Factory, machine: Machine) -> tuple[Point, ...]:
    """Everything the machine exposes, in the shape of its sector."""
    site = _Site(server_uri, factory, machine)
    shape = {"packml": _packml, "machine_tool": _machine_tool, "unified": _unified}
    return (
        *_identification(site),
        *shape[factory.sector.shape](site),
        *_context(site),
        *_place(site),
        *_ideal_cycles(site),
        *_process_values(site),
    )


def _identification(site: _Site) -> Iterator[Point]:
    serial = f"{site.factory.factory_id}{site.machine.work_unit_id[-2:]}-2024"
    values = {
        "Manufacturer": ("manufacturer", "ParkPulse Simulated Machines"),
        "SerialNumber": ("serial_number", serial),
        "ProductInstanceUri": ("asset_id", f"urn:parkpulse:asset:{serial}"),
        "Model": ("model", f"{site.machine.type.name}-sim"),
    }
    for name, (measure, value) in values.items():
        path = ((MACHINERY, "Identification"), (MACHINERY, name))
        yield site.point(path, measure, "String", value, is_property=True)


def _machinery_states(site: _Site) -> Iterator[Point]:
    for name, measure in (
        ("MachineryItemState", "item_state"),
        ("MachineryOperationMode", "operation_mode"),
    ):
        current = (_BLOCKS, (MACHINERY, name), (OPCUA, "CurrentState"))
        yield site.point(current, f"{measure}_text", "LocalizedText")
        yield site.point((*current, (OPCUA, "Number")), measure, "UInt32", is_property=True)


def _packml(site: _Site) -> Iterator[Point]:
    for name, measure in (("StateCurrent", "packml_state"), ("UnitModeCurrent", "packml_mode")):
        yield site.point(((PACKML, "Status"), (PACKML, name)), measure, "Int32")
    for name, measure in (
        ("ProdProcessedCount", "parts_total"),
        ("ProdDefectiveCount", "parts_bad"),
    ):
        path = ((PACKML, "Admin"), (PACKML, name), (PACKML, "AccCount"))
        yield site.point(path, measure, "Int32")


def _machine_tool(site: _Site) -> Iterator[Point]:
    yield from _machinery_states(site)
    for name, measure in (("PartsCompleted", "parts_total"), ("PartsGood", "parts_good")):
        yield site.point((*_PROGRAM, (MACHINE_TOOL, name)), measure, "UInt32")
    yield site.point((_UI, (UNIFIED, "PartsBad")), "parts_bad", "UInt32")


def _unified(site: _Site) -> Iterator[Point]:
    yield from _machinery_states(site)
    for name, measure in (
        ("PartsTotal", "parts_total"),
        ("PartsGood", "parts_good"),
        ("PartsBad", "parts_bad"),
        ("PartsRework", "parts_rework"),
    ):
        yield site.point((_UI, (UNIFIED, name)), measure, "UInt32")


def _context(site: _Site) -> Iterator[Point]:
    for name, measure, value_type in (
        ("OrderId", "order_id", "String"),
        ("ProductId", "product_id", "String"),
        ("StopReasonCode", "stop_reason_code", "String"),
        ("PowerKw", "power_kw", "Double"),
        ("EnergyKwh", "energy_kwh", "Double"),
    ):
        yield site.point((_UI, (UNIFIED, name)), measure, value_type)


def _place(site: _Site) -> Iterator[Point]:
    factory, machine = site.factory, site.machine
    values: dict[str, tuple[str, str | int]] = {
        "ParkId": ("park_id", factory.park_id),
        "FactoryId": ("factory_id", factory.factory_id),
        "WorkshopId": ("workshop_id", machine.workshop_id),
        "LineId": ("line_id", machine.line_id),
        "WorkUnitId": ("work_unit_id", machine.work_unit_id),
        "MachineType": ("machine_type", machine.type.name),
        "Uscc": ("uscc", factory.uscc),
        "CounterMax": ("counter_max", factory.sector.counter_max),
        "ResetPolicy": ("reset_policy", factory.reset_policy),
    }
    for name, (measure, value) in values.items():
        value_type = "Int64" if isinstance(value, int) else "String"
        yield site.point((_UI, (UNIFIED, name)), measure, value_type, value)


def _ideal_cycles(site: _Site) -> Iterator[Point]:
    for product in site.machine.type.products:
        path = (_UI, (UNIFIED, "IdealCycles"), (UNIFIED, product.product_id))
        yield site.point(path, "ideal_cycle_s", "Double", product.pri_us / 1_000_000)


def _process_values(site: _Site) -> Iterator[Point]:
    for signal in site.machine.type.signals:
        path = ((PROCESS_VALUES, "Monitoring"), (PROCESS_VALUES, signal.name))
        units = (*path, (OPCUA, "EngineeringUnits"))
        yield site.point(path, signal.name, "Double")
        yield site.point(
            units, "engineering_units", "ExtensionObject", eu_information(signal.unit),
            is_property=True,
        )  # fmt: skip


def eu_information(unit: str) -> str:
    """EUInformation as JSON text; UnitId packs the UNECE code as Part 8, 5.6.3 says."""
    text = {"Locale": "en", "Text": unit}
    value = {
        "NamespaceUri": UNITS_NAMESPACE,
        "UnitId": int.from_bytes(unit_code(unit).encode("ascii"), "big"),
        "DisplayName": text,
        "Description": text,
    }
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def localized_text(text: str) -> str:
    """LocalizedText as JSON text."""
    return json.dumps({"Locale": "en", "Text": text}, separators=(",", ":"), ensure_ascii=False)
