import json

import pytest
from asyncua import ua

from connectors.opcua.browse import Variable
from connectors.opcua.catalogue import (
    MACHINE_TOOL,
    MACHINERY,
    OPCUA,
    PACKML,
    PROCESS_VALUES,
    UNIFIED,
    snake,
    tags,
)
from connectors.opcua.session import Attribute
from pipelines import schemas

M, MT, PM, PV, UI, UA = MACHINERY, MACHINE_TOOL, PACKML, PROCESS_VALUES, UNIFIED, OPCUA
BLOCKS = (M, "MachineryBuildingBlocks")
NUMBER = ((UA, "CurrentState"), (UA, "Number"))
PROGRAM = ((MT, "Production"), (MT, "ActiveProgram"))
MACHINE = ((M, "Machines"), ("urn:site", "Press 1"))
UNIT = json.dumps({"UnitId": 1, "DisplayName": {"Locale": None, "Text": "°C"}})


def variable(*path, value=None):
    text = "nsu=urn:site;s=" + "/".join(name for _, name in path)
    return Variable(ua.NodeId("x", 1), text, path, Attribute(value, 12, 0, None))


def told(name, value):
    return variable(*MACHINE, (UI, "UnifiedInterface"), (UI, name), value=value)


PLACE = [
    told("ParkId", "P01"),
    told("FactoryId", "F07"),
    told("LineId", "L2"),
    told("WorkUnitId", "M-12"),
    told("MachineType", "press"),
    told("CounterMax", 65535),
    told("ResetPolicy", "shift"),
]


def row_of(*path, extra=(), **options):
    wanted = variable(*path)
    frame = tags(
        [*PLACE, wanted, *extra], server_uri="urn:s", site_id="F01", **{"is_park": False} | options
    )
    assert frame.schema == schemas.TAGS
    (row,) = [row for row in frame.to_dicts() if row["node_id"] == wanted.text]
    return row


@pytest.mark.parametrize(
    ("path", "measure", "kind"),
    [
        (((M, "Identification"), (M, "ProductInstanceUri")), "asset_id", "identity"),
        ((BLOCKS, (M, "MachineryItemState"), *NUMBER), "item_state", "state"),
        ((BLOCKS, (M, "MachineryOperationMode"), *NUMBER), "operation_mode", "state"),
        (((PM, "Status"), (PM, "StateCurrent")), "packml_state", "state"),
        (((PM, "Status"), (PM, "UnitModeCurrent")), "packml_mode", "state"),
        (((PM, "Admin"), (PM, "ProdProcessedCount"), (PM, "AccCount")), "parts_total", "counter"),
        (((PM, "Admin"), (PM, "ProdDefectiveCount"), (PM, "AccCount")), "parts_bad", "counter"),
        ((*PROGRAM, (MT, "PartsCompleted")), "parts_total", "counter"),
        ((*PROGRAM, (MT, "PartsGood")), "parts_good", "counter"),
        (((UI, "UnifiedInterface"), (UI, "PartsRework")), "parts_rework", "counter"),
        (((UI, "UnifiedInterface"), (UI, "StopReasonCode")), "stop_reason_code", "context"),
        (((UI, "UnifiedInterface"), (UI, "EnergyKwh")), "energy_kwh", "energy"),
        (((UI, "UnifiedInterface"), (UI, "IdealCycles"), (UI, "P-9")), "ideal_cycle_s", "identity"),
        (((PV, "Monitoring"), (PV, "SpindleLoad")), "spindle_load", "process"),
        (((UI, "UnifiedInterface"), (UA, "PartsTotal")), "unified_interface/parts_total", "other"),
        (((PM, "Status"), (PM, "StateRequested")), "status/state_requested", "other"),
    ],
)  # fmt: skip
def test_where_a_machine_variable_stands_is_what_it_means(path, measure, kind):
    row = row_of(*MACHINE, *path)
    assert (row["measure"], row["measure_kind"]) == (measure, kind)
    key = [row[k] for k in schemas.EQUIPMENT_KEY]
    assert key == ["P01", "F07", "L2", "M-12"]
    assert (row["entity_id"], row["machine_type"]) == ("M-12", "press")
    counted = (65535, "shift") if kind == "counter" else (None, None)
    assert (row["counter_max"], row["reset_policy"]) == counted


def test_unit_comes_from_engineering_units():
    path = (*MACHINE, (PV, "Monitoring"), (PV, "OilTemp"))
    assert (
        row_of(*path, extra=[variable(*path, (UA, "EngineeringUnits"), value=UNIT)])["unit"] == "°C"
    )
    assert row_of(*path)["unit"] is None
    assert row_of(*MACHINE, (UI, "UnifiedInterface"), (UI, "PowerKw"))["unit"] == "kW"


def test_a_machine_that_says_nothing_is_named_by_its_browse_name():
    wanted = variable(*MACHINE, (M, "Identification"), (M, "Model"))
    (row,) = tags([wanted], server_uri="u", site_id="F01", is_park=False).to_dicts()
    assert [row[k] for k in schemas.EQUIPMENT_KEY] == [None, "F01", None, "Press 1"]


@pytest.mark.parametrize(
    ("folder", "name", "measure", "kind"),
    [
        ("Enterprises", "RevenueWan", "revenue_wan", "register"),
        ("Enterprises", "NameZh", "name_zh", "register"),
        ("Enterprises", "OperatingDay", "operating_day", "evidence"),
        ("Terminals", "EnterpriseUscc", "enterprise_uscc", "register"),
        ("Terminals", "DailyGoodValues", "daily_good_values", "evidence"),
    ],
)
def test_park_rows_belong_to_their_enterprise_or_terminal(folder, name, measure, kind):
    entity = ((UI, "Park"), (UI, folder), ("urn:site", "91310000X"))
    park = variable(*entity, (UI, "ParkId"), value="P02")
    row = row_of(*entity, (UI, name), extra=[park], is_park=True)
    assert (row["entity_id"], row["measure"], row["measure_kind"]) == ("91310000X", measure, kind)
    assert (row["park_id"], row["factory_id"]) == ("P02", None)


def test_a_server_that_knows_no_companion_spec_is_catalogued_too():
    row = row_of(("urn:site", "Boiler"), ("urn:site", "Level"))
    assert (row["measure_kind"], row["measure"], row["factory_id"]) == (
        "other",
        "boiler/level",
        "F01",
    )
    assert row["namespace_uri"] == "urn:site"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SpindleLoad2", "spindle_load2"),
        ("OPCServer", "opc_server"),
        ("oil temp", "oil_temp"),
        ("PowerKw", "power_kw"),
    ],
)
def test_snake(name, expected):
    assert snake(name) == expected


@pytest.mark.parametrize(
    ("said", "kept"),
    [(2**63 - 1, 2**63 - 1), (2**63, None), (2**64 - 1, None), ("9" * 5000, None), ("²", None)],
)
def test_a_counter_maximum_beyond_the_catalogue_is_none(said, kept):
    total = variable(*MACHINE, (UI, "UnifiedInterface"), (UI, "PartsTotal"))
    place = [told("CounterMax", said), total]
    frame = tags(place, server_uri="urn:s", site_id="F01", is_park=False)
    assert frame.filter(measure="parts_total")["counter_max"].to_list() == [kept]
