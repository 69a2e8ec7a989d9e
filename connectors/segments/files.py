"""How segments lie on the disk."""

import hashlib
import os
import re
from pathlib import Path
from typing import Final

import pyarrow as pa

OPEN: Final = ".open"
OPEN_SUFFIX: Final = f".arrow{OPEN}"
OPTIONS: Final = pa.ipc.IpcWriteOptions(
    compression="lz4", emit_dictionary_deltas=True, use_threads=False
)
"""Handing columns of some kilobytes to a thread pool costs more than compressing them."""


def fsync_folder(folder: Path) -> None:
    """Make new, renamed and removed files of a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def slug(server_uri: str) -> str:
    """A file name's part for a server: readable, and unlike that of any other server."""
    readable = re.sub(r"[^a-z0-9]+", "-", server_uri.lower()).strip("-")[-40:].strip("-")
    return f"{readable}-{hashlib.sha256(server_uri.encode()).hexdigest()[:8]}"
