"""Speed of features and scoring at 1 Hz x 100 sensors: `python -m benchmarks.features`.

Windows beside the bare read of their columns, `Detector.score` beside its estimators alone, a
fleet's day, the fit of a machine's week. What is too long to run whole is extrapolated, and said.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
import polars as pl

from benchmarks.plants.parts import lagged, wander
from benchmarks.rounds import (
    Contender,
    DisagreementError,
    Measurement,
    Result,
    Sheet,
    Target,
    verdict,
)
from benchmarks.rounds import run as take_turns
from models import channels, detector
from models.detector import Detector
from models.features import STATISTICS, window_features
from models.fitting import STRETCH, STRETCHES
from models.scaling import Floats

SENSORS: Final = 100
DAY: Final = 86_400
WEEK: Final = 7 * DAY
FLEET: Final = 200
MACHINES: Final = 4
"""Machines of a fleet's day that are scored unless all are asked for."""

LEARNED: Final = 30_720
"""Rows a model of the speed runs learns from: enough for every span it has to judge."""

SCORED: Final = 21_600
BATCHES: Final = (1_024, 4_096, 16_384, 65_536)
MOST_WINDOWS: Final = 2.5
MOST_SCORE: Final = 2.0
MOST_FLEET_S: Final = 600.0
MOST_FIT_S: Final = 60.0
TRIED: Final = 20_000
"""Rows of the first fit: where it says that the week takes over PATIENCE_S, no more are fitted."""
PATIENCE_S: Final = 120.0
START: Final = datetime(2026, 11, 20, tzinfo=UTC)
SMALL: Final = 1e-9


