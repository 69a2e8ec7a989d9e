"""Durable segments: rows appended, fsynced in groups, sealed with a sidecar, rescued after a crash.

A row is safe when `SegmentWriter.sync` has returned; only then may it be acknowledged to a server.
"""

import fcntl
import hashlib
import io
import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import SegmentUnreadable
from connectors.raw import EPOCH_TICKS, RAW_SCHEMA, SCHEMA_VERSION, TICKS_PER_S, ticks_of

MAX_ROWS: Final = 1_000_000
"""About 11 MB a segment: one is read, hashed and checked in memory in one go."""
MAX_AGE_S: Final = 60.0
"""Dagster sees rows at most a minute late; smaller files cost every later scan."""
_OPEN: Final = ".open"
OPEN_SUFFIX: Final = f".arrow{_OPEN}"
_LOCK_TRIES: Final = 10
_LOCK_WAIT_S: Final = 0.02
"""A reader holds the lock of a tail for microseconds, to see whether a collector does."""
_LOCAL_OFFSET_TICKS: Final = 8 * 3600 * TICKS_PER_S
"""Asia/Shanghai is UTC+8 without summer time since 1992; older source times are quarantined."""
_DAY_TICKS: Final = 86_400 * TICKS_PER_S
_FIRST_TICKS: Final = ticks_of(datetime.min.replace(tzinfo=UTC))
_LAST_TICKS: Final = ticks_of(datetime.max.replace(tzinfo=UTC)) - _LOCAL_OFFSET_TICKS
"""The ends of what `date` can name, by local days: ticks reach from the year -27626 to 30828."""
_DAY_NAME: Final = re.compile(r"-?\d{4,6}-\d\d-\d\d")
_OPTIONS: Final = pa.ipc.IpcWriteOptions(
    compression="lz4", emit_dictionary_deltas=True, use_threads=False
)
"""Handing columns of some kilobytes to a thread pool costs more than compressing them."""
Ints: TypeAlias = npt.NDArray[np.int64]
_NEVER: Final = int(np.iinfo(np.int64).min)


@dataclass(frozen=True, slots=True)
class RowKind:
    """What the rows of a segment are: their schema, and which columns say when one happened.

    `ticks` in order of preference; `marked_by` is the column whose newest ticks the sidecar keeps.
    """

    schema: pa.Schema
    ticks: tuple[str, ...]
    marked_by: str | None = None

    @property
    def dictionaries(self) -> list[str]:
        """The columns that hold codes of words."""
        return [field.name for field in self.schema if pa.types.is_dictionary(field.type)]


VALUES: Final = RowKind(RAW_SCHEMA, ("source_ticks", "server_ticks"), "node_id")


@dataclass(frozen=True, slots=True)
class Sidecar:
    """What a sealed segment holds, in the file at `path`.

    `days` counts rows by the local day of their source time, `received_days` of their receipt.
    `pruned` is when the file was removed, because bronze holds its rows; None while it is there.
    """

    path: Path
    site_id: str
    server_uri: str
    rows: int
    sha256: str
    sealed_at: str
    days: dict[str, int]
    origins: dict[str, int]
    marks: dict[str, int]
    received_days: dict[str, int]
    pruned: str | None = None
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Recovered:
    """One unsealed tail: the segment made of it (None if no whole batch), and what was cut."""

    path: Path | None
    rows: int
    bytes_cut: int


