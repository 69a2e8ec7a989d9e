"""What people said of events, in the words of OPC UA Part 9."""

import slow_lifecycle
from hypothesis import given, settings
from hypothesis import strategies as st
from told import at, entry, event, frame, histories, states, told

from models import lifecycle

HOURS = 60
ALL = ("active_state", "acked_state", "confirmed_state", "shelving_state", "retain", "verdict",
       "ack_min", "asked")  # fmt: skip


def only(events, entries, minute, until=None):
    (found,) = states(events, entries, minute, until).values()
    return found


@settings(max_examples=80, deadline=None)
@given(histories())
def test_states_are_those_of_a_clerk_who_writes_minute_by_minute(history):
    events, entries, minute, until = history
    fast = states(events, entries, minute, until)
    slow = slow_lifecycle.states(events, entries, at(minute), at(until))
    assert {i: {name: row[name] for name in ALL} for i, row in fast.items()} == slow


@settings(max_examples=40, deadline=None)
@given(histories(), st.randoms())
def test_the_order_of_lines_does_not_matter_nor_what_is_said_later(history, random):
    events, entries, minute, until = history
    shuffled = random.sample(entries, len(entries))
    heard = [e for e in entries if e["time"] <= at(minute)]
    assert states(events, shuffled, minute, until) == states(events, heard, minute, until)


@settings(max_examples=40, deadline=None)
@given(histories())
def test_words_keep_the_laws_of_part_9(history):
    events, entries, minute, until = history
    for row in states(events, entries, minute, until).values():
        assert row["confirmed_state"] == "Unconfirmed" or row["acked_state"] == "Acknowledged"
        assert row["shelving_state"] != "OneShotShelved" or row["active_state"] == "Active"
        assert row["shelving_state"] != "TimedShelved" or row["shelved_until"] > at(minute)
        assert not row["retain"] or row["suppressed_state"] == "Unsuppressed"
        assert row["suppressed_state"] == "Unsuppressed" or row["asked"] == []
        assert row["asked"] == sorted(set(row["asked"]))
        assert all(row["start"] <= time <= at(minute) for time in row["asked"])
        assert (row["verdict"] is None) == (row["verdict_by"] is None)


@settings(max_examples=40, deadline=None)
@given(histories())
def test_when_it_asked_is_never_unsaid_by_later_words(history):
    """Asked up to an instant, from the entries up to it: the same as asked later, up to it."""
    events, entries, minute, _ = history
    same = [e | {"priority": "high", "peak_score": 9.0} for e in entries]  # nothing worsens
    early, late = states(events, same, minute), states(events, same, 4_000)
    for event_id, row in early.items():
        assert row["asked"] == [t for t in late[event_id]["asked"] if t <= at(minute)]


def test_a_new_event_is_active_and_wants_an_answer():
    row = only([event(0)], [], 5)
    assert [row[name] for name in ALL[:5]] == [
        "Active", "Unacknowledged", "Unconfirmed", "Unshelved", True,
    ]  # fmt: skip
    assert row["asked"] == [at(0)]


def test_an_event_that_has_not_begun_is_not_there():
    assert states([event(10)], [], 9) == {}


def test_a_verdict_acknowledges_and_confirms_and_the_last_one_holds():
    e = event(0, 30)
    said = [
        entry(1, 12, e, "verdict", verdict="true"),
        entry(2, 40, e, "verdict", verdict="handled", by="wang", note="bearing changed"),
    ]
    row = only([e], said, 60)
    assert (row["acked_state"], row["confirmed_state"]) == ("Acknowledged", "Confirmed")
    assert (row["verdict"], row["verdict_by"], row["ack_min"]) == ("handled", "wang", 12.0)
    assert not row["retain"]
    assert [one["note"] for one in row["said"]] == [None, "bearing changed"]


def test_what_stays_active_over_a_shift_asks_again_though_not_when_judged_false():
    e = event(0)
    acked = [entry(1, 10, e, "acknowledge")]
    assert only([e], acked, 10 + 8 * HOURS - 1)["acked_state"] == "Acknowledged"
    row = only([e], acked, 10 + 8 * HOURS)
    assert row["acked_state"] == "Unacknowledged"
    assert row["asked"] == [at(0), at(10 + 8 * HOURS)]
    assert row["ack_min"] == 10
    judged = [entry(1, 10, e, "verdict", verdict="false")]
    assert only([e], judged, 30 * HOURS)["acked_state"] == "Acknowledged"


def test_beyond_the_data_nothing_is_known_to_be_active_still():
    e = event(0)
    row = only([e], [entry(1, 10, e, "acknowledge")], 20 * HOURS, until=2 * HOURS)
    assert row["acked_state"] == "Acknowledged"


def test_what_worsens_asks_again():
    e = event(0, 100)
    for seen, is_worse in (
        ({"priority": "low"}, True),
        ({"peak_score": 1.3}, True),
        ({"peak_score": 1.4}, False),
        ({"priority": "high"}, False),
        ({"priority": None, "peak_score": None}, False),
    ):
        row = only([e], [entry(1, 10, e, "acknowledge", **seen)], 50)
        assert (row["acked_state"] == "Unacknowledged") == is_worse, seen
        assert row["asked"] == ([at(0), at(10)] if is_worse else [at(0)])


