"""What a machine can be doing, what it says then, and which ISO 22400 time element that is.

The element is written down here beside the states, and not derived from them: the truth must not
share the pipeline's arithmetic (docs/architecture.md has the rules as words).
"""

from dataclasses import dataclass
from typing import Final

NOT_AVAILABLE, OUT_OF_SERVICE, NOT_EXECUTING, EXECUTING = range(4)
"""MachineryItemState (OPC 40001-1)."""
MODE_NONE, MODE_MAINTENANCE, MODE_SETUP, MODE_PROCESSING = range(4)
"""MachineryOperationMode (OPC 40001-1)."""

ITEM_STATE_TEXT: Final = ("NotAvailable", "OutOfService", "NotExecuting", "Executing")
OPERATION_MODE_TEXT: Final = ("None", "Maintenance", "Setup", "Processing")

_STOPPED, _IDLE, _SUSPENDED, _EXECUTE, _ABORTED, _HELD = 2, 4, 5, 6, 9, 11
_PRODUCE, _MAINTENANCE, _MANUAL = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of activity: emitted numbers, time element inside PBT, and how hard it drives.

    `category` is what its factory says its stop `reason` means, `zh` its name in Chinese; `drive`
    is the share of full load, `on` whether the machine is powered and working.
    """

    name: str
    item_state: int
    operation_mode: int
    packml_state: int
    packml_mode: int
    element: str
    reason: str
    category: str
    zh: str
    drive: float
    on: float


PRODUCE, MICRO_STOP, STARVED, SETUP, BREAKDOWN, CORRECTIVE = range(6)
NO_ORDER, WAITING, BREAK, PLANNED_MAINTENANCE, OFF = range(6, 11)

KINDS: Final = (
    Kind(
        "produce", EXECUTING, MODE_PROCESSING, _EXECUTE, _PRODUCE,
        "apt", "", "", "生产", 1.0, 1.0,
    ),
    Kind(
        "micro_stop", NOT_EXECUTING, MODE_PROCESSING, _HELD, _PRODUCE,
        "adet", "MS10", "minor_stop", "卡料短停", 0.12, 0.6,
    ),
    Kind(
        "starved", NOT_EXECUTING, MODE_PROCESSING, _SUSPENDED, _PRODUCE,
        "adet", "ST20", "starved", "待料", 0.1, 0.6,
    ),
    Kind(
        "setup", NOT_EXECUTING, MODE_SETUP, _IDLE, _MANUAL,
        "aust", "SU30", "setup", "换型调整", 0.3, 0.7,
    ),
    Kind(
        "breakdown", OUT_OF_SERVICE, MODE_NONE, _ABORTED, _PRODUCE,
        "adot", "BD40", "breakdown", "设备故障", 0.0, 0.2,
    ),
    Kind(
        "corrective_maintenance", NOT_EXECUTING, MODE_MAINTENANCE, _STOPPED, _MAINTENANCE,
        "adot", "CM50", "breakdown", "故障维修", 0.05, 0.2,
    ),
    Kind(
        "no_order", NOT_EXECUTING, MODE_NONE, _STOPPED, _PRODUCE,
        "adot", "NO60", "no_order", "无订单", 0.05, 0.4,
    ),
    Kind(
        "waiting", NOT_EXECUTING, MODE_NONE, _STOPPED, _PRODUCE,
        "adet", "WT70", "unplanned", "等待", 0.08, 0.5,
    ),
    Kind(
        "break", NOT_EXECUTING, MODE_NONE, _STOPPED, _PRODUCE,
        "", "BR80", "planned", "休息", 0.06, 0.5,
    ),
    Kind(
        "planned_maintenance", NOT_EXECUTING, MODE_MAINTENANCE, _STOPPED, _MAINTENANCE,
        "", "PM90", "planned", "计划保养", 0.05, 0.2,
    ),
    Kind(
        "off", NOT_EXECUTING, MODE_NONE, _STOPPED, _PRODUCE,
        "", "OF99", "planned", "停机", 0.0, 0.0,
    ),
)  # fmt: skip
"""Indexed by the numbers above. Break, planned maintenance and off lie outside PBT."""