@dataclass(slots=True)
class _Facts:
    """What the sidecar will say, gathered batch by batch."""

    kind: RowKind = VALUES
    rows: int = 0
    days: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    received_days: Counter[str] = field(default_factory=Counter)
    _marks: dict[str, int] = field(default_factory=dict)
    _nodes: pa.Array = field(default_factory=lambda: pa.array([], pa.string()))
    _newest: Ints = field(default_factory=lambda: np.array([], np.int64))
    """Newest source ticks by place in `_nodes`: words are looked at only where these change."""

    def add(self, batch: pa.RecordBatch) -> None:
        self.rows += batch.num_rows
        self.days.update(_rows_by_day(_local_ticks(batch, self.kind)))
        self.received_days.update(_rows_by_day(_received_us(batch), _ticks))
        self.origins.update(_value_counts(batch.column("origin")))
        if self.kind.marked_by is not None:
            self._note_newest(batch.column(self.kind.marked_by), batch.column(self.kind.ticks[0]))

    def _note_newest(self, column: pa.DictionaryArray, ticks: pa.Array) -> None:
        nodes = column.dictionary
        if not _begins_with(nodes, self._nodes):
            self._marks, self._newest = self.marks, np.array([], np.int64)
        self._nodes = nodes
        more = np.full(len(nodes) - len(self._newest), _NEVER, np.int64)
        self._newest = np.concatenate([self._newest, more]) if more.size else self._newest
        known = ticks.fill_null(_NEVER) if ticks.null_count else ticks
        np.maximum.at(self._newest, column.indices.to_numpy(), known.to_numpy())

    @property
    def marks(self) -> dict[str, int]:
        """The newest source ticks of every node that has any."""
        found = dict(self._marks)
        seen = np.flatnonzero(self._newest > _NEVER)
        nodes = self._nodes.take(pa.array(seen)).to_pylist()
        for node, ticks in zip(nodes, self._newest[seen].tolist(), strict=True):
            found[node] = max(found.get(node, ticks), ticks)
        return found


def local_days(
    batch: pa.RecordBatch | pa.Table, kind: RowKind = VALUES
) -> npt.NDArray[np.datetime64]:
    """The local day of every row's source time, else its server time, else its receipt.

    What lies beyond the calendar counts on its first or last day.
    """
    return _days_of(_local_ticks(batch, kind))


def _local_ticks(batch: pa.RecordBatch | pa.Table, kind: RowKind) -> Ints:
    first = batch.column(kind.ticks[0])
    if not first.null_count:
        return np.asarray(first)
    others = [batch.column(name) for name in kind.ticks[1:]]
    return np.asarray(pc.coalesce(first, *others, pa.array(_ticks(_received_us(batch)))))


def _received_us(batch: pa.RecordBatch | pa.Table) -> Ints:
    return np.asarray(batch.column("received_time").cast(pa.int64()))


def _ticks(us: Ints) -> Ints:
    return us * 10 + EPOCH_TICKS


