"""What must hold of each table, and the frame in which it shows: row by row, or one row a machine.

Millions of silver rows are summed up in Polars; only the summary goes to Great Expectations.
"""

from collections.abc import Callable
from typing import Any, Final

import great_expectations.expectations as gxe
import polars as pl

from assets.partitions import HOME
from connectors.lake import Lake, Partition
from models.rules import SIGNALS
from pipelines import soundness
from pipelines.cloud.units import STATUSES
from pipelines.evidence_cards import KINDS, MET, NOT_MET, UNKNOWN
from pipelines.losses import PARTS
from pipelines.portrait_trends import DAYS_84
from pipelines.schemas import EQUIPMENT_KEY, OEE_BY_SHIFT
from pipelines.warning_cycle import MODEL, OF_REGISTER
from pipelines.warning_rules import RULES
from pipelines.year_before import BY_FESTIVAL, BY_WEEKDAY

EVENT_KINDS: Final = ["signal", "sensor_frozen", *SIGNALS]
ASPECTS: Final = ["missing", "unit", "timestamp", "status", "silence", "value"]
PRIORITIES: Final = ["high", "medium", "low"]
NAMED: Final = ["factory_id", "work_unit_id"]
"""What a machine's row must name; its park and line are null where it stands in none."""

WARNING_RULES: Final = [MODEL, *RULES, *sorted(OF_REGISTER)]
TREND_BASES: Final = [BY_WEEKDAY, BY_FESTIVAL, DAYS_84]
DIMENSIONS: Final = ["basis", "operation", "management", "effect"]


def between(column: str, low: float | None = 0.0, high: float | None = 1.0) -> Any:  # noqa: ANN401 - GX exports no type
    """Between two bounds, or null where the figure is undefined."""
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high)


def none(*columns: str) -> list[Any]:
    """Counts of what must not be."""
    return [between(column, 0, 0) for column in columns]


def present(*columns: str) -> list[Any]:
    """Columns without a null."""
    return [gxe.ExpectColumnValuesToNotBeNull(column=column) for column in columns]


def unique(*columns: str) -> Any:  # noqa: ANN401
    """One row per key."""
    if len(columns) == 1:
        return gxe.ExpectColumnValuesToBeUnique(column=columns[0])
    return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(columns))


def among(column: str, values: list[str]) -> Any:  # noqa: ANN401
    """One of some words, or null."""
    return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=values)


def ordered(larger: str, smaller: str) -> Any:  # noqa: ANN401
    """One column never below another."""
    return gxe.ExpectColumnPairValuesAToBeGreaterThanB(
        column_A=larger, column_B=smaller, or_equal=True, ignore_row_if="either_value_is_missing"
    )


