import json
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.simulator.firm_years import firm_years
from models import early_warning, warning_trees
from models.errors import ModelFileError
from models.warning_features import COLUMNS, FAMILIES
from pipelines.park_schemas import WARNINGS
from tests.pipelines import enterprise_courses as ec

STEADY = ec.steady()


@pytest.fixture(scope="module")
def year():
    return firm_years(3, 60)


def warned(days, sites, firms):
    return early_warning.early_warnings(
        days, firms.select("uscc", peer_group="industry_code"), sites
    )[1]


@pytest.fixture(scope="module")
def told(year):
    return warned(year.days, year.sites, year.firms)


def test_warnings_have_their_schema_and_say_why(told):
    assert told.schema == WARNINGS
    assert told.height >= 5
    for row in told.iter_rows(named=True):
        why = json.loads(row["evidence"])
        assert row["begun_on"] <= row["raised_on"] <= row["seen_on"]
        assert 0.0 < row["confidence"] < 1.0
        assert set(why["contributions"]) <= set(FAMILIES)
        assert list(why["contributions"].values()) == sorted(
            why["contributions"].values(), reverse=True
        )


@settings(max_examples=3)
@given(cut=st.integers(200, 480))
def test_later_days_change_no_earlier_warning(year, told, cut):
    last = year.days["day"].min() + timedelta(days=cut)
    early = warned(year.days.filter(pl.col("day") <= last), year.sites, year.firms)
    kept = ["warning_id", "begun_on", "raised_on", "confidence", "value", "severity", "evidence"]
    assert early.select(kept).equals(told.filter(pl.col("raised_on") <= last).select(kept))


def model(days, moved=None):
    return early_warning.early_warnings(days, ec.peers(days), ec.sites(days, moved))[1]


def test_a_steady_enterprise_has_none_and_a_declining_one_is_found_before_the_bottom():
    assert model(STEADY).is_empty()
    found = model(ec.declining(STEADY, 150, 42, 0.35))
    assert found["uscc"].to_list() == ["U00"]
    assert ec.day(150) < found["raised_on"].item() < ec.day(192)
    assert found["value"].item() < 0.95


@settings(max_examples=4)
@given(st.integers(60, 229), st.floats(0, 3))
def test_one_days_noise_warns_of_nothing(n, factor):
    columns = ("running_s", "output", "energy_wh", "alarms")
    assert model(ec.scaled(STEADY, n, n, factor, columns)).is_empty()


@settings(max_examples=4)
@given(st.integers(60, 200), st.integers(1, 28), st.sampled_from(["outage", "rest"]))
def test_outage_and_holiday_warn_of_nothing(first, length, what):
    change = {"outage": ec.uncollected, "rest": ec.resting}[what]
    assert model(change(STEADY, first, first + length)).is_empty()


def test_a_move_is_no_distress():
    moved = ec.scaled(ec.resting(STEADY, 150, 175, said=False), 176, 190, 0.5)
    assert model(moved, moved=ec.day(153)).is_empty()


def test_nobody_has_no_warning():
    assert model(STEADY.clear()).schema == WARNINGS


@pytest.fixture(scope="module")
def lesson():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(800, 3)).round(3)  # thresholds of six digits are then exact
    rows[rng.random(rows.shape) < 0.2] = np.nan
    labels = np.nan_to_num(rows[:, 0]) - np.nan_to_num(rows[:, 2], nan=0.7) > 0.4
    return rows, labels


def test_trees_read_from_a_file_say_what_scikit_learn_says(lesson, tmp_path):
    from sklearn.ensemble import HistGradientBoostingClassifier

    rows, labels = lesson
    grown = warning_trees.fit(
        rows, labels, np.ones(len(rows)), ["a", "b", "c"], trees=20, leaves=6, rate=0.1, least=20
    )
    grown.write_csv(tmp_path / "trees.csv")
    trees = warning_trees.read(tmp_path / "trees.csv", ["a", "b", "c"])
    peer = HistGradientBoostingClassifier(
        max_iter=20, max_leaf_nodes=6, learning_rate=0.1, min_samples_leaf=20,
        l2_regularization=10.0, early_stopping=False, random_state=0,
    ).fit(rows, labels, sample_weight=np.ones(len(rows)))  # fmt: skip
    said = trees.log_odds(rows)
    assert said == pytest.approx(peer.decision_function(rows), abs=1e-4)
    assert trees.base + trees.contributions(rows).sum(axis=1) == pytest.approx(said, abs=1e-9)
    assert trees.log_odds(rows[:0]).shape == (0,)


def test_trees_of_other_columns_or_no_trees_are_refused(tmp_path):
    with pytest.raises(ModelFileError, match="columns that there are not"):
        warning_trees.read(early_warning.FILE, ["a"])
    (tmp_path / "bad.csv").write_text("tree,node\nx,1\n")
    with pytest.raises(ModelFileError, match="not a table of trees"):
        warning_trees.read(tmp_path / "bad.csv", COLUMNS)
    with pytest.raises(ModelFileError, match="not a table of trees"):
        warning_trees.read(tmp_path / "none.csv", COLUMNS)
