"""Models as assets: the register of each factory's detectors, and the events that they find."""

from typing import Any

import dagster as dg
import polars as pl

from assets.collected import box
from assets.judging import champions_on, dated, joined, judged
from assets.model_register import card_path, read, table_of
from assets.partitions import FACTORIES, FACTORY_DAYS, HOME, SAME_FACTORY, SINGLE_RUN, factory_days
from assets.retraining import retrained
from assets.storage import BY_DAY
from assets.words import OWNERS, both
from connectors.feedback import Journal
from models.lifecycle import journal
from models.planned import plan_by_unit
from models.promotion import verdicts_of
from models.registry import Register
from models.schemas import ANOMALY_EVENTS, TRACES


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
    happened = [one[0] for one in found] or [dated(pl.DataFrame(schema=ANOMALY_EVENTS), None)]
    events = joined(pl.concat(happened), catalogue)
    drawn = [one[1] for one in found] or [dated(pl.DataFrame(schema=TRACES), None)]
    context.add_output_metadata({"model_versions": judges}, output_name="anomaly_events")
    return events, pl.concat(drawn)


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
