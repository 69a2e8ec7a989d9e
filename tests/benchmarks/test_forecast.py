"""The bench of forecasts: its series are fixed, and its figures are those of what it was given."""

import numpy as np
import pytest

from benchmarks.forecast import DEVELOP, HELD_OUT, _between, arrivals, examined, skill, table
from benchmarks.forecast_series import AHEAD, KINDS, cases


def test_seeds_are_apart_and_series_are_the_same_every_time():
    assert not set(DEVELOP) & set(HELD_OUT)
    one, two = cases(3), cases(3)
    assert [case.kind for case in one] == list(KINDS)
    for a, b in zip(one, two, strict=True):
        assert a.known.equals(b.known)
        assert (a.truth == b.truth).all()
        assert len(a.truth) == AHEAD
        assert a.target > a.known["value"][-1]


def test_a_forecast_is_held_against_what_came():
    case = next(case for case in cases(1) if case.kind == "young")
    found = examined(case)
    assert found.claims == (found.own != found.naive)
    assert 0 <= found.inside[0] <= found.inside[1] <= 1
    assert found.naive == pytest.approx(
        np.abs(case.known["value"][-1] - case.truth[: min(90, case.known.height)]).mean()
        / np.abs(np.diff(case.known["value"].to_numpy())).mean()
    )
    assert table([found], "one").row_count == 2
    assert "of 1 were reached" in arrivals([found])
    assert isinstance(_between(found), bool)


def test_skill():
    assert skill([1.0, 1.0], [2.0, 2.0]) == 0.5
    assert skill([0.0], [0.0]) is None
