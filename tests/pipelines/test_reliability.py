"""Failures and their means: against a loop over seconds, by hand, and by law."""

from fractions import Fraction
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import reliability
from pipelines.schemas import FAILURES, RELIABILITY_BY_SHIFT
from tests.pipelines import plant, slow_reliability
from tests.pipelines.plant import BAD, UNCERTAIN, Said, at

PLAN = [
    ("early", 600, 2400, "busy"), ("late", 2400, 4500, "busy"), ("early", 1000, 1200, "break"),
    ("late", 2300, 2600, "planned_maintenance"), ("late", 3000, 3100, "break"),
]  # fmt: skip
WHOLE = [("whole", 0, 5000, "busy")]
COVERED = [(100, 1900), (1900, 3000), (3300, 4200)]
STATUS = st.sampled_from([0, 0, 0, 0, UNCERTAIN, BAD])
SECOND = st.integers(0, 4400)
WORDS = st.one_of(
    st.builds(Said, SECOND, st.just("item_state"), st.sampled_from([0, 1, 1, 1, 2, 3, 3]), STATUS),
    st.builds(Said, SECOND, st.just("item_state"), st.sampled_from([1, 3]), STATUS),
    st.builds(Said, SECOND, st.just("operation_mode"), st.sampled_from([0, 1, 2, 3, 3, 3]), STATUS),
    st.builds(Said, SECOND, st.just("order_id"), st.sampled_from(["", "O1"])),
    st.builds(Said, SECOND, st.just("stop_reason_code"), st.sampled_from(["", "R1", "R2"])),
)
FIRST = [Said(-500, "item_state", 3), Said(-500, "operation_mode", 3)]
GAPS = st.tuples(
    st.sampled_from([None, "item_state", "parts_total", "stop_reason_code"]),
    st.integers(0, 4400),
    st.one_of(st.none(), st.integers(1, 900)),
).map(lambda gap: (gap[0], gap[1], gap[2] and gap[1] + gap[2]))


def once(words):
    """One word per instant and measure; the first ones come before all."""
    return list({(s.second, s.measure): s for s in (*FIRST, *words)}.values())


MACHINES = st.lists(WORDS, max_size=40).map(once)


def episodes(said):
    return plant.silver(plant.raw(said), plant.tags(), plant.cycles())[0]


def inputs(plan=PLAN, covered=COVERED, gaps=()):
    return plant.plan(*plan), plant.coverage(*covered), plant.tags(), plant.gaps(*gaps)


def failures(said, **given_inputs):
    return reliability.failures(episodes(said), *inputs(**given_inputs))


def by_shift(said, **given_inputs):
    return reliability.by_shift(episodes(said), *inputs(**given_inputs))


def states(*rows):
    """Rows of (second, item state, operation mode)."""
    return [
        Said(second, name, value)
        for second, *values in rows
        for name, value in zip(("item_state", "operation_mode"), values, strict=True)
    ]


def shown(frame):
    return [
        (row["start"], row["end"], row["ttr_s"], row["is_censored"]) for row in frame.to_dicts()
    ]


@settings(max_examples=25, deadline=None)
@given(MACHINES, st.sampled_from([PLAN, WHOLE]), st.lists(GAPS, max_size=2))
def test_fast_equals_slow(said, plan, gaps):
    slow, times = slow_reliability.walk(said, plan, COVERED, gaps)
    found = failures(said, plan=plan, gaps=gaps)
    assert found.schema == FAILURES
    assert [
        (r["shift_id"], r["start"], r["end"], r["stop_reason_code"], r["ttr_s"], r["is_censored"])
        for r in found.to_dicts()
    ] == [
        (f["shift"], at(f["start"]), None if f["end"] is None else at(f["end"]), f["reason"],
         f["ttr"], f["censored"])
        for f in slow
    ]  # fmt: skip
    rows = by_shift(said, plan=plan, gaps=gaps)
    assert rows.schema == RELIABILITY_BY_SHIFT
    assert rows["shift_id"].to_list() == sorted(times)
    for row in rows.to_dicts():
        assert {name: row[f"{name}_s"] for name in times[row["shift_id"]]} == times[row["shift_id"]]
        own = [f for f in slow if f["shift"] == row["shift_id"]]
        ended = [f["ttr"] for f in own if not f["censored"]]
        assert (row["failures"], row["repairs"], row["ttr_s"]) == (
            len(own), len(ended), sum(ended),
        )  # fmt: skip


