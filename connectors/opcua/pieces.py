"""Many short pieces of one message at once: as Arrow strings and binaries, times and GUIDs too."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.opcua.variants import date_time
from connectors.raw import EPOCH_TICKS, TICKS_PER_S

Places: TypeAlias = npt.NDArray[np.int64]
Letters: TypeAlias = npt.NDArray[np.uint8]
Source: TypeAlias = tuple[Letters, Places, Places]
"""Letters, where in them every piece begins, and how long it is."""
Joined: TypeAlias = tuple[npt.NDArray[np.int32], Letters]
"""Where every piece begins and the last ends, as Arrow counts, and the letters of all."""


def _letters(words: list[str]) -> Letters:
    return np.frombuffer("".join(words).encode(), np.uint8).reshape(len(words), -1)


_TWO: Final = _letters([f"{i:02}" for i in range(100)])
_THREE: Final = _letters([f"{i:03}" for i in range(1000)])
_FOUR: Final = _letters([f"{i:04}" for i in range(10_000)])
_HEX: Final = _letters([f"{i:02x}" for i in range(256)])
_MINUTES: Final = _letters([f"{i // 60:02}:{i % 60:02}" for i in range(1440)])
_MOMENT: Final = _letters(["0000-00-00T00:00:00.0000000Z"])
_GUID: Final = _letters(["00000000-0000-0000-0000-000000000000"])
_GUID_BYTES: Final = (3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15)
_GUID_LETTERS: Final = np.flatnonzero(_GUID[0] != ord("-"))
_FIRST, _BEHIND = (
    EPOCH_TICKS + int(np.datetime64(year, "s").astype(np.int64)) * TICKS_PER_S
    for year in ("1000-01-01", "10000-01-01")
)


def words(found: Sequence[bytes]) -> Source:
    """What was made one by one."""
    sizes = np.array([len(word) for word in found])
    return np.frombuffer(b"".join(found), np.uint8), np.cumsum(sizes) - sizes, sizes


def moments(parts: npt.NDArray[np.void]) -> Source:
    """DateTimes (8 bytes each) as `date_time` writes them."""
    ticks: Places = parts.view("<i8")
    if ticks.min() < _FIRST or ticks.max() >= _BEHIND:
        return words([date_time(one).encode() for one in ticks.tolist()])
    seconds, fraction = np.divmod(ticks - EPOCH_TICKS, TICKS_PER_S)
    days, second = np.divmod(seconds, 86_400)
    thousands = fraction // 1000
    minutes = second // 60
    found = np.repeat(_MOMENT, len(ticks), axis=0)
    found[:, 0:10] = _dates(days)
    found[:, 11:16] = _MINUTES[minutes]
    found[:, 17:19] = _TWO[second - minutes * 60]
    found[:, 20:24] = _FOUR[thousands]
    found[:, 24:27] = _THREE[fraction - thousands * 1000]
    return _equally_long(found)


def _dates(days: Places) -> Letters:
    """Days since 1970 as YYYY-MM-DD, each different one written once."""
    first, last = int(days.min()), int(days.max())
    if last - first <= len(days):
        every = np.arange(first, last + 1).astype("datetime64[D]")
        return _letters(np.datetime_as_string(every).tolist())[days - first]
    return _letters(np.datetime_as_string(days.astype("datetime64[D]")).tolist())


def guids(parts: npt.NDArray[np.void]) -> Source:
    """Guids (16 bytes each) in their usual spelling."""
    found = np.repeat(_GUID, len(parts), axis=0)
    of_each = parts.view(np.uint8).reshape(len(parts), 16)
    found[:, _GUID_LETTERS] = _HEX[of_each[:, _GUID_BYTES]].reshape(len(parts), 32)
    return _equally_long(found)


def _equally_long(found: Letters) -> Source:
    rows, size = found.shape
    return found.ravel(), np.arange(0, rows * size, size), np.full(rows, size)


def windows(letters: Letters, size: int) -> npt.NDArray[np.void]:
    """The piece of this size that begins at every letter, over the same memory."""
    count = max(len(letters) - size + 1, 0)
    return np.ndarray((count,), np.dtype((np.void, size)), letters, 0, (1,))


def put(into: Letters, at: Places, source: Source) -> None:
    """Copy pieces to their places."""
    pool, starts, sizes = source
    size = int(sizes.max(initial=0))
    if not size:
        return
    if sizes.min() == size:
        windows(into, size)[at] = windows(pool, size)[starts]
        return
    ends = np.cumsum(sizes)
    letter = np.arange(ends[-1])
    from_place, to_place = (
        np.repeat(starts - ends + sizes, sizes),
        np.repeat(at - ends + sizes, sizes),
    )
    into[letter + to_place] = pool[letter + from_place]


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
