"""Who was heard, carried over many days: `seen.advanced` with a number for each terminal's name.

A day then touches the places of those it heard, where a frame would be grouped anew by name.
"""

from datetime import date
from typing import NamedTuple, Self

import polars as pl

from pipelines.cloud.seen import BITS, STATE


class Carried(NamedTuple):
    """`seen.STATE` of day `on` as columns; a terminal's place is its number among `names`."""

    on: date
    names: pl.Categories
    asked: pl.Series
    """The terminals whose columns `of_asked` gives; while it lives the numbers of `names` hold."""
    seen_bits: pl.Series
    last_seen_on: pl.Series

    @classmethod
    def of(cls, state: pl.DataFrame, on: date, terminal_ids: pl.Series) -> Self:
        """From a state of day `on`; `terminal_ids` are those of `Listings`."""
        names = pl.Categories.random("terminals")
        asked = terminal_ids.cast(pl.Categorical(names))
        heard = _places(state["terminal_id"], names)
        size = _size(asked.to_physical(), heard)
        return cls(
            on,
            names,
            asked,
            _no_bits(size).scatter(heard, state["seen_bits"]),
            _nobody(size).scatter(heard, state["last_seen_on"]),
        )

    def advanced(self, terminal_days: pl.DataFrame, on: date) -> Self:
        """That of a later day with the TERMINAL_DAYS that came since, as `seen.advanced`."""
        if on < self.on:
            raise ValueError(f"{on} comes before {self.on}: begin from an earlier state")
        good = terminal_days.filter((pl.col("good_values") >= 1) & (pl.col("day") <= on))
        by_day = {
            day: _places(rows["terminal_id"], self.names)
            for (day,), rows in good.partition_by("day", as_dict=True).items()
        }
        size = _size(self.seen_bits, *by_day.values())
        more = size - self.seen_bits.len()
        bits = _shifted(self.seen_bits, (on - self.on).days)
        bits = bits.append(_no_bits(more)).rechunk()
        last = self.last_seen_on.clone().append(_nobody(more)).rechunk()
        for day, places in by_day.items():
            back = (on - day).days
            bits = bits.scatter(places, bits.gather(places) | (1 << back if back < BITS else 0))
            last = last.scatter(places, _later(last.gather(places), day))
        return self._replace(on=on, seen_bits=bits, last_seen_on=last)

    def of_asked(self) -> pl.DataFrame:
        """`seen_bits last_seen_on` in the order of `terminal_ids`."""
        places = self.asked.to_physical()
        return pl.DataFrame([self.seen_bits.gather(places), self.last_seen_on.gather(places)])

    def state(self) -> pl.DataFrame:
        """`seen.STATE` of the day."""
        places = pl.int_range(0, self.seen_bits.len(), dtype=pl.UInt32, eager=True)
        names = places.cat.to(pl.Categorical(self.names)).alias("terminal_id")
        told = pl.DataFrame([names, self.seen_bits, self.last_seen_on])
        return told.filter(pl.col("last_seen_on").is_not_null()).cast(STATE)


def _places(terminal_ids: pl.Series, names: pl.Categories) -> pl.Series:
    return terminal_ids.cast(pl.Categorical(names)).to_physical()


def _size(columns: pl.Series, *places: pl.Series) -> int:
    """How many columns there must be for all places; as many as there are at least."""
    most = pl.concat([columns.clear().cast(pl.UInt32), *places]).max()
    return max(columns.len(), most + 1 if isinstance(most, int) else 0)


def _no_bits(size: int) -> pl.Series:
    return pl.zeros(size, pl.UInt64, eager=True).alias("seen_bits")


def _nobody(size: int) -> pl.Series:
    return pl.repeat(None, size, dtype=pl.Date, eager=True).alias("last_seen_on")


def _shifted(bits: pl.Series, days: int) -> pl.Series:
    if not 0 < days < BITS:
        return bits.clone() if days == 0 else bits * 0
    return (bits % (1 << BITS - days)) * (1 << days)


def _later(last: pl.Series, day: date) -> pl.Series:
    return last.to_frame().select(pl.max_horizontal(pl.all(), pl.lit(day))).to_series()
