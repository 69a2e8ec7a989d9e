import json
import tomllib
import zlib
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ParkPulseError
from connectors.simulator import course, exam
from connectors.simulator import kinds as k
from connectors.simulator.calendars import local_midnight_ms
from connectors.simulator.course import GOOD, SCRAP
from connectors.simulator.faults import DAY_MS
from connectors.simulator.fleet import fleet
from connectors.simulator.planted import faults
from connectors.simulator.signals import sample
from connectors.simulator.timeline import build_factories
from parkpulse.collection import simulate

SEED = 3
HOUR_MS = 3_600_000
TABLE = exam.table()
RATES = ("micro_stop_burst", "speed_loss", "quality_slide")
DEFAULT = (246317244, 1496519418, 645238688)
FILE = 885845248


@pytest.fixture(scope="module")
def sites():
    return build_factories(SEED, TABLE["time"]["anchor"], days_back=14, days_ahead=0.0, exam=True)


@pytest.fixture(scope="module")
def machines(sites):
    return [machine for site in sites for machine in site.machines]


@pytest.fixture(scope="module")
def first_ms(sites):
    return local_midnight_ms(sites[0].span.day - timedelta(days=exam.days() - 1))


def of_kinds(machines, *kinds):
    return [(m, f) for m in machines for f in m.faults if f.kind in kinds]


# --- the deal


@given(st.integers(0, 2**32 - 1))
def test_every_kind_is_dealt_as_often_and_in_the_strata_of_the_file(seed):
    dealt = exam.entries(np.random.default_rng(seed))
    kinds = Counter(entry.kind for entry in dealt)
    assert set(kinds) == set(TABLE["kind"]) - {"common_cause"}
    assert set(kinds.values()) == {6}
    for kind in set(kinds) - {"sensor_frozen"}:
        sizes = sorted(entry.magnitude for entry in dealt if entry.kind == kind)
        assert all(1.0 <= size <= 2.5 for size in sizes[:2])
        assert all(2.5 <= size <= 6.0 for size in sizes[2:])
    assert {entry.magnitude for entry in dealt if entry.kind == "sensor_frozen"} == {0.0}


def test_in_each_stratum_magnitudes_are_log_uniform():
    sizes = exam.magnitudes(np.random.default_rng(5), "sensor_drift", 6000)
    for low, high in ((1.0, 2.5), (2.5, 6.0)):
        inside = [s for s in sizes if low <= s < high]
        share = np.mean([s < np.sqrt(low * high) for s in inside])
        assert abs(share - 0.5) < 4 * 0.5 / np.sqrt(len(inside))


def test_all_that_was_dealt_is_planted(sites):
    rows = faults(sites).to_pylist()
    kinds = Counter(row["kind"] for row in rows)
    common = kinds.pop("common_cause")
    assert set(kinds) == set(TABLE["kind"]) - {"common_cause"}
    assert set(kinds.values()) == {6}
    assert len({row["cause_id"] for row in rows if row["cause_id"]}) == 3
    assert sum(row["cause_id"] is not None for row in rows) == common
    assert len({row["fault_id"] for row in rows}) == len(rows)


def test_a_third_of_the_machines_is_free_and_all_are_free_for_three_days(machines, first_ms):
    free = sum(not machine.faults for machine in machines)
    assert 0.35 * len(machines) <= free <= 0.37 * len(machines)
    starts = [fault.start_ms for machine in machines for fault in machine.faults]
    assert min(starts) >= first_ms + 3 * DAY_MS


def test_one_fault_a_machine_week_and_half_a_day_between_them(machines, first_ms):
    for machine in machines:
        begin = [(fault.start_ms - first_ms) / DAY_MS for fault in machine.faults]
        assert sum(3 <= day < 7 for day in begin) <= 1
        assert sum(7 <= day < 14 for day in begin) <= 1
        assert len(begin) == sum(3 <= day < 14 for day in begin)
        for left, right in pairwise(machine.faults):
            assert left.end_ms + 12 * HOUR_MS <= right.start_ms
        assert all(fault.end_ms <= first_ms + 14 * DAY_MS for fault in machine.faults)


