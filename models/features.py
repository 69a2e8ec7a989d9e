"""Features of windows: what a machine's sensors did in each minute."""

from datetime import timedelta
from typing import Final

import polars as pl
import polars.selectors as cs

STATISTICS: Final = ("mean", "std", "min", "max")
EVERY: Final = timedelta(seconds=60)


def window_features(
    frame: pl.DataFrame, *, every: timedelta = EVERY, time: str = "timestamp"
) -> pl.DataFrame:
    """Mean, std, min and max of every numeric column by tumbling window: `<column>_<statistic>`.

    One row per window that has rows, by the window's start (windows begin at whole multiples of
    `every` since 1970); nulls are left out, std (of n - 1) is null below two values.

    Args:
        frame: `time` (Datetime, in order) and wide sensor columns.
        every: length of a window.
        time: name of the time column.
    """
    rows = _rows_per_window(frame[time], every)
    numeric = cs.numeric() - cs.by_name(time)
    if rows is None:
        of_group = [getattr(numeric, s)().name.suffix(f"_{s}") for s in STATISTICS]
        return frame.group_by_dynamic(time, every=every).agg(of_group)
    # Windows of one length need no search for their edges, which takes longer than the figures.
    folded = frame.select(numeric.reshape((-1, rows)))
    of_array = [getattr(pl.all().arr, s)().name.suffix(f"_{s}") for s in STATISTICS]
    return folded.select(of_array).insert_column(0, frame[time].gather_every(rows))


def _rows_per_window(times: pl.Series, every: timedelta) -> int | None:
    """How many rows each window has, where all have as many and one row follows evenly on another.

    Null where they are not even, begin or end within a window, or a window has one row.
    """
    if len(times) < 2 or times.null_count() or not isinstance(times.dtype, pl.Datetime):
        return None
    ticks = times.dt.cast_time_unit("us").to_physical()
    step, length = ticks[1] - ticks[0], every // timedelta(microseconds=1)
    is_whole = step > 0 and length % step == 0 and ticks[0] % length == 0
    if not is_whole or length == step or len(ticks) % (length // step):
        return None
    return int(length // step) if (ticks.diff().drop_nulls() == step).all() else None
