"""What a factory plans enters the home, and a profile's name keeps its meaning there."""

import polars as pl
import pytest

from connectors.conventions import read_conventions
from connectors.errors import FleetFileError
from connectors.fleet import read_fleet
from connectors.tables import write_plans

FLEET = """
[[factory]]
id = "F01"
conventions = "own.csv"
[[factory.server]]
url = "opc.tcp://127.0.0.1:4840"
"""
OWN = """\
line_id,work_unit_id,profile_id,rules,breaks,rework,micro_stop_s,start_up_s,least_completeness,valid_from
,,short,opc40001-1,cut,not_good,120,600,0.9,2026-03-01
"""


@pytest.fixture
def enter(tmp_path):
    """Write the conventions and take them into a home; gives the home's table of that name."""
    (tmp_path / "fleet.toml").write_text(FLEET)

    def write(text, table="conventions"):
        (tmp_path / "own.csv").write_text(text)
        write_plans(read_fleet(tmp_path / "fleet.toml"), tmp_path / "home")
        return pl.read_parquet(tmp_path / f"home/lake/{table}/factory=F01/part.parquet")

    return write


def test_conventions_enter_the_home_and_a_bad_one_is_told_with_the_fleet_file(enter, tmp_path):
    assert enter(OWN).equals(read_conventions(tmp_path / "own.csv", "F01"))
    with pytest.raises(FleetFileError, match=r"own\.csv line 2 column rules"):
        enter(OWN.replace("opc40001-1", "iso"))
    park = FLEET.replace("factory", "park").replace("F01", "P01")
    (tmp_path / "fleet.toml").write_text(park)
    with pytest.raises(FleetFileError, match="`conventions` of park P01"):
        enter(OWN)


def test_a_name_that_stands_is_not_changed_though_its_convention_has_gone(enter):
    first = enter(OWN)
    other = OWN.replace("120", "60")
    with pytest.raises(FleetFileError) as caught:
        enter(other)
    assert "profile_id short stood for micro_stop_s 120, not 60" in str(caught.value)
    header, row = OWN.splitlines()
    moved = row.replace("2026-03-01", "2026-04-01")
    longer = row.replace("short", "longer").replace("120", "240")
    both = enter("\n".join([header, longer, moved.replace(",,", "L1,,", 1)]))
    assert both["profile_id"].to_list() == ["longer", "short"]
    assert enter(header + "\n").is_empty()
    with pytest.raises(FleetFileError, match="stood for micro_stop_s 120"):
        enter(other)
    assert enter(OWN).equals(first)
    assert enter(OWN, "profiles")["profile_id"].to_list() == ["short", "longer"]


def test_profiles_that_cannot_be_read_are_told_and_written_anew(enter, tmp_path, caplog):
    enter(OWN)
    (tmp_path / "home/lake/profiles/factory=F01/part.parquet").write_bytes(b"no table")
    enter(OWN.replace("120", "60"))
    assert any("it cannot be read" in message for message in caplog.messages)
    assert enter(OWN.replace("120", "60"), "profiles")["micro_stop_s"].to_list() == [60]