def _days_of(ticks: Ints) -> npt.NDArray[np.datetime64]:
    named: Ints = np.clip(ticks, _FIRST_TICKS, _LAST_TICKS)
    local = named - EPOCH_TICKS + _LOCAL_OFFSET_TICKS
    return (local // _DAY_TICKS).astype("datetime64[D]")


def _rows_by_day(times: Ints, in_ticks: Callable[[Ints], Ints] = np.asarray) -> dict[str, int]:
    """Rows by local day; mostly all are of one, as the first and the last moment tell."""
    if not times.size:
        return {}
    first, last = _days_of(in_ticks(np.array([times.min(), times.max()])))
    if first == last:
        return {str(first): times.size}
    found, counts = np.unique(_days_of(in_ticks(times)), return_counts=True)
    return dict(zip(found.astype(str).tolist(), counts.tolist(), strict=True))


def _value_counts(column: pa.DictionaryArray) -> dict[str, int]:
    codes = column.indices.to_numpy()
    if codes.size and codes.min() == codes.max():  # far cheaper than to count
        return {column.dictionary[int(codes[0])].as_py(): codes.size}
    counted = np.bincount(codes, minlength=len(column.dictionary)).tolist()
    return {v: n for v, n in zip(column.dictionary.to_pylist(), counted, strict=True) if n}


def _begins_with(longer: pa.Array, start: pa.Array) -> bool:
    return _is_same(longer, start) or bool(longer.slice(0, len(start)).equals(start))


def _is_same(one: pa.Array, other: pa.Array) -> bool:
    """True for two arrays over the same memory: thousands of words need no comparing then."""
    return (len(one), one.offset, _addresses(one)) == (len(other), other.offset, _addresses(other))


def _addresses(words: pa.Array) -> list[int | None]:
    return [None if buffer is None else buffer.address for buffer in words.buffers()]


class _Dictionary:
    """One growing dictionary per column and segment, so that a batch adds only a delta."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}
        self.values: pa.Array = pa.array([], pa.string())
        self._last: tuple[pa.Array, npt.NDArray[np.int32]] | None = None
        self._is_same_order = False

    def grown(self, column: pa.DictionaryArray) -> pa.DictionaryArray:
        """The column over the growing dictionary."""
        if self._last is None or not self._knows(column.dictionary, self._last[0]):
            words = column.dictionary.to_pylist()
            codes = [self.codes.setdefault(word, len(self.codes)) for word in words]
            self._last = (column.dictionary, np.array(codes, np.int32))
            self._is_same_order = codes == list(range(len(codes)))
            if len(self.values) < len(self.codes):
                self.values = pa.array(list(self.codes), pa.string())
        if self._is_same_order:
            return pa.DictionaryArray.from_arrays(column.indices, self.values, safe=False)
        codes_of = pa.array(self._last[1][column.indices.to_numpy()])
        return pa.DictionaryArray.from_arrays(codes_of, self.values, safe=False)

    def _knows(self, words: pa.Array, last: pa.Array) -> bool:
        return _is_same(words, last) or bool(words.equals(last))


class _OpenSegment:
    """One `.arrow.open` file: bytes reach it only in `sync`, and a failed sync can be repeated."""

    def __init__(self, path: Path, kind: RowKind) -> None:
        self.path, self.kind = path, kind
        self.facts, self.opened_s = _Facts(kind), time.monotonic()
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        fcntl.flock(self._fd, fcntl.LOCK_EX)  # a reader that looks who holds it lets go at once
        self._durable, self._hash, self.ended = 0, hashlib.sha256(), False
        self._sink = io.BytesIO()
        self._dictionaries = {name: _Dictionary() for name in kind.dictionaries}
        self._stream = pa.ipc.new_stream(self._sink, kind.schema, options=_OPTIONS)

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
                _fsync_folder(self.folder)
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
        _fsync_folder(self.folder)
        sidecar = _sidecar(sealed, self.site_id, self.server_uri, segment.facts, digest)
        _write_sidecar(sidecar)
        segment.close()
        self._open = None
        if self._on_sealed:
            self._on_sealed(sidecar)
        return sealed

    def _next_path(self) -> Path:
        numbers = [int(p.name[:8]) for p in self.folder.iterdir() if p.name[:8].isdigit()]
        number = max(numbers, default=0) + 1
        return self.folder / f"{number:08d}-{slug(self.server_uri)}{OPEN_SUFFIX}"


def slug(server_uri: str) -> str:
    """A file name's part for a server: readable, and unlike that of any other server."""
    readable = re.sub(r"[^a-z0-9]+", "-", server_uri.lower()).strip("-")[-40:].strip("-")
    return f"{readable}-{hashlib.sha256(server_uri.encode()).hexdigest()[:8]}"


def recover(folder: Path, kind: RowKind = VALUES) -> list[Recovered]:
    """Seal every unsealed tail that no running collector holds, up to its last whole batch.

    Also writes the sidecar of a segment whose sealing was cut short.
    """
    if not folder.is_dir():
        return []
    tails = sorted(folder.glob("*" + OPEN_SUFFIX))
    rescued = [tail for path in tails if (tail := _rescue(path, kind)) is not None]
    for path in sorted(folder.glob("*.arrow")):
        if not path.with_suffix(".json").exists():
            batches, _ = _whole_batches(path, kind)
            if batches:  # what lost all its rows stays without, and is named whenever it is read
                _write_sidecar(_sidecar_of(path, folder.name, batches, kind))
    return rescued


def recover_all(root: Path, kind: RowKind = VALUES) -> Iterator[tuple[str, Recovered]]:
    """`recover` every site's folder, those of sites that no fleet names any more too."""
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        for tail in recover(folder, kind):
            yield folder.name, tail


def _rescue(path: Path, kind: RowKind) -> Recovered | None:
    """Seal one tail; None when another process is writing it."""
    with path.open("rb") as held:
        if not _locked(held, fcntl.LOCK_EX, tries=_LOCK_TRIES):
            return None
        sealed = path.with_suffix("")
        if sealed.exists():  # rescued before, stopped before the tail was removed
            path.unlink()
            return None
        batches, cut = _whole_batches(path, kind)
        if not batches:
            path.unlink()
            return Recovered(None, 0, cut)
        rewritten = path.with_suffix(".rescue")
        with rewritten.open("wb") as file:
            with pa.ipc.new_stream(file, kind.schema, options=_OPTIONS) as stream:
                for batch in batches:
                    stream.write_batch(batch)
            file.flush()
            os.fsync(file.fileno())
        rewritten.rename(sealed)
        _fsync_folder(path.parent)
        sidecar = _sidecar_of(sealed, path.parent.name, batches, kind)
        _write_sidecar(sidecar)
        path.unlink()
        return Recovered(sealed, sidecar.rows, cut)


def _locked(file: BinaryIO, kind: int, tries: int = 1) -> bool:
    """Take the lock of a tail, if no running collector holds it."""
    for rest in reversed(range(tries)):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_WAIT_S if rest else 0)
        else:
            return True
    return False


