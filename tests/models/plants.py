"""Small plants with known behaviour: coupled sensors under changing load, and their faults."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from scipy.signal import lfilter

START = datetime(2026, 11, 20, tzinfo=UTC)
SENSORS = ["load_kw", "temperature_c", "vibration_mm_s", "pressure_bar", "flow_l_min", "speed_rpm"]


def plant(rows: int, seed: int, step_s: float = 10.0) -> pl.DataFrame:
    """A healthy machine: load moves in steps, temperature lags it, flow follows pressure."""
    rng = np.random.default_rng(seed)
    levels = rng.uniform(20, 40, rows // 60 + 1)
    load = np.repeat(levels, 60)[:rows]
    smooth = lfilter([0.05], [1, -0.95], load, zi=[load[0] * 0.95])[0]
    wander = lfilter([1], [1, -0.98], rng.normal(0, 0.02, rows))
    pressure = 6 + wander + rng.normal(0, 0.03, rows)
    columns = [
        load + rng.normal(0, 0.4, rows),
        30 + 0.8 * smooth + rng.normal(0, 0.25, rows),
        1.5 + 0.03 * load + np.abs(rng.normal(0, 0.12, rows)),
        pressure,
        12 * pressure + rng.normal(0, 0.5, rows),
        3000 - 2 * load + rng.normal(0, 6, rows),
    ]
    times = [START + timedelta(seconds=i * step_s) for i in range(rows)]
    return pl.DataFrame(
        {"timestamp": pl.Series(times, dtype=pl.Datetime("us", "UTC"))}
        | dict(zip(SENSORS, columns, strict=True))
    )


def with_fault(frame: pl.DataFrame, kind: str, sensor: str, start: int, end: int, size: float):
    """The plant with one sensor off between two rows; `size` is in the sensor's own unit."""
    values = frame[sensor].to_numpy().copy()
    n = end - start
    if kind == "step":
        values[start:end] += size
    elif kind == "drift":
        values[start:end] += np.linspace(0, size, n)
    elif kind == "frozen":
        values[start:end] = values[start]
    elif kind == "noisy":
        values[start:end] += np.random.default_rng(7).normal(0, size, n)
    return frame.with_columns(pl.Series(sensor, values))
