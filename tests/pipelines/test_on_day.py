"""The catalogue as it stood on a day, against a plain twin."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.catalogue import on_day
from pipelines.days import midnight
from pipelines.schemas import TAGS

DAY = date(2026, 11, 20)
NOON = timedelta(hours=12)
TIMES = st.none() | st.integers(-2, 3).map(lambda n: midnight(DAY + timedelta(days=n)) + NOON)
ROWS = st.lists(st.tuples(st.sampled_from("abc"), TIMES, TIMES), max_size=8)


def slow(rows, day):
    """What a server told first holds before it was known; a row ends before `valid_to`."""
    end, kept = midnight(day + timedelta(days=1)), []
    every = [since for _, since, _ in rows]
    for node, since, until in rows:
        is_first = None not in every and since == min(every)
        begun = since is None or is_first or since < end
        if begun and (until is None or until >= end):
            kept.append((node, None if is_first else since))
    return kept


@given(ROWS)
@settings(max_examples=60)
def test_tags_of_a_day_are_those_of_the_twin(rows):
    frame = pl.DataFrame(
        [
            {"server_uri": "u", "node_id": node, "valid_from": since, "valid_to": until}
            for node, since, until in rows
        ],
        schema={name: TAGS[name] for name in ("server_uri", "node_id", "valid_from", "valid_to")},
    )
    found = on_day(frame, DAY)
    assert found.schema == frame.schema
    assert found["valid_to"].null_count() == found.height
    assert found.select("node_id", "valid_from").rows() == slow(rows, DAY)
