"""Rows appended, brought to the disk in groups, sealed with a sidecar."""

import fcntl
import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from connectors.segments.dictionaries import Dictionary
from connectors.segments.facts import Facts
from connectors.segments.files import OPEN_SUFFIX, OPTIONS, fsync_folder, slug
from connectors.segments.kinds import VALUES, RowKind
from connectors.segments.sidecar import Sidecar, sidecar_for, write_sidecar

MAX_ROWS: Final = 1_000_000
"""About 11 MB a segment: one is read, hashed and checked in memory in one go."""
MAX_AGE_S: Final = 60.0
"""Dagster sees rows at most a minute late; smaller files cost every later scan."""


class _OpenSegment:
    """One `.arrow.open` file: bytes reach it only in `sync`, and a failed sync can be repeated."""

    def __init__(self, path: Path, kind: RowKind) -> None:
        self.path, self.kind = path, kind
        self.facts, self.opened_s = Facts(kind), time.monotonic()
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        fcntl.flock(self._fd, fcntl.LOCK_EX)  # a reader that looks who holds it lets go at once
        self._durable, self._hash, self.ended = 0, hashlib.sha256(), False
        self._sink = io.BytesIO()
        self._dictionaries = {name: Dictionary() for name in kind.dictionaries}
        self._stream = pa.ipc.new_stream(self._sink, kind.schema, options=OPTIONS)

    def write(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Encode the batches as one; nothing is on disk yet."""
        batch = self._unified(batches)
        self._stream.write_batch(batch)
        self.facts.add(batch)

    def _unified(self, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        whole = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
        for name, dictionary in self._dictionaries.items():
            place = self.kind.schema.get_field_index(name)
            column = dictionary.grown(whole.column(place))
            whole = whole.set_column(place, self.kind.schema.field(place), column)
        return whole

    def sync(self) -> None:
        """Bring all encoded bytes to the disk; on OSError they are kept for the next try."""
        end = self._sink.tell()
        # `with`: else an error that is kept would hold the sink
        with self._sink.getbuffer() as whole, whole[:end] as waiting:
            written = 0
            while written < len(waiting):
                written += os.pwrite(self._fd, waiting[written:], self._durable + written)
            os.fsync(self._fd)
            self._hash.update(waiting)
            self._durable += written
        self._sink.seek(0)  # its memory serves the next commit

    def finish(self) -> str:
        """End the stream durably; gives the file's SHA-256."""
        if not self.ended:
            self._stream.close()
            self.ended = True
        self.sync()
        os.ftruncate(self._fd, self._durable)  # a failed longer write may have left bytes behind
        os.fsync(self._fd)
        return self._hash.hexdigest()

    def close(self) -> None:
        os.close(self._fd)


class SegmentWriter:
    """Writes one server's rows into `folder`; one owner appends.

    `append` keeps rows in memory, `sync` is the group commit, `seal` closes the segment.
    `sync` seals by itself at `max_rows` rows or `max_age_s` seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        site_id: str,
        server_uri: str,
        max_rows: int = MAX_ROWS,
        max_age_s: float = MAX_AGE_S,
        on_sealed: Callable[[Sidecar], None] | None = None,
        kind: RowKind = VALUES,
    ) -> None:
        self.folder, self.site_id, self.server_uri, self.kind = folder, site_id, server_uri, kind
        self.max_rows, self.max_age_s = max_rows, max_age_s
        self._on_sealed = on_sealed
        self._pending: list[pa.RecordBatch] = []
        self.pending_rows = 0
        """Rows appended and not yet encoded."""
        self._open: _OpenSegment | None = None
        self._alone = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, batch: pa.RecordBatch) -> None:
        """Take a batch of the kind's schema; it is safe after the next `sync`."""
        if batch.schema != self.kind.schema:
            raise TypeError(f"a batch of {self.kind.schema} is needed, not of {batch.schema}")
        if batch.num_rows:
            self._pending.append(batch)
            self.pending_rows += batch.num_rows

    def sync(self) -> None:
        """Write, flush and fsync all appended rows; an OSError leaves them for the next call.

        May run in a thread while the owner goes on appending.
        """
        with self._alone:
            self._sync()

    def _sync(self) -> None:
        if self._open is not None and self._open.ended:
            self._seal_open(self._open)
        if self._pending:
            if self._open is None:
                self._open = _OpenSegment(self._next_path(), self.kind)
                fsync_folder(self.folder)
            batches = list(self._pending)
            self._open.write(batches)
            del self._pending[: len(batches)]
            self.pending_rows = sum(batch.num_rows for batch in self._pending)
        if self._open is None:
            return
        self._open.sync()
        aged = time.monotonic() - self._open.opened_s >= self.max_age_s
        if aged or self._open.facts.rows >= self.max_rows:
            self._seal_open(self._open)

    def seal(self) -> Path | None:
        """Sync and seal what is open; gives the sealed segment, None if there was nothing."""
        with self._alone:
            self._sync()
            return self._seal_open(self._open) if self._open else None

    def _seal_open(self, segment: _OpenSegment) -> Path:
        digest = segment.finish()
        sealed = segment.path.with_suffix("")
        if segment.path.exists():  # not so after a first try that found no room for the sidecar
            segment.path.rename(sealed)
        fsync_folder(self.folder)
        sidecar = sidecar_for(sealed, self.site_id, self.server_uri, segment.facts, digest)
        write_sidecar(sidecar)
        segment.close()
        self._open = None
        if self._on_sealed:
            self._on_sealed(sidecar)
        return sealed

    def _next_path(self) -> Path:
        numbers = [int(p.name[:8]) for p in self.folder.iterdir() if p.name[:8].isdigit()]
        number = max(numbers, default=0) + 1
        return self.folder / f"{number:08d}-{slug(self.server_uri)}{OPEN_SUFFIX}"
