"""Forecasts of an indicator with intervals, and when its target will be reached.

The method is chosen by a back-test over many origins, and judged on later ones that did not choose
it. What does not beat the last value is not shown: then the last value is the forecast, and says so
(docs/decisions/0038).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

import numpy as np
import polars as pl

from models import forecast_arrival as arriving
from models import forecast_bands as bands
from models import forecast_choice as choosing
from models import forecast_methods as methods
from models.errors import SeriesError
from models.forecast_choice import Choice, Skill, Trial
from models.forecast_methods import Past
from models.forecast_scale import Link, Scale, link
from models.scaling import Floats
from pipelines.park_figures import ARRIVALS, FORECASTS

DAYS: Final = 90
ARRIVAL_DAYS: Final = 365
MAX_DAYS: Final = 1_461
"""Days of a series that are read: four years hold four Spring Festivals."""
LEAST_DAYS: Final = 14
"""Fewer are no series."""
STALE_DAYS: Final = 28
"""Nothing known for longer: what it is now is a guess, and no forecast begins with one."""
LEAST_CHOICE: Final = 42
"""Fewer choose nothing: the last value is all there is to say."""
OF_UNIT: Final[Mapping[str, Scale]] = {"%": "share", "Mbps": "number", "kWh/kWh": "number"}
COUNTED: Final[Mapping[str, float]] = {"万个": 10_000.0}
"""How many things one of a unit is: they are counted, and forecast, by the piece."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose forecast it is, on which scale, and what it should come to."""

    indicator_id: str
    area_id: str
    scale: Scale
    target: float | None = None
    comparator: str | None = None
    counted: float = 1.0
    """How many things one of its unit is (`COUNTED`)."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """FORECASTS and ARRIVALS rows of one series, and what is known of how good they are.

    `note` says why there is no forecast, or only the last value; `tried` the method that was best
    before it was judged, with its `skill`; `covered` the held-out coverage by nominal coverage.
    """

    forecasts: pl.DataFrame
    arrivals: pl.DataFrame
    note: str | None
    tried: str | None
    skill: Skill | None
    covered: Mapping[float, float | None]


@dataclass(frozen=True, slots=True)
class _Said:
    """A forecast on the link's scale for 1, 2, ... days after the last settled one."""

    choice: Choice
    center: Floats
    bands: bands.Bands
    smooth: float


def scale_of(unit: str) -> Scale:
    """How a unit of the dictionary is forecast: % as a share, what is counted as a count."""
    return OF_UNIT.get(unit, "count")


def forecast(
    series: pl.DataFrame,
    asked: Asked,
    *,
    origin: date | None = None,
    days: int = DAYS,
    arrival_days: int = ARRIVAL_DAYS,
    unsettled_days: int = 0,
) -> Outlook:
    """Forecast a series from its last day, or from an earlier `origin`.

    `series`: `day value`, and of shares `numerator denominator` if known; days without a row, and
    null values, are unknown. Nothing behind the origin is read, nor the last `unsettled_days`, of
    which not all has come in. Nothing is said further ahead than is known behind. SeriesError where
    a day stands twice or a value cannot be.
    """
    if not 0 <= unsettled_days < LEAST_DAYS:
        raise ValueError(f"unsettled_days is from 0 to {LEAST_DAYS - 1}")
    if asked.counted != 1.0:
        told = forecast(
            *_by_the_piece(series, asked), origin=origin, days=days, arrival_days=arrival_days,
            unsettled_days=unsettled_days,
        )  # fmt: skip
        return _in_unit(told, asked)
    last = origin or max(series["day"].drop_nulls().to_list(), default=date.min)
    settled = last - timedelta(days=unsettled_days if last > date.min else 0)
    first = settled - timedelta(days=MAX_DAYS - 1) if last > date.min else date.min
    known = _known(series.filter(pl.col("day").is_between(first, settled)), asked.scale)
    if known.height < LEAST_DAYS:
        return _none(f"{known.height} days are known, a forecast needs {LEAST_DAYS}")
    if known["day"][-1] < settled - timedelta(days=STALE_DAYS):
        return _none(f"nothing is known since {known['day'][-1]}")
    units = _units(known)
    scale = link(asked.scale, units)
    past = _past(known, settled, scale)
    ahead = min(max(days, arrival_days) + unsettled_days, len(past.y))
    found = choosing.trial(past, scale)
    tried, skill = _tried(known.height, past, found, scale, days)
    chosen = tried if tried and skill and skill.beats_naive else choosing.naive_choice()
    said = _said(past, found, chosen, scale, ahead)
    missed = choosing.forecast(found.said, chosen) - scale.to(found.wanted)
    covered = bands.held_out_coverage(
        missed, found.origins, found.horizons, found.chosen_until, days
    )
    shown = _shown_skill(found, chosen, skill, scale, days)
    table = _table(past, said, scale, asked, last, (days, unsettled_days), shown, covered)
    reached = _arrivals(past, said, scale, asked, last, (arrival_days, unsettled_days), units)
    note = None if chosen.method != choosing.NAIVE else _why(tried, skill)
    return Outlook(table, reached, note, tried.method if tried else None, skill, covered)


