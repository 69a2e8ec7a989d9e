"""One late value in a year of ten factories: what is stale beside everything, files and all."""

import itertools
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.rounds import Contender, DisagreementError, Measurement, Target
from connectors import fingerprints
from connectors.factory_days import receive, recompute
from connectors.home import Home
from connectors.lake import Lake, Partition, sha256_of
from connectors.ledger import Ledger
from connectors.raw import RAW_SCHEMA, ticks_of
from connectors.segments import SegmentWriter
from pipelines.days import midnight
from pipelines.fingerprints import boxes
from pipelines.raw import EPOCH_TICKS
from pipelines.schemas import CYCLES, PLAN, RAW, REASONS, TAGS

DAYS: Final = 365
FACTORIES: Final = [f"F{number:02}" for number in range(1, 11)]
UNITS: Final = 4
STATES: Final = 96
"""Changes of state of a machine in a day: one in a quarter of an hour."""
PIECES: Final = 288
"""Readings of each counter in a day: one in five minutes."""
FIRST: Final = date(2025, 11, 1)
LATE: Final = Partition(FIRST + timedelta(days=180), "F04")
LATE_S: Final = 43_000
RUNS_S: Final = 3_600
"""Around noon every machine runs, so that a stop told late is one."""
PRI_S: Final = 100.0
MEASURES: Final = {"item_state": "state", "operation_mode": "state", "parts_total": "counter",
                   "parts_bad": "counter"}  # fmt: skip
MOST_ROUNDS: Final = 10
BOX: Final = 30
"""Days in one go when everything is made: a year at once takes twice as long."""

Seen: TypeAlias = dict[Path, tuple[int, int]]
"""When each file was written, and which file it is."""


def measurement(folder: Path) -> Measurement:
    """A year of raw values to figures, by the stale days and by all of them.

    All are made once, which takes minutes; in each round one factory's year, times ten.
    """
    home, days = built(folder / "home"), [FIRST + timedelta(days=n) for n in range(DAYS)]
    start = time.perf_counter()
    for factory in FACTORIES:
        everything(home, factory, days)
    once_s = time.perf_counter() - start
    restate(home, days[-1])  # the last day of a box was made before the first of the next
    is_fresh(home, days[-1])
    late = itertools.count()

    def stale() -> float:
        before = seen(home)
        late_value(home, next(late))
        start = time.perf_counter()
        made = restate(home, days[-1])
        took = time.perf_counter() - start
        untouched(home, before, made)
        return took

    def all_of_it() -> float:
        before = seen(home)
        start = time.perf_counter()
        everything(home, str(LATE.factory), days)
        took = time.perf_counter() - start
        if seen(home) != before:
            raise DisagreementError("restate: recomputing a year gives other files than the stale")
        return took * len(FACTORIES)

    hashed, before = hashes(home), seen(home)
    late_value(home, next(late))
    made = restate(home, days[-1])
    changed = untouched(home, before, made)
    unlike = {path for path, sha256 in hashes(home).items() if hashed.get(path) != sha256}
    if unlike != changed:
        raise DisagreementError("restate: a file was written that holds what it held")
    count = DAYS * len(FACTORIES)
    ours, theirs = "ParkPulse, what is stale", f"everything (a factory's year x {len(FACTORIES)})"
    return Measurement(
        f"a late value in {count:,} factory-days",
        [
            Contender(ours, stale, measures_itself=True),
            Contender(theirs, all_of_it, measures_itself=True),
        ],
        f"{len(set(made))} factory-days made anew, {len(changed)} files written, the other"
        f" {len(hashed) - len(changed):,} unchanged by time and hash; a year recomputed gives the"
        f" same files; making all {count:,} took {once_s:.0f} s",
        targets=[Target(ours, theirs, 1 / 100)],
    )


def restate(home: Home, today: date) -> list[Partition]:
    """All that is stale, until nothing is: what the sensor and its runs do, without Dagster."""
    made: list[Partition] = []
    for factory in FACTORIES:
        for turn in range(MOST_ROUNDS):
            found = boxes(fingerprints.stale(home, factory, today))
            if not found:
                break
            for first, last in found:
                days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
                run_id = f"late-{factory}-{turn}-{first}"
                fingerprints.begin(home, factory, days, run_id)
                made += [Partition(day, factory) for day in days]
                if LATE in made[-len(days) :]:
                    receive(home, factory, days)
                recompute(home, factory, days, run_id=run_id, at=datetime.now(UTC))
        else:
            raise DisagreementError(f"restate: {factory} is stale for ever")
    return made


