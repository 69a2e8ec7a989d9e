"""Many short pieces of one message at once: as Arrow strings and binaries, times and GUIDs too."""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.opcua.variants import date_time
from connectors.raw import EPOCH_TICKS, TICKS_PER_S

Places = npt.NDArray[np.int64]
Letters = npt.NDArray[np.uint8]


def _letters(words: list[str]) -> Letters:
    return np.frombuffer("".join(words).encode(), np.uint8).reshape(len(words), -1)


_TWO: Final = _letters([f"{i:02}" for i in range(100)])
_THREE: Final = _letters([f"{i:03}" for i in range(1000)])
_FOUR: Final = _letters([f"{i:04}" for i in range(10_000)])
_HEX: Final = _letters([f"{i:02x}" for i in range(256)])
_MOMENT: Final = _letters(["0000-00-00T00:00:00.0000000Z"])
_GUID: Final = _letters(["00000000-0000-0000-0000-000000000000"])
_GUID_BYTES: Final = (3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15)
_GUID_LETTERS: Final = np.flatnonzero(_GUID[0] != ord("-"))
_FIRST, _BEHIND = (
    EPOCH_TICKS + int(np.datetime64(year, "s").astype(np.int64)) * TICKS_PER_S
    for year in ("1000-01-01", "10000-01-01")
)


def moments(ticks: Places) -> list[str] | Letters:
    """DateTimes as `date_time` writes them: 28 letters each, or words where one is out of range."""
    if ticks.min() < _FIRST or ticks.max() >= _BEHIND:
        return [date_time(one) for one in ticks.tolist()]
    seconds, fraction = np.divmod(ticks - EPOCH_TICKS, TICKS_PER_S)
    days, second = np.divmod(seconds, 86_400)
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    years, month = np.divmod(months.astype(np.int64), 12)
    found = np.repeat(_MOMENT, len(ticks), axis=0)
    found[:, 0:4] = _FOUR[years + 1970]
    found[:, 5:7] = _TWO[month + 1]
    found[:, 8:10] = _TWO[days - months.astype("datetime64[D]").astype(np.int64) + 1]
    found[:, 11:13] = _TWO[second // 3600]
    found[:, 14:16] = _TWO[second // 60 % 60]
    found[:, 17:19] = _TWO[second % 60]
    found[:, 20:24] = _FOUR[fraction // 1000]
    found[:, 24:27] = _THREE[fraction % 1000]
    return found


def guids(parts: Letters) -> Letters:
    """Guids of 16 bytes each in their usual spelling of 36 letters."""
    found = np.repeat(_GUID, len(parts), axis=0)
    found[:, _GUID_LETTERS] = _HEX[parts[:, _GUID_BYTES]].reshape(len(parts), 32)
    return found


def joined(pool: Letters, starts: Places, sizes: Places) -> tuple[npt.NDArray[np.int32], Letters]:
    """Pieces of the pool in a row: offsets of every piece and its end, and their bytes."""
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    places = np.arange(offsets[-1])
    places += np.repeat(starts - offsets[:-1], sizes)
    return offsets.astype(np.int32), pool[places]


def are_utf8(offsets: npt.NDArray[np.int32], letters: Letters) -> bool:
    """True if every piece by itself is UTF-8: all are, and none begins inside a letter."""
    together = letters.tobytes()
    if together.isascii():
        return True
    try:
        together.decode()
    except UnicodeDecodeError:
        return False
    begins = letters[offsets[:-1][np.diff(offsets) > 0]]
    return not bool(((begins & 0xC0) == 0x80).any())


def arrow(
    kind: pa.DataType, known: pa.Buffer | None, offsets: npt.NDArray[np.int32], letters: Letters
) -> pa.Array:
    """The pieces as an Arrow array of strings or binaries."""
    buffers = [known, pa.py_buffer(offsets), pa.py_buffer(letters)]
    return pa.Array.from_buffers(kind, len(offsets) - 1, buffers)
