"""Discovery of real servers: with companion specifications, and with flat names."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from asyncua import ua

from connectors.errors import ParkPulseError, ServerUnreachable
from connectors.fleet import Fleet, ServerEntry, Site
from connectors.opcua import discovery
from connectors.opcua.browse import Variable
from connectors.opcua.catalogue import ISA95_JOBS, MACHINERY, OPCUA, PACKML, tags
from connectors.opcua.observe import behaviour
from connectors.opcua.proposal import proposed
from connectors.opcua.session import Attribute
from connectors.simulator import sites
from connectors.simulator.clock import SimClock
from connectors.simulator.server import SimulatedServer
from pipelines import schemas
from tests.connectors.opcua.conftest import free_port

ROOT = Path(__file__).parents[3]
ANCHOR = datetime(2026, 11, 18, 2, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
INT, UINT, REAL, BOOL = 6, 7, 11, 1


def variable(*names, ns="urn:plc", kind=INT, value=None, node=None):
    """A variable below Objects, or one whose folders stand in its NodeId only."""
    path = tuple(name if isinstance(name, tuple) else (ns, name) for name in names)
    text = node or "s=" + ".".join(name for _, name in path)
    read = Attribute(value, kind, 0, None)
    node_id = ua.NodeId.from_string(f"ns=2;{text}")
    return Variable(node_id, f"nsu={ns};{text}", path, read, f"nsu={OPCUA};i={kind}")


def rows_of(*variables, **seen):
    """The proposal for these variables, by the last part of the node."""
    found = tags(variables, server_uri="urn:s", site_id="F01", is_park=False)
    watched = {v.text: seen.get(v.path[-1][1].rpartition(".")[2], []) for v in variables}
    made = proposed(variables, found, watched)
    return {row["node_id"].rpartition(".")[2]: row for row in made}


@pytest.mark.parametrize(
    ("name", "kind", "seen", "measure", "confidence"),
    [
        ("产量", UINT, [5, 6, 8], "parts_total", "high"),
        ("TotalCount", UINT, [5, 6, 8], "parts_total", "high"),
        ("良品数量", UINT, [5, 6, 8], "parts_good", "high"),
        ("不良品", INT, [5, 6, 8], "parts_bad", "high"),
        ("NG_Count", INT, [5, 6, 8], "parts_bad", "high"),
        ("返工数", INT, [5, 6, 8], "parts_rework", "high"),
        ("产量", UINT, [5, 5, 5], "parts_total", "medium"),
        ("产量", UINT, [], "parts_total", "medium"),
        ("产量", UINT, [800, 100, 900, 50], "parts_total", "low"),
        ("运行状态", INT, [1, 2, 1], "item_state", "medium"),
        ("Running", BOOL, [1, 0], "item_state", "high"),
        ("电能", REAL, [10.5, 10.6, 10.8], "energy_kwh", "high"),
        ("有功功率", REAL, [4.1, 3.9, 4.2], "power_kw", "high"),
        ("停机原因", INT, [17, 23, 17], "stop_reason_code", "high"),
        ("报警", BOOL, [0, 1], "报警", "medium"),
        ("油温", REAL, [60.5, 60.1], "油温", "low"),
        ("油温度2", REAL, [60.5, 60.1], "temperature_2", "high"),
        ("OilTemp", REAL, [60.5, 60.1], "oil_temp", "high"),
        ("D7", UINT, [500, 501, 503], "parts_total", "low"),
        ("D9", UINT, [1, 3, 1, 2], "item_state", "low"),
        ("D8", REAL, [1.5, 3.5, 1.25], "d8", "low"),
        ("Spare", UINT, [], "spare", "low"),
    ],
)
def test_names_types_and_behaviour_make_a_proposal(name, kind, seen, measure, confidence):
    (row,) = rows_of(variable("Channel1.Press1." + name, kind=kind), **{name: seen}).values()
    assert (row["measure"], row["confidence"]) == (measure, confidence), row["why"]
    assert row["why"]
    if row["measure_kind"] != "other":
        assert row["work_unit_id"] == "Press1"


def test_watts_are_scaled_and_counters_wrap_by_their_type():
    found = rows_of(variable("C.M.Power_W", kind=REAL), variable("C.M.产量", kind=5))
    assert (found["Power_W"]["scale"], found["Power_W"]["unit"]) == (0.001, "kW")
    assert found["产量"]["counter_max"] == 65_535


def test_a_total_that_is_the_sum_of_two_counters_is_told():
    names = ("D7", "D8", "D9")
    seen = {"D7": [10, 20], "D8": [9, 17], "D9": [1, 3]}
    found = rows_of(*(variable(f"C.M.{name}", kind=UINT) for name in names), **seen)
    assert [found[name]["measure"] for name in names] == ["parts_total", "parts_good", "parts_bad"]
    assert "D7 = D8 + D9" in found["D7"]["why"]
    assert {found[name]["confidence"] for name in names} == {"low"}


def test_of_two_nodes_for_one_measure_neither_is_sure():
    found = rows_of(variable("C.M.运行状态", kind=BOOL), variable("C.M.设备状态", kind=BOOL),
                    运行状态=[0, 1], 设备状态=[0, 1])  # fmt: skip
    assert {row["confidence"] for row in found.values()} == {"low"}


def test_names_of_codes_that_the_server_tells_become_the_map():
    state = variable("Press1", "运行状态")
    strings = [{"Text": text} for text in ("停机", "自动运行", "故障", "点动")]
    names = variable("Press1", "运行状态", (OPCUA, "EnumStrings"), value=json.dumps(strings))
    (row,) = rows_of(state, names, 运行状态=[1, 0, 1]).values()
    assert row["value_map"] == "0=NotExecuting;1=Executing;2=OutOfService;3=?"
    assert row["work_unit_id"] == "Press1"


def test_folders_that_sort_variables_are_no_machines():
    found = rows_of(variable("Press1", "Counters", "产量"), variable("产量"))
    assert [row["work_unit_id"] for row in found.values()] == ["Press1", "?"]


@pytest.mark.parametrize(
    ("values", "data_type", "kind"),
    [
        ([], "Int32", "unseen"), ([3, 3], "Int32", "steady"), ([1, 2, 4], "UInt32", "counts"),
        ([1, 2, 1], "Int16", "codes"), ([1, 900, 1], "Int16", "signal"), ([1], "Boolean", "flag"),
        ([1.5, 2.5], "Double", "grows"), ([1.0, 2.0, 1.0], "Float", "signal"),
        (["A"], "String", "text"),
        ([0, 0, 1, 1, 1], "Int16", "codes"), ([-5, 3], "Int32", "signal"),
    ],
)  # fmt: skip
def test_what_values_do(values, data_type, kind):
    assert behaviour(values, data_type).kind == kind


def test_machines_are_recognised_outside_machinerys_folder():
    status = ((PACKML, "PackMLObjects"), (PACKML, "Filler"), (PACKML, "Status"))
    plate = ((MACHINERY, "Identification"), (MACHINERY, "Manufacturer"))
    jobs = ("JobOrderControl", (ISA95_JOBS, "JobOrderList"))
    found = tags(
        [variable(*status, (PACKML, "StateCurrent")), variable(*status[:2], *jobs),
         variable("Devices", "Pump", *plate)],
        server_uri="u", site_id="F01", is_park=False,
    )  # fmt: skip
    assert found.select("work_unit_id", "measure", "measure_kind").rows() == [
        ("Filler", "packml_state", "state"),
        ("Filler", "job_order_list", "context"),
        (None, "devices/pump/identification/manufacturer", "other"),
    ]


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "parkpulse", "discover", *map(str, arguments)],
        cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Traceback" not in done.stderr + done.stdout
    return done


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        (f"opc.tcp://127.0.0.1:{free_port()}", "start the server or correct the url"),
        ("http://127.0.0.1", "no OPC UA endpoint"),
    ],
    ids=["nobody there", "another protocol"],  # a port is not the same in every process of a run
)
def test_who_does_not_answer_is_named_in_one_line(endpoint, said):
    done = command(endpoint)
    assert (done.returncode, done.stdout) == (2, "")
    assert endpoint in done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


async def test_an_existing_tag_file_is_never_overwritten(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text("mine")
    done = command("opc.tcp://127.0.0.1:1", "--write", path)
    assert (done.returncode, path.read_text()) == (2, "mine")
    assert "may hold your work" in done.stderr
    with pytest.raises(ParkPulseError, match="withdrawn as unsafe"):
        await discovery.look(
            ServerEntry("opc.tcp://127.0.0.1:1", security="Basic256/Sign"), tmp_path
        )
    with pytest.raises(ServerUnreachable):
        await discovery.look(ServerEntry(f"opc.tcp://127.0.0.1:{free_port()}"), tmp_path)


async def test_a_server_of_the_unified_interface_is_understood_without_configuration(
    capsys, tmp_path
):
    from connectors.opcua.discovery_view import print_report

    (timeline,) = sites.timelines(3, ANCHOR, 900.0, ["F01"])
    server = SimulatedServer(timeline, SimClock(ANCHOR, 0.0))
    await server.start()
    try:
        found = await discovery.look(ServerEntry(server.url), tmp_path)
    finally:
        await server.stop()
    report = discovery.report(found)
    assert (report["level"], report["server_uri"]) == (3, timeline.server_uri)
    assert "unified interface 统一数据接口" in {one["spec"] for one in report["namespaces"]}
    assert all(not machine["oee_lacks"] for machine in report["machines"])
    work_units = {one["work_unit_id"] for one in report["machines"]}
    assert work_units == {m.work_unit_id for m in timeline.factory.machines}
    assert {"item_state", "packml_state"} & set(report["machines"][0]["measures"]["state"])
    assert report["without_meaning"] == []
    assert report["todo"] == []
    print_report(report)
    said = capsys.readouterr().out
    assert "interface level 接口等级: L3" in said
    assert "OEE can be computed" in said


def catalogue(home, table="tags"):
    return pl.read_parquet(home / f"lake/{table}/factory=F01/part.parquet")


async def test_the_collector_keeps_what_nodes_meant_when_the_server_changes(
    plants, running, tmp_path, caplog
):
    plant = await plants()
    await plant.add("C.M.D7", 5.0, historized=False)
    await plant.add("C.M.D8", 5.0, historized=False)
    file = tmp_path / "tags.csv"
    file.write_text(f"node_id,work_unit_id,measure,server_uri\nns={plant.ns};s=C.M.D7,M1,parts_total,"
                    f"{plant.url}\nns=9;s=none,M1,parts_good,\n")  # fmt: skip

    def with_tags(run):
        run.fleet = Fleet((Site("F01", False, run.fleet.sites[0].servers, tags=file),))
        return run

    async with with_tags(running(tmp_path / "home", plant, publishing_interval_ms=100)):
        pass
    first = catalogue(tmp_path / "home")
    assert first.schema == schemas.TAGS
    total = first.filter(measure="parts_total").row(0, named=True)
    assert total["node_id"] == "nsu=urn:test:nodes;s=C.M.D7"
    assert (total["work_unit_id"], total["data_type"]) == ("M1", "Double")
    assert "has no node ns=9;s=none" in caplog.text
    assert "nodes have changed" not in caplog.text

    await plant.server.delete_nodes([plant.nodes["C.M.D8"][0]])
    await plant.add("C.M.D9", 5, historized=False, kind=ua.VariantType.Int64)
    file.write_text(file.read_text().replace("parts_total", "parts_bad"))
    async with with_tags(running(tmp_path / "home", plant, publishing_interval_ms=100)):
        pass
    assert "its nodes have changed (1 appeared, 1 vanished;" in caplog.text
    now = catalogue(tmp_path / "home")
    assert set(now["measure"]) >= {"parts_bad", "c_m_d9"}
    assert "parts_total" not in set(now["measure"])


async def test_a_server_is_held_against_a_tag_file(plants, tmp_path):
    plant = await plants()
    await plant.add("C.M.D7", 5, historized=False, kind=ua.VariantType.UInt32)
    await plant.add("C.M.D8", 5, historized=False, kind=ua.VariantType.UInt32)
    file = tmp_path / "tags.csv"
    head = "node_id,work_unit_id,measure,data_type\n"
    file.write_text(
        f"{head}ns={plant.ns};s=C.M.D7,M1,parts_total,UInt16\nns={plant.ns};s=C.M.D6,M1,parts_bad,\n"
    )
    found = await discovery.look(ServerEntry(plant.url), tmp_path)
    given = discovery.read_given(found, file)
    changed = discovery.differences(found, given).select("node_id", "change", "was", "is").rows()
    uri = "nsu=urn:test:nodes;s=C.M."
    assert changed == [
        (f"{uri}D6", "vanished", "parts_bad", None),
        (f"{uri}D7", "type", "UInt16", "UInt32"),
        (f"{uri}D8", "appeared", None, "c_m_d8"),
    ]
    report = discovery.report(found, given)
    machine = report["machines"][0]
    assert (machine["level"], machine["oee_lacks"]) == (0, ["item_state|packml_state"])
    assert [(one["subject"], one["unlocks"]) for one in report["todo"]] == [
        ("item_state|packml_state", 1)
    ]


async def test_values_are_watched_for_a_while(plants, tmp_path):
    plant = await plants()
    await plant.add("C.M.D7", 5.0, historized=False)
    found = await discovery.look(
        ServerEntry(plant.url), tmp_path, observe_s=timedelta(seconds=1).seconds
    )
    assert len(found.seen["nsu=urn:test:nodes;s=C.M.D7"]) >= 2
