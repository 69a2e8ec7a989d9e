"""The code location: every asset, check, job, schedule and sensor of one home."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from assets import (
    adoption,
    adoption_ground,
    anomalies,
    anomaly_report,
    cards,
    collected,
    conformance,
    drifting,
    enterprises,
    events,
    feedback,
    figures,
    follow_up,
    forecasts,
    machines,
    pages,
    park_figures,
    register,
    release,
    restated,
    telling,
)
from assets.checks import CHECKS
from assets.nights import NIGHTS
from assets.partitions import HOME, local_today, range_tags
from assets.storage import LakeIOManager
from assets.touched import boxes, run_key
from connectors.errors import ParkPulseError
from connectors.lake import Lake

ROOMS: Final = [
    collected, events, machines, figures, restated, anomalies, anomaly_report, feedback, register,
    adoption, conformance, enterprises, forecasts, park_figures, cards, release, pages,
]  # fmt: skip
ASSETS: Final = [
    *collected.OUTSIDE,
    *feedback.OUTSIDE,
    *register.OUTSIDE,
    *enterprises.OUTSIDE,
    *cards.OUTSIDE,
    *release.OUTSIDE,
    *dg.load_assets_from_modules(ROOMS),
]

FACTORY_DAYS: Final = dg.define_asset_job(
    "factory_days",
    selection=dg.AssetSelection.assets(
        "raw_values", "quarantine", "ledger_by_day", "events", "last_values", "clock_offsets",
        "state_episodes", "count_increments", "process_values", "oee_by_shift",
        "losses_by_shift", "restatements", "line_oee_by_shift", "reliability_by_shift",
        "semi_by_day", *conformance.MADE,
    ),
    description="一个工厂若干天：从数据段到 OEE。One factory's days, from segments to OEE.",
)  # fmt: skip
MODELS: Final = dg.define_asset_job(
    "models",
    selection=["anomaly_model"],
    description="训练一个工厂的检测模型。Fits the detectors of a factory.",
)
ANOMALIES: Final = dg.define_asset_job(
    follow_up.ANOMALIES,
    selection=["anomaly_events", "anomaly_traces", *feedback.ANSWERED, "anomaly_report"],
    description="一个工厂若干天的异常事件与日报。Events and reports of a factory's days.",
)
PARKS: Final = dg.define_asset_job("parks", selection=["park_values"])
REGISTER: Final = dg.define_asset_job(
    "register",
    selection=dg.AssetSelection.assets(
        *register.WORDS, "register_conflicts", "register_dangling", "register_doubts"
    ),
)
DISTRICT_DAYS: Final = dg.define_asset_job(
    "district_days", selection=["oee_roll_up", "terminal_days", *adoption.MADE]
)
EVIDENCE: Final = dg.define_asset_job(
    "evidence",
    selection=["terminal_days"],
    description="各日证据，含迟到的。Evidence of all days, with what came late.",
)
ADOPTION_DAYS: Final = dg.define_asset_job(
    "adoption_days",
    selection=[*adoption.MADE],
    description="名录或证据有变的日期，上云指标重算。"
    "Adoption of days whose register or evidence changed.",
)
INDICATORS: Final = dg.define_asset_job(
    follow_up.INDICATORS,
    selection=["evidence_cards", "kpi"],
    description="上云指标更正后的指标。Indicators of days whose adoption was restated.",
)
PARK_DAYS: Final = dg.define_asset_job(
    "park_days",
    selection=[*park_figures.MADE, "chain_stages", "evidence_cards", "kpi"],
    description="园区图表、证据卡与指标。Figures of parks, evidence cards and indicators.",
)
PORTRAITS: Final = dg.define_asset_job(
    "portraits",
    selection=dg.AssetSelection.assets(
        "warnings", "warnings_by_rules", "warning_states", "portraits", "quartiles",
        "portrait_facts",
    ),
    description="预警与企业画像。Early warning and portraits.",
)  # fmt: skip
FORECASTS: Final = dg.define_asset_job(
    "forecasts",
    selection=["adoption_before", "forecasts", "arrivals"],
    description="指标预测。Forecasts of indicators.",
)
ROLLED_UP: Final = dg.define_asset_job(
    follow_up.ROLLED_UP,
    selection=["oee_roll_up", "evidence_cards", "kpi"],
    description="更正后的汇总与指标。Roll-ups and indicators of days that were restated.",
)
PAGES: Final = dg.define_asset_job(
    "park_pages",
    selection=["park_pages"],
    description="园区页面。The park pages.",
)
RELEASE: Final = dg.define_asset_job("release", selection=["kpi_release"])
REPORTS: Final = dg.define_asset_job("reports", selection=[*feedback.ANSWERED, "anomaly_report"])


OF_FACTORY: Final = "parkpulse/factory"
"""Tag of a run that the sensor asked for."""

MAKING_ADOPTION: Final = [job.name for job in (REGISTER, EVIDENCE, DISTRICT_DAYS, ADOPTION_DAYS)]

UNDER_WAY: Final = [
    dg.DagsterRunStatus[name]
    for name in ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
]


@dg.sensor(
    job=FACTORY_DAYS,
    minimum_interval_seconds=60,
    description="输入有变的工厂与日期，且只有它们，重新计算。"
    "Days whose inputs are not those they were made from are made anew, and no others.",
)
def new_segments(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
    """One run per box of stale days; what the runs change makes the next tick's days stale."""
    found, cursor = boxes(HOME, context.cursor, local_today(), _busy(context.instance))
    for first, last in found:
        tags = {**range_tags(first, last), OF_FACTORY: str(first.factory)}
        yield dg.RunRequest(run_key=run_key(cursor, (first, last)), tags=tags)
    context.update_cursor(cursor)


