from typing import Any, Final, TypeAlias

import numpy.typing as npt

Column: TypeAlias = npt.NDArray[Any]
CONTRACT: Final[int]

def walk(
    data: bytes, pos: int, row: int, count: int, prefix: int, buffers: tuple[Column, ...]
) -> tuple[int, int]: ...
def spell(
    data: bytes,
    count: int,
    column: int,
    buffers: tuple[Column, ...],
    offsets: Column,
    letters: Column,
) -> int: ...
