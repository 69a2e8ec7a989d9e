from typing import Any, Final

CONTRACT: Final[int]

def walk(
    data: bytes, pos: int, row: int, count: int, prefix: int, buffers: tuple[Any, ...]
) -> tuple[int, int]: ...
