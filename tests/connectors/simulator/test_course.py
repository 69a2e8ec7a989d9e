from itertools import pairwise

import numpy as np
import pytest

from connectors.simulator import kinds as k


@pytest.fixture(scope="module")
def machines(factories):
    return [machine for factory in factories for machine in factory.machines]


def test_activities_follow_each_other_and_keep_to_their_slice(machines):
    for machine in machines:
        activities = machine.course.activities
        assert all(a.end_ms == b.start_ms for a, b in pairwise(activities))
        for activity in activities:
            assert activity.slice.start_ms <= activity.start_ms < activity.end_ms
            assert activity.end_ms <= activity.slice.end_ms
            in_plan = k.KINDS[activity.kind].element != ""
            assert in_plan == (activity.slice.kind == "busy") or activity.kind == k.PRODUCE


def test_pieces_come_while_producing_and_clear_of_every_change(machines):
    for machine in machines:
        producing = [a for a in machine.course.activities if a.kind == k.PRODUCE]
        starts = np.array([a.start_ms for a in producing])
        ends = np.array([a.end_ms for a in producing])
        times = machine.course.pieces.time_ms
        index = np.searchsorted(starts, times, side="right") - 1
        assert (times - starts[index] >= 250).all()
        assert (ends[index] - times >= 250).all()


def test_a_cycle_takes_the_productive_time_between_two_pieces(machines):
    for machine in machines[::9]:
        for activity in machine.course.activities:
            if activity.kind != k.PRODUCE or machine.faults:
                continue
            times = machine.course.pieces.time_ms
            left, right = np.searchsorted(times, (activity.start_ms, activity.end_ms))
            steps = np.diff(times[left:right])
            assert (steps >= activity.product.cycle_ms * 0.99).all()
            assert (steps <= activity.product.cycle_ms * 1.5).all()


def test_there_is_no_product_without_an_order(machines):
    for machine in machines:
        for activity in machine.course.activities:
            assert (activity.order_id == "") == (activity.product is None)
            assert activity.kind != k.NO_ORDER or activity.order_id == ""
            assert activity.kind != k.PRODUCE or activity.order_id != ""


def test_every_kind_of_activity_happens(machines):
    seen = {a.kind for machine in machines for a in machine.course.activities}
    assert seen == set(range(len(k.KINDS)))