def everything(home: Home, factory: str, days: list[date]) -> None:
    """A factory's days from their raw values, in boxes of BOX days."""
    for start in range(0, len(days), BOX):
        box = days[start : start + BOX]
        fingerprints.begin(home, factory, box, "all")
        recompute(home, factory, box, run_id="all", at=datetime.now(UTC))


def is_fresh(home: Home, today: date) -> None:
    """DisagreementError where a day that was made is stale."""
    for factory in FACTORIES:
        if found := fingerprints.stale(home, factory, today):
            raise DisagreementError(f"restate: {factory} is stale as it was made: {min(found)}")


def seen(home: Home) -> Seen:
    """When each file of the lake was written, and which file it is."""
    found = {path: path.stat() for path in home.lake.rglob("part.*")}
    return {path: (one.st_mtime_ns, one.st_ino) for path, one in found.items()}


def untouched(home: Home, before: Seen, made: list[Partition]) -> set[Path]:
    """The files that changed; DisagreementError where one did that was not to."""
    changed = {path for path, one in seen(home).items() if before.get(path) != one}
    allowed = {partition.folder for partition in made}
    for path in changed:
        if Path(*path.parent.parts[-2:]) not in allowed:
            raise DisagreementError(f"restate: {path.relative_to(home.lake)} was written")
    for table in ("oee_by_shift", "restatements"):
        if Lake(home.lake).path(table, LATE) not in changed:
            raise DisagreementError(f"restate: the late value changed no {table}")
    return changed


def hashes(home: Home) -> dict[Path, str]:
    """The SHA-256 of every file of the lake."""
    return {path: sha256_of(path) for path in home.lake.rglob("part.*")}


def late_value(home: Home, number: int) -> None:
    """A stop of one machine, told long after; each begins a second before the last one told."""
    uri, unit = _server(str(LATE.factory)), f"{LATE.factory}-M0"
    assert LATE.day is not None
    time_of = midnight(LATE.day) + timedelta(seconds=LATE_S - number)
    row = {
        "server_uri": uri, "node_id": _node(unit, "item_state"), "value_type": "Int32",
        "value_int": 1, "source_ticks": ticks_of(time_of), "server_ticks": ticks_of(time_of),
        "received_time": time_of + timedelta(days=100), "is_array": False, "status_code": 0,
        "origin": "history",
    }  # fmt: skip
    _seal(home, str(LATE.factory), pa.RecordBatch.from_pylist([row], schema=RAW_SCHEMA))


def built(root: Path) -> Home:
    """A home of a year: raw values in the lake, plans, tags and a ledger; nothing computed."""
    home = Home(root).create(first_day=FIRST)
    lake, random = Lake(home.lake), np.random.default_rng(7)
    begin, end = midnight(FIRST), midnight(FIRST + timedelta(days=DAYS))
    template = day_of_values(random)
    for number, factory in enumerate(FACTORIES):
        for table, frame in small_tables(factory).items():
            lake.write(table, frame, Partition(factory=factory))
        for n in range(DAYS):
            partition = Partition(FIRST + timedelta(days=n), factory)
            rows = shifted(template, factory, n, seed=number * DAYS + n)
            lake.write("raw_values", rows, partition)
            if partition == LATE or n == 0:
                _seal(home, factory, _as_segment(rows if partition == LATE else rows.head(1)))
        with Ledger(home.root) as ledger:
            uri = ledger.claim(factory, f"opc.tcp://{factory}:4840", _server(factory))
            ledger.cover(uri, begin, end)
    return home


def day_of_values(random: np.random.Generator) -> pl.DataFrame:
    """One day of every machine of a factory: seconds of the day, measure, number."""
    parts = []
    for unit in range(UNITS):
        for measure, kind in MEASURES.items():
            count = STATES if kind == "state" else PIECES
            seconds = np.sort(random.integers(0, 86_400_000, count)) / 1000
            match measure:
                case "item_state":
                    values = random.choice([1, 2, 3], count, p=[0.05, 0.15, 0.8])
                case "operation_mode":
                    values = random.choice([0, 2, 3], count, p=[0.05, 0.1, 0.85])
                case _:
                    step = random.integers(0, 3 if measure == "parts_total" else 2, count)
                    values = step.cumsum()
            if kind == "state":
                values[np.abs(seconds - LATE_S) < RUNS_S] = 3
            parts.append(
                pl.DataFrame({"s": seconds, "value_int": values.astype(np.int64)}).with_columns(
                    unit=pl.lit(unit), measure=pl.lit(measure)
                )
            )
    return pl.concat(parts)


