"""A simulated firm's figures by day: orders, running, output, energy, alarms, terminals."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from connectors.simulator.firm_calendar import Calendar
from connectors.simulator.firm_distress import Distress
from connectors.simulator.firm_draws import Draw, Floats, Mask, between, table
from connectors.simulator.firm_harm import Harmless

MEASURES: Final = (
    "running_s", "output", "energy_wh", "alarms", "terminals_expected", "terminals_online",
)  # fmt: skip
YEAR_DAYS: Final = 365.25


@dataclass(frozen=True, slots=True)
class World:
    """What firms share: their sectors' courses, the weather, our collector's outages by park."""

    sectors: list[Floats]
    slumps: list[list[tuple[int, int, float]]]
    celsius: Floats
    park_ids: list[str]
    outages: list[list[tuple[int, int]]]
    collected: list[Mask]
    parts: list[Floats]


def world(seed: int, days: list[date]) -> World:
    """The shared part of a seed."""
    said = table()["sector"]
    courses, slumps = [], []
    for code in said["codes"]:
        draw = Draw(seed, "sector", code)
        course = _season(draw, days, draw.within(said["season"]))
        course += draw.weekly(
            said["deviation"], said["autocorrelation"], len(days), days[0].weekday()
        )
        slump = _slump(draw, course) if draw.chance(said["slump_share"]) else []
        courses.append(course)
        slumps.append(slump)
    parks = table()["parks"]["ids"]
    made = [_outages(Draw(seed, "park", park), len(days)) for park in parks]
    return World(
        courses,
        slumps,
        _weather(Draw(seed, "weather"), days),
        parks,
        [m[0] for m in made],
        [m[1] for m in made],
        [m[2] for m in made],
    )


def figures(
    draw: Draw,
    days: list[date],
    calendar: Calendar,
    happened: Harmless,
    planted: Distress | None,
    shared: World,
    sector: int,
    park: int,
) -> pl.DataFrame:
    """ENTERPRISE_DAYS of one firm without its `uscc`."""
    count, said = len(days), table()["firm"]
    lost = planted.decline(count) if planted else np.zeros(count)
    follows = planted.running_follows if planted else 1.0
    demand = _demand(draw, days, shared.sectors[sector])
    noise = draw.rng.normal(0.0, draw.log_within(said["day_deviation"]), count)
    sound = np.where(
        calendar.scheduled, calendar.level * happened.running * np.exp(demand + noise), 0.0
    )
    running = sound * (1.0 - lost * follows)
    per_hour = (
        _rate(draw, days) * happened.rate * (1.0 - lost) / np.maximum(1e-9, 1.0 - lost * follows)
    )
    machines, hours = draw.log_within(said["machines"]), draw.within(said["hours"])
    busy_h = np.minimum(running * machines * hours, machines * 24.0)
    output = busy_h * per_hour * draw.log_within(said["output_per_hour"])
    energy = _energy(draw, shared.celsius, sound, running, happened, planted, calendar)
    energy *= 1e3 * machines * hours * draw.log_within(said["energy_kw"])
    online, expected = _terminals(draw, calendar, happened, planted)
    alarms = _alarms(draw, running, happened, planted)
    part = shared.parts[park]
    known = happened.known & shared.collected[park]
    columns = {
        "running_s": busy_h * 3600.0 * part,
        "output": output * part,
        "energy_wh": energy * part,
        "alarms": alarms * part,
        "terminals_expected": np.full(count, expected),
        "terminals_online": online,
    }
    frame = pl.DataFrame(
        {
            "day": days,
            "is_operating": [bool(s) if calendar.known else None for s in calendar.said],
            "is_collected": shared.collected[park],
            **{name: np.rint(values).astype(np.int64) for name, values in columns.items()},
            "known": known,
            "has_row": happened.has_row,
        },
        schema_overrides={"is_operating": pl.Boolean()},
    )
    spoken = [pl.when("known").then(name).alias(name) for name in MEASURES]
    return frame.with_columns(spoken).filter("has_row").drop("known", "has_row")


def _demand(draw: Draw, days: list[date], sector: Floats) -> Floats:
    """Log of what is asked of the firm: its orders, its growth, its season, its sector's course."""
    said = table()["firm"]
    orders = draw.weekly(
        draw.log_within(said["orders_deviation"]),
        draw.within(said["orders_autocorrelation"]),
        len(days),
        days[0].weekday(),
    )
    growth = float(np.clip(draw.rng.normal(*said["growth"]), *said["growth_within"]))
    grown = np.log1p(growth) * np.arange(len(days)) / YEAR_DAYS
    season = _season(draw, days, draw.within(said["own_season"]))
    return np.asarray(orders + grown + season + draw.within(said["sector_load"]) * sector)


