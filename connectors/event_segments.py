"""The row an event segment holds: one event notification as received, before any interpretation.

Event segments lie apart from those of values, `event_segments/<site>/NNNNNNNN-<server>.arrow`,
and keep the same law: appended, fsynced, sealed with a sidecar, rescued after a crash.
"""

from pathlib import Path
from typing import Final

import pyarrow as pa

from connectors.segments import RowKind, SegmentWriter

FOLDER: Final = "event_segments"
SERVER_NODE: Final = "nsu=http://opcfoundation.org/UA/;i=2253"
"""The Server object, the root of every notifier: all events of a server reach it (part 3, 7.17);
what is lost of them stands in the ledger as a gap of this node."""

_WORD: Final = pa.dictionary(pa.int32(), pa.string())

EVENT_SCHEMA: Final = pa.schema(
    [
        pa.field("server_uri", _WORD, nullable=False),
        pa.field("event_id", pa.string()),
        pa.field("event_type", pa.string()),
        pa.field("source_node", pa.string()),
        pa.field("source_name", pa.string()),
        pa.field("time_ticks", pa.int64()),
        pa.field("receive_ticks", pa.int64()),
        pa.field("received_time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("message", pa.string()),
        pa.field("message_locale", pa.string()),
        pa.field("severity", pa.uint16()),
        pa.field("condition_id", pa.string()),
        pa.field("condition_name", pa.string()),
        pa.field("branch_id", pa.string()),
        pa.field("retain", pa.bool_()),
        pa.field("enabled", pa.bool_()),
        pa.field("active", pa.bool_()),
        pa.field("active_ticks", pa.int64()),
        pa.field("acked", pa.bool_()),
        pa.field("confirmed", pa.bool_()),
        pa.field("suppressed", pa.bool_()),
        pa.field("shelving", pa.string()),
        pa.field("quality", pa.uint32()),
        pa.field("comment", pa.string()),
        pa.field("user", pa.string()),
        pa.field("other", pa.string()),
        pa.field("origin", _WORD, nullable=False),
    ]
)
"""`event_id` is hexadecimal; `active_ticks` is when the alarm last became active or inactive;
`other` is JSON: fields of a type that their column cannot hold, by column, each with Type and
Value, and under Raw the bytes (Base64) of what could not be decoded at all. `origin`: live,
republished, or refreshed, which is the server's answer to our ConditionRefresh."""

EVENTS: Final = RowKind(EVENT_SCHEMA, ("time_ticks", "receive_ticks"))


def folder_of(home: Path, site_id: str) -> Path:
    """Where a site's event segments lie."""
    return home / FOLDER / site_id


def writer(home: Path, site_id: str, server_uri: str) -> SegmentWriter:
    """A writer of one server's events."""
    folder = folder_of(home, site_id)
    return SegmentWriter(folder, site_id=site_id, server_uri=server_uri, kind=EVENTS)
