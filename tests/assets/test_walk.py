import re
import shutil
from datetime import date, timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.lake import Lake, Partition, sha256_of
from connectors.verification import verify

FIGURES = [
    "oee_by_shift", "oee_roll_up", "adoption", "funnel", "liveness", "discrepancies",
    "adoption_panel", "terminal_state", "state_episodes", "count_increments", "kpi",
]  # fmt: skip


def figures_of(home):
    """Every lake file that holds figures, by its hash."""
    lake = Lake(home.lake)
    return {
        (table, part): sha256_of(lake.path(table, part))
        for table in [*FIGURES, *OF_ENTERPRISES]
        for part in lake.partitions(table)
    }


def test_what_comes_out_is_what_the_simulator_knows(walked, truth):
    result = verify(walked, truth)
    assert result["broken"] == []
    assert result["values"]["lost"] == result["values"]["repeated"] == 0
    assert result["oee"]["machine_shifts"] > 50
    assert result["adoption"]["figures"] > 200


OF_ENTERPRISES = [
    "warnings", "warning_states", "portraits", "quartiles", "forecasts", "arrivals",
]  # fmt: skip
PROFILED = ["oee_by_shift", "losses_by_shift", "reliability_by_shift"]


@pytest.mark.parametrize("table", PROFILED)
def test_a_factory_that_changes_its_convention_has_both(walked, table):
    """The machine tools of F07 have their own from yesterday on, F01 the default."""
    lake = Lake(walked.lake)
    parts = [lake.read(table, part) for part in lake.partitions(table)]
    rows = pl.concat(parts).select("factory_id", "production_day", "profile_id").unique()
    made = {(factory, day): profile for factory, day, profile in rows.rows()}
    assert len(made) == rows.height
    own = {key: key[0] == "F07" and key[1] > walked.first_day for key in made}
    assert {("F07", walked.first_day), ("F07", walked.first_day + timedelta(days=1))} <= set(made)
    assert made == {key: "machining-2" if own[key] else "opc40001-1" for key in own}


def test_every_event_says_which_model_judged_its_day(walked):
    """At two days of data every machine has one model, and every event is its."""
    lake = Lake(walked.lake)
    events = pl.concat(
        [lake.read("anomaly_events", one) for one in lake.partitions("anomaly_events")]
    )
    assert events.height
    assert set(events["model_version"]) == {1}
    for part in lake.partitions("anomaly_model"):
        models = lake.read("anomaly_model", part)
        assert set(models["state"]) == {"champion"}
        assert set(models["reason"]) == {"first"}
        for path, sha256 in models.select("path", "sha256").rows():
            assert sha256_of(walked.root / path) == sha256


def test_nothing_reads_the_truth_and_a_second_run_gives_the_same_bytes(walked, truth, tmp_path):
    from assets.materialize import everything

    before = figures_of(walked)
    aside, said = shutil.move(truth, tmp_path / "aside"), []
    try:
        assert everything(None, None, say=said.append), said
    finally:
        shutil.move(aside, truth)
    assert figures_of(walked) == before


def test_one_day_recomputed_alone_gives_what_the_whole_gave(walked):
    from assets.materialize import instance, run
    from assets.partitions import local_today

    before = figures_of(walked)
    day = Partition(local_today(), "F01")
    with instance() as opened:
        assert run(opened, "factory_days", day, day) == []
    assert figures_of(walked) == before


def test_a_factory_that_fails_stops_no_other(walked):
    from assets.materialize import everything

    plan = Lake(walked.lake).path("plan", Partition(factory="F01"))
    kept = plan.read_bytes()
    said = []
    try:
        plan.write_bytes(b"not a plan")
        assert not everything(None, None, say=said.append)
    finally:
        plan.write_bytes(kept)
    failed = [line for line in said if " failed: " in line]
    assert [line.split(" failed")[0] for line in failed] == ["factory F01"]
    assert re.match(r"factory F01 failed: \w+_by_(shift|day): .*parquet", failed[0])
    assert "demo" not in " ".join(said)


def test_the_release_holds_parks_and_district_only(walked):
    from assets.materialize import release_period
    from assets.partitions import local_today
    from connectors.release import check

    day = local_today() - timedelta(days=1)
    folder = release_period(day.isoformat(), say=lambda _: None)
    assert folder is not None
    check(folder)
    kpi = pl.read_parquet(folder / "kpi.parquet")
    assert set(kpi["area_id"]) == {"310117", "P01", "P02", "P03"}
    oee = kpi.filter(pl.col("indicator_id").str.starts_with("oee"))
    assert oee.height > 0
    assert oee["value"].null_count() == oee.height  # two factories: fewer than three legal groups


def test_reports_stay_in_their_factory(walked):
    pages = sorted(p.relative_to(walked.reports).parts[0] for p in walked.reports.rglob("*.html"))
    assert set(pages) == {"F01", "F07"}
    assert "F07" not in next((walked.reports / "F01").rglob("report.html")).read_text("utf-8")


@pytest.mark.parametrize("period", ["2026-13-01", "yesterday"])
def test_a_period_that_is_none_is_refused_in_one_line(walked, period):
    from assets.materialize import release_period
    from connectors.errors import ParkPulseError

    with pytest.raises(ParkPulseError, match="write it like 2026-11-21"):
        release_period(period, say=lambda _: None)


@pytest.mark.soak
def test_ten_runs_give_the_same_bits_and_the_same_events(walked):
    from assets.materialize import instance, run
    from assets.partitions import local_today

    lake = Lake(walked.lake)
    first, last = Partition(walked.first_day, "F01"), Partition(local_today(), "F01")
    after_training = Partition(walked.first_day + timedelta(days=1), "F01")
    seen = []
    with instance() as opened:
        for _ in range(10):
            assert run(opened, "factory_days", first, last) == []
            assert run(opened, "models", Partition(factory="F01"), Partition(factory="F01")) == []
            assert run(opened, "anomalies", after_training, last) == []
            events = lake.scan("anomaly_events", [after_training, last])
            assert events is not None
            seen.append((figures_of(walked), events.collect()))
    figures, events = seen[0]
    assert events.height > 0
    for again, found in seen[1:]:
        assert again == figures
        assert_frame_equal(found, events, abs_tol=1e-9, rel_tol=0)


def test_reports_say_where_the_busy_time_of_their_day_went(walked):
    lake = Lake(walked.lake)
    pages = sorted(walked.reports.glob("*/*/report.html"))
    assert pages
    for page in pages:
        factory, day = page.parts[-3], page.parts[-2]
        part = Partition(date.fromisoformat(day), factory)
        pbt_s = pl.read_parquet(lake.path("oee_by_shift", part))["pbt_s"].sum()
        text = page.read_text(encoding="utf-8")
        if pbt_s:
            assert f"<b>{pbt_s / 60:,.1f} min</b>" in text
            assert "Not broken down" not in text
            assert "卡料短停" in text  # the name of the commonest reason code
