"""Who judges which machine on which day, and what they find: the events of a factory's day."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.machine_days import known_until, machines_of
from assets.model_register import loaded
from assets.partitions import HOME
from connectors.model_files import Changed
from models.common_cause import with_causes
from models.errors import ModelFileError
from models.habits import Habits
from models.machine import NOTHING_SHARED, Machine, MachineModel, judge
from models.together import Offsets, offsets, together
from pipelines.days import midnight


def champions_on(models: pl.DataFrame, day: date) -> dict[str, dict[str, Any]]:
    """The row of MODELS that judges each machine on a day, by work unit."""
    open_end = pl.col("until").is_null() | (pl.col("until") >= day)
    terms = models.explode("terms").unnest("terms")
    own = terms.filter(pl.col("since") <= day, open_end)
    return {row["work_unit_id"]: row for row in own.iter_rows(named=True)}


def judged(
    factory: str,
    day: date,
    champions: Mapping[str, Mapping[str, Any]],
    tags: pl.DataFrame,
    plan: pl.DataFrame,
) -> list[tuple[pl.DataFrame, pl.DataFrame]]:
    """Events of a day and the traces of their signals, of each machine that has a champion.

    `champions` are rows of MODELS by work unit, `plan` is `models.planned.plan_by_unit`.
    """
    if not champions:
        return []
    until = known_until(factory, day)
    machines = [
        (one, _model(one.key["work_unit_id"], row))
        for one in machines_of(factory, [day - timedelta(days=1), day], tags)
        if (row := champions.get(one.key["work_unit_id"]))
    ]
    shared = _shared(machines, until)
    found = []
    for machine, model in machines:
        own = shared.get(machine.key["work_unit_id"], NOTHING_SHARED)
        events, drawn = judge(machine, model, plan, midnight(day), until, own)
        found.append((dated(events, day), dated(drawn, day)))
    return found


def _shared(
    machines: Sequence[tuple[Machine, MachineModel]], until: datetime
) -> dict[str, pl.DataFrame]:
    """What machines of a line show together: FINDINGS by work unit."""
    seen: dict[str, list[Offsets]] = {}
    for machine, model in machines:
        unit = machine.key["work_unit_id"]
        own = offsets(unit, model.detector, machine.rows, machine.supplies, until)
        if own is not None and machine.key["line_id"]:
            seen.setdefault(machine.key["line_id"], []).append(own)
    units = {machine.key["work_unit_id"]: machine.units for machine, _ in machines}
    found: dict[str, pl.DataFrame] = {}
    for line in seen.values():
        found |= together(line, units)
    return found


def joined(events: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """A factory's events, those of each day that have one cause by its id."""
    own = tags.drop_nulls(["line_id", "work_unit_id"]).group_by("line_id")
    lines = dict(own.agg(pl.col("work_unit_id").n_unique()).iter_rows())
    days = events.partition_by("partition_day", maintain_order=True)
    return pl.concat([events.clear(), *(with_causes(of_day, lines) for of_day in days)])


def _model(unit: str, row: Mapping[str, Any]) -> MachineModel:
    """A machine's registered model."""
    try:
        known = loaded(HOME, row["path"], row["sha256"])
    except (ModelFileError, Changed) as error:
        job = "the job `models`, which trains it anew"
        raise dg.Failure(f"{unit}: model {row['version']} {error.why}; run {job}") from error
    habits = Habits.from_json(row["habits"])
    return MachineModel(known, habits, row["training_days"], row["version"])


def dated(frame: pl.DataFrame, day: date | None) -> pl.DataFrame:
    """With the local day that a row belongs to."""
    return frame.with_columns(partition_day=pl.lit(day, pl.Date))
