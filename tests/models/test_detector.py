import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plants import SENSORS, plant, with_fault
from polars.testing import assert_frame_equal

from models import detector
from models.errors import ModelError, ModelFileError, TableError, TrainingError

TRAIN = plant(3600, seed=1)
MODEL = detector.fit(TRAIN)
FAULTY = with_fault(plant(2400, seed=2), "drift", "vibration_mm_s", 1000, 1800, 1.0)
SCORED = MODEL.score(FAULTY)


def alarmed(frame: pl.DataFrame) -> pl.DataFrame:
    return MODEL.score(frame).with_row_index().filter("is_anomaly")


@settings(max_examples=15, deadline=None)
@given(st.integers(0, FAULTY.height))
def test_no_row_depends_on_a_later_one(k):
    assert_frame_equal(MODEL.score(FAULTY[:k]), SCORED[:k], check_exact=True)


def test_two_fits_and_two_scorings_are_the_same_bits():
    assert_frame_equal(detector.fit(TRAIN).score(FAULTY), SCORED, check_exact=True)


def test_score_gives_one_row_per_row_with_the_promised_columns():
    assert SCORED.columns == ["timestamp", "score", "is_anomaly", "event_id", "contributors"]
    assert SCORED["timestamp"].equals(FAULTY["timestamp"])
    assert SCORED["score"].is_finite().all()
    outside = SCORED.filter(~pl.col("is_anomaly"))
    assert outside["event_id"].null_count() == outside.height
    assert outside["contributors"].list.len().sum() == 0
    inside = SCORED.filter("is_anomaly")
    shares = inside["contributors"].list.eval(pl.element().struct["share"])
    assert shares.list.sum().is_between(0.99, 1.0001).all()
    assert (shares == shares.list.sort(descending=True)).all()


@pytest.mark.parametrize(
    ("kind", "sensor", "size", "rows"),
    [
        ("step", "pressure_bar", 0.4, 30),
        ("step", "temperature_c", 8.0, 30),
        ("drift", "vibration_mm_s", 1.0, 400),
        ("drift", "temperature_c", 6.0, 800),
        ("frozen", "temperature_c", 0.0, 60),
        ("frozen", "load_kw", 0.0, 60),
        ("noisy", "speed_rpm", 90.0, 200),
    ],
)
def test_a_planted_fault_is_found_in_time_and_named(kind, sensor, size, rows):
    found = alarmed(with_fault(plant(2400, seed=3), kind, sensor, 1000, 2000, size))
    assert found["index"].min() - 1000 in range(rows)
    late = found.filter(pl.col("index") < 2000)[-1]
    named = [c["sensor"] for c in late["contributors"][0][:3]]
    assert sensor in named


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_a_healthy_week_under_changing_load_raises_no_alarm(seed):
    assert alarmed(plant(60_480, seed=seed)).is_empty()


@pytest.mark.parametrize("rows", [300, 350, 450, 700])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_short_training_gives_few_events_in_two_healthy_days(rows, seed):
    model = detector.fit(plant(rows, seed=100 + seed))
    assert model.score(plant(17_280, seed=200 + seed))["event_id"].n_unique() - 1 <= 4
    assert rows > 605 or any("too few to promise" in note for note in model.notes)


def test_a_start_is_not_quiet():
    for frame in (plant(200, seed=20), plant(200, seed=21)):
        assert MODEL.score(frame)["score"].max() < 0.9


def test_a_drifting_plant_is_followed_not_alarmed_on():
    def wander(frame, seed):
        walk = np.cumsum(np.random.default_rng(seed).normal(0, 0.01, frame.height))
        return frame.with_columns(pl.col("pressure_bar") + pl.Series(walk))

    model = detector.fit(wander(plant(8000, seed=4), 1))
    scored = model.score(wander(plant(8000, seed=5), 2))
    assert scored["is_anomaly"].mean() < 0.01


def test_holes_constants_and_repeated_times_are_tolerated():
    rng = np.random.default_rng(5)

    def worn(frame):
        holes = pl.Series(rng.random(frame.height) < 0.05)
        return frame.with_columns(
            pl.when(holes).then(None).otherwise(pl.col("flow_l_min")).alias("flow_l_min"),
            pl.when(holes.shift(3)).then(float("inf")).otherwise("load_kw").alias("load_kw"),
            pl.lit(7).alias("setpoint"),
            pl.lit(None, dtype=pl.Float64).alias("dead"),
            pl.col("timestamp").dt.truncate("1m"),
        )

    model = detector.fit(worn(TRAIN))
    scored = model.score(worn(plant(4000, seed=6)))
    assert scored["score"].is_finite().all()
    assert not scored["is_anomaly"].any()
    notes = " ".join(model.notes)
    assert "constant in training, judged only when they move: setpoint" in notes
    assert "300 are needed, spread over the rows): dead (0)" in notes
    assert notes.count("dead") == 1


