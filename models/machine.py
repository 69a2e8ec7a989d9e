"""One machine as its models see it: fitted on some days, judged on another."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import polars as pl

from models import detector, explain, operating, rules
from models.detector import Detector
from models.events import Operation, events
from models.habits import Habits, learn_habits
from models.schemas import FINDINGS
from pipelines.schemas import EQUIPMENT_KEY

TIME: Final = "time"
LEAST_SIBLINGS: Final = 3
"""Machines of a type that must have made rows enough: fewer say nothing of how machines differ."""

LEAST_ROWS: Final = 300
"""Producing rows of a sibling that count: what a detector asks of a machine itself."""

WORKED_DAY_S: Final = 16 * 3600.0
"""Producing seconds that teach what a whole day does: two shifts."""

LEAD_IN: Final = timedelta(days=1)
"""Averages and windows look back; what they need of the day before is read with the day."""


NOTHING_SHARED: Final = pl.DataFrame(schema=FINDINGS)

Span: TypeAlias = tuple[datetime, datetime]
"""From an instant to another, the second excluded."""


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

    @property
    def supplies(self) -> list[str]:
        """Signals that the machine does not make itself (`operating.supplied`)."""
        return operating.supplied(self.values, self.episodes, self.rows, time=TIME)

    def within(self, spans: Sequence[Span]) -> "Machine":
        """The machine in these spans alone, which touch or lie apart, in order.

        States that reach over an edge end there: nothing is known of what lies between spans.
        """
        apart = _touching(spans)
        return replace(
            self,
            values=_inside(self.values, TIME, apart),
            episodes=_cut(self.episodes, apart),
            increments=_inside(self.increments, "to_time", apart),
        )


@dataclass(frozen=True, slots=True)
class MachineModel:
    """What is known of a machine: its signals' detector, its habits, and from how many days.

    `version` is the register's number of it, null for a model that was never entered.
    """

    detector: Detector
    habits: Habits
    training_days: float
    version: int | None = None

    def known_days(self, rows: pl.DataFrame) -> float:
        """Training days, WORKED_DAY_S of producing each: a short shift tells less of a machine.

        `rows` are the machine's: they say how much time a row that it learned from stands for.
        """
        step = rows[TIME].diff().median()
        if not isinstance(step, timedelta):
            return self.training_days
        worked_s = self.detector.rows_seen * step.total_seconds()
        return min(self.training_days, max(worked_s, 1.0) / WORKED_DAY_S)


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
    habits = learn_habits(machine.episodes, machine.increments, machine.cycles, start, end)
    return MachineModel(fitted, habits, (end - start) / timedelta(days=1))


def fit_days(machine: Machine, spans: Sequence[Span]) -> MachineModel:
    """`fit` on several days that need not touch: what lies between them teaches nothing."""
    whole = _touching(spans)
    if len(whole) == 1:
        return fit(machine, *whole[0])
    fitted = fit(machine.within(whole), whole[0][0], whole[-1][1])
    return replace(fitted, training_days=sum((b - a) / timedelta(days=1) for a, b in spans))


def fit_type(
    machine: Machine, siblings: Sequence[Machine], start: datetime, end: datetime
) -> MachineModel | None:
    """A model of a machine from what others of its type did, where its own rows are too few.

    The others' rows stand one machine after the other, so that folds are held out machine by
    machine and limits are wide enough for one that was never seen. None where fewer than
    LEAST_SIBLINGS have rows enough. Habits are the machine's own.
    """
    inside = pl.col(TIME).is_between(start, end, closed="left")
    rows = [one.rows.filter(inside) for one in siblings]
    known = [own for own in rows if own.height >= LEAST_ROWS]
    if len(known) < LEAST_SIBLINGS:
        return None
    apart = [own.with_columns(pl.col(TIME) + n * (end - start)) for n, own in enumerate(known)]
    fitted = detector.fit(pl.concat(apart, how="diagonal"), time=TIME, context="product_id")
    if fitted.base is None:
        return None
    own = (machine.episodes, machine.increments, machine.cycles)
    habits = learn_habits(*own, start, end)
    return MachineModel(fitted, habits, (end - start) / timedelta(days=1))


def judge(
    machine: Machine,
    model: MachineModel,
    plan: pl.DataFrame,
    since: datetime,
    until: datetime,
    shared: pl.DataFrame = NOTHING_SHARED,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events of a machine that end after `since`, and the traces of their signals.

    ANOMALY_EVENTS and TRACES of `models.schemas`. The machine's rows reach LEAD_IN further back.
    `shared` are FINDINGS of what it shows together with others (`models.together`).
    """
    rows = machine.rows.filter(pl.col(TIME) < until)
    made = (machine.episodes, machine.increments, machine.cycles)
    signals = explain.signal_findings(model.detector, rows, machine.units)
    findings = pl.concat(
        [
            explain.convincing(signals, model.known_days(rows)),
            rules.findings(model.habits, *made, since - LEAD_IN, until),
            shared,
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
    version = pl.lit(model.version, pl.Int64)
    return found.with_columns(model_version=version), pl.concat(drawn)


def _own_plan(plan: pl.DataFrame, key: Mapping[str, str]) -> pl.DataFrame:
    """Rows of the plan that hold for a machine: its own, its line's, its factory's."""
    levels = ("line_id", "work_unit_id")
    return plan.filter(pl.col(n).is_null() | (pl.col(n) == key[n]) for n in levels)


def _touching(spans: Sequence[Span]) -> list[Span]:
    """Spans that touch are one, so that what reaches over their edge stays whole."""
    found: list[Span] = []
    for start, end in spans:
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _inside(rows: pl.DataFrame, time: str, spans: Sequence[Span]) -> pl.DataFrame:
    return rows.filter(pl.any_horizontal(pl.col(time).is_between(*s, closed="left") for s in spans))


def _cut(episodes: pl.DataFrame, spans: Sequence[Span]) -> pl.DataFrame:
    """Episodes that overlap the spans, cut to them."""
    schema = episodes.schema
    parts = [
        episodes.with_columns(
            start=pl.max_horizontal("start", pl.lit(start)),
            end=pl.min_horizontal(pl.col("end").fill_null(end), pl.lit(end)),
        ).filter(pl.col("start") < pl.col("end"))
        for start, end in spans
    ]
    return pl.concat(parts).cast(schema) if parts else episodes.clear()
