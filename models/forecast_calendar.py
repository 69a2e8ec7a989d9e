"""What the calendar does to an indicator: weekdays, holidays, Spring Festival. Causal."""

from datetime import date, timedelta
from functools import cache
from typing import Final

import holidays
import numpy as np

from models.scaling import Floats

WEEKS: Final = 16
"""Weeks back that weekdays are learned from."""
SHRINK: Final = 3.0
"""Weeks of no effect that are added to them: an effect of few weeks stays modest."""
LEVEL_DAYS: Final = 57
"""Days of the level that holidays are held against: longer than any holiday."""
YEAR_DAYS: Final = 550
YEAR_RIDGE: Final = 30.0
"""Days that a wave of the year is learned from at least, and days of none that are added."""
RIDGE: Final = 0.5
"""Days of no effect that are added to a holiday's."""
KNOTS: Final = (-12, -7, -4, -1, 2, 5, 8, 12, 16, 21)
"""Days from the lunar new year between which its effect is a straight line; 0 beyond."""


@cache
def _year(year: int) -> tuple[date | None, frozenset[date], frozenset[date]]:
    """First day of the lunar year, weekdays off, and weekend days that are worked."""
    known = holidays.country_holidays("CN", years=year, language="en_US")
    names = sorted(day for day, name in known.items() if "(Spring Festival)" in name)
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(366)]
    off = frozenset(d for d in days if d.weekday() < 5 and not known.is_working_day(d))
    worked = frozenset(d for d in days if d.weekday() >= 5 and known.is_working_day(d))
    return (names[0] if names else None), off, worked


def holiday_features(days: list[date]) -> Floats:
    """(n, 2 + knots): a weekday off, a weekend worked, and hats about the lunar new year."""
    out = np.zeros((len(days), 2 + len(KNOTS) - 2))
    for i, day in enumerate(days):
        new_year, off, worked = _year(day.year)
        out[i, 0], out[i, 1] = day in off, day in worked
        if new_year is not None and KNOTS[0] < (day - new_year).days < KNOTS[-1]:
            at = float((day - new_year).days)
            out[i, 2:] = [
                max(0.0, min((at - a) / (b - a), (c - at) / (c - b)))
                for a, b, c in zip(KNOTS, KNOTS[1:], KNOTS[2:], strict=False)
            ]
            out[i, :2] = 0.0
    return out


def week_effects(x: Floats, weekdays: np.ndarray, origins: np.ndarray) -> Floats:
    """What each weekday adds (origins, 7), learned from the weeks before each origin alone."""
    off = x - rolling_mean(x, 7)
    out = np.zeros((len(origins), 7))
    for i, origin in enumerate(origins):
        own = np.arange(max(0, origin - 3 - 7 * WEEKS), origin - 2)
        own = own[np.isfinite(off[own])]
        for weekday in range(7):
            found = off[own[weekdays[own] == weekday]]
            if len(found):
                out[i, weekday] = np.median(found) * len(found) / (len(found) + SHRINK)
    return np.asarray(out - out.mean(axis=1, keepdims=True))


def holiday_effects(bare: Floats, level: Floats, features: Floats, origins: np.ndarray) -> Floats:
    """What each holiday feature adds (origins, k), by ridge on past holidays alone.

    `bare` (origins, n) is without its week; `level` (n) is its `rolling_median`.
    """
    out = np.zeros((len(origins), features.shape[1]))
    touched = features.any(axis=1) & np.isfinite(level)
    for i, origin in enumerate(origins):
        own = np.flatnonzero(touched[: max(0, origin - LEVEL_DAYS // 2 + 1)])
        off = bare[i, own] - level[own]
        own, off = own[np.isfinite(off)], off[np.isfinite(off)]
        if len(own):
            f = features[own]
            out[i] = np.linalg.solve(f.T @ f + RIDGE * np.eye(f.shape[1]), f.T @ off)
    return out


def year_waves(days: list[date]) -> Floats:
    """(n, 4): two harmonics of the year."""
    turn = np.array([day.toordinal() for day in days]) * (2 * np.pi / 365.2425)
    return np.column_stack([wave(k * turn) for k in (1, 2) for wave in (np.sin, np.cos)])


def year_effects(bare: Floats, waves: Floats, origins: np.ndarray) -> Floats:
    """What each wave of the year adds (origins, 4), by ridge beside a parabola.

    Nothing where fewer than YEAR_DAYS are behind an origin: growth would pass for a wave.
    """
    out = np.zeros((len(origins), waves.shape[1]))
    for i, origin in enumerate(origins):
        if origin + 1 < YEAR_DAYS:
            continue
        known = np.flatnonzero(np.isfinite(bare[i, : origin + 1]))
        years = (known - origin) / 365.0
        f = np.column_stack([waves[known], np.ones(len(known)), years, years**2])
        ridge = np.diag([YEAR_RIDGE] * waves.shape[1] + [0.0] * 3)
        out[i] = np.linalg.solve(f.T @ f + ridge, f.T @ bare[i, known])[: waves.shape[1]]
    return out


def rolling_mean(x: Floats, window: int) -> Floats:
    """Centred mean of what is known; NaN where less than half of it is, or at the ends."""
    half = window // 2
    padded = np.concatenate([np.full(half, np.nan), x, np.full(half, np.nan)])
    own = np.lib.stride_tricks.sliding_window_view(padded, window)
    known = np.isfinite(own)
    total = np.where(known, own, 0.0).sum(axis=1)
    count = known.sum(axis=1)
    mean = np.where(count * 2 > window, total / np.maximum(count, 1), np.nan)
    mean[:half] = np.nan
    mean[len(x) - half :] = np.nan
    return np.asarray(mean)


def rolling_median(x: Floats, window: int) -> Floats:
    """Centred median of what is known, at the left end of what there is; NaN at the right end."""
    half = window // 2
    padded = np.concatenate([np.full(half, np.nan), x, np.full(half, np.nan)])
    own = np.lib.stride_tricks.sliding_window_view(padded, window)
    out = np.full(len(x), np.nan)
    enough = np.isfinite(own).sum(axis=1) * 3 > window
    enough[max(0, len(x) - half) :] = False
    if enough.any():
        out[enough] = np.nanmedian(own[enough], axis=1)
    return out
