"""Recovered against true: values, OEE, adoption, anomaly events."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import comparison
from pipelines.schemas import OEE_BY_SHIFT, REPEAT_KEY
from tests.pipelines import plant
from tests.pipelines.plant import KEY, Said

TRUE = [Said(n, "pressure", float(n)) for n in range(6)]


def truth(said):
    rows = plant.raw(said)
    return rows.drop("source_time", "server_time", "received_time", "origin").with_columns(
        delivered_ticks=pl.col("source_ticks") + 500_000
    )


def test_everything_came_once():
    counts, nodes = comparison.values(plant.raw(TRUE), truth(TRUE).lazy())
    assert counts == {"emitted": 6, "exported": 6, "lost": 0, "repeated": 0, "foreign": 0}
    assert nodes.is_empty()


def test_lost_repeated_and_foreign_are_told_apart():
    ours = [*TRUE[1:], TRUE[3], TRUE[3], Said(2, "pressure", 2.5), Said(2, "pressure", 2.0, 1)]
    counts, nodes = comparison.values(plant.raw(ours), truth(TRUE))
    assert counts == {"emitted": 6, "exported": 9, "lost": 1, "repeated": 2, "foreign": 2}
    assert nodes.select("lost", "repeated", "foreign").rows() == [(1, 2, 2)]


def test_only_the_window_is_asked_for():
    """4 was emitted inside the window but left its source after it; 5 lies outside."""
    late = truth(TRUE).with_columns(
        delivered_ticks=pl.when(pl.col("value_float") == 4)
        .then(plant.ticks(60))
        .otherwise("delivered_ticks")
    )
    windows = plant.coverage((0, 3), (2, 5))
    counts, _ = comparison.values(plant.raw(TRUE[1:]), late, windows)
    assert (counts["emitted"], counts["lost"], counts["foreign"]) == (4, 1, 0)


VALUES = st.lists(st.builds(
    Said, st.integers(0, 3), st.sampled_from(["item_state", "order_id"]),
    st.one_of(st.integers(0, 1), st.sampled_from([2**53, 2**53 + 1]), st.sampled_from(["", "x"]),
              st.sampled_from([0.0, -0.0, 1.5]),
              st.none()),
    st.sampled_from([0, plant.BAD])), max_size=15)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(VALUES, VALUES)
def test_counts_equal_a_loop_over_sets(ours, true):
    def identities(rows):
        bits = pl.col("value_float").reinterpret(dtype=pl.Int64)
        named = rows.with_columns(event_ticks=pl.col("source_ticks"), value_float=bits)
        return named.select(REPEAT_KEY).rows()

    exported, emitted = plant.raw(ours), truth(true)
    counts, _ = comparison.values(exported, emitted)
    a, b = identities(exported), set(identities(emitted))
    assert counts == {
        "emitted": len(b), "exported": len(a), "lost": len(b - set(a)),
        "repeated": len(a) - len(set(a)), "foreign": len(set(a) - b),
    }  # fmt: skip


def shift(shift_id, oee, **more):
    row = {**KEY, "work_unit_id": "M1", "production_day": date(2026, 3, 2), "shift_id": shift_id,
           "oee": oee, "lower": oee, "upper": oee,
           "completeness": 1.0, "is_open": False,
           "start": plant.at(0), "end": plant.at(9)}  # fmt: skip
    return row | dict.fromkeys(comparison.ELEMENTS_S, 100.0) | more


def true_shift(shift_id, oee, **more):
    row = shift(shift_id, oee, fully_covered=True, **more)
    return {k: v for k, v in row.items() if k not in ("lower", "upper", "is_open")}


def compared(figures, true):
    return comparison.oee(pl.DataFrame(figures, OEE_BY_SHIFT), pl.DataFrame(true))[0]


def test_errors_count_where_both_sides_are_whole():
    ours = [
        shift("A", 0.7),
        shift("B", 0.5, completeness=0.8, lower=0.5, upper=0.7),
        shift("C", 0.9, is_open=True),
    ]
    true = [
        true_shift("A", 0.71, apt_s=103.0),
        true_shift("B", 0.6),
        true_shift("C", 0.1),
        true_shift("D", 0.1),
    ]
    found = compared(ours, true)
    assert (found["machine_shifts"], found["fully_covered"], found["missing"]) == (2, 1, 1)
    assert found["max_abs_error"] == pytest.approx(0.01)
    assert found["max_loss_error_s"] == 3
    assert found["inside_bounds"] == 1
    assert found["median_bound_width"] == pytest.approx(0.1)


def test_an_undefined_figure_is_no_small_error():
    assert compared([shift("A", None)], [true_shift("A", 0.7)])["max_abs_error"] == 1


def test_nothing_to_compare_is_null_and_not_0():
    found = comparison.oee(OEE_BY_SHIFT.to_frame(), pl.DataFrame([true_shift("A", 0.7)]))[0]
    assert (found["machine_shifts"], found["missing"], found["max_abs_error"]) == (0, 0, None)


def adoption(*rows):
    names = [*comparison.ADOPTION_KEY, *comparison.ADOPTION_FIGURES]
    return pl.DataFrame([dict(zip(names, row, strict=True)) for row in rows])


def test_adoption_counts_unequal_and_missing():
    day = date(2026, 3, 2)
    true = adoption(*((day, park, "CA-1", "verified", 5, 9, 1) for park in ("P01", "P02", "P03")))
    ours = adoption(
        (day, "P01", "CA-1", "verified", 5, 9, 1),
        (day, "P02", "CA-1", "verified", 6, 9, 1),
        (day, "P09", "CA-1", "verified", 5, 9, 1),
    )
    counts, unequal = comparison.adoption(ours, true)
    assert counts == {"figures": 3, "unequal": 3}
    assert unequal["park_id"].to_list() == ["P02", "P03", "P09"]
    assert comparison.adoption(true, true)[0]["unequal"] == 0


def event(start, end, *sensors, unit="M1"):
    shares = [{"sensor": s, "share": 1 / n} for n, s in enumerate(sensors, 1)]
    return {"factory_id": "F01", "work_unit_id": unit, "start": plant.at(start),
            "end": None if end is None else plant.at(end), "contributors": shares}  # fmt: skip


def fault(fault_id, start, end, *signals, unit="M1"):
    return {"fault_id": fault_id, **KEY, "work_unit_id": unit, "kind": "drift",
            "signals": list(signals),
            "magnitude": 1.0, "start": plant.at(start), "end": plant.at(end)}  # fmt: skip


FAULTS = [fault("f1", 100, 200, "pressure"), fault("f2", 300, 400, "current"),
          fault("f3", 300, 400, "power_kw", unit="M2")]  # fmt: skip


def test_events_by_overlap():
    events = [
        event(150, 250, "x", "y", "pressure"),
        event(160, 170, "x"),
        event(390, None, "a", "b", "c", "current"),
        event(200, 300, "current"),
        event(150, 250, "pressure", unit="M9"),
    ]
    tally, beside = comparison.events(pl.DataFrame(events), pl.DataFrame(FAULTS), machine_weeks=4)
    assert tally["planted"] == 3
    assert tally["recall"] == pytest.approx(2 / 3)
    assert tally["precision"] == pytest.approx(3 / 5)
    assert tally["culprit_in_top3"] == 0.5
    assert tally["false_alarms_per_machine_week"] == 0.5
    assert beside["events"].to_list() == [2, 1, 0]
    assert beside["delay_s"].to_list() == [50, 90, None]


def test_signals_may_be_a_text():
    faults = pl.DataFrame(FAULTS[:1]).with_columns(signals=pl.lit('["pressure", "current"]'))
    tally, _ = comparison.events(pl.DataFrame([event(100, 110, "current")]), faults)
    assert tally["culprit_in_top3"] == 1


def test_no_events_have_no_precision():
    events = pl.DataFrame([event(1, 2, "x")]).clear()
    tally, _ = comparison.events(events, pl.DataFrame(FAULTS))
    assert (tally["recall"], tally["precision"], tally["culprit_in_top3"]) == (0, None, None)
