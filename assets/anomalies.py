"""Models as assets: detectors per machine, their events, the report a factory engineer reads."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.collected import box
from assets.feedback import ANSWERED, answers_of
from assets.machine_days import known_until, machines_of, table
from assets.model_register import card_path, loaded, read, table_of
from assets.partitions import FACTORIES, FACTORY_DAYS, HOME, SAME_FACTORY, SINGLE_RUN, factory_days
from assets.retraining import retrained
from assets.storage import BY_DAY
from assets.tables import readable
from assets.telling import references
from assets.words import OWNERS, both
from connectors.errors import NotifyError
from connectors.feedback import Journal
from connectors.lake import Lake, Partition, sha256_of
from connectors.model_files import Changed
from connectors.reports.report import write_report
from models.common_cause import causes, with_causes
from models.errors import ModelFileError
from models.events import data_gaps
from models.habits import Habits
from models.lifecycle import journal
from models.machine import NOTHING_SHARED, Machine, MachineModel, judge
from models.planned import plan_by_unit
from models.promotion import verdicts_of
from models.registry import Register
from models.schemas import ANOMALY_EVENTS, TRACES
from models.together import Offsets, offsets, together
from pipelines import states
from pipelines.conventions import with_least
from pipelines.days import midnight


@dg.asset(
    partitions_def=FACTORIES,
    ins={
        name: dg.AssetIn(partition_mapping=dg.IdentityPartitionMapping())
        for name in ("tags", "plan", "conventions")
    },
    deps=[
        "cycles",
        "feedback",
        *(
            dg.AssetDep(name, partition_mapping=SAME_FACTORY)
            for name in ("process_values", "state_episodes", "count_increments")
        ),
    ],
    group_name="models",
    kinds={"numpy"},
    owners=OWNERS,
    description=both(
        "模型登记簿：每台设备各版模型，谁在哪些日子判定，凭什么晋升；文件不含 pickle。",
        "The register of models: every version of each machine's detector, which days it judges and"
        " why; files without pickle, known by their hash.",
    ),
)
def anomaly_model(
    context: dg.AssetExecutionContext,
    tags: pl.LazyFrame,
    plan: pl.LazyFrame,
    conventions: pl.LazyFrame,
) -> pl.DataFrame:
    """Train what is due of a factory, and give its register: versions, their days, their metrics.

    What stands in the register is left as it is; days that were judged keep their judge.
    """
    factory, catalogue = context.partition_key, tags.collect()
    before = len(read(HOME, factory).entries)
    planned = plan_by_unit(plan, catalogue, conventions)
    said = journal(Journal(HOME.root).read().entries)
    register = retrained(factory, catalogue, planned, verdicts_of(said))
    rows = table_of(register)
    told = {
        "machines": len(register.machines),
        "versions": rows.height,
        "new_entries": len(register.entries) - before,
        "champions": dg.MetadataValue.md(_overview(register)),
    }
    context.add_output_metadata({**told, **_cards(factory, register)})
    return rows


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
        "conventions": dg.AssetIn(partition_mapping=SAME_FACTORY),
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
    conventions: pl.LazyFrame,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Score each day by the model that was champion for it, with the day before as lead-in."""
    factory, days = box(context)
    models, catalogue = anomaly_model.collect(), tags.collect()
    planned = plan_by_unit(plan, catalogue, conventions)
    champions = {day: champions_on(models, day) for day in days}
    found = [
        one for day in days for one in judged(factory, day, champions[day], catalogue, planned)
    ]
    judges = {
        day.isoformat(): {unit: row["version"] for unit, row in own.items()}
        for day, own in champions.items()
    }
    happened = [one[0] for one in found] or [_dated(pl.DataFrame(schema=ANOMALY_EVENTS), None)]
    events = _joined(pl.concat(happened), catalogue)
    drawn = [one[1] for one in found] or [_dated(pl.DataFrame(schema=TRACES), None)]
    context.add_output_metadata({"model_versions": judges}, output_name="anomaly_events")
    return events, pl.concat(drawn)


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
        *ANSWERED,
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
    judges = {day: champions_on(models, day) for day in days}
    written = [
        _report(factory, day, tags.collect(), _notes(judges[day])) for day in days if judges[day]
    ]
    schema = {"partition_day": pl.Date, "path": pl.String, "sha256": pl.String, "events": pl.Int64}
    context.add_output_metadata({"reports": [row["path"] for row in written]})
    return pl.DataFrame(written, schema=schema)


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
        found.append((_dated(events, day), _dated(drawn, day)))
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


def _joined(events: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """A factory's events, those of each day that have one cause by its id."""
    own = tags.drop_nulls(["line_id", "work_unit_id"]).group_by("line_id")
    lines = dict(own.agg(pl.col("work_unit_id").n_unique()).iter_rows())
    days = events.partition_by("partition_day", maintain_order=True)
    return pl.concat([events.clear(), *(with_causes(of_day, lines) for of_day in days)])


def _notes(champions: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    return {unit: row["notes"] for unit, row in champions.items() if row["notes"]}


def _overview(register: Register) -> str:
    """The champions as a Markdown table."""
    lines = [
        "| machine | version | since | trained on | held out | power |",
        "|---|---|---|---|---|---|",
    ]
    for unit in register.machines:
        champion, terms = register.champion(unit), register.terms(unit)
        if champion is not None:
            power = champion.metrics.get("challenger", {}).get("power")
            held = ", ".join(map(str, champion.held_out)) or "none: provisional"
            lines.append(
                f"| {unit} | {champion.version} | {terms[-1].since} | {champion.trained_from} to "
                f"{champion.trained_to} ({len(champion.training_days)}) | {held} | {power} |"
            )
    return "\n".join(lines)


def _cards(factory: str, register: Register) -> dict[str, dg.MetadataValue[Any]]:
    """The champions' cards, as they lie beside their files."""
    champions = (register.champion(unit) for unit in register.machines)
    paths = {one.work_unit_id: card_path(HOME, factory, one) for one in champions if one}
    return {
        f"card {unit}": dg.MetadataValue.md(path.read_text("utf-8"))
        for unit, path in paths.items()
        if path.is_file()
    }


def _model(unit: str, row: Mapping[str, Any]) -> MachineModel:
    """A machine's registered model."""
    try:
        known = loaded(HOME, row["path"], row["sha256"])
    except (ModelFileError, Changed) as error:
        job = "the job `models`, which trains it anew"
        raise dg.Failure(f"{unit}: model {row['version']} {error.why}; run {job}") from error
    habits = Habits.from_json(row["habits"])
    return MachineModel(known, habits, row["training_days"], row["version"])


def _dated(frame: pl.DataFrame, day: date | None) -> pl.DataFrame:
    return frame.with_columns(partition_day=pl.lit(day, pl.Date))


def _references(factory: str, event_ids: pl.Series) -> dict[str, str]:
    """How messages call events; a report is not to fail for an outbox that is damaged."""
    try:
        return references(HOME.root, factory, event_ids)
    except NotifyError as error:
        dg.get_dagster_logger().warning("no references in the report of %s: %s", factory, error)
        return {}


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
        answers=answers_of(factory, day),
        causes=causes(found),
        references=_references(factory, found["event_id"]),
    )
    return {
        "partition_day": day,
        "path": str(path.relative_to(HOME.root)),
        "sha256": sha256_of(path),
        "events": found.height,
    }
