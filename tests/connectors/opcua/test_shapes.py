"""Notifications of one shape after another: what is remembered of one may never bend the next."""

import struct

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from connectors.opcua import gather, twin
from connectors.opcua.columns import Stretch
from connectors.opcua.decode import DataValues, MalformedError
from connectors.opcua.shapes import Shape
from tests.connectors.opcua.test_decode import FIELDS, SHAPES, batch_of, sized

PLAIN = [1, 3, 5, 6, 8, 10, 11, 13, 14]
TEXTS = [12, 15]
LONGER = st.integers(0, 6).map(lambda size: sized(b"x" * size))


def body(rows):
    parts = [struct.pack("<I", handle) + row for handle, row in enumerate(rows)]
    return struct.pack("<i", len(rows)) + b"".join(parts) + b"\xff\xff\xff\xff"


def tail(mask):
    return b"".join(bytes(size) for bit, size in ((2, 4), (4, 8), (16, 2), (8, 8)) if mask & bit)


@st.composite
def publishes(draw):
    """Messages of the same masks and types, but for a row here and there."""
    layout = st.tuples(st.sampled_from([0x01, 0x0D, 0x0F, 0x1D]), st.sampled_from(PLAIN + TEXTS))
    layouts = draw(st.lists(layout, min_size=1, max_size=12))
    found = []
    for _ in range(draw(st.integers(2, 5))):
        rows = []
        for mask, kind in layouts:
            if draw(st.integers(0, 30)) == 0:
                mask, kind = draw(st.sampled_from([(0x0C, None), (0x0D, 17), (0x0D, 2)]))
            value = LONGER if kind in TEXTS else SHAPES.get(kind, st.just(b""))
            head = bytes([mask]) if kind is None else bytes([mask, kind])
            rows.append(head + draw(value) + tail(mask))
        found.append(body(rows))
    return found


def read(bodies, walker):
    try:
        found = DataValues.of_notifications(bodies, [], walker=walker)
    except MalformedError:
        return "malformed"
    fields = {name: [repr(v) for v in getattr(found, name).tolist()] for name in FIELDS}
    batch = batch_of(found)
    return fields | {name: batch.column(name).to_pylist() for name in ("value_text", "value_raw")}


SIGNALLING_NAN = body([b"\x01\x0a\x00\x00\x81\x7f"])


@settings(deadline=None, max_examples=200)
@given(publishes())
@example([SIGNALLING_NAN, SIGNALLING_NAN])
def test_messages_of_one_shape_read_as_the_twin_reads_them(bodies):
    assert read(bodies, gather.with_numpy) == read(bodies, twin.fill) != "malformed"


@settings(deadline=None, max_examples=300)
@given(publishes(), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=3))
def test_a_damaged_message_after_sound_ones_has_the_twins_outcome(bodies, changes):
    last = bytearray(bodies[-1])
    for place, byte in changes:
        last[4 + place % (len(last) - 4)] = byte
    bodies = [*bodies[:-1], bytes(last)]
    assert read(bodies, gather.with_numpy) == read(bodies, twin.fill)


def text_row(text):
    return bytes([0x01, 12]) + sized(text)


@pytest.mark.parametrize(
    ("rows", "fits"),
    [
        ([text_row(b"one"), text_row(b"two")], True),
        ([text_row(b""), text_row(b"longer")], True),
        ([text_row(b"one"), bytes([0x01, 15]) + sized(b"two")], False),
    ],
)
def test_a_shape_knows_its_own(rows, fits):
    first, next_one = body([text_row(b"abc"), text_row(b"def")]), body(rows)
    step = 4 + len(text_row(b"abc"))
    steps = np.zeros((256, 256), np.int64)
    steps[12, 0x01] = steps[15, 0x01] = -6
    shape = Shape.of(first, np.array([4, 4 + step]), 4, steps)
    found = shape.places(next_one, Stretch(4, len(next_one), 2), 4)
    wanted = [4, 8 + len(rows[0])] if fits else None
    assert (None if found is None else found.tolist()) == wanted


def test_a_length_beyond_the_bytes_is_not_of_the_shape():
    first = body([text_row(b"abc"), text_row(b"def")])
    cut = bytearray(first)
    cut[10:14] = struct.pack("<i", 2**31 - 1)
    steps = np.full((256, 256), -6, np.int64)
    shape = Shape.of(first, np.array([4, 17]), 4, steps)
    assert shape.places(bytes(cut), Stretch(4, len(cut), 2), 4) is None