@settings(max_examples=12, deadline=None)
@given(MACHINES, st.lists(GAPS, max_size=2))
def test_parts_sum_and_means_are_of_the_sums(said, gaps):
    rows, found = by_shift(said, gaps=gaps), failures(said, gaps=gaps)
    whole = reliability.roll_up(rows, "work_unit_id").row(0, named=True)
    assert whole["failures"] == found.height == rows["failures"].sum()
    assert whole["downtime_s"] == found["ttr_s"].sum()
    known = sum(whole[f"{name}_s"] for name in ("uptime", "downtime", "other", "unknown"))
    assert known == whole["pbt_s"]
    assert whole["tbf_s"] == whole["ttf_s"] + whole["downtime_s"]

    def mean(name, count):
        return float(Fraction(whole[name]) / count) if count else None

    number, repairs = whole["failures"], whole["repairs"]
    assert whole["mtbf_s"] == mean("uptime_s", number)
    assert whole["mttf_s"] == mean("ttf_s", number)
    assert whole["mttr_s"] == mean("ttr_s", repairs)
    assert whole["mtbf_iso_s"] == mean("tbf_s", number + 1)
    assert whole["mttf_iso_s"] == mean("ttf_s", number + 1)
    assert reliability.roll_up(rows, []).row(0, named=True) | {"work_unit_id": "M1"} == whole


@settings(max_examples=8, deadline=None)
@given(MACHINES, st.lists(st.integers(601, 4499), min_size=1, max_size=4, unique=True))
def test_a_boundary_more_changes_nothing(said, edges):
    """Shifts cut in pieces, episodes that come day by day: the same failures, the same sums."""
    cuts = [600, *sorted(edges), 4500]
    one = [("whole", 600, 4500, "busy")]
    many = [(f"S{n}", a, b, "busy") for n, (a, b) in enumerate(pairwise(cuts))]
    assert shown(failures(said, plan=many)) == shown(failures(said, plan=one))
    sums = [reliability.roll_up(by_shift(said, plan=plan), []) for plan in (one, many)]
    assert sums[0].equals(sums[1])
    parts = plant.in_parts(plant.raw(said), plant.tags(), plant.cycles(), edges)
    daily = pl.concat([found for found, _ in parts])
    assert reliability.failures(daily, *inputs()).equals(failures(said))


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4900), st.sampled_from([1, 2, 3])), max_size=30),
    st.lists(GAPS, max_size=3),
)
def test_unknown_time_never_creates_a_failure(words, gaps):
    said = once([Said(second, "item_state", state) for second, state in words])
    seen = failures(said, plan=WHOLE, covered=[(-600, 5000)])
    hidden = failures(said, plan=WHOLE, covered=[(-600, 5000)], gaps=gaps)
    assert hidden.height <= seen.height
    assert hidden["ttr_s"].sum() <= seen["ttr_s"].sum()


