"""The code location: every asset, check, job, schedule and sensor of one home."""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from assets import adoption, anomalies, collected, events, figures, machines, release
from assets.checks import CHECKS
from assets.nights import NIGHTS
from assets.partitions import HOME, key_of, local_today
from assets.storage import LakeIOManager
from assets.touched import boxes, cursor_of

ASSETS: Final = [
    *collected.OUTSIDE,
    *dg.load_assets_from_modules(
        [collected, events, machines, figures, anomalies, adoption, release]
    ),
]

FACTORY_DAYS: Final = dg.define_asset_job(
    "factory_days",
    selection=dg.AssetSelection.assets(
        "raw_values", "quarantine", "ledger_by_day", "events", "last_values", "clock_offsets",
        "state_episodes", "count_increments", "process_values", "oee_by_shift",
        "losses_by_shift", "line_oee_by_shift", "reliability_by_shift", "semi_by_day",
    ),
    description="一个工厂若干天：从数据段到 OEE。One factory's days, from segments to OEE.",
)  # fmt: skip
MODELS: Final = dg.define_asset_job(
    "models",
    selection=["anomaly_model"],
    description="训练一个工厂的检测模型。Fits the detectors of a factory.",
)
ANOMALIES: Final = dg.define_asset_job(
    "anomalies",
    selection=["anomaly_events", "anomaly_traces", "anomaly_report"],
    description="一个工厂若干天的异常事件与日报。Events and reports of a factory's days.",
)
PARKS: Final = dg.define_asset_job("parks", selection=["park_values"])
REGISTER: Final = dg.define_asset_job(
    "register", selection=["enterprises", "terminals", "terminal_evidence"]
)
DISTRICT_DAYS: Final = dg.define_asset_job(
    "district_days", selection=["oee_roll_up", "adoption", "kpi"]
)
RELEASE: Final = dg.define_asset_job("release", selection=["kpi_release"])
REPORTS: Final = dg.define_asset_job("reports", selection=["anomaly_report"])


@dg.sensor(
    job=FACTORY_DAYS,
    minimum_interval_seconds=60,
    description="新的数据段只触发它们触及的工厂与日期。New segments run just the days they touch.",
)
def new_segments(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest]:
    """One run per factory over the days that segments sealed since the cursor have touched."""
    touched, cursor = boxes(HOME, context.cursor, local_today())
    for first, last in touched:
        yield dg.RunRequest(
            run_key=f"{key_of(first)}..{key_of(last)}@{cursor_of(cursor, first)}",
            tags={
                "dagster/asset_partition_range_start": key_of(first),
                "dagster/asset_partition_range_end": key_of(last),
            },
        )
    context.update_cursor(cursor)


defs: Final = dg.Definitions(
    assets=ASSETS,
    asset_checks=CHECKS,
    jobs=[FACTORY_DAYS, MODELS, ANOMALIES, PARKS, REGISTER, DISTRICT_DAYS, RELEASE, REPORTS],
    schedules=NIGHTS,
    sensors=[new_segments],
    resources={
        "io_manager": LakeIOManager(
            root=str(HOME.lake),
            first_day=HOME.first_day.isoformat() if HOME.exists() else "2000-01-01",
        )
    },
    executor=dg.in_process_executor,
)
