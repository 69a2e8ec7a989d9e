"""A small pump rig that circulates water: 1 Hz, 8 sensors, 400 rows to learn from, strong drift.

Motor and water warm up or cool down through the whole run, and everything else goes with them. The
few rows before the test show one stretch of that drift, the test another.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np

from benchmarks.plants import parts
from benchmarks.plants.parts import Fault, Floats, Plant

CASES: Final = 30
HEALTHY: Final = (4, 11, 18, 25)
"""Cases without a fault."""

TRAIN_ROWS: Final = 400
SENSORS: Final = (
    "vibration_drive_g", "vibration_pump_g", "current_a", "pressure_bar", "motor_c", "water_c",
    "voltage_v", "flow_l_min",
)  # fmt: skip

KINDS: Final[dict[str, dict[str, float]]] = {
    "valve_suction": {"flow_l_min": -1.0, "pressure_bar": -0.7, "current_a": -0.5},
    "valve_discharge": {"flow_l_min": -1.0, "pressure_bar": 0.8, "current_a": -0.6},
    "imbalance": {"vibration_drive_g": 1.0, "vibration_pump_g": 0.6},
    "cavitation": {"vibration_pump_g": 0.5, "vibration_drive_g": 0.2, "flow_l_min": -0.6,
                   "pressure_bar": -0.3},
    "leak": {"pressure_bar": -1.0, "flow_l_min": -0.6, "current_a": -0.3},
    "less_water": {"flow_l_min": -0.7, "pressure_bar": -0.5, "water_c": 1.0},
    "more_water": {"pressure_bar": 0.7, "water_c": -1.0, "flow_l_min": 0.4},
    "overheating": {"motor_c": 1.0, "water_c": 0.3},
}  # fmt: skip
"""How far each signal goes, as a share of the fault's magnitude."""

ROUGH: Final = {"cavitation": 0.6, "imbalance": 0.25}
"""Kinds that also shake: standard deviation of the shaking as a share of the magnitude."""

RISE: Final = {"leak": (60, 200), "less_water": (30, 120), "more_water": (30, 120),
               "overheating": (15, 60), "imbalance": (1, 4)}  # fmt: skip
"""Rows in which a kind reaches its size; valves are turned in 4 to 25 rows."""


def cases(seed: int) -> Iterator[Plant]:
    """CASES runs of the rig, most of them with one fault of 100 to 450 rows."""
    return (case(seed, number) for number in range(CASES))


def case(seed: int, number: int, *, is_faulty: bool = True) -> Plant:
    """One run; without its fault every other value is the same."""
    draw, chance = (np.random.default_rng([seed, 1, number, part]) for part in (0, 1))
    test_rows = int(chance.integers(700, 1_001))
    rows = TRAIN_ROWS + test_rows
    values, sizes = _healthy(draw, rows)
    faults: list[Fault] = []
    if is_faulty and number not in HEALTHY:
        faults.append(_fault(chance, values, sizes, number, test_rows))
    started = datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(hours=3 * number)
    whole = parts.frame(started, timedelta(seconds=1), _read(seed, number, values, sizes))
    train, test = parts.split(whole, TRAIN_ROWS)
    return Plant("rig", f"{seed}-{number:02}", train, test, parts.fault_table(test, faults))


