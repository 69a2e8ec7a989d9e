"""Models as assets: a detector per machine, its events, and the report a factory engineer reads."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl

from assets.collected import box
from assets.machines import BY_DAY, SINGLE_RUN
from assets.partitions import FACTORIES, FACTORY_DAYS, HOME, SAME_FACTORY, factory_days
from assets.words import OWNERS, both
from connectors.home import ZONE
from connectors.lake import Lake, Partition, sha256_of
from connectors.ledger import Ledger
from connectors.reports.report import write_report
from models import detector, explain, operating, rules
from models.events import Operation, data_gaps, events
from models.schemas import ANOMALY_EVENTS, TRACES
from pipelines import states
from pipelines.schemas import EQUIPMENT_KEY, TABLES

Tables = dict[str, pl.LazyFrame]

MODELS: Final = pl.Schema(
    {
        "work_unit_id": pl.String(),
        "machine_type": pl.String(),
        "training_day": pl.Date(),
        "training_rows": pl.Int64(),
        "notes": pl.List(pl.String()),
        "habits": pl.String(),
        "path": pl.String(),
        "sha256": pl.String(),
    }
)
"""The model register of a factory: which file scores which machine, and what it learned from."""


TRAINING_DAYS: Final = 1.0
"""A detector learns from the home's first day, until models are fitted anew on a schedule."""


@dg.asset(
    partitions_def=FACTORIES,
    ins={"tags": dg.AssetIn(partition_mapping=dg.IdentityPartitionMapping())},
    deps=[
        "cycles",
        *(
            dg.AssetDep(name, partition_mapping=SAME_FACTORY)
            for name in ("process_values", "state_episodes", "count_increments")
        ),
    ],
    group_name="models",
    kinds={"scikitlearn"},
    owners=OWNERS,
    description=both(
        "每台设备一个检测模型，用首日数据训练；文件不含 pickle，哈希可查。",
        "One detector per machine, trained on the home's first day; no pickle, known by its hash.",
    ),
)
def anomaly_model(context: dg.AssetExecutionContext, tags: pl.LazyFrame) -> pl.DataFrame:
    """Fit every machine of a factory on the first day, and register the model files."""
    factory, day = context.partition_key, HOME.first_day
    machines = Machines.of_days(factory, [day], tags.collect())
    rows = [_fitted(machine, day) for machine in machines.each()]
    context.add_output_metadata(
        {"machines": len(rows), "training_day": day.isoformat(),
         "with_notes": sum(bool(row["notes"]) for row in rows)}
    )  # fmt: skip
    return pl.DataFrame(rows, schema=MODELS)


