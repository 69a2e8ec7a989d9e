from datetime import UTC, datetime

import pytest

from connectors.raw import ticks_of, time_of

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("ticks", "time"),
    [
        (0, datetime(1601, 1, 1, tzinfo=UTC)),
        (ticks_of(LAST), LAST),
        (ticks_of(FIRST), FIRST),
        (2**63 - 1, LAST),
        (-(2**63), FIRST),
    ],
)
def test_every_tick_has_a_time(ticks, time):
    assert time_of(ticks) == time
