"""The state of who was heard: carried on day by day it is what the whole history gives."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipelines.cloud import seen
from pipelines.cloud.carried import Carried
from pipelines.park_schemas import TERMINAL_DAYS

FIRST = date(2026, 1, 1)
values = st.tuples(
    st.sampled_from("abc"), st.integers(0, 140), st.integers(0, 2), st.integers(0, 100)
)


def rows(said: list[tuple[str, int, int, int]]) -> pl.DataFrame:
    days = [(name, FIRST + timedelta(days=day), good) for name, day, good, _ in said]
    return pl.DataFrame(days, schema=TERMINAL_DAYS, orient="row")


@given(said=st.lists(values, max_size=40), steps=st.lists(st.integers(0, 70), max_size=4))
def test_carried_on_is_counted_anew(said: list, steps: list[int]) -> None:
    """Values come days late and in any order; the last state has all of them."""
    on, state = FIRST, seen.heard(rows([]), FIRST)
    places = Carried.of(state, on, pl.Series(["b", "never", "a"]))
    taken: set[int] = set()
    for step in [0, *steps]:
        before, on = on, on + timedelta(days=step)
        offset = (on - FIRST).days
        arrived = {
            place
            for place, (_, day, _, late) in enumerate(said)
            if day <= offset and day + late <= offset
        }
        new = rows([said[p] for p in sorted(arrived - taken)])
        earlier, state = state, seen.advanced(state, before, new, on)
        later = places.advanced(new, on)
        assert_frame_equal(places.state(), earlier, check_row_order=False)
        places = later
        taken |= arrived
    whole = seen.heard(rows([said[place] for place in sorted(taken)]), on)
    assert_frame_equal(state, whole, check_row_order=False)
    assert_frame_equal(places.state(), whole, check_row_order=False)
    asked = whole.rows_by_key("terminal_id", unique=True)
    told = [asked.get(name, (0, None)) for name in ("b", "never", "a")]
    assert places.of_asked().rows() == told


@given(st.lists(values, max_size=40), st.integers(0, 140))
def test_a_bit_is_a_day(said: list, offset: int) -> None:
    on = FIRST + timedelta(days=offset)
    state = seen.heard(rows(said), on)
    for name, bits, last in state.rows():
        days = {day for one, day, good, _ in said if one == name and good and day <= offset}
        assert last == FIRST + timedelta(days=max(days))
        assert [k for k in range(64) if bits >> k & 1] == [
            k for k in range(64) if offset - k in days
        ]
