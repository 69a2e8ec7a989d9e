"""The local day of a row: what a sidecar counts rows by."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.raw import EPOCH_TICKS, TICKS_PER_S, ticks_of
from connectors.segments.kinds import VALUES, Ints, RowKind

_LOCAL_OFFSET_TICKS: Final = 8 * 3600 * TICKS_PER_S
"""Asia/Shanghai is UTC+8 without summer time since 1992; older source times are quarantined."""
_DAY_TICKS: Final = 86_400 * TICKS_PER_S
_FIRST_TICKS: Final = ticks_of(datetime.min.replace(tzinfo=UTC))
_LAST_TICKS: Final = ticks_of(datetime.max.replace(tzinfo=UTC)) - _LOCAL_OFFSET_TICKS
"""The ends of what `date` can name, by local days: ticks reach from the year -27626 to 30828."""


def local_days(
    batch: pa.RecordBatch | pa.Table, kind: RowKind = VALUES
) -> npt.NDArray[np.datetime64]:
    """The local day of every row's source time, else its server time, else its receipt.

    What lies beyond the calendar counts on its first or last day.
    """
    return _days_of(local_ticks(batch, kind))


def local_ticks(batch: pa.RecordBatch | pa.Table, kind: RowKind) -> Ints:
    """When each row happened: its source time, else its server time, else its receipt."""
    first = batch.column(kind.ticks[0])
    if not first.null_count:
        return np.asarray(first)
    others = [batch.column(name) for name in kind.ticks[1:]]
    return np.asarray(pc.coalesce(first, *others, pa.array(in_ticks(received_us(batch)))))


def received_us(batch: pa.RecordBatch | pa.Table) -> Ints:
    """When each row was received, in µs since 1970."""
    return np.asarray(batch.column("received_time").cast(pa.int64()))


def in_ticks(us: Ints) -> Ints:
    """µs since 1970 as OPC UA ticks."""
    return us * 10 + EPOCH_TICKS


def _days_of(ticks: Ints) -> npt.NDArray[np.datetime64]:
    named: Ints = np.clip(ticks, _FIRST_TICKS, _LAST_TICKS)
    local = named - EPOCH_TICKS + _LOCAL_OFFSET_TICKS
    return (local // _DAY_TICKS).astype("datetime64[D]")


def rows_by_day(times: Ints, to_ticks: Callable[[Ints], Ints] = np.asarray) -> dict[str, int]:
    """Rows by local day; mostly all are of one, as the first and the last moment tell."""
    if not times.size:
        return {}
    first, last = _days_of(to_ticks(np.array([times.min(), times.max()])))
    if first == last:
        return {str(first): times.size}
    found, counts = np.unique(_days_of(to_ticks(times)), return_counts=True)
    return dict(zip(found.astype(str).tolist(), counts.tolist(), strict=True))
