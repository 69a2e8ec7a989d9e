"""What was planted on values, counters, clocks and connections, and what of it was recovered.

Only plantings inside the collected window count. Recovered means:

* bad, uncertain, late, repeated: every value it touched is in the export, once, with its status.
* counter_reset, counter_rollover: an increment of that cause at the first good reading after it.
  It counts as planted where the true readings drop; a reset of a counter that stood at 0, or one
  outrun by as many pieces between two good readings, shows to nobody.
* clock_skew: the offset was found within 0.1 s, and found stable, on every collected day.
* dropped_connection, server_restart: no value of that server was lost, in spite of it.
* faults: an anomaly event overlaps (`pipelines.comparison.events`).
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import polars as pl

from connectors.raw import TICKS_PER_S
from connectors.verification.truth import Truth
from pipelines.raw import event_ticks, time_of

CAUSES: Final = {"counter_reset": "reset", "counter_rollover": "rollover"}
OFFSET_WITHIN_US: Final = 100_000
"""Source clocks are known to a tenth of a second: sampling and transport lie in it."""
AT_ONCE: Final = timedelta(seconds=1)
"""An increment carries the corrected time of its reading, right to a tenth of a second."""
LATE_TICKS: Final = 10 * TICKS_PER_S
"""A value is late when it leaves its source so long after the server's stamp; transport takes
milliseconds."""
_UNCERTAIN: Final = 0x4000_0000
_BAD: Final = 0x8000_0000
_TOUCH: Final = {
    "bad": pl.col("status_code") >= _BAD,
    "uncertain": pl.col("status_code").is_between(_UNCERTAIN, _BAD, closed="left"),
    "late": pl.col("delivered_ticks") - pl.col("server_ticks") > LATE_TICKS,
    "repeated": pl.len().over("planting", "ticks", "status_code") > 1,
}

TALLY: Final = pl.Schema({"kind": pl.String(), "planted": pl.Int64(), "recovered": pl.Int64()})


def tally(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of kind and `recovered` (null where it was not computed) as TALLY."""
    known = pl.col("recovered").is_not_null().any()
    counted = rows.group_by("kind").agg(
        planted=pl.len().cast(pl.Int64),
        recovered=pl.when(known).then(pl.col("recovered").sum().cast(pl.Int64)),
    )
    return counted.select(TALLY.names()).sort("kind")


def of_server(truth: Truth, server_uri: str) -> pl.DataFrame:
    """Plantings on nodes of a server, numbered (`planting`), with its clock's `offset_us`."""
    own = truth.nastiness.filter(
        pl.col("server_uri") == server_uri, pl.col("node_id").is_not_null()
    )
    return own.with_row_index("planting").join(truth.source_offsets, on="server_uri", how="left")


def touched(
    nasty: pl.DataFrame, said: pl.DataFrame, apart: pl.DataFrame, spans: pl.DataFrame
) -> pl.DataFrame:
    """Values that plantings touched: `kind`, `planting`, and whether each is `right`.

    `nasty` are a server's plantings, `said` what its timeline holds, `apart` what
    `comparison.values` found apart, `spans` its coverage; what lies outside it is left out.
    """
    upsets = nasty.filter(pl.col("kind").is_in(list(_TOUCH)))
    pairs = _said_by(said, upsets).filter(pl.col("true").is_between("start", "end"))
    hit = pl.any_horizontal((pl.col("kind") == kind) & touch for kind, touch in _TOUCH.items())
    rows = _inside(pairs.filter(hit), spans)
    wrong = apart.filter(pl.col("kind") != "foreign").select("node_id", "ticks").unique()
    judged = rows.join(wrong.with_columns(wrong=True), on=["node_id", "ticks"], how="left")
    return judged.select("kind", "planting", right=pl.col("wrong").is_null())


