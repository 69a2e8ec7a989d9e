"""Random numbers that depend on names alone, so that no part of the fleet disturbs another."""

from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)


def stream(seed: int, *names: object) -> np.random.Generator:
    """A generator of its own for these names."""
    words = [crc32(str(name).encode()) for name in names]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *words])))


def scatter(seed: int, name: str, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """A well-mixed 64-bit word per key (splitmix64), the same on every machine and in any order."""
    start = np.uint64((seed * 0x1000193 + crc32(name.encode())) & 0xFFFFFFFFFFFFFFFF)
    word = keys.astype(np.uint64) * _GOLDEN + start
    word = (word ^ (word >> np.uint64(30))) * _MIX_1
    word = (word ^ (word >> np.uint64(27))) * _MIX_2
    return word ^ (word >> np.uint64(31))
