"""Fitting and scoring every case of a kind of plant, in processes of their own."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from multiprocessing import get_context
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.plants import Plant
from models import detector
from models.controls import controls, score_events
from models.episodes import event_ids
from models.evaluate import events_of
from models.measures import Counts, counts, vus_pr
from models.scaling import Floats

OURS: Final = "ours"
KEY: Final = "case"
SLACK_ROWS: Final = {"rig": 20, "waterworks": 24, "chemical": 10, "spacecraft": 10}
"""Rows after a fault in which an event still finds it: tanks take a day to be as before."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One contender on one case."""

    score: Floats
    events: pl.DataFrame
    counts: Counts
    vus_pr: float | None
    fit_s: float
    score_s: float


@dataclass(frozen=True, slots=True)
class Run:
    """One case with every contender, ours first."""

    case: str
    faults: pl.DataFrame
    times: pl.Series
    step: timedelta
    spans: list[tuple[int, int]]
    judged: dict[str, Judged]

    @property
    def faulty(self) -> npt.NDArray[np.bool_]:
        """Which rows are within a fault."""
        rows = np.zeros(len(self.times), dtype=np.bool_)
        for first, last in self.spans:
            rows[first : last + 1] = True
        return rows

    def again(self, contender: str, threshold: float) -> Judged:
        """A contender with another threshold; its score is what it was."""
        had = self.judged[contender]
        score = had.score / threshold
        alarm = event_ids(score) > 0
        events = score_events(score, self.times, self.case).rename({"work_unit_id": KEY})
        tally = counts(alarm, self.faulty)
        return Judged(score, events, tally, had.vus_pr, had.fit_s, had.score_s)


def runs(
    name: str,
    seeds: tuple[int, ...],
    *,
    with_controls: bool,
    jobs: int,
    until: float,
    progress: Callable[[int, int], None],
) -> list[Run]:
    """Every case of the seeds, in order; none is begun after `until` (of time.monotonic)."""
    module = import_module(f"benchmarks.plants.{name}")
    asked = [(name, seed, number) for seed in seeds for number in range(module.CASES)]
    row = _fixed_row(name, seeds) if with_controls else 0
    done: dict[int, Run] = {}
    for place, run in _worked(asked, row if with_controls else None, jobs, until):
        done[place] = run
        progress(len(done), len(asked))
    return [done[place] for place in sorted(done)]


def _worked(
    asked: list[tuple[str, int, int]], row: int | None, jobs: int, until: float
) -> Iterator[tuple[int, Run]]:
    if jobs == 1:
        for place, one in enumerate(asked):
            if time.monotonic() > until:
                return
            yield place, run_case(*one, row)
        return
    # spawn: a forked Polars may wait for a thread that is not there.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        started = {pool.submit(run_case, *one, row): i for i, one in enumerate(asked)}
        try:
            for ended in as_completed(started, timeout=max(until - time.monotonic(), 1.0)):
                yield started[ended], ended.result()
        except TimeoutError:
            pool.shutdown(cancel_futures=True)


def run_case(name: str, seed: int, number: int, row: int | None) -> Run:
    """One case, generated here; `row` is where the control that reads nothing alarms."""
    plant: Plant = import_module(f"benchmarks.plants.{name}").case(seed, number)
    test, times = plant.test, plant.test["timestamp"]
    run = Run(
        plant.case,
        plant.faults.with_columns(pl.lit(plant.case).alias(KEY)),
        times,
        times[1] - times[0],
        [_rows(times, fault) for fault in plant.faults.iter_rows(named=True)],
        {},
    )
    faulty = run.faulty
    begun = time.perf_counter()
    model = detector.fit(plant.train)
    fitted = time.perf_counter()
    scored = model.score(test)
    ended = time.perf_counter()
    score = scored["score"].to_numpy()
    alarm = scored["is_anomaly"].to_numpy()
    run.judged[OURS] = Judged(
        score, events_of(scored, plant.case, KEY), counts(alarm, faulty), vus_pr(score, faulty),
        fitted - begun, ended - fitted,
    )  # fmt: skip
    if row is None:
        return run
    begun = time.perf_counter()
    # Each learns its own, and the time is shared out evenly.
    scorers = controls(plant.train, seed=1_000 * seed + number, row=row)
    fit_s = (time.perf_counter() - begun) / len(scorers)
    for control, scorer in scorers.items():
        begun = time.perf_counter()
        score = np.asarray(scorer(test), dtype=np.float64)
        score_s = time.perf_counter() - begun
        run.judged[control] = Judged(
            score, pl.DataFrame(), Counts(0, 0, 0, 0), vus_pr(score, faulty), fit_s, score_s
        )
        run.judged[control] = run.again(control, 1.0)
    return run


def _rows(times: pl.Series, fault: dict[str, Any]) -> tuple[int, int]:
    first = times.search_sorted(fault["start"], "left")
    return int(first), int(times.search_sorted(fault["end"], "right")) - 1


def _fixed_row(name: str, seeds: tuple[int, ...]) -> int:
    """The row at which most faults have just begun or are soon to: the best that knows nothing."""
    module = import_module(f"benchmarks.plants.{name}")
    starts = [
        _rows(plant.test["timestamp"], fault)[0]
        for seed in seeds
        for plant in module.cases(seed)
        for fault in plant.faults.head(1).iter_rows(named=True)
    ]
    return int(np.median(starts)) if starts else 0
