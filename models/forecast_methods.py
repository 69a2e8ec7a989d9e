"""Candidates of a forecast: what each would have said at every origin, from what was known then.

Rows are origins (a place in the series), columns horizons (days ahead). All of it is causal: the
row of an origin reads nothing behind it.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np

from models import forecast_calendar as calendar
from models.scaling import Floats

Ints = np.ndarray

ALPHAS: Final = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
TRENDS: Final = tuple((beta, phi) for beta in (0.01, 0.05, 0.2) for phi in (0.9, 0.97, 0.99, 0.997))
"""Damped trends of Holt's (Gardner and McKenzie 1985); (0, 1) beside them has none."""
DRIFTS: Final = (28, 84, 182, 364)
LAGS: Final = (7, 28, 84)
"""Days whose means the ridge regression compares the level with."""
RIDGES: Final = (3.0, 30.0)
"""Rows of no effect: more of them and the regression says less."""
LEAST_ROWS: Final = 40
SKIP: Final = 28
"""Days at the beginning that have no means yet."""
YEAR: Final = 365


@dataclass(frozen=True, slots=True)
class Past:
    """A series day by day: `y` in its unit, `x` on its link's scale, NaN where unknown."""

    days: list[date]
    y: Floats
    x: Floats


@dataclass(frozen=True, slots=True)
class Adjusted:
    """The series less what the calendar does to it, as each origin knows it.

    `x` is (origins, n), `added` (origins, horizons): what the calendar will do on the days ahead.
    """

    name: str
    x: Floats
    added: Floats


def adjusted(past: Past, origins: Ints, horizons: Ints) -> list[Adjusted]:
    """The series as it is, without its week, without week and holidays, and week and year.

    The third learns no level from days about the lunar new year; the last needs its years.
    """
    n, far = len(past.x), int(horizons.max())
    last = past.days[-1]
    days = past.days + [last + timedelta(days=i) for i in range(1, far + 1)]
    weekdays = np.array([day.weekday() for day in days])
    ahead = origins[:, None] + horizons[None, :]
    week = calendar.week_effects(past.x, weekdays[:n], origins)
    bare = past.x - week[:, weekdays[:n]]
    features = calendar.holiday_features(days)
    level = calendar.rolling_median(past.x, calendar.LEVEL_DAYS)
    own = calendar.holiday_effects(bare, level, features[:n], origins)
    of_week = np.take_along_axis(week, weekdays[ahead], axis=1)
    of_holidays = np.einsum("ok,ohk->oh", own, features[ahead])
    rest = bare - own @ features[:n].T
    is_festival = features[:n, 2:].any(axis=1) & (np.arange(n) >= LAGS[1])
    whole = np.broadcast_to(past.x, (len(origins), n))
    out = [
        Adjusted("", whole, np.zeros(ahead.shape)),
        Adjusted("week", bare, of_week),
        Adjusted("holidays", np.where(is_festival, np.nan, rest), of_week + of_holidays),
    ]
    if n > calendar.YEAR_DAYS:
        waves = calendar.year_waves(days)
        year = calendar.year_effects(bare, waves[:n], origins)
        of_year = np.einsum("ok,ohk->oh", year, waves[ahead])
        out.append(Adjusted("year", bare - year @ waves[:n].T, of_week + of_year))
    return out


def filled(x: Floats) -> Floats:
    """The last known value for what is not known, along the last axis."""
    at = np.where(np.isfinite(x), np.arange(x.shape[-1]), 0)
    at = np.maximum.accumulate(at, axis=-1)
    return np.take_along_axis(x, at, axis=-1)


def naive(past: Past, origins: Ints, horizons: Ints) -> Floats:
    """The last known value, in the series' unit."""
    return np.repeat(filled(past.y)[origins][:, None], len(horizons), axis=1)


