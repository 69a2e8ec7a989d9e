"""OEE from silver: `pipelines.oee.by_shift`, the same in SQL, and the bare read of the columns."""

from pathlib import Path
from typing import Final

import duckdb
import polars as pl
import pyarrow as pa

from benchmarks import factory
from benchmarks.rounds import Contender, DisagreementError, Measurement
from pipelines import oee

TOLERANCE: Final = 1e-9
KEY: Final = ["work_unit_id", "production_day", "shift_id"]
FIGURES: Final = [
    "pbt_s", "apt_s", "aust_s", "adet_s", "adot_s", "unknown_s", "pq", "gq", "sq", "rq",
    "pq_outside_plan", "availability", "effectiveness", "quality_ratio", "oee",
]  # fmt: skip
READ: Final = {
    "state_episodes": ["work_unit_id", "start", "item_state", "operation_mode", "order_id"],
    "count_increments": ["work_unit_id", "to_time", "kind", "amount", "product_id"],
}
SQL: Final = (Path(__file__).parent / "oee.sql").read_text("utf-8")


def measurement(folder: Path) -> Measurement:
    """Parquet files of a factory week to one row per machine and shift."""
    paths = factory.write(folder)
    files = {name: str(path) for name, path in paths.items()}
    database = duckdb.connect()

    def ours() -> pl.DataFrame:
        states, pieces, plan, cycles, coverage, tags = map(pl.scan_parquet, files.values())
        return oee.by_shift(states, pieces, plan, cycles, coverage, tags)

    def theirs() -> pa.Table:
        return database.sql(SQL, params=files).to_arrow_table()

    def scan() -> list[pl.DataFrame]:
        return [pl.read_parquet(paths[name], columns=columns) for name, columns in READ.items()]

    agreement = _agree(ours(), pl.DataFrame(theirs()))
    events = sum(frame.height for frame in scan())
    return Measurement(
        f"OEE from {events:,} silver rows",
        [
            Contender("ParkPulse oee.by_shift", ours),
            Contender("DuckDB SQL", theirs),
            Contender("bare read of the columns", scan),
        ],
        agreement,
    )


def _agree(ours: pl.DataFrame, theirs: pl.DataFrame) -> str:
    mine = ours.sort(KEY)
    if not mine.select(KEY).equals(theirs.select(KEY)):
        raise DisagreementError(
            f"OEE: {mine.height} machine-shifts here, {theirs.height} in DuckDB"
        )
    worst = 0.0
    for name in FIGURES:
        one, other = (frame[name].cast(pl.Float64) for frame in (mine, theirs))
        if not one.is_null().equals(other.is_null()):
            raise DisagreementError(f"OEE: {name} is null here and not there")
        apart = ((one - other).abs() / one.abs().clip(1.0)).max()
        worst = max(worst, apart if isinstance(apart, float) else 0.0)
        if worst > TOLERANCE:
            raise DisagreementError(f"OEE: {name} is {worst:.3g} apart, allowed {TOLERANCE}")
    return f"{len(FIGURES)} figures of {mine.height:,} machine-shifts at most {worst:.1g} apart"