def _healthy(rng: np.random.Generator, rows: int) -> tuple[dict[str, Floats], dict[str, float]]:
    """True values of a run and the in-state deviation of each sensor."""
    warm = rng.uniform(-0.4, 1.0)  # below 0 the rig cools down
    at = np.arange(rows) / rng.uniform(400, 1800)
    heat = warm * (1 - np.exp(-at)) + parts.wander(rng, rows, 600, 0.08)
    water = parts.lagged(heat, rng.uniform(80, 300)) * rng.uniform(0.5, 1.0)
    ambient = np.cumsum(rng.normal(0, rng.uniform(0.0, 0.004), rows))
    supply = parts.wander(rng, rows, 90, 1.0)  # mains voltage: everything electric follows it
    swing = parts.wander(rng, rows, rng.uniform(3, 12), 1.0)  # of the circuit: flow, pressure
    sizes = {
        "vibration_drive_g": 0.0012, "vibration_pump_g": 0.002, "current_a": 0.03,
        "pressure_bar": 0.02, "motor_c": 0.12, "water_c": 0.05, "voltage_v": 1.6,
        "flow_l_min": 0.45,
    }  # fmt: skip
    sizes = {name: size * rng.uniform(0.7, 1.5) for name, size in sizes.items()}
    slow = {
        "vibration_drive_g": 0.028 + 0.004 * heat,
        "vibration_pump_g": 0.041 + 0.005 * water + 0.001 * parts.wander(rng, rows, 400, 1.0),
        "current_a": 1.25 - 0.25 * heat,
        "pressure_bar": 0.30 - 0.10 * water + 0.02 * parts.wander(rng, rows, 300, 1.0),
        "motor_c": 62 + 16 * heat + 3 * ambient,
        "water_c": 27 + 6 * water + 3 * ambient,
        "voltage_v": np.full(rows, rng.uniform(222, 236)),
        "flow_l_min": rng.uniform(31.2, 31.8) + 0.9 * water
        + 0.25 * parts.wander(rng, rows, 500, 1.0),
    }  # fmt: skip
    common: dict[str, Floats] = {
        "voltage_v": supply, "current_a": 0.5 * supply + 0.4 * swing, "pressure_bar": 0.7 * swing,
        "flow_l_min": 0.6 * swing, "vibration_drive_g": 0.3 * swing,
    }  # fmt: skip
    values = {}
    for name in SENSORS:
        shared = common.get(name, np.zeros(rows))
        own = np.sqrt(max(1.0 - float(np.var(shared)), 0.2))
        memory = rng.uniform(0.5, 6)
        noise = 0.6 * parts.wander(rng, rows, memory, 1.0) + 0.8 * rng.normal(0, 1, rows)
        noise *= np.exp(0.3 * parts.wander(rng, rows, 150, 1.0))  # calm and restless minutes
        values[name] = slow[name] + sizes[name] * (shared + own * noise)
    return values, sizes


def _fault(
    rng: np.random.Generator,
    values: dict[str, Floats],
    sizes: dict[str, float],
    number: int,
    test_rows: int,
) -> Fault:
    kind = list(KINDS)[number % len(KINDS)]
    magnitude = parts.log_uniform(rng, 1.0, 10.0)
    start = int(rng.integers(100, 301))
    end = min(start + int(rng.integers(100, 451)), test_rows - 30)
    rise = int(rng.integers(*RISE.get(kind, (4, 25))))
    rows = TRAIN_ROWS + test_rows
    # What was opened or balanced again is so within a few rows; heat and water take longer.
    fall = rise if kind in ("overheating", "less_water", "more_water") else 5
    shape = parts.profile(rows, TRAIN_ROWS + start, TRAIN_ROWS + end, rise, fall)
    shape *= 1 + 0.15 * parts.wander(rng, rows, 20, 1.0)
    for name, share in KINDS[kind].items():
        size = magnitude * sizes[name]
        values[name] += share * size * shape
        if kind in ROUGH:
            values[name] += abs(share) * ROUGH[kind] * size * shape * rng.normal(0, 1.4, rows)
    return Fault(kind, start, end, magnitude, tuple(KINDS[kind]))


def _read(
    seed: int, number: int, values: dict[str, Floats], sizes: dict[str, float]
) -> dict[str, Floats]:
    """What the converters give: rounded, with an odd reading now and then."""
    rng = np.random.default_rng([seed, 1, number, 2])
    steps = {"motor_c": 0.05, "water_c": 0.02, "voltage_v": 0.5, "pressure_bar": 0.01}
    out = {}
    for name, value in values.items():
        odd = parts.spikes(rng, len(value), 0.0015, 6 * sizes[name])
        step = steps.get(name, sizes[name] / 20)
        out[name] = parts.rounded(value + odd, step)
    # The flow meter counts whole pulses a second; its filter leaves a little between them.
    pulses = np.round(values["flow_l_min"])
    out["flow_l_min"] = parts.rounded(parts.lagged(pulses, 0.6), 1e-3)
    return out
