"""Asset checks on Great Expectations: what must hold of a table before it leaves, and Data Docs.

The only module that touches pandas: GX has no Polars engine (docs/decisions/0005).
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import dagster as dg
import great_expectations as gx
import polars as pl

from assets.expectations import expected, prepared
from assets.partitions import HOME, key_of, partition_of
from connectors.lake import Lake, Partition

TOLD: Final = 3
"""Examples of what is wrong that a message names; the Data Docs have more."""

WHOLE: Final = "whole"
"""How the result of a table that is not cut into partitions is called."""


def hold(table: str, partitions: Iterable[Partition]) -> dg.AssetCheckResult | None:
    """Hold partitions of a table against its expectations; None where none of them exists."""
    asked = sorted(partitions, key=key_of)
    lake = Lake(HOME.lake)
    rows = [
        scan.with_columns(partition_day=pl.lit(one.day, pl.Date))
        for one in asked
        if (scan := lake.scan(table, [one])) is not None
    ]
    if not rows:
        return None
    keys = [key_of(asked[0]) or WHOLE, key_of(asked[-1]) or WHOLE]
    told = pl.concat(rows, how="diagonal")  # files of before may lack a column
    return validate(table, told, " to ".join(dict.fromkeys(keys)).replace("|", "-"))


def validate(table: str, rows: pl.LazyFrame, run_name: str) -> dg.AssetCheckResult:
    """Hold rows against their table's expectations and keep the result for the Data Docs."""
    frame = prepared(table, rows)
    result = _definition(table).run(
        batch_parameters={"dataframe": frame.to_pandas(use_pyarrow_extension_array=True)},
        # with a time of its own: GX reads one out of names, and fails on "…..2026-12-31"
        run_id=gx.RunIdentifier(run_name=run_name, run_time=datetime.now(UTC)),
    )
    failed = [_said(one) for one in result.results if not one.success]
    return dg.AssetCheckResult(
        passed=bool(result.success),
        description="; ".join(failed),
        metadata={
            "rows": frame.height,
            "expectations": len(result.results),
            "failed": failed,
            "data_docs": dg.MetadataValue.path(str(HOME.data_docs / "index.html")),
        },
    )


@cache
def project() -> Any:  # noqa: ANN401 - GX exports no type for its contexts
    """The home's own GX project: suites, results and Data Docs as files."""
    HOME.checks.mkdir(parents=True, exist_ok=True)
    context = gx.get_context(mode="file", project_root_dir=HOME.checks)
    context.variables.progress_bars = gx.data_context.types.base.ProgressBarsConfig(globally=False)
    return context


@cache
def _definition(table: str) -> Any:  # noqa: ANN401
    """A table's validation in the project, its suite made anew once per process."""
    context = project()
    if table in {suite.name for suite in context.suites.all()}:
        context.suites.delete(table)  # updating one in place refuses its own expectations
    suite = context.suites.add(gx.ExpectationSuite(name=table, expectations=expected()[table]))
    asset = context.data_sources.add_or_update_pandas(table).add_dataframe_asset(table)
    batch = asset.add_batch_definition_whole_dataframe("partition")
    return context.validation_definitions.add_or_update(
        gx.ValidationDefinition(name=table, data=batch, suite=suite)
    )


def build_pages() -> None:
    """Write the Data Docs anew."""
    project().build_data_docs()


def _said(one: Any) -> str:  # noqa: ANN401
    about = one.expectation_config
    column = about.kwargs.get("column", about.kwargs.get("column_list", ""))
    seen = one.result.get("partial_unexpected_list")
    return f"{about.type} {column}: {_broke(one) if seen is None else seen[:TOLD]}"


def _broke(one: Any) -> str:  # noqa: ANN401
    """Why an expectation could not be evaluated, without its traceback."""
    told = [part for part in one.exception_info.values() if isinstance(part, dict)]
    found = [str(part.get("exception_message")) for part in told or [one.exception_info]]
    return "; ".join(dict.fromkeys(line.partition("\n")[0] for line in found))


def _check(table: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=table, name="expectations")
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        """What Great Expectations makes of the partitions just written."""
        op = context.op_execution_context
        is_cut = op.has_partition_key or op.has_partition_key_range
        asked = [partition_of(key) for key in op.partition_keys] if is_cut else [Partition()]
        held = hold(table, asked)
        return held or dg.AssetCheckResult(passed=True, metadata={"rows": 0})

    return check


CHECKS: Final = [_check(table) for table in expected()]
