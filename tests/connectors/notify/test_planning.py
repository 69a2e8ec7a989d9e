"""What is owed, when, and what a message says: laws, and a slow twin that reads the whole past."""

import re
from datetime import UTC, date, datetime, time, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import NotifyError
from connectors.notify.kinds import KINDS, Window, free_from, free_slots
from connectors.notify.planning import (
    DAILY,
    DIGEST,
    RANK,
    URGENT,
    Draft,
    Event,
    Item,
    events_of,
    judge,
    next_draft,
    when,
    with_words,
)  # fmt: skip
from connectors.notify.settings import Route
from connectors.notify.texts import LISTED, PRODUCT, write

NOW = datetime(2026, 11, 22, 2, 17, tzinfo=UTC)  # 10:17 in Shanghai
DAY = date(2026, 11, 22)

versions = st.builds(
    Event,
    factory=st.just("F01"),
    event_id=st.just("e"),
    day=st.just(DAY),
    rank=st.integers(1, 3),
    is_active=st.booleans(),
    is_silent=st.booleans(),
)


def told(past, least):
    known, owed = None, []
    for event in past:
        is_owed, known = judge(event, known, least)
        owed.append(is_owed)
    return owed


def told_slowly(past, least):
    """Of every version: is there a reason in all that came before it?"""
    owed, again = [], []
    for n, event in enumerate(past):
        seen = [k for k in range(n) if past[k].rank >= least]
        again.append(bool(seen) and event.is_active and (
            past[seen[-1]].is_silent or not all(e.is_active for e in past[seen[-1] : n])
        ))  # fmt: skip
        begun = max((k for k in seen if again[k] and not past[k].is_silent), default=0)
        worse = bool(seen) and event.rank > max(past[k].rank for k in seen if k >= begun)
        first = not any(owed)
        owed.append(
            event.rank >= least and (worse or (not event.is_silent and (first or again[n])))
        )
    return owed


@given(st.lists(versions, max_size=8), st.integers(1, 3))
def test_owed_is_what_the_slow_twin_owes(past, least):
    assert told(past, least) == told_slowly(past, least)


@given(st.lists(versions, min_size=1, max_size=8), st.integers(1, 3))
def test_what_was_said_is_not_said_again(past, least):
    """The same version once more is never owed, however the event came to it."""
    owed = told([*past, past[-1]], least)
    assert not owed[-1]


@given(st.lists(versions, max_size=8))
def test_told_again_only_if_it_worsens_or_re_alarms(past):
    owed = told(past, 1)
    for n in range(1, len(past)):
        if owed[n] and any(owed[:n]):
            worse = past[n].rank > past[n - 1].rank
            lapsed = past[n - 1].is_silent or not past[n - 1].is_active
            assert worse or (past[n].is_active and lapsed)


@given(st.lists(versions, max_size=8), st.integers(1, 3))
def test_silent_until_it_worsens(past, least):
    owed = told(past, least)
    for n, event in enumerate(past):
        if owed[n] and event.is_silent:
            heard = [e.rank for e in past[:n] if e.rank >= least]
            assert heard
            assert event.rank > heard[-1]


@given(st.lists(versions, max_size=8), st.integers(1, 3))
def test_nothing_is_lost(past, least):
    """An event that is neither silent nor below the route's least has been told at that point."""
    owed = told(past, least)
    for n, event in enumerate(past):
        if event.rank >= least and not event.is_silent:
            assert any(owed[: n + 1])


def frame(*rows):
    base = {"factory_id": "F01", "priority": "high", "state": "new", "start": NOW}
    return pl.DataFrame([base | row for row in rows])


def test_an_event_of_two_days_is_read_once_as_the_newer_day_says():
    found = events_of(
        frame(
            {"event_id": "a", "partition_day": DAY, "state": "ongoing"},
            {"event_id": "a", "partition_day": date(2026, 11, 21), "priority": "low"},
        ),
        NOW,
    )
    assert found == [Event("F01", "a", DAY, RANK["high"])]