CASES = {
    "ended": ([(1000, 1, 0), (1100, 3, 3)], [(1000, 1100, 100.0, False)]),
    "repair in maintenance": (
        [(1000, 1, 0), (1050, 2, 1), (1200, 3, 1), (1300, 2, 3)], [(1000, 1300, 300.0, False)],
    ),
    "switched off for the repair": (
        [(1000, 1, 3), (1050, 0, 3), (1200, 2, 0)], [(1000, 1200, 200.0, False)],
    ),
    "reset and again": (
        [(1000, 1, 3), (1100, 2, 3), (1101, 1, 3), (1200, 3, 3)],
        [(1000, 1100, 100.0, False), (1101, 1200, 99.0, False)],
    ),
    "while idle or in setup": ([(900, 2, 0), (1000, 1, 0), (1100, 2, 2), (1200, 1, 2)], []),
    "after maintenance": ([(900, 2, 1), (1000, 1, 1), (1100, 3, 3)], []),
    "switched off": ([(1000, 0, 3), (1100, 3, 3)], []),
    "still open": ([(1000, 1, 3)], [(1000, None, 4000.0, True)]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_failure_is(case):
    rows, expected = CASES[case]
    found = failures(once(states(*rows)), plan=WHOLE, covered=[(-600, 5000)])
    assert shown(found) == [
        (at(start), end and at(end), ttr, censored) for start, end, ttr, censored in expected
    ]


HIDDEN = {
    "up again when seen again": ((900, 1100), [(1000, 1, 3), (1050, 3, 3)], []),
    "begin hidden": ((900, 1100), [(1000, 1, 3), (1200, 3, 3)], [(1100, 1200, 100.0, True)]),
    "end hidden": ((1100, 1300), [(1000, 1, 3), (1200, 3, 3)], [(1000, None, 100.0, True)]),
    "middle hidden": ((1100, 1200), [(1000, 1, 3), (1300, 3, 3)], [(1000, 1300, 200.0, True)]),
    "before the first known": ((-600, 1100), [(1000, 1, 3), (1200, 3, 3)], []),
}  # fmt: skip


@pytest.mark.parametrize("case", HIDDEN)
def test_what_unknown_time_hides(case):
    gap, rows, expected = HIDDEN[case]
    found = failures(once(states(*rows)), plan=WHOLE, covered=[(-600, 5000)], gaps=[(None, *gap)])
    assert shown(found) == [
        (at(start), end and at(end), ttr, censored) for start, end, ttr, censored in expected
    ]


def test_a_failure_over_a_shift_edge_a_break_and_midnight_is_one():
    """Down from 23:50 to 00:20 with a break of 5 minutes: one failure of the first shift."""
    plan = [("night", -3600, 0, "busy"), ("day", 0, 3600, "busy"), ("day", 300, 600, "break")]
    said = [Said(-7200, "item_state", 3), Said(-7200, "operation_mode", 3)]
    said += states((-600, 1, 0), (1200, 3, 3))
    found = failures(said, plan=plan, covered=[(-7200, 7200)])
    assert shown(found) == [(at(-600), at(1200), 1500.0, False)]
    rows = {r["shift_id"]: r for r in by_shift(said, plan=plan, covered=[(-7200, 7200)]).to_dicts()}
    assert (rows["night"]["failures"], rows["day"]["failures"]) == (1, 0)
    assert (rows["night"]["mttr_s"], rows["day"]["mttr_s"]) == (1500.0, None)
    assert (rows["night"]["downtime_s"], rows["day"]["downtime_s"]) == (600.0, 900.0)


def test_outside_busy_time_nothing_fails():
    plan = [*WHOLE, ("whole", 1000, 2000, "break"), ("whole", 3000, 4000, "planned_maintenance")]
    said = once(states((1500, 1, 3), (2500, 3, 3), (3500, 1, 3), (3900, 3, 3)))
    assert failures(said, plan=plan, covered=[(-600, 5000)]).is_empty()
    row = by_shift(said, plan=plan, covered=[(-600, 5000)]).row(0, named=True)
    assert (row["pbt_s"], row["uptime_s"], row["other_s"]) == (3000, 2500, 500)
    assert (row["mtbf_s"], row["mttr_s"], row["mtbf_iso_s"]) == (None, None, 2500)


def test_a_bad_state_is_no_failure():
    said = once([Said(1000, "item_state", 1, BAD), Said(1100, "item_state", 3)])
    assert failures(said, plan=WHOLE).is_empty()
    assert by_shift(said, plan=WHOLE).row(0, named=True)["failures"] == 0


def test_no_rows_are_no_error():
    nothing = episodes(once([])).clear()
    assert reliability.failures(nothing, *inputs()).schema == FAILURES
    rows = reliability.by_shift(nothing, *inputs())
    assert rows.schema == RELIABILITY_BY_SHIFT
    assert rows["unknown_s"].to_list() == rows["pbt_s"].to_list()
    assert reliability.by_shift(nothing, *inputs(plan=[])).schema == RELIABILITY_BY_SHIFT
