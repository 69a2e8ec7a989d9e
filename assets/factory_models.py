"""What deciding on a factory's models needs, and a model as the register has it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import polars as pl

from assets import model_register as files
from assets.machine_days import coverage_of, machines_of
from assets.partitions import HOME
from connectors.lake import Lake, Partition, sha256_of
from models import drift
from models.machine import TIME, Machine, MachineModel, Span
from models.registry import Register, Version
from models.training import DAY, TrainingSpan, training_spans, whole_days
from pipelines.days import day_of, midnight
from pipelines.fingerprints import digest

OWN: Final = "machine"
"""Scope of a model that learned from its own machine."""

Loaded = Mapping[str, Machine]


@dataclass(frozen=True, slots=True)
class Factory:
    """What deciding needs of a factory: catalogue, plan by work unit, verdicts, whole days."""

    name: str
    tags: pl.DataFrame
    plan: pl.DataFrame
    verdicts: pl.DataFrame
    whole: Mapping[str, list[date]]
    spans: Mapping[str, list[TrainingSpan]]
    now: str

    def load(self, days: Iterable[date]) -> Loaded:
        """Its machines over some days, by work unit."""
        found = machines_of(self.name, sorted(set(days)), self.tags)
        return {one.key["work_unit_id"]: one for one in found}


def factory_of(
    name: str, tags: pl.DataFrame, plan: pl.DataFrame, verdicts: pl.DataFrame
) -> Factory:
    """What is known of a factory now; `verdicts` is `models.promotion.VERDICTS`."""
    coverage = coverage_of(name)
    own = tags.drop_nulls(["work_unit_id", "machine_type"]).select("work_unit_id", "server_uri")
    heard = {
        str(unit): coverage.join(servers, on="server_uri", how="semi")
        for (unit,), servers in own.unique().group_by("work_unit_id")
    }
    return Factory(
        name,
        tags,
        plan,
        verdicts,
        {unit: whole_days(windows, HOME.first_day) for unit, windows in heard.items()},
        {unit: training_spans(windows, HOME.first_day) for unit, windows in heard.items()},
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def version_of(
    factory: Factory,
    register: Register,
    machine: Machine,
    model: MachineModel,
    spans: Sequence[Span],
) -> Version:
    """Keep a model's file, and describe it; the file lies there before the register names it."""
    unit, days = machine.key["work_unit_id"], [day_of(start) for start, _ in spans]
    rows = machine.within(spans).rows
    levels = drift.reference(model.detector, rows, model.training_days)
    file = files.keep(HOME, factory.name, unit, model.detector, levels)
    own, learned = register.versions(unit), model.detector.base is not None
    return Version(
        work_unit_id=unit,
        machine_type=machine.machine_type,
        version=len(own) + 1,
        training_days=tuple(days),
        collected_days=model.training_days,
        training_rows=model.detector.rows_seen,
        learned=learned,
        path=file.path,
        sha256=file.sha256,
        fingerprint=_fingerprint(factory.name, machine.machine_type, days),
        code_version=files.code_version(),
        reason="",
        why="",
        at=factory.now,
        habits=model.habits.to_json(),
        sensors=tuple(model.detector.sensors) if learned else (),
        notes=tuple(model.detector.notes),
    )


def _fingerprint(factory: str, machine_type: str, days: Sequence[date]) -> str:
    """One hash over those of the files that the days' rows, states and counts lie in."""
    lake = Lake(HOME.lake)
    tables = (f"process_values_{machine_type}", "state_episodes", "count_increments")
    paths = [
        (name, day, lake.path(name, Partition(day, factory))) for name in tables for day in days
    ]
    return digest(f"{name} {day} {sha256_of(path)}" for name, day, path in paths if path.is_file())


def since(factory: str, day: date) -> date:
    """From which day on a decision at the end of `day` holds: no day is judged twice by itself."""
    return max(day + DAY, files.next_judged(HOME, factory) or day + DAY)


def of_day(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    """The rows of a local day."""
    return rows.filter(pl.col(TIME).is_between(midnight(day), midnight(day + DAY), closed="left"))
