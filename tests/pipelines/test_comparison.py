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
    counts, apart = comparison.values(plant.raw(TRUE), truth(TRUE).lazy())
    assert counts == {"emitted": 6, "exported": 6, "lost": 0, "repeated": 0, "foreign": 0}
    assert apart.is_empty()


def test_lost_repeated_and_foreign_are_told_apart():
    ours = [*TRUE[1:], TRUE[3], TRUE[3], Said(2, "pressure", 2.5), Said(2, "pressure", 2.0, 1)]
    counts, apart = comparison.values(plant.raw(ours), truth(TRUE))
    assert counts == {"emitted": 6, "exported": 9, "lost": 1, "repeated": 2, "foreign": 2}
    found = apart.sort("kind", "row").select("kind", "ticks", "count", "row").rows()
    at_2 = plant.ticks(2)
    assert found[2:] == [("lost", plant.ticks(0), 1, 0), ("repeated", plant.ticks(3), 2, 2)]
    assert found[:2] == [("foreign", at_2, 1, 7), ("foreign", at_2, 1, 8)]
    assert apart["node_id"].unique().to_list() == [plant.node("pressure")]


def test_only_the_window_is_asked_for():
    """4 was emitted inside the window but left its source after it; 5 lies outside."""
    late = truth(TRUE).with_columns(
        delivered_ticks=pl.when(pl.col("value_float") == 4)
        .then(plant.ticks(60))
        .otherwise("delivered_ticks")
    )
    for windows in (plant.coverage((0, 3), (2, 5)), plant.coverage((0, 1), (2, 5), (7, 9))):
        counts, _ = comparison.values(plant.raw(TRUE[1:]), late, windows)
        asked = 4 if windows.height == 2 else 3
        assert (counts["emitted"], counts["lost"], counts["foreign"]) == (asked, 1, 0)


def test_only_the_own_server_is_covered():
    other = plant.coverage((0, 9), server="urn:other")
    counts, _ = comparison.values(plant.raw([]), truth(TRUE), other)
    assert (counts["emitted"], counts["lost"]) == (0, 0)


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


def compared(figures, true, windows=None):
    return comparison.oee(pl.DataFrame(figures, OEE_BY_SHIFT), pl.DataFrame(true), windows)[0]


def test_errors_count_where_the_truth_says_fully_covered():
    ours = [
        shift("A", 0.7),
        shift("B", 0.5, completeness=0.8, lower=0.5, upper=0.7),
        shift("C", 0.9, is_open=True),
    ]
    true = [
        true_shift("A", 0.71, apt_s=103.0),
        true_shift("B", 0.6, completeness=0.8) | {"fully_covered": False},
        true_shift("C", 0.1),
        true_shift("D", 0.1),
    ]
    found = compared(ours, true)
    assert (found["machine_shifts"], found["fully_covered"], found["missing"]) == (4, 3, 2)
    assert found["max_abs_error"] == pytest.approx(0.01)
    assert found["max_completeness_error"] == 0
    assert found["max_loss_error_s"] == 3
    assert found["inside_bounds"] == 1
    assert found["median_bound_width"] == pytest.approx(0.1)


def test_a_loss_on_our_side_excuses_nothing():
    """Our own completeness may not take a shift out of the comparison."""
    ours = [shift("A", 0.5, completeness=0.8, lower=0.5, upper=0.7)]
    found = compared(ours, [true_shift("A", 0.6)])
    assert found["fully_covered"] == 1
    assert found["max_abs_error"] == pytest.approx(0.1)
    assert found["max_completeness_error"] == pytest.approx(0.2)


def test_what_a_stop_over_an_edge_of_what_was_collected_is_nobody_can_tell():
    times = {"A": (0, 8), "B": (8, 16), "C": (16, 24)}
    spans = {s: {"start": plant.at(a), "end": plant.at(b)} for s, (a, b) in times.items()}
    ours = [shift(s, 0.7, **span) for s, span in spans.items()]
    true = [true_shift(s, 0.7, **span) for s, span in spans.items()]
    _, beside = comparison.oee(pl.DataFrame(ours), pl.DataFrame(true))
    key = ["factory_id", "line_id", "work_unit_id", "production_day"]

    def lost(*losses):
        rows = [{k: one[k] for k in key} | {"shift_id": one["shift_id"]} for one in true]
        seconds = (27.0, 9.0, 18.0)
        said = zip(rows, losses, seconds, strict=True)
        return pl.DataFrame([row | {"loss": loss, "lost_s": s} for row, loss, s in said])

    def most(*ours):
        found, true = lost(*ours), lost("breakdown", "breakdown", "breakdown")
        return comparison.losses(found, true, beside)[0]["max_abs_error_s"]

    assert most("minor_stop", "breakdown", "breakdown") == 0
    assert most("breakdown", "breakdown", "minor_stop") == 0
    assert most("setup", "breakdown", "breakdown") == 27
    assert most("breakdown", "breakdown", "setup") == 18
    assert most("breakdown", "minor_stop", "breakdown") == 9


