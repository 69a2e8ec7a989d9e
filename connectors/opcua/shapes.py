"""Notifications that repeat: the same nodes speak in the same order, publish after publish.

Where rows of a known shape begin is a sum; that they are of this shape is looked at, not assumed.
"""

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from connectors.opcua.columns import VALUE, Stretch

Places = npt.NDArray[np.int64]
_LENGTH: Final = struct.Struct("<i")
_TO_LENGTH: Final = 2
"""From the mask to the length of a string."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Mask and type of every row, and where each begins behind the first (and the end).

    `strings` are the rows with a length: where behind the first it lies, and what it was.
    """

    keys: npt.NDArray[np.uint16]
    offsets: Places
    strings: Places
    lengths: Places
    sizes: npt.NDArray[np.int32]

    @classmethod
    def of(cls, data: bytes, places: Places, prefix: int, steps: Places) -> "Shape | None":
        """The shape of rows that begin there; None if one is odd (0) or without a value.

        `steps` are the bytes of a DataValue by its type and mask, negative for one with a length.
        """
        if not places.all():
            return None
        keys = keys_at(data, places + prefix)
        if not (keys & VALUE).all():
            return None
        found = steps[keys >> 8, keys & 0xFF]
        strings = np.flatnonzero(found < 0)
        sizes = _sizes_at(data, places[strings] + prefix + _TO_LENGTH)
        found = np.abs(found) + prefix
        found[strings] += np.maximum(sizes, 0)
        offsets = np.zeros(len(keys) + 1, np.int64)
        np.cumsum(found, out=offsets[1:])
        return cls(keys, offsets, strings, offsets[strings] + prefix + _TO_LENGTH, sizes)

    def places(self, data: bytes, stretch: Stretch, prefix: int) -> Places | None:
        """Where the rows of a stretch begin; None where they are not of this shape."""
        ends = self.offsets + stretch.begin
        if self.strings.size and not self._has_sizes(data, stretch):
            grown = self._grown(data, stretch)
            if grown is None:
                return None
            ends += grown
        if ends[-1] > stretch.end:
            return None
        begins = ends[:-1]
        return begins if np.array_equal(keys_at(data, begins + prefix), self.keys) else None

    def _has_sizes(self, data: bytes, stretch: Stretch) -> bool:
        """Whether numbers lie where the lengths of equally long strings would."""
        lengths = self.lengths + stretch.begin
        if lengths[-1] + _LENGTH.size > stretch.end:
            return False
        return np.array_equal(_sizes_at(data, lengths), self.sizes)

    def _grown(self, data: bytes, stretch: Stretch) -> Places | None:
        """How much further every row and the end are; None where that is beyond the bytes."""
        at, last, more = stretch.begin, stretch.end - _LENGTH.size, []
        for length, size in zip(self.lengths.tolist(), self.sizes.tolist(), strict=True):
            if at + length > last:
                return None
            now = _LENGTH.unpack_from(data, at + length)[0]
            more.append(max(now, 0) - max(size, 0))
            at += more[-1]
        found = np.zeros(len(self.offsets), np.int64)
        found[self.strings + 1] = more
        return np.cumsum(found, out=found)


def _sizes_at(data: bytes, places: Places) -> npt.NDArray[np.int32]:
    every = np.ndarray((len(data) - 3,), np.dtype("<i4"), data, 0, (1,))
    found: npt.NDArray[np.int32] = every[places]
    return found


def keys_at(data: bytes, places: Places) -> npt.NDArray[np.uint16]:
    """Mask (low byte) and type (high byte) of DataValues that begin there."""
    every = np.ndarray((len(data) - 1,), np.dtype("<u2"), data, 0, (1,))
    found: npt.NDArray[np.uint16] = every[places]
    return found
