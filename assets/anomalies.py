"""Models as assets: a detector per machine, its events, and the report a factory engineer reads."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.collected import box
from assets.partitions import FACTORIES, FACTORY_DAYS, HOME, SAME_FACTORY, SINGLE_RUN, factory_days
from assets.storage import BY_DAY
from assets.tables import readable
from assets.words import OWNERS, both
from connectors.lake import Lake, Partition, sha256_of
from connectors.ledger import Ledger
from connectors.reports.report import write_report
from models import detector
from models.events import data_gaps
from models.machine import Machine, MachineModel, fit, judge, machines
from models.rules import Habits
from models.schemas import ANOMALY_EVENTS, TRACES
from models.training import TrainingSpan, training_spans
from pipelines import states
from pipelines.conventions import with_least
from pipelines.days import day_of, midnight
from pipelines.schemas import TABLES

MODELS: Final = pl.Schema(
    {
        "work_unit_id": pl.String(),
        "machine_type": pl.String(),
        "trained_from": pl.Date(),
        "trained_to": pl.Date(),
        "training_days": pl.Float64(),
        "training_rows": pl.Int64(),
        "notes": pl.List(pl.String()),
        "habits": pl.String(),
        "path": pl.String(),
        "sha256": pl.String(),
    }
)
"""The model register of a factory: which file scores which machine, and which days it learned.

`training_days` is the span that was collected of them, in days.
"""


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
    kinds={"numpy"},
    owners=OWNERS,
    description=both(
        "每台设备一个检测模型，用首个完整采集日训练；文件不含 pickle，哈希可查。",
        "One detector per machine, of the first day collected whole; no pickle, known by its hash.",
    ),
)
def anomaly_model(context: dg.AssetExecutionContext, tags: pl.LazyFrame) -> pl.DataFrame:
    """Fit every machine of a factory on its training day, and register the model files."""
    rows = fitted(context.partition_key, tags.collect())
    context.add_output_metadata(
        {
            "machines": len(rows),
            "trained_to": sorted({row["trained_to"].isoformat() for row in rows}),
            "with_notes": sum(bool(row["notes"]) for row in rows),
        }
    )
    return pl.DataFrame(rows, schema=MODELS)


@dg.multi_asset(
    outs={
        "anomaly_events": dg.AssetOut(
            metadata=BY_DAY,
            group_name="gold",
            kinds={"numpy", "polars"},
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
    """Score each day after the trained ones, with the day before as lead-in."""
    factory, days = box(context)
    known = {row["work_unit_id"]: row for row in anomaly_model.collect().iter_rows(named=True)}
    catalogue, planned = tags.collect(), plan.collect()
    found = [
        _judged(one, row, planned, day, until)
        for day, until in ((day, known_until(factory, day)) for day in days)
        for one in machines_of(factory, [day - timedelta(days=1), day], catalogue)
        if (row := known.get(one.key["work_unit_id"])) and day > row["trained_to"]
    ]
    happened = [one[0] for one in found] or [_dated(pl.DataFrame(schema=ANOMALY_EVENTS), None)]
    drawn = [one[1] for one in found] or [_dated(pl.DataFrame(schema=TRACES), None)]
    return pl.concat(happened), pl.concat(drawn)


@dg.asset(
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    ins={
        "anomaly_model": dg.AssetIn(partition_mapping=SAME_FACTORY),
        "tags": dg.AssetIn(partition_mapping=SAME_FACTORY),
    },
    deps=[
        "anomaly_events",
        "anomaly_traces",
        "oee_by_shift",
        "losses_by_shift",
        "state_episodes",
        dg.AssetDep("reasons", partition_mapping=SAME_FACTORY),
    ],
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
    """Write one HTML report per day on which a machine is judged; gives where they lie."""
    factory, days = box(context)
    models = anomaly_model.collect()
    notes = {row["work_unit_id"]: row["notes"] for row in models.iter_rows(named=True)}
    trained = models["trained_to"].min()
    written = [
        _report(factory, day, tags.collect(), {unit: n for unit, n in notes.items() if n})
        for day in days
        if isinstance(trained, date) and day > trained
    ]
    schema = {"partition_day": pl.Date, "path": pl.String, "sha256": pl.String, "events": pl.Int64}
    context.add_output_metadata({"reports": [row["path"] for row in written]})
    return pl.DataFrame(written, schema=schema)


def machines_of(factory: str, days: Sequence[date], tags: pl.DataFrame) -> list[Machine]:
    """The machines of a factory with their silver over some days, read once from the lake."""
    lake, parts = Lake(HOME.lake), [Partition(day, factory) for day in days]
    kinds = sorted(set(tags["machine_type"].drop_nulls()))
    scans = {kind: lake.scan(f"process_values_{kind}", parts) for kind in kinds}
    return list(
        machines(
            tags,
            {kind: scan.collect() for kind, scan in scans.items() if scan is not None},
            states.stitch(table("state_episodes", parts)),
            table("count_increments", parts),
            table("cycles", [Partition(factory=factory)]),
        )
    )


def table(name: str, partitions: list[Partition]) -> pl.DataFrame:
    """Partitions of a lake table, empty with its schema where none exists."""
    found = Lake(HOME.lake).scan(name, partitions)
    return found.collect() if found is not None else pl.DataFrame(schema=TABLES[name])


def coverage_of(factory: str) -> pl.DataFrame:
    """What the ledger vouches for of a factory's servers."""
    with Ledger(HOME.root, read_only=True) as ledger:
        return ledger.coverage().filter(pl.col("factory_id") == factory)


