"""One axis for the time of many work units, so that order, edges and nearest rows need one column.

`at` is a lane's number x span + microseconds since `begin_us`: sorted by it, rows stand by lane and
time, and one as-of join without groups finds what stood at an edge. A lane is a work unit, or one
of its counters.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import polars as pl

from pipelines.equipment import UNIT
from pipelines.schemas import TIME

_MOST: Final = 2**62
MANY: Final = 10_000
"""Rows from which on to look for runs costs less than to join them all."""
_OUTSIDE: Final = -1
"""Stands in a layer where none of its spans holds, until null is put there."""


class Axis(NamedTuple):
    """Where the axis begins (microseconds since 1970), and what one lane takes of it."""

    begin_us: int
    span_us: int

    def at(self, time: str, lane: str = "unit_no") -> pl.Expr:
        """The place of a row's `time` in its `lane`."""
        return self._begin(lane) + pl.col(time).dt.epoch("us")

    def edge(self, time: str, lane: str = "unit_no") -> pl.Expr:
        """The same of an edge, which may lie before or after all times: at their first or last."""
        end_us = self.begin_us + self.span_us - 1
        return self._begin(lane) + pl.col(time).dt.epoch("us").clip(self.begin_us, end_us)

    def places(self, lane: pl.Series, lanes: int, *times: pl.Series) -> list[pl.Series]:
        """`at` of times of so many lanes, where there are many: no number is made row by row."""
        begins = pl.int_range(lanes, eager=True) * self.span_us - self.begin_us
        begin = begins.gather(lane)
        return [begin + time.to_physical() for time in times]

    def time(self, at: pl.Expr) -> pl.Expr:
        """The time of a place."""
        return (at % self.span_us + self.begin_us).cast(TIME)

    def _begin(self, lane: str) -> pl.Expr:
        return pl.col(lane).cast(pl.Int64) * self.span_us - self.begin_us


def axis(lanes: int, times: Iterable[pl.Series]) -> Axis:
    """The axis on which all of `times` lie, for so many lanes.

    ValueError where the years of all lanes together are more than 64 bits hold.
    """
    ends = [end for s in times for end in (s.to_physical().min(), s.to_physical().max())]
    known = [end for end in ends if isinstance(end, int)] or [0]
    span_us = max(known) - min(known) + 2
    if lanes * span_us > _MOST:
        years = span_us // 31_557_600_000_000
        raise ValueError(
            f"{lanes} lanes of {years} years: compute fewer work units or days at once"
        )
    return Axis(min(known), span_us)


def ordered(frame: pl.DataFrame, by: str = "at") -> pl.DataFrame:
    """The frame sorted by a column, rows of equal value in the order they had.

    Silver is sorted when it is written: to look costs a hundredth of sorting it again.
    """
    return frame if frame[by].is_sorted() else frame.sort(by, maintain_order=True)


def with_unit_no(frame: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """Rows of the work units in `units` (`catalogue.numbered`), with `unit_no` for their key."""
    number = numbers_of(frame, units.select(*UNIT, "unit_no"))
    keyed = frame.drop(UNIT).with_columns(number)
    return keyed.drop_nulls("unit_no") if number.has_nulls() else keyed


def numbers_of(frame: pl.DataFrame, numbers: pl.DataFrame) -> pl.Series:
    """By row the last column of `numbers`, whose others are its key; null where it has none."""
    *key, name = numbers.columns
    if frame.height >= MANY:
        return by_runs(frame.select(key).iter_columns(), numbers)
    rows = frame.select(key)
    return rows.join(numbers, on=key, how="left", nulls_equal=True, maintain_order="left")[name]


def by_runs(columns: Iterable[pl.Series], numbers: pl.DataFrame) -> pl.Series:
    """The same of a key's `columns`, looked at one after the other: none need be kept.

    Rows of one key mostly stand together: it is looked up once a run.
    """
    *key, name = numbers.columns
    rows, runs = 0, []
    for column in columns:
        rows = len(column)
        runs.append(_runs(column))
    begins = pl.concat([own for own, _ in runs]).unique().sort()
    heads = [values[own.search_sorted(begins, side="right") - 1] for own, values in runs]
    found = pl.DataFrame(heads).join(
        numbers, on=key, how="left", nulls_equal=True, maintain_order="left"
    )
    later = pl.zeros(rows, pl.UInt32, eager=True).scatter(begins[1:], 1)
    return found[name].gather(later.cum_sum())


def _runs(column: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Where each run of one value begins, and the values."""
    begins = pl.Series([0][: len(column)], dtype=pl.UInt32)
    if len(column) and not column.eq_missing(column[0]).all():
        whole = column.rechunk()
        begins = begins.append(whole[1:].ne_missing(whole[:-1]).arg_true() + 1)
    return begins, column[begins]


def atoms(layers: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Spans in which nothing changes: `unit_no start end`, and by layer the `id` that holds there.

    A layer has `unit_no start end id`; its spans of one work unit do not overlap, a null end is
    open. An id (Int64) is null where no span of the layer holds. Sorted by work unit and start; the
    last of a work unit has no end.
    """
    edges = [part for name, spans in layers.items() for part in _edges(name, spans)]
    names = pl.col(list(layers))
    filled = (
        pl.concat(edges, how="diagonal")
        .sort("unit_no", "start", "opens", maintain_order=True)
        .with_columns(names.forward_fill().over("unit_no"))
        .unique(["unit_no", "start"], keep="last", maintain_order=True)
    )
    following = pl.col("start").shift(-1).over("unit_no")
    return filled.select(
        "unit_no", "start", following.alias("end"), pl.when(names != _OUTSIDE).then(names)
    )


def _edges(name: str, spans: pl.DataFrame) -> Iterable[pl.DataFrame]:
    """What a layer says from each of its edges on; where two spans touch the second holds."""
    closed = spans.filter(pl.col("end").is_not_null())
    outside, no, yes = pl.lit(_OUTSIDE, pl.Int64), pl.lit(value=False), pl.lit(value=True)
    yield closed.select("unit_no", start="end", opens=no, **{name: outside})
    yield spans.select("unit_no", "start", opens=yes, **{name: pl.col("id").cast(pl.Int64)})