def seasonal(past: Past, origins: Ints, horizons: Ints, length: int) -> Floats:
    """The value of the same day of the last week or year; NaN where it is not known."""
    turns = -(-horizons // length)
    at = origins[:, None] + horizons[None, :] - length * turns[None, :]
    values = filled(past.y)
    return np.where(at >= 0, values[np.maximum(at, 0)], np.nan)


def drifts(one: Adjusted, origins: Ints, horizons: Ints) -> list[Floats]:
    """Straight on at the mean pace of the last weeks, months, or year."""
    x = filled(one.x)
    row = np.arange(len(origins))
    out = []
    for window in DRIFTS:
        then = _mean_of(x, row, np.maximum(origins - window, 6))
        now = _mean_of(x, row, origins)
        pace = (now - then) / np.maximum(origins - np.maximum(origins - window, 6), 1)
        out += [
            start[:, None] + pace[:, None] * (horizons + late)[None, :] + one.added
            for start, late in ((x[row, origins], 0), (now, 3))
        ]
    return out


def _mean_of(x: Floats, row: Ints, ends: Ints) -> Floats:
    """Mean of the 7 days up to `ends`."""
    return np.asarray(np.mean([x[row, np.maximum(ends - k, 0)] for k in range(7)], axis=0))


def damped(one: Adjusted, origins: Ints, horizons: Ints) -> list[Floats]:
    """Exponential smoothing, with and without a damped trend; one forecast per setting."""
    settings = [(a, b, f) for a in ALPHAS for b, f in ((0.0, 1.0), *TRENDS)]
    alpha, beta, phi = (np.array(column) for column in zip(*settings, strict=True))
    level = np.repeat(_beginning(one.x)[:, None], len(settings), axis=1)
    trend = np.zeros_like(level)
    known, x = np.isfinite(one.x), np.nan_to_num(one.x)
    gain, lift = alpha[None, :], (alpha * beta)[None, :]
    for t in range(int(origins.max()) + 1):
        open_from = int(np.searchsorted(origins, t))  # earlier origins know nothing of this day
        own = slice(open_from, None)
        moved = phi * trend[own]
        ahead = level[own] + moved
        error = (x[own, t, None] - ahead) * known[own, t, None]
        level[own] = ahead + gain * error
        trend[own] = moved + lift * error
    reach = np.cumsum(phi[None, :] ** np.arange(1, int(horizons.max()) + 1)[:, None], axis=0)
    run = reach[horizons - 1]
    return [
        level[:, [k]] + trend[:, [k]] * run[:, k][None, :] + one.added for k in range(len(settings))
    ]


def _beginning(x: Floats) -> Floats:
    """Median of the first known week of each row."""
    first = int(np.argmax(np.isfinite(x[0])))
    return np.asarray(np.nanmedian(x[:, first : first + 7], axis=1))


def ridges(one: Adjusted, origins: Ints, horizons: Ints) -> list[Floats]:
    """The change by each horizon from how the level stands to its own means; by ridge regression.

    Each origin learns from pairs that were both known by then; where they are fewer than
    LEAST_ROWS, nothing changes.
    """
    x = filled(one.x)
    said = np.zeros((len(RIDGES), len(origins), len(horizons)))
    for i, origin in enumerate(origins):
        own = x[i, : origin + 1]
        features = _features(own)
        known = horizons[origin + 1 - horizons - SKIP >= LEAST_ROWS]
        if len(known):
            change = _changes(features, own, known) @ features[origin]
            said[:, i, : len(known)] = change
            said[:, i, len(known) :] = change[:, -1:]
        said[:, i] += own[-1]
    return [each + one.added for each in said]


def _changes(features: Floats, x: Floats, horizons: Ints) -> Floats:
    """Weights (ridges, horizons, k) of the change by each horizon."""
    last = len(x)
    outer = features[SKIP:, :, None] * features[SKIP:, None, :]
    grams = np.cumsum(outer, axis=0)[last - horizons - SKIP - 1]
    moments = np.stack(
        [features[SKIP : last - h].T @ (x[SKIP + h :] - x[SKIP : last - h]) for h in horizons]
    )
    rows = (last - horizons - SKIP)[:, None, None]
    size = np.trace(grams, axis1=1, axis2=2)[:, None, None] / grams.shape[1] / rows + 1e-12
    ridge = np.array(RIDGES)[:, None, None, None] * size * np.eye(grams.shape[1])
    wanted = np.broadcast_to(moments[..., None], (len(RIDGES), *moments.shape, 1))
    return np.asarray(np.linalg.solve(grams[None] + ridge, wanted)[..., 0])


def _features(x: Floats) -> Floats:
    """(n, 5): a one, the level over its means, and the paces between them."""
    means = [_trailing(x, window) for window in LAGS]
    columns = [
        np.ones(len(x)) * 0.1,
        x - means[0],
        means[0] - means[1],
        means[1] - means[2],
        x - means[2],
    ]
    return np.column_stack(columns)


def _trailing(x: Floats, window: int) -> Floats:
    """Mean of the last `window` values, of fewer at the beginning."""
    total = np.concatenate([[0.0], np.cumsum(x)])
    at = np.arange(1, len(x) + 1)
    low = np.maximum(at - window, 0)
    return np.asarray((total[at] - total[low]) / (at - low))