def test_a_timed_shelf_covers_its_machine_and_kind_until_its_time():
    first, again = event(0, 20), event(60, 80)
    other, elsewhere = event(61, 80, kind="speed_loss"), event(62, 80, machine="M2")
    events = [first, again, other, elsewhere]
    said = [entry(1, 10, first, "shelve", shelving="timed", until=at(70), reason="sensor loose")]
    rows = states(events, said, 65)
    assert [rows[e["event_id"]]["shelving_state"] for e in events] == [
        "TimedShelved", "TimedShelved", "Unshelved", "Unshelved",
    ]  # fmt: skip
    assert rows[again["event_id"]]["asked"] == []
    later = states(events, said, 75)[again["event_id"]]
    assert (later["shelving_state"], later["asked"]) == ("Unshelved", [at(70)])
    said.append(entry(2, 63, again, "unshelve"))
    assert states(events, said, 65)[again["event_id"]]["asked"] == [at(63)]


def test_a_one_shot_shelf_ends_with_its_event():
    first, again = event(0, 20), event(60, 80)
    said = [entry(1, 10, first, "shelve", shelving="one_shot", reason="known")]
    assert states([first, again], said, 15)[first["event_id"]]["shelving_state"] == "OneShotShelved"
    rows = states([first, again], said, 65)
    assert {row["shelving_state"] for row in rows.values()} == {"Unshelved"}
    assert rows[again["event_id"]]["asked"] == [at(60)]


def test_an_event_told_on_two_days_is_one_as_last_told():
    day = 24 * HOURS
    story = lifecycle.story(
        [
            (at(day), frame(event(100), event(200, 210))),
            (at(2 * day), frame(event(100, day + 60, peak_score=4.0, state="ongoing"))),
        ]
    )
    assert story.select("start", "end", "peak_score", "aliases").rows() == [
        (at(100), at(day + 60), 4.0, []),
        (at(200), at(210), 2.0, []),
    ]


def test_what_the_next_day_does_not_tell_was_over_when_its_day_ended():
    day = 24 * HOURS
    (row,) = lifecycle.story([(at(day), frame(event(100))), (at(2 * day), frame())]).to_dicts()
    assert row["end"] == at(day)
    (row,) = lifecycle.story([(at(day), frame(event(100)))]).to_dicts()
    assert row["end"] is None


def test_an_event_that_moved_its_start_keeps_what_was_said_of_it():
    day = 24 * HOURS
    first, second, third = event(1_000), event(1_400, state="ongoing"), event(2_000, day + 900)
    story = lifecycle.story(
        [(at(day), frame(first)), (at(2 * day), frame(second)), (at(3 * day), frame(third))]
    )
    assert story.select("event_id", "aliases").rows() == [
        (third["event_id"], [first["event_id"], second["event_id"]])
    ]
    said = [entry(1, 1_100, first, "acknowledge"), entry(2, 1_500, second, "unshelve")]
    placed = lifecycle.place(story, lifecycle.journal(said))
    assert placed["current_id"].to_list() == [third["event_id"]] * 2


def test_words_of_an_id_that_vanished_go_to_the_event_that_overlaps_most():
    old = event(100, 200)
    moved, little = event(120, 210), event(60, 110)
    elsewhere = event(100, 200, machine="M2")
    story = told(moved, little, elsewhere)
    (placed,) = lifecycle.place(
        story, lifecycle.journal([entry(1, 150, old, "acknowledge")])
    ).to_dicts()
    assert placed["current_id"] == moved["event_id"]
    assert placed["event_id"] == old["event_id"]


@settings(max_examples=40, deadline=None)
@given(histories(), st.sets(st.integers(0, 3)))
def test_nothing_that_was_said_is_lost(history, gone):
    """Of whatever events are left, every entry is placed once or fits nowhere."""
    events, entries, _, _ = history
    left = [e for n, e in enumerate(events) if n not in gone]
    placed = lifecycle.place(told(*left), lifecycle.journal(entries))
    assert sorted(placed["sequence"]) == sorted(e["sequence"] for e in entries)
    ids = {e["event_id"] for e in left}
    for row in placed.iter_rows(named=True):
        assert row["current_id"] in ids | {None}
        assert row["event_id"] not in ids or row["current_id"] == row["event_id"]


def test_words_of_an_event_that_nothing_overlaps_fit_nowhere():
    gone = event(100, 110)
    said = [entry(1, 105, gone, "acknowledge"), entry(2, 300, event(290), "acknowledge")]
    placed = lifecycle.place(told(event(200, 250)), lifecycle.journal(said))
    assert placed["current_id"].to_list() == [None, None]


def test_a_shelf_that_is_taken_back_at_once_asks_nobody_again():
    e = event(0)
    shelve = entry(1, 10, e, "shelve", shelving="timed", until=at(70), reason="a slip")
    row = only([e], [shelve, entry(2, 10, e, "unshelve")], 60)
    assert (row["shelving_state"], row["asked"]) == ("Unshelved", [at(0)])
