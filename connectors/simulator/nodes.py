"""What a simulated server exposes, and everything that one node ever says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

MACHINERY: Final = "http://opcfoundation.org/UA/Machinery/"
MACHINE_TOOL: Final = "http://opcfoundation.org/UA/MachineTool/"
PACKML: Final = "http://opcfoundation.org/UA/PackML/"
PROCESS_VALUES: Final = "http://opcfoundation.org/UA/Machinery/ProcessValues/"
UNIFIED: Final = "urn:parkpulse:unified-interface:1"
OPCUA: Final = "http://opcfoundation.org/UA/"

BrowseName = tuple[str, str]
"""A namespace URI and a name."""


@dataclass(frozen=True, slots=True)
class Served:
    """One variable under Objects: `path` are the browse names from Objects down to it."""

    node_id: str
    path: tuple[BrowseName, ...]
    value_type: str
    is_array: bool = False
    historized: bool = True
    is_property: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """All values of one node, in order of delivery; ticks are 100 ns since 1601.

    `values` is float64, int64, uint64 or object (str, bytes, None for a null value); a live
    client sees a value at `delivered_ticks`, history holds it under `source_ticks` from then on.
    """

    source_ticks: npt.NDArray[np.int64]
    server_ticks: npt.NDArray[np.int64]
    delivered_ticks: npt.NDArray[np.int64]
    values: npt.NDArray[Any]
    status: npt.NDArray[np.uint32]


class SiteTimeline(Protocol):
    """What one server says, as a function of seed and anchor alone."""

    site_id: str
    server_uri: str
    nodes: Sequence[Served]

    def series(self, node: Served) -> Series:
        """Everything `node` says over the whole timeline."""
        ...
