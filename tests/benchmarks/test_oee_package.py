"""Ours beside the PyPI package `oee`, where it answers.

Its limits: performance above 1 counts as 1; it raises without planned time, without pieces, and
when a machine ran longer than was planned; pieces of a machine that never ran make OEE 0.
"""

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipelines import oee as ours
from tests.pipelines.golden import examples

package = pytest.importorskip(
    "oee", reason="the peer is not installed: pip install 'parkpulse[bench]'"
)
SAME = {"availability": "availability", "effectiveness": "performance_raw",
        "quality_ratio": "quality", "oee": "oee", "teep": "teep"}  # fmt: skip
WHOLE = {n: e for n, e in examples.EVERY.items() if "gq" in e["inputs"]}


def theirs(inputs):
    row = {name: examples.number(value) for name, value in inputs.items()}
    return package.oee(
        row["pbt_s"],
        run_time=row["apt_s"],
        ideal_cycle_time=row["pri_s"],
        total_count=row["pq"],
        good_count=row["gq"],
        all_time=row.get("calendar_s"),
    )


def assert_equal(found, answer):
    for name, attribute in SAME.items():
        value = getattr(answer, attribute)
        if value is not None:
            assert found[name] == pytest.approx(value, rel=1e-9), name


def row(apt, stops, pri_ms, good, bad):
    return {"pbt_s": apt + stops, "apt_s": apt, "adet_s": stops, "pri_s": pri_ms / 1000,
            "pq": good + bad, "gq": good}  # fmt: skip


ROWS = st.builds(
    row,
    apt=st.integers(1, 40_000),
    stops=st.integers(0, 40_000),
    pri_ms=st.integers(1, 500_000),
    good=st.integers(0, 10**6),
    bad=st.integers(0, 10**6),
).filter(lambda r: r["pq"] > 0)


@pytest.mark.parametrize("name", WHOLE)
def test_equal_on_the_public_examples(name):
    assert_equal(examples.ours(WHOLE[name]), theirs(WHOLE[name]["inputs"]))


@pytest.mark.parametrize("name", ["versalytics", "oee-package"])
def test_equal_on_the_public_roll_ups(name):
    roll_up = examples.ROLL_UPS[name]
    answer = package.aggregate([theirs(part["inputs"]) for part in roll_up["part"]])
    assert_equal(examples.rolled(roll_up), answer)


def indexed(*rows):
    return ours.indices(examples.frame(*(examples.row(r) for r in rows)))


@settings(deadline=None)
@given(ROWS)
def test_equal_wherever_performance_is_not_above_1(inputs):
    found, answer = indexed(inputs).row(0, named=True), theirs(inputs)
    if found["effectiveness_over_1"]:
        assert found["effectiveness"] == pytest.approx(answer.performance_raw, rel=1e-9)
        assert answer.oee == pytest.approx(found["availability"] * found["quality_ratio"])
        assert found["oee"] >= answer.oee * (1 - 1e-9)
    else:
        assert_equal(found, answer)


@settings(deadline=None)
@given(st.lists(ROWS, min_size=2, max_size=6))
def test_roll_ups_are_equal_wherever_none_is_clipped(rows):
    slow = [r | {"pri_s": min(r["pri_s"], r["apt_s"] * 1000 // r["pq"] / 1000)} for r in rows]
    assume(all(r["pri_s"] > 0 for r in slow))
    frame = examples.frame(*(examples.row(r) for r in slow))
    found = ours.roll_up(frame, []).row(0, named=True)
    assert_equal(found, package.aggregate([theirs(r) for r in slow]))


def test_where_the_package_does_not_answer():
    """What it refuses is undefined or 0 for us, and never an exception."""
    unplanned, idle = row(0, 0, 1000, 7, 0), row(100, 0, 1000, 0, 0)
    never_ran = row(0, 100, 1000, 10, 0)
    for refused, what in ((unplanned, "planned_production_time"), (idle, "total_count")):
        with pytest.raises(ValueError, match=what):
            theirs(refused)
    found = indexed(unplanned, idle, never_ran)
    assert found["oee"].to_list() == [None, 0, 0.1]
    assert found.select(pl.col("outside_plan")).to_series().to_list() == [True, False, False]
    assert theirs(never_ran).oee == 0
