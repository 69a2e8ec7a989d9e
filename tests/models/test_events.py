from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from plants import START, plant, with_fault
from polars.testing import assert_frame_equal
from shopfloor import DAY, KEY, PRI_S, cycles, day, plan

from models import advice, detector, explain, rules
from models.events import Operation, data_gaps, events
from models.habits import learn_habits
from models.operating import producing_rows, producing_runs
from models.production import edges_between, slices
from models.schemas import ANOMALY_EVENTS, CONTRIBUTOR, FINDINGS, TRACES
from models.stakes import stake
from pipelines import schemas

NEXT = DAY + timedelta(days=1)
END = NEXT + timedelta(days=1)
TRAINING = day(1)
HABITS = learn_habits(*TRAINING, cycles(), DAY, NEXT)


def found(seed, until=END, **planted):
    return rules.findings(HABITS, *day(seed, NEXT, **planted), cycles(), NEXT, until)


@pytest.mark.parametrize("seed", range(2, 9))
def test_healthy_days_give_no_finding(seed):
    assert found(seed).is_empty()


@pytest.mark.parametrize(
    ("kind", "planted", "within_min"),
    [
        ("micro_stop_burst", {"stops": 15.0}, 60),
        ("speed_loss", {"slow": 1.15}, 60),
        ("quality_slide", {"scrap": 10.0}, 60),
    ],
)
def test_what_is_planted_is_found_and_named(kind, planted, within_min):
    got = found(11, fault=(8, 11), **planted).filter(kind=kind)
    assert 1 <= got.height <= 2
    delay = (got["start"][0] - NEXT).total_seconds() / 60 - 480
    assert 0 <= delay <= within_min
    assert got["contributors"][0][0]["deviation"] != 0
    assert got["end"][0] < NEXT + timedelta(hours=16)


def test_rules_are_causal():
    whole = found(11, fault=(8, 11), stops=8.0)
    cut = found(11, until=NEXT + timedelta(hours=10), fault=(8, 11), stops=8.0)
    assert cut["start"][0] == whole["start"][0]
    assert cut["end"][0] is None


def test_a_short_training_day_is_not_judged_by():
    short = learn_habits(*day(1, hours=1), cycles(), DAY, DAY + timedelta(hours=1))
    assert not short.enough
    assert rules.findings(short, *TRAINING, cycles(), DAY, NEXT).is_empty()


def test_slices_add_up_to_the_day():
    episodes, counts = TRAINING
    s = slices(episodes, counts, cycles(), edges_between(DAY, NEXT, 5))
    assert s.producing_s.sum() + s.stopped_s.sum() == pytest.approx(86_400, abs=1)
    total = counts.filter(pl.col("kind") == "total", pl.col("to_time") <= NEXT)["amount"].sum()
    assert s.pieces.sum() == total
    assert s.ideal_s.sum() == pytest.approx(PRI_S * total)
    short = episodes.filter(pl.col("item_state") == 2, pl.col("end") <= NEXT).height
    assert s.micro_stops.sum() == short


def test_scrap_is_total_less_good_where_only_good_is_counted():
    episodes, counts = TRAINING
    edges = edges_between(DAY, NEXT, 60)
    direct = slices(episodes, counts, cycles(), edges)
    derived = slices(episodes, counts.filter(pl.col("kind") != "scrap"), cycles(), edges)
    np.testing.assert_allclose(derived.scrap, direct.scrap)


def test_lost_minutes_are_what_was_planted_beyond_the_training_day():
    episodes, counts = day(21, NEXT, fault=(8, 10), slow=1.5)
    args = (cycles(), NEXT + timedelta(hours=8), NEXT + timedelta(hours=10))
    lost = stake(HABITS, episodes, counts, *args)
    # Two hours at two thirds of the pace, of which about 93 % were producing.
    assert lost.lost_min == pytest.approx(120 * 0.93 * 0.97 / 3, abs=8)
    assert stake(HABITS, *TRAINING, cycles(), DAY, NEXT).lost_min == pytest.approx(0, abs=0.1)
    assert stake(HABITS, episodes, counts.clear(), *args).lost_min > 90


def test_only_warm_producing_rows_are_judged_with_their_product():
    at = [0, 60, 70, 100, 101, 200]
    kinds = [(3, 3), (2, 2), (3, 3), (2, 3), (3, 3)]
    marks = [DAY + timedelta(minutes=m) for m in at]
    spans = zip(marks, marks[1:], kinds, "AABBB", strict=False)
    episodes = pl.DataFrame(
        [
            {**KEY, "start": a, "end": b, "item_state": s, "operation_mode": m, "product_id": p}
            for a, b, (s, m), p in spans
        ],
        schema=schemas.STATE_EPISODES,
    ).with_columns(quality=pl.lit("good"), order_id=pl.lit("O"))
    assert producing_runs(episodes)["from_time"].to_list() == [
        DAY + timedelta(minutes=m) for m in (10, 80, 103)
    ]
    values = pl.DataFrame(
        {"timestamp": [DAY + timedelta(minutes=m) for m in range(210)], "x": 1.0}
    ).with_columns(pl.col("timestamp").cast(schemas.TIME))
    rows = producing_rows(values, episodes)
    minutes = ((rows["timestamp"] - DAY).dt.total_minutes()).to_list()
    # The last minute of a run may have been read after it.
    assert minutes == [*range(10, 59), *range(80, 99), *range(103, 199)]
    assert rows["product_id"].to_list() == ["A"] * 49 + ["B"] * 115


def finding(kind, start_min, end_min, sensor, peak=2.0):
    contributor = dict.fromkeys(CONTRIBUTOR.to_schema())
    at = NEXT + timedelta(minutes=start_min)
    end = None if end_min is None else NEXT + timedelta(minutes=end_min)
    about = {**contributor, "sensor": sensor, "kind": "level", "share": 1.0, "began": at}
    return {"kind": kind, "start": at, "end": end, "peak_score": peak, "contributors": [about]}