@dg.multi_asset(
    outs={
        "anomaly_events": dg.AssetOut(
            metadata=BY_DAY,
            group_name="gold",
            kinds={"scikitlearn", "polars"},
            owners=OWNERS,
            description=both(
                "异常事件：设备、领先信号、应见与所见、优先级、建议检查、损失的 OEE 分钟。",
                "Anomaly events: machine, leading signals, seen and expected, priority, advice.",
            ),
        ),
        "anomaly_traces": dg.AssetOut(
            metadata=BY_DAY,
            group_name="gold",
            kinds={"polars"},
            owners=OWNERS,
            description=both(
                "事件前后的信号曲线与应有范围。", "Signals around events, with their band."
            ),
        ),
    },
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins={
        "anomaly_model": dg.AssetIn(partition_mapping=SAME_FACTORY),
        "tags": dg.AssetIn(partition_mapping=SAME_FACTORY),
        "plan": dg.AssetIn(partition_mapping=SAME_FACTORY),
    },
    deps=[
        dg.AssetDep(name, partition_mapping=factory_days(-1, 0))
        for name in ("process_values", "state_episodes", "count_increments")
    ],
)
def anomaly_events(
    context: dg.AssetExecutionContext,
    anomaly_model: pl.LazyFrame,
    tags: pl.LazyFrame,
    plan: pl.LazyFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Score each day after the training day, with the day before as lead-in."""
    factory, days = box(context)
    known = {row["work_unit_id"]: row for row in anomaly_model.collect().iter_rows(named=True)}
    catalogue, planned = tags.collect(), plan.collect()
    found = [
        judged
        for day in days
        for machine in Machines.of_days(factory, [day - timedelta(days=1), day], catalogue).each()
        if (model := known.get(machine.key["work_unit_id"])) and day > model["training_day"]
        for judged in [_judged(machine, model, planned, day)]
    ]
    happened = pl.concat([one[0] for one in found] or [_dated(pl.DataFrame(schema=ANOMALY_EVENTS))])
    drawn = pl.concat([one[1] for one in found] or [_dated(pl.DataFrame(schema=TRACES))])
    return happened, drawn


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins={
        "anomaly_model": dg.AssetIn(partition_mapping=SAME_FACTORY),
        "tags": dg.AssetIn(partition_mapping=SAME_FACTORY),
    },
    deps=["anomaly_events", "anomaly_traces", "oee_by_shift", "state_episodes"],
    metadata=BY_DAY,
    group_name="reports",
    kinds={"html"},
    owners=OWNERS,
    description=both(
        "工厂异常日报：先说该处理什么；留在该厂自己的层级。",
        "The factory's anomaly report of a day: what needs a response first; in its own tier.",
    ),
)
def anomaly_report(
    context: dg.AssetExecutionContext, anomaly_model: pl.LazyFrame, tags: pl.LazyFrame
) -> pl.DataFrame:
    """Write one HTML report per day after the training day; gives where they lie."""
    factory, days = box(context)
    models = anomaly_model.collect()
    notes = {row["work_unit_id"]: row["notes"] for row in models.iter_rows(named=True)}
    first = models["training_day"].min()
    written = [
        _report(factory, day, tags.collect(), {unit: n for unit, n in notes.items() if n})
        for day in days
        if isinstance(first, date) and day > first
    ]
    schema = {"partition_day": pl.Date, "path": pl.String, "sha256": pl.String, "events": pl.Int64}
    context.add_output_metadata({"reports": [row["path"] for row in written]})
    return pl.DataFrame(written, schema=schema)


class Machine:
    """One machine's silver over some days: process values, episodes, increments, cycles, units."""

    def __init__(
        self, key: Mapping[str, str], machine_type: str, frames: Mapping[str, Any]
    ) -> None:
        self.key, self.machine_type = dict(key), machine_type
        self.values: pl.DataFrame = frames["values"]
        self.episodes: pl.DataFrame = frames["state_episodes"]
        self.increments: pl.DataFrame = frames["count_increments"]
        self.cycles: pl.DataFrame = frames["cycles"]
        self.units: dict[str, str] = frames["units"]

    @property
    def rows(self) -> pl.DataFrame:
        """Process values while producing, warm, with the product as context."""
        return operating.producing_rows(self.values, self.episodes, time="time").drop("order_id")


class Machines:
    """The machines of a factory over some days, read once from the lake."""

    def __init__(
        self, tags: pl.DataFrame, tables: Mapping[str, pl.DataFrame], wide: Tables
    ) -> None:
        self.tags, self.tables = tags, tables
        self.wide = {kind: frame.collect() for kind, frame in wide.items()}

    @classmethod
    def of_days(cls, factory: str, days: list[date], tags: pl.DataFrame) -> "Machines":
        """Silver of the factory's days."""
        lake, parts = Lake(HOME.lake), [Partition(day, factory) for day in days]
        tables = {name: table(name, parts) for name in ("state_episodes", "count_increments")}
        tables["state_episodes"] = states.stitch(tables["state_episodes"])
        tables["cycles"] = table("cycles", [Partition(factory=factory)])
        kinds = sorted(set(tags["machine_type"].drop_nulls()))
        wide = {
            kind: found
            for kind in kinds
            if (found := lake.scan(f"process_values_{kind}", parts)) is not None
        }
        return cls(tags, tables, wide)

    def each(self) -> Iterator[Machine]:
        """Every machine of the catalogue that has process values."""
        known = self.tags.filter(
            pl.col("work_unit_id").is_not_null(), pl.col("machine_type").is_not_null()
        )
        for row in (
            known.select(*EQUIPMENT_KEY, "machine_type")
            .unique()
            .sort(EQUIPMENT_KEY)
            .iter_rows(named=True)
        ):
            kind = row.pop("machine_type")
            if kind not in self.wide:
                continue
            own = pl.col("work_unit_id") == row["work_unit_id"]
            units = known.filter(own, pl.col("unit").is_not_null())
            cycles = self.tables["cycles"]
            any_unit = pl.col("work_unit_id").is_null() | own
            yield Machine(
                row,
                kind,
                {
                    "values": self.wide[kind].filter(own),
                    "state_episodes": self.tables["state_episodes"].filter(own),
                    "count_increments": self.tables["count_increments"].filter(own),
                    "cycles": cycles.filter(any_unit),
                    "units": dict(units.select("measure", "unit").iter_rows()),
                },
            )


def table(name: str, partitions: list[Partition]) -> pl.DataFrame:
    """Partitions of a lake table, empty with its schema where none exists."""
    found = Lake(HOME.lake).scan(name, partitions)
    return found.collect() if found is not None else pl.DataFrame(schema=TABLES[name])


def midnight(day: date) -> datetime:
    """The instant, in UTC, at which a local day begins."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(ZONE)).astimezone(UTC)


def known_until(factory: str, day: date) -> datetime:
    """The end of a local day, or of what was collected where that comes first."""
    with Ledger(HOME.root, read_only=True) as ledger:
        coverage = ledger.coverage().filter(pl.col("factory_id") == factory)
    end = midnight(day + timedelta(days=1))
    last = coverage["to_time"].max()
    return min(end, last) if isinstance(last, datetime) else end


def _fitted(machine: Machine, day: date) -> dict[str, Any]:
    train = machine.rows.filter(pl.col("time") < midnight(day + timedelta(days=1)))
    fitted = detector.fit(train, time="time", context="product_id")
    path = HOME.models / machine.key["factory_id"] / f"{machine.key['work_unit_id']}.model"
    path.parent.mkdir(parents=True, exist_ok=True)
    fitted.save(path)
    habits = rules.learn_habits(
        machine.episodes, machine.increments, machine.cycles,
        midnight(day), midnight(day + timedelta(days=1)),
    )  # fmt: skip
    return {
        "work_unit_id": machine.key["work_unit_id"],
        "machine_type": machine.machine_type,
        "training_day": day,
        "training_rows": train.height,
        "notes": list(fitted.notes),
        "habits": json.dumps(asdict(habits)),
        "path": str(path.relative_to(HOME.root)),
        "sha256": sha256_of(path),
    }


def _judged(
    machine: Machine, model: Mapping[str, Any], plan: pl.DataFrame, day: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One machine's events of a day and the traces of their signals."""
    since, until = midnight(day), known_until(machine.key["factory_id"], day)
    fitted = detector.load(HOME.root / model["path"])
    habits = _habits(model["habits"])
    rows = machine.rows.filter(pl.col("time") < until)
    made = (machine.episodes, machine.increments, machine.cycles)
    findings = pl.concat(
        [
            explain.convincing(explain.signal_findings(fitted, rows, machine.units), TRAINING_DAYS),
            rules.findings(habits, *made, since - timedelta(days=1), until),
        ]
    ).filter(pl.col("end").is_null() | (pl.col("end") > since))
    mine = plan.filter(
        pl.col("line_id").is_null() | (pl.col("line_id") == machine.key["line_id"]),
        pl.col("work_unit_id").is_null() | (pl.col("work_unit_id") == machine.key["work_unit_id"]),
    )
    found = events(
        findings,
        key=machine.key,
        operation=Operation(*made, mine),
        habits=habits,
        since=since,
        until=until,
    )
    drawn = pl.concat(
        [
            explain.traces(fitted, rows, found, machine.units),
            rules.traces(habits, *made, found, until),
        ]
    )
    return _dated(found, day), _dated(drawn, day)


def _habits(text: str) -> rules.Habits:
    known: dict[str, Any] = json.loads(text)
    for name in ("pace_spread", "pace_worst"):
        known[name] = {int(window): value for window, value in known[name].items()}
    return rules.Habits(**known)


def _dated(frame: pl.DataFrame, day: date | None = None) -> pl.DataFrame:
    return frame.with_columns(partition_day=pl.lit(day, pl.Date))


def _report(
    factory: str, day: date, tags: pl.DataFrame, notes: Mapping[str, list[str]]
) -> dict[str, Any]:
    lake, part = Lake(HOME.lake), [Partition(day, factory)]
    happened, drawn = lake.scan("anomaly_events", part), lake.scan("anomaly_traces", part)
    assert happened is not None
    assert drawn is not None
    found = happened.collect()
    episodes = states.stitch(
        table("state_episodes", [Partition(day - timedelta(days=1), factory), *part])
    )
    own = tags.filter(pl.col("work_unit_id").is_not_null(), pl.col("machine_type").is_not_null())
    path = write_report(
        HOME.reports / factory / day.isoformat(),
        factory=factory,
        day=day,
        machines=own.select("line_id", "work_unit_id", "machine_type").unique(),
        events=found,
        signals=drawn.collect(),
        episodes=episodes,
        oee=table("oee_by_shift", part),
        gaps=data_gaps(episodes, known_until(factory, day)),
        notes=notes,
    )
    return {
        "partition_day": day,
        "path": str(path.relative_to(HOME.root)),
        "sha256": sha256_of(path),
        "events": found.height,
    }
