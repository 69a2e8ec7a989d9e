import csv
from datetime import UTC, datetime

import pytest

from connectors.errors import FleetFileError
from connectors.fleet import read_fleet
from connectors.tag_file import COLUMNS, read_tags, write_tags

HEAD = "node_id,line_id,work_unit_id,measure,measure_kind,value_map,scale,counter_max,valid_from,valid_to,confidence"  # fmt: skip  # noqa: E501
STATE = "ns=2;s=D1,L1,M1,item_state,,1=Executing;0=NotExecuting,,,,,high"
TOTAL = "ns=2;s=D7,L1,M1,parts_total,,,2,65535,,,"

NEW_YEAR = "2026-01-01T00:00:00+08:00"


def file(folder, *lines, head=HEAD):
    path = folder / "tags.csv"
    path.write_text("\n".join([head, *lines]) + "\n", "utf-8")
    return path


def test_a_file_of_three_columns_is_enough(tmp_path):
    path = file(tmp_path, "ns=2;s=D7,M1,parts_total", head="node_id,work_unit_id,measure")
    (row,) = read_tags(path, "F01").to_dicts()
    assert (row["measure_kind"], row["factory_id"], row["machine_type"]) == (
        "counter", "F01", "machine",
    )  # fmt: skip


def test_codes_are_written_by_name_and_counters_in_strokes(tmp_path):
    state, total = read_tags(file(tmp_path, STATE, TOTAL), "F01").to_dicts()
    assert (state["value_map"], state["measure_kind"]) == ("1=3;0=2", "state")
    assert (total["scale"], total["counter_max"]) == (2.0, 2 * 65536 - 1)


def test_words_for_booleans_mean_their_numbers_too(tmp_path):
    line = STATE.replace("1=Executing;0=", "true=Executing;FALSE=")
    (row,) = read_tags(file(tmp_path, line), "F01").to_dicts()
    assert set(row["value_map"].split(";")) == {"true=3", "FALSE=2", "1=3", "0=2"}


@pytest.mark.parametrize(
    ("line", "old", "new", "column", "said"),
    [
        (STATE, "ns=2;s=D1", "D1", "node_id", "no NodeId"),
        (STATE, "M1", "", "work_unit_id", "blank"),
        (STATE, "M1", "?", "work_unit_id", "name the machine"),
        (TOTAL, "parts_total", "part_totals", "measure", "did you mean parts_total"),
        (TOTAL, "parts_total,", "parts_total,process", "measure_kind", "write counter"),
        (STATE, "1=Executing", "1=?", "value_map", "what 1 means"),
        (STATE, "Executing;0", "Running;0", "value_map", "`Running` is no state"),
        (STATE, "1=Executing", "1", "value_map", "like 1=Executing"),
        (TOTAL, ",2,65535", "0=1,2,65535", "value_map", "has no codes"),
        (STATE, ",,,,,high", ",2,,,,high", "scale", "cannot be scaled"),
        (TOTAL, ",2,", ",0.5,", "scale", "whole pieces"),
        (TOTAL, ",2,", ",0,", "scale", "every value 0"),
        (TOTAL, "65535", "-1", "counter_max", "no count"),
        (TOTAL, "65535", "9" * 40, "counter_max", "no count"),
        (TOTAL, ",,,", f",{NEW_YEAR},{NEW_YEAR},", "valid_to", "after"),
        (STATE, "high", "low", "confidence", "only a guess"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_meant_is_named(tmp_path, line, old, new, column, said):
    head, _, tail = line.rpartition(old) if old == ",,," else line.partition(old)
    path = file(tmp_path, head + new + tail)
    with pytest.raises(FleetFileError, match=rf"tags\.csv line 2 column {column}: .*{said}"):
        read_tags(path, "F01")


def test_two_nodes_for_one_state_are_refused_unless_one_follows_the_other(tmp_path):
    first = STATE.replace(",,,,,high", ",,,,2026-01-01T00:00:00+08:00,")
    then = STATE.replace("D1", "D2").replace(",,,,,high", ",,,2026-01-01T00:00:00+08:00,,")
    assert len(read_tags(file(tmp_path, first, then), "F01")) == 2
    with pytest.raises(FleetFileError, match=r"line 3 column measure: .*line 2 has item_state"):
        read_tags(file(tmp_path, STATE, STATE.replace("D1", "D2")), "F01")
    with pytest.raises(FleetFileError, match=r"line 3 column node_id: .*line 2 has the node"):
        read_tags(file(tmp_path, TOTAL, TOTAL), "F01")


def test_of_several_servers_each_row_names_its_own(tmp_path):
    with pytest.raises(FleetFileError, match=r"line 2 column server_uri: .*2 servers"):
        read_tags(file(tmp_path, STATE), "F01", ["opc.tcp://a:1", "opc.tcp://b:1"])


def test_another_factorys_row_is_refused(tmp_path):
    path = file(tmp_path, "ns=2;s=D7,M1,parts_total,F02",
                head="node_id,work_unit_id,measure,factory_id")  # fmt: skip
    with pytest.raises(FleetFileError, match=r"column factory_id: .*that of F01"):
        read_tags(path, "F01")
    assert read_tags(path, None)["factory_id"].to_list() == ["F02"]


def test_a_proposal_is_written_for_excel_and_read_again(tmp_path):
    row = {
        "node_id": "ns=2;s=产量",
        "work_unit_id": "M1",
        "measure": "parts_total",
        "why": 'a "b",c',
    }
    path = tmp_path / "tags.csv"
    assert write_tags(path, [row]) == 1
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as text:
        (read,) = csv.DictReader(text)
    assert tuple(read) == COLUMNS
    assert {name: read[name] for name in row} == row
    assert read_tags(path, "F01")["node_text"].to_list() == ["ns=2;s=产量"]


FLEET = """[[factory]]
id = "F01"
tags = "tags.csv"
[[factory.server]]
url = "opc.tcp://127.0.0.1:4840"
"""


def test_the_fleet_file_names_tags_and_a_bad_row_stops_the_start(tmp_path):
    fleet = tmp_path / "fleet.toml"
    fleet.write_text(FLEET)
    path = file(tmp_path, STATE)
    assert read_fleet(fleet).sites[0].tags == path
    file(tmp_path, STATE.replace("M1", ""))
    with pytest.raises(FleetFileError, match=r"tags\.csv line 2 column work_unit_id"):
        read_fleet(fleet)
    fleet.write_text(FLEET.replace("factory", "park"))
    with pytest.raises(FleetFileError, match="a park gateway has no machines"):
        read_fleet(fleet)


def test_times_are_utc(tmp_path):
    line = TOTAL[:-1] + "2026-01-01T08:00:00+08:00,"
    (row,) = read_tags(file(tmp_path, line), "F01").to_dicts()
    assert row["valid_to"] == datetime(2026, 1, 1, tzinfo=UTC)