def expected() -> dict[str, list[Any]]:
    """What must hold, by table; made anew each time, for a suite keeps the expectations it gets.

    `unaccounted_us` is PBT less all its elements, in whole microseconds; a kpi of status u has not
    passed disclosure control.
    """
    return {
        "state_episodes": [*present(*NAMED), *none("backwards", "overlapping")],
        "count_increments": [*present(*NAMED), *none("backwards", "negative")],
        "oee_by_shift": [
            *present(*NAMED, "production_day", "shift_id", "start", "end", "profile_id"),
            unique(*EQUIPMENT_KEY, "production_day", "shift_id"),
            *none("unaccounted_us"),
            *[between(name) for name in ("availability", "quality_ratio", "completeness")],
            between("oee", 0, None),
            between("pq", 0, None),
            ordered("upper", "lower"),
        ],
        "losses_by_shift": [
            *present(*NAMED, "production_day", "shift_id", "profile_id"),
            among("loss", PARTS),
            *none("unaccounted_us"),
        ],
        "line_oee_by_shift": [
            *present("factory_id", "line_id", "production_day", "shift_id", "profile_id"),
            unique("park_id", "factory_id", "line_id", "production_day", "shift_id"),
            *none("unaccounted_us"),
            *[between(name) for name in ("availability", "quality_ratio", "completeness")],
            between("oee", 0, None),
            ordered("upper", "lower"),
            among("lacks", ["station", "count", "cycle"]),
        ],
        "reliability_by_shift": [
            *present(*NAMED, "production_day", "shift_id", "failures", "repairs"),
            unique(*EQUIPMENT_KEY, "production_day", "shift_id"),
            *none("unaccounted_us"),
            ordered("failures", "repairs"),
        ],
        "semi_by_day": [
            *present(*NAMED, "production_day"),
            unique(*EQUIPMENT_KEY, "production_day"),
            *none("unaccounted_us"),
            *[between(name) for name in ("availability_efficiency", "operational_efficiency")],
            between("e79_oee", 0, None),
            between("completeness"),
            ordered("upper", "lower"),
        ],
        "oee_roll_up": [
            *present("production_day", "level", "aggregation", "is_reliable", "shifts"),
            among("aggregation", ["line_bottleneck", "time_weighted"]),
            unique("level", "production_day", "park_id", "factory_id", "line_id"),
            between("work_units_missing", 0, None),
            between("teep", 0, None),
            *none("unaccounted_us"),
            between("oee", 0, None),
            between("completeness"),
        ],
        "adoption": [
            *present("reference_date", "metric_id", "basis", "numerator"),
            unique("reference_date", "park_id", "dimension", "class_id", "metric_id", "basis"),
            ordered("denominator", "numerator"),
            ordered("upper", "lower"),
        ],
        "liveness": [
            *present("reference_date", "status", "terminals"),
            among("status", STATUSES),
            between("terminals", 0, None),
        ],
        "warnings": [
            *present("warning_id", "uscc", "rule", "severity", "raised_on", "evidence"),
            unique("warning_id"),
            among("rule", WARNING_RULES),
            among("severity", PRIORITIES),
            between("confidence"),
            ordered("raised_on", "begun_on"),
            ordered("seen_on", "raised_on"),
        ],
        "portraits": [
            *present("reference_date", "uscc", "warnings_open"),
            unique("uscc"),
            among("trend_basis", TREND_BASES),
            *[between(name) for name in ("completeness", "oee_completeness", "digital_known")],
            *[between(f"digital_{name}", 0, 100) for name in DIMENSIONS],
            between("running_h_per_day", 0, None),
            ordered("terminals", "terminals_online"),
        ],
        "quartiles": [
            *present("reference_date", "figure", "enterprises"),
            unique("sector", "size_class", "figure"),
            ordered("median", "q1"),
            ordered("q3", "median"),
        ],
        "forecasts": [
            *present("indicator_id", "area_id", "origin", "day", "value", "lower", "upper"),
            unique("indicator_id", "area_id", "day", "coverage"),
            ordered("value", "lower"),
            ordered("upper", "value"),
        ],
        "anomaly_events": [
            *present(*NAMED, "event_id", "kind", "priority", "start"),
            unique("partition_day", "event_id"),
            ordered("end", "start"),
            between("tags_of_machine", 1, None),
            among("kind", EVENT_KINDS),
            among("priority", PRIORITIES),
        ],
        "conformance": [
            *present("factory_id", "level", "aspect", "subject", "finding", "todo_zh", "todo_en"),
            among("aspect", ASPECTS),
            *[between(name, 0, 3) for name in ("level", "unlocks")],
            between("share"),
        ],
        "pue": [
            *present("data_centre_id", "is_edge", "from_day", "to_day", "days", "verdict"),
            unique("data_centre_id", "to_day"),
            among("verdict", ["met", "not_met", "no_target", "impossible", "unknown"]),
            ordered("to_day", "from_day"),
            between("pue", 0, None),
            between("completeness"),
        ],
        "evidence_cards": [
            *present(
                "subject_kind", "subject_id", "criterion_id", "basis_zh", "basis_en", "is_mandatory"
            ),
            *present("evidence_zh", "evidence_en", "state"),
            unique("partition_day", "subject_kind", "subject_id", "criterion_id"),
            among("subject_kind", KINDS),
            among("state", [MET, NOT_MET, UNKNOWN]),
        ],
        "kpi": [
            *present("indicator_id", "area_id", "period", "status"),
            unique("indicator_id", "area_id", "period"),
            gxe.ExpectColumnValuesToNotBeInSet(column="status", value_set=["u"]),
        ],
    }


def prepared(table: str, rows: pl.LazyFrame) -> pl.DataFrame:
    """The frame in which a table's expectations show, from its rows with their `partition_day`."""
    shown = PREPARED[table](rows) if table in PREPARED else rows
    frame = shown.collect(engine="in-memory")
    return frame.select(name for name, dtype in frame.schema.items() if not dtype.is_nested())


def events_of_machines(events: pl.LazyFrame) -> pl.LazyFrame:
    """Events with how many tags the catalogue has for their machine."""
    sites = events.select("factory_id").unique().collect()["factory_id"].drop_nulls()
    tags = Lake(HOME.lake).scan("tags", [Partition(factory=site) for site in sites])
    if tags is None:
        return events.with_columns(tags_of_machine=pl.lit(0))
    known = tags.group_by(EQUIPMENT_KEY).agg(tags_of_machine=pl.len())
    return events.join(known, on=EQUIPMENT_KEY, how="left", nulls_equal=True).with_columns(
        pl.col("tags_of_machine").fill_null(0)
    )


def losses_beside_oee(losses: pl.LazyFrame) -> pl.LazyFrame:
    """Losses with what they leave of their shift's PBT, as its OEE has it."""
    keys = losses.select("partition_day", "factory_id").unique().collect().rows()
    if not keys:  # a day on which no shift has begun yet
        return losses.with_columns(unaccounted_us=pl.lit(None, pl.Int64))
    figures = Lake(HOME.lake).scan("oee_by_shift", [Partition(day, site) for day, site in keys])
    none_yet = pl.LazyFrame(schema=OEE_BY_SHIFT)
    return soundness.of_losses(losses, none_yet if figures is None else figures)


PREPARED: Final[dict[str, Callable[[pl.LazyFrame], pl.LazyFrame]]] = {
    "state_episodes": soundness.of_episodes,
    "count_increments": soundness.of_increments,
    "oee_by_shift": soundness.unaccounted,
    "losses_by_shift": losses_beside_oee,
    "line_oee_by_shift": soundness.unaccounted,
    "reliability_by_shift": soundness.of_reliability,
    "semi_by_day": soundness.of_semi,
    "oee_roll_up": soundness.unaccounted,
    "anomaly_events": events_of_machines,
}
