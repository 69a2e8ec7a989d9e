"""Process signals of one machine, computed together: load, heat and vibration hang together."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from connectors.simulator import kinds as k
from connectors.simulator.course import Activity
from connectors.simulator.faults import DAY_MS, RATES, Fault
from connectors.simulator.fleet import Machine, Signal, families
from connectors.simulator.seeds import stream

Floats = npt.NDArray[np.float64]
_WANDER_S: Final = 6 * 3600.0
_LOAD_WANDER_S: Final = 1200.0
_FAULT_LAG_S: Final = 1200.0
_LOCAL_MS: Final = 8 * 3_600_000
_DRIVE: Final = np.array([kind.drive for kind in k.KINDS])
_ON: Final = np.array([kind.on for kind in k.KINDS])
_PINNED: Final = ("stuck", "frozen")
"""Shapes of a sensor that ignores the machine; all others need production."""
_STANDBY: Final = 0.08
"""Share of the full power that a machine draws while it is off."""


def sample(
    seed: int,
    machine: Machine,
    activities: Sequence[Activity],
    times_ms: npt.NDArray[np.int64],
    faults: Sequence[Fault],
    norm_end_ms: int,
) -> Floats:
    """Values of shape (times, signals + 2): the machine's signals, then power_kw and energy_kwh.

    Faults are scaled by the in-state deviation seen outside of them before `norm_end_ms`. Rows
    before a time do not depend on rows after it.
    """
    period_s = float(times_ms[1] - times_ms[0]) / 1000 if len(times_ms) > 1 else 60.0
    state = _State(seed, machine, activities, times_ms, faults, period_s)
    values = state.signals()
    windows = [np.flatnonzero(_inside(fault, times_ms)) for fault in faults]
    usual = state.producing & (times_ms < norm_end_ms)
    for window in windows:
        usual[window] = False
    for fault, window in zip(faults, windows, strict=True):
        _disturb(seed, values, machine, fault, window, state.producing, usual, period_s)
    power = state.power_kw()
    energy = state.energy_start_kwh + np.cumsum(power) * (period_s / 3600)
    rounded = [np.round(values[:, j], digits) for j, digits in enumerate(state.digits)]
    return np.column_stack([*rounded, np.round(power, 3), np.round(energy, 3)])


def lagged(values: Floats, lag_s: float, period_s: float) -> Floats:
    """First-order lag along the first axis, settled at the first value."""
    keep = float(np.exp(-period_s / lag_s))
    start = keep * values[:1]
    filtered, _ = lfilter([1.0 - keep], [1.0, -keep], values, axis=0, zi=start)
    result: Floats = filtered
    return result


def wandering(noise: Floats, lag_s: float, period_s: float) -> Floats:
    """A stationary first-order wander of unit deviation out of white noise."""
    keep = float(np.exp(-period_s / lag_s))
    fresh = np.sqrt(1.0 - keep * keep)
    filtered, _ = lfilter([fresh], [1.0, -keep], noise, axis=0, zi=keep * noise[:1])
    result: Floats = filtered
    return result


class _State:
    """What drives the signals at every sampling instant."""

    def __init__(
        self,
        seed: int,
        machine: Machine,
        activities: Sequence[Activity],
        times_ms: npt.NDArray[np.int64],
        faults: Sequence[Fault],
        period_s: float,
    ) -> None:
        self.machine, self.period_s, self.times_ms = machine, period_s, times_ms
        self.traits = stream(seed, machine.work_unit_id, "signal traits")
        self.columns: tuple[Signal, ...] = machine.type.signals
        count = len(self.columns)
        noise = stream(seed, machine.work_unit_id, "noise").standard_normal(
            (len(times_ms), 2 * count + 2)
        )
        self.white, self.slow = (
            noise[:, :count],
            wandering(noise[:, count : 2 * count], _WANDER_S, period_s),
        )
        index = np.searchsorted([a.start_ms for a in activities], times_ms, side="right") - 1
        kind = np.array([a.kind for a in activities])[index]
        self.product = np.array([_product_index(machine, a) for a in activities])[index]
        self.producing = kind == k.PRODUCE
        self.on = _ON[kind]
        self.speed = np.where(self.producing, _pace(faults, times_ms), 0.0)
        wander = wandering(noise[:, -1], _LOAD_WANDER_S, period_s)
        heaviness = self.traits.uniform(0.93, 1.05, len(machine.type.products) + 1)
        self.load = (
            _DRIVE[kind]
            * heaviness[self.product]
            * np.where(self.producing, self.speed, 1.0)
            * (1.0 + 0.02 * wander)
        )
        self.day = _day_shape(times_ms) + 0.3 * wandering(noise[:, -2], _WANDER_S, period_s)
        held = np.array(["always" in families()[signal.family] for signal in self.columns])
        self.size = np.where(held, 1.0, self.traits.uniform(0.93, 1.07, count))
        self.setpoints = self.traits.uniform(0.97, 1.03, (len(heaviness), count))
        self.energy_start_kwh = round(float(self.traits.uniform(2e4, 9e5)), 1)
        self.digits = [self.digits_of(signal) for signal in self.columns]

    def span(self, signal: Signal) -> float:
        """What noise, wander and the day are shares of."""
        return max(abs(signal.run - signal.idle), 0.05 * abs(signal.run))

    def digits_of(self, signal: Signal) -> int:
        """Decimals of the reading: one more than the noise has."""
        noise = families()[signal.family]["noise"] * self.span(signal)
        return int(np.clip(1 - np.floor(np.log10(noise)), 0, 6))

    def signals(self) -> Floats:
        """All signals, one column each."""
        heat = {
            lag_s: lagged(self.load, lag_s, self.period_s)
            for lag_s in {f["lag_s"] for f in families().values() if "lag_s" in f}
        }
        values = np.empty(self.white.shape)
        for j, signal in enumerate(self.columns):
            weights = families()[signal.family]
            drive = (
                weights.get("always", 0.0)
                + weights.get("on", 0.0) * self.on
                + weights.get("load", 0.0) * self.load
                + weights.get("speed", 0.0) * self.speed
                + (weights["heat"] * heat[weights["lag_s"]] if "heat" in weights else 0.0)
            )
            moved = drive * self.setpoints[self.product, j] if "always" not in weights else drive
            strength = 0.25 + 0.75 * self.on if signal.family == "vibration" else 1.0
            extra = (
                weights.get("day", 0.0) * self.day
                + weights["wander"] * self.slow[:, j]
                + weights["noise"] * self.white[:, j] * strength
            )
            values[:, j] = self.size[j] * (
                signal.idle + (signal.run - signal.idle) * moved + self.span(signal) * extra
            )
        return values

    def power_kw(self) -> Floats:
        """Active power: standby, what being on costs, and the load."""
        shares = _STANDBY + 0.12 * self.on + (0.8 - _STANDBY) * self.load
        noisy = shares * (1.0 + 0.008 * self.white[:, 0])
        power: Floats = self.machine.type.full_load_kw * np.maximum(noisy, 0.0)
        return power


def _product_index(machine: Machine, activity: Activity) -> int:
    products = machine.type.products
    return len(products) if activity.product is None else products.index(activity.product)


def _pace(faults: Sequence[Fault], times_ms: npt.NDArray[np.int64]) -> Floats:
    """Speed as a share of the usual."""
    pace = np.ones(len(times_ms))
    for fault in faults:
        pace[_inside(fault, times_ms)] = 1.0 / fault.factor("speed_loss")
    return pace


def _inside(fault: Fault, times_ms: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (times_ms >= fault.start_ms) & (times_ms < fault.end_ms)
    return inside


def _day_shape(times_ms: npt.NDArray[np.int64]) -> Floats:
    """A day's warmth from -1 to 1, warmest at 15:00 local."""
    share = ((times_ms + _LOCAL_MS) % DAY_MS) / DAY_MS
    shape: Floats = np.cos(2 * np.pi * (share - 15 / 24))
    return shape