def _by_the_piece(series: pl.DataFrame, asked: Asked) -> tuple[pl.DataFrame, Asked]:
    target = None if asked.target is None else asked.target * asked.counted
    pieces = series.with_columns((pl.col("value") * asked.counted).round(6))
    return pieces, replace(asked, target=target, counted=1.0)


def _in_unit(told: Outlook, asked: Asked) -> Outlook:
    """The same by the unit, with the target as it was asked."""
    forecasts = told.forecasts.with_columns(pl.col("value", "lower", "upper") / asked.counted)
    arrivals = told.arrivals.with_columns(target=pl.lit(asked.target, pl.Float64))
    return replace(told, forecasts=forecasts, arrivals=arrivals)


def _known(series: pl.DataFrame, scale: Scale) -> pl.DataFrame:
    """Rows with a value, in order; SeriesError for what cannot be."""
    known = series.filter(pl.col("value").is_not_null(), ~pl.col("value").is_nan()).sort("day")
    twice = known.filter(pl.col("day").is_duplicated())
    if twice.height:
        raise SeriesError(twice["day"][0], "stands twice in the series", "give each day one value")
    highest = 100.0 if scale == "share" else np.inf
    lowest = -np.inf if scale == "number" else 0.0
    value = pl.col("value")
    odd = known.filter(~value.is_finite() | (value < lowest) | (value > highest))
    if odd.height:
        day, found = odd["day"][0], odd["value"][0]
        raise SeriesError(day, f"{found} is no {scale}", "shares are 0 to 100, counts from 0 on")
    return known


def _units(known: pl.DataFrame) -> float | None:
    """The last denominator, if there is any."""
    if "denominator" not in known.columns:
        return None
    told = known["denominator"].drop_nulls()
    return float(told[-1]) if len(told) and told[-1] > 0 else None


def _past(known: pl.DataFrame, settled: date, scale: Link) -> Past:
    """The series day by day up to the last settled one."""
    first = max(known["day"][0], settled - timedelta(days=MAX_DAYS - 1))
    days = pl.DataFrame({"day": pl.date_range(first, settled, eager=True)})
    whole = days.join(known.select("day", "value"), on="day", how="left", maintain_order="left")
    start = int(whole["value"].is_not_null().arg_max() or 0)
    whole = whole[start:]
    y = whole["value"].cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    return Past(whole["day"].to_list(), y, scale.to(y))


def _tried(
    known: int, past: Past, found: Trial, scale: Link, days: int
) -> tuple[Choice | None, Skill | None]:
    """The best of the methods and how it did; nothing where too little is known to choose."""
    if known < LEAST_CHOICE or 2 * int(np.isfinite(past.y).sum()) < len(past.y):
        return None, None
    choice = choosing.choose(found, scale, days)
    return choice, choosing.judged(found, choice, scale, days)


def _said(past: Past, found: Trial, chosen: Choice, scale: Link, ahead: int) -> _Said:
    origin, horizons = np.array([len(past.y) - 1]), np.arange(1, ahead + 1)
    center = choosing.forecast(choosing.said(past, scale, origin, horizons), chosen)[0]
    missed = choosing.forecast(found.said, chosen) - scale.to(found.wanted)
    widths = bands.bands(missed, found.origins, found.horizons, ahead)
    return _Said(chosen, center, widths, bands.smoothness(missed, found.horizons))


