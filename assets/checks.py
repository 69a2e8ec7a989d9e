"""Asset checks on Great Expectations: what must hold of a table before it leaves, and Data Docs.

The only module that touches pandas: GX has no Polars engine (docs/decisions/0005).
"""

from datetime import UTC, datetime
from typing import Any, Final

import dagster as dg
import great_expectations as gx
import great_expectations.expectations as gxe
import polars as pl

from assets.partitions import HOME, partition_of
from connectors.lake import Lake
from pipelines.schemas import EQUIPMENT_KEY


def between(column: str, low: float | None = 0.0, high: float | None = 1.0) -> Any:  # noqa: ANN401 - GX exports no type
    """Between two bounds, or null where the figure is undefined."""
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=low, max_value=high)


def present(*columns: str) -> list[Any]:
    """Columns without a null."""
    return [gxe.ExpectColumnValuesToNotBeNull(column=column) for column in columns]


def unique(*columns: str) -> Any:  # noqa: ANN401
    """One row per key."""
    return gxe.ExpectCompoundColumnsToBeUnique(column_list=list(columns))


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
        "oee_by_shift": [
            *present(*EQUIPMENT_KEY, "production_day", "shift_id", "start", "end", "profile_id"),
            unique("work_unit_id", "production_day", "shift_id"),
            between("unaccounted_us", 0, 0),
            *[between(name) for name in ("availability", "quality_ratio", "completeness")],
            between("oee", 0, None),
            between("pq", 0, None),
            ordered("upper", "lower"),
        ],
        "oee_roll_up": [
            *present("production_day", "level"),
            unique("level", "production_day", "park_id", "factory_id", "line_id"),
            between("unaccounted_us", 0, 0),
            between("oee", 0, None),
            between("completeness"),
        ],
        "adoption": [
            *present("reference_date", "metric_id", "basis", "numerator"),
            unique("reference_date", "park_id", "metric_id", "basis"),
            ordered("denominator", "numerator"),
            ordered("upper", "lower"),
        ],
        "kpi": [
            *present("indicator_id", "area_id", "period", "status"),
            unique("indicator_id", "area_id", "period"),
            gxe.ExpectColumnValuesToNotBeInSet(column="status", value_set=["u"]),
        ],
    }


ELEMENTS: Final = ("apt_s", "aust_s", "adet_s", "adot_s", "unknown_s")


def prepared(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with what its expectations need besides its own columns; empty keys spelled out."""
    keys = [name for name in EQUIPMENT_KEY if name in frame.columns and name != "work_unit_id"]
    spelled = frame.with_columns(pl.col(keys).fill_null("-"))
    if "pbt_s" not in frame.columns:
        return spelled
    us = [(pl.col(name) * 1_000_000).round().cast(pl.Int64) for name in ("pbt_s", *ELEMENTS)]
    return spelled.with_columns(unaccounted_us=us[0] - pl.sum_horizontal(us[1:]))


def validate(table: str, frame: pl.DataFrame, run_name: str) -> dg.AssetCheckResult:
    """Hold a frame against its table's expectations and keep the result for the Data Docs."""
    context = project()
    if table in {suite.name for suite in context.suites.all()}:
        context.suites.delete(table)  # updating one in place refuses its own expectations
    suite = context.suites.add(gx.ExpectationSuite(name=table, expectations=expected()[table]))
    asset = context.data_sources.add_or_update_pandas(table).add_dataframe_asset(table)
    definition = context.validation_definitions.add_or_update(
        gx.ValidationDefinition(
            name=table, data=asset.add_batch_definition_whole_dataframe("partition"), suite=suite
        )
    )
    flat = prepared(frame)
    result = definition.run(
        batch_parameters={
            "dataframe": flat.select(
                name for name, dtype in flat.schema.items() if not dtype.is_nested()
            ).to_pandas(use_pyarrow_extension_array=True)
        },
        # with a time of its own: GX reads one out of names, and fails on "…..2026-12-31"
        run_id=gx.RunIdentifier(run_name=run_name, run_time=datetime.now(UTC)),
    )
    failed = [_said(one) for one in result.results if not one.success]
    return dg.AssetCheckResult(
        passed=bool(result.success),
        metadata={
            "rows": frame.height,
            "expectations": len(result.results),
            "failed": failed,
            "data_docs": dg.MetadataValue.path(str(HOME.data_docs / "index.html")),
        },
    )


def project() -> Any:  # noqa: ANN401 - GX exports no type for its contexts
    """The home's own GX project: suites, results and Data Docs as files."""
    HOME.checks.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(mode="file", project_root_dir=HOME.checks)
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    return context


def build_pages() -> None:
    """Write the Data Docs anew."""
    project().build_data_docs()


def _said(one: Any) -> str:  # noqa: ANN401
    about = one.expectation_config
    column = about.kwargs.get("column", about.kwargs.get("column_list", ""))
    return f"{about.type} {column}: {one.result.get('partial_unexpected_list', one.exception_info)}"


def _check(table: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=table, name="expectations")
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """What Great Expectations makes of the partitions just written."""
        keys = list(context.op_execution_context.partition_keys)
        found = Lake(HOME.lake).scan(table, [partition_of(key) for key in keys])
        if found is None:
            return dg.AssetCheckResult(passed=True, metadata={"rows": 0})
        name = keys[0] if len(keys) == 1 else f"{keys[0]}..{keys[-1]}"
        return validate(table, found.collect(engine="in-memory"), name.replace("|", "-"))

    return check


CHECKS: Final = [_check(table) for table in expected()]