def _disturb(
    seed: int,
    values: Floats,
    machine: Machine,
    fault: Fault,
    window: npt.NDArray[np.intp],
    producing: npt.NDArray[np.bool_],
    usual: npt.NDArray[np.bool_],
    period_s: float,
) -> None:
    """Put the fault's effects onto the columns, in place."""
    names = [signal.name for signal in machine.type.signals]
    rng = stream(seed, fault.fault_id, "noise")
    for effect in fault.effects:
        for name in effect.signals:
            column = values[:, names.index(name)]
            typical = column[usual]
            deviation = 1.4826 * float(np.median(np.abs(typical - np.median(typical))))
            size = deviation * effect.share * _strength(fault)
            growth = _growth(rng, effect.shape, len(window), period_s)
            if effect.shape in _PINNED:
                column[window] = column[window[:1]] + size * growth
            else:
                column[window] += size * growth * producing[window]


def _strength(fault: Fault) -> float:
    """Deviations per unit of share: the magnitude, where that is what the magnitude means."""
    return 1.0 if fault.kind in RATES else fault.magnitude


def _growth(rng: np.random.Generator, shape: str, count: int, period_s: float) -> Floats:
    """How much of its full size an effect has at each sample of its window."""
    elapsed = np.arange(1.0, count + 1)
    match shape:
        case "ramp":
            ramp: Floats = elapsed / count
            return ramp
        case "lag":
            return 1.0 - np.exp(-elapsed * period_s / _FAULT_LAG_S)
        case "noisy":
            return rng.standard_normal(count)
        case "frozen":
            return np.zeros(count)
        case _:
            return np.ones(count)
