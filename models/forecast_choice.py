"""Which method forecasts a series: chosen on earlier origins, judged on later ones."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from models import forecast_methods as methods
from models.forecast_methods import Ints, Past
from models.forecast_scale import Link
from models.scaling import Floats

NAIVE: Final = "naive"
ORIGINS: Final = 48
"""Origins of a back-test, at most."""
LEAST_PAST: Final = 28
"""Days that an origin must have behind it; of a young series half of what there is."""
CHOOSING: Final = 0.65
"""Share of the back-tested days that choose; the rest judges."""
BEST: Final = 5
"""Settings of a method whose mean is its forecast: the one best on few origins is best by luck."""
BETTER: Final = 0.97
"""A method must err less than this part of the naive one to be chosen."""
LEAST_PAIRS: Final = 3
"""Targets that a horizon needs to be counted."""
LEAST_SKILL: Final = 0.1
"""A smaller gain on held-out origins is not claimed: few such came true (docs/decisions/0038)."""
CLEAR: Final = 0.7
"""Standard errors by which the gain of an origin must differ from nothing."""
ALIKE: Final = 4
"""Origins that count as one, overlapping as they do."""
HORIZONS: Final = np.array(
    [1, 2, 3, 4, 5, 6, 7, 9, 11, 14, 17, 20, 24, 28, 33, 39, 46, 54, 63, 73, 85, 100, 117, 137,
     160, 187, 219, 256, 300, 350]
)  # fmt: skip
"""Days ahead that are back-tested; between them is a straight line."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A back-test: who said what of which day, on the link's scale (settings, origins, horizons).

    `wanted` are the true values in the unit, NaN where they are not known.
    """

    origins: Ints
    horizons: Ints
    said: dict[str, Floats]
    naive: Floats
    seasonal: Floats
    wanted: Floats
    chosen_until: int


@dataclass(frozen=True, slots=True)
class Choice:
    """A method: the settings of each family whose mean it is."""

    method: str
    settings: dict[str, tuple[int, ...]]


def origins_of(n: int) -> Ints:
    """Places of a series that a back-test starts from, never the same weekday over and over."""
    first = max(min(LEAST_PAST, n // 2), n // 3)
    step = max(1, -(-(n - 1 - first) // ORIGINS))
    step += step % 7 == 0
    return np.arange(n - 2, first - 1, -step)[::-1]


def said(past: Past, link: Link, origins: Ints, horizons: Ints) -> dict[str, Floats]:
    """Forecasts of every family and setting, on the link's scale."""
    naive = methods.naive(past, origins, horizons)
    week = methods.seasonal(past, origins, horizons, 7)
    out = {NAIVE: [link.to(naive)], "seasonal_7": [link.to(week)]}
    if len(past.y) > methods.YEAR + LEAST_PAST:
        year = methods.seasonal(past, origins, horizons, methods.YEAR)
        out["seasonal_365"] = [link.to(np.where(np.isfinite(year), year, naive))]
    for name in ("drift", "damped_trend", "ridge"):
        out[name] = []
    for one in methods.adjusted(past, origins, horizons):
        out["drift"] += methods.drifts(one, origins, horizons)
        out["damped_trend"] += methods.damped(one, origins, horizons)
        out["ridge"] += methods.ridges(one, origins, horizons)
    return {name: np.stack(each) for name, each in out.items()}


def trial(past: Past, link: Link) -> Trial:
    """Back-test every method at every origin."""
    n = len(past.y)
    origins = origins_of(n)
    horizons = HORIZONS[n - 1 - origins[0] >= HORIZONS]
    at = origins[:, None] + horizons[None, :]
    wanted = np.where(at < n, past.y[np.minimum(at, n - 1)], np.nan)
    return Trial(
        origins,
        horizons,
        said(past, link, origins, horizons),
        methods.naive(past, origins, horizons),
        methods.seasonal(past, origins, horizons, 7),
        wanted,
        int(origins[0] + CHOOSING * (n - 1 - origins[0])),
    )


