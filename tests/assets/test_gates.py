"""Nothing leaves that fails a check, and whoever runs it is told why in one line."""

import contextlib
from datetime import date, timedelta

import polars as pl
import pytest

from connectors.errors import HomeRefused, ParkPulseError
from connectors.home import Home
from connectors.lake import Lake, Partition


@contextlib.contextmanager
def replaced(home, table, partition, content):
    """A lake file with other content for a while; a frame's function changes the rows."""
    path = Lake(home.lake).path(table, partition)
    kept = path.read_bytes()
    try:
        if callable(content):
            content(pl.read_parquet(kept)).write_parquet(path)
        else:
            path.write_bytes(content)
        yield
    finally:
        path.write_bytes(kept)


@pytest.fixture
def yesterday(walked):
    """The home's last closed day, whose district tables are afterwards what they were."""
    from assets.partitions import local_today

    day = local_today() - timedelta(days=1)
    with contextlib.ExitStack() as kept:
        for table in ("oee_roll_up", "adoption", "kpi"):
            kept.enter_context(replaced(walked, table, Partition(day), lambda rows: rows))
        yield day


def test_a_check_that_fails_fails_the_run_and_stops_the_release(walked, yesterday):
    from assets.materialize import instance, release_period, run

    day, said = Partition(yesterday), []
    before = set(walked.releases.glob("*/*"))
    a_second_more = lambda rows: rows.with_columns(pl.col("apt_s") + 1)  # noqa: E731
    with instance() as opened:
        with replaced(walked, "oee_by_shift", Partition(yesterday, "F01"), a_second_more):
            (failed,) = run(opened, "district_days", day, day)
            assert release_period(yesterday.isoformat(), say=said.append) is None
        assert failed.startswith(f"check expectations of oee_roll_up of {yesterday}: ")
        assert "unaccounted_us" in failed
        (line,) = [one for one in said if "failed" in one]
        assert "oee_by_shift fails" in line
        assert "nothing is released" in line
        said.clear()
        assert release_period(yesterday.isoformat(), say=said.append) is None  # of the roll-up
        assert "oee_roll_up fails" in str(said)
        assert set(walked.releases.glob("*/*")) == before


def test_what_was_never_computed_is_not_released(walked, yesterday):
    from assets.materialize import release_period

    path = Lake(walked.lake).path("adoption", Partition(yesterday))
    aside, said = path.rename(path.with_suffix(".aside")), []
    try:
        assert release_period(yesterday.isoformat(), say=said.append) is None
    finally:
        aside.rename(path)
    assert "adoption has no rows to check" in str(said)


BAD = {
    "state_episodes": [
        ("backwards", pl.col("start").alias("end")),
        ("overlapping", pl.col("end") + pl.duration(hours=9)),
        ("factory_id", pl.lit(None, pl.String).alias("factory_id")),
    ],
    "count_increments": [
        ("negative", -pl.col("amount") - 1),
        ("backwards", (pl.col("to_time") + pl.duration(seconds=1)).alias("from_time")),
        ("work_unit_id", pl.lit(None, pl.String).alias("work_unit_id")),
    ],
    "anomaly_events": [
        ("event_id", pl.lit("one").alias("event_id")),
        ("tags_of_machine", pl.col("work_unit_id") + "x"),
        ("set kind", pl.lit("odd").alias("kind")),
        ("set priority", pl.lit("urgent").alias("priority")),
        ("pair", (pl.col("start") - pl.duration(hours=1)).alias("end")),
    ],
    "oee_by_shift": [
        ("factory_id", pl.lit(None, pl.String).alias("factory_id")),
        ("work_unit_id", pl.lit(None, pl.String).alias("work_unit_id")),
    ],
}


@pytest.mark.parametrize("table", list(BAD))
def test_each_thing_that_must_not_be_is_found(walked, table):
    from assets.checks import hold, validate

    lake = Lake(walked.lake)
    parts = list(lake.partitions(table))
    assert hold(table, parts).passed
    rows = pl.concat(
        lake.scan(table, [one]).with_columns(partition_day=pl.lit(one.day)) for one in parts
    )
    twice = pl.concat([rows, rows])  # a home may have one event a day, which no name can repeat
    assert rows.collect().height > 0
    for named, wrong in BAD[table]:
        told = twice if named == "event_id" else rows
        found = validate(table, told.with_columns(wrong), "broken")
        assert not found.passed
        assert named in found.description


