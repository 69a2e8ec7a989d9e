"""What people said of events: beside the events, and as the load and precision of alarms."""

from collections.abc import Iterator
from datetime import date
from typing import Final

import dagster as dg
import polars as pl

from assets.collected import box, outside
from assets.partitions import FACTORIES, FACTORY_DAYS, HOME, SAME_FACTORY, SINGLE_RUN, factory_days
from assets.storage import BY_DAY
from assets.words import OWNERS, both
from connectors.answers import heard
from connectors.reports.replies import Answers
from models.budget import digest
from models.feedback import DAYS, JudgedDay, Review, review
from models.feedback_schemas import (
    ALARM_METRICS,
    ALARM_PRECISION,
    ANNOUNCEMENTS,
    ANOMALY_FEEDBACK,
)
from models.lifecycle import journal
from models.similar import similar

OUTSIDE: Final = [
    outside(
        "feedback",
        FACTORIES,
        "json",
        both(
            "工程师对事件的回复：确认、搁置、判定；只追加的日志（feedback/journal.jsonl）。",
            "What engineers said of events: acknowledged, shelved, judged. An append-only journal.",
        ),
    ),
    outside(
        "engineers",
        FACTORIES,
        "toml",
        both(
            "谁负责哪个工厂或产线（engineers.toml）；报警预算按人计。",
            "Who answers for which factory or line (engineers.toml): the budget is per person.",
        ),
    ),
]

ANSWERED: Final = [
    "anomaly_feedback",
    "alarm_announcements",
    "alarm_metrics",
    "alarm_precision",
]


def _out(group: str, words: str) -> dg.AssetOut:
    return dg.AssetOut(
        metadata=BY_DAY, group_name=group, kinds={"polars"}, owners=OWNERS, description=words
    )


@dg.multi_asset(
    outs={
        "anomaly_feedback": _out(
            "gold",
            both(
                "当日事件的生命周期（OPC UA Part 9：激活、确认、搁置、抑制）与工程师的回复。",
                "Events of a day in the words of OPC UA Part 9, and what engineers said of each.",
            ),
        ),
        "alarm_announcements": _out(
            "gold",
            both(
                "当日各次报警：通知了谁，或超出每小时六次的预算而待汇总。",
                "Each time that an event asked: who was told, or that it waits for the digest.",
            ),
        ),
        "alarm_metrics": _out(
            "gold",
            both(
                "报警指标（EEMUA 191），按工程师，当日与三十天：频率、峰值、泛滥、优先级。",
                "EEMUA 191 per engineer, of the day and of 30: rates, peaks, floods, priorities.",
            ),
        ),
        "alarm_precision": _out(
            "gold",
            both(
                "由判定得出的报警准确率，三十天，按设备与类型，附判定数与区间；不声称召回率。",
                "Precision of 30 days by verdicts, per machine and kind; recall is not claimed.",
            ),
        ),
    },
    partitions_def=FACTORY_DAYS,
    backfill_policy=SINGLE_RUN,
    deps=[
        dg.AssetDep("anomaly_events", partition_mapping=factory_days(1 - DAYS, 0)),
        *(
            dg.AssetDep(name, partition_mapping=SAME_FACTORY)
            for name in ("feedback", "engineers", "plan")
        ),
    ],
)
def anomaly_feedback(
    context: dg.AssetExecutionContext,
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """States, announcements, metrics and precision of each day, with the 30 days before it."""
    factory, days = box(context)
    reviews = {day: found for day in days if (found := reviewed(factory, day)) is not None}
    nowhere = {one for found in reviews.values() for one in found.nowhere["sequence"]}
    context.add_output_metadata(
        {
            "said": sum(found.told["said"].list.len().sum() for found in reviews.values()),
            "said_of_events_not_there": sorted(nowhere),
        },
        output_name="anomaly_feedback",
    )
    return (
        _dated(ANOMALY_FEEDBACK, ((day, one.told) for day, one in reviews.items())),
        _dated(ANNOUNCEMENTS, ((day, one.asked) for day, one in reviews.items())),
        _dated(ALARM_METRICS, ((day, one.metrics) for day, one in reviews.items())),
        _dated(ALARM_PRECISION, ((day, one.precision) for day, one in reviews.items())),
    )


def reviewed(factory: str, day: date) -> Review | None:
    """A factory's judged day with those before it; None where the day was not judged."""
    known = heard(HOME, factory, day, DAYS)
    if not known.days or known.days[-1][0] != day:
        return None
    return review(
        [JudgedDay(*one) for one in known.days],
        journal(known.records),
        factory=factory,
        plan=known.plan,
        engineers=known.engineers,
    )


def answers_of(factory: str, day: date) -> Answers | None:
    """What a factory's report of a day shows of answers, alarms and similar events."""
    found = reviewed(factory, day)
    if found is None:
        return None
    past = found.past
    of_day = past.filter(pl.col("event_id").is_in(found.of_day))
    return Answers(
        states=found.told,
        similar={row["event_id"]: similar(row, past) for row in of_day.to_dicts()},
        announcements=found.asked,
        over_budget=digest(found.asked),
        metrics=found.metrics,
        precision=found.precision,
        nowhere=found.nowhere,
    )


def _dated(schema: pl.Schema, parts: Iterator[tuple[date, pl.DataFrame]]) -> pl.DataFrame:
    empty = pl.DataFrame(schema={**schema, "partition_day": pl.Date})
    return pl.concat([empty, *(one.with_columns(partition_day=pl.lit(day)) for day, one in parts)])
