"""Words of a column as codes: one growing dictionary for a whole segment."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa


class Dictionary:
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


def begins_with(longer: pa.Array, start: pa.Array) -> bool:
    """Whether words begin with other words."""
    return _is_same(longer, start) or bool(longer.slice(0, len(start)).equals(start))


def _is_same(one: pa.Array, other: pa.Array) -> bool:
    """True for two arrays over the same memory: thousands of words need no comparing then."""
    return (len(one), one.offset, _addresses(one)) == (len(other), other.offset, _addresses(other))


def _addresses(words: pa.Array) -> list[int | None]:
    return [None if buffer is None else buffer.address for buffer in words.buffers()]
