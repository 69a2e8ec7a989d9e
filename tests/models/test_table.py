import json

import polars as pl
import pytest
from plants import plant, with_fault
from polars.testing import assert_frame_equal

from models import detector, table
from models.errors import TableError

TRAIN = plant(1500, seed=1)
DATA = with_fault(plant(900, seed=2), "step", "pressure_bar", 400, 700, 1.0)


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_fit_and_score_files(tmp_path, suffix):
    write = pl.DataFrame.write_csv if suffix == "csv" else pl.DataFrame.write_parquet
    write(TRAIN, tmp_path / f"train.{suffix}")
    write(DATA, tmp_path / f"data.{suffix}")
    model, out = tmp_path / "model", tmp_path / f"out.{suffix}"
    fitted = table.fit_file(tmp_path / f"train.{suffix}", model)
    assert fitted.time == "timestamp"
    table.score_file(model, tmp_path / f"data.{suffix}", out)
    direct = detector.load(model).score(DATA)
    if suffix == "parquet":
        assert_frame_equal(pl.read_parquet(out), direct)
        return
    got = pl.read_csv(out)
    assert got.columns == direct.columns
    assert got["is_anomaly"].to_list() == direct["is_anomaly"].to_list()
    inside = got.filter("is_anomaly")["contributors"]
    assert {"sensor", "share"} == set(json.loads(inside[0])[0])
    assert got.filter(~pl.col("is_anomaly"))["contributors"].unique().to_list() == ["[]"]


def read(tmp_path, text):
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    return table.read_table(path)


def test_the_time_column_is_found_by_name_or_by_its_values(tmp_path):
    frame, time = read(tmp_path, "Time;a\n2026-11-20 00:00:00;1\n2026-11-20 00:00:10;\n")
    assert time == "Time"
    assert frame["Time"].dtype == pl.Datetime("us", "UTC")
    assert frame["a"].to_list() == [1, None]
    assert read(tmp_path, "a,when\n1,2026-11-20T00:00:00\n")[1] == "when"
    frame, time = read(tmp_path, "timestamp,a\n0,1\n10,2\n")
    assert frame["timestamp"].to_list() == [0, 10]


def test_values_say_more_than_names(tmp_path):
    assert read(tmp_path, "T,stamp\n20.5,2026-11-20T00:00:00\n")[1] == "stamp"
    assert read(tmp_path, "time,stamp\n20.5,2026-11-20T00:00:00\n")[1] == "stamp"
    with pytest.raises(TableError, match="no time column"):
        read(tmp_path, "T,a\n20.5,1\n")


def test_line_ends_and_nested_columns_are_named(tmp_path):
    (tmp_path / "cr.csv").write_bytes(b"timestamp,a\r2026-11-20,1\r")
    with pytest.raises(TableError, match=r"cr\.csv: its lines end in CR alone"):
        table.read_table(tmp_path / "cr.csv")
    times = pl.Series("timestamp", [None, None], pl.Datetime("us"))
    for column in (pl.Series("a", [[1.0], [2.0]]), pl.Series("a", [None, None], pl.List(pl.Int8))):
        pl.DataFrame([times, column]).write_parquet(tmp_path / "list.parquet")
        with pytest.raises(TableError, match="column 'a' is List"):
            table.read_table(tmp_path / "list.parquet")
    pl.DataFrame([column.alias("time")]).write_parquet(tmp_path / "list.parquet")
    with pytest.raises(TableError, match="column 'time' is List"):
        table.read_table(tmp_path / "list.parquet")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("timestamp,a\n2026-11-20,1\n2026-11-21,off\n", "column 'a' row 2 has 'off'"),
        ("timestamp,a\nyesterday,1\n", "column 'timestamp' has 'yesterday'"),
        ("a,b\n1,2\n", "no time column"),
        ("", "t.csv"),
    ],
)  # fmt: skip
def test_bad_tables_are_named_in_one_line(tmp_path, text, why):
    with pytest.raises(TableError, match=why) as caught:
        read(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(TableError, match=r"none\.csv"):
        table.read_table(tmp_path / "none.csv")
    broken = tmp_path / "x.parquet"
    broken.write_bytes(b"no parquet")
    with pytest.raises(TableError, match=r"x\.parquet"):
        table.read_table(broken)


def test_times_come_out_as_they_went_in(tmp_path):
    texts = [f"2026/01/01 00:{m:02}:{s:02}" for m in range(10) for s in range(0, 60, 10)]
    frame = pl.DataFrame({"timestamp": [t.replace("/", "-") for t in texts], "load": range(60)})
    frame.write_csv(tmp_path / "t.csv")
    table.fit_file(tmp_path / "t.csv", tmp_path / "m.model")
    table.score_file(tmp_path / "m.model", tmp_path / "t.csv", tmp_path / "out.csv")
    scored = pl.read_csv(tmp_path / "out.csv", try_parse_dates=False)
    assert scored["timestamp"].to_list() == frame["timestamp"].to_list()
