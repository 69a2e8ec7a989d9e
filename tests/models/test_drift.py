"""A machine that has left what its model learned is told from one that wanders as it always did."""

import itertools
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plants import plant, with_fault

from models import detector, drift

PER_DAY = 720
DAYS = [date(2026, 11, 20) + timedelta(days=n) for n in range(6)]


def days_of(frame):
    return [frame[n * PER_DAY : (n + 1) * PER_DAY] for n in range(frame.height // PER_DAY)]


@pytest.fixture(scope="module")
def healthy():
    """Six days at 120 s."""
    return plant(6 * PER_DAY, seed=5, step_s=120.0)


@pytest.fixture(scope="module")
def model(healthy):
    return detector.fit(healthy[: 3 * PER_DAY])


def seen(model, frame, days=(4, 5), held_out=None):
    known = drift.reference(model, frame[: 3 * PER_DAY], 3.0)
    parts = days_of(frame)
    found = [drift.of_day(model, known, parts[n], DAYS[n]) for n in days]
    return drift.seen(known, found, held_out)


def test_a_machine_that_wanders_as_in_training_has_not_drifted(model, healthy):
    assert seen(model, healthy) == []


def test_a_level_that_left_is_named_with_its_signal(model, healthy):
    off = with_fault(healthy, "step", "temperature_c", 4 * PER_DAY, 6 * PER_DAY, 25.0)
    first, *_ = seen(model, off)
    assert first.startswith("temperature_c: level off by +")
    assert "2026-11-24 to 2026-11-25" in first


@pytest.mark.parametrize(("start", "end"), [(4, 5), (5, 6)])
def test_one_odd_day_is_no_drift(model, healthy, start, end):
    off = with_fault(healthy, "step", "temperature_c", start * PER_DAY, end * PER_DAY, 25.0)
    assert not [line for line in seen(model, off) if "level off" in line]
    assert seen(model, off, days=(5,)) == []


def test_off_to_both_sides_is_no_drift(model, healthy):
    off = with_fault(healthy, "step", "temperature_c", 4 * PER_DAY, 5 * PER_DAY, 25.0)
    off = with_fault(off, "step", "temperature_c", 5 * PER_DAY, 6 * PER_DAY, -25.0)
    assert not [line for line in seen(model, off) if "level off" in line]


def test_rows_near_the_limit_are_held_against_the_held_out_ones():
    def day_of(near):
        return drift.DayDrift(DAYS[0], {}, near)

    known = drift.Reference(3.0, {})
    assert drift.seen(known, [day_of(0.7), day_of(0.6)], 0.1) == [
        "60% of rows score near the limit, 10% held out"
    ]
    assert drift.seen(known, [day_of(0.7), day_of(0.6)], 0.3) == []
    assert drift.seen(known, [day_of(0.7), day_of(0.4)], 0.1) == []
    assert drift.seen(known, [day_of(0.7), day_of(0.6)], None) == []


def test_few_training_days_allow_more_wander(model, healthy):
    off = with_fault(healthy, "step", "temperature_c", 4 * PER_DAY, 6 * PER_DAY, 12.0)
    known = drift.reference(model, off[: 3 * PER_DAY], 3.0)
    of_one = drift.Reference(1.0, known.deciles)
    found = [drift.of_day(model, known, days_of(off)[n], DAYS[n]) for n in (4, 5)]
    shift = min(one.signals["temperature_c"].shift for one in found)
    assert 2.0 * (1 + 1 / 3) < shift < 4.0
    assert any("level off" in line for line in drift.seen(known, found, None))
    assert not any("level off" in line for line in drift.seen(of_one, found, None))


@given(
    st.lists(st.floats(-50, 50), min_size=20, max_size=80),
    st.lists(st.floats(-50, 50), min_size=1, max_size=80),
)
def test_population_stability_is_that_of_its_slow_twin(train, now):
    edges = [float(e) for e in np.quantile(train, np.linspace(0, 1, 11)[1:-1])]
    bounds = [-np.inf, *edges, np.inf]
    total = 0.0
    for low, high in itertools.pairwise(bounds):
        share = max(sum(low <= v < high for v in now), 0.5) / len(now)
        total += (share - 0.1) * np.log(share / 0.1)
    assert drift.stability(edges, np.array(now)) == pytest.approx(total)
    assert drift.stability(edges, np.array(now)) >= -1e-9


def test_a_reference_is_the_same_after_a_round_trip(model, healthy):
    known = drift.reference(model, healthy[: 3 * PER_DAY], 3.0)
    assert drift.Reference.from_json(known.to_json()) == known


def test_products_are_compared_with_themselves():
    """Another mix of the same products is no drift."""
    rng = np.random.default_rng(3)

    def rows(share, seed_rows=1500):
        product = np.where(rng.random(seed_rows) < share, "A", "B")
        level = np.where(product == "A", 10.0, 40.0)
        return pl.DataFrame(
            {
                "timestamp": pl.datetime_range(
                    pl.datetime(2026, 11, 20), pl.datetime(2026, 11, 30), "1m", eager=True
                )[:seed_rows],
                "product_id": product,
                "level": level + rng.normal(0, 1, seed_rows),
            }
        )

    train, now = rows(0.8), rows(0.3)
    model = detector.fit(train, context="product_id")
    known = drift.reference(model, train, 3.0)
    found = drift.of_day(model, known, now, DAYS[0]).signals["level"]
    assert abs(found.shift) < 0.3
    assert found.stability < 0.25
