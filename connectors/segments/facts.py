"""What a sidecar says of its rows, gathered batch by batch."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from connectors.segments.days import in_ticks, local_ticks, received_us, rows_by_day
from connectors.segments.dictionaries import begins_with
from connectors.segments.kinds import VALUES, Ints, RowKind

_NEVER: Final = int(np.iinfo(np.int64).min)


@dataclass(slots=True)
class Facts:
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
        """Count these rows too."""
        self.rows += batch.num_rows
        self.days.update(rows_by_day(local_ticks(batch, self.kind)))
        self.received_days.update(rows_by_day(received_us(batch), in_ticks))
        self.origins.update(_value_counts(batch.column("origin")))
        if self.kind.marked_by is not None:
            self._note_newest(batch.column(self.kind.marked_by), batch.column(self.kind.ticks[0]))

    def _note_newest(self, column: pa.DictionaryArray, ticks: pa.Array) -> None:
        nodes = column.dictionary
        if not begins_with(nodes, self._nodes):
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


def _value_counts(column: pa.DictionaryArray) -> dict[str, int]:
    codes = column.indices.to_numpy()
    if codes.size and codes.min() == codes.max():  # far cheaper than to count
        return {column.dictionary[int(codes[0])].as_py(): codes.size}
    counted = np.bincount(codes, minlength=len(column.dictionary)).tolist()
    return {v: n for v, n in zip(column.dictionary.to_pylist(), counted, strict=True) if n}