def machine(rows: int, seed: int, sensors: int = SENSORS) -> pl.DataFrame:
    """A machine at 1 Hz: load in steps, sensors that follow it at once or lag, two decimals."""
    rng = np.random.default_rng(seed)
    load = np.repeat(rng.uniform(20, 40, rows // 600 + 1), 600)[:rows]
    drivers = [load, lagged(load, 120), wander(rng, rows, 3_600, 5.0)]
    columns = {}
    for number in range(sensors):
        follows = drivers[number % len(drivers)] * rng.uniform(0.2, 2)
        columns[f"s{number:03}"] = np.round(50 + follows + rng.normal(0, 0.5, rows), 2)
    last = START + timedelta(seconds=rows - 1)
    second = timedelta(seconds=1)
    times = pl.datetime_range(START, last, second, time_unit="us", time_zone="UTC", eager=True)
    return pl.DataFrame({"timestamp": times} | columns)


def windows(folder: Path) -> Measurement:
    """A machine's day from Parquet to features by minute, and the bare read of it."""
    path = folder / "day.parquet"
    frame = machine(DAY, 1)
    frame.write_parquet(path)
    _agree(window_features(frame), frame)
    return Measurement(
        f"features of {DAY:,} rows x {SENSORS}",
        [
            Contender("window_features", lambda: window_features(pl.read_parquet(path))),
            Contender("group_by_dynamic", lambda: _dynamic(pl.read_parquet(path))),
            Contender("bare read of the columns", lambda: pl.read_parquet(path)),
        ],
        f"{len(STATISTICS) * SENSORS} features of every minute agree with group_by_dynamic",
        targets=[Target("window_features", "bare read of the columns", MOST_WINDOWS)],
    )


def score(folder: Path) -> Measurement:
    """`Detector.score` beside what it is made of, each at its best batch size."""
    model = detector.fit(machine(LEARNED, 2))
    frame = machine(SCORED, 3)
    return Measurement(
        f"scoring {SCORED:,} rows x {SENSORS}",
        [
            Contender("Detector.score", lambda: model.score(frame)),
            Contender("its estimators alone", lambda: alone(model, frame), True),
        ],
        f"estimators timed one by one, the best of batches of {_listed(BATCHES)} rows each",
        targets=[Target("Detector.score", "its estimators alone", MOST_SCORE)],
    )


def fleet(machines: int = MACHINES) -> Sheet:
    """A day of so many machines, generated and scored one after the other on two cores."""
    model = detector.fit(machine(LEARNED, 2))
    jobs = min(2, machines)
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        taken = list(pool.map(partial(_a_day, model), range(machines)))
    spent = sum(taken) / jobs
    whole = spent * FLEET / machines
    said = (
        f"fleet's day: {FLEET} machines in {MOST_FLEET_S:.0f} s on 2 cores: "
        f"{verdict(whole <= MOST_FLEET_S)} ({whole:.0f} s"
        + ("" if machines == FLEET else f", extrapolated from {machines} machines")
        + f"); generating the rows is not in it; {os.getloadavg()[0]:.1f} processes were running"
    )
    rows = [Result(f"{machines} machines", spent, "s"), Result(f"{FLEET} machines", whole, "s")]
    return Sheet(f"scoring a day of 1 Hz x {SENSORS}", rows, [said])


def fitting() -> Sheet:
    """The fit of a machine's week; where that is too long, of a part of it, in proportion.

    A fit learns from STRETCHES of the rows and no more: that is what a part is in proportion to.
    """
    rows, frame = TRIED, machine(TRIED, 4)
    taken = _timed(lambda: detector.fit(frame))
    more = min(WEEK, STRETCHES * STRETCH) / TRIED
    if taken * more <= PATIENCE_S:
        rows, more, frame = WEEK, 1.0, machine(WEEK, 4)
        taken = _timed(lambda: detector.fit(frame))
    whole = taken * more
    said = (
        f"fit of a machine's week: {MOST_FIT_S:.0f} s: {verdict(whole <= MOST_FIT_S)} "
        f"({whole:.0f} s" + ("" if rows == WEEK else f", in proportion to {rows:,} rows") + ")"
    )
    return Sheet(
        f"fitting 1 Hz x {SENSORS}",
        [Result(f"{rows:,} rows", taken, "s"), Result(f"{WEEK:,} rows", whole, "s")],
        [said],
    )


def alone(model: Detector, frame: pl.DataFrame) -> float:
    """Summed seconds of a detector's estimators, each at its best batch size.

    A detector that lists its own (`estimators(frame)`, by name) is asked; else they are these.
    """
    named: Callable[[pl.DataFrame], dict[str, Callable[[], Any]]] = getattr(
        model, "estimators", partial(estimators, model)
    )
    best: dict[str, float] = {}
    for batch in {min(batch, frame.height) for batch in BATCHES}:
        spent: dict[str, float] = {}
        for part in frame.iter_slices(batch):
            for name, work in named(part).items():
                spent[name] = spent.get(name, 0.0) + _timed(work)
        best = {name: min(s, best.get(name, s)) for name, s in spent.items()}
    return sum(best.values())


def estimators(model: Detector, frame: pl.DataFrame) -> dict[str, Callable[[], Any]]:
    """What the detector computes of rows: levels, neighbours, channels, standing, moving."""
    base = model.base
    if base is None:
        raise DisagreementError("the model of the speed run judges nothing")
    rows = model.rows(frame)
    z = base.deviations(rows)
    parts = channels.Parts.of(base, z, rows.seconds)
    return {
        "levels": lambda: base.deviations(rows),
        "neighbours": lambda: base.split(z, rows.seconds),
        "slow baselines": lambda: base.residual_slow.follow(parts.rest),
        "channels": lambda: _drained(channels.channels(base, parts, model.spans)),
        "frozen": lambda: channels.frozen(base, rows.values),
        "moved": lambda: channels.moved(base, z),
    }


def _drained(found: Iterator[tuple[str, int, Floats]]) -> None:
    for _ in found:
        pass


def _a_day(model: Detector, seed: int) -> float:
    frame = machine(DAY, 1_000 + seed)
    return _timed(lambda: model.score(frame))


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _dynamic(frame: pl.DataFrame) -> pl.DataFrame:
    values = pl.exclude("timestamp")
    asked = [getattr(values, s)().name.suffix(f"_{s}") for s in STATISTICS]
    return frame.group_by_dynamic("timestamp", every="60s").agg(asked)


def _agree(ours: pl.DataFrame, frame: pl.DataFrame) -> None:
    theirs = _dynamic(frame)
    if ours.columns != theirs.columns or not ours["timestamp"].equals(theirs["timestamp"]):
        raise DisagreementError("window features: other windows or columns than group_by_dynamic")
    one, other = (f.drop("timestamp").to_numpy() for f in (ours, theirs))
    if float(np.abs(one - other).max()) > SMALL * float(np.abs(other).max()):
        raise DisagreementError("window features: other figures than group_by_dynamic")


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(f"{n:,}" for n in numbers)


@click.command()
@click.option("--machines", type=click.IntRange(1, FLEET), default=MACHINES, show_default=True)
@click.option("--rounds", type=click.IntRange(1, 20), default=3, show_default=True)
def main(machines: int, rounds: int) -> None:
    """Speed of features and scoring, in ratios of one run; says which targets are held."""
    with tempfile.TemporaryDirectory(prefix="parkpulse-bench-") as folder:
        for measure in (windows, score):
            click.echo(f"{measure.__name__} ...", err=True)
            _tell(take_turns(measure(Path(folder)), rounds))
    click.echo("fleet ...", err=True)
    _tell(fleet(machines))
    click.echo("fitting ...", err=True)
    _tell(fitting())


def _tell(sheet: Sheet) -> None:
    click.echo(sheet.task)
    for row in sheet.rows:
        ratio = "" if row.ratio is None else f"  {row.ratio:.2f} of ours"
        click.echo(f"  {row.name:<28} {row.figure or 0.0:10.3f} {row.unit}{ratio}")
    for line in sheet.said:
        click.echo(f"  {line}")


if __name__ == "__main__":
    main()
