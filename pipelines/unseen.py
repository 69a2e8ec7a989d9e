"""Busy time in which pieces may have been made that nobody saw: what widens the bounds of OEE."""

from typing import Final

import polars as pl

from pipelines.asked import Asked
from pipelines.axis import atoms, with_unit_no
from pipelines.coverage import disjoint
from pipelines.cycles import per_unit
from pipelines.lanes import unit_and_kind

US: Final = 1_000_000
UNSEEN: Final = ["unseen", "unread_us", "cut_us", "closed", "spread_us"]
"""Pieces that came while not all was heard, and what `unseen` says of their shift."""


def unseen(known: Asked, cycles: pl.DataFrame) -> pl.DataFrame:
    """Per `shift`: `unread_us`, `cut_us`, `closed` and `spread_us`.

    Time that is covered though the counters of good pieces were not read; a slowest piece for every
    spell that is not closed, as it may end one that was begun before; spells that begin and end
    within one busy interval, whose pieces the next reading brings, and how far a piece of the
    slowest product lasts longer than one of the fastest. Where the next readings bring all pieces
    of a spell, no more than they bring is unread.
    """
    of_unit = _extremes(known, cycles)
    spells = _spells(known).join(of_unit, on="unit_no", how="left")
    is_open, is_brought = pl.col("is_open"), pl.col("is_brought")
    slowest, fastest = pl.col("slowest_us").fill_null(0), pl.col("fastest_us").fill_null(0)
    found = spells.group_by("shift").agg(
        pl.sum("unread_us"),
        cut_us=slowest.filter(is_open & ~is_brought).sum(),
        begun_us=slowest.filter(is_open & is_brought).sum(),
        closed=(~is_open).sum().cast(pl.Int64),
        spread_us=(slowest - fastest).max(),
    )
    return found.join(_brought(known, of_unit), on="shift", how="left").with_columns(
        unread_us=pl.min_horizontal(pl.col("unread_us") + pl.col("begun_us"), "brought_us")
    )


def _brought(known: Asked, of_unit: pl.DataFrame) -> pl.DataFrame:
    """Per `shift` the `brought_us` that pieces of unread spans may take: no more than was read.

    In each part of a span a piece may end that was begun before.
    """
    lasted = (pl.col("to_time") - pl.col("from_time")).dt.total_microseconds()
    whole = known.unread.filter(pl.col("figure") == "gq").group_by("shift", "unit_no", "span")
    spans = whole.agg(pl.first("brings"), us=lasted.sum(), parts=pl.len()).join(
        of_unit, on="unit_no", how="left"
    )
    slowest = pl.col("slowest_us").fill_null(0)
    begun = pl.col("us") + pl.col("parts") * slowest
    most = pl.min_horizontal(begun, pl.col("brings") * slowest)
    return spans.group_by("shift").agg(brought_us=most.sum())


def _extremes(known: Asked, cycles: pl.DataFrame) -> pl.DataFrame:
    us = (pl.col("pri_s") * US).round().cast(pl.Int64)
    of_unit = per_unit(cycles, known.counters).group_by("unit_no")
    return of_unit.agg(slowest_us=us.max(), fastest_us=us.min())


def _spells(known: Asked) -> pl.DataFrame:
    """`shift unit_no unread_us is_open is_brought` of each busy stretch not heard or not read.

    Open where it touches an edge of its busy interval, where a counter was not read or was reset;
    brought where it lies in unread spans that each tell how many pieces were made.
    """
    busy = known.pieces.with_row_index("id")
    covered = with_unit_no(known.covered, known.counters)
    read = known.doubts.filter(pl.col("figure") == "gq")
    layers = {
        "piece": busy,
        "covered": covered.select("unit_no", start="from_time", end="to_time", id=1),
        "unread": read.select("unit_no", start="from_time", end="to_time", id=1),
        "untold": _untold(known),
        "reset": _resets(known),
    }
    spans = atoms(layers).filter(pl.col("piece").is_not_null())
    is_seen = pl.col("covered").is_not_null() & pl.col("unread").is_null()
    edges = busy.select("shift", piece=pl.col("id").cast(pl.Int64), first="start", last="end")
    lasted = (pl.col("end") - pl.col("start")).dt.total_microseconds()
    read_us = pl.when(pl.col("covered").is_not_null()).then(lasted).otherwise(0)
    touches = (pl.col("start") == pl.col("first")) | (pl.col("end") == pl.col("last"))
    lost = pl.any_horizontal(pl.col("unread", "reset").is_not_null())
    told = pl.col("unread").is_not_null() & pl.col("untold").is_null()
    return (
        spans.with_columns(is_seen=is_seen)
        .with_columns(run=(is_seen.rle_id() + pl.col("piece").rle_id()).rle_id())
        .filter(~pl.col("is_seen"))
        .join(edges, on="piece", maintain_order="left")
        .group_by("run", "shift", "unit_no")
        .agg(unread_us=read_us.sum(), is_open=(touches | lost).any(), is_brought=told.all())
    )


def _untold(known: Asked) -> pl.DataFrame:
    """The unread spans, as a layer of atoms, of which nothing tells how many pieces were made."""
    untold = known.unread.filter(pl.col("figure") == "gq", pl.col("brings").is_null())
    spans = disjoint(untold, ["unit_no"])
    return spans.select("unit_no", start="from_time", end="to_time", id=1)


def _resets(known: Asked) -> pl.DataFrame:
    """The spans, as a layer of atoms, from the last reading before a reset to the first after."""
    lanes = known.counts.told.filter("is_reset").with_columns(unit_and_kind())
    rows = lanes.select("unit_no", from_time="good_since", to_time="to_time")
    spans = disjoint(rows, ["unit_no"])
    return spans.select("unit_no", start="from_time", end="to_time", id=1)
