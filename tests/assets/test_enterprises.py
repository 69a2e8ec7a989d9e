"""Warnings, portraits and forecasts of the walked home: what a park manager and a bureau see."""

from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from connectors.lake import Lake, Partition
from connectors.verification import verify

TABLES = ["warnings", "warnings_by_rules", "warning_states", "portraits", "quartiles",
          "adoption_before", "forecasts", "arrivals"]  # fmt: skip


@pytest.fixture(scope="module")
def made(walked):
    lake = Lake(walked.lake)
    return {name: lake.read(name, Partition()) for name in TABLES}


@pytest.fixture
def on(walked):
    from assets.enterprises import closed_day

    return closed_day()


def test_every_table_is_there_and_in_its_form(made):
    from pipelines import park_figures, park_schemas
    from pipelines.warning_cycle import WARNING_STATES

    assert made["warnings"].schema == park_schemas.WARNINGS
    assert made["warnings_by_rules"].schema == park_schemas.WARNINGS
    assert made["warning_states"].schema == WARNING_STATES
    for name in ("portraits", "quartiles", "forecasts", "arrivals"):
        assert made[name].schema == getattr(park_figures, name.upper()), name
    assert made["adoption_before"].schema == park_figures.ADOPTION


def test_what_was_planted_is_found_and_trends_are_true(walked, truth):
    result = verify(walked, truth)
    assert result["warnings"]["planted"] >= 6
    assert result["warnings"]["found"] >= 3
    assert result["warnings"]["harmless_firms"] > 20
    assert result["portraits"]["complete"] == 6
    assert result["portraits"]["unequal"] == result["portraits"]["missing"] == 0


def test_two_park_managers_see_open_warnings_of_enterprises_in_distress(made, truth):
    now = pl.read_parquet(truth / "distress.parquet").filter(pl.col("pattern") == "under_way")
    of_model = made["warnings"].filter(pl.col("rule") == "distress")
    told = made["warning_states"].filter("is_open").join(of_model, on="warning_id")
    seen = told.join(now, on="uscc", how="semi")
    assert {"P01", "P02"} <= set(seen["owner_park_id"])
    assert set(seen["state"]) == {"raised"}


def test_one_warning_per_enterprise_and_stretch_and_none_of_days_to_come(made, on):
    course = made["warnings"].filter(~pl.col("rule").is_in(["concentration", "stale_declaration"]))
    rows = course.sort("uscc", "raised_on").to_dicts()
    for one, after in pairwise(rows):
        if one["uscc"] == after["uscc"]:
            assert one["cleared_on"] is not None
            assert one["cleared_on"] <= after["raised_on"]
    assert (made["warnings"]["raised_on"] <= on).all()
    ids = pl.concat([made["warnings"], made["warnings_by_rules"]])["warning_id"]
    assert ids.is_unique().all()


def test_yesterdays_warnings_stand_as_they_did_when_fewer_days_were_known(walked, on):
    """Causal: a day that comes later changes nothing of when an earlier one was raised."""
    from models.early_warning import early_warnings
    from pipelines.warning_facts import peer_groups

    lake = Lake(walked.lake)
    days, firms, sites = (
        lake.read(name, Partition()) for name in ("enterprise_days", "enterprises", "sites")
    )
    until = on - timedelta(days=30)
    told = [
        early_warnings(days.filter(pl.col("day") <= day), peer_groups(firms, on), sites)[1]
        .filter(pl.col("raised_on") <= until)
        .select("warning_id", "begun_on", "raised_on", "value", "confidence")
        for day in (until, on)
    ]
    assert told[0].height > 0
    assert_frame_equal(*told)


def test_a_portrait_has_terminals_cloud_trends_and_warnings(made, walked, on):
    portraits = made["portraits"]
    assert set(portraits["reference_date"]) == {on}
    evidence = Lake(walked.lake).read("firm_evidence", Partition(on))
    assert portraits["terminals"].sum() > 0
    both = portraits.join(evidence, on="uscc", suffix="_seen")
    assert both["terminals"].equals(both["terminals_seen"])
    assert both["cloud_declared"].equals(both["declared"])
    assert portraits["output_trend"].is_not_null().sum() >= 30
    open_ones = made["warnings"].filter(
        pl.col("cleared_on").is_null() | (pl.col("cleared_on") > on)
    )
    assert portraits["warnings_open"].sum() == open_ones.join(portraits, on="uscc").height


