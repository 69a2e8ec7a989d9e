"""What really happened, counted at the source: the files of docs/architecture.md, Truth.

All times but the ticks of `values` are true times: without the skew of a factory's clock.
"""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.raw import EPOCH_TICKS, ticks_of
from connectors.simulator import counters
from connectors.simulator.calendars import to_time
from connectors.simulator.machine_shifts import EQUIPMENT, TIME, machine_shifts
from connectors.simulator.nodes import Series, Served, SiteTimeline
from connectors.simulator.rows import VALUE_FIELDS, batches, value_arrays, window
from connectors.simulator.said import TICKS_PER_MS, MachineTimeline
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
FAULTS: Final = pa.schema(
    [
        pa.field("fault_id", pa.string(), nullable=False),
        *EQUIPMENT,
        pa.field("kind", pa.string(), nullable=False),
        pa.field("signals", pa.list_(pa.string()), nullable=False),
        pa.field("magnitude", pa.float64(), nullable=False),
        pa.field("start", TIME, nullable=False),
        pa.field("end", TIME, nullable=False),
    ]
)
NASTINESS: Final = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("server_uri", pa.string(), nullable=False),
        pa.field("node_id", pa.string()),
        pa.field("start", TIME, nullable=False),
        pa.field("end", TIME, nullable=False),
        pa.field("detail", pa.string(), nullable=False),
    ]
)


def write_truth(
    folder: Path,
    sites: Sequence[SiteTimeline],
    *,
    start: datetime = BEGINNING,
    end: datetime = NEVER,
) -> None:
    """Write `manifest.json`, `values/`, and the factories' shifts, faults and nastiness.

    `values` holds what a client connected during [start, end) is given: all that is delivered
    then and, per node, the value standing at `start`; everything by default. The other files
    cover the whole timeline.
    """
    (folder / "values").mkdir(parents=True, exist_ok=True)
    counted = {site.site_id: write_values(folder, site, start=start, end=end) for site in sites}
    factories = [site for site in sites if isinstance(site, FactoryTimeline)]
    _write(folder / "machine_shifts.parquet", machine_shifts(factories))
    _write(folder / "faults.parquet", faults(factories))
    _write(folder / "nastiness.parquet", nastiness(factories))
    text = json.dumps(_manifest(sites, counted, start, end), ensure_ascii=False, indent=2)
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


def faults(sites: Sequence[FactoryTimeline]) -> pa.Table:
    """The planted anomalies."""
    rows = [
        {
            "fault_id": m.fault.fault_id,
            **key(m),
            "kind": m.fault.kind,
            "signals": list(dict.fromkeys(m.fault.signals)),
            "magnitude": m.fault.magnitude,
            "start": to_time(m.fault.start_ms),
            "end": to_time(m.fault.end_ms),
        }
        for site in sites
        for m in site.machines
        if m.fault is not None
    ]
    return pa.Table.from_pylist(rows, schema=FAULTS)


def key(machine: MachineTimeline) -> dict[str, str]:
    """The equipment key of a machine."""
    return {
        "park_id": machine.factory.park_id,
        "factory_id": machine.factory.factory_id,
        "line_id": machine.machine.line_id,
        "work_unit_id": machine.machine.work_unit_id,
    }


def nastiness(sites: Sequence[FactoryTimeline]) -> pa.Table:
    """Everything planted on the values besides faults, with when and where."""
    rows: list[dict[str, Any]] = []
    for site in sites:
        if site.factory.source_clock_offset_s:
            detail = f"source clock {site.factory.source_clock_offset_s:+d} s"
            rows.append(
                _row(site, "clock_skew", None, site.span.start_ms, site.span.end_ms, detail)
            )
        for machine in site.machines:
            rows += _machine_rows(site, machine)
    return pa.Table.from_pylist(rows, schema=NASTINESS)


def _machine_rows(site: FactoryTimeline, machine: MachineTimeline) -> Iterator[dict[str, Any]]:
    nodes = {point.measure: point.served for point in machine.points}
    plantings, total = machine.plantings, nodes["parts_total"].node_id
    for upset in plantings.upsets:
        node = nodes[upset.measure]
        touched = _touched(site, node, upset.start_ms, upset.end_ms)
        detail = f"{touched} values, status 0x{upset.status:08X}, delay {upset.delay_ms} ms"
        if touched:
            yield _row(site, upset.kind, node.node_id, upset.start_ms, upset.end_ms, detail)
    state = nodes.get("packml_state", nodes.get("item_state"))
    for start, end, code in plantings.blackouts:
        assert state is not None
        yield _row(site, "bad", state.node_id, start, end, f"state unknown, status 0x{code:08X}")
    for at in plantings.unannounced_resets:
        yield _row(site, "counter_reset", total, at, at, "unannounced")
    for at in counters.declared_resets(machine.factory, machine.course):
        if at < site.span.end_ms:
            detail = f"declared: {machine.factory.reset_policy}"
            yield _row(site, "counter_reset", total, at, at, detail)
    if plantings.rollover_ms is not None:
        later = machine.course.pieces.time_ms
        at = int(later[np.searchsorted(later, plantings.rollover_ms)])
        detail = f"{machine.factory.sector.counter_max} to 0"
        yield _row(site, "counter_rollover", total, at, at, detail)


def _touched(site: FactoryTimeline, node: Served, start_ms: int, end_ms: int) -> int:
    true = site.series(node).source_ticks - site.source_offset_ticks
    times = (true - EPOCH_TICKS) // TICKS_PER_MS
    return len(np.unique(times[(times >= start_ms) & (times <= end_ms)]))


def _row(
    site: SiteTimeline, kind: str, node_id: str | None, start_ms: int, end_ms: int, detail: str
) -> dict[str, Any]:
    return {
        "kind": kind,
        "server_uri": site.server_uri,
        "node_id": node_id,
        "start": to_time(start_ms),
        "end": to_time(end_ms),
        "detail": detail,
    }


def _manifest(
    sites: Sequence[SiteTimeline], counted: dict[str, int], start: datetime, end: datetime
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
