"""What a machine did per slice of time, from its states and counts: the ground of the rules."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from models.operating import is_producing, is_stopped
from models.scaling import Floats

MICRO_STOP_S: Final = 300.0
"""A stop up to 5 minutes after which the machine goes on producing is a micro-stop."""


@dataclass(frozen=True, slots=True)
class Slices:
    """What happened per slice (n).

    Its end; seconds producing, stopped (unplanned) and unknown; micro-stops ended in it; pieces,
    scrap; ideal seconds of all pieces and of good ones.
    """

    ends: list[datetime]
    producing_s: Floats
    stopped_s: Floats
    unknown_s: Floats
    micro_stops: Floats
    pieces: Floats
    scrap: Floats
    ideal_s: Floats
    ideal_good_s: Floats

    def since(self, first: int) -> "Slices":
        """The same slices with nothing in those before the `first`."""
        kept = np.arange(len(self.ends)) >= first
        counted = {f.name: getattr(self, f.name) * kept for f in fields(self) if f.name != "ends"}
        return replace(self, **counted)


def slices(
    episodes: pl.DataFrame,
    increments: pl.DataFrame,
    cycles: pl.DataFrame,
    edges: list[datetime],
) -> Slices:
    """One machine's states and counts between consecutive edges (frames of `pipelines.schemas`)."""
    at = np.array([e.timestamp() for e in edges])
    known = (pl.col("quality") != "unknown").fill_null(value=False)
    states = episodes.sort("start").with_columns(pl.col("end").fill_null(edges[-1]))
    stops = states.filter(is_stopped())
    counts = _priced(increments, cycles)
    total, scrap = _per_slice(counts, "total", at), _scrap(counts, at)
    ideal_good = np.maximum(total[1] - scrap[1], 0.0)
    return Slices(
        edges[1:],
        _inside(states.filter(is_producing()), at),
        _inside(stops, at),
        _inside(states.filter(~known), at),
        _micro_stops(stops, episodes, at),
        total[0],
        scrap[0],
        total[1],
        ideal_good,
    )


def edges_between(start: datetime, end: datetime, minutes: float) -> list[datetime]:
    """Slice edges from start, the last one not after `end`."""
    count = int((end - start) / timedelta(minutes=minutes))
    return [start + timedelta(minutes=minutes * i) for i in range(count + 1)]


def _epoch(column: pl.Series) -> Floats:
    return column.dt.epoch("us").cast(pl.Float64).to_numpy() / 1e6


def _inside(spans: pl.DataFrame, at: Floats) -> Floats:
    """Seconds that the spans (not overlapping) spend between consecutive edges."""
    if spans.is_empty():
        return np.zeros(len(at) - 1)
    start, end = _epoch(spans["start"]), _epoch(spans["end"])
    knots = np.column_stack([start, end]).ravel()
    spent = np.repeat(np.cumsum(end - start), 2)
    spent[0::2] -= end - start
    return np.diff(np.interp(at, knots, spent))


def _micro_stops(stops: pl.DataFrame, episodes: pl.DataFrame, at: Floats) -> Floats:
    """Short stops per slice, counted when they end; touching stop episodes are one stop."""
    if stops.is_empty():
        return np.zeros(len(at) - 1)
    fresh = (pl.col("start") > pl.col("end").shift()).fill_null(value=True)
    whole = (
        stops.with_columns(stop=fresh.cum_sum())
        .group_by("stop", maintain_order=True)
        .agg(pl.col("start").first(), pl.col("end").last())
    )
    starts = episodes.filter(is_producing())["start"]
    short = (pl.col("end") - pl.col("start")) <= timedelta(seconds=MICRO_STOP_S)
    resumed = whole.filter(short & pl.col("end").is_in(starts.implode()))
    return np.histogram(_epoch(resumed["end"]), bins=at)[0].astype(np.float64)


def _priced(increments: pl.DataFrame, cycles: pl.DataFrame) -> pl.DataFrame:
    """Increments at `to_time` with the PRI in force for their product (0 where none is known)."""
    rows = increments.filter(pl.col("cause") != "gap").sort("to_time")
    prices = cycles.select("product_id", "pri_s", "valid_from").sort("valid_from")
    return rows.join_asof(
        prices,
        left_on="to_time",
        right_on="valid_from",
        by="product_id",
        strategy="backward",
        check_sortedness=False,
    ).select("to_time", "kind", "amount", pl.col("pri_s").fill_null(0.0))


def _per_slice(counts: pl.DataFrame, kind: str, at: Floats) -> tuple[Floats, Floats]:
    """Pieces of a kind and their ideal seconds per slice."""
    rows = counts.filter(pl.col("kind") == kind)
    amount = rows["amount"].cast(pl.Float64).to_numpy()
    times: npt.NDArray[np.float64] = _epoch(rows["to_time"])
    ideal = amount * rows["pri_s"].to_numpy()
    return (
        np.histogram(times, bins=at, weights=amount)[0],
        np.histogram(times, bins=at, weights=ideal)[0],
    )


def _scrap(counts: pl.DataFrame, at: Floats) -> tuple[Floats, Floats]:
    """Scrap per slice, in pieces and ideal seconds; total less good where only good is counted."""
    if counts.filter(pl.col("kind") == "scrap").is_empty():
        good, ideal_good = _per_slice(counts, "good", at)
        if good.sum() > 0:
            total, ideal = _per_slice(counts, "total", at)
            return np.maximum(total - good, 0.0), np.maximum(ideal - ideal_good, 0.0)
    return _per_slice(counts, "scrap", at)
