"""100,000 DataValues of one HistoryData: compiled, numpy, pure Python, asyncua."""

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from benchmarks.rounds import Contender, DisagreementError, Measurement
from connectors.opcua import gather, twin, walk
from connectors.opcua.decode import DataValues, Reader
from connectors.raw import EPOCH_TICKS, TICKS_PER_S

COUNT: Final = 100_000
MASK: Final = 0x01 | 0x04 | 0x08
"""Value, source and server timestamp: what a server sends for a good Double."""
DOUBLE: Final = 11
WALKS: Final[dict[str, walk.Walk]] = {
    **({"compiled walk": walk.compiled} if walk.is_compiled() else {}),
    "numpy": gather.with_numpy,
    "pure Python twin": twin.fill,
}
"""Ours, the one in use first."""
WIRE: Final = np.dtype(
    [("mask", "u1"), ("type", "u1"), ("value", "<f8"), ("source", "<i8"), ("server", "<i8")]
)


def body() -> bytes:
    """A HistoryData as on the wire: a count, then COUNT DataValues of 26 bytes."""
    rows = np.zeros(COUNT, WIRE)
    rows["mask"], rows["type"] = MASK, DOUBLE
    rows["value"] = np.random.default_rng(1).normal(20, 5, COUNT)
    first = EPOCH_TICKS + 1_790_000_000 * TICKS_PER_S
    rows["source"] = first + np.arange(COUNT) * TICKS_PER_S
    rows["server"] = rows["source"] + 3_000
    return COUNT.to_bytes(4, "little") + rows.tobytes()


def measurement(folder: Path) -> Measurement:
    """Bytes to values with both times, as each decoder leaves them (columns, columns, objects)."""
    data = body()

    def ours(walker: walk.Walk) -> DataValues:
        return DataValues.decode(Reader(data), walker=walker)

    def theirs() -> ua.HistoryData:
        found: ua.HistoryData = struct_from_binary(ua.HistoryData, Buffer(data))
        return found

    for walker in WALKS.values():
        _agree(ours(walker), ours(twin.fill), theirs())
    return Measurement(
        f"decode {COUNT:,} DataValues",
        [
            *(Contender(f"ParkPulse, {name}", partial(ours, one)) for name, one in WALKS.items()),
            Contender("asyncua struct_from_binary", theirs),
        ],
        "every value and both times equal",
    )


def _agree(fast: DataValues, slow: DataValues, theirs: ua.HistoryData) -> None:
    for name in ("floats", "source_ticks", "server_ticks", "types", "status"):
        if not np.array_equal(getattr(fast, name), getattr(slow, name)):
            raise DisagreementError(f"decoding: {name} of the twins differ")
    values = theirs.DataValues
    if [one.Value.Value for one in values] != fast.floats.tolist():
        raise DisagreementError("decoding: values differ from asyncua's")
    for name, ticks in (("Source", fast.source_ticks), ("Server", fast.server_ticks)):
        found = [ua.datetime_to_win_epoch(getattr(one, f"{name}Timestamp")) for one in values]
        if found != ticks.tolist():
            raise DisagreementError(f"decoding: {name} times differ from asyncua's")