def untouched_by_loss(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What `touched` says of the pieces of a site as kind, recovered: one row per planting."""
    if not parts:
        return pl.DataFrame(schema={"kind": pl.String(), "recovered": pl.Boolean()})
    each = pl.concat(parts).group_by("kind", "planting").agg(recovered=pl.col("right").all())
    return each.select("kind", "recovered")


def drops(nasty: pl.DataFrame, said: pl.LazyFrame, true: pl.DataFrame) -> pl.DataFrame:
    """Resets and rollovers of one server that its true readings show.

    kind, server_uri, node_id and `time`: the true time of the first good reading after it. `true`
    is the server's coverage in true time; a drop counts from its start (exclusive) on.
    """
    events = nasty.filter(pl.col("kind").is_in(list(CAUSES))).sort("start")
    own = said.filter(pl.col("node_id").is_in(events["node_id"].unique().implode()))
    count = pl.coalesce(pl.col("value_uint").cast(pl.Int64), "value_int")
    readings = (
        _said_by(own.collect(engine="in-memory"), events.unique("node_id"))
        .filter(pl.col("status_code") < _BAD)
        .select("node_id", "true", count=count)
        .sort("true", maintain_order=True)
    )
    first = readings.unique(["node_id", "true"], keep="last", maintain_order=True)
    after = events.join_asof(
        first, left_on="start", right_on="true", by="node_id", strategy="forward",
        coalesce=False, check_sortedness=False,
    ).rename({"true": "time", "count": "after"})  # fmt: skip
    both = after.join_asof(
        first, left_on="start", right_on="true", by="node_id", strategy="backward",
        allow_exact_matches=False, coalesce=False, check_sortedness=False,
    )  # fmt: skip
    shown = both.filter(pl.col("after") < pl.col("count"))
    spans = true.select("server_uri", "from_time", "to_time")
    held = shown.join(spans, on="server_uri").filter(
        pl.col("start") > pl.col("from_time"), pl.col("time") < pl.col("to_time")
    )
    return held.select("kind", "server_uri", "node_id", "time").unique()


def found_drops(
    drops: pl.DataFrame, increments: pl.DataFrame | None, tags: pl.DataFrame | None
) -> pl.DataFrame:
    """`drops` as kind, recovered; recovered is null without increments or tags."""
    if increments is None or tags is None:
        return drops.select("kind", recovered=pl.lit(None, pl.Boolean))
    unit = ["factory_id", "work_unit_id"]
    cause = pl.col("kind").replace_strict(CAUSES)
    units = tags.select("server_uri", "node_id", *unit).unique(["server_uri", "node_id"])
    wanted = drops.with_row_index("drop").with_columns(cause=cause)
    named = wanted.join(units, on=["server_uri", "node_id"], how="left")
    total = increments.filter(pl.col("kind") == "total").select(*unit, "cause", "to_time")
    pairs = named.join(total, on=[*unit, "cause"])
    near = (pl.col("to_time") - pl.col("time")).abs() <= AT_ONCE
    seen = pairs.filter(near)["drop"].implode()
    return named.select("kind", recovered=pl.col("drop").is_in(seen))


def found_skews(skews: pl.DataFrame, offsets: pl.DataFrame | None) -> pl.DataFrame:
    """Skewed clocks (server_uri, offset_us) as kind, recovered; null without `clock_offsets`."""
    if offsets is None:
        recovered = skews.select(pl.lit("clock_skew").alias("kind"))
        return recovered.with_columns(recovered=pl.lit(None, pl.Boolean))
    ours = offsets.select("server_uri", "stable", ours="offset_us")
    right = (pl.col("ours") - pl.col("offset_us")).abs() <= OFFSET_WITHIN_US
    judged = (
        skews.join(ours, on="server_uri", how="left")
        .group_by("server_uri")
        .agg(recovered=(right & pl.col("stable")).fill_null(value=False).all())
    )
    return judged.select(pl.lit("clock_skew").alias("kind"), "recovered")


def survived(faults: pl.DataFrame, lost: dict[str, int]) -> pl.DataFrame:
    """What was done to connections as kind, recovered: `lost` counts lost values by server."""
    losing = [server for server, count in lost.items() if count]
    return faults.select("kind", recovered=~pl.col("server_uri").is_in(losing))


def _said_by(said: pl.DataFrame, plantings: pl.DataFrame) -> pl.DataFrame:
    """Values of the planted nodes beside the plantings, with event `ticks` and `true` time."""
    offset = pl.duration(microseconds=pl.col("offset_us").fill_null(0))
    own = pl.col("node_id").is_in(plantings["node_id"].unique().implode())
    values = said.drop("server_uri").filter(own).with_columns(ticks=event_ticks())
    pairs = values.join(plantings, on="node_id")
    return pairs.with_columns(true=time_of(pl.col("ticks")) - offset)


def _inside(rows: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """Rows of one server whose event time, and their leaving the source, lie in its coverage."""
    within = [
        time_of(pl.col("ticks")).is_between(first, last, closed="left")
        & (time_of(pl.col("delivered_ticks")) < last)
        for first, last in spans.select("from_time", "to_time").iter_rows()
    ]
    return rows.filter(pl.any_horizontal(within)) if within else rows.clear()
