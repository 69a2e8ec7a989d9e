"""Bronze: each value once, in order; `bronze.compact` beside DuckDB's row_number()."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from benchmarks.rounds import Contender, DisagreementError, Measurement
from pipelines import bronze, raw
from pipelines.schemas import RAW

NODES: Final = 1_000
PER_NODE: Final = 1_000
REPEATED: Final = 0.05
"""Share of values received a second time: an outage back-filled from history with an overlap."""
FIRST: Final = datetime(2026, 11, 20, 16, tzinfo=UTC)

SQL: Final = f"""
SELECT {", ".join(RAW)} FROM (
    SELECT *, coalesce(source_ticks, server_ticks) AS event_ticks, row_number() OVER (
        PARTITION BY server_uri, node_id, coalesce(source_ticks, server_ticks), value_type,
            is_array, value_float, value_int, value_uint, value_text, value_raw, status_code
        ORDER BY received_time, origin
    ) AS number FROM read_parquet(?)
) WHERE number = 1 ORDER BY server_uri, node_id, event_ticks
"""


def rows() -> pl.DataFrame:
    """A million values of a thousand nodes in order of arrival, some of them twice."""
    random = np.random.default_rng(2)
    second = np.repeat(np.arange(PER_NODE), NODES)
    node = np.tile(np.arange(NODES), PER_NODE)
    received = second * 1_000_000 + random.integers(0, 900_000, len(second))
    ticks = raw.EPOCH_TICKS + (int(FIRST.timestamp()) + second) * 10_000_000
    once = pl.DataFrame({"node": node, "source_ticks": ticks, "received_us": received}).select(
        pl.format("urn:factory:{}", pl.col("node") % 10).alias("server_uri"),
        pl.format("nsu=urn:machines;s=M{}.v", "node").alias("node_id"),
        "source_ticks",
        (pl.col("source_ticks") + 3_000).alias("server_ticks"),
        (pl.lit(FIRST) + pl.duration(microseconds="received_us")).alias("received_time"),
        pl.lit("Double").alias("value_type"),
        pl.lit(value=False).alias("is_array"),
        pl.Series("value_float", random.normal(20, 5, len(second))),
        *(pl.lit(None).alias(f"value_{kind}") for kind in ("int", "uint", "text", "raw")),
        pl.lit(0).alias("status_code"),
        pl.lit("live").alias("origin"),
    )
    late = once.sample(fraction=REPEATED, seed=3).with_columns(
        pl.col("received_time") + pl.duration(minutes=5), origin=pl.lit("history")
    )
    both = pl.concat([once, late]).sort("received_time", maintain_order=True)
    return raw.from_segments(both)


def measurement(folder: Path) -> Measurement:
    """One Parquet file to a sorted frame without repeats in memory."""
    path = folder / "raw.parquet"
    rows().write_parquet(path)
    database = duckdb.connect()

    def ours() -> pl.DataFrame:
        return bronze.compact(pl.read_parquet(path))

    def theirs() -> pa.Table:
        return database.sql(SQL, params=[str(path)]).to_arrow_table()

    received = pl.scan_parquet(path).select(pl.len()).collect().item()
    agreement = _agree(ours(), theirs(), received)
    return Measurement(
        f"drop repeats of {received:,} rows",
        [Contender("ParkPulse bronze.compact", ours), Contender("DuckDB row_number()", theirs)],
        agreement,
    )


def _agree(ours: pl.DataFrame, table: pa.Table, received: int) -> str:
    theirs = pl.DataFrame(table)
    if not received > ours.height == NODES * PER_NODE:
        raise DisagreementError(f"compaction: {ours.height} rows kept of {received}")
    if theirs.height != ours.height:
        raise DisagreementError(f"compaction: we keep {ours.height}, DuckDB {theirs.height} rows")
    key = ["server_uri", "node_id", "source_ticks", "value_float", "origin"]
    if not ours.select(key).equals(theirs.select(key)):
        raise DisagreementError(
            "compaction: the same number of rows, but other ones or in disorder"
        )
    return f"the same {ours.height:,} rows in the same order"