def test_faults_are_as_long_as_the_file_says_and_in_worked_time(machines):
    for machine in machines:
        for fault in machine.faults:
            least, most = TABLE["kind"][fault.kind]["hours"]
            assert least - 0.01 <= (fault.end_ms - fault.start_ms) / HOUR_MS <= most
            over = [
                s for s in machine.slices if s.start_ms < fault.end_ms and s.end_ms > fault.start_ms
            ]
            assert over[0].kind == over[-1].kind == "busy"
            busy = sum(
                min(s.end_ms, fault.end_ms) - max(s.start_ms, fault.start_ms)
                for s in over
                if s.kind == "busy"
            )
            assert busy >= 0.6 * (fault.end_ms - fault.start_ms)


def test_faults_of_one_machine_begin_while_it_produces(machines):
    for machine in machines:
        for fault in (f for f in machine.faults if f.cause_id is None):
            at = [a for a in machine.course.activities if a.start_ms <= fault.start_ms < a.end_ms]
            assert [a.kind for a in at] == [k.PRODUCE]


def test_factories_that_rest_at_weekends_have_faults_too(sites):
    resting = [site for site in sites if site.factory.working_days_only]
    for site in resting:
        planted = [fault for machine in site.machines for fault in machine.faults]
        assert planted, site.site_id
        assert all(
            (fault.start_ms // DAY_MS + 3) % 7 < 5 for fault in planted
        )  # 1970-01-01 was a Thursday


def test_a_common_cause_strikes_a_whole_line_at_once_and_alike(sites):
    causes = {}
    for site in sites:
        for machine in site.machines:
            for fault in machine.faults:
                if fault.cause_id:
                    causes.setdefault(fault.cause_id, []).append((machine.machine, fault))
    lines = {m.work_unit_id: m.line_id for f in fleet() for m in f.machines}
    for struck in causes.values():
        same = {(m.line_id, f.start_ms, f.end_ms, f.magnitude, f.effects) for m, f in struck}
        assert len(same) == 1
        (line,) = {m.line_id for m, _ in struck}
        assert {m.work_unit_id for m, _ in struck} == {u for u, own in lines.items() if own == line}


def test_the_same_seed_deals_the_same_and_another_does_not(sites, machines):
    slices = {machine.machine.line_id: machine.slices for machine in machines}
    again = exam.deal(SEED, sites[0].span.day, fleet(), slices)
    assert again == {m.machine.work_unit_id: m.faults for m in machines if m.faults}
    one, other = (exam.entries(np.random.default_rng(seed)) for seed in (1, 2))
    assert one != other


def test_without_room_the_exam_is_refused_and_not_made_smaller(sites, machines):
    alone = fleet()[:1]
    slices = {m.machine.line_id: m.slices for m in machines if m.factory.factory_id == "F01"}
    with pytest.raises(ParkPulseError, match=r"of 72 faults find no room.*--at"):
        exam.deal(SEED, sites[0].span.day, alone, slices)


def test_development_and_held_out_seeds_are_apart():
    seeds = TABLE["seeds"]
    assert seeds["development"] == list(range(1, 10))
    assert seeds["held_out"] == list(range(101, 110))
    assert not set(seeds["development"]) & set(seeds["held_out"])


# --- what they do to signals


def twins(site, machine):
    """The machine's signals with and without its faults' effects, and in usual production."""
    end_ms = local_midnight_ms(site.span.day) + DAY_MS
    times = machine.sample_ms
    args = (site.seed, machine.machine, machine.course.activities, times)
    starts = [a.start_ms for a in machine.course.activities]
    kinds = np.array([a.kind for a in machine.course.activities])
    producing = kinds[np.searchsorted(starts, times, side="right") - 1] == k.PRODUCE
    usual = producing & (times < end_ms)
    for fault in machine.faults:
        usual[(times >= fault.start_ms) & (times < fault.end_ms)] = False
    return sample(*args, (), end_ms), sample(*args, machine.faults, end_ms), producing, usual


def reached(fault, shape, size, calm, faulty, working, deviation):
    """Checks one effect on the samples of its window; all sizes in deviations."""
    added = (faulty - calm) / deviation
    if shape in ("stuck", "frozen"):
        assert len(set(faulty.tolist())) == 1
        assert abs(added[0]) == pytest.approx(size, abs=0.05)
        return
    assert (added[~working] == 0).all()
    hours = (fault.end_ms - fault.start_ms) / HOUR_MS
    if shape == "noisy":
        assert added[working].std() == pytest.approx(size, rel=4 / np.sqrt(2 * working.sum()))
    elif shape == "step":
        assert np.median(added[working]) == pytest.approx(size, rel=0.05)
    elif shape == "lag":
        last = np.flatnonzero(working)[-1]
        risen = 1 - np.exp(-3 * hours * (last + 1) / len(added))
        assert added[last] == pytest.approx(size * risen, rel=0.06)
    else:
        share = (np.flatnonzero(working) + 1) / len(added)
        slope = np.polyfit(share, added[working], 1)[0]
        assert slope == pytest.approx(size, rel=0.05)
        assert added[working][-1] == pytest.approx(size * share[-1], rel=0.1)


def test_faults_reach_their_magnitude_in_the_signal(sites):
    seen = Counter()
    for site, machine in ((one, machine) for one in sites for machine in one.machines):
        shapes = {effect.shape for fault in machine.faults for effect in fault.effects}
        is_new = any(seen[shape] < 3 for shape in shapes)
        if is_new and not any(fault.kind in RATES for fault in machine.faults):
            seen += Counter(measured(site, machine))
    assert set(seen) == {"step", "ramp", "lag", "stuck", "frozen", "noisy"}


def measured(site, machine):
    """Checks every effect on a machine, and that nothing else moved; gives the shapes."""
    calm, faulty, producing, usual = twins(site, machine)
    names = [signal.name for signal in machine.machine.type.signals]
    untouched = np.ones(calm.shape, bool)
    for fault in machine.faults:
        rows = (machine.sample_ms >= fault.start_ms) & (machine.sample_ms < fault.end_ms)
        for effect, name in ((e, name) for e in fault.effects for name in e.signals):
            column = names.index(name)
            untouched[rows, column] = False
            normal = calm[usual, column]
            deviation = 1.4826 * np.median(np.abs(normal - np.median(normal)))
            size = fault.magnitude * effect.share
            size = abs(size) if effect.shape in ("stuck", "noisy") else size
            sampled = calm[rows, column], faulty[rows, column], producing[rows]
            reached(fault, effect.shape, size, *sampled, deviation)
            yield effect.shape
    assert (calm[untouched] == faulty[untouched]).all()


# --- what they do to the course


def inside(machine, fault):
    """Pieces of the fault's window, and its productive hours."""
    times = machine.course.pieces.time_ms
    left, right = np.searchsorted(times, (fault.start_ms, fault.end_ms))
    productive = sum(
        min(a.end_ms, fault.end_ms) - max(a.start_ms, fault.start_ms)
        for a in machine.course.activities
        if a.kind == k.PRODUCE and a.start_ms < fault.end_ms and a.end_ms > fault.start_ms
    )
    return slice(left, right), productive / HOUR_MS


def test_a_burst_multiplies_the_micro_stops_of_a_productive_hour(machines):
    stops = expected = usual = 0.0
    for machine, fault in of_kinds(machines, "micro_stop_burst"):
        own = course.usual(SEED, machine.machine, machine.factory.sector)
        assert fault.times == pytest.approx(1 + fault.magnitude / own.micro_stops_per_h**0.5)
        hours = inside(machine, fault)[1]
        expected += hours / (5 / 3600 + 1 / (own.micro_stops_per_h * fault.times))
        usual += hours * own.micro_stops_per_h
        stops += sum(
            a.kind == k.PRODUCE and b.kind == k.MICRO_STOP
            for a, b in pairwise(machine.course.activities)
            if fault.start_ms <= b.start_ms < fault.end_ms
        )
    assert abs(stops - expected) < 4 * expected**0.5
    assert stops - usual > 4 * expected**0.5


def test_a_speed_loss_stretches_every_cycle_by_its_factor(machines):
    for machine, fault in of_kinds(machines, "speed_loss"):
        assert fault.times == pytest.approx(1 + 0.021 * fault.magnitude)
        table, twin = machine.course.pieces, twin_of(machine).pieces
        slow, calm = relative_cycles(machine, table, fault), relative_cycles(machine, twin, fault)
        error = 0.021 * np.sqrt(1 / len(slow) + 1 / len(calm))
        assert abs(np.mean(slow) / np.mean(calm) - fault.times) < 4 * error * fault.times


def relative_cycles(machine, pieces, fault):
    """Cycles in the window, each as a share of its product's planned time; no stop within."""
    rows = slice(*np.searchsorted(pieces.time_ms, (fault.start_ms, fault.end_ms)))
    planned = np.array([p.cycle_ms for p in machine.machine.type.products])
    product = pieces.product[rows][1:]
    shares = np.diff(pieces.time_ms[rows]) / planned[product]
    return shares[shares < 1.45]


def twin_of(machine):
    return course.run(SEED, machine.machine, machine.factory.sector, machine.slices, ())


def test_a_quality_slide_multiplies_the_scrap_of_a_piece(machines):
    scrap = expected = usual = 0.0
    for machine, fault in of_kinds(machines, "quality_slide"):
        own = course.usual(SEED, machine.machine, machine.factory.sector)
        share, n = own.scrap_share, own.cycles_per_h
        factor = 1 + fault.magnitude * np.sqrt((1 - share) / (n * share))
        assert fault.times == pytest.approx(factor)
        rows = inside(machine, fault)[0]
        quality = machine.course.pieces.quality[rows]
        scrap += (quality == SCRAP).sum()
        expected += len(quality) * share * factor
        usual += len(quality) * share
        assert (quality == GOOD).any()
    assert abs(scrap - expected) < 4 * expected**0.5
    assert scrap - usual > 4 * expected**0.5


def test_usual_rates_are_what_a_faultless_course_has(machines):
    free = [machine for machine in machines if not machine.faults][:12]
    stops = productive = expected = 0.0
    for machine in free:
        own = course.usual(SEED, machine.machine, machine.factory.sector)
        made = [a for a in machine.course.activities if a.kind == k.PRODUCE]
        hours = sum(a.end_ms - a.start_ms for a in made) / HOUR_MS
        stops += sum(
            a.kind == k.PRODUCE and b.kind == k.MICRO_STOP
            for a, b in pairwise(machine.course.activities)
        )
        expected += hours * own.micro_stops_per_h
        productive += hours
        cycles = len(machine.course.pieces.time_ms) / hours
        assert cycles == pytest.approx(own.cycles_per_h, rel=0.15)  # its products differ
    assert abs(stops - expected) < 4 * expected**0.5


def test_only_faults_of_a_rate_change_the_course_and_not_before_they_begin(machines):
    for machine in machines:
        rates = [fault for fault in machine.faults if fault.kind in RATES]
        if machine.machine.work_unit_id[-1] not in "1":
            continue
        twin = twin_of(machine)
        if not rates:
            assert twin.activities == machine.course.activities
            assert np.array_equal(twin.pieces.time_ms, machine.course.pieces.time_ms)
        else:
            until = np.searchsorted(twin.pieces.time_ms, rates[0].start_ms)
            assert np.array_equal(
                twin.pieces.time_ms[:until], machine.course.pieces.time_ms[:until]
            )
            assert twin.activities != machine.course.activities


# --- without the exam


def test_the_default_day_is_what_it_was(factories):
    """Checksums taken before the exam was built: faults, pieces, and two machines' signals each."""
    planted = json.dumps(faults(factories).to_pylist(), default=str)
    pieces = signals = 0
    for site in factories:
        for machine in site.machines:
            pieces = zlib.crc32(machine.course.pieces.time_ms.tobytes(), pieces)
            pieces = zlib.crc32(machine.course.pieces.quality.tobytes(), pieces)
        for machine in site.machines[:2]:
            signals = zlib.crc32(site._block(machine).tobytes(), signals)
    assert "cause_id" not in faults(factories).column_names
    assert (zlib.crc32(planted.encode()), pieces, signals) == DEFAULT


@pytest.mark.parametrize("given", [["--days", "14"], ["--offline", "home", "--days", "13"]])
def test_the_exam_needs_its_days_and_an_offline_home(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(simulate, ["--exam", *given])
    assert result.exit_code == 2
    assert "--exam needs --offline FOLDER and --days 14" in result.output
    assert not list(tmp_path.iterdir())


def test_the_file_is_the_one_that_was_committed_before_tuning():
    """Not a checksum: whoever must change a comment may; what is asked of a detector stays."""
    data = tomllib.loads(Path(exam.__file__).with_suffix(".toml").read_text("utf-8"))
    text = json.dumps(data, sort_keys=True, default=str)
    assert zlib.crc32(text.encode()) == FILE
