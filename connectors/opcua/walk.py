"""Which walk over DataValues is in use: the compiled one of `_walk.c`, or `gather` with numpy.

Both hand what is odd to `Columns.read_one`; `twin.fill` is their slow twin. PARKPULSE_WALKER is
`python` or `compiled` (the default where it was built): docs/decisions/0013-compiled-walker.md.
"""

import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from connectors.opcua.columns import Columns, Stretch
from connectors.opcua.gather import with_numpy
from connectors.opcua.pieces import Joined
from connectors.opcua.wire import Reader

_walk: ModuleType | None
try:
    from connectors.opcua import _walk
except ImportError:  # no C compiler was there, or it was built for another Python
    _walk = None

CONTRACT: Final = 2
"""What `_walk.c` was built for; another one is not used."""
Walk: TypeAlias = Callable[[Columns, Reader, int, Sequence[Stretch]], None]
_LONGEST: Final = 28
"""Letters that a DateTime has; a Guid has 36, but for 16 bytes."""


def compiled(values: Columns, r: Reader, prefix: int, stretches: Sequence[Stretch]) -> None:
    """The walk of `_walk.c`, which stops at every DataValue that is odd or cut."""
    assert _extension is not None
    values.is_compiled = True
    buffers = _buffers(values)
    row = 0
    for stretch in stretches:
        r.pos, last = stretch.begin, row + stretch.rows
        while True:
            row, r.pos = _extension.walk(r.data, r.pos, row, last, prefix, buffers)
            if row == last:
                break
            values.read_one(r, row, prefix)
            row += 1
        stretch.check(r.pos)


def _buffers(values: Columns) -> tuple[npt.NDArray[Any], ...]:
    return (
        values.handles, values.has_source, values.has_server, values.source_ticks,
        values.server_ticks, values.types, values.columns, values.floats, values.ints,
        values.uints, values.status, values.starts, values.sizes,
    )  # fmt: skip


def spelled(values: Columns, column: int) -> Joined | None:
    """The pieces of a column by `_walk.c`; None where it did not walk or leaves them to Python."""
    if _extension is None or not values.is_compiled:
        return None
    offsets = np.empty(values.count + 1, np.int32)
    letters = np.empty(int(values.sizes.sum()) + _LONGEST * values.count, np.uint8)
    end = _extension.spell(values.data, values.count, column, _buffers(values), offsets, letters)
    return (offsets, letters[:end]) if end >= 0 else None


def usable(module: ModuleType | None) -> ModuleType | None:
    """The module, None where it was built for another contract."""
    return module if getattr(module, "CONTRACT", None) == CONTRACT else None


_extension = usable(_walk)


def is_compiled() -> bool:
    """True where the compiled walk was built for this version."""
    return _extension is not None


def walker_in_use() -> str:
    """`compiled` or `python`: what decodes values in this process."""
    wanted = os.environ.get("PARKPULSE_WALKER", "compiled")
    return "compiled" if is_compiled() and wanted != "python" else "python"


def chosen() -> Walk:
    """The walk that is in use."""
    return compiled if walker_in_use() == "compiled" else with_numpy