def test_acknowledged_and_shelved_are_silent_and_suppressed_is_left_out():
    found = events_of(
        frame(
            {"event_id": "a", "acknowledged": True},
            {"event_id": "b", "acknowledged": False},
            {"event_id": "c", "shelved_until": NOW + timedelta(hours=1)},
            {"event_id": "d", "shelved_until": NOW - timedelta(hours=1)},
            {"event_id": "e", "suppressed_by": "planned_maintenance"},
        ),
        NOW,
    )
    assert {event.event_id: event.is_silent for event in found} == {
        "a": True, "b": False, "c": True, "d": False,
    }  # fmt: skip


def test_an_event_with_another_id_today_is_one():
    days = frame({"event_id": "a", "aliases": []}, {"event_id": "b", "aliases": ["a"]})
    assert [event.event_id for event in events_of(days, NOW)] == ["b"]


def test_no_events():
    assert events_of(pl.DataFrame(), NOW) == []


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (frame({"event_id": "a"}).drop("priority"), "no column priority"),
        (frame({"event_id": "a", "priority": "urgent"}), "event a: priority 'urgent'"),
        (frame({"event_id": "a", "state": "open"}), "state 'open'"),
    ],
)
def test_a_table_of_something_else_is_refused(table, said):
    with pytest.raises(NotifyError, match=said):
        events_of(table, NOW)


def test_what_people_said_is_joined_by_event():
    told = frame({"event_id": "a"}, {"event_id": "b"}, {"event_id": "c"}, {"event_id": "d"},
                 {"event_id": "e"})  # fmt: skip
    words = pl.DataFrame(
        {
            "factory_id": ["F01"] * 4 + ["F02"],
            "event_id": ["a", "b", "c", "d", "e"],
            "aliases": [[], ["b0"], [], [], []],
            "acked_state": ["Acknowledged", *["Unacknowledged"] * 3, "Acknowledged"],
            "shelving_state": ["Unshelved", "Unshelved", "TimedShelved", "OneShotShelved", "x"],
            "shelved_until": [None, None, NOW + timedelta(hours=1), None, None],
        }
    )
    found = {event.event_id: event for event in events_of(with_words(told, words), NOW)}
    assert [found[name].is_silent for name in "abcde"] == [True, False, True, True, False]
    assert found["b"].aliases == ("b0",)


