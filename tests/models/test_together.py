"""What the machines of a line show together, and what they must not."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plants import plant

from models import jumps
from models import together as tg
from models.detector import fit

FIRST = datetime(2026, 11, 20, tzinfo=UTC)
SLOTS = 500
AT = 400


def line(seed, machines=5, step=0.0, length=36, of=None, sensors=("air", "volt")):
    """Machines whose sensors wander by themselves; `air` falls on `of` of them at AT."""
    rng = np.random.default_rng(seed)
    made = []
    for m in range(machines):
        noise = rng.standard_normal((SLOTS, len(sensors)))
        wander = np.zeros_like(noise)
        for t in range(1, SLOTS):
            wander[t] = 0.986 * wander[t - 1] + 0.167 * rng.standard_normal(len(sensors))
        values = 0.3 * noise + 0.6 * wander
        if of is None or m < of:
            values[AT : AT + length, 0] -= step
        k = len(sensors)
        seen = 6.3 + 0.05 * values
        unit = f"M{m}"
        made.append(
            tg.Offsets(unit, FIRST, sensors, values, seen, np.full(k, 0.05), np.full(k, 0.02))
        )
    return made


def test_what_is_weak_on_each_is_found_on_all():
    found = tg.together(line(1, step=1.0), {"M0": {"air": "bar"}})
    assert set(found) >= {"M0", "M1", "M2"}
    (one,) = found["M0"].to_dicts()
    begun = FIRST + AT * tg.SLOT
    assert begun - tg.SLOT <= one["start"] <= begun + 2 * tg.SLOT
    assert abs(one["end"] - (begun + 36 * tg.SLOT)) <= 6 * tg.SLOT
    (part,) = one["contributors"]
    assert (part["sensor"], part["kind"], part["unit"]) == ("air", "together", "bar")
    assert part["seen"] < part["expected"]
    assert part["deviation"] < 0
    assert one["peak_score"] >= 1


@pytest.mark.parametrize("seed", range(2, 12))
def test_machines_that_wander_by_themselves_show_nothing_together(seed):
    assert tg.together(line(seed)) == {}


def test_one_machine_alone_or_two_of_many_is_nothing_of_the_line():
    assert tg.together(line(3, step=20.0, of=1)) == {}
    assert tg.together(line(3, step=20.0, of=2)) == {}
    assert tg.together(line(3, machines=2, step=20.0)) == {}


def test_two_that_run_while_the_third_stands_may_do_and_it_joins_when_it_runs():
    own = line(8, machines=3, step=3.0)
    own[2].values[AT - 40 : AT + 12] = np.nan
    found = tg.together(own)
    starts = {unit: one["start"][0] for unit, one in found.items()}
    assert starts["M0"] == starts["M1"] <= FIRST + (AT + 2) * tg.SLOT
    assert starts["M2"] == FIRST + (AT + 13) * tg.SLOT
    weak = line(8, machines=3, step=0.7)
    weak[2].values[AT - 40 :] = np.nan
    assert tg.together(weak) == {}


def test_rows_of_a_slot_that_is_not_over_wait():
    rows = plant(2_000, seed=1)
    known = fit(rows)
    until = rows["timestamp"][-1] + timedelta(seconds=10)
    own = tg.offsets("M0", known, rows, ["pressure_bar"], until)
    assert own is not None
    assert own.sensors == ("pressure_bar",)
    assert own.first + len(own.values) * tg.SLOT <= until
    assert tg.offsets("M0", known, rows, [], until) is None
    later = tg.offsets("M0", known, rows, ["pressure_bar"], own.first + 3 * tg.SLOT)
    np.testing.assert_array_equal(later.seen, own.seen[:3])


def test_what_every_day_moves_together_is_not_news():
    """A morning that warms all machines, as it did the day before."""
    slow = np.sin(2 * np.pi * np.arange(SLOTS) / 144)[:, None]
    warm = [
        tg.Offsets(o.unit, o.first, o.sensors, o.values + 2 * slow, o.seen, o.half, o.scale)
        for o in line(4)
    ]
    assert tg.together(warm) == {}


def test_machines_that_begin_later_or_stand_still_are_aligned():
    own = line(5, step=1.2)
    late = own[0]
    cut = tg.Offsets(
        late.unit,
        FIRST + 100 * tg.SLOT,
        late.sensors,
        late.values[100:],
        late.seen[100:],
        late.half,
        late.scale,
    )
    own[1].values[200:260] = np.nan
    found = tg.together([cut, *own[1:]])
    starts = {one["start"][0] for one in found.values()}
    assert len(starts) == 1
    assert abs(starts.pop() - (FIRST + AT * tg.SLOT)) <= 2 * tg.SLOT
    assert "M0" in found


def test_no_slot_depends_on_a_later_one():
    values = np.column_stack([one.values[:, 0] for one in line(6, step=1.0)])
    for window in tg.WINDOWS:
        whole, z = jumps.sums(values, window)
        for cut in (150, 401, 480):
            part, own = jumps.sums(values[:cut], window)
            np.testing.assert_array_equal(part, whole[:cut])
            np.testing.assert_array_equal(own, z[:cut])


@given(
    seed=st.integers(0, 10_000),
    window=st.sampled_from(tg.WINDOWS),
    holes=st.floats(0, 0.6),
)
def test_jumps_are_those_of_the_slow_twin(seed, window, holes):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal((60, 2))
    values[rng.random(values.shape) < holes] = np.nan
    found = jumps.jumps(values, window)
    for t in range(60):
        for m in range(2):
            after = values[max(t - window + 1, 0) : t + 1, m]
            before = values[max(t - window - jumps.BEFORE + 1, 0) : max(t - window + 1, 0), m]
            known = before[np.isfinite(before)]
            heard = after[np.isfinite(after)]
            if not len(heard) or len(known) < jumps.LEAST_BEFORE:
                assert np.isnan(found[t, m])
            else:
                usual = 1 / window + 1 / jumps.BEFORE
                fewer = (usual / (1 / len(heard) + 1 / len(known))) ** 0.5
                off = (heard.mean() - known.mean()) * fewer
                assert found[t, m] == pytest.approx(off, abs=1e-9)


def test_a_finding_that_lasts_has_no_end_and_none_lasts_for_ever():
    (lasting,) = tg.together(line(7, step=1.5, length=60))["M0"].to_dicts()
    assert lasting["end"] - lasting["start"] <= timedelta(hours=5, minutes=30)
    (one,) = tg.together(line(7, step=1.5, length=SLOTS - AT))["M0"].to_dicts()
    assert one["end"] is None or one["end"] - one["start"] <= tg.LONGEST + tg.SLOT
