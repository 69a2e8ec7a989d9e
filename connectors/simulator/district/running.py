"""How enterprises of the district ran, a row per day, and the truth of who was in distress.

Most take their course from firm_years.toml; in two parks some are in distress on the last day. The
plain ones (enterprise_days) grow steadily, so that their trends are known exactly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import polars as pl

from connectors.simulator import enterprise_days, firm_signals
from connectors.simulator.district.rows import DistrictFacts, Down, Enterprise
from connectors.simulator.firm_calendar import Calendar, span
from connectors.simulator.firm_distress import Distress, distress
from connectors.simulator.firm_draws import Draw, table
from connectors.simulator.firm_harm import Harmless, harmless
from connectors.simulator.firm_years import HARMLESS, harmless_rows
from connectors.simulator.portrait_truth import truth

COURSES: Final = 120
PLAIN: Final = 40
UNDER_WAY: Final = {"P01": 3, "P02": 3}
"""Enterprises of a park that are in distress on the last day."""

LEAST_GROWTH: Final = -0.06
"""As of firm_years.toml: who shrinks faster is in distress, and a plain one is not."""

DISTRESS: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "signs_on": pl.Date(),
        "begun_on": pl.Date(),
        "bottom_on": pl.Date(),
        "depth": pl.Float64(),
        "pattern": pl.String(),
    }
)
"""`pattern`: what comes after the bottom (stays, closes, recovers), or under_way."""

COURSES_OF: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "kind": pl.String(),
        "judged_from": pl.Date(),
        "judged_to": pl.Date(),
    }
)
"""Everybody of whom there are days; `kind`: course, plain. Warnings are judged in a year of it."""

TRENDS: Final = pl.Schema(
    {
        "reference_date": pl.Date(),
        "uscc": pl.String(),
        "running_h_per_day": pl.Float64(),
        "running_trend": pl.Float64(),
        "output_trend": pl.Float64(),
        "energy_trend": pl.Float64(),
        "energy_per_output_trend": pl.Float64(),
        "trend_basis": pl.String(),
        "is_complete": pl.Boolean(),
    }
)
"""True trends of plain enterprises; not complete where something of the last days was lost."""


class Running(NamedTuple):
    """`days` (ENTERPRISE_DAYS) is what is told, the rest is so."""

    days: pl.DataFrame
    distress: pl.DataFrame
    harmless: pl.DataFrame
    courses: pl.DataFrame
    trends: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Firm:
    uscc: str
    sector: str
    staff: int
    park_id: str


def running(
    facts: DistrictFacts,
    seed: int,
    *,
    known_since: date | None = None,
    courses: int = COURSES,
    plain: int = PLAIN,
) -> Running:
    """Days up to the reference date: four months, and a year that is judged.

    Of industrial enterprises with one site, in the register since `known_since` (the first day);
    fewer than asked for where there are not so many.
    """
    time = table()["time"]
    length = time["history_days"] + time["judged_days"]
    days = span(facts.reference_date - timedelta(days=length - 1), length)
    firms = _firms(facts, seed, known_since or days[0])
    taken, rest = firms[:courses], firms[courses : courses + plain]
    world = _world(facts, seed, days)
    made = list(_courses(taken, seed, days, world))
    steady = _plain(rest, facts, seed)
    told = [one.days for one in made]
    even = enterprise_days.table(steady, days[0], days[-1], seed)
    kinds = [(firm.uscc, "course") for firm in taken] + [(firm.uscc, "plain") for firm in rest]
    judged = pl.DataFrame(kinds, schema=["uscc", "kind"], orient="row").with_columns(
        judged_from=pl.lit(days[time["history_days"]]), judged_to=pl.lit(days[-1])
    )
    frame = pl.from_arrow(even)
    assert isinstance(frame, pl.DataFrame)
    return Running(
        days=pl.concat([*told, frame]).sort("uscc", "day"),
        distress=pl.DataFrame([one.distress for one in made if one.distress], schema=DISTRESS),
        harmless=pl.DataFrame([row for one in made for row in one.harmless], schema=HARMLESS),
        courses=judged.match_to_schema(COURSES_OF),
        trends=pl.DataFrame(_trends(steady, days, seed), schema=TRENDS),
    )


def write(made: Running, files: Path, truth_folder: Path) -> None:
    """Write the days into `files`, where the office keeps them, and the rest into the truth."""
    made.days.write_parquet(files / "enterprise_days.parquet", compression="zstd")
    for name in ("distress", "harmless", "courses", "trends"):
        getattr(made, name).write_parquet(truth_folder / f"{name}.parquet", compression="zstd")


def _firms(facts: DistrictFacts, seed: int, since: date) -> list[_Firm]:
    """Whose days are kept, in an order of the seed's."""
    planted = {name for trap in facts.traps for name in trap.subjects}
    sites: dict[str, list[Any]] = {}
    for site in facts.sites:
        sites.setdefault(site.uscc, []).append(site)
    versions: dict[str, list[Enterprise]] = {}
    for row in facts.enterprises:
        versions.setdefault(row.uscc, []).append(row)
    found = []
    for uscc, rows in sorted(versions.items()):
        last, held = rows[-1], sites.get(uscc, [])
        is_plain = len(held) == 1 and held[0].valid_to is None and uscc not in planted
        if is_plain and rows[0].valid_from <= since and _is_industry(last):
            sector = (last.industry_code or "")[:3]
            found.append(_Firm(uscc, sector, last.staff or 20, held[0].park_id or ""))
    order = Draw(seed, "office").rng.permutation(len(found))
    return _needed_first([found[place] for place in order])