def _rate(draw: Draw, days: list[date]) -> Floats:
    said = table()["firm"]
    weekly = draw.weekly(
        draw.within(said["rate_week_deviation"]), 0.5, len(days), days[0].weekday()
    )
    return np.asarray(
        np.exp(weekly + draw.rng.normal(0.0, draw.within(said["rate_deviation"]), len(days)))
    )


def _energy(
    draw: Draw,
    celsius: Floats,
    sound: Floats,
    running: Floats,
    happened: Harmless,
    planted: Distress | None,
    calendar: Calendar,
) -> Floats:
    """Of a usual day's energy: base load, what running takes, cooling and heating."""
    said = table()["firm"]
    base = draw.within(said["base_load"])
    follows = planted.energy_follows if planted else 1.0
    drawn = sound + (running - sound) * follows
    used = base * np.where(calendar.scheduled, 1.0, said["base_off"])
    used = used + (1.0 - base) * drawn * happened.energy
    cooling = draw.within(said["cooling"]) * np.maximum(celsius - 24.0, 0.0) / 10.0
    heating = draw.within(said["heating"]) * np.maximum(14.0 - celsius, 0.0) / 10.0
    weather = (cooling + heating) * np.where(calendar.scheduled, 1.0, 0.3)
    noise = draw.rng.normal(0.0, draw.within(said["energy_deviation"]), len(celsius))
    return np.asarray((used + weather) * np.exp(noise))


def _terminals(
    draw: Draw, calendar: Calendar, happened: Harmless, planted: Distress | None
) -> tuple[Floats, int]:
    """Terminals heard by day, and how many there are."""
    said, days = table()["firm"], len(calendar.level)
    expected = round(draw.log_within(said["terminals"]))
    chance = np.full(days, draw.within(said["online"])) * happened.online
    chance *= np.where(calendar.scheduled, 1.0, draw.within(said["online_off"]))
    if planted:
        chance *= 1.0 - planted.offline * np.minimum(planted.decline(days) / planted.depth, 1.0)
    return draw.rng.binomial(expected, np.clip(chance, 0.0, 1.0)).astype(np.float64), expected


def _alarms(draw: Draw, running: Floats, happened: Harmless, planted: Distress | None) -> Floats:
    """Counts that come in bursts (negative binomial), in proportion to running."""
    said = table()["firm"]
    rate = draw.log_within(said["alarms_per_day"]) * running * happened.alarms
    if planted:
        rate = rate * planted.alarms(len(running))
    over = draw.within(said["alarm_dispersion"]) - 1.0
    mean = draw.rng.gamma(np.maximum(rate, 1e-9) / over, over)
    return draw.rng.poisson(mean).astype(np.float64)


def _season(draw: Draw, days: list[date], amplitude: float) -> Floats:
    turns = np.array([day.timetuple().tm_yday for day in days]) / YEAR_DAYS + draw.rng.random()
    return np.asarray(amplitude * np.sin(2 * np.pi * turns))


def _slump(draw: Draw, course: Floats) -> list[tuple[int, int, float]]:
    """A slump of a whole sector, put into its course; what is told of it."""
    said, days = table()["sector"], len(course)
    depth, fall = draw.within(said["slump_depth"]), draw.days(said["slump_days"])
    back = draw.days(said["slump_recovers_days"])
    first = draw.days([table()["time"]["history_days"], days - fall])
    at = np.arange(days)
    down = np.clip((at - first) / fall, 0.0, 1.0)
    up = np.clip((at - first - fall) / back, 0.0, 1.0)
    course += np.log1p(-depth * (down - up))
    return [(first, first + fall + back, depth)]


def _weather(draw: Draw, days: list[date]) -> Floats:
    """Mean temperatures like Shanghai's: 4 degrees in late January, 29 in late July."""
    yday = np.array([day.timetuple().tm_yday for day in days])
    usual = 16.7 - 12.5 * np.cos(2 * np.pi * (yday - 25) / YEAR_DAYS)
    return np.asarray(usual + draw.lasting(3.0, 0.7, len(days)))


def _outages(draw: Draw, days: int) -> tuple[list[tuple[int, int]], Mask, Floats]:
    """Our own outages: their days, which days were collected, what part of each was counted."""
    said = table()["collector_outage"]
    told, collected, part = [], np.ones(days, bool), np.ones(days)
    for _ in range(draw.count(said["per_year"], days)):
        first = draw.days([0, days - 1])
        last = first + draw.days(said["days"]) - 1
        collected[between(days, first, last)] = False
        if draw.chance(said["edge_share"]) and first > 0:
            part[first - 1] = draw.within(said["edge"])
        told.append((first, last))
    return told, collected, part
