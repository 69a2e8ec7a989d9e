"""A town's waterworks, hourly: tanks, pumps switched by their levels, meters, some 40 columns.

Demand has a day, a week and a season and follows the temperature. The control reads the level
that it is told: a falsified reading moves pumps, and the true level with them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from benchmarks.plants import parts
from benchmarks.plants.parts import Fault, Floats, Plant

CASES: Final = 4
TANKS: Final = 6
PUMPS: Final = (2, 3, 2, 2, 1, 0)
"""Pumps that fill each tank; the last one fills through a valve from the tank before it."""

LEAST_DAYS: Final = 92
STEPS: Final = 3
"""Steps of the calculation in an hour."""

KINDS: Final = (
    "level_offset", "level_replay", "pump_off_while_low", "set_points_changed", "meter_scaled",
    "slow_leak",
)  # fmt: skip
OFFSET_M: Final = 0.4
SCALED: Final = 0.03
"""What a size of 1 does to a level and, as a share, to a meter's flow."""

START: Final = datetime(2025, 1, 6, tzinfo=UTC)


@dataclass(slots=True)
class Zone:
    """One tank with its pumps and the people it supplies; levels in m, flows in l/s."""

    area: float
    demand: float
    evening: float
    industry: float
    on: list[float]
    off: list[float]
    rated: float
    lift: float
    level: float = 2.5
    running: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Attack:
    """A fault on one tank, in rows of the whole run."""

    kind: str
    tank: int
    start: int
    end: int
    size: float


def cases(seed: int) -> Iterator[Plant]:
    """CASES towns: 3 months to a year to learn from, then months with 5 to 8 faults."""
    return (case(seed, number) for number in range(CASES))


def case(seed: int, number: int, *, is_faulty: bool = True) -> Plant:
    """One town; without its faults the rows before the first are the same."""
    chance = np.random.default_rng([seed, 3, number, 1])
    days = int((LEAST_DAYS, 150, 240, 365)[number % 4] + chance.integers(0, 20))
    test_rows = int(chance.integers(80, 121)) * 24
    first = days * 24
    started = START + timedelta(days=int(chance.integers(0, 365)))
    attacks = _attacks(chance, first, first + test_rows) if is_faulty else []
    columns = _run(seed, number, first + test_rows, attacks)
    whole = parts.frame(started, timedelta(hours=1), columns)
    train, test = parts.split(whole, first)
    faults = [
        Fault(a.kind, a.start - first, a.end - first, _magnitude(a, train), _signals(a))
        for a in attacks
    ]
    return Plant("waterworks", f"{seed}-{number:02}", train, test, parts.fault_table(test, faults))


def _attacks(rng: np.random.Generator, first: int, rows: int) -> list[Attack]:
    count = int(rng.integers(5, 9))
    room = (rows - first - 100) // count
    kinds = list(rng.permutation(len(KINDS))) * 2
    found = []
    for i in range(count):
        length = int(rng.integers(20, min(120, room - 50) + 1))
        start = first + 60 + i * room + int(rng.integers(0, room - 48 - length + 1))
        kind = KINDS[kinds[i]]
        pumped = [t for t in range(TANKS) if PUMPS[t] > 1]
        tank = int(rng.choice(pumped if kind == "pump_off_while_low" else np.arange(TANKS - 1)))
        found.append(Attack(kind, tank, start, start + length, float(rng.choice([-1, 1]))
                            * parts.log_uniform(rng, 1.0, 6.0)))  # fmt: skip
    return found


def _signals(attack: Attack) -> tuple[str, ...]:
    """What the fault touches: the tank's own readings."""
    tank = attack.tank + 1
    pumps = range(1, PUMPS[attack.tank] + 1)
    flows = tuple(f"flow_{tank}_{p}_l_s" for p in pumps)
    status = tuple(f"pump_{tank}_{p}" for p in pumps)
    if attack.kind == "meter_scaled":
        return (flows[0],)
    touched = (f"level_{tank}_m", *status, *flows, f"pressure_{tank}_m")
    return (*touched, f"zone_flow_{tank}_l_s") if attack.kind == "slow_leak" else touched


def _magnitude(attack: Attack, train: pl.DataFrame) -> float | None:
    """Of a falsified reading, against the training rows (of a meter, while it runs)."""
    if attack.kind == "level_offset":
        level = train[f"level_{attack.tank + 1}_m"].to_numpy()
        return abs(attack.size) * OFFSET_M / parts.robust(level)
    if attack.kind == "meter_scaled":
        flow = train[f"flow_{attack.tank + 1}_1_l_s"].to_numpy()
        running = flow[flow > 0]
        return abs(attack.size) * SCALED * float(np.median(running)) / parts.robust(running)
    return None


