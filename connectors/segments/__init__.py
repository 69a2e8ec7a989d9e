"""Durable segments: rows appended, fsynced in groups, sealed with a sidecar, rescued after a crash.

A row is safe when `SegmentWriter.sync` has returned; only then may it be acknowledged to a server.
"""

from connectors.segments.days import local_days
from connectors.segments.files import OPEN_SUFFIX
from connectors.segments.kinds import VALUES, RowKind
from connectors.segments.reading import prune, read, read_held
from connectors.segments.sidecar import Sidecar, read_sidecar, readable_sidecars, sidecars
from connectors.segments.tails import Recovered, is_held, recover, recover_all, unsealed
from connectors.segments.writer import SegmentWriter

__all__ = [
    "OPEN_SUFFIX",
    "VALUES",
    "Recovered",
    "RowKind",
    "SegmentWriter",
    "Sidecar",
    "is_held",
    "local_days",
    "prune",
    "read",
    "read_held",
    "read_sidecar",
    "readable_sidecars",
    "recover",
    "recover_all",
    "sidecars",
    "unsealed",
]