OPERATION = Operation(*day(31, NEXT), cycles(), plan(NEXT))


def grouped(*found, operation=OPERATION):
    return events(
        pl.DataFrame(found, schema=FINDINGS),
        key=KEY, operation=operation, habits=HABITS, since=NEXT, until=END,
    )  # fmt: skip


def test_findings_close_together_are_one_event_with_ranked_signals():
    got = grouped(
        finding("signal", 60, 90, "vibration_x", 2.0),
        finding("speed_loss", 100, 160, "parts_total", 4.0),
        finding("signal", 400, None, "coolant_flow", 3.0),
    )
    assert got.schema == ANOMALY_EVENTS
    assert got["kind"].to_list() == ["speed_loss", "signal"]
    assert got["signals"].to_list() == [["parts_total", "vibration_x"], ["coolant_flow"]]
    assert got["state"].to_list() == ["cleared", "new"]
    assert got["end"][1] is None
    assert got["shift_id"].to_list() == ["S1", "S1"]
    assert got["product_id"].to_list() == ["A", "A"]
    assert got["event_id"].n_unique() == 2
    assert (
        got["contributors"]
        .list.eval(pl.element().struct["share"])
        .list.sum()
        .is_between(0.999, 1.001)
        .all()
    )


def test_what_began_the_day_before_is_ongoing_and_maintenance_suppresses():
    got = grouped(finding("signal", -60, None, "x"))
    assert got["state"][0] == "ongoing"
    upkeep = plan(NEXT).with_columns(kind=pl.lit("planned_maintenance"))
    calm = Operation(OPERATION.episodes, OPERATION.increments, OPERATION.cycles, upkeep)
    assert grouped(finding("signal", 60, 90, "x"), operation=calm)["suppressed_by"][0] == (
        "planned_maintenance"
    )
    assert grouped(finding("signal", 60, 90, "x"))["suppressed_by"][0] is None


def test_a_data_gap_is_an_item_of_its_own_and_hides_an_event_within():
    dark = OPERATION.episodes.with_columns(quality=pl.lit("unknown"))
    gaps = data_gaps(dark, END)
    assert gaps["minutes"].sum() == pytest.approx(1440, abs=2 * dark.height)
    assert data_gaps(OPERATION.episodes, END).is_empty()
    hidden = Operation(dark, OPERATION.increments, OPERATION.cycles, OPERATION.plan)
    assert grouped(finding("signal", 60, 90, "x"), operation=hidden)["suppressed_by"][0] == (
        "missing_data"
    )


def test_no_findings_give_an_empty_table():
    assert_frame_equal(grouped(), pl.DataFrame(schema=ANOMALY_EVENTS))


def test_a_signal_finding_says_what_was_seen_and_expected():
    model = detector.fit(plant(4000, seed=1))
    rows = with_fault(plant(3000, seed=2), "step", "temperature_c", 1000, 1500, 6.0)
    got = explain.signal_findings(model, rows, {"temperature_c": "°C"})
    assert got.schema == FINDINGS
    first = got["contributors"][0][0]
    assert (first["sensor"], first["unit"]) == ("temperature_c", "°C")
    assert first["seen"] - first["expected"] == pytest.approx(6.0, abs=1.5)
    assert not first["low"] <= first["seen"] <= first["high"]
    assert first["low"] < first["expected"] < first["high"]
    assert first["began"] >= START + timedelta(seconds=10_000)
    event = {**KEY, "start": got["start"][0], "end": got["end"][0], "signals": ["temperature_c"]}
    frame = pl.DataFrame([{**event, "event_id": "E"}])
    lines = explain.traces(model, rows, frame)
    assert lines.schema == TRACES
    assert 50 < lines.height < 300
    assert (lines["seen"] > lines["high"]).sum() > 10


def test_a_frozen_sensor_is_its_own_kind():
    model = detector.fit(plant(4000, seed=1))
    rows = with_fault(plant(3000, seed=2), "frozen", "pressure_bar", 1000, 1500, 0)
    got = explain.signal_findings(model, rows)
    assert got["kind"].to_list() == ["sensor_frozen"]
    assert advice.check(got["kind"][0], got["contributors"][0].to_list())[1].startswith(
        "The reading is frozen"
    )


@pytest.mark.parametrize(
    ("sensor", "unit", "family"),
    [
        ("vibration_x", None, "vibration"),
        ("bearing_temperature_de", "°C", "temperature"),
        ("coolant_flow", "l/min", "coolant"),
        ("drive_torque", "N·m", "current"),
        ("supply_voltage", "V", "voltage"),
        ("q17", "bar", "pressure"),
        ("q17", None, "other"),
        ("login_attempts", None, "other"),
        ("unload_speed", "rpm", "speed"),
        ("bar_feeder_position", "mm", "other"),
        ("vibration_mm_s", None, "vibration"),
        ("q18", "°C", "temperature"),
        ("q19", "mm/s", "vibration"),
    ],
)
def test_families_of_signals(sensor, unit, family):
    assert advice.family(sensor, unit) == family
    zh, en = advice.check("signal", [{"sensor": sensor, "unit": unit, "kind": "level"}])
    assert zh
    assert en.isascii()


def test_what_machines_show_together_is_looked_for_at_what_they_share():
    part = {"sensor": "supply_voltage", "unit": "V", "kind": "together"}
    assert advice.check("signal", [part]) == advice.shared_check("supply_voltage", "V")
    assert advice.check("signal", [part]) != advice.check("signal", [{**part, "kind": "level"}])
