import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import measures
from models.measures import Counts, buffer_length, buffered, counts, vus_pr

LABELS = st.lists(st.booleans(), min_size=2, max_size=60).map(np.array)


def slow_vus_pr(score, faulty, longest):
    """The definition, one length, threshold and row after the other."""
    lengths = sorted({int(x) for x in np.linspace(0, longest, measures.LENGTHS)})
    at = [int(i) for i in np.linspace(0, len(score) - 1, measures.THRESHOLDS)]
    thresholds = [sorted(score, reverse=True)[i] for i in at]
    areas = []
    for length in lengths:
        label = slow_label(faulty, length)
        runs = runs_of([row for row in range(len(label)) if label[row] > 0])
        area, before = 0.0, 0.0
        for threshold in thresholds:
            over = [s >= threshold for s in score]
            hit = sum(label[row] for row in range(len(label)) if over[row])
            touched = sum(any(over[row] for row in run) for run in runs) / len(runs)
            recall = min(hit / ((sum(faulty) + sum(label)) / 2), 1.0) * touched
            area += (recall - before) * hit / sum(over)
            before = recall
        areas.append(area)
    return sum(areas) / len(areas)


def slow_label(faulty, length):
    faults = runs_of([row for row in range(len(faulty)) if faulty[row]])
    label = []
    for row in range(len(faulty)):
        apart = [max(run[0] - row, row - run[-1], 0) for run in faults]
        label.append(
            min(sum((1 - d / length) ** 0.5 if d else 1 for d in apart if d <= length // 2), 1)
        )
    return label


def runs_of(rows):
    runs = []
    for row in rows:
        if runs and runs[-1][-1] == row - 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    return runs


@settings(max_examples=40, deadline=None)
@given(LABELS.filter(lambda labels: labels.any()), st.integers(0, 30), st.integers(0, 999))
def test_vus_pr_is_its_slow_twin(faulty, longest, seed):
    rng = np.random.default_rng(seed)
    score = np.round(rng.random(len(faulty)) + faulty * rng.random(), 1)  # with ties
    fast = vus_pr(score, faulty, longest)
    assert fast == pytest.approx(slow_vus_pr(list(score), list(faulty), longest), abs=1e-9)


def test_slopes_are_as_told_and_meet():
    label = buffered(np.array([0, 0, 0, 1, 0, 0, 1, 0], dtype=bool), 4)
    near, far = np.sqrt(0.75), np.sqrt(0.5)
    assert label == pytest.approx([0, far, near, 1, 1, 1, 1, near])
    alone = buffered(np.array([0, 0, 0, 1, 0, 0, 0], dtype=bool), 4)
    assert alone == pytest.approx([0, far, near, 1, near, far, 0])


def test_a_perfect_score_is_worth_1_and_a_constant_one_the_share_of_faults():
    faulty = np.zeros(1000, dtype=bool)
    faulty[200:260] = faulty[700:720] = True
    assert vus_pr(faulty.astype(float), faulty, 0) == pytest.approx(1)
    assert vus_pr(np.ones(1000), faulty, 0) == pytest.approx(0.08)
    assert vus_pr(buffered(faulty, 40), faulty, 40) > 0.9
    assert buffer_length(faulty) == 40
    ranked = [
        vus_pr(faulty + np.random.default_rng(1).normal(0, s, 1000), faulty) for s in (0.2, 1, 9)
    ]
    assert ranked == sorted(ranked, reverse=True)
    assert vus_pr(np.ones(5), np.zeros(5, dtype=bool)) is None


@given(LABELS)
def test_balanced_accuracy_of_perfect_always_and_never(faulty):
    both = bool(faulty.any() and not faulty.all())
    for alarm, worth in (
        (faulty, 1.0),
        (faulty | True, 0.5),
        (faulty & False, 0.5),
        (~faulty, 0.0),
    ):
        assert counts(alarm, faulty).balanced_accuracy == (worth if both else None)


@given(LABELS, st.integers(0, 60))
def test_counts_of_parts_add_up(faulty, cut):
    alarm = np.roll(faulty, 1)
    whole = counts(alarm[:cut], faulty[:cut]) + counts(alarm[cut:], faulty[cut:])
    assert whole == counts(alarm, faulty)
    assert isinstance(whole, Counts)


def test_point_adjusted_f1_is_not_offered():
    assert not [name for name in dir(measures) if "f1" in name.lower() or "adjust" in name.lower()]
