"""Figures of stored frames, as text to the last bit: `python -m tests.pipelines.computed DIR RUNS`.

Each run shuffles every input anew. Prints one hash per run.
"""

import sys
from hashlib import sha256
from pathlib import Path

import polars as pl

from pipelines import bronze, clock, counters, losses, oee, states

INPUT = ("raw", "tags", "plan", "cycles", "coverage")


def silver(raw, tags, cycles):
    compacted = bronze.compact(raw)
    timed = clock.correct(compacted, clock.skew_by_day(compacted))
    return states.episodes(timed, tags), counters.increments(timed, tags, cycles)


def digest(*frames: pl.DataFrame) -> str:
    """A hash of all columns, floats in full."""
    return sha256("".join(frame.write_csv() for frame in frames).encode()).hexdigest()


def of(frames, seed: int | None = None) -> str:
    """The hash of OEE and losses by shift; with a seed the rows of all input are shuffled."""
    mixed = {
        name: frame if seed is None else frame.sample(fraction=1, shuffle=True, seed=seed)
        for name, frame in frames.items()
    }
    raw, tags, plan, cycles, coverage = (mixed[name] for name in INPUT)
    episodes, made = silver(raw, tags, cycles)
    given = episodes, made, plan, cycles, coverage, tags
    return digest(oee.by_shift(*given), losses.by_shift(*given))


if __name__ == "__main__":
    stored = {name: pl.read_parquet(Path(sys.argv[1]) / f"{name}.parquet") for name in INPUT}
    for run in range(int(sys.argv[2])):
        print(of(stored, run))