def is_held(tail: Path) -> bool:
    """True while a running collector writes this `.arrow.open`."""
    with tail.open("rb") as file:
        return not _locked(file, fcntl.LOCK_SH)


def unsealed(path: Path, kind: RowKind = VALUES) -> Sidecar:
    """What the sidecar of a tail, or of a segment without one, would say; writes nothing.

    SegmentUnreadable for a segment that is damaged, FileNotFoundError for a tail sealed meanwhile.
    """
    if path.suffix == _OPEN:
        batches, _ = _whole_batches(path, kind)
    else:
        batches = read(path, kind).to_batches()
    return _sidecar_of(path, path.parent.name, batches, kind)


def _whole_batches(path: Path, kind: RowKind) -> tuple[list[pa.RecordBatch], int]:
    """Every batch before the first that is torn or damaged, and how many bytes lie behind."""
    buffer = pa.BufferReader(path.read_bytes())
    batches: list[pa.RecordBatch] = []
    good = 0
    try:
        reader = pa.ipc.open_stream(buffer)
        if reader.schema != kind.schema:
            return [], buffer.size()
        good = buffer.tell()
        for batch in reader:
            batch.validate(full=True)
            batches.append(batch)
            good = buffer.tell()
    except (pa.ArrowException, OSError, StopIteration):
        pass  # the tail is torn: what lies before it is what was ever promised
    return batches, buffer.size() - good


def _sidecar_of(
    path: Path, site_id: str, batches: Sequence[pa.RecordBatch], kind: RowKind
) -> Sidecar:
    facts = _Facts(kind)
    for batch in batches:
        facts.add(batch)
    uri = batches[0].column("server_uri")[0].as_py() if batches else ""
    return _sidecar(path, site_id, uri, facts, hashlib.sha256(path.read_bytes()).hexdigest())


def prune(sealed: Iterable[Sidecar], held_in: Iterable[Path]) -> None:
    """Remove sealed segments whose rows are in other files; the sidecars stay and say when.

    Those files' folders are fsynced and the sidecar is on the disk before a segment goes: at no
    moment are the rows nowhere.
    """
    for folder in {path.parent for path in held_in}:
        _fsync_folder(folder)
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    for sidecar in sealed:
        _write_sidecar(replace(sidecar, pruned=now))
        sidecar.path.unlink(missing_ok=True)


def read_held(sidecar: Sidecar) -> pa.Table | None:
    """`read`, or None for a segment that was pruned, even since its sidecar was read."""
    if sidecar.pruned:
        return None
    try:
        return read(sidecar.path)
    except SegmentUnreadable:
        car = sidecar.path.with_suffix(".json")
        if car.exists() and read_sidecar(car).pruned:
            return None
        raise


