"""The account of every node and local day: what came how often, and for how long nobody heard."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final

import polars as pl

from pipelines.coverage import disjoint, heard, lapped
from pipelines.days import day_of, midnight
from pipelines.schemas import LEDGER_BY_DAY, TIME

NODE: Final = ["server_uri", "node_id"]
ORIGINS: Final = {"live": "received_live", "republished": "republished", "history": "back_filled"}
COUNTS: Final = [*ORIGINS.values(), "repeats_removed"]
_S: Final = 1_000_000


def counts(received: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Per node and day how many rows came by which way, and how many of them were repeats.

    `received`: server_uri, node_id, day, origin, rows; `kept`: server_uri, node_id, day, rows, once
    each. Every row received is a kept one or a repeat.
    """
    by_origin = received.group_by(*NODE, "day").agg(
        pl.col("rows").filter(pl.col("origin") == origin).sum().cast(pl.Int64).alias(name)
        for origin, name in ORIGINS.items()
    )
    once = kept.group_by(*NODE, "day").agg(kept=pl.col("rows").sum().cast(pl.Int64))
    both = by_origin.join(once, on=[*NODE, "day"], how="left")
    repeats = pl.sum_horizontal(*ORIGINS.values()) - pl.col("kept").fill_null(0)
    return both.select(*NODE, "day", *ORIGINS.values(), repeats_removed=repeats)


def by_day(
    counted: pl.DataFrame,
    coverage: pl.DataFrame,
    gaps: pl.DataFrame,
    days: Sequence[date],
    until: datetime,
) -> pl.DataFrame:
    """The account of each node that spoke on one of the days, or has a gap of its own then.

    A row of null `node_id` is the server as a whole, on days it owes us or said anything. A day
    counts from the first time its server is vouched for, up to `until`; before and behind it
    nothing was owed, and completeness is null.
    """
    windows = _windows(coverage, gaps, days, until)
    closed = gaps.with_columns(pl.col("to_time").fill_null(pl.lit(until, TIME)))
    own = closed.filter(pl.col("node_id").is_not_null())
    keys = pl.concat([windows.select(*NODE), own.select(NODE)]).unique()
    holes = _holes(closed, keys)
    spans = _heard(coverage, keys, holes, windows)
    timed = (
        windows.drop("node_id").join(keys, on="server_uri")
        .pipe(_with_seconds, spans, "covered")
        .pipe(_with_seconds, holes, "gap")
    )  # fmt: skip
    return _joined(counted, own, timed)


def _windows(
    coverage: pl.DataFrame, gaps: pl.DataFrame, days: Sequence[date], until: datetime
) -> pl.DataFrame:
    """Server by server the part of each day that it owes us: null node, day, from_time, to_time."""
    begun = coverage.group_by("server_uri").agg(begun=pl.min("from_time"))
    # days that only a clock gone wrong can name owe nothing, and may have no day after them
    owed = [day for day in days if date.min < day <= day_of(until)]
    bounds = pl.DataFrame(
        [(day, midnight(day), midnight(day + timedelta(days=1))) for day in owed],
        schema={"day": pl.Date(), "start": TIME, "end": TIME},
        orient="row",
    )
    return begun.join(bounds, how="cross").select(
        "server_uri",
        pl.lit(None, gaps.schema["node_id"]).alias("node_id"),
        "day",
        from_time=pl.max_horizontal("start", "begun"),
        to_time=pl.min_horizontal("end", pl.lit(until, TIME)),
    )


def _holes(closed: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Disjoint spans of each key in which its server, or the node itself, was not heard."""
    of_server = closed.filter(pl.col("node_id").is_null()).drop("node_id", "reason")
    whole = keys.join(of_server, on="server_uri")
    own = closed.filter(pl.col("node_id").is_not_null()).drop("reason")
    columns = [*NODE, "from_time", "to_time"]
    return disjoint(pl.concat([whole.select(columns), own.select(columns)]), NODE)


def _heard(
    coverage: pl.DataFrame, keys: pl.DataFrame, holes: pl.DataFrame, windows: pl.DataFrame
) -> pl.DataFrame:
    """Disjoint spans in which a key is covered, within all windows."""
    ends = windows.group_by("server_uri").agg(pl.min("from_time"), pl.max("to_time"))
    needed = keys.join(ends, on="server_uri").filter(pl.col("from_time") < pl.col("to_time"))
    vouched = disjoint(coverage, ["server_uri"])
    columns = [*NODE, "from_time", "to_time"]
    there = lapped(needed.join(vouched, on="server_uri", suffix="_other")).select(columns)
    return heard(needed.select(columns), there, holes, NODE)


def _with_seconds(windows: pl.DataFrame, spans: pl.DataFrame, name: str) -> pl.DataFrame:
    """Each window with how many microseconds of it the spans of its key take, as `name`_us."""
    paired = windows.join(spans, on=NODE, nulls_equal=True, suffix="_other")
    took = (pl.col("to_time") - pl.col("from_time")).dt.total_microseconds().sum()
    sums = lapped(paired).group_by(*NODE, "day").agg(took.alias(f"{name}_us"))
    joined = windows.join(sums, on=[*NODE, "day"], how="left", nulls_equal=True)
    return joined.with_columns(pl.col(f"{name}_us").fill_null(0))


def _joined(counted: pl.DataFrame, own: pl.DataFrame, timed: pl.DataFrame) -> pl.DataFrame:
    """Counts beside seconds: a node without a gap of its own has those of its server."""
    of_server = timed.filter(pl.col("node_id").is_null()).drop("node_id")
    of_node = timed.filter(pl.col("node_id").is_not_null(), pl.col("gap_us") > 0)
    special = own.select(NODE).unique()
    plain = counted.join(special, on=NODE, how="anti").join(
        of_server, on=["server_uri", "day"], how="left"
    )
    marked = counted.join(special, on=NODE, how="semi").join(
        timed.filter(pl.col("node_id").is_not_null()), on=[*NODE, "day"], how="left"
    )
    mute = of_node.join(counted, on=[*NODE, "day"], how="anti")
    total = counted.group_by("server_uri", "day").agg(pl.sum(*COUNTS))
    servers = of_server.join(total, on=["server_uri", "day"], how="full", coalesce=True).filter(
        (pl.col("from_time") < pl.col("to_time")) | pl.col(COUNTS[0]).is_not_null()
    )
    rows = pl.concat([plain, marked, mute, servers], how="diagonal")
    return _finished(rows).sort("server_uri", "day", "node_id", nulls_last=False)


def _finished(rows: pl.DataFrame) -> pl.DataFrame:
    """Whole microseconds divided once; a window without length owes nothing."""
    window = (pl.col("to_time") - pl.col("from_time")).dt.total_microseconds()
    owed = pl.when(window > 0).then(window)
    return (
        rows.with_columns(pl.col(COUNTS).fill_null(0))
        .select(
            *NODE,
            "day",
            *COUNTS,
            covered_s=pl.when(owed > 0).then(pl.col("covered_us") / _S),
            uncovered_s=(owed - pl.col("covered_us")) / _S,
            gap_s=pl.when(owed > 0).then(pl.col("gap_us") / _S),
            completeness=pl.col("covered_us") / owed,
        )
        .match_to_schema(LEDGER_BY_DAY)
    )
