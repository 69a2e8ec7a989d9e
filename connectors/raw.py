"""The row a segment holds: one OPC UA DataValue as received, before any interpretation."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pyarrow as pa

SCHEMA_VERSION: Final = 1

RAW_SCHEMA: Final = pa.schema(
    [
        pa.field("server_uri", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("node_id", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("source_ticks", pa.int64()),
        pa.field("server_ticks", pa.int64()),
        pa.field("received_time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("value_type", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("is_array", pa.bool_(), nullable=False),
        pa.field("value_float", pa.float64()),
        pa.field("value_int", pa.int64()),
        pa.field("value_uint", pa.uint64()),
        pa.field("value_text", pa.string()),
        pa.field("value_raw", pa.binary()),
        pa.field("status_code", pa.uint32(), nullable=False),
        pa.field("origin", pa.dictionary(pa.int32(), pa.string()), nullable=False),
    ]
)
"""`source_time` and `server_time` are not stored: they follow from the ticks (see `export`).
Float and Double go to value_float; Boolean and signed integers to value_int; unsigned integers
and StatusCode to value_uint; String, Guid and DateTime to value_text; LocalizedText, structures
and arrays to value_text as JSON; ByteString and whatever cannot be decoded to value_raw."""

TICKS_PER_S: Final = 10_000_000
EPOCH_TICKS: Final = 116_444_736_000_000_000
"""1970-01-01 in OPC UA ticks (100 ns since 1601-01-01)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_US: Final = timedelta(microseconds=1)
_FIRST_US: Final = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _US
_LAST_US: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _US


def ticks_of(time: datetime) -> int:
    """OPC UA ticks of an aware datetime, exact to the microsecond."""
    return EPOCH_TICKS + (time - _EPOCH) // _US * 10


def time_of(ticks: int) -> datetime:
    """The UTC datetime of OPC UA ticks, cut to the microsecond and to what a datetime can say."""
    us = min(max((ticks - EPOCH_TICKS) // 10, _FIRST_US), _LAST_US)
    return _EPOCH + us * _US
