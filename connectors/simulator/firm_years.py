"""Firm-years by seed: how enterprises ran by day, and beside it the truth of who was in distress.

What a stranger sees is `days`, `sites` and `firms`; `distress` and `harmless` are the truth. All of
it is firm_years.toml's, which was committed before any detector.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import polars as pl

from connectors.simulator import firm_signals
from connectors.simulator.firm_calendar import Calendar, span
from connectors.simulator.firm_distress import Distress, distress
from connectors.simulator.firm_draws import Draw, between, table
from connectors.simulator.firm_harm import Harmless, harmless

DISTRESS: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "signs_on": pl.Date(),
        "begun_on": pl.Date(),
        "bottom_on": pl.Date(),
        "depth": pl.Float64(),
        "length_days": pl.Int64(),
        "is_decoupled": pl.Boolean(),
        "offline": pl.Float64(),
        "alarm_times": pl.Float64(),
        "after": pl.String(),
    }
)
HARMLESS: Final = pl.Schema(
    {
        "uscc": pl.String(),
        "pattern": pl.String(),
        "first_on": pl.Date(),
        "last_on": pl.Date(),
        "size": pl.Float64(),
    }
)


@dataclass(frozen=True, slots=True)
class FirmYears:
    """What is seen (`days`, `sites`, `firms`), what is true (`distress`, `harmless`).

    `days` has a row per firm and day from the history on; the year from `judged_from` to
    `judged_to` (inclusive) is judged.
    """

    days: pl.DataFrame
    sites: pl.DataFrame
    firms: pl.DataFrame
    distress: pl.DataFrame
    harmless: pl.DataFrame
    judged_from: date
    judged_to: date


def firm_years(seed: int, firms: int) -> FirmYears:
    """So many firm-years of the seed; the first ones are the same however many there are."""
    time = table()["time"]
    starts = time["first_judged"]
    judged_from = starts[(seed - 1) % len(starts)]
    days = span(
        judged_from - timedelta(days=time["history_days"]),
        time["history_days"] + time["judged_days"],
    )
    world = firm_signals.world(seed, days)
    made = [_firm(seed, number, days, world) for number in range(firms)]
    return FirmYears(
        days=pl.concat([frame for frame, _ in made]),
        sites=pl.DataFrame([row for _, m in made for row in m.sites], infer_schema_length=None),
        firms=pl.DataFrame([m.firm for _, m in made]),
        distress=pl.DataFrame([m.distress for _, m in made if m.distress], schema=DISTRESS),
        harmless=pl.DataFrame([row for _, m in made for row in m.harmless], schema=HARMLESS),
        judged_from=judged_from,
        judged_to=days[-1],
    )


@dataclass(frozen=True, slots=True)
class _Made:
    firm: dict[str, Any]
    sites: list[dict[str, Any]]
    distress: dict[str, Any] | None
    harmless: list[dict[str, Any]]


def _firm(
    seed: int, number: int, days: list[date], world: firm_signals.World
) -> tuple[pl.DataFrame, _Made]:
    draw = Draw(seed, "firm", number)
    uscc = f"91310117S{seed:03d}{number:05d}X"
    sector = int(draw.rng.integers(len(table()["sector"]["codes"])))
    park = int(draw.rng.choice(len(world.park_ids), p=table()["parks"]["shares"]))
    calendar = Calendar(draw, days)
    happened = harmless(draw, calendar)
    planted = distress(draw)
    firm = {
        "uscc": uscc,
        "industry_code": table()["sector"]["codes"][sector],
        "park_id": world.park_ids[park] or None,
        "staff": int(draw.log_within([20, 300])),
    }
    frame = firm_signals.figures(draw, days, calendar, happened, planted, world, sector, park)
    told = harmless_rows(uscc, days, happened, world.slumps[sector], world.outages[park])
    made = _Made(
        firm,
        _sites(firm, days, happened.moved_on),
        _truth(uscc, days, planted) if planted else None,
        told,
    )
    return frame.select(pl.lit(uscc).alias("uscc"), pl.all()), made


def _sites(firm: dict[str, Any], days: list[date], moved_on: int | None) -> list[dict[str, Any]]:
    """One row of SITES, or two where the firm moved."""
    moved = None if moved_on is None else days[moved_on]
    first = {
        "site_id": f"{firm['uscc']}-1", "uscc": firm["uscc"], "park_id": firm["park_id"],
        "name_zh": "原址", "longitude": 121.2, "latitude": 31.0,
        "valid_from": days[0] - timedelta(days=900), "valid_to": moved, "source": "register",
    }  # fmt: skip
    if moved is None:
        return [first]
    second = {"site_id": f"{firm['uscc']}-2", "name_zh": "新址", "valid_from": moved}
    return [first, {**first, **second, "valid_to": None}]


def _truth(uscc: str, days: list[date], planted: Distress) -> dict[str, Any]:
    return {
        "uscc": uscc,
        "signs_on": days[planted.signs],
        "begun_on": days[planted.begin],
        "bottom_on": days[planted.bottom],
        "depth": planted.depth,
        "length_days": planted.length,
        "is_decoupled": planted.energy_follows < 1.0,
        "offline": planted.offline,
        "alarm_times": planted.alarm_times,
        "after": planted.after,
    }


def harmless_rows(
    uscc: str,
    days: list[date],
    happened: Harmless,
    slumps: list[tuple[int, int, float]],
    outages: list[tuple[int, int]],
) -> list[dict[str, Any]]:
    """Rows of HARMLESS; of days before the first or after the last nothing is told."""
    rows = [
        *happened.told,
        *(("sector_slump", *slump) for slump in slumps),
        *(("collector_outage", first, last, 1.0) for first, last in outages),
    ]
    cut = [(name, between(len(days), first, last), size) for name, first, last, size in rows]
    return [
        {
            "uscc": uscc,
            "pattern": name,
            "first_on": days[at.start],
            "last_on": days[at.stop - 1],
            "size": size,
        }
        for name, at, size in cut
        if at.stop > at.start
    ]
