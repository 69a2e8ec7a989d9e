import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.simulator.counters import COUNTED, counter
from connectors.simulator.course import Course, Pieces


def slow(pieces, qualities, start, initial, resets, counter_max):
    """The counter, one event after the other."""
    events = sorted(
        [(time, "reset", 0) for time in resets]
        + [(t, "piece", n) for t, n, q in pieces if q in qualities]
    )
    value, said = initial, [(start, initial % (counter_max + 1))]
    for time, what, amount in events:
        if what == "piece":
            value += amount
        elif value == 0:
            continue
        else:
            value = 0
        said.append((time, value % (counter_max + 1)))
    return said


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 500), st.integers(1, 5), st.integers(0, 2)),
        unique_by=lambda piece: piece[0],
    ),
    st.sets(st.integers(1, 500), max_size=5),
    st.integers(0, 60),
    st.sampled_from([30, 1000]),
    st.sampled_from(sorted(COUNTED)),
)
def test_counter_equals_its_slow_twin(pieces, resets, initial, counter_max, measure):
    pieces = sorted((2 * t, n, q) for t, n, q in pieces)  # pieces at even, resets at odd times
    resets = [2 * r + 1 for r in resets]
    table = np.array(pieces, np.int64).reshape(-1, 3)
    qualities = table[:, 2].astype(np.int8)
    course = Course((), Pieces(table[:, 0], table[:, 1], qualities, qualities.astype(np.int16)))
    shown = counter(
        course, measure, start_ms=0, initial=initial, resets=resets, counter_max=counter_max
    )
    expected = slow(pieces, COUNTED[measure], 0, initial, resets, counter_max)
    assert list(zip(shown.times_ms.tolist(), shown.values.tolist(), strict=True)) == expected