@dg.sensor(
    job=ADOPTION_DAYS,
    minimum_interval_seconds=60,
    description="名录或证据有变（含迟到）的日期，上云指标重算，且只有它们。"
    "Days whose register or evidence is not what their adoption was made from, and no others.",
)
def stale_adoption(
    context: dg.SensorEvaluationContext,
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """What came late touches its own day and those after it; runs that make either come first."""
    if busy := [job for job in MAKING_ADOPTION if _is_under_way(context.instance, job)]:
        yield dg.SkipReason(f"under way: {', '.join(busy)}")
        return
    found, cursor = adoption_ground.stale(HOME, context.cursor)
    for one in found:
        yield dg.RunRequest(run_key=one.run_key, tags=range_tags(one.first, one.last))
    context.update_cursor(cursor)


@dg.sensor(
    jobs=[ROLLED_UP, ANOMALIES, INDICATORS],
    minimum_interval_seconds=60,
    description="已更正的日期，其汇总、指标与日报随之重做。"
    "Roll-ups, indicators and reports of days that were restated are made anew.",
)
def restated_days(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """What was made of figures that changed since, once no factory is being made."""
    if busy := _busy(context.instance):
        yield dg.SkipReason(f"under way: {', '.join(sorted(busy))}")
        return
    found, cursor = follow_up.requests(Lake(HOME.lake), context.cursor, local_today())
    for one in found:
        yield dg.RunRequest(
            run_key=one.run_key, job_name=one.job, tags=range_tags(one.first, one.last)
        )
    context.update_cursor(cursor)


@dg.sensor(
    job=MODELS,
    minimum_interval_seconds=600,
    description="整日数据算完后，看哪些模型该重训：按计划或已漂移。"
    "Asks, once a whole day is made, whose models are due: by schedule, or for drift.",
)
def drifted_models(
    context: dg.SensorEvaluationContext,
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """One run per factory of which a machine is due, and once per day; a drift is named."""
    found, cursor = drifting.requests(HOME, context.cursor)
    for one in found:
        context.log.info("%s: %s", one.factory, "; ".join(one.due))
        yield dg.RunRequest(run_key=one.run_key, partition_key=one.factory)
    if not found:
        yield dg.SkipReason("no model is due")
    context.update_cursor(cursor)


@dg.sensor(
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="把到期的异常事件通知给人，失败的重试；没有 notify.toml 则不通知。"
    "Tells people of anomaly events that are due and tries again what failed (notify.toml).",
)
def told_events(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Asks for no run and fails none: a channel that is down, or bad settings, are in its log."""
    try:
        summary = telling.told(HOME)
    except ParkPulseError as error:
        context.log.error("%s", error)
        return dg.SkipReason(str(error))
    if summary is None:
        return dg.SkipReason(telling.NOBODY)
    for line in dict.fromkeys(summary.troubles):
        context.log.warning("%s", line)
    return dg.SkipReason("; ".join(telling.lines(summary)) or "nothing to tell")


def _is_under_way(instance: dg.DagsterInstance, job: str) -> bool:
    return bool(instance.get_runs(dg.RunsFilter(job_name=job, statuses=UNDER_WAY), limit=1))


def _busy(instance: dg.DagsterInstance) -> set[str]:
    """Factories of which a run that the sensor asked for is under way."""
    under_way = dg.RunsFilter(job_name=FACTORY_DAYS.name, statuses=UNDER_WAY)
    return {run.tags[OF_FACTORY] for run in instance.get_runs(under_way) if OF_FACTORY in run.tags}


defs: Final = dg.Definitions(
    assets=ASSETS,
    asset_checks=CHECKS,
    jobs=[
        FACTORY_DAYS,
        MODELS,
        ANOMALIES,
        PARKS,
        REGISTER,
        EVIDENCE,
        DISTRICT_DAYS,
        ADOPTION_DAYS,
        INDICATORS,
        PORTRAITS,
        PARK_DAYS,
        FORECASTS,
        PAGES,
        ROLLED_UP,
        RELEASE,
        REPORTS,
    ],
    schedules=NIGHTS,
    sensors=[new_segments, stale_adoption, restated_days, drifted_models, told_events],
    resources={
        "io_manager": LakeIOManager(
            root=str(HOME.lake),
            first_day=HOME.first_day.isoformat() if HOME.exists() else "2000-01-01",
        )
    },
    executor=dg.in_process_executor,
)