def _shown_skill(
    found: Trial, chosen: Choice, skill: Skill | None, scale: Link, days: int
) -> Skill | None:
    """The skill of what is shown: of the last value none over itself."""
    if skill is None or chosen.method != choosing.NAIVE:
        return skill
    return choosing.judged(found, chosen, scale, days)


def _why(tried: Choice | None, skill: Skill | None) -> str:
    """Why the last value is all that is said."""
    if tried is None or skill is None:
        return "too little is known to choose a method: the last value is the forecast"
    if tried.method == choosing.NAIVE or skill.naive is None:
        return "no method beat the last value: it is the forecast"
    return (
        f"{tried.method} was best but did not clearly beat the last value on later origins "
        f"(skill {skill.naive:.2f}): the last value is the forecast"
    )


def _none(why: str) -> Outlook:
    empty = pl.DataFrame(schema=FORECASTS), pl.DataFrame(schema=ARRIVALS)
    return Outlook(*empty, why, None, None, dict.fromkeys(bands.COVERAGES))


def _table(
    past: Past, said: _Said, scale: Link, asked: Asked, last: date, spans: tuple[int, int],
    skill: Skill | None, covered: Mapping[float, float | None],
) -> pl.DataFrame:  # fmt: skip
    """FORECASTS of 1 to so many days after the origin, a row per nominal coverage."""
    days, unsettled = spans
    own = slice(unsettled, min(days + unsettled, len(said.center)))
    value = scale.back(said.center)
    if said.choice.method == choosing.NAIVE:
        value = np.full(len(value), methods.filled(past.y)[-1])
    horizons = np.arange(1, len(value) - unsettled + 1)[: len(value[own])]
    parts = []
    for coverage in bands.COVERAGES:
        width = said.bands.at(coverage)
        low = np.where(width > 0, scale.back(said.center - width), value)
        high = np.where(width > 0, scale.back(said.center + width), value)
        parts.append(
            pl.DataFrame(
                {
                    "horizon": horizons,
                    "value": value[own],
                    "lower": np.minimum(low, value)[own],
                    "upper": np.maximum(high, value)[own],
                }
            ).with_columns(coverage=coverage, measured_coverage=pl.lit(covered[coverage]))
        )
    return (
        pl.concat(parts)
        .with_columns(
            day=last + pl.duration(days=pl.col("horizon")),
            indicator_id=pl.lit(asked.indicator_id),
            area_id=pl.lit(asked.area_id),
            origin=pl.lit(last),
            method=pl.lit(said.choice.method),
            skill_naive=pl.lit(skill.naive if skill else None),
            skill_seasonal=pl.lit(skill.seasonal if skill else None),
            beats_naive=pl.lit(said.choice.method != choosing.NAIVE),
        )
        .select(FORECASTS.names())
        .cast(FORECASTS)
        .sort("horizon", "coverage")
    )


def _arrivals(
    past: Past, said: _Said, scale: Link, asked: Asked, last: date, spans: tuple[int, int],
    units: float | None,
) -> pl.DataFrame:  # fmt: skip
    """ARRIVALS: one row where there is a target."""
    if asked.target is None or not asked.comparator:
        return pl.DataFrame(schema=ARRIVALS)
    days, unsettled = spans
    own = slice(unsettled, min(days + unsettled, len(said.center)))
    coverage = bands.COVERAGES[0]
    noise = arriving.daily_noise(past.x)
    width = said.bands.at(coverage)
    courses = arriving.paths(said.center, width, coverage, noise, said.smooth, scale, units)
    now = float(methods.filled(past.y)[-1])
    found = arriving.arrival(courses[:, own], now, asked.target, asked.comparator, last)
    row = {
        "indicator_id": asked.indicator_id, "area_id": asked.area_id, "origin": last,
        "target": asked.target, "comparator": asked.comparator, "earliest": found.earliest,
        "median": found.median, "latest": found.latest, "chance_within": found.chance_within,
    }  # fmt: skip
    return pl.DataFrame([row], schema=ARRIVALS)