def test_oee_is_of_enterprises_that_permit_it(made, walked, on):
    from assets.release import owners_of

    owners = dict(owners_of(["F01", "F07"]).rows())
    portraits = made["portraits"].filter(pl.col("oee").is_not_null())
    assert set(portraits["uscc"]) <= set(owners.values())
    fleet = walked.root / "fleet.toml"
    text = fleet.read_text("utf-8")
    assert text.count("share_oee = true") == 2
    try:
        fleet.write_text(text.replace("share_oee = true", "share_oee = false", 1), "utf-8")
        from assets.enterprises import _oee

        assert set(_oee(on)["uscc"]) == {owners["F07"]}
    finally:
        fleet.write_text(text, "utf-8")


def test_what_is_hidden_is_not_forecast(made, walked, on):
    kpi = Lake(walked.lake).read("kpi", Partition(on))
    hidden = kpi.filter(pl.col("value").is_null())
    assert hidden.height
    cells = made["forecasts"].select("indicator_id", "area_id").unique()
    assert cells.height >= 8
    assert cells.join(hidden, on=["indicator_id", "area_id"], how="semi").is_empty()
    assert set(made["forecasts"]["origin"]) == {on}
    assert set(made["arrivals"]["area_id"]) == {"310117"}


def test_who_acknowledges_is_in_the_states_that_are_made_next(walked, made):
    from assets.enterprises import warning_states
    from connectors import warning_journal

    (first, *_) = made["warning_states"].filter("is_open")["warning_id"]
    sites = Lake(walked.lake).read("sites", Partition())
    try:
        warning_journal.say(walked, first, "acknowledge", "看过", "李园区")
        states = warning_states(made["warnings"].lazy(), sites.lazy())
    finally:
        (walked.root / "warnings" / "journal.jsonl").unlink(missing_ok=True)
    row = states.row(by_predicate=pl.col("warning_id") == first, named=True)
    assert (row["state"], row["is_open"], row["by"]) == ("acknowledged", True, "李园区")
    others = pl.col("warning_id") != first
    assert states.filter(others).equals(made["warning_states"].filter(others))


def test_what_a_person_closed_is_open_neither_on_pages_nor_in_portraits(walked, made, on):
    from assets.enterprises import portraits, warning_states
    from assets.pages import frames
    from connectors import warning_journal

    lake = Lake(walked.lake)
    (row, *_) = made["warning_states"].filter("is_open").join(
        made["portraits"], on="uscc", how="semi"
    ).to_dicts()  # fmt: skip
    names = ("enterprises", "sites", "machines", "terminals", "enterprise_days", "warnings")
    tables = {name: lake.read(name, Partition()).lazy() for name in names}
    assert row["warning_id"] in set(frames(lake, on).warnings["warning_id"])
    try:
        warning_journal.say(walked, row["warning_id"], "close", "搬迁", "李园区")
        told = warning_states(tables["warnings"], tables["sites"])
        lake.write("warning_states", told, Partition())
        shown = frames(lake, on).warnings
        found, _ = portraits(**tables, warning_states=told.lazy())
    finally:
        lake.write("warning_states", made["warning_states"], Partition())
        (walked.root / "warnings" / "journal.jsonl").unlink(missing_ok=True)
    assert row["warning_id"] not in set(shown["warning_id"])
    open_before, open_now = (
        table.row(by_predicate=pl.col("uscc") == row["uscc"], named=True)["warnings_open"]
        for table in (made["portraits"], found)
    )
    assert open_now == open_before - 1


def test_a_check_of_a_table_that_is_not_cut_into_days_fails_where_it_must(made):
    from assets.checks import validate

    rows = made["warnings"].lazy().with_columns(partition_day=pl.lit(None, pl.Date))
    assert validate("warnings", rows, "whole").passed
    twice = pl.concat([rows, rows])
    assert "warning_id" in str(validate("warnings", twice, "broken").metadata["failed"])
    late = rows.with_columns(begun_on=pl.col("raised_on") + pl.duration(days=1))
    assert not validate("warnings", late, "broken").passed
