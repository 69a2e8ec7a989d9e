"""One machine as its models see it: fitted on some days, judged on another."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import polars as pl

from models import detector, explain, operating, rules
from models.detector import Detector
from models.events import Operation, events
from models.rules import Habits
from pipelines.schemas import EQUIPMENT_KEY

TIME: Final = "time"
LEAD_IN: Final = timedelta(days=1)
"""Averages and windows look back; what they need of the day before is read with the day."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Silver of one machine over some days (`pipelines.schemas`), and the units of its signals."""

    key: dict[str, str]
    machine_type: str
    values: pl.DataFrame
    episodes: pl.DataFrame
    increments: pl.DataFrame
    cycles: pl.DataFrame
    units: dict[str, str]

    @property
    def rows(self) -> pl.DataFrame:
        """Process values while producing, warm, with the product as context."""
        return operating.producing_rows(self.values, self.episodes, time=TIME).drop("order_id")


@dataclass(frozen=True, slots=True)
class MachineModel:
    """What is known of a machine: its signals' detector, its habits, and from how many days."""

    detector: Detector
    habits: Habits
    training_days: float


def machines(
    tags: pl.DataFrame,
    values: Mapping[str, pl.DataFrame],
    episodes: pl.DataFrame,
    increments: pl.DataFrame,
    cycles: pl.DataFrame,
) -> Iterator[Machine]:
    """Every machine of the tag catalogue that has process values (`values` by machine type)."""
    known = tags.drop_nulls(["work_unit_id", "machine_type"])
    for row in known.select(*EQUIPMENT_KEY, "machine_type").unique().sort(EQUIPMENT_KEY).to_dicts():
        kind = row.pop("machine_type")
        if kind not in values:
            continue
        own = pl.col("work_unit_id") == row["work_unit_id"]
        units = known.filter(own, pl.col("unit").is_not_null())
        yield Machine(
            row,
            kind,
            values[kind].filter(own),
            episodes.filter(own),
            increments.filter(own),
            cycles.filter(own | pl.col("work_unit_id").is_null()),
            dict(units.select("measure", "unit").iter_rows()),
        )


def fit(machine: Machine, start: datetime, end: datetime) -> MachineModel:
    """Learns a machine's signals and habits from what it did between two instants."""
    train = machine.rows.filter(pl.col(TIME).is_between(start, end, closed="left"))
    fitted = detector.fit(train, time=TIME, context="product_id")
    habits = rules.learn_habits(machine.episodes, machine.increments, machine.cycles, start, end)
    return MachineModel(fitted, habits, (end - start) / timedelta(days=1))


def judge(
    machine: Machine, model: MachineModel, plan: pl.DataFrame, since: datetime, until: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events of a machine that end after `since`, and the traces of their signals.

    ANOMALY_EVENTS and TRACES of `models.schemas`. The machine's rows reach LEAD_IN further back.
    """
    rows = machine.rows.filter(pl.col(TIME) < until)
    made = (machine.episodes, machine.increments, machine.cycles)
    signals = explain.signal_findings(model.detector, rows, machine.units)
    findings = pl.concat(
        [
            explain.convincing(signals, model.training_days),
            rules.findings(model.habits, *made, since - LEAD_IN, until),
        ]
    ).filter(pl.col("end").is_null() | (pl.col("end") > since))
    found = events(
        findings,
        key=machine.key,
        operation=Operation(*made, _own_plan(plan, machine.key)),
        habits=model.habits,
        since=since,
        until=until,
    )
    drawn = [
        explain.traces(model.detector, rows, found, machine.units),
        rules.traces(model.habits, *made, found, until),
    ]
    return found, pl.concat(drawn)


def _own_plan(plan: pl.DataFrame, key: Mapping[str, str]) -> pl.DataFrame:
    """Rows of the plan that hold for a machine: its own, its line's, its factory's."""
    levels = ("line_id", "work_unit_id")
    return plan.filter(pl.col(n).is_null() | (pl.col(n) == key[n]) for n in levels)
