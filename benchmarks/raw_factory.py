"""A factory week as it is received: states, counters and a process signal of each machine."""

from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from benchmarks import factory
from connectors.lake import ZSTD_LEVEL
from pipelines import raw
from pipelines.schemas import RAW, TAGS

UNITS: Final = 30
PROCESS_S: Final = 30
REPEATED: Final = 0.05
"""Share of values received a second time, as in the measurement of compaction."""
KINDS: Final = {"total": "parts_total", "good": "parts_good", "scrap": "parts_bad"}
STATES: Final = {"item_state": "state", "operation_mode": "state", "order_id": "context",
                 "product_id": "context"}  # fmt: skip
MEASURES: Final = STATES | dict.fromkeys(KINDS.values(), "counter") | {"temperature": "process"}
COUNTER_MAX: Final = 999
"""Every second machine's counters wrap behind this; the others are set to 0 at midnight."""
NO_LIMIT: Final = 2**31 - 1
BAD: Final = 0x8000_0000


def write(folder: Path, units: int = UNITS) -> dict[str, str]:
    """Raw rows in order of arrival, and the small tables, as Parquet; paths by table."""
    frames = {
        "raw": rows(units), "plan": factory.plan(), "cycles": factory.cycles(),
        "coverage": factory.coverage(), "tags": tags(units),
    }  # fmt: skip
    paths = {name: str(folder / f"{name}.parquet") for name in frames}
    for name, frame in frames.items():
        frame.write_parquet(paths[name], compression="zstd", compression_level=ZSTD_LEVEL)
    return paths


def rows(units: int) -> pl.DataFrame:
    """`schemas.RAW`: every value once as it happened, some of them again five minutes later."""
    random = np.random.default_rng(6)
    said = [*_states(random, units), _counts(random, units), _process(random, units)]
    once = pl.concat(said, how="diagonal")
    jitter = pl.Series(random.integers(1_000, 900_000, once.height))
    us = pl.col("time").cast(pl.Int64)
    whole = once.select(
        server_uri=pl.lit(factory.SERVER),
        node_id=_node(),
        source_ticks=us * 10 + raw.EPOCH_TICKS,
        server_ticks=us * 10 + raw.EPOCH_TICKS + 3_000,
        received_time=(us + jitter).cast(RAW["received_time"]),
        value_type="value_type",
        is_array=pl.lit(value=False),
        value_float="value_float",
        value_int="value_int",
        value_uint="value_uint",
        value_text="value_text",
        value_raw=pl.lit(None, pl.Binary()),
        status_code=pl.col("status_code").fill_null(0),
        origin=pl.lit("live"),
    )
    late = whole.sample(fraction=REPEATED, seed=3).with_columns(
        pl.col("received_time") + pl.duration(minutes=5), origin=pl.lit("history")
    )
    return raw.from_segments(pl.concat([whole, late]).sort("received_time", maintain_order=True))


def tags(units: int) -> pl.DataFrame:
    """What each node means."""
    numbers = pl.DataFrame({"work_unit_id": [f"M{n + 100}" for n in range(units)]})
    wraps = numbers.with_row_index("n").select("work_unit_id", wraps=pl.col("n") % 2 == 0)
    kinds = pl.DataFrame({"measure": list(MEASURES), "measure_kind": list(MEASURES.values())})
    every = wraps.join(kinds, how="cross").with_columns(
        pl.lit(value).alias(name) for name, value in factory.KEY.items()
    )
    named = every.with_columns(
        server_uri=pl.lit(factory.SERVER), node_id=_node(), machine_type=pl.lit("press"),
        entity_id="work_unit_id", reset_policy=pl.lit("job"),
        counter_max=pl.when("wraps").then(COUNTER_MAX).otherwise(NO_LIMIT),
    )  # fmt: skip
    missing = [pl.lit(None).alias(name) for name in TAGS if name not in named.columns]
    return named.with_columns(missing).select(pl.col(name).cast(t) for name, t in TAGS.items())


def _node() -> pl.Expr:
    return pl.format("nsu=urn:machines;s={}.{}", "work_unit_id", "measure")


def _states(random: np.random.Generator, units: int) -> list[pl.DataFrame]:
    """Each state and context where it changes; one that nobody knows is Bad."""
    episodes = factory.episodes(random, units)
    return [_changes(episodes, measure) for measure in STATES]


def _changes(episodes: pl.DataFrame, measure: str) -> pl.DataFrame:
    changed = pl.col(measure).ne_missing(pl.col(measure).shift(1).over("work_unit_id"))
    is_first = pl.int_range(pl.len()).over("work_unit_id") == 0
    rows = episodes.filter(changed | is_first).select(
        "work_unit_id", time="start", measure=pl.lit(measure), value=measure
    )
    if STATES[measure] == "context":
        text = rows.with_columns(value_text=pl.col("value").fill_null(""))
        return text.with_columns(value_type=pl.lit("String")).drop("value")
    bad = pl.when(pl.col("value").is_null()).then(BAD).otherwise(0)
    whole = pl.col("value").cast(pl.Int64)
    return rows.with_columns(
        value_int=whole, value_type=pl.lit("Int32"), status_code=bad.cast(pl.Int64)
    ).drop("value")


def _counts(random: np.random.Generator, units: int) -> pl.DataFrame:
    """Cumulative counters of what `factory.increments` makes."""
    made = factory.increments(random, units).sort("work_unit_id", "kind", "to_time")
    day = (pl.col("to_time") - factory.MIDNIGHT).dt.total_days()
    node = ["work_unit_id", "kind"]
    wraps = pl.col("work_unit_id").str.slice(1).cast(pl.Int64) % 2 == 0
    count = (
        pl.when(wraps)
        .then(pl.col("amount").cum_sum().over(node) % (COUNTER_MAX + 1))
        .otherwise(pl.col("amount").cum_sum().over([*node, day]))
    )
    return made.select(
        "work_unit_id",
        time="to_time",
        measure=pl.col("kind").replace_strict(KINDS),
        value_uint=count.cast(pl.UInt64),
        value_type=pl.lit("UInt32"),
    )


def _process(random: np.random.Generator, units: int) -> pl.DataFrame:
    """A temperature of each machine, evenly sampled: two fifths of all rows."""
    count = factory.DAYS * 86_400 // PROCESS_S
    us = np.tile(np.arange(count) * PROCESS_S * 1_000_000, units)
    frame = pl.DataFrame({"n": np.repeat(np.arange(units), count), "us": us})
    return frame.select(
        work_unit_id=pl.format("M{}", pl.col("n") + 100),
        time=pl.lit(factory.MIDNIGHT) + pl.duration(microseconds="us"),
        measure=pl.lit("temperature"),
        value_float=pl.Series(random.normal(60, 5, frame.height)),
        value_type=pl.lit("Double"),
    )