def _zones(rng: np.random.Generator) -> list[Zone]:
    zones = []
    for pumps in PUMPS:
        demand = float(rng.uniform(15, 60))
        on = [float(rng.uniform(1.6, 2.2) - 0.5 * p) for p in range(max(pumps, 1))]
        off = [float(rng.uniform(3.6, 4.4) - 0.5 * p) for p in range(max(pumps, 1))]
        rated = demand * float(rng.uniform(1.5, 2.0)) / (1.0 if pumps < 3 else 1.2)
        zones.append(
            Zone(
                area=demand * float(rng.uniform(12, 30)), demand=demand,
                evening=float(rng.uniform(0.2, 0.7)), industry=float(rng.uniform(0.0, 0.5)),
                on=on, off=off, rated=rated, lift=float(rng.uniform(30, 70)),
                running=[False] * max(pumps, 1),
            )
        )  # fmt: skip
    zones[-2].rated += zones[-1].rated * 0.9  # it fills the last tank, too
    return zones


def _demand(
    rng: np.random.Generator, zone: Zone, rows: int, warmth: Floats, phase_d: float
) -> Floats:
    """Demand in l/s by hour: morning and evening peaks, weekends, season, weather, chance."""
    hour = np.arange(rows)
    of_day = hour % 24
    morning = np.exp(-0.5 * np.square((of_day - 7.5) / 1.8))
    evening = np.exp(-0.5 * np.square((of_day - 19.5) / 2.5))
    night = np.exp(-0.5 * np.square((of_day - 3) / 2.5))
    weekend = (hour // 24) % 7 >= 5
    homes = 0.9 + 0.6 * morning + zone.evening * evening - 0.45 * night
    homes = np.where(weekend, np.roll(homes, 2) * 1.06, homes)
    works = np.where((of_day >= 6) & (of_day < 18) & ~weekend, 1.5, 0.4)
    season = 1 + 0.10 * np.sin(2 * np.pi * (hour / 24 + phase_d) / 365)
    thirst = 1 + 0.015 * np.clip(warmth - 18, 0, 15)
    luck = np.exp(parts.wander(rng, rows, 5, 0.06) + parts.wander(rng, rows, 120, 0.04))
    mixed = (1 - zone.industry) * homes + zone.industry * works
    return np.asarray(zone.demand * mixed * season * thirst * luck)


def _run(seed: int, number: int, rows: int, attacks: list[Attack]) -> dict[str, Floats]:
    rng = np.random.default_rng([seed, 3, number, 0])
    zones = _zones(rng)
    phase_d = float(rng.uniform(0, 365))
    day = np.arange(rows) / 24
    warmth = (
        14 - 10 * np.cos(2 * np.pi * (day + phase_d) / 365) + 4 * np.sin(2 * np.pi * (day - 0.4))
        + parts.wander(rng, rows, 72, 3.0)
    )  # fmt: skip
    demands = [_demand(rng, zone, rows, warmth, phase_d) for zone in zones]
    columns = _simulate(zones, [d.tolist() for d in demands], rows, attacks)
    noisy = {}
    for name, values in columns.items():
        size, step = _meter(name, values)
        noise = rng.normal(0, 1.0, rows) * size
        noisy[name] = parts.rounded(values + np.where(values == 0, 0.0, noise), step)
    for attack in attacks:
        _falsify(noisy, attack)
    noisy["temperature_c"] = parts.rounded(warmth + rng.normal(0, 0.2, rows), 0.1)
    noisy["pressure_inlet_m"] = parts.rounded(
        25 + parts.wander(rng, rows, 30, 0.4) + rng.normal(0, 0.1, rows), 0.01
    )
    noisy["pump_spare"] = np.zeros(rows)
    noisy["flow_spare_l_s"] = np.zeros(rows)
    noisy["valve_bypass"] = np.ones(rows)
    return noisy


def _meter(name: str, values: Floats) -> tuple[float, float]:
    """Noise and resolution of a column by its name."""
    if name.startswith(("pump_", "valve_")):
        return 0.0, 1.0
    if name.startswith("level"):
        return 0.01, 0.01
    if name.startswith("pressure"):
        return 0.15, 0.01
    learned = values[: LEAST_DAYS * 24]  # the meter is chosen before anything is wrong
    return 0.01 * max(float(learned.max()), 10.0), 0.01


def _simulate(
    zones: list[Zone], demands: list[list[float]], rows: int, attacks: list[Attack]
) -> dict[str, Floats]:
    """Levels, pump states, flows and pressures as they truly are at each full hour."""
    names = []
    for tank, pumps in enumerate(PUMPS, 1):
        names += [f"level_{tank}_m", f"pressure_{tank}_m", f"zone_flow_{tank}_l_s"]
        names += [f"pump_{tank}_{p}" for p in range(1, pumps + 1)]
        names += [f"flow_{tank}_{p}_l_s" for p in range(1, pumps + 1)]
    names += ["valve_6", "flow_valve_6_l_s"]
    out = np.zeros((rows, len(names)))
    by_hour: dict[int, list[Attack]] = {}
    for attack in attacks:
        for hour in range(attack.start, attack.end):
            by_hour.setdefault(hour, []).append(attack)
    for row in range(rows):
        now = {a.tank: a for a in by_hour.get(row, [])}
        for _ in range(STEPS):
            fed = _feed(zones, now)
            drawn = fed[-1][0]  # the last tank is filled from the one before it
            for tank, zone in enumerate(zones):
                leak = _leak(now.get(tank), zone, row)
                net = sum(fed[tank]) - demands[tank][row] - leak
                net -= drawn if tank == TANKS - 2 else 0.0
                zone.level = min(max(zone.level + net * 3.6 / STEPS / zone.area, 0.0), 5.0)
        out[row] = _snapshot(zones, fed, demands, now, row)
    return dict(zip(names, out.T, strict=True))


def _feed(zones: list[Zone], now: dict[int, Attack]) -> list[list[float]]:
    """Switches pumps by the levels told, gives their flows."""
    fed = []
    for tank, zone in enumerate(zones):
        attack = now.get(tank)
        kind = attack.kind if attack else ""
        told = zone.level
        if attack and kind == "level_offset":
            told += attack.size * OFFSET_M
        if attack and kind == "level_replay":
            # What is replayed to the operators is only shown; the pumps are driven by hand.
            told = 0.0 if attack.size > 0 else 5.0
        shift = 0.2 * attack.size if attack and kind == "set_points_changed" else 0.0
        for p in range(len(zone.running)):
            if told < zone.on[p] + shift:
                zone.running[p] = True
            elif told > zone.off[p] + shift:
                zone.running[p] = False
            if kind == "pump_off_while_low" and p == 0:
                zone.running[p] = False
        working = sum(zone.running)
        each = zone.rated * (1.08 - 0.03 * zone.level) * (1.0 if working < 2 else 0.82)
        fed.append([each if on else 0.0 for on in zone.running])
    return fed


def _leak(attack: Attack | None, zone: Zone, row: int) -> float:
    if attack is None or attack.kind != "slow_leak":
        return 0.0
    grown = min((row - attack.start + 1) / max(0.5 * (attack.end - attack.start), 1), 1.0)
    return 0.08 * abs(attack.size) * zone.demand * grown


def _snapshot(
    zones: list[Zone], fed: list[list[float]], demands: list[list[float]], now: dict[int, Attack],
    row: int,
) -> list[float]:  # fmt: skip
    out: list[float] = []
    for tank, zone in enumerate(zones):
        flows = fed[tank]
        through = sum(flows)
        used = demands[tank][row] + _leak(now.get(tank), zone, row)
        lift = zone.lift + zone.level + 12 * (through / zone.rated) ** 2
        out += [zone.level, lift, used]
        if PUMPS[tank]:
            out += [float(on) for on in zone.running]
            out += flows
    return [*out, float(zones[-1].running[0]), fed[-1][0]]


def _falsify(columns: dict[str, Floats], attack: Attack) -> None:
    """What the readings are made to say; the plant itself was simulated before."""
    span = slice(attack.start, attack.end)
    level = f"level_{attack.tank + 1}_m"
    if attack.kind == "level_offset":
        columns[level][span] = parts.rounded(columns[level][span] + attack.size * OFFSET_M, 0.01)
    elif attack.kind == "level_replay":
        length = attack.end - attack.start
        back = (length // 24 + 2) * 24
        columns[level][span] = columns[level][attack.start - back : attack.start - back + length]
    elif attack.kind == "meter_scaled":
        flow = f"flow_{attack.tank + 1}_1_l_s"
        columns[flow][span] = parts.rounded(columns[flow][span] * (1 + SCALED * attack.size), 0.01)
