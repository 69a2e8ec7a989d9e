"""The report that a factory engineer reads, a day of a factory each."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import dagster as dg
import polars as pl

from assets.collected import box
from assets.feedback import ANSWERED, answers_of
from assets.judging import champions_on
from assets.machine_days import known_until, table
from assets.partitions import FACTORY_DAYS, HOME, SAME_FACTORY, SINGLE_RUN
from assets.storage import BY_DAY
from assets.tables import readable
from assets.telling import references
from assets.words import OWNERS, both
from connectors.errors import NotifyError
from connectors.lake import Lake, Partition, sha256_of
from connectors.reports.report import write_report
from models.common_cause import causes
from models.events import data_gaps
from pipelines import states
from pipelines.conventions import with_least


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


def _notes(champions: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    return {unit: row["notes"] for unit, row in champions.items() if row["notes"]}


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