def at(hour, minute=0, day=22):
    """A time of Shanghai's clock."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC) - timedelta(hours=8)


@pytest.mark.parametrize(
    ("route", "priority", "band", "due"),
    [
        (Route("r", "c"), "high", URGENT, NOW),
        (Route("r", "c"), "medium", DIGEST, at(11)),
        (Route("r", "c"), "low", DAILY, at(8, day=23)),
        (Route("r", "c", digest_min=15), "medium", DIGEST, at(10, 30)),
        (Route("r", "c", digest_min=17), "medium", DIGEST, at(10, 29)),
        (Route("r", "c", digest_min=1440), "medium", DIGEST, at(0, day=23)),
        (Route("r", "c", digest_min=1000), "medium", DIGEST, at(16, 40)),
        (Route("r", "c", is_urgent_at_once=False), "high", DIGEST, at(11)),
        (Route("r", "c", daily_at=time(18, 30)), "low", DAILY, at(18, 30)),
    ],
)
def test_when_it_is_due(route, priority, band, due):
    assert when(route, RANK[priority], NOW) == (band, due)


@given(st.integers(0, 86_399), st.integers(1, 1440), st.integers(1, 3))
def test_it_is_due_soon_and_never_before(second, every, rank):
    now = at(0) + timedelta(seconds=second)
    band, due = when(Route("r", "c", digest_min=every), rank, now)
    most = {URGENT: timedelta(0), DIGEST: timedelta(minutes=every), DAILY: timedelta(days=1)}
    assert now <= due <= now + most[band]


def item(number, *, rank=2, band=DIGEST, due=NOW, route="c/1", factory="F01", day=DAY):
    reference = f"REF{number:02d}-ABCDE"
    return Item(number, route, "both", band, due, rank, factory, day, reference)


LATER = NOW + timedelta(minutes=30)
items = st.lists(
    st.builds(
        lambda place, rank, urgent, is_due: (place, rank, urgent and rank == 3, is_due),
        st.sampled_from(["c/1", "c/2", "c/3"]), st.integers(1, 3), st.booleans(), st.booleans(),
    ),
    max_size=30,
).map(
    lambda rows: [
        item(
            n, rank=rank, route=place, due=NOW if urgent or is_due else LATER,
            band=URGENT if urgent else DAILY if rank == 1 else DIGEST,
        )
        for n, (place, rank, urgent, is_due) in enumerate(rows)
    ]
)  # fmt: skip


def drained(waiting, free):
    drafts = []
    while draft := next_draft(waiting, free, NOW):
        drafts.append(draft)
        chosen = {one.id for one in draft.items}
        waiting, free = [one for one in waiting if one.id not in chosen], free - 1
    return drafts, waiting


@given(items, st.integers(0, 20))
def test_drafts_keep_the_slots_and_lose_nothing(waiting, free):
    drafts, left = drained(waiting, free)
    assert len(drafts) <= free
    sent = [one.id for draft in drafts for one in draft.items]
    assert sorted([*sent, *(one.id for one in left)]) == [one.id for one in waiting]
    assert all(len({one.route for one in draft.items}) == 1 for draft in drafts)
    routes = {one.route for one in waiting if one.due <= NOW}
    if free >= len(routes):
        assert all(one.due > NOW for one in left)


@given(items, st.integers(1, 20))
def test_urgent_ones_go_first_and_lead(waiting, free):
    drafts, left = drained(waiting, free)
    urgent = [draft.is_urgent for draft in drafts]
    assert urgent == sorted(urgent, reverse=True)
    for draft in drafts:
        ranks = [one.rank for one in draft.items]
        assert ranks == sorted(ranks, reverse=True)
        if draft.is_urgent and len(draft.items) == 1:
            assert draft.items[0].band == URGENT
    if any(one.band == URGENT for one in left):
        assert len(drafts) == free


def test_urgent_ones_go_one_by_one_and_the_last_slot_takes_the_rest_along():
    waiting = [item(n, rank=3, band=URGENT) for n in range(10)]
    waiting += [item(10, due=LATER), item(11, rank=1, band=DAILY, due=LATER)]
    drafts, left = drained(waiting, 4)
    assert [len(draft.items) for draft in drafts] == [1, 1, 1, 8]
    assert [one.id for one in drafts[-1].items] == [3, 4, 5, 6, 7, 8, 9, 10]
    assert [one.id for one in left] == [11]


# --- windows


@given(
    st.lists(st.floats(0, 300), max_size=60).map(sorted),
    st.sampled_from([*(kind.windows for kind in KINDS.values()), (Window(3, 10), Window(5, 60))]),
)
def test_who_sends_when_free_never_fills_a_window(gaps, windows):
    """The slow twin counts every window of every message."""
    sent = []
    now = NOW
    for gap in gaps:
        now += timedelta(seconds=gap / 30)
        if free_slots(windows, sent, now) > 0:
            assert free_from(windows, sent, now) == now
            sent.append(now)
        else:
            opens = free_from(windows, sent, now)
            assert opens > now
            assert free_slots(windows, sent, opens) > 0
            assert free_slots(windows, sent, opens - timedelta(microseconds=1)) <= 0
    for one in windows:
        span = timedelta(seconds=one.seconds)
        for end in sent:
            assert sum(end - span < at <= end for at in sent) <= one.messages


def test_we_keep_below_what_is_allowed():
    for kind in KINDS.values():
        for ours, allowed in zip(kind.windows, kind.allowed, strict=True):
            assert ours.seconds == allowed.seconds
            assert ours.messages <= allowed.messages


# --- texts

many = st.lists(
    st.tuples(
        st.sampled_from(["F01", "F02", "工厂三", "F" * 64]), st.integers(0, 40), st.integers(1, 3)
    ),
    min_size=2, max_size=60,
).map(
    lambda rows: Draft(
        tuple(
            item(n, factory=factory, day=DAY - timedelta(days=ago), rank=rank)
            for n, (factory, ago, rank) in enumerate(rows)
        )
    )
)  # fmt: skip


@given(many, st.integers(0, 250), st.sampled_from([1_600, 4_096, 18_000]), st.booleans())
def test_a_digest_fits_and_counts_every_event(draft, length, most, is_markdown):
    link = "https://r.example/" + "a" * length
    text = write(draft, link=link, most_bytes=most, is_markdown=is_markdown)
    assert len(text.body.encode()) <= most
    listed = [one.reference for one in draft.items if one.reference in text.body]
    assert len(listed) <= LISTED
    more = re.search(r"另有 (\d+) 条 and (\d+) more", text.body)
    rest = int(more[1]) if more else 0
    assert len(listed) + rest == len(draft.items)
    if more:
        assert text.body.endswith(f"({link})" if is_markdown else f": {link}")
    assert f"异常事件 {len(draft.items)} 条" in text.title


@pytest.mark.parametrize(
    ("language", "said", "not_said"),
    [("zh", "编号", "high"), ("en", "anomaly event · high", "高"), ("both", "高 high", "Machine")],
)
def test_one_event_in_its_language(language, said, not_said):
    one = Item(1, "c/1", language, URGENT, NOW, 3, "F01", DAY, "ABCDE-FGHIJ")
    text = write(Draft((one,)), link="https://r.example", most_bytes=4_096, is_markdown=True)
    assert said in text.body
    assert not_said not in text.body
    assert PRODUCT in text.body
    assert "ABCDE-FGHIJ" in text.body
    assert "(https://r.example/F01/2026-11-22/report.html)" in text.body


# --- one cause, one message


def row(n, cause=None, **more):
    return {
        "event_id": f"M{n}", "factory_id": "F01", "priority": "medium", "state": "new",
        "start": NOW + timedelta(minutes=n), "partition_day": DAY, "acknowledged": False,
        "suppressed_by": None, "cause_id": cause, **more,
    }  # fmt: skip


def table(*rows):
    return pl.DataFrame(list(rows), infer_schema_length=None)


rows_of_causes = st.lists(
    st.builds(
        row, st.integers(0, 9), st.sampled_from([None, "c", "d"]),
        priority=st.sampled_from(["low", "medium", "high"]),
        state=st.sampled_from(["new", "ongoing", "cleared"]),
        acknowledged=st.booleans(),
    ),
    min_size=1, max_size=9, unique_by=lambda one: one["event_id"],
)  # fmt: skip


@given(rows_of_causes, st.randoms(use_true_random=False))
def test_events_of_a_cause_are_one_and_no_other_is(rows, random):
    found = events_of(table(*rows), NOW)
    assert len(found) == len({one["cause_id"] or one["event_id"] for one in rows})
    told = sorted(name for event in found for name in event.names)
    assert told == sorted(one["event_id"] for one in rows)
    by_id = {one["event_id"]: one for one in rows}
    for event in found:
        own = [by_id[name] for name in event.names]
        assert len({one["cause_id"] for one in own}) == 1
        assert event.event_id == min(own, key=lambda one: one["start"])["event_id"]
        assert event.rank == max(RANK[one["priority"]] for one in own)
        assert event.is_active == any(one["state"] != "cleared" for one in own)
        assert event.is_silent == by_id[event.event_id]["acknowledged"]
    shuffled = events_of(table(*random.sample(rows, len(rows))), NOW)
    assert sorted(shuffled, key=lambda e: e.event_id) == sorted(found, key=lambda e: e.event_id)


def test_a_later_day_that_tells_no_cause_does_not_undo_it():
    later = [row(n, partition_day=DAY + timedelta(days=1), state="ongoing") for n in (1, 2)]
    earlier = [row(n, "c") for n in range(3)]
    for rows in ([*earlier, *later], [*later, *earlier]):
        (event,) = events_of(table(*rows), NOW)
        assert event.names == ("M0", "M1", "M2")


def test_what_is_suppressed_is_in_no_cause_and_old_ids_go_with_it():
    rows = [
        row(0, "c", suppressed_by="break", aliases=[]),
        row(1, "c", suppressed_by=None, aliases=["M1-old"]),
        row(2, "c", suppressed_by=None, aliases=["M2-old"]),
        row(9, None, aliases=[]) | {"event_id": "M2-old"},
    ]
    (event,) = events_of(table(*rows), NOW)
    assert (event.event_id, event.members) == ("M1", ("M2",))
    assert set(event.names) == {"M1", "M2", "M1-old", "M2-old"}