def test_shifts_count_where_they_lie_wholly_in_a_window():
    ours = [shift("A", 0.7), shift("B", 0.2, start=plant.at(9), end=plant.at(18))]
    true = [
        true_shift("A", 0.7),
        true_shift("B", 0.6, start=plant.at(9), end=plant.at(18)),
        true_shift("C", 0.6, start=plant.at(18), end=plant.at(27)),
    ]
    for spans, asked, partly, error in (
        ([(0, 9)], 1, 1, 0),
        ([(0, 12), (12, 30)], 3, 0, 0.4),
        ([(0, 12), (13, 30)], 2, 1, 0),
        ([(1, 17)], 0, 2, None),
    ):
        found = compared(ours, true, plant.coverage(*spans))
        assert (found["machine_shifts"], found["partly_collected"]) == (asked, partly)
        assert found["max_abs_error"] == (error if error is None else pytest.approx(error))
    other = plant.coverage((0, 30)).with_columns(factory_id=pl.lit("F02"))
    assert compared(ours, true, other)["machine_shifts"] == 0


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
    true = adoption(
        *((day, park, "all", None, "CA-1", "verified", 5, 9, 1) for park in ("P01", "P02", "P03"))
    )
    ours = adoption(
        (day, "P01", "all", None, "CA-1", "verified", 5, 9, 1),
        (day, "P02", "all", None, "CA-1", "verified", 6, 9, 1),
        (day, "P09", "all", None, "CA-1", "verified", 5, 9, 1),
    )
    counts, unequal = comparison.adoption(ours, true)
    assert counts == {"figures": 3, "unequal": 3}
    assert unequal["park_id"].to_list() == ["P02", "P03", "P09"]
    assert comparison.adoption(true, true)[0]["unequal"] == 0


def event(start, end, *sensors, unit="M1", kind="signal"):
    return {"factory_id": "F01", "work_unit_id": unit, "start": plant.at(start), "kind": kind,
            "end": None if end is None else plant.at(end), "signals": list(sensors)}  # fmt: skip


def fault(fault_id, start, end, *signals, unit="M1", kind="drift"):
    return {"fault_id": fault_id, **KEY, "work_unit_id": unit, "kind": kind,
            "signals": list(signals),
            "magnitude": 1.0, "start": plant.at(start), "end": plant.at(end)}  # fmt: skip


FAULTS = [fault("f1", 100, 200, "pressure"), fault("f2", 3000, 4000, "current"),
          fault("f3", 300, 400, "power_kw", unit="M2")]  # fmt: skip


def test_events_by_overlap():
    events = [
        event(150, 250, "x", "y", "pressure"),
        event(160, 170, "x"),
        event(3900, None, "a", "b", "c", "current"),
        event(2200, 2300, "current"),
        event(150, 250, "pressure", unit="M9"),
    ]
    tally, beside = comparison.events(pl.DataFrame(events), pl.DataFrame(FAULTS), machine_weeks=4)
    assert tally["planted"] == 3
    assert tally["recall"] == pytest.approx(2 / 3)
    assert tally["precision"] == pytest.approx(3 / 5)
    assert tally["culprit_in_top3"] == 0.5
    assert tally["false_alarms_per_machine_week"] == 0.5
    assert beside["events"].to_list() == [2, 1, 0]
    assert beside["delay_s"].to_list() == [50, 900, None]


def test_signals_may_be_a_text():
    faults = pl.DataFrame(FAULTS[:1]).with_columns(signals=pl.lit('["pressure", "current"]'))
    tally, _ = comparison.events(pl.DataFrame([event(100, 110, "current")]), faults)
    assert tally["culprit_in_top3"] == 1


def test_no_events_have_no_precision():
    events = pl.DataFrame([event(1, 2, "x")]).clear()
    tally, _ = comparison.events(events, pl.DataFrame(FAULTS))
    assert (tally["recall"], tally["precision"], tally["culprit_in_top3"]) == (0, None, None)


def test_an_event_soon_after_a_fault_still_finds_it():
    slack_s = comparison.SLACK.total_seconds()
    soon, late = (pl.DataFrame([event(200 + s, 5000, "x")]) for s in (slack_s - 1, slack_s))
    assert comparison.events(soon, pl.DataFrame(FAULTS[:1]))[0]["found"] == 1
    assert comparison.events(late, pl.DataFrame(FAULTS[:1]))[0]["found"] == 0


@pytest.mark.parametrize(("kind", "culprits"), [("speed_loss", 1), ("drift", 0)])
def test_a_fault_of_production_is_named_by_its_kind(kind, culprits):
    faults = pl.DataFrame([fault("f1", 100, 200, "pressure", kind=kind)])
    tally, _ = comparison.events(pl.DataFrame([event(150, 160, "x", kind=kind)]), faults)
    assert tally["culprit_in_top3"] == culprits
