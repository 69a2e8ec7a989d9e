"""What really happened, counted at the source: the files of docs/architecture.md, Truth.

All times but the ticks of `values` are true times: without the skew of a factory's clock.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.raw import ticks_of
from connectors.simulator.calendars import to_time
from connectors.simulator.conformance_truth import conformance
from connectors.simulator.machine_losses import machine_losses
from connectors.simulator.machine_shifts import machine_shifts
from connectors.simulator.nodes import Series, Served, SiteTimeline
from connectors.simulator.planted import faults, nastiness
from connectors.simulator.rows import VALUE_FIELDS, batches, value_arrays, window
from connectors.simulator.timeline import FactoryTimeline

TRUTH_VERSION: Final = 1
BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
NEVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_ROWS_AT_ONCE: Final = 250_000
"""About 40 MB in memory while a site's values are written."""

VALUES: Final = pa.schema(
    [
        pa.field("server_uri", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("node_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("source_ticks", pa.int64()),
        pa.field("server_ticks", pa.int64()),
        pa.field("delivered_ticks", pa.int64(), nullable=False),
        *VALUE_FIELDS,
        pa.field("status_code", pa.uint32(), nullable=False),
    ]
)


def write_truth(
    folder: Path,
    sites: Sequence[SiteTimeline],
    *,
    start: datetime = BEGINNING,
    end: datetime = NEVER,
) -> None:
    """Write `manifest.json`, `values/`, and the factories' shifts, faults and the like.

    `values` holds what a client connected during [start, end) is given: all that is delivered
    then and, per node, the value standing at `start`; everything by default, and always all that a
    park gateway says before `end`, for its evidence is asked for over months. The other files
    cover the whole timeline.
    """
    (folder / "values").mkdir(parents=True, exist_ok=True)
    starts = {s.site_id: start if isinstance(s, FactoryTimeline) else BEGINNING for s in sites}
    counted = {
        site.site_id: write_values(folder, site, start=starts[site.site_id], end=end)
        for site in sites
    }
    factories = [site for site in sites if isinstance(site, FactoryTimeline)]
    _write(folder / "machine_shifts.parquet", machine_shifts(factories))
    _write(folder / "machine_losses.parquet", machine_losses(factories))
    _write(folder / "faults.parquet", faults(factories))
    _write(folder / "nastiness.parquet", nastiness(factories))
    _write(folder / "conformance.parquet", conformance(factories))
    text = json.dumps(_manifest(sites, counted, starts, start, end), ensure_ascii=False, indent=2)
    (folder / "manifest.json").write_text(text + "\n", encoding="utf-8")


def write_values(folder: Path, site: SiteTimeline, *, start: datetime, end: datetime) -> int:
    """Write `values/<site>.parquet` node by node; the number of rows."""
    ticks = ticks_of(start), ticks_of(end)
    path = folder / "values" / f"{site.site_id}.parquet"
    count = 0
    # without Arrow's own schema readers see plain strings instead of dictionaries
    with pq.ParquetWriter(path, VALUES, compression="zstd", store_schema=False) as writer:
        arrays = (_values(site, node, site.series(node), ticks) for node in site.nodes)
        for table in batches(arrays, VALUES, _ROWS_AT_ONCE):
            writer.write_table(table)
            count += table.num_rows
    return count


def _values(
    site: SiteTimeline, node: Served, series: Series, ticks: tuple[int, int]
) -> list[pa.Array]:
    rows = window(series, *ticks)
    return [
        constant(site.server_uri, len(rows)),
        constant(node.node_id, len(rows)),
        pa.array(series.source_ticks[rows]),
        pa.array(series.server_ticks[rows]),
        pa.array(series.delivered_ticks[rows]),
        *value_arrays(node, series.values[rows]),
        pa.array(series.status[rows]),
    ]


def constant(text: str, count: int) -> pa.DictionaryArray:
    """A dictionary column that says the same in every row."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, np.int32)), pa.array([text]))


def _manifest(
    sites: Sequence[SiteTimeline],
    counted: dict[str, int],
    starts: dict[str, datetime],
    start: datetime,
    end: datetime,
) -> dict[str, Any]:
    manifest: dict[str, Any] = {
        "schema_version": TRUTH_VERSION,
        "zone": "Asia/Shanghai",
        "start": start.isoformat(),
        "end": end.isoformat(),
        "sites": [
            {
                "site_id": site.site_id,
                "server_uri": site.server_uri,
                "nodes": len(site.nodes),
                "values": counted[site.site_id],
                "start": starts[site.site_id].isoformat(),
            }
            for site in sites
        ],
    }
    for site in sites:
        if isinstance(site, FactoryTimeline):
            manifest["seed"] = site.seed
            manifest["default_day"] = site.span.day.isoformat()
            manifest["timeline"] = [
                to_time(site.span.start_ms).isoformat(), to_time(site.span.end_ms).isoformat(),
            ]  # fmt: skip
    return manifest


def _write(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")
