"""What a running district needs each night, one schedule per step of the walk."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import dagster as dg

from assets.partitions import FACTORY_IDS, HOME, PARK_IDS, key_of, local_today, range_tags
from connectors.lake import Partition
from pipelines.days import ZONE

Sites = Sequence[str | None]

WHOLE: Final[Sites] = (None,)
"""One run for all sites."""


def nightly(
    job: str,
    minute: int,
    words: str,
    sites: Sites,
    *,
    of_a_day: bool,
    since_first: bool = False,
) -> dg.ScheduleDefinition:
    """A job at 01:`minute` local time, one run per site, `of_a_day` for the day that has ended.

    `since_first`: one run for all days of the home instead.

    Stopped until a person starts it: were it running by default, any daemon beside a page that
    only shows a home would set that home to work.
    """

    @dg.schedule(
        name=f"nightly_{job}",
        job_name=job,
        cron_schedule=f"{minute} 1 * * *",
        execution_timezone=ZONE,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        description=words,
    )
    def tick(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
        ended = local_today(HOME, context.scheduled_execution_time) - timedelta(days=1)
        if ended < HOME.first_day:
            return []
        if since_first:
            box = Partition(HOME.first_day), Partition(ended)
            return [dg.RunRequest(run_key=f"{ended}@all", tags=range_tags(*box))]
        keys = [key_of(Partition(ended if of_a_day else None, site)) for site in sites]
        return [dg.RunRequest(run_key=f"{ended}@{key}", partition_key=key or None) for key in keys]

    return tick


NIGHTS: Final = [
    nightly("parks", 0, "读入园区网关。Reads the park gateways.", PARK_IDS, of_a_day=False),
    nightly("register", 5, "更新名录与证据。Renews the registers.", WHOLE, of_a_day=False),
    nightly(
        "evidence",
        8,
        "各日证据，含迟到的。Evidence of all days, with what came late.",
        WHOLE,
        of_a_day=True,
        since_first=True,
    ),
    nightly("models", 10, "训练检测模型。Fits the detectors.", FACTORY_IDS, of_a_day=False),
    nightly("anomalies", 15, "评判前一天的异常。Judges the day.", FACTORY_IDS, of_a_day=True),
    nightly("district_days", 30, "汇总前一天。Rolls up the day.", WHOLE, of_a_day=True),
    nightly("portraits", 40, "更新预警与画像。Renews warnings.", WHOLE, of_a_day=False),
    nightly("park_days", 50, "园区与指标。Parks and indicators.", WHOLE, of_a_day=True),
    nightly("forecasts", 55, "更新指标预测。Renews forecasts.", WHOLE, of_a_day=False),
    nightly("park_pages", 58, "重写园区页面。Writes the park pages.", WHOLE, of_a_day=False),
]
"""In the order in which one step feeds the next."""
