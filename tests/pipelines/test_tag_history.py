from datetime import UTC, datetime, timedelta
from itertools import pairwise

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipelines.schemas import TAGS
from pipelines.tag_history import changes, overlaid, renewed

NOW = datetime(2026, 11, 21, 4, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MEASURES = ["parts_total", "parts_good", "mould_temperature"]


def tag(node, measure="parts_total", unit="M1", **more):
    row = {"server_uri": "urn:s", "node_id": node, "work_unit_id": unit, "entity_id": unit,
           "measure": measure, "measure_kind": "counter", "data_type": "UInt32"}  # fmt: skip
    return dict.fromkeys(TAGS) | row | more


def tags(*rows):
    return pl.DataFrame(list(rows), schema=TAGS)


def spans(frame, node="a"):
    wanted = frame.filter(node_id=node).sort("valid_from", nulls_last=False)
    return wanted.select("measure", "valid_from", "valid_to").rows()


def test_a_changed_meaning_ends_the_old_row_and_begins_a_new_one():
    kept = renewed(tags(tag("a")), tags(tag("a", "parts_good")), NOW)
    assert spans(kept) == [("parts_total", None, NOW), ("parts_good", NOW, None)]


def test_a_vanished_node_ends_and_goes_on_when_it_is_back():
    gone = renewed(tags(tag("a"), tag("b")), tags(tag("b")), NOW)
    assert spans(gone) == [("parts_total", None, NOW)]
    assert spans(renewed(gone, tags(tag("a"), tag("b")), LATER)) == [("parts_total", None, None)]
    other = renewed(gone, tags(tag("a", "parts_bad"), tag("b")), LATER)
    assert spans(other) == [("parts_total", None, NOW), ("parts_bad", NOW, None)]


def test_a_browse_that_is_not_whole_ends_nothing():
    kept = renewed(tags(tag("a"), tag("b")), tags(tag("b")), NOW, is_whole=False)
    assert spans(kept) == [("parts_total", None, None)]


def test_what_nobody_noted_or_a_server_forgets_to_tell_is_no_change():
    old = tags(tag("a", data_type=None, line_id="L1"))
    kept = renewed(old, tags(tag("a")), NOW)
    assert spans(kept) == [("parts_total", None, None)]
    assert kept.select("line_id", "data_type").row(0) == ("L1", "UInt32")


catalogues = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(MEASURES)).map(
    lambda nodes: tags(*(tag(node, measure) for node, measure in nodes.items()))
)


@given(st.lists(catalogues, min_size=1, max_size=5))
def test_the_standing_rows_are_what_was_seen_last_and_no_two_hold_at_once(seen):
    known = tags()
    for hour, now_seen in enumerate(seen):
        known = renewed(known, now_seen, NOW + timedelta(hours=hour))
    standing = known.filter(pl.col("valid_to").is_null())
    key = ["node_id", "measure"]
    assert standing.sort(key).select(key).equals(seen[-1].sort(key).select(key))
    assert changes(seen[-1], known).is_empty()
    for node in "abcd":
        rows = spans(known, node)
        for (_, _, end), (_, start, _) in pairwise(rows):
            assert end <= start


def test_changes_are_told_by_kind():
    before = tags(tag("a"), tag("b"), tag("c", unit="M1"), tag("e"))
    after = tags(tag("a", "parts_good"), tag("c", data_type="Double"), tag("d"), tag("e"))
    found = changes(before, after).rows()
    assert found == [
        ("a", "meaning", "M1 parts_total", "M1 parts_good"),
        ("b", "vanished", "M1 parts_total", None),
        ("c", "type", "UInt32", "Double"),
        ("d", "appeared", None, "M1 parts_total"),
    ]


def test_a_persons_row_holds_only_while_it_is_valid():
    browsed = tags(tag("a", "d7"), tag("b"))
    said = tags(tag("a", "parts_good", valid_from=NOW, valid_to=LATER))
    both = overlaid(browsed, said)
    assert spans(both) == [("d7", None, NOW), ("parts_good", NOW, LATER), ("d7", LATER, None)]
    assert spans(both, "b") == [("parts_total", None, None)]
    assert spans(overlaid(browsed, tags(tag("a", "parts_bad")))) == [("parts_bad", None, None)]


def test_a_persons_row_of_an_unknown_node_is_kept():
    assert spans(overlaid(tags(), tags(tag("a")))) == [("parts_total", None, None)]
