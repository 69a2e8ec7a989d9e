"""A factory week of silver with everything that makes OEE hard: made by seed, not by a plant."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from connectors.lake import ZSTD_LEVEL
from pipelines.schemas import COUNT_INCREMENTS, COVERAGE, CYCLES, PLAN, STATE_EPISODES, TAGS

UNITS: Final = 100
DAYS: Final = 7
EPISODE_S: Final = 120
PIECE_S: Final = 60
MIDNIGHT: Final = datetime(2026, 11, 8, 16, tzinfo=UTC)
"""2026-11-09 00:00 in Shanghai, a Monday."""
FIRST: Final = date(2026, 11, 9)
SERVER: Final = "urn:factory:F01"
KEY: Final = {"park_id": "P01", "factory_id": "F01", "line_id": "F01-L1"}
PRODUCTS: Final = {"A": 41.3, "B": 57.75, "C": 33.1}
"""Planned run time per item, seconds."""
SHIFTS: Final = {"N": 0, "E": 8, "L": 16}


def write(folder: Path, units: int = UNITS) -> dict[str, Path]:
    """Write every table that `oee.by_shift` takes as Parquet; paths by table, in its order."""
    random = np.random.default_rng(4)
    frames = {
        "state_episodes": episodes(random, units),
        "count_increments": increments(random, units),
        "plan": plan(),
        "cycles": cycles(),
        "coverage": coverage(),
        "tags": tags(units),
    }
    paths = {name: folder / f"{name}.parquet" for name in frames}
    for name, frame in frames.items():
        frame.write_parquet(paths[name], compression="zstd", compression_level=ZSTD_LEVEL)
    return paths


def _unit(number: pl.Expr) -> pl.Expr:
    return pl.format("M{}", number + 100)


def _times(random: np.random.Generator, units: int, every_s: int) -> pl.DataFrame:
    """Per unit irregular, distinct times from two hours before the first shift to the end."""
    count = (DAYS * 86_400 + 7_200) // every_s
    steps = random.integers(1, 2 * every_s * 1_000_000, (units, count))
    return pl.DataFrame(
        {
            "number": np.repeat(np.arange(units), count),
            "us": steps.cumsum(axis=1).ravel() - 7_200_000_000,
        }
    ).select("number", time=pl.lit(MIDNIGHT) + pl.duration(microseconds="us"))


def _schema(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    given = frame.with_columns(pl.lit(value).alias(name) for name, value in KEY.items())
    missing = [pl.lit(None).alias(name) for name in schema if name not in given.columns]
    return given.with_columns(missing).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


def episodes(random: np.random.Generator, units: int) -> pl.DataFrame:
    """States of all kinds, one in fifty unknown, one in five without an order."""
    times = _times(random, units, EPISODE_S)
    count = times.height
    unknown = random.random(count) < 0.02

    def state(share: list[float]) -> pl.Series:
        return pl.Series(random.choice(4, count, p=share)).set(pl.Series(unknown), None)

    orders = random.choice(["O1", "O2", "O3", "O4", ""], count)
    frame = times.with_columns(
        item_state=state([0.03, 0.05, 0.22, 0.7]),
        operation_mode=state([0.05, 0.03, 0.12, 0.8]),
        order_id=pl.Series(orders).replace("", None),
        product_id=pl.Series(random.choice(list(PRODUCTS), count)),
        quality=pl.Series(np.where(unknown, "unknown", "good")),
        end=pl.col("time").shift(-1).over("number"),
    )
    return _schema(frame.rename({"time": "start"}).with_columns(_work_unit()), STATE_EPISODES)


def _work_unit() -> pl.Expr:
    return _unit(pl.col("number")).alias("work_unit_id")


def increments(random: np.random.Generator, units: int) -> pl.DataFrame:
    """Pieces by the minute; of ten readings one brings scrap and no good piece."""
    times = _times(random, units, PIECE_S)
    scrap = random.random(times.height) < 0.1
    base = times.with_columns(
        from_time=pl.col("time").shift(1).over("number").fill_null(pl.col("time")),
        amount=pl.Series(random.integers(1, 3, times.height)),
        product_id=pl.Series(random.choice(list(PRODUCTS), times.height)),
        second=pl.Series(np.where(scrap, "scrap", "good")),
    )
    both = [
        base.with_columns(kind=pl.lit("total")),
        base.with_columns(kind=pl.col("second")),
    ]
    rows = pl.concat(both).with_columns(
        _work_unit(), to_time="time", cause=pl.lit("step"), estimated=pl.lit(value=False)
    )
    return _schema(rows, COUNT_INCREMENTS).sort("work_unit_id", "kind", "to_time")


def plan() -> pl.DataFrame:
    """Three shifts a day, a break in each, planned maintenance that overlaps one of them."""
    rows: list[dict[str, Any]] = []
    for day in range(DAYS):
        for shift, hour in SHIFTS.items():
            start = MIDNIGHT + timedelta(days=day, hours=hour)
            spans = [("busy", 0.0, 8.0), ("break", 4.0, 4.5)]
            spans += [("planned_maintenance", 4.25, 5.0)] if shift == "E" else []
            rows += [
                {
                    "production_day": FIRST + timedelta(days=day),
                    "shift_id": shift,
                    "start": start + timedelta(hours=low),
                    "end": start + timedelta(hours=high),
                    "kind": kind,
                }
                for kind, low, high in spans
            ]
    frame = pl.DataFrame(rows).with_columns(factory_id=pl.lit("F01"))
    return _schema(frame, PLAN).with_columns(pl.lit(None, pl.String).alias("line_id"))


def cycles() -> pl.DataFrame:
    """One planned run time per product, for the whole factory."""
    frame = pl.DataFrame({"product_id": list(PRODUCTS), "pri_s": list(PRODUCTS.values())})
    return _schema(frame.with_columns(origin=pl.lit("design")), CYCLES).with_columns(
        pl.lit(None, pl.String).alias("line_id")
    )


def coverage() -> pl.DataFrame:
    """The server is vouched for from an hour after the first shift began; ten minutes missing."""
    cuts = [1.0, 40.0, 40 + 1 / 6, DAYS * 24 - 2.0]
    times = [MIDNIGHT + timedelta(hours=hour) for hour in cuts]
    return pl.DataFrame(
        {
            "server_uri": SERVER,
            "factory_id": "F01",
            "from_time": times[::2],
            "to_time": times[1::2],
        },
        COVERAGE,
    )


def tags(units: int) -> pl.DataFrame:
    """What each work unit counts."""
    numbers = pl.DataFrame({"number": range(units)})
    measures = pl.DataFrame({"measure": ["item_state", "parts_total", "parts_good", "parts_bad"]})
    rows = numbers.join(measures, how="cross").with_columns(_work_unit(), server_uri=pl.lit(SERVER))
    return _schema(rows, TAGS)
