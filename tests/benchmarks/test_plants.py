from importlib import import_module

import numpy as np
import polars as pl
import pytest

from benchmarks import plants
from benchmarks.plants import DEVELOPMENT, FAULTS, HELD_OUT, PLANTS, parts

ROWS = {
    "rig": ((400, 400), (700, 1_000), 8),
    "waterworks": ((92 * 24, 386 * 24), (80 * 24, 120 * 24), None),
    "chemical": ((500, 500), (960, 960), 52),
    "spacecraft": ((1_500, 3_000), (3_000, 8_000), None),
}
NUMBERS = {
    "rig": range(0, 30, 3),
    "waterworks": (0,),
    "chemical": (0, 1, 6),
    "spacecraft": range(0, 25, 3),
}


def some(name, seed=1):
    module = import_module(f"benchmarks.plants.{name}")
    return [module.case(seed, number) for number in NUMBERS[name]]


def test_held_out_seeds_are_no_development_seeds():
    assert not set(DEVELOPMENT) & set(HELD_OUT)


@pytest.mark.parametrize("name", PLANTS)
def test_cases_are_of_the_promised_shape(name):
    (least, most), (shortest, longest), sensors = ROWS[name]
    for one in some(name):
        assert least <= one.train.height <= most
        assert shortest <= one.test.height <= longest
        assert one.train.schema == one.test.schema
        assert one.test.schema["timestamp"] == pl.Datetime("us", "UTC")
        assert sensors in (None, one.test.width - 1)
        for frame in (one.train, one.test):
            assert frame["timestamp"].is_sorted()
            assert np.isfinite(frame.drop("timestamp").to_numpy()).all()
        assert one.train["timestamp"][-1] < one.test["timestamp"][0]
        assert one.faults.schema == FAULTS
        for fault in one.faults.iter_rows(named=True):
            assert one.test["timestamp"][0] <= fault["start"] < fault["end"]
            assert fault["end"] <= one.test["timestamp"][-1]
            assert set(fault["signals"]) <= set(one.test.columns)
            assert fault["signals"]
            assert fault["magnitude"] is None or fault["magnitude"] > 0


@pytest.mark.parametrize("name", PLANTS)
def test_the_same_seed_is_the_same_plant_and_another_is_not(name):
    module = import_module(f"benchmarks.plants.{name}")
    one, other = module.case(2, 0), module.case(2, 0)
    for part in ("train", "test", "faults"):
        assert getattr(one, part).equals(getattr(other, part))
    assert next(plants.cases(name, 2)).test.equals(one.test)
    another = module.case(3, 0)
    assert not one.train.head(50).drop("timestamp").equals(another.train.head(50).drop("timestamp"))


@pytest.mark.parametrize("name", PLANTS)
def test_before_its_first_fault_a_plant_is_what_it_would_be_without(name):
    module = import_module(f"benchmarks.plants.{name}")
    is_changed = []
    for number in NUMBERS[name]:
        faulty, sound = module.case(1, number), module.case(1, number, is_faulty=False)
        assert sound.faults.is_empty()
        assert faulty.train.equals(sound.train)
        start = faulty.faults["start"].min()
        if start is None:
            assert faulty.test.equals(sound.test)
            continue
        before = pl.col("timestamp") < start
        assert faulty.test.filter(before).equals(sound.test.filter(before))
        is_changed.append(not faulty.test.equals(sound.test))
    assert is_changed
    assert all(is_changed)


@pytest.mark.parametrize("name", ["rig", "spacecraft"])
def test_a_fault_changes_its_signals_and_no_others(name):
    module = import_module(f"benchmarks.plants.{name}")
    for number in NUMBERS[name]:
        faulty, sound = module.case(1, number), module.case(1, number, is_faulty=False)
        touched = {s for signals in faulty.faults["signals"] for s in signals}
        changed = {c for c in sound.test.columns if not faulty.test[c].equals(sound.test[c])}
        assert changed <= touched


def test_a_rigs_fault_has_its_magnitude():
    module = import_module("benchmarks.plants.rig")
    for number in (5, 13):  # leak: pressure falls by the magnitude
        faulty, sound = module.case(1, number), module.case(1, number, is_faulty=False)
        (fault,) = faulty.faults.iter_rows(named=True)
        inside = pl.col("timestamp").is_between(fault["start"], fault["end"])
        off = faulty.test.filter(inside)["pressure_bar"] - sound.test.filter(inside)["pressure_bar"]
        # The rig's own pressure deviates by 0.014 to 0.03 bar.
        assert 0.010 < abs(off.min()) / fault["magnitude"] < 0.05


def test_control_hides_a_load_in_the_controlled_variable_and_shows_it_in_the_valve():
    module = import_module("benchmarks.plants.chemical")
    numbers = [n for n in range(20) if module.KINDS[(n + 1) % len(module.KINDS)] == "compensated"]
    number = next(n for n in numbers if n not in module.HEALTHY)
    faulty, sound = module.case(1, number), module.case(1, number, is_faulty=False)
    late = slice(700, 960)

    def off(column):
        size = parts.robust(sound.train[column].to_numpy())
        change = faulty.test[column].to_numpy()[late] - sound.test[column].to_numpy()[late]
        return abs(change.mean()) / size

    valves = [f"xmv_{i:02}" for i in range(1, 12)]
    valve = max(valves, key=off)
    controlled = f"xmeas_{valve[-2:]}"
    assert off(valve) > 5 * off(controlled)


def test_tanks_are_neither_empty_nor_full_while_all_is_well():
    sound = import_module("benchmarks.plants.waterworks").case(1, 0, is_faulty=False)
    for name in [c for c in sound.train.columns if c.startswith("level")]:
        level = sound.train[name]
        assert 0.5 < level.min() < level.max() < 4.9
