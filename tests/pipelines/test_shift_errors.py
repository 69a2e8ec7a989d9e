"""Machine-shifts beside the true ones: who is the worst, and that factories add up to all."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import comparison, shift_errors
from pipelines.schemas import LOSSES_BY_SHIFT, OEE_BY_SHIFT
from tests.pipelines import plant
from tests.pipelines.test_comparison import shift, true_shift

COUNTS = [
    "machine_shifts", "missing", "fully_covered", "inside_bounds", "partly_collected",
    "partly_inside_bounds",
]  # fmt: skip


def beside(figures, true, windows=None):
    return comparison.oee(pl.DataFrame(figures, OEE_BY_SHIFT), pl.DataFrame(true), windows)[1]


def world():
    """One shift of every kind; the window ends at 9, so that F and G are cut."""
    late = {"start": plant.at(8), "end": plant.at(17)}
    ours = [
        shift("A", 0.7),
        shift("B", 0.702, upper=0.71, lower=0.69),
        shift("C", 0.5, lower=0.4, upper=0.8),
        shift("D", 0.9, lower=0.85),
        shift("F", 0.5, lower=0.2, upper=0.8, **late),
        shift("G", 0.1, lower=0.1, upper=0.2, **late),
    ]
    true = [
        true_shift("A", 0.7),
        true_shift("B", 0.7),
        true_shift("C", 0.6) | {"fully_covered": False},
        true_shift("D", 0.8) | {"fully_covered": False},
        true_shift("E", 0.6),
        true_shift("F", 0.7, **late),
        true_shift("G", 0.7, **late),
    ]
    return beside(ours, true, plant.coverage((0, 9)))


def test_the_worst_come_first():
    """Missing, outside bounds, wrong, with gaps, right, cut: an error that gaps excuse is later."""
    rows = shift_errors.ranked(world())
    assert rows.select("shift_id", "covers").rows() == [
        ("E", "missing"), ("G", "partly"), ("D", "with gaps"), ("B", "fully"),
        ("C", "with gaps"), ("A", "fully"), ("F", "partly"),
    ]  # fmt: skip
    errors = dict(rows.select("shift_id", "abs_error").iter_rows())
    assert errors["E"] is None
    assert errors["B"] == pytest.approx(0.002)
    assert errors["D"] == pytest.approx(0.1)


def test_a_wrong_loss_makes_a_shift_the_worst():
    """OEE and elements are right; a stop is booked in another loss."""
    shifts = beside(
        [shift("A", 0.7), shift("B", 0.7)], [true_shift("A", 0.7), true_shift("B", 0.7)]
    )
    same = {**plant.KEY, "work_unit_id": "M1", "production_day": shifts["production_day"][0]}
    lost = [
        same | {"shift_id": shift_id, "loss": loss, "lost_s": 60.0}
        for shift_id, loss in (("A", "setup"), ("B", "waiting"))
    ]
    true = [row | {"loss": "setup"} for row in lost]
    _, apart = comparison.losses(
        pl.DataFrame(lost, LOSSES_BY_SHIFT), pl.DataFrame(true, LOSSES_BY_SHIFT), shifts
    )
    rows = shift_errors.ranked(shift_errors.with_losses(shifts, apart))
    assert rows.select("shift_id", "loss_error_s").rows() == [("B", 60.0), ("A", 0.0)]


def test_where_nothing_is_wrong_the_widest_bounds_come_first():
    ours = [shift("A", 0.7), shift("B", 0.7, upper=0.72), shift("C", 0.7, upper=0.71)]
    rows = shift_errors.ranked(beside(ours, [true_shift(name, 0.7) for name in "ABC"]))
    assert rows["shift_id"].to_list() == ["B", "C", "A"]


def test_the_order_of_rows_changes_nothing():
    rows = world()
    assert shift_errors.ranked(rows[::-1]).equals(shift_errors.ranked(rows))


some_shift = st.tuples(
    st.sampled_from(["F01", "F02", "F03"]),
    st.booleans(), st.booleans(), st.booleans(), st.booleans(),
    st.sampled_from([0.0, 0.25, 0.5]), st.sampled_from([0.0, 0.125]), st.sampled_from([0.0, 60.0]),
)  # fmt: skip


@given(st.lists(some_shift, max_size=12))
@settings(max_examples=100)
def test_factories_add_up_to_all(drawn):
    names = [
        "factory_id", "asked", "closed", "fully_covered", "inside_bounds", "abs_error",
        "bound_width", "loss_error_s",
    ]  # fmt: skip
    types = dict.fromkeys(names[1:5], pl.Boolean) | dict.fromkeys(names[5:], pl.Float64)
    rows = pl.DataFrame(drawn, {"factory_id": pl.String, **types}, orient="row").with_columns(
        missing=pl.col("asked") & ~pl.col("closed"),
        whole=pl.col("asked") & pl.col("closed") & pl.col("fully_covered"),
        completeness_error=0.0,
    )
    factories, total = shift_errors.by_factory(rows)
    for name in COUNTS:
        assert sum(factory[name] for factory in factories) == total[name]
    for name in ("max_abs_error", "max_loss_error_s", "max_bound_width"):
        found = [factory[name] for factory in factories if factory[name] is not None]
        assert max(found, default=None) == total[name]
    assert total["machine_shifts"] == sum(row[1] for row in drawn)
    assert all(row["machine_shifts"] + row["partly_collected"] > 0 for row in factories)