def shifted(template: pl.DataFrame, factory: str, day: int, *, seed: int) -> pl.DataFrame:
    """The template on a day of a factory: counters go on, times differ by the seed."""
    begin_us = (midnight(FIRST + timedelta(days=day)) - datetime(1970, 1, 1, tzinfo=UTC)) // (
        timedelta(microseconds=1)
    )
    per_day = template.group_by("unit", "measure").agg(per_day=pl.max("value_int") + 1)
    us = begin_us + (pl.col("s") * 1_000_000).cast(pl.Int64) + seed % 997
    is_count = pl.col("measure").str.starts_with("parts")
    goes_on = pl.col("value_int") + pl.col("per_day") * day
    rows = template.join(per_day, on=["unit", "measure"]).select(
        server_uri=pl.lit(_server(factory)),
        node_id=pl.format("nsu=urn:made;s={}-M{}.{}", pl.lit(factory), "unit", "measure"),
        source_ticks=us * 10 + EPOCH_TICKS,
        server_ticks=us * 10 + EPOCH_TICKS,
        source_time=us.cast(RAW["source_time"]),
        server_time=us.cast(RAW["server_time"]),
        received_time=us.cast(RAW["received_time"]),
        value_type=pl.lit("Int64"),
        is_array=pl.lit(value=False),
        value_int=pl.when(is_count).then(goes_on).otherwise("value_int"),
        status_code=pl.lit(0, pl.UInt32),
        origin=pl.lit("live"),
    )
    whole = pl.concat([pl.DataFrame(schema=RAW), rows], how="diagonal")
    return whole.sort("server_uri", "node_id", "source_ticks")


def small_tables(factory: str) -> dict[str, pl.DataFrame]:
    """Tags, plan, cycles and reasons of a factory."""
    key = {"park_id": "P01", "factory_id": factory, "line_id": f"{factory}-L1"}
    tags = [
        {
            **key, "server_uri": _server(factory), "namespace_uri": "urn:made",
            "node_id": _node(f"{factory}-M{unit}", measure), "work_unit_id": f"{factory}-M{unit}",
            "entity_id": f"{factory}-M{unit}", "machine_type": "press", "measure_kind": kind,
            "measure": measure, "counter_max": 2**31 - 1, "reset_policy": "never",
        }
        for unit in range(UNITS)
        for measure, kind in MEASURES.items()
    ]  # fmt: skip
    plan = [
        {
            "park_id": "P01", "factory_id": factory, "production_day": FIRST + timedelta(days=n),
            "shift_id": shift, "start": midnight(FIRST + timedelta(days=n)) + timedelta(hours=low),
            "end": midnight(FIRST + timedelta(days=n)) + timedelta(hours=high), "kind": kind,
        }
        for n in range(DAYS)
        for shift, low, high, kind in (
            ("E", 6, 14, "busy"), ("E", 10, 10.5, "break"), ("L", 14, 22, "busy"),
            ("L", 18, 18.5, "break"), ("N", 22, 30, "busy"), ("N", 26, 26.5, "break"),
        )
    ]  # fmt: skip
    cycles = {"factory_id": [factory], "pri_s": [PRI_S], "origin": ["design"]}
    return {
        "tags": pl.DataFrame(tags, TAGS),
        "plan": pl.DataFrame(plan, PLAN),
        "cycles": pl.concat([pl.DataFrame(schema=CYCLES), pl.DataFrame(cycles)], how="diagonal"),
        "reasons": pl.DataFrame(schema=REASONS),
    }


def _as_segment(rows: pl.DataFrame) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist(rows.to_dicts(), schema=RAW_SCHEMA)


def _seal(home: Home, factory: str, batch: pa.RecordBatch) -> None:
    writer = SegmentWriter(home.segments / factory, site_id=factory, server_uri=_server(factory))
    writer.append(batch)
    writer.seal()


def _server(factory: str) -> str:
    return f"urn:made:{factory}"


def _node(unit: str, measure: str) -> str:
    return f"nsu=urn:made;s={unit}.{measure}"