def test_a_column_that_is_not_there_is_named_in_one_line(walked):
    from assets.checks import validate

    (part, *_) = Lake(walked.lake).partitions("evidence_cards")
    cards = Lake(walked.lake).scan("evidence_cards", [part])
    found = validate("evidence_cards", cards.drop("state"), "broken")
    assert not found.passed
    assert 'The column "state" in BatchData does not exist' in found.description
    assert "Traceback" not in found.description
    assert "\n" not in found.description


def test_a_factory_outside_any_park_passes_its_check(walked):
    from assets.checks import validate

    lake = Lake(walked.lake)
    rows = lake.scan("oee_by_shift", list(lake.partitions("oee_by_shift")))
    assert validate("oee_by_shift", rows.with_columns(park_id=pl.lit(None, pl.String)), "x").passed


def test_a_broken_catalogue_stops_its_own_factory_alone(walked, yesterday, caplog):
    from assets.materialize import instance, reports, run

    said, day = [], Partition(yesterday)
    with replaced(walked, "tags", Partition(factory="F01"), b"no catalogue"), instance() as opened:
        assert run(opened, "district_days", day, day) == []
        pages, is_well = reports(yesterday, say=said.append)
    assert "tags of F01 cannot be read" in caplog.text
    assert [page.relative_to(walked.reports).parts[0] for page in pages] == ["F07"]
    assert not is_well
    (line,) = [one for one in said if " failed: " in one]
    assert line.startswith("report of F01 failed: anomaly_report: ")
    assert "\n" not in line


@pytest.mark.parametrize("day", [date(2020, 1, 1), date(2100, 1, 1)])
def test_a_day_that_the_home_does_not_have_is_refused(walked, day):
    from assets.materialize import release_period, reports

    with pytest.raises(ParkPulseError, match="this home has days 2026-11-16 to"):
        reports(day, say=lambda _: None)
    with pytest.raises(ParkPulseError, match="this home has days 2026-11-16 to"):
        release_period(day.isoformat(), say=lambda _: None)


def test_where_there_is_no_home_none_is_begun(walked, tmp_path, monkeypatch):
    from assets import materialize

    monkeypatch.setattr(materialize, "HOME", Home(tmp_path / "nowhere"))
    for ask in (
        lambda: materialize.reports(None, say=print),
        lambda: materialize.reports(date(2026, 11, 17), say=print),
        lambda: materialize.release_period("2026-11-17", say=print),
        lambda: materialize.everything(None, None, say=print),
    ):
        with pytest.raises(HomeRefused, match=r"no readable home\.json"):
            ask()
    assert not (tmp_path / "nowhere").exists()


def test_the_owner_is_who_the_servers_named_last_on_any_day(home, tmp_path, monkeypatch):
    from assets import owners as whose
    from pipelines.schemas import RAW, TAGS

    monkeypatch.setattr(whose, "HOME", Home(tmp_path))
    lake = Lake(tmp_path / "lake")
    for factory in ("F01", "F02", "F03"):
        tags = pl.DataFrame({"server_uri": ["u"], "node_id": ["n"], "measure": ["uscc"]})
        empty = pl.DataFrame(schema=TAGS)
        lake.write("tags", pl.concat([empty, tags], how="diagonal"), Partition(factory=factory))
    said = {(16, "F01"): [], (17, "F01"): ["A", "B"], (18, "F01"): [], (16, "F02"): ["C"],
            (16, "F03"): []}  # fmt: skip
    for (day, factory), values in said.items():
        rows = pl.DataFrame(
            {
                "server_uri": "u",
                "node_id": "n",
                "value_text": pl.Series(values, dtype=pl.String),
                "source_time": pl.Series(range(len(values)), dtype=pl.Int64).cast(
                    RAW["source_time"]
                ),
            }
        )
        raw = pl.concat([pl.DataFrame(schema=RAW), rows], how="diagonal")
        lake.write("raw_values", raw, Partition(date(2026, 11, day), factory))
    owners = whose.owners_of(["F01", "F02", "F03"])
    assert dict(owners.iter_rows()) == {"F01": "B", "F02": "C", "F03": None}
    register = pl.DataFrame({"uscc": ["A", "B"], "legal_group": ["A", "G"]})
    assert whose.legal_groups(owners, register).rows() == [("F01", "G")]
