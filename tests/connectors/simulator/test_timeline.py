import itertools
import json
import time
from collections import Counter
from datetime import datetime, timedelta

import numpy as np
import pytest

from connectors.raw import EPOCH_TICKS, TICKS_PER_S
from connectors.simulator import kinds as k
from connectors.simulator.calendars import ZONE, local_midnight_ms
from connectors.simulator.faults import DAY_MS, table
from connectors.simulator.planted import faults, nastiness
from connectors.simulator.said import TICKS_PER_MS
from connectors.simulator.signals import sample
from connectors.simulator.timeline import build_factories

from .conftest import ANCHOR, SEED

ANCHORS = {
    "weekday noon": datetime(2026, 11, 18, 12, 0, tzinfo=ZONE),
    "Sunday": datetime(2026, 11, 22, 15, 30, tzinfo=ZONE),
    "Spring Festival": datetime(2027, 2, 6, 9, 0, tzinfo=ZONE),
    "New Year's Eve": datetime(2026, 12, 31, 12, 0, tzinfo=ZONE),
    "just after midnight": datetime(2026, 11, 19, 0, 5, tzinfo=ZONE),
    "just before midnight": datetime(2026, 11, 19, 23, 55, tzinfo=ZONE),
}


def day_bounds(anchor):
    start = local_midnight_ms(anchor.astimezone(ZONE).date() - timedelta(days=1))
    return start, start + DAY_MS


def same(left, right, rows=None):
    for name in ("source_ticks", "server_ticks", "delivered_ticks", "values", "status"):
        a, b = getattr(left, name), getattr(right, name)
        assert a[:rows].tolist() == b[:rows].tolist(), name


@pytest.mark.parametrize("anchor", ANCHORS.values(), ids=ANCHORS.keys())
def test_everything_is_planted_on_the_default_day(anchor):
    sites = build_factories(SEED, anchor, days_back=0, days_ahead=0.0)
    start, end = day_bounds(anchor)
    planted = faults(sites).to_pylist()
    kinds = Counter(row["kind"] for row in planted)
    assert set(kinds) == set(table())
    assert min(kinds.values()) >= 3
    assert max(Counter(row["work_unit_id"] for row in planted).values()) == 1
    assert len(planted) <= 0.7 * 75
    running = {s.site_id for s in sites if not s.factory.working_days_only}
    for row in planted:
        assert row["factory_id"] in running
        assert start <= row["start"].timestamp() * 1000 < row["end"].timestamp() * 1000 <= end
        assert row["signals"]
    rows = [
        row
        for row in nastiness(sites).to_pylist()
        if row["start"].timestamp() * 1000 < end and row["end"].timestamp() * 1000 >= start
    ]
    for kind in ("bad", "uncertain", "late", "repeated", "counter_rollover", "clock_skew"):
        assert sum(row["kind"] == kind for row in rows) >= 3, kind
    resets = Counter(row["detail"] for row in rows if row["kind"] == "counter_reset")
    for how in ("unannounced", "declared: shift", "declared: job", "declared: power"):
        assert resets[how] >= 3, how


def test_faults_begin_while_the_machine_produces(factories):
    for machine in (m for f in factories for m in f.machines if m.faults):
        (fault,) = machine.faults
        at = next(a for a in machine.course.activities if a.start_ms <= fault.start_ms < a.end_ms)
        assert at.kind == k.PRODUCE


def test_the_same_seed_and_anchor_say_the_same(factories):
    for site, again in zip(
        factories[::4],
        build_factories(SEED, ANCHOR, days_back=1, days_ahead=0.25)[::4],
        strict=True,
    ):
        for node, twin in zip(site.nodes, again.nodes, strict=True):
            assert node == twin
            same(site.series(node), again.series(twin))


def test_another_seed_says_something_else(factories):
    other = build_factories(SEED + 1, ANCHOR, days_back=1, days_ahead=0.25)[0]
    node = next(n for n in other.nodes if n.node_id.endswith("drive_torque"))
    assert not np.array_equal(other.series(node).values, factories[0].series(node).values)


def test_a_longer_timeline_keeps_what_came_before(factories):
    """Compared up to six minutes before the end: what is late may be delivered after it."""
    longer = build_factories(SEED, ANCHOR, days_back=1, days_ahead=0.6)
    until = EPOCH_TICKS + (factories[0].span.end_ms - 360_000) * TICKS_PER_MS
    for site, more in zip(factories[1::4], longer[1::4], strict=True):
        for node in site.nodes:
            short, long = site.series(node), more.series(node)
            rows = int(np.searchsorted(short.delivered_ticks, until))
            assert rows == np.searchsorted(long.delivered_ticks, until)
            same(short, long, rows)


def test_times_are_in_order_and_skew_is_only_in_the_source(factories):
    skewed = Counter()
    for site in factories:
        offsets = []
        for node in site.nodes[::7]:
            series = site.series(node)
            assert (np.diff(series.delivered_ticks) >= 0).all()
            assert (series.delivered_ticks >= series.server_ticks).all()
            assert (series.delivered_ticks - series.server_ticks <= 301 * TICKS_PER_S).all()
            offsets.append(series.server_ticks - series.source_ticks)
        latency = np.concatenate(offsets) + site.source_offset_ticks
        assert latency.min() >= 50_000
        assert latency.max() <= 600_000
        skewed[site.factory.source_clock_offset_s] += 1
    assert skewed == {0: 7, 37: 1, -12: 1, 95: 1}


