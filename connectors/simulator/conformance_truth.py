"""What of the unified interface each simulated machine speaks, and what is wrong with its clock."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import pyarrow as pa

from connectors.simulator.machine_shifts import EQUIPMENT
from connectors.simulator.planted import key
from connectors.simulator.said import MachineTimeline
from connectors.simulator.timeline import FactoryTimeline

CONFORMANCE: Final = pa.schema(
    [
        *EQUIPMENT,
        pa.field("level", pa.int8(), nullable=False),
        pa.field("clock_offset_s", pa.int64(), nullable=False),
        pa.field("unannounced_resets", pa.int64(), nullable=False),
    ]
)
"""A row per machine; the clock is that of its factory's sources, resets are of the whole timeline
and of machines that declare none."""

NEVER: Final = "never"


def conformance(sites: Sequence[FactoryTimeline]) -> pa.Table:
    """CONFORMANCE of the machines of factories."""
    rows = [_row(site, machine) for site in sites for machine in site.machines]
    return pa.Table.from_pylist(rows, schema=CONFORMANCE)


def _row(site: FactoryTimeline, machine: MachineTimeline) -> dict[str, Any]:
    resets = machine.plantings.unannounced_resets if site.factory.reset_policy == NEVER else ()
    return {
        **key(machine),
        "level": level({point.measure for point in machine.points}),
        "clock_offset_s": site.factory.source_clock_offset_s,
        "unannounced_resets": len(resets),
    }


def level(served: Collection[str]) -> int:
    """L0 to L3 by what is served, spelled out as the interface's own table of levels has it."""
    if "parts_total" not in served or not {"item_state", "packml_state"} & set(served):
        return 0
    has_outcome = "parts_good" in served or "parts_bad" in served
    if not (has_outcome and "order_id" in served and "ideal_cycle_s" in served):
        return 1
    return 3 if "stop_reason_code" in served and "energy_kwh" in served else 2
