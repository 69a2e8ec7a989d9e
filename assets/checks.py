"""Asset checks on Great Expectations: what must hold of a table before it leaves, and Data Docs.

The only module that touches pandas: GX has no Polars engine (docs/decisions/0005).
"""

from collections.abc import Sequence
from typing import Any, Final

import dagster as dg
import great_expectations as gx
import great_expectations.expectations as gxe
import polars as pl
from great_expectations.data_context import AbstractDataContext

from assets.partitions import HOME, partition_of
from connectors.lake import Lake, Partition
from pipelines.schemas import EQUIPMENT_KEY


def project() -> AbstractDataContext:
    """The home's own GX project: suites, results and Data Docs as files."""
    HOME.checks.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(mode="file", project_root_dir=HOME.checks)
    context.variables.progress_bars = {"globally": False}
    return context


def ratio(column: str, upper: float | None = 1.0) -> gxe.Expectation:
    """A ratio, or null where it is undefined."""
    return gxe.ExpectColumnValuesToBeBetween(column=column, min_value=0.0, max_value=upper)


def present(*columns: str) -> list[gxe.Expectation]:
    """Columns without a null."""
    return [gxe.ExpectColumnValuesToNotBeNull(column=column) for column in columns]


EXPECTED: Final[dict[str, list[gxe.Expectation]]] = {
    "oee_by_shift": [
        *present(*EQUIPMENT_KEY, "production_day", "shift_id", "start", "end", "profile_id"),
        gxe.ExpectCompoundColumnsToBeUnique(
            column_list=["work_unit_id", "production_day", "shift_id"]
        ),
        gxe.ExpectMulticolumnSumToEqual(column_list=["unaccounted_s"], sum_total=0),
        *[ratio(name) for name in ("availability", "quality_ratio", "completeness")],
        ratio("oee", None),
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A="upper",
            column_B="lower",
            or_equal=True,
            ignore_row_if="either_value_is_missing",
        ),
        gxe.ExpectColumnValuesToBeBetween(column="pq", min_value=0),
    ],
}
"""What must hold, by table. `unaccounted_s` is PBT less all its elements, in whole microseconds."""


def prepared(table: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with what its expectations need besides its own columns."""
    if table != "oee_by_shift":
        return frame
    micros = [
        (pl.col(name) * 1_000_000).round().cast(pl.Int64)
        for name in ("pbt_s", "apt_s", "aust_s", "adet_s", "adot_s", "unknown_s")
    ]
    return frame.with_columns(unaccounted_s=micros[0] - pl.sum_horizontal(micros[1:]))


def validate(table: str, frame: pl.DataFrame, run_name: str) -> dg.AssetCheckResult:
    """Hold a frame against its table's expectations, keep the result in the Data Docs."""
    context = project()
    suite = context.suites.add_or_update(
        gx.ExpectationSuite(name=table, expectations=EXPECTED[table])
    )
    asset = context.data_sources.add_or_update_pandas(table).add_dataframe_asset(table)
    definition = context.validation_definitions.add_or_update(
        gx.ValidationDefinition(
            name=table, data=asset.add_batch_definition_whole_dataframe("partition"), suite=suite
        )
    )
    result = definition.run(
        batch_parameters={
            "dataframe": prepared(table, frame).to_pandas(use_pyarrow_extension_array=True)
        },
        run_id=gx.RunIdentifier(run_name=run_name),
    )
    failed = [_said(one) for one in result.results if not one.success]
    return dg.AssetCheckResult(
        passed=bool(result.success),
        severity=dg.AssetCheckSeverity.ERROR,
        metadata={
            "rows": frame.height,
            "expectations": len(result.results),
            "failed": failed,
            "data_docs": dg.MetadataValue.path(str(HOME.data_docs / "index.html")),
        },
    )


def _said(one: Any) -> str:  # noqa: ANN401 - GX leaves the type of a result open
    about = one.expectation_config
    return f"{about.type} {about.kwargs.get('column', '')}: {one.result.get('partial_unexpected_list')}"


def build_pages() -> None:
    """Write the Data Docs anew."""
    project().build_data_docs()


def _check(table: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=table, name="expectations", blocking=False)
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """What Great Expectations makes of the partitions just written."""
        keys = context.op_execution_context.partition_keys
        found = Lake(HOME.lake).scan(table, [partition_of(key) for key in keys])
        if found is None:
            return dg.AssetCheckResult(passed=True, metadata={"rows": 0})
        return validate(table, found.collect(engine="in-memory"), f"{keys[0]}..{keys[-1]}")

    return check


CHECKS: Final = [_check(table) for table in EXPECTED]
