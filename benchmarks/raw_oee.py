"""OEE from raw values: each value once, states, counters and figures, beside DuckDB.

Both keep a bronze of every value and go on from it; and again both take only the nodes that OEE
needs. Clocks are right and times possible, so that neither looks for skew or quarantine.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from benchmarks import oee as from_silver
from benchmarks import raw_factory
from benchmarks.rounds import Contender, Measurement, Target
from connectors.factory_days import COUNTED, STATED, UNREAD
from pipelines import bronze, counters, oee, states
from pipelines.catalogue import NODE
from pipelines.schemas import RAW, REPEAT_KEY

Files = dict[str, str]

OURS: Final = "ParkPulse, every value kept"
THEIRS: Final = "DuckDB SQL, every value kept"
OURS_NEEDED: Final = "ParkPulse, what OEE needs"
THEIRS_NEEDED: Final = "DuckDB SQL, what OEE needs"
AT_MOST: Final = 0.6

_TICKS: Final = "coalesce(source_ticks, server_ticks)"
_VALUE: Final = [name for name in REPEAT_KEY if name != "event_ticks"]
KEPT: Final = f"""
CREATE OR REPLACE TEMP TABLE raw_values AS
SELECT {", ".join(RAW)} FROM read_parquet($raw)
QUALIFY row_number() OVER (
    PARTITION BY {", ".join(_VALUE)}, {_TICKS} ORDER BY received_time, origin
) = 1
"""
NEEDED: Final = f"""
CREATE OR REPLACE TEMP VIEW raw_values AS
SELECT DISTINCT {", ".join(_VALUE)}, {_TICKS} AS source_ticks, NULL::BIGINT AS server_ticks
FROM read_parquet('{{raw}}') SEMI JOIN (
    SELECT server_uri, node_id FROM read_parquet('{{tags}}')
    WHERE measure_kind IN ('state', 'context', 'counter')
) USING (server_uri, node_id)
"""
SILVER: Final = (Path(__file__).parent / "raw_oee.sql").read_text("utf-8")
SQL: Final = SILVER + from_silver.SQL.replace("WITH ", "", 1).replace(
    "read_parquet($state_episodes)", "state_episodes"
).replace("read_parquet($count_increments)", "count_increments")
"""oee.sql on silver that never leaves the query."""


def ours(files: Files, *, is_all_kept: bool = True) -> pl.DataFrame:
    """Our figures, by the steps that the assets take."""
    tags, cycles = pl.read_parquet(files["tags"]), pl.read_parquet(files["cycles"])
    values = _bronze(files, tags, is_all_kept=is_all_kept)
    timed = values.drop(UNREAD, strict=False).with_columns(
        time=pl.coalesce("source_time", "server_time")
    )
    with ThreadPoolExecutor(2) as pool:
        episodes = pool.submit(states.episodes, timed, _of(tags, STATED))
        made = pool.submit(counters.increments, timed, _of(tags, COUNTED), cycles)
    plan, coverage = pl.read_parquet(files["plan"]), pl.read_parquet(files["coverage"])
    return oee.by_shift(episodes.result(), made.result(), plan, cycles, coverage, tags)


def _bronze(files: Files, tags: pl.DataFrame, *, is_all_kept: bool) -> pl.DataFrame:
    if is_all_kept:
        return bronze.compact(pl.read_parquet(files["raw"]))
    known = _of(tags, (*STATED, *COUNTED))
    wanted = [pl.col(name).is_in(known[name].unique().implode()) for name in NODE]
    rows = pl.scan_parquet(files["raw"]).filter(wanted).collect()
    return bronze.compact(rows, [name for name in RAW if name not in UNREAD])


def _of(tags: pl.DataFrame, kinds: tuple[str, ...]) -> pl.DataFrame:
    """The tags of some kinds of measure, as `connectors.factory_days.timed` gives them."""
    return tags.filter(pl.col("measure_kind").is_in(kinds))


def theirs(files: Files, *, is_all_kept: bool = True) -> pa.Table:
    """The same in SQL."""
    with duckdb.connect() as database:
        if is_all_kept:
            database.execute(KEPT, {"raw": files["raw"]})
        else:
            database.execute(NEEDED.format(**files))
        small = {name: files[name] for name in ("plan", "cycles", "coverage", "tags")}
        return database.sql(SQL, params=small).to_arrow_table()


def agreement(files: Files) -> str:
    """How far apart the figures are, on both ways; DisagreementError where they differ."""
    said = [
        from_silver._agree(
            ours(files, is_all_kept=kept), pl.DataFrame(theirs(files, is_all_kept=kept))
        )
        for kept in (True, False)
    ]
    return said[0]


def measurement(folder: Path) -> Measurement:
    """One Parquet file of what was received to one row per machine and shift."""
    files = raw_factory.write(folder)
    rows = pl.scan_parquet(files["raw"]).select(pl.len()).collect().item()
    return Measurement(
        f"OEE from {rows:,} raw rows",
        [
            Contender(OURS, partial(ours, files)),
            Contender(THEIRS, partial(theirs, files)),
            Contender(OURS_NEEDED, partial(ours, files, is_all_kept=False)),
            Contender(THEIRS_NEEDED, partial(theirs, files, is_all_kept=False)),
        ],
        agreement(files),
        targets=[Target(OURS, THEIRS, AT_MOST), Target(OURS_NEEDED, THEIRS_NEEDED, AT_MOST)],
    )
