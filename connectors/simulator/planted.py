"""What was planted, as tables: the anomalies, and what is wrong with the values. Times are true."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa

from connectors.raw import EPOCH_TICKS
from connectors.simulator import counters
from connectors.simulator.calendars import to_time
from connectors.simulator.machine_shifts import EQUIPMENT, TIME
from connectors.simulator.nodes import Served, SiteTimeline
from connectors.simulator.said import TICKS_PER_MS, MachineTimeline
from connectors.simulator.timeline import FactoryTimeline

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
CAUSE: Final = pa.field("cause_id", pa.string())
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


def faults(sites: Sequence[FactoryTimeline]) -> pa.Table:
    """The planted anomalies; with a `cause_id` where machines share one."""
    rows = [
        {
            "fault_id": fault.fault_id,
            **key(m),
            "kind": fault.kind,
            "signals": list(dict.fromkeys(fault.signals)),
            "magnitude": fault.magnitude,
            "start": to_time(fault.start_ms),
            "end": to_time(fault.end_ms),
            "cause_id": fault.cause_id,
        }
        for site in sites
        for m in site.machines
        for fault in m.faults
    ]
    shared = any(row["cause_id"] for row in rows)
    return pa.Table.from_pylist(rows, schema=FAULTS.append(CAUSE) if shared else FAULTS)


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
