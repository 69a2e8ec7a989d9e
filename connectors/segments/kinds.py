"""What the rows of a segment are."""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.raw import RAW_SCHEMA

Ints: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RowKind:
    """What the rows of a segment are: their schema, and which columns say when one happened.

    `ticks` in order of preference; `marked_by` is the column whose newest ticks the sidecar keeps.
    """

    schema: pa.Schema
    ticks: tuple[str, ...]
    marked_by: str | None = None

    @property
    def dictionaries(self) -> list[str]:
        """The columns that hold codes of words."""
        return [field.name for field in self.schema if pa.types.is_dictionary(field.type)]


VALUES: Final = RowKind(RAW_SCHEMA, ("source_ticks", "server_ticks"), "node_id")
