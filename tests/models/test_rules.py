"""Rules on counts alone: what was told and is over is not told again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import rules
from models.habits import Habits
from models.production import Slices
from models.rates import SLICE_MIN

HABITS = Habits(
    producing_s=80_000.0,
    elapsed_s=86_400.0,
    stopped_s=6_400.0,
    micro_stops=48.0,
    stop_dispersion=1.0,
    pieces=2_880.0,
    scrap=29.0,
    scrap_dispersion=1.0,
    pace=0.9,
    good_pace=0.89,
    pace_spread={6: 0.01, 24: 0.005},
    pace_worst={6: 0.02, 24: 0.01},
)
START = datetime(2026, 11, 2, tzinfo=UTC)


def shop(scrap, stops=None):
    """Ten pieces a slice, and so much scrap."""
    n = len(scrap)
    whole, none = np.full(n, SLICE_MIN * 60), np.zeros(n)
    ends = [START + timedelta(minutes=SLICE_MIN) * (i + 1) for i in range(n)]
    pieces = np.full(n, 10.0)
    made = 0.9 * whole
    return Slices(
        ends, whole, none, none, none if stops is None else stops * 1.0, pieces, scrap * 1.0, made,
        made * (1 - scrap / pieces),
    )  # fmt: skip


def after_a_slide():
    """Four hours of scrap, three without, then the handful in two hours that any day has."""
    scrap = np.zeros(288)
    scrap[72:120] = 2.0
    scrap[158:180:4] = 1.0
    return shop(scrap)


def events_of(judged):
    return int(rules._ids(judged[1]).max(initial=0))


def test_a_slide_that_is_over_is_not_told_again():
    s = after_a_slide()
    assert events_of(rules.quality_slide(HABITS, s)) > 1  # what windows remember, taken for news
    assert events_of(rules.afresh(rules.quality_slide, HABITS, s)) == 1


def test_a_second_slide_is_told_of_its_own():
    s = after_a_slide()
    again = s.scrap.copy()
    again[200:230] = 2.0
    assert events_of(rules.afresh(rules.quality_slide, HABITS, replace(s, scrap=again))) == 2


@pytest.mark.parametrize("rule", [rules.micro_stop_burst, rules.speed_loss, rules.quality_slide])
@given(seed=st.integers(0, 10_000), cut=st.integers(20, 200), loud=st.integers(1, 4))
def test_scores_know_of_no_later_slice(rule, seed, cut, loud):
    rng = np.random.default_rng(seed)
    rates = np.where(rng.random(200) < 0.5, 0.1, 0.1 * loud)
    rates[60:100] *= 10
    scrap, stops = np.minimum(rng.poisson(rates), 10), rng.poisson(2 * rates)
    whole, part = shop(scrap, stops), shop(scrap[:cut], stops[:cut])
    found, known = (rules.afresh(rule, HABITS, one)[1] for one in (whole, part))
    assert np.array_equal(found[:cut], known)


def test_slices_since_hold_nothing_before():
    s = after_a_slide().since(100)
    assert s.scrap[:100].sum() == s.producing_s[:100].sum() == 0.0
    assert (s.scrap[100:] == after_a_slide().scrap[100:]).all()
    assert s.ends == after_a_slide().ends
