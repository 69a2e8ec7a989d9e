"""Orders by one integer are those by two columns, also where the two do not fit into it."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import axis, packing

NUMBERS = st.one_of(st.integers(-3, 3), st.integers(-(2**61), 2**61), st.integers(-900, 900))
PAIRS = st.lists(st.tuples(st.integers(0, 3), NUMBERS), max_size=20)
NULLABLE = st.lists(st.tuples(st.integers(0, 3), st.none() | st.integers(-3, 3)), max_size=20)
NEAR = st.lists(st.tuples(st.integers(0, 3), st.integers(-9, 9)), max_size=20)


def series(pairs):
    lanes = pl.Series("lane", [lane for lane, _ in pairs], pl.UInt32)
    return lanes, pl.Series("value", [value for _, value in pairs], pl.Int64)


def place(pair):
    """Null comes first."""
    lane, value = pair
    return (lane, value is not None, value or 0)


@settings(max_examples=100, deadline=None)
@given(PAIRS | NULLABLE, PAIRS | NULLABLE)
def test_keys_of_several_frames_compare_as_their_pairs_do(one, other):
    keys = pl.concat(packing.packed(series(one), series(other))).to_list()
    places = [place(pair) for pair in one + other]
    for key, at in zip(keys, places, strict=True):
        assert [key < k for k in keys] == [at < p for p in places]
        assert [key == k for k in keys] == [at == p for p in places]


@settings(max_examples=100, deadline=None)
@given(PAIRS | NEAR, PAIRS | NEAR)
def test_latest_equals_a_loop_over_the_rows(rows, asked):
    rows.sort()
    found = packing.latest(series(rows), series(asked)).to_list()
    for (lane, value), row in zip(asked, found, strict=True):
        before = [n for n, (own, at) in enumerate(rows) if own == lane and at <= value]
        assert row == (before[-1] if before else None)


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.none() | st.integers(0, 2), st.none() | st.sampled_from("ab")),
    max_size=30,
)


@settings(max_examples=100, deadline=None)
@given(ROWS, st.sampled_from([(), ("first",), ("first", "second")]), st.booleans())
def test_in_order_equals_a_stable_sort(rows, then, is_sorted):
    rows = sorted(rows, key=lambda row: row[0]) if is_sorted else rows
    schema = {"key": pl.Int64(), "first": pl.Int64(), "second": pl.String()}
    frame = pl.DataFrame(rows, schema, orient="row").with_row_index("was")
    found = packing.in_order(frame, frame["key"], *then)
    assert found.equals(frame.sort("key", *then, maintain_order=True))


@pytest.mark.parametrize("rows", [[], [5, 0, 0, 3]])
def test_rows_are_taken_out_of_several_chunks(rows):
    part = pl.DataFrame({"text": ["a", None, "c"], "number": [1, 2, None]})
    nothing = part.with_columns(nothing=pl.lit(None, pl.Binary()))
    frame = pl.concat([nothing, nothing.reverse()], rechunk=False)
    taken = packing.taken(frame, pl.Series(rows, dtype=pl.UInt32))
    assert taken.rows() == [frame.row(row) for row in rows]
    assert taken.schema == frame.schema


KEYED = st.lists(st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from("xyz")), max_size=20)


@settings(max_examples=100, deadline=None)
@given(KEYED, st.integers(0, 20))
def test_numbers_of_equals_a_row_by_row_look_up(rows, cut):
    known = {("a", "x"): 1, (None, "x"): 2, ("b", "y"): 3, ("b", "x"): 4}
    table = [(*key, number) for key, number in known.items()]
    numbers = pl.DataFrame(
        table, {"one": pl.String, "two": pl.String, "no": pl.Int64}, orient="row"
    )
    frame = pl.DataFrame(rows, {"one": pl.String, "two": pl.String}, orient="row")
    looked_up = [known.get(row) for row in rows]
    assert axis.numbers_of(frame, numbers).to_list() == looked_up
    pieces = pl.concat([frame[:cut], frame[cut:]], rechunk=False)
    assert axis.by_runs(pieces.iter_columns(), numbers).to_list() == looked_up
