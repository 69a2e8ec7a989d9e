"""Raw rows: times at the ends of the calendar, repeats, quarantine, local days."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import bronze, raw
from pipelines.schemas import RAW, REPEAT_KEY
from tests.pipelines import plant
from tests.pipelines.plant import Said

SEGMENT = [name for name in RAW if name not in ("source_time", "server_time")]


def test_segment_rows_become_typed_rows():
    typed = plant.raw([Said(1, "item_state", 3), Said(2, "order_id", "O1")])
    encoded = typed.select(SEGMENT).with_columns(
        pl.col("server_uri", "node_id", "value_type", "origin").cast(pl.Categorical)
    )
    found = raw.from_segments(encoded)
    assert found.schema == RAW
    assert found.equals(typed)


@pytest.mark.parametrize(
    ("given_ticks", "expected"),
    [
        (None, None),
        (0, datetime(1601, 1, 1, tzinfo=UTC)),
        (-(2**63), datetime(1601, 1, 1, tzinfo=UTC)),
        (raw.EPOCH_TICKS, datetime(1970, 1, 1, tzinfo=UTC)),
        (raw.EPOCH_TICKS + 19, datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        (2_650_467_743_990_000_000, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        (2**63 - 1, datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
    ],
)
def test_ticks_at_the_ends_of_time(given_ticks, expected):
    row = plant.raw([Said(1, "item_state", 3)]).with_columns(
        source_ticks=pl.lit(given_ticks, pl.Int64)
    )
    found = raw.from_segments(row.select(SEGMENT))
    assert found["source_time"].to_list() == [expected]
    assert bronze.compact(found).height == 1


def test_the_earliest_received_of_a_repeat_is_kept():
    rows = plant.raw([Said(1, "item_state", 3, late=late) for late in (5, 1, 9)])
    found = bronze.compact(rows)
    assert found["received_time"].to_list() == [plant.at(2)]


def test_two_values_at_one_time_are_two_rows():
    rows = plant.raw(
        [Said(1, "item_state", 3), Said(1, "item_state", 2), Said(1, "item_state", 3, 1)]
    )
    assert bronze.compact(rows).height == 3


def test_server_ticks_tell_repeats_where_the_source_gave_none():
    rows = plant.raw([Said(1, "item_state", 3), Said(2, "item_state", 3), Said(2, "item_state", 3)])
    bare = rows.with_columns(
        source_ticks=pl.lit(None, pl.Int64), source_time=pl.lit(None, RAW["source_time"])
    )
    assert bronze.compact(bare)["server_ticks"].to_list() == [plant.ticks(1), plant.ticks(2)]


ROWS = st.lists(
    st.builds(
        Said,
        second=st.integers(0, 4),
        measure=st.sampled_from(["item_state", "order_id"]),
        value=st.one_of(
            st.integers(0, 2), st.sampled_from(["", "x"]), st.floats(width=16), st.none()
        ),
        status=st.sampled_from([0, plant.BAD]),
        late=st.integers(0, 3),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_compact_equals_its_slow_twin(said, random):
    rows = pl.concat([plant.raw(said[::2]), plant.raw(said[1::2], "urn:plant:s0")], rechunk=False)
    shuffled = rows.sample(fraction=1, shuffle=True, seed=random.randrange(1000))
    found = bronze.compact(shuffled)
    key = [name for name in REPEAT_KEY if name != "event_ticks"]
    first: dict[tuple, datetime] = {}
    for row in rows.with_columns(pl.col("value_float").cast(pl.String)).to_dicts():
        of_it = (row["source_ticks"], *(row[name] for name in key))
        first[of_it] = min(first.get(of_it, row["received_time"]), row["received_time"])
    kept = found.with_columns(pl.col("value_float").cast(pl.String)).to_dicts()
    assert {(r["source_ticks"], *(r[n] for n in key)): r["received_time"] for r in kept} == first
    assert len(kept) == len(first)
    assert found.equals(bronze.compact(rows))
    assert found.equals(bronze.compact(found))
    assert bronze.compact(rows, ["node_id"]).equals(found.select("node_id"))
    order = [(r["server_uri"], r["node_id"], r["source_ticks"]) for r in kept]
    assert order == sorted(order)


def test_quarantine_counts_what_it_takes():
    rows = plant.raw([Said(n, "item_state", 3) for n in range(6)])
    received = plant.at(100)
    times = [
        received + timedelta(hours=24), received + timedelta(hours=24, microseconds=1),
        datetime(2000, 1, 1, tzinfo=UTC), datetime(1999, 12, 31, tzinfo=UTC),
        datetime(1601, 1, 1, tzinfo=UTC), None,
    ]  # fmt: skip
    rows = rows.with_columns(
        source_time=pl.Series(times, dtype=RAW["source_time"]), received_time=pl.lit(received)
    ).cast(dict(RAW))
    kept, taken = bronze.quarantine(rows)
    assert kept["source_time"].to_list() == [times[0], times[2], None]
    assert taken["source_time"].to_list() == [times[1], times[3], times[4]]
    assert kept.schema == taken.schema == RAW
