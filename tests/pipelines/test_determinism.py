"""The same figures to the bit: again, in any order, with either engine, on one thread or two."""

import os
import subprocess
import sys
from datetime import timedelta

import polars as pl
import pytest

from pipelines import losses, oee
from tests.pipelines import computed, fleet_world, plant

RUNS = 5


def frames(factory):
    return {name: getattr(factory, name) for name in computed.INPUT}


@pytest.fixture(scope="module")
def stored(world, tmp_path_factory):
    """A factory with resets and Bad values as files, and the hash of its figures."""
    folder = tmp_path_factory.mktemp("stored")
    for name, frame in frames(world.factories[2]).items():
        frame.write_parquet(folder / f"{name}.parquet")
    return folder, computed.of(frames(world.factories[2]))


@pytest.mark.parametrize("number", range(3))
def test_shuffled_input_gives_the_same_bits(world, number):
    given = frames(world.factories[number])
    assert {computed.of(given, seed) for seed in range(3)} == {computed.of(given)}


@pytest.mark.parametrize("engine", ["streaming", "in-memory"])
@pytest.mark.parametrize("threads", [1, 2])
def test_engines_and_threads_give_the_same_bits(stored, engine, threads):
    """Twenty runs in all, the rows of each in another order."""
    folder, expected = stored
    env = os.environ | {"POLARS_ENGINE_AFFINITY": engine, "POLARS_MAX_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-m", "tests.pipelines.computed", str(folder), str(RUNS)],
        env=env, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stdout.split() == [expected] * RUNS


@pytest.mark.parametrize("number", range(3))
def test_day_by_day_with_carry_gives_the_bits_of_all_days_at_once(world, number):
    """A rollover, a skewed clock, resets by shift and unannounced: none minds a midnight."""
    factory = world.factories[number]
    first = fleet_world.ANCHOR.date() - timedelta(days=fleet_world.DAYS + 5)
    days = [first + timedelta(days=n) for n in range(fleet_world.DAYS + 8)]
    parts = plant.by_day(factory.raw, factory.tags, factory.cycles, days)
    episodes, made = map(pl.concat, zip(*parts, strict=True))
    whole = computed.silver(factory.raw, factory.tags, factory.cycles)
    more = factory.plan, factory.cycles, factory.coverage, factory.tags
    for of in (oee.by_shift, losses.by_shift):
        assert computed.digest(of(episodes, made, *more)) == computed.digest(of(*whole, *more))