def test_a_sensor_first_seen_after_training_is_not_judged():
    model = detector.fit(TRAIN.with_columns(dead=pl.lit(None, pl.Float64)))
    fresh = plant(3000, seed=6).with_columns(dead=pl.int_range(3000) * 0.1)
    assert model.sensors == tuple(SENSORS)
    assert not model.score(fresh)["is_anomaly"].any()


@pytest.mark.parametrize("known", [0, 3, 50, 200])
def test_few_known_values_are_no_training(known):
    every = pl.int_range(3600) % (3600 // max(known, 1)) == 0
    sparse = TRAIN.with_columns(
        pl.when(every & (known > 0)).then(s).alias(s) for s in ("flow_l_min", "load_kw")
    )
    model = detector.fit(sparse)
    assert set(SENSORS) - set(model.sensors) == {"flow_l_min", "load_kw"}
    assert not model.score(plant(3600, seed=6))["is_anomaly"].any()
    nothing = detector.fit(TRAIN.with_columns(pl.when(every).then(s).alias(s) for s in SENSORS))
    if known:
        assert nothing.base is None
        assert not nothing.score(plant(3600, seed=6))["is_anomaly"].any()


def test_values_of_one_fold_alone_are_no_training():
    once = TRAIN.with_columns(pl.when(pl.int_range(3600) < 700).then("load_kw").alias("load_kw"))
    assert "load_kw" not in detector.fit(once).sensors


def test_times_that_run_backwards_are_refused():
    for wrong, row in ((TRAIN.reverse(), 2), (pl.concat([TRAIN[:900], TRAIN[10:]]), 901)):
        with pytest.raises(TrainingError, match=f"times run backwards at row {row}; sort"):
            detector.fit(wrong)
        with pytest.raises(TableError, match=f"times run backwards at row {row}; sort"):
            MODEL.score(wrong)
    holed = TRAIN.with_columns(
        pl.when(pl.int_range(3600) != 5).then("timestamp").alias("timestamp")
    )
    MODEL.score(holed)


@pytest.mark.parametrize(("unit", "per_s"), [("milli", 1e3), ("micro", 1e6), ("nano", 1e9)])
def test_the_unit_of_numeric_times_is_seen_in_their_size(unit, per_s):
    ticks = TRAIN["timestamp"].dt.epoch("s") * int(per_s)
    model = detector.fit(TRAIN.with_columns(ticks.alias("timestamp")))
    assert (model.bounds.limits == MODEL.bounds.limits).all()
    assert f"taken as {unit}seconds" in " ".join(model.notes)
    seconds = TRAIN.with_columns(pl.col("timestamp").dt.epoch("s"))
    assert detector.fit(seconds).notes == MODEL.notes


def test_kinds_have_the_same_columns_learned_or_not():
    assert MODEL.kinds(FAULTY).schema == detector.fit(TRAIN[:10]).kinds(FAULTY).schema


def test_one_sensor_is_enough():
    one = ["timestamp", "pressure_bar"]
    model = detector.fit(TRAIN.select(one))
    assert not model.score(plant(4000, seed=7).select(one))["is_anomaly"].any()
    stepped = with_fault(plant(2000, seed=8), "step", "pressure_bar", 1000, 1600, 3.0)
    assert model.score(stepped.select(one))[1000:1030]["is_anomaly"].any()


def test_a_constant_that_moves_is_one_finding_that_passes():
    fixed = TRAIN.with_columns(setpoint=pl.lit(80.0))
    model = detector.fit(fixed)
    moved = plant(2400, seed=9).with_columns(
        setpoint=pl.when(pl.int_range(2400) < 1200).then(80.0).otherwise(95.0)
    )
    found = model.score(moved).with_row_index().filter("is_anomaly")
    assert found["event_id"].n_unique() == 1
    assert found["index"].min() in range(1200, 1210)
    assert found["index"].max() < 1500
    assert found["contributors"][0][0]["sensor"] == "setpoint"


def test_when_everything_stands_still_it_is_the_data_that_stopped():
    stopped = plant(1200, seed=10).with_columns(
        pl.when(pl.int_range(1200) < 600).then(s).otherwise(pl.col(s).get(600)).alias(s)
        for s in SENSORS
    )
    ratios, _, _ = MODEL.ratios(stopped)
    assert detector.ch.frozen(MODEL.base, detector.matrix(stopped, SENSORS)).max() < 1
    assert np.isfinite(ratios).all()


def test_too_few_rows_are_said_aloud_and_not_alarmed_on():
    model = detector.fit(TRAIN[:200])
    assert "only 200 training rows" in model.notes[0]
    assert not model.score(FAULTY)["is_anomaly"].any()
    assert model.score(FAULTY[:0]).height == 0


def test_a_product_has_levels_of_its_own_and_a_new_one_is_learned_first():
    def by_product(frame, products):
        product = pl.Series("product_id", products)
        lift = product.replace_strict({"A": 0.0, "B": 5.0, "C": -4.0}, return_dtype=pl.Float64)
        return frame.with_columns(product, pl.col("pressure_bar") + lift)

    train = by_product(plant(4000, seed=1), ["A"] * 2000 + ["B"] * 2000)
    model = detector.fit(train, context="product_id")
    change = by_product(plant(3000, seed=2), ["B"] * 1000 + ["A"] * 1000 + ["C"] * 1000)
    scored = model.score(change)
    assert not scored["is_anomaly"][:2000].any()
    assert scored["score"][2000:2040].max() == 0
    assert_frame_equal(model.score(change)[:2050], model.score(change[:2050]), check_exact=True)
    wrong = change.with_columns(product_id=pl.lit("A"))
    assert model.score(wrong)["is_anomaly"].any()


def drifting(rows, seed, until=3.0):
    """A plant whose pressure goes up steadily."""
    lift = np.linspace(0, until, rows)
    return plant(rows, seed=seed).with_columns(pl.col("pressure_bar") + pl.Series(lift))


def test_update_gives_a_new_model_and_leaves_the_old_one():
    model = detector.fit(drifting(3600, seed=1))
    rows = drifting(3600, seed=3).with_columns(pl.col("pressure_bar") + 3.0)
    before, newer = model.score(rows), model.update(rows)
    at = model.sensors.index("pressure_bar")
    assert newer.base.level_slow.start[at] > model.base.level_slow.start[at]
    assert newer.rows_seen == model.rows_seen + 3600
    assert_frame_equal(model.score(rows), before, check_exact=True)


def test_a_violating_sensor_alone_stops_adapting():
    both = drifting(3600, seed=1).with_columns(flow_l_min=drifting(3600, 2)["pressure_bar"])
    model = detector.fit(both)
    went_on = (pl.col("pressure_bar") + 3.0, pl.col("flow_l_min") + 3.0)
    rows = both.with_columns(*went_on)
    broken = with_fault(rows, "step", "flow_l_min", 300, 3600, 60.0)
    usual, newer = model.update(rows), model.update(broken)
    still, follows = (model.sensors.index(name) for name in ("flow_l_min", "pressure_bar"))
    assert abs(newer.base.level_slow.start[still] - usual.base.level_slow.start[still]) > 0
    assert newer.base.level_slow.start[still] < usual.base.level_slow.start[still] + 5
    assert newer.base.level_slow.start[follows] == usual.base.level_slow.start[follows]


def test_save_and_load_give_the_same_scores_and_no_pickle(tmp_path):
    path = tmp_path / "machine.model"
    MODEL.save(path)
    assert_frame_equal(detector.load(path).score(FAULTY), SCORED, check_exact=True)
    twin = tmp_path / "twin.model"
    detector.load(path).save(twin)
    assert twin.read_bytes() == path.read_bytes()
    with np.load(path, allow_pickle=False) as members:
        assert all(members[name].dtype != object for name in members.files)


def test_an_unlearned_model_can_be_saved(tmp_path):
    detector.fit(TRAIN[:10]).save(tmp_path / "m")
    assert detector.load(tmp_path / "m").notes == detector.fit(TRAIN[:10]).notes


def test_a_file_of_another_schema_is_refused_in_one_line(tmp_path):
    other = tmp_path / "other.npz"
    with other.open("wb") as file:
        np.savez(file, about=np.array(json.dumps({"schema": "parkpulse-detector-0"})))
    with pytest.raises(ModelFileError, match="schema 'parkpulse-detector-0'"):
        detector.load(other)
    other.write_bytes(b"nonsense")
    with pytest.raises(ModelFileError, match="not a ParkPulse model") as caught:
        detector.load(other)
    assert "\n" not in str(caught.value)


def test_bad_input_is_named():
    with pytest.raises(TrainingError, match="no time column 'timestamp'"):
        detector.fit(TRAIN.rename({"timestamp": "t"}))
    with pytest.raises(TrainingError, match="no numeric sensor column"):
        detector.fit(TRAIN.select("timestamp"))
    with pytest.raises(ModelError, match="none of the model's sensors"):
        MODEL.score(TRAIN.select("timestamp"))
