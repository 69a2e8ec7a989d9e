from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import START, plant

from models.controls import RANDOM_ROWS, at_budget, controls, score_events, tally
from models.evaluate import evaluate

ROWS = 400
TIMES = pl.Series([START + timedelta(minutes=i) for i in range(ROWS)])


def noise(seed, at=(), size=3.0):
    """Scores with bursts: some within faults, some not."""
    rng = np.random.default_rng(seed)
    score = rng.random(ROWS) * 0.9
    for start in at:
        score[start : start + 20] += size * rng.random()
    return score


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, ROWS - 1), max_size=5),
    st.lists(st.integers(0, 9), max_size=3, unique=True),
    st.integers(0, 15),
)
def test_tally_is_evaluate_by_rows(seed, bursts, tens, slack):
    score = noise(seed, bursts)
    faults = [(40 * t, 40 * t + 12) for t in sorted(tens)]
    false, found = tally(score, faults, slack)
    table = pl.DataFrame(
        [("M", TIMES[a], TIMES[b], ["x"]) for a, b in faults],
        schema={
            "work_unit_id": pl.String(), "start": TIMES.dtype, "end": TIMES.dtype,
            "signals": pl.List(pl.String),
        },
        orient="row",
    )  # fmt: skip
    events = score_events(score, TIMES, "M")
    slow = evaluate(events, table, watched=timedelta(days=1), slack=timedelta(minutes=slack))
    assert (false, found) == (slow.events - slow.matched, slow.found)


@pytest.mark.parametrize("budget", [0, 1, 3])
def test_at_budget_keeps_it_and_no_threshold_finds_more(budget):
    scores = [noise(s, (50, 130, 210, 330)) for s in range(4)]
    faults = [[(48, 70), (205, 240)]] * 4
    threshold = at_budget(scores, faults, budget)

    def told(limit):
        each = [tally(s / limit, f) for s, f in zip(scores, faults, strict=True)]
        return sum(t[0] for t in each), sum(t[1] for t in each)

    false, found = told(threshold)
    assert false <= budget
    # Twin: other thresholds, evenly spaced. Between two that were tried one may lie by chance.
    kept = [told(x)[1] for x in np.linspace(0.3, 4.0, 25) if told(x)[0] <= budget]
    assert found >= max(kept) - 1
    own_false, own_found = told(1.0)
    assert told(at_budget(scores, faults, own_false))[1] >= own_found


def test_controls_are_causal_and_of_the_rows_length():
    train, test = plant(1500, seed=1), plant(900, seed=2)
    scorers = controls(train, row=300, seed=3)
    assert list(scorers) == ["always", "fixed_row", "random", "isolation_forest", "t2_q", "k_means"]
    for name, scorer in scorers.items():
        score = scorer(test)
        assert score.shape == (900,), name
        assert np.isfinite(score).all(), name
        assert scorer(test.head(500)) == pytest.approx(score[:500], rel=1e-9), name
    assert np.flatnonzero(scorers["fixed_row"](test) > 1).tolist() == list(range(300, 900))
    assert len(np.unique(scorers["random"](test))) == -(-900 // RANDOM_ROWS)
    # Limits are of the rows fitted on: as many of them are over as was asked for.
    for name in ("isolation_forest", "k_means"):
        assert np.mean(scorers[name](train) > 1) == pytest.approx(0.001, abs=0.0007), name


def test_a_constant_and_a_lone_sensor_are_taken():
    train = plant(400, seed=1).select("timestamp", "load_kw").with_columns(still=pl.lit(1.0))
    for scorer in controls(train).values():
        assert np.isfinite(scorer(train)).all()
    lone = train.drop("still")
    for scorer in controls(lone).values():
        assert np.isfinite(scorer(lone)).all()
