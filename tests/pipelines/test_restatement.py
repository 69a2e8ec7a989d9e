"""What differs between old and new figures is told, all of it and nothing else."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.restatement import CAUSES, KEY, PARTS, cause_of, restated, untold
from pipelines.schemas import LOSSES_BY_SHIFT, OEE_BY_SHIFT, RESTATEMENTS

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 20, 16, tzinfo=UTC)
NUMBERS = [name for name, dtype in OEE_BY_SHIFT.items() if dtype.is_numeric()]
FIGURES = [*NUMBERS, "profile_id"]


def row(unit, shift, **figures):
    start = MIDNIGHT + timedelta(hours=8 * shift)
    base = {
        "factory_id": "F01", "work_unit_id": unit, "production_day": date(2026, 11, 21),
        "shift_id": str(shift), "start": start, "end": start + timedelta(hours=8),
        "is_open": False, "profile_id": "opc40001-1",
    }  # fmt: skip
    return base | dict.fromkeys(NUMBERS, 1) | figures


def frame(rows):
    return pl.DataFrame(rows, OEE_BY_SHIFT)


def told(old, new):
    found = restated(frame(old), frame(new), cause="plan", at=NOW, run_id="r")
    assert found.schema == RESTATEMENTS
    return found


def keys(found):
    return set(found.select("work_unit_id", "shift_id", "figure", "change").rows())


values = st.none() | st.integers(0, 3)
shifts = st.dictionaries(
    st.tuples(st.sampled_from("AB"), st.integers(0, 2)),
    st.fixed_dictionaries({"oee": values, "pq": values, "profile_id": st.sampled_from("xy")}),
)


@given(shifts)
def test_nothing_differs_and_nothing_is_told(seen):
    rows = [row(*key, **figures) for key, figures in seen.items()]
    assert told(rows, list(reversed(rows))).is_empty()


@given(shifts, shifts)
def test_each_change_is_told_and_nothing_else(before, after):
    old, new = ([row(*k, **f) for k, f in seen.items()] for seen in (before, after))
    reached = max((one["end"] for one in old), default=None)
    expected = set()
    for key in before.keys() | after.keys():
        a, b = before.get(key), after.get(key)
        if a is None and (reached is None or row(*key)["start"] >= reached):
            continue
        unit, shift = key[0], str(key[1])
        for name in FIGURES:
            change = "appeared" if a is None else "vanished" if b is None else "changed"
            if a is None or b is None or a.get(name) != b.get(name):
                expected.add((unit, shift, name, change))
    found = told(old, new)
    assert keys(found) == expected
    assert found.height == len(expected)


def test_both_sides_are_kept_nulls_and_texts_too():
    old = [row("A", 0, oee=None, pq=7, profile_id="opc40001-1")]
    new = [row("A", 0, oee=0.5, pq=None, profile_id="semi-e10")]
    sides = told(old, new).select("figure", "old", "new", "old_text", "new_text").rows()
    assert sides == [
        ("oee", None, 0.5, None, None),
        ("pq", 7.0, None, None, None),
        ("profile_id", None, None, "opc40001-1", "semi-e10"),
    ]


def test_what_was_open_or_is_only_later_is_no_restatement():
    assert told([row("A", 0, is_open=True)], [row("A", 0, oee=0)]).is_empty()
    assert told([row("A", 0, is_open=True)], []).is_empty()
    assert told([row("A", 0)], [row("A", 0), row("A", 1), row("B", 1)]).is_empty()
    assert told([], [row("A", 0)]).is_empty()
    assert keys(told([row("A", 1)], [row("A", 1), row("B", 0)])) == {
        ("B", "0", name, "appeared") for name in FIGURES
    }


def lost(shift, part, seconds, *, is_open=False):
    """A row of losses; `part` is its loss and reason code."""
    loss, code = part.split("/")
    return {
        "factory_id": "F01", "work_unit_id": "A", "production_day": date(2026, 11, 21),
        "shift_id": str(shift), "is_open": is_open, "loss": loss, "stop_reason_code": code or None,
        "lost_s": seconds, "stops": 1, "pieces": 0, "profile_id": "opc40001-1",
    }  # fmt: skip


def told_of_losses(old, new):
    frames = (pl.DataFrame(rows, LOSSES_BY_SHIFT) for rows in (old, new))
    found = restated(
        *frames, cause="reasons", at=NOW, run_id="r", parts=PARTS["losses_by_shift"]
    ).filter(figure="lost_s")
    return found.select("shift_id", "part", "change", "old", "new").rows()


def test_a_shift_of_several_rows_is_told_part_by_part():
    old = [lost(0, "breakdown/R1", 60.0), lost(0, "setup/", 5.0), lost(0, "speed/", 7.0)]
    new = [lost(0, "waiting/R1", 60.0), lost(0, "setup/", 6.0), lost(0, "speed/", 7.0)]
    assert told_of_losses(old, new) == [
        ("0", "breakdown//R1/", "vanished", 60.0, None),
        ("0", "setup///", "changed", 5.0, 6.0),
        ("0", "waiting//R1/", "appeared", None, 60.0),
    ]


def test_of_parts_too_open_shifts_and_later_ones_are_no_restatement():
    assert told_of_losses([lost(0, "setup/", 5.0, is_open=True)], [lost(0, "setup/", 6.0)]) == []
    assert (
        told_of_losses([lost(0, "setup/", 5.0)], [lost(0, "setup/", 5.0), lost(1, "idle/", 1.0)])
        == []
    )


def test_a_run_that_is_repeated_tells_nothing_twice():
    first = told([row("A", 0)], [row("A", 0, oee=2, pq=3)])
    assert untold(first, first).is_empty()
    back = told([row("A", 0, oee=2)], [row("A", 0)])
    assert untold(back, first).height == 1
    again = told([row("A", 0)], [row("A", 0, oee=2)])
    assert untold(again, pl.concat([first, back])).height == 1


@given(st.sets(st.sampled_from(CAUSES)), st.booleans())
def test_the_cause_is_what_differs(differ, beside):
    before = dict.fromkeys([*CAUSES, "neighbours"], "1")
    now = before | dict.fromkeys(differ, "2") | ({"neighbours": "2"} if beside else {})
    named = [name for name in CAUSES if name in differ]
    alone = "neighbours" if beside else "unrecorded"
    assert cause_of(before, now) == (",".join(named) or alone)


def test_figures_are_told_by_the_key_of_a_shift():
    assert set(KEY) | {"figure"} <= set(RESTATEMENTS)
    assert {"oee", "pq", "gq", "apt_s", "completeness", "profile_id"} <= set(FIGURES)
    assert cause_of(None, {}) == "unrecorded"
