"""What is lost stays wanted until history was read for it."""

import contextlib
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.losses import Losses, Lost

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
CODES = st.none() | st.sets(st.integers(0, 9), min_size=1)
SINCE = st.none() | st.integers(0, 99).map(lambda s: NOON + timedelta(seconds=s))
TICKS = st.none() | st.integers(0, 99)
WANTED = st.lists(st.tuples(CODES, SINCE, TICKS), min_size=1)


def wanting(wanted, heard=50):
    losses = Losses()
    for codes, since, ticks in wanted:
        losses.want(codes, heard, since=since, sound_ticks=ticks)
    return losses


def all_of(wanted):
    codes = [codes for codes, _, _ in wanted]
    some = None if None in codes else sorted(set().union(*codes))
    return Lost(some, min((since for _, since, _ in wanted if since), default=None))


@given(WANTED)
def test_all_that_is_lost_is_read_at_once(wanted):
    losses = wanting(wanted)
    assert losses.is_any
    with losses.being_read() as lost:
        assert lost == all_of(wanted)
    assert not losses.is_any
    assert losses.sound_until(77) == 77


@given(WANTED, WANTED)
def test_a_read_that_fails_was_none(before, meanwhile):
    losses = wanting(before)
    with contextlib.suppress(TimeoutError), losses.being_read():
        for codes, since, ticks in meanwhile:
            losses.want(codes, 50, since=since, sound_ticks=ticks)
        raise TimeoutError
    assert losses.is_any
    with losses.being_read() as lost:
        assert lost == all_of(before + meanwhile)


@given(WANTED, WANTED)
def test_what_is_lost_while_history_is_read_is_wanted(before, meanwhile):
    losses = wanting(before)
    with losses.being_read():
        for codes, since, ticks in meanwhile:
            losses.want(codes, 50, since=since, sound_ticks=ticks)
    assert losses.is_any
    with losses.being_read() as lost:
        assert lost == all_of(meanwhile)


@given(WANTED, st.integers(0, 99))
def test_nothing_is_sound_behind_the_first_loss(wanted, heard):
    losses = wanting(wanted, heard)
    assert losses.sound_until(1000) == min([heard, *(t for _, _, t in wanted if t is not None)])