def known_until(factory: str, day: date) -> datetime:
    """The end of a local day, or of what was collected where that comes first."""
    end = midnight(day + timedelta(days=1))
    last = coverage_of(factory)["to_time"].max()
    return min(end, last) if isinstance(last, datetime) else end


def fitted(factory: str, tags: pl.DataFrame) -> list[dict[str, Any]]:
    """One row of MODELS per machine, from the first of its days that teaches its signals.

    A machine that no day has taught keeps the first one: its habits are judged all the same.
    """
    spans, found = _spans(factory, tags), dict[str, tuple[MachineModel, TrainingSpan, Machine]]()
    learned: set[str] = set()
    for day in sorted({day_of(span.start) for own in spans.values() for span in own}):
        for machine in machines_of(factory, [day], tags) if learned < set(spans) else []:
            unit = machine.key["work_unit_id"]
            of_day = [span for span in spans[unit] if day_of(span.start) == day]
            if unit in learned or not of_day:
                continue
            model = fit(machine, of_day[0].start, of_day[0].end)
            if model.detector.base is not None or unit not in found:
                found[unit] = model, of_day[0], machine
            if model.detector.base is not None:
                learned.add(unit)
    return [_registered(*found[unit]) for unit in sorted(found)]


def _spans(factory: str, tags: pl.DataFrame) -> dict[str, list[TrainingSpan]]:
    """The days that may teach each machine: those that its own servers were collected whole."""
    coverage = coverage_of(factory)
    own = tags.drop_nulls(["work_unit_id", "machine_type"]).select("work_unit_id", "server_uri")
    return {
        str(unit): training_spans(
            coverage.join(servers, on="server_uri", how="semi"), HOME.first_day
        )
        for (unit,), servers in own.unique().group_by("work_unit_id")
    }


def _registered(model: MachineModel, span: TrainingSpan, machine: Machine) -> dict[str, Any]:
    """Save one machine's model and describe it as a row of MODELS."""
    path = HOME.models / machine.key["factory_id"] / f"{machine.key['work_unit_id']}.model"
    path.parent.mkdir(parents=True, exist_ok=True)
    model.detector.save(path)
    return {
        "work_unit_id": machine.key["work_unit_id"],
        "machine_type": machine.machine_type,
        "trained_from": day_of(span.start),
        "trained_to": day_of(span.start),
        "training_days": model.training_days,
        "training_rows": model.detector.rows_seen,
        "notes": [*span.notes, *model.detector.notes],
        "habits": model.habits.to_json(),
        "path": str(path.relative_to(HOME.root)),
        "sha256": sha256_of(path),
    }


def _judged(
    machine: Machine, row: Mapping[str, Any], plan: pl.DataFrame, day: date, until: datetime
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One machine's events of a day and the traces of their signals, by its registered model."""
    model = MachineModel(
        detector.load(HOME.root / row["path"]),
        Habits.from_json(row["habits"]),
        row["training_days"],
    )
    found, drawn = judge(machine, model, plan, midnight(day), until)
    return _dated(found, day), _dated(drawn, day)


def _dated(frame: pl.DataFrame, day: date | None) -> pl.DataFrame:
    return frame.with_columns(partition_day=pl.lit(day, pl.Date))


def _report(
    factory: str, day: date, tags: pl.DataFrame, notes: Mapping[str, list[str]]
) -> dict[str, Any]:
    lake, part = Lake(HOME.lake), [Partition(day, factory)]
    happened, drawn = lake.scan("anomaly_events", part), lake.scan("anomaly_traces", part)
    if happened is None or drawn is None:
        raise dg.Failure(f"{factory} has no anomaly events of {day}: run `parkpulse materialize`")
    found = happened.collect()
    episodes = states.stitch(
        table("state_episodes", [Partition(day - timedelta(days=1), factory), *part])
    )
    until = known_until(factory, day)
    own = tags.drop_nulls(["work_unit_id", "machine_type"])
    path = write_report(
        HOME.reports / factory / day.isoformat(),
        factory=factory,
        day=day,
        until=until,
        machines=own.select("line_id", "work_unit_id", "machine_type").unique(),
        events=found,
        signals=drawn.collect(),
        episodes=episodes,
        oee=with_least(table("oee_by_shift", part), readable(lake, "conventions", factory)),
        gaps=data_gaps(episodes, until),
        losses=table("losses_by_shift", part),
        reasons=table("reasons", [Partition(factory=factory)]),
        notes=notes,
    )
    return {
        "partition_day": day,
        "path": str(path.relative_to(HOME.root)),
        "sha256": sha256_of(path),
        "events": found.height,
    }