def _needed_first(firms: Sequence[_Firm]) -> list[_Firm]:
    """Those that are to be in distress on the last day before all others, however few are taken."""
    own = [[one for one in firms if one.park_id == park][:n] for park, n in UNDER_WAY.items()]
    needed = [one for part in own for one in part]
    return [*needed, *(one for one in firms if one not in needed)]


def _is_industry(row: Enterprise) -> bool:
    is_here = row.valid_to is None and row.register_status == "在营" and row.in_new_city
    return is_here and (row.industry_code or "-")[0] in "BCD"


def _world(facts: DistrictFacts, seed: int, days: list[date]) -> firm_signals.World:
    """What they share; our own outages are those that the register has."""
    shared = firm_signals.world(seed, days)
    outages = [_outages(facts.collector_down, park, days) for park in shared.park_ids]
    collected = [np.ones(len(days), bool) for _ in outages]
    for mask, own in zip(collected, outages, strict=True):
        for first, last in own:
            mask[first : last + 1] = False
    whole = [np.ones(len(days)) for _ in outages]
    return replace(shared, outages=outages, collected=collected, parts=whole)


def _outages(down: Sequence[Down], park: str, days: list[date]) -> list[tuple[int, int]]:
    """First and last places of our outages of a park, the district's among them."""
    own = {day for where, day in down if where in (None, park)}
    lost = [n for n, day in enumerate(days) if day in own]
    firsts = [n for n in lost if n - 1 not in lost]
    return [(n, next(m for m in count(n) if m + 1 not in lost)) for n in firsts]


class _Course(NamedTuple):
    days: pl.DataFrame
    distress: dict[str, Any] | None
    harmless: list[dict[str, Any]]


def _courses(
    firms: Sequence[_Firm], seed: int, days: list[date], world: firm_signals.World
) -> Iterator[_Course]:
    left = dict(UNDER_WAY)
    sectors = [code[:3] for code in table()["sector"]["codes"]]
    others = sorted({firm.sector for firm in firms} - set(sectors))
    for firm in firms:
        is_now = left.get(firm.park_id, 0) > 0
        left[firm.park_id] = left.get(firm.park_id, 0) - 1
        known = firm.sector in sectors
        sector = (sectors if known else others).index(firm.sector) % len(sectors)
        yield _course(firm, seed, days, world, sector, is_now=is_now)


