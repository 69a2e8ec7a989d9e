"""The IO manager: Dagster's partitions onto the lake's files, and nothing else.

An asset that serves a box of partitions in one run gets one frame over all of them and gives
one frame back; here it is cut by local day, so that each partition is its own file.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import dagster as dg
import polars as pl

from assets.partitions import partition_of
from connectors.factory_days import causes
from connectors.home import Home
from connectors.lake import Cut, Lake, Partition, Written, cut
from connectors.restating import replace_figures
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

RESTATED: Final = "restated"
"""Metadata of an asset: what its figures were is told before they are replaced."""

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
        """Cut by day, write every partition of the run whole, and say how much was written.

        A file that holds its rows already stays as it is: `rewritten` counts the others.
        """
        partitions = _partitions(context)
        name = context.asset_key.path[-1]
        told = context.definition_metadata or {}
        parts = {
            table: self._cut(frame, partitions, told.get(DAY_COLUMN))
            for table, frame in _tables(name, obj).items()
        }
        if told.get(RESTATED):
            written = self._restated(context, name, parts[name])
        else:
            written = [
                self.lake.write(table, rows, partition)
                for table, cuts in parts.items()
                for partition, rows in cuts.items()
            ]
        context.add_output_metadata(
            {
                "rows": dg.MetadataValue.int(sum(w.rows for w in written)),
                "files": dg.MetadataValue.int(len(written)),
                "rewritten": dg.MetadataValue.int(sum(w.is_new for w in written)),
                "path": dg.MetadataValue.path(str(written[0].path) if written else self.root),
                **({"sha256": written[0].sha256} if len(written) == 1 else {}),
            }
        )

    def _cut(self, frame: Frame, partitions: list[Partition], day_column: str | None) -> Cut:
        rows = frame.lazy().collect(engine="in-memory")
        if day_column is None:
            return dict.fromkeys(partitions, rows)
        days = rows.select(_local_day(rows.schema, day_column, self.first_day)).to_series()
        return cut(rows.drop("partition_day", strict=False), days, partitions)

    def _restated(self, context: dg.OutputContext, table: str, parts: Cut) -> list[Written]:
        """Figures of one factory's days, their restatements beside them."""
        home, now = Home(Path(self.root).parent), datetime.now(UTC)
        (factory,) = {str(partition.factory) for partition in parts}
        days = [partition.day for partition in parts if partition.day]
        why = causes(home, factory, days, context.run_id)
        done = [
            replace_figures(
                self.lake,
                rows,
                part,
                cause=why[part.day],
                at=now,
                run_id=context.run_id,
                table=table,
            )
            for part, rows in parts.items()
            if part.day
        ]
        context.add_output_metadata({"restated": sum(restated for _, restated in done)})
        return [written for written, _ in done]

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


def _tables(name: str, obj: Frame | Tables) -> Tables:
    return {f"{name}_{k}": v for k, v in obj.items()} if isinstance(obj, Mapping) else {name: obj}


def _partitions(context: dg.OutputContext | dg.InputContext) -> list[Partition]:
    if not context.has_asset_partitions:
        return [Partition()]
    return sorted(partition_of(key) for key in context.asset_partition_keys)


def _local_day(schema: pl.Schema, column: str, first_day: str) -> pl.Expr:
    day = pl.col(column)
    if schema[column] != pl.Date():
        day = local_day(day)
    return day.clip(lower_bound=date.fromisoformat(first_day))
