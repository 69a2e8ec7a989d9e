"""From raw values to OEE: our steps and DuckDB's SQL give the same figures, hard cases included."""

import polars as pl
import pytest

from pipelines import bronze, counters, states
from pipelines.raw import event_ticks

pytest.importorskip("duckdb", reason="the peer is not installed: pip install 'parkpulse[bench]'")

from benchmarks import raw_factory, raw_oee
from benchmarks.rounds import DisagreementError


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return raw_factory.write(tmp_path_factory.mktemp("raw"), 2)


def test_the_two_sides_agree(files):
    assert "of 42 machine-shifts" in raw_oee.agreement(files)  # 2 machines, 7 days, 3 shifts


def test_the_rows_hold_what_makes_it_hard(files):
    """Repeats, unknown states, counters that wrap and counters that are set back."""
    received, tags = pl.read_parquet(files["raw"]), pl.read_parquet(files["tags"])
    once = bronze.compact(received)
    assert received.height == pytest.approx(once.height * 1.05, rel=0.001)
    assert not received["received_time"].is_duplicated().all()
    assert received["received_time"].is_sorted()
    assert not received.select(event_ticks()).to_series().is_sorted()
    timed = once.with_columns(time="source_time")
    made = counters.increments(timed, tags, pl.read_parquet(files["cycles"]))
    causes = dict(made.filter(pl.col("amount") > 0)["cause"].value_counts().iter_rows())
    assert causes["rollover"] > 10
    assert causes["reset"] > 10
    assert set(states.episodes(timed, tags)["quality"]) >= {"good", "unknown"}


def test_every_figure_is_of_something(files):
    figures = raw_oee.ours(files)
    assert figures["oee"].null_count() == 0
    assert figures["pq"].min() > 100
    assert figures["unknown_s"].min() > 0
    assert (figures["apt_s"] > 0).all()


@pytest.mark.parametrize(
    ("measure", "change", "figure"),
    [
        ("item_state", {"value_int": pl.col("value_int").clip(0, 2)}, "apt_s"),
        ("order_id", {"value_text": pl.lit("")}, "ade|ado"),
        ("product_id", {"value_text": pl.lit("A")}, "effectiveness"),
        ("parts_total", {"value_uint": pl.col("value_uint") // 2}, "pq"),
        ("parts_good", {"value_uint": pl.col("value_uint") // 2}, "gq"),
    ],
)
def test_other_values_on_one_side_are_seen(files, tmp_path, monkeypatch, measure, change, figure):
    """A day of one node of one machine says something else."""
    rows = pl.read_parquet(files["raw"])
    own = pl.col("node_id").str.ends_with(f"M100.{measure}")
    day = own & (pl.col("source_time").dt.day() == 12)
    spoiled = tmp_path / "raw.parquet"
    rows.with_columns(
        pl.when(day).then(value).otherwise(name).alias(name) for name, value in change.items()
    ).write_parquet(spoiled)
    right, wrong = raw_oee.ours, files | {"raw": str(spoiled)}
    monkeypatch.setattr(raw_oee, "ours", lambda _, **kept: right(wrong, **kept))
    with pytest.raises(DisagreementError, match=figure):
        raw_oee.agreement(files)