def _course(
    firm: _Firm,
    seed: int,
    days: list[date],
    world: firm_signals.World,
    sector: int,
    *,
    is_now: bool,
) -> _Course:
    park = world.park_ids.index(firm.park_id)
    draw, calendar, happened = _staying(firm, seed, days)
    planted = _under_way(draw, len(days)) if is_now else distress(draw)
    frame = firm_signals.figures(draw, days, calendar, happened, planted, world, sector, park)
    told = harmless_rows(firm.uscc, days, happened, world.slumps[sector], world.outages[park])
    true = _truth(firm, days[0], planted, is_now=is_now) if planted else None
    return _Course(frame.select(pl.lit(firm.uscc).alias("uscc"), pl.all()), true, told)


def _staying(firm: _Firm, seed: int, days: list[date]) -> tuple[Draw, Calendar, Harmless]:
    """The first of its drawn years in which it does not move: where it is, the register says."""
    for number in count():
        draw = Draw(seed, "office", firm.uscc, number)
        calendar = Calendar(draw, days)
        happened = harmless(draw, calendar)
        if happened.moved_on is None:
            return draw, calendar, happened
    raise AssertionError


def _under_way(draw: Draw, days: int) -> Distress:
    """A deep decline that reaches its bottom on the last day or within the week after.

    It is long and deep, so that it can be told by then; around Spring Festival it cannot.
    """
    bottom = days - 1 + draw.days([0, 7])
    begin = bottom - draw.days([70, 84])
    follows = draw.within(table()["distress"]["running_follows"])
    depth = draw.within([0.4, 0.5])
    return Distress(begin, begin, bottom, depth, 1.0, follows, 1.0, 0.0, 1.0, "stays", bottom, 1)


def _truth(firm: _Firm, first: date, planted: Distress, *, is_now: bool) -> dict[str, Any]:
    return {
        "uscc": firm.uscc,
        "signs_on": first + timedelta(days=planted.signs),
        "begun_on": first + timedelta(days=planted.begin),
        "bottom_on": first + timedelta(days=planted.bottom),
        "depth": planted.depth,
        "pattern": "under_way" if is_now else planted.after,
    }


def _plain(firms: Sequence[_Firm], facts: DistrictFacts, seed: int) -> list[enterprise_days.Firm]:
    """Steady firms: of every second one nothing is lost but by our own outages."""
    drawn = enterprise_days.firms(seed, [(one.uscc, one.sector, one.staff) for one in firms])
    made = []
    for number, (own, firm) in enumerate(zip(firms, drawn, strict=True)):
        down = [day for where, day in facts.collector_down if where in (None, own.park_id)]
        kept = enterprise_days.complete(firm) if number % 2 == 0 else firm
        growth = max(firm.growth, LEAST_GROWTH)
        made.append(replace(kept, growth=growth, outages=tuple((day, day) for day in down)))
    return made


def _trends(
    firms: Sequence[enterprise_days.Firm], days: list[date], seed: int
) -> Iterator[dict[str, Any]]:
    for firm in firms:
        real = truth(firm, days[-1], days[0], seed)
        if real is not None:
            yield {
                "reference_date": days[-1],
                "uscc": firm.uscc,
                "running_h_per_day": float(real.running_h_per_day),
                "running_trend": float(real.running),
                "output_trend": float(real.output),
                "energy_trend": float(real.energy),
                "energy_per_output_trend": float(real.energy_per_output),
                "trend_basis": real.basis,
                "is_complete": _is_complete(firm, days[-1], seed),
            }


def _is_complete(firm: enterprise_days.Firm, on: date, seed: int) -> bool:
    """Whether nothing of its last 28 scheduled days was lost; outages are of the last months."""
    made = enterprise_days.plan(firm, on - timedelta(days=83), on, seed)
    worked = [day for day, works in zip(made.days, made.is_operating, strict=True) if works][-28:]
    lost = {day for day, _ in firm.outages}
    return firm.absent == firm.untold == 0.0 and not lost & set(worked)
