from datetime import date

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.errors import HomeRefused
from connectors.home import Home
from connectors.lake import Lake, Partition, sha256_of

DAY = date(2026, 11, 21)


def test_a_partition_is_replaced_whole_and_reproducibly(tmp_path):
    lake = Lake(tmp_path)
    frame = pl.DataFrame({"a": [1, 2, 3]})
    first = lake.write("t", frame, Partition(DAY, "F01"))
    again = lake.write("t", frame, Partition(DAY, "F01"))
    assert first == again
    assert first.sha256 == sha256_of(first.path)
    assert first.path == tmp_path / "t/day=2026-11-21/factory=F01/part.parquet"
    scanned = lake.scan("t", [Partition(DAY, "F01"), Partition(DAY, "F02")])
    assert scanned is not None
    assert_frame_equal(scanned.collect(), frame)
    assert lake.scan("t", [Partition(DAY, "F02")]) is None
    assert not list(tmp_path.rglob("*.tmp"))


def test_a_file_that_holds_the_rows_already_is_left_as_it_is(tmp_path):
    lake, part = Lake(tmp_path), Partition(DAY, "F01")
    frame = pl.DataFrame({"a": [0.0, 1.0, float("nan")], "b": ["x", None, "y"]})
    first = lake.write("t", frame, part)
    frame.write_parquet(first.path, compression="uncompressed")  # another writer's bytes
    stood = first.path.stat()
    again = lake.write("t", frame, part)
    assert (first.is_new, again.is_new) == (True, False)
    assert again.sha256 == sha256_of(first.path)
    assert first.path.stat() == stood


@pytest.mark.parametrize(
    "other",
    [
        pl.DataFrame({"a": [-0.0, 1.0]}),
        pl.DataFrame({"a": [0, 1]}),
        pl.DataFrame({"b": [0.0, 1.0]}),
        pl.DataFrame({"a": [1.0, 0.0]}),
        pl.DataFrame({"a": [0.0, 1.0, None]}),
    ],
    ids=["bits", "type", "name", "order", "rows"],
)
def test_other_rows_are_written(tmp_path, other):
    lake, part = Lake(tmp_path), Partition(DAY, "F01")
    lake.write("t", pl.DataFrame({"a": [0.0, 1.0]}), part)
    assert lake.write("t", other, part).is_new
    found = lake.read("t", part)
    assert_frame_equal(found, other)
    assert str(found["a" if "a" in other else "b"][0]) == str(other.item(0, 0))


def test_a_damaged_file_is_written_anew(tmp_path):
    lake, part = Lake(tmp_path), Partition(DAY, "F01")
    frame = pl.DataFrame({"a": [1]})
    lake.write("t", frame, part).path.write_bytes(b"damaged")
    assert lake.write("t", frame, part).is_new
    assert_frame_equal(lake.read("t", part), frame)


def test_nearest_skips_days_without_data_and_other_factories(tmp_path):
    lake = Lake(tmp_path)
    frame = pl.DataFrame({"a": [1]})
    for day, factory in [(18, "F01"), (20, "F01"), (21, "F02")]:
        lake.write("t", frame, Partition(date(2026, 11, day), factory))
    assert lake.nearest("t", Partition(DAY, "F01")) == Partition(date(2026, 11, 20), "F01")
    assert lake.nearest("t", Partition(date(2026, 11, 17), "F01")) is None


def test_a_strange_folder_is_never_taken_for_a_home(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    for refuse in (Home(tmp_path).create, Home(tmp_path).replace):
        with pytest.raises(HomeRefused, match="choose another --home"):
            refuse(first_day=DAY)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_second_demo_replaces_its_own_home(tmp_path):
    home = Home(tmp_path / "h").replace(first_day=DAY)
    (home.root / "old").touch()
    home.replace(first_day=date(2026, 11, 22))
    assert home.first_day == date(2026, 11, 22)
    assert not (home.root / "old").exists()