def _sidecar(path: Path, site_id: str, server_uri: str, facts: _Facts, sha256: str) -> Sidecar:
    sealed_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    days, origins, received = (
        dict(sorted(counted.items()))
        for counted in (facts.days, facts.origins, facts.received_days)
    )
    return Sidecar(
        path, site_id, server_uri, facts.rows, sha256, sealed_at, days, origins, facts.marks,
        received,
    )  # fmt: skip


def _write_sidecar(sidecar: Sidecar) -> None:
    names = [one.name for one in fields(Sidecar) if one.name != "path"]
    content = {"schema_version": SCHEMA_VERSION} | {name: getattr(sidecar, name) for name in names}
    target = sidecar.path.with_suffix(".json")
    temporary = target.with_suffix(".json.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, ensure_ascii=False))  # `dump` has no fast encoder
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    _fsync_folder(target.parent)


def _fsync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sidecars(folder: Path) -> list[Sidecar]:
    """The sidecars of a site's sealed segments in order; a damaged one raises SegmentUnreadable."""
    return [read_sidecar(path) for path in sorted(folder.glob("*.json"))]


def readable_sidecars(folder: Path) -> tuple[list[Sidecar], list[SegmentUnreadable]]:
    """Sidecars of a folder in order, and why others cannot be read."""
    found: list[Sidecar] = []
    unreadable: list[SegmentUnreadable] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(read_sidecar(path))
        except SegmentUnreadable as error:
            unreadable.append(error)
    return found, unreadable


def read_sidecar(path: Path) -> Sidecar:
    """One sidecar (`NNNNNNNN-<slug>.json`)."""
    try:
        content = json.loads(path.read_bytes())
        days = {name: _calendar_days(content[name]) for name in ("days", "received_days")}
        return Sidecar(path=path.with_suffix(".arrow"), **{**content, **days})
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        raise SegmentUnreadable(path, f"not a sidecar ({error})", _REMEDY_SIDECAR) from error


def _calendar_days(counted: dict[str, int]) -> dict[str, int]:
    """Days that `date` can name; rows beyond it may lie at either end, for ticks once wrapped."""
    days: Counter[str] = Counter()
    for name, rows in counted.items():
        for day in (name,) if _is_date(name) else (date.min.isoformat(), date.max.isoformat()):
            days[day] += rows
    return dict(sorted(days.items()))


def _is_date(name: str) -> bool:
    """False for a day beyond the calendar; ValueError for what is no day at all."""
    try:
        date.fromisoformat(name)
    except ValueError:
        if _DAY_NAME.fullmatch(name) is None:
            raise
        return False
    return True


_REMEDY_SIDECAR: Final = "delete it and run the collector once, which writes it anew"
_REMEDY: Final = "restore it from a backup; its rows are missing until then"


def read(path: Path, kind: RowKind = VALUES) -> pa.Table:
    """All rows of a sealed segment (columns of its kind), checked against its sidecar.

    Of an unsealed tail its whole batches; where it was sealed meanwhile, those of the segment.
    """
    if path.suffix == _OPEN:
        try:
            whole, _ = _whole_batches(path, kind)
            return pa.Table.from_batches(whole, kind.schema).unify_dictionaries()
        except FileNotFoundError:
            path = path.with_suffix("")
    try:
        data = path.read_bytes()
        with pa.ipc.open_stream(data) as reader:
            table = reader.read_all()
    except (pa.ArrowException, OSError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SegmentUnreadable(path, why, _REMEDY) from error
    if table.schema != kind.schema:
        raise SegmentUnreadable(path, "its columns are not those of a segment", _REMEDY)
    sidecar = path.with_suffix(".json")
    if sidecar.exists() and hashlib.sha256(data).hexdigest() != read_sidecar(sidecar).sha256:
        raise SegmentUnreadable(path, "it was changed after sealing (SHA-256 differs)", _REMEDY)
    return table.unify_dictionaries()
