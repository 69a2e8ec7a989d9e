"""Whatever becomes of messages on their way: each is delivered once and in order, or counted."""

import asyncio

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from connectors.opcua.pump import Pump
from connectors.opcua.subscribe import Hole, Message, Options, Standing, Subscription

LAST = 0xFFFF_FFFF
FATES = ("arrives", "is lost", "comes twice", "comes late")


class Kept(Subscription):
    """A subscription whose server sends again what it has not forgotten."""

    def __init__(self, start, numbers, gone):
        super().__init__(None, Options())
        self.id, self.expected = 7, start
        self.numbers, self.gone, self.sent = numbers, gone, set()

    async def _republish(self, sequence):
        await asyncio.sleep(0)
        if sequence in self.gone or sequence not in self.sent:
            return None
        return Message(self.id, sequence, 0, republished=True)


def numbers_from(start, count):
    """Sequence numbers begin anew at 1, never at 0 (part 4, 7.25)."""
    return [(start - 1 + i) % LAST + 1 for i in range(count)]


def accounted(found, numbers):
    """The messages found, in order, with as many skipped as the holes between them count."""
    place, delivered = 0, []
    for one in found:
        if isinstance(one, Hole):
            assert one.sequences > 0
            place += one.sequences
        elif not one.is_keep_alive:
            assert one.sequence == numbers[place]
            delivered.append(one.sequence)
            place += 1
    assert place == len(numbers)
    return delivered


STARTS = st.sampled_from([1, 2, 1 << 31, LAST - 6, LAST - 1, LAST])
MESSAGES = st.lists(st.tuples(st.sampled_from(FATES), st.booleans(), st.booleans()), max_size=14)
"""What becomes of each message, whether the server forgets it, whether a keep-alive follows."""


@given(STARTS, MESSAGES, st.booleans())
def test_every_message_once_and_in_order_or_counted_as_lost(start, messages, tells):
    numbers = numbers_from(start, len(messages) + 1)
    gone = {n for n, (_, forgets, _) in zip(numbers, messages, strict=False) if forgets}
    wire, late = [], []
    for number, (fate, _, pauses) in zip(numbers, messages, strict=False):
        coming = {"arrives": 1, "is lost": 0, "comes twice": 2, "comes late": 0}[fate]
        wire += [(number, False, number)] * coming
        if coming:
            wire += [(old, False, number) for old in late]
            late = []
        if fate == "comes late":
            late.append(number)
        if pauses:
            wire.append((numbers[numbers.index(number) + 1], True, number))
    wire += [(old, False, numbers[-1]) for old in late]
    wire.append((numbers[-1], True, numbers[-1]))

    async def run():
        one, pump, found = Kept(start, numbers, gone), Pump(None), []
        pump.add(one)
        for number, is_keep_alive, newest in wire:
            one.sent = set(numbers[: numbers.index(newest) + 1])
            got = Message(one.id, number, 0, is_keep_alive=is_keep_alive)
            kept = sorted(one.sent - gone) if tells else []
            got.kept = np.array(kept, "<u4").tobytes()
            found += await pump._in_order(got)
        return found

    delivered = accounted(asyncio.run(run()), numbers[:-1])
    assert set(numbers[:-1]) - gone <= set(delivered)
    in_time = {n for n, (fate, _, _) in zip(numbers, messages, strict=False) if "late" not in fate}
    came = {number for number, is_keep_alive, _ in wire if not is_keep_alive}
    assert came & in_time <= set(delivered)


@given(STARTS, st.integers(0, 6), st.lists(st.booleans(), max_size=12), st.integers(0, 3))
def test_after_a_crash_what_is_not_on_disk_comes_back_or_is_counted(start, durable, forgets, acked):
    """From `start` on so many are on disk, fewer are acknowledged, some forgotten."""
    numbers = numbers_from(start, durable + len(forgets) + 1)
    fresh = numbers[durable:-1]
    gone = {number for number, forgotten in zip(fresh, forgets, strict=True) if forgotten}
    available = [n for n in numbers[min(acked, durable) : -1] if n not in gone]

    async def run():
        one, pump = Kept(start, numbers, gone), Pump(None)
        before = (start - 2 + durable) % LAST + 1
        one.adopt(Standing(7, 5.0, 100.0, before))
        one.sent = set(numbers[:-1])
        pump.add(one)
        assert [one.is_durable(n) for n in available] == [n not in fresh for n in available]
        found = list(await one.take_back(available))
        found += await pump._in_order(Message(7, numbers[-1], 0, is_keep_alive=True))
        return found

    delivered = accounted(asyncio.run(run()), fresh)
    assert delivered == [number for number in fresh if number not in gone]


@given(STARTS, st.integers(1, 5), st.integers(0, 5))
def test_what_fails_half_way_is_asked_for_anew(start, lost, after):
    numbers = numbers_from(start, lost + 1)

    class Failing(Kept):
        calls = 0

        async def _republish(self, sequence):
            self.calls += 1
            if self.calls == after:
                raise ConnectionError("cut")
            return await super()._republish(sequence)

    async def run():
        one, found = Failing(start, numbers, set()), []
        one.sent = set(numbers)
        try:
            found += await one.in_order(Message(7, numbers[-1], 0))
        except ConnectionError:
            found += await one.republish_rest()
        return found

    assert accounted(asyncio.run(run()), numbers) == numbers
