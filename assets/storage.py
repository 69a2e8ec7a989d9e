"""The IO manager: Dagster's partitions onto the lake's files, and nothing else.

An asset that serves a box of partitions in one run gets one frame over all of them and gives
one frame back; here it is cut by local day, so that each partition is its own file.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.partitions import partition_of
from connectors.lake import Lake, Partition, Written
from pipelines import schemas
from pipelines.days import local_day

Frame = pl.DataFrame | pl.LazyFrame
Tables = Mapping[str, Frame]
"""Several tables from one asset: `process_values` keeps one per machine type."""

ALIASES: Final = {"park_tags": "tags"}
"""Assets that share a table: the catalogues of factories and of park gateways."""

DAY_COLUMN: Final = "day_column"
"""Metadata of an asset: the column whose local day names the partition of a row."""

BY_DAY: Final = {DAY_COLUMN: "partition_day"}
"""Rows that name their partition themselves, in a column that is not stored."""

NEAREST: Final = "nearest_before"
"""Metadata of an input: take the newest partition on or before the first asked for."""


class LakeIOManager(dg.ConfigurableIOManager):
    """Frames of an asset as Parquet files of the lake, one file per partition."""

    root: str
    first_day: str

    @property
    def lake(self) -> Lake:
        """The lake below `root`."""
        return Lake(Path(self.root))

    def handle_output(self, context: dg.OutputContext, obj: Frame | Tables) -> None:
        """Cut by day, write every partition of the run whole, and say how much was written."""
        partitions = _partitions(context)
        name = context.asset_key.path[-1]
        tables = (
            {f"{name}_{k}": v for k, v in obj.items()} if isinstance(obj, Mapping) else {name: obj}
        )
        day_column = (context.definition_metadata or {}).get(DAY_COLUMN)
        written = [
            one
            for table, frame in tables.items()
            for one in self._write(table, frame, partitions, day_column)
        ]
        context.add_output_metadata(
            {
                "rows": dg.MetadataValue.int(sum(w.rows for w in written)),
                "files": dg.MetadataValue.int(len(written)),
                "path": dg.MetadataValue.path(str(written[0].path) if written else self.root),
                **({"sha256": written[0].sha256} if len(written) == 1 else {}),
            }
        )

    def _write(
        self, table: str, frame: Frame, partitions: list[Partition], day_column: str | None
    ) -> list[Written]:
        rows = frame.lazy().collect(engine="in-memory")
        if day_column is None:
            return [self.lake.write(table, rows, partition) for partition in partitions]
        days = rows.select(_local_day(rows.schema, day_column, self.first_day)).to_series()
        return [
            self.lake.write(
                table,
                rows.filter(days == partition.day).drop("partition_day", strict=False),
                partition,
            )
            for partition in partitions
        ]

    def load_input(self, context: dg.InputContext) -> Any:  # noqa: ANN401 - a frame, or frames by machine type
        """The partitions asked for as one LazyFrame (empty with its schema where none exists)."""
        name = ALIASES.get(context.asset_key.path[-1], context.asset_key.path[-1])
        partitions = _partitions(context)
        if (context.definition_metadata or {}).get(NEAREST):
            nearest = self.lake.nearest(name, min(partitions)) if partitions else None
            partitions = [nearest] if nearest else []
        if name == "process_values":
            return self._by_machine_type(name, partitions)
        found = self.lake.scan(name, partitions)
        return found if found is not None else pl.LazyFrame(schema=schemas.TABLES[name])

    def _by_machine_type(self, name: str, partitions: list[Partition]) -> dict[str, pl.LazyFrame]:
        tables = sorted(path.name for path in self.lake.root.glob(f"{name}_*"))
        frames = {table: self.lake.scan(table, partitions) for table in tables}
        return {t.removeprefix(f"{name}_"): f for t, f in frames.items() if f is not None}


def _partitions(context: dg.OutputContext | dg.InputContext) -> list[Partition]:
    if not context.has_asset_partitions:
        return [Partition()]
    return sorted(partition_of(key) for key in context.asset_partition_keys)


def _local_day(schema: pl.Schema, column: str, first_day: str) -> pl.Expr:
    day = pl.col(column)
    if schema[column] != pl.Date():
        day = local_day(day)
    return day.clip(lower_bound=date.fromisoformat(first_day))