def test_a_bad_value_is_null_and_only_a_bad_one(factories):
    for node in factories[0].nodes:
        series = factories[0].series(node)
        bad = series.status >= 0x80000000
        if series.values.dtype == object:
            assert [v is None for v in series.values] == bad.tolist()
        else:
            assert not bad.any()


def test_what_a_machine_exposes_follows_its_sector(factories):
    names = {
        site.factory.sector.shape: {name for n in site.nodes for _, name in n.path}
        for site in factories
    }
    assert {"StateCurrent", "UnitModeCurrent", "ProdProcessedCount"} <= names["packml"]
    assert "MachineryItemState" not in names["packml"]
    assert {"MachineryItemState", "PartsCompleted", "PartsGood"} <= names["machine_tool"]
    assert {"MachineryOperationMode", "PartsTotal", "PartsRework"} <= names["unified"]
    for site in factories:
        assert len({n.node_id for n in site.nodes}) == len({n.path for n in site.nodes})
        units = next(n for n in site.nodes if n.path[-1][1] == "EngineeringUnits")
        assert not units.historized
        text = json.loads(site.series(units).values[0])
        assert set(text) == {"NamespaceUri", "UnitId", "DisplayName", "Description"}


def test_int32_counters_wrap_from_their_end_to_zero(factories):
    wrapped = 0
    for node in (n for n in factories[0].nodes if "ProdProcessedCount" in n.node_id):
        series = factories[0].series(node)
        order = np.argsort(series.source_ticks, kind="stable")
        values = [v for v in series.values[order].tolist() if v is not None]
        assert 0 <= min(values) <= max(values) <= 2**31 - 1
        wrapped += sum(a > 2**31 - 10 and b < 10 for a, b in itertools.pairwise(values))
    assert wrapped >= 3


def test_load_heat_and_vibration_hang_together(factories):
    site = factories[3]
    machine = next(m for m in site.machines if not m.faults)
    block = site._block(machine)
    names = [s.name for s in machine.machine.type.signals]
    starts = [a.start_ms for a in machine.course.activities]
    index = np.searchsorted(starts, machine.sample_ms, side="right") - 1
    producing = np.array([a.kind for a in machine.course.activities])[index] == k.PRODUCE
    power, torque = block[:, -2], block[:, names.index("drive_torque")]
    motor, vibration = (block[:, names.index(n)] for n in ("motor_temperature", "vibration_x"))
    assert np.corrcoef(power, torque)[0, 1] > 0.9
    assert np.corrcoef(torque[producing], power[producing])[0, 1] > 0.5
    assert vibration[producing].mean() > 2 * vibration[~producing].mean()
    assert motor[producing].mean() > motor[~producing].mean()
    # heat lags: it follows the load of half an hour ago better than the load to come
    assert np.corrcoef(motor[20:], power[:-20])[0, 1] > np.corrcoef(motor[:-20], power[20:])[0, 1]
    assert (np.diff(block[:, -1]) >= 0).all()  # energy only grows
    assert block[-1, -1] - block[0, -1] == pytest.approx(power[1:].sum() * 90 / 3600, rel=1e-6)


def test_signal_faults_move_their_signals_by_their_magnitude(factories):
    for site in factories:
        for machine in site.machines:
            fault = next((f for f in machine.faults if f.kind == "sensor_stuck"), None)
            if fault is None:
                continue
            names = [s.name for s in machine.machine.type.signals]
            column = site._block(machine)[:, names.index(fault.signals[0])]
            times = machine.sample_ms
            during = (times >= fault.start_ms) & (times < fault.end_ms)
            assert len(set(column[during].tolist())) == 1
            assert len(set(column[~during].tolist())) > 100


def test_a_drift_grows_to_its_magnitude_in_usual_deviations(factories):
    for machine, fault in ((m, one) for f in factories for m in f.machines for one in m.faults):
        if fault.kind != "sensor_drift":
            continue
        args = (SEED, machine.machine, machine.course.activities, machine.sample_ms)
        end_ms = day_bounds(ANCHOR)[1]
        calm, drifting = sample(*args, (), end_ms), sample(*args, (fault,), end_ms)
        column = [s.name for s in machine.machine.type.signals].index(fault.signals[0])
        moved = np.delete(drifting != calm, column, axis=1)
        assert not moved.any()
        added = drifting[:, column] - calm[:, column]
        during = (machine.sample_ms >= fault.start_ms) & (machine.sample_ms < fault.end_ms)
        assert (added[~during] == 0).all()
        starts = [a.start_ms for a in machine.course.activities]
        index = np.searchsorted(starts, machine.sample_ms, side="right") - 1
        kinds = np.array([a.kind for a in machine.course.activities])[index]
        usual = calm[(kinds == k.PRODUCE) & ~during & (machine.sample_ms < end_ms), column]
        deviation = 1.4826 * np.median(np.abs(usual - np.median(usual)))
        assert np.abs(added).max() / deviation == pytest.approx(fault.magnitude, rel=0.15)


def test_75_machines_say_two_and_a_half_million_values_a_day_and_fast(factories):
    """A default window is about 17 million values: at this rate well under a minute of CPU."""
    low, high = (EPOCH_TICKS + ms * TICKS_PER_MS for ms in day_bounds(ANCHOR))
    on_day = values = 0
    began = time.process_time()
    for site in factories:
        for node in site.nodes:
            ticks = site.series(node).server_ticks
            values += len(ticks)
            on_day += int(((ticks >= low) & (ticks < high)).sum())
    rate = values / (time.process_time() - began)
    assert sum(len(site.machines) for site in factories) == 75
    assert 2_000_000 <= on_day <= 2_500_000
    assert rate > 500_000