def choose(found: Trial, link: Link, days: int) -> Choice:
    """The method that erred least up to `days` ahead on targets no later than `chosen_until`.

    The naive one where none was BETTER.
    """
    at = found.origins[:, None] + found.horizons[None, :]
    counts = (at <= found.chosen_until) & (found.horizons <= days)[None, :]
    wanted = np.where(counts, found.wanted, np.nan)
    settings = {
        name: _best(_losses(link.back(each), found.naive, wanted))
        for name, each in found.said.items()
    }
    mixed = {name: settings[name] for name in (NAIVE, "drift", "damped_trend", "ridge")}
    choices = [Choice(name, {name: own}) for name, own in settings.items()]
    choices.append(Choice("mean", mixed))
    losses = [
        float(_losses(link.back(forecast(found.said, one))[None], found.naive, wanted)[0])
        for one in choices
    ]
    best = int(np.argmin(losses))
    return choices[best] if losses[best] < BETTER else naive_choice()


def naive_choice() -> Choice:
    """The method that nothing has beaten."""
    return Choice(NAIVE, {NAIVE: (0,)})


def forecast(every: dict[str, Floats], choice: Choice) -> Floats:
    """What a choice says (origins, horizons), on the link's scale."""
    own = [every[name][list(settings)].mean(axis=0) for name, settings in choice.settings.items()]
    return np.asarray(np.mean(own, axis=0))


def _best(losses: Floats) -> tuple[int, ...]:
    return tuple(int(i) for i in np.argsort(losses, kind="stable")[:BEST])


def _losses(values: Floats, naive: Floats, wanted: Floats) -> Floats:
    """Mean over horizons of error over the naive error, per setting; infinite without any."""
    known = np.isfinite(wanted)
    enough = known.sum(axis=0) >= LEAST_PAIRS
    if not enough.any():
        return np.full(len(values), np.inf)
    errors = np.where(known, np.abs(values - np.nan_to_num(wanted)), 0.0).sum(axis=1)[:, enough]
    usual = np.where(known, np.abs(naive - np.nan_to_num(wanted)), 0.0).sum(axis=0)[enough]
    if not usual.any():
        return np.full(len(values), 1.0)
    floor = 1e-3 * usual.max()
    return np.asarray(((errors + floor) / (usual + floor)).mean(axis=1))


@dataclass(frozen=True, slots=True)
class Skill:
    """How a choice did on origins that did not choose it."""

    naive: float | None
    seasonal: float | None
    beats_naive: bool
    origins: int


def judged(found: Trial, choice: Choice, link: Link, days: int) -> Skill:
    """Held-out skill: 1 less the ratio of mean absolute errors."""
    later = found.origins >= found.chosen_until
    wanted = np.where((found.horizons <= days)[None, :], found.wanted[later], np.nan)
    known = np.isfinite(wanted)
    own = np.abs(_values(found, choice, link)[later] - wanted)
    naive = np.abs(found.naive[later] - wanted)
    seasonal = np.abs(found.seasonal[later] - wanted)
    both = known & np.isfinite(seasonal)
    of_naive = _skill(own[known], naive[known])
    of_seasonal = _skill(own[both], seasonal[both])
    is_better = of_naive is not None and of_naive >= LEAST_SKILL and _is_clear(own, naive, known)
    return Skill(of_naive, of_seasonal, bool(is_better), int(later.sum()))


def _values(found: Trial, choice: Choice, link: Link) -> Floats:
    """What a choice said, in the unit; the last value to the bit."""
    return found.naive if choice.method == NAIVE else link.back(forecast(found.said, choice))


def _is_clear(own: Floats, naive: Floats, known: np.ndarray) -> bool:
    """Is the gain per origin more than chance? Origins overlap, so they count for less."""
    gains = np.array(
        [(b[k] - a[k]).mean() for a, b, k in zip(own, naive, known, strict=True) if k.any()]
    )
    if len(gains) < LEAST_PAIRS:
        return False
    worth = max(2.0, len(gains) / ALIKE)
    error = gains.std(ddof=1) / np.sqrt(worth)
    return bool(gains.mean() > CLEAR * error)


def _skill(own: Floats, other: Floats) -> float | None:
    """1 less the ratio of mean absolute errors; null where the other never erred."""
    usual = float(other.sum())
    return 1.0 - float(own.sum()) / usual if usual > 0 else None
