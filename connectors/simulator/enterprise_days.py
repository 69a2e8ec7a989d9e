"""How invented enterprises run, a row per day, with growth planted that a portrait should find.

Plants rest by their week and the public holidays, run down before the Spring Festival and take four
weeks to be full again; some days are lost to our outages, some are absent, some figures untold.
What happened is a function of the seed, the enterprise and the day, whatever range is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from typing import Final, NamedTuple

import holidays
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from connectors.simulator.calendars import is_working_day
from connectors.simulator.seeds import scatter

SCHEMA: Final = pa.schema(
    [
        pa.field("uscc", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("is_operating", pa.bool_()),
        pa.field("is_collected", pa.bool_()),
        pa.field("running_s", pa.int64()),
        pa.field("output", pa.int64()),
        pa.field("energy_wh", pa.int64()),
        pa.field("alarms", pa.int64()),
        pa.field("terminals_expected", pa.int64()),
        pa.field("terminals_online", pa.int64()),
    ]
)

FIGURES: Final = ("running_s", "output", "energy_wh")

WH_PER_PIECE: Final = {
    "C26": 5_200,
    "C27": 900,
    "C30": 3_800,
    "C34": 2_100,
    "C36": 2_600,
    "C39": 700,
}
"""Invented energy intensities; other sectors take the middle of them."""
PIECES_PER_STAFF: Final = 12
STAFF_PER_MACHINE: Final = 4
SHIFT_S: Final = 8 * 3600

_THE_BEGINNING: Final = date(2020, 1, 1)
_JITTER: Final = 0.05

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Firm:
    """One enterprise: `week` working days (5, 6 or 7: it never rests), `growth` a year of output.

    `base_share` of an ordinary day's energy is used whatever is made. `outages` are first and last
    days of our own; `absent` and `untold` are the shares of days and of figures that nobody has.
    """

    uscc: str
    sector: str
    staff: int
    week: int
    growth: float
    base_share: float
    outages: tuple[tuple[date, date], ...] = ()
    absent: float = 0.0
    untold: float = 0.0


class Plan(NamedTuple):
    """What really happened, by day; nothing is missing."""

    days: list[date]
    is_operating: npt.NDArray[np.bool_]
    running_s: Ints
    output: Ints
    energy_wh: Ints
    alarms: Ints
    online: Ints
    expected: int


def firms(seed: int, register: Sequence[tuple[str, str, int]]) -> list[Firm]:
    """A firm for each `uscc sector staff` (sector as C39): growth of -30 to +30 % and its gaps."""
    return [_firm(seed, *row) for row in register]


def complete(firm: Firm) -> Firm:
    """The same firm with nothing lost."""
    return replace(firm, outages=(), absent=0.0, untold=0.0)


def table(firms: Sequence[Firm], first: date, last: date, seed: int) -> pa.Table:
    """Rows of SCHEMA for every firm from `first` to `last`, both included."""
    parts = [_rows(firm, plan(firm, first, last, seed), seed) for firm in firms]
    return pa.concat_tables([SCHEMA.empty_table(), *parts])


def plan(firm: Firm, first: date, last: date, seed: int) -> Plan:
    """What the firm makes, day by day."""
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    key = np.array([day.toordinal() for day in days], np.int64)
    operates = np.array([_operates(firm.week, day) for day in days])
    pace = np.array([_pace(day) for day in days])
    level = np.exp(np.log1p(firm.growth) * (key - _THE_BEGINNING.toordinal()) / 365.0)
    ordinary = firm.staff * PIECES_PER_STAFF
    output = operates * np.rint(ordinary * level * pace * _jitter(seed, firm, "output", key))
    machines = max(1, firm.staff // STAFF_PER_MACHINE)
    busy = 0.8 * pace * np.sqrt(level) * _jitter(seed, firm, "running", key)
    running = operates * np.rint(machines * SHIFT_S * busy)
    wh = WH_PER_PIECE.get(firm.sector, 2_350)
    base = round(ordinary * wh * firm.base_share)
    energy = base + np.rint(output * wh * (1 - firm.base_share))
    expected = 3 * machines
    lost = _uniform(seed, firm, "offline", key) * 0.15 * expected
    return Plan(
        days,
        operates,
        running.astype(np.int64),
        output.astype(np.int64),
        energy.astype(np.int64),
        (_uniform(seed, firm, "alarms", key) * (2 + machines)).astype(np.int64),
        expected - lost.astype(np.int64),
        expected,
    )


@cache
def spring_festival(year: int) -> date:
    """The first day of the Spring Festival of a year."""
    named = holidays.country_holidays("CN", years=year, language="en_US")
    return min(day for day, name in named.items() if "Spring Festival" in name)


@cache
def _public(year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays("CN", years=year))


@cache
def _operates(week: int, day: date) -> bool:
    if week == 7:
        return True
    return day not in _public(day.year) and (day.weekday() < week or is_working_day(day))


@cache
def _pace(day: date) -> float:
    """From 1 down to 0.6 in the two weeks before the festival, from 0.5 up in the four after."""
    away = (day - spring_festival(day.year)).days
    if -14 <= away < 0:
        return 0.6 + 0.4 * -away / 14
    return 0.5 + 0.5 * away / 28 if 0 <= away < 28 else 1.0


def _uniform(seed: int, firm: Firm, what: str, key: Ints) -> Floats:
    word = scatter(seed, f"{firm.uscc}/{what}", key)
    return np.asarray((word >> np.uint64(11)) * 2.0**-53, np.float64)


def _jitter(seed: int, firm: Firm, what: str, key: Ints) -> Floats:
    return 1 + _JITTER * (2 * _uniform(seed, firm, what, key) - 1)


def _firm(seed: int, uscc: str, sector: str, staff: int) -> Firm:
    bare = Firm(uscc, sector, staff, 7, 0.0, 0.0)
    drawn = [float(_uniform(seed, bare, "firm", np.array([n]))[0]) for n in range(6)]
    began = date(2026, 1, 1) - timedelta(days=int(drawn[4] * 500))
    has_outage = drawn[5] < 0.3
    return replace(
        bare,
        week=(5, 6, 7)[int(drawn[0] * 3)],
        growth=round(-0.3 + 0.6 * drawn[1], 3),
        base_share=round(0.1 + 0.4 * drawn[2], 3),
        outages=((began, began + timedelta(days=int(drawn[5] * 40))),) if has_outage else (),
        absent=0.02 * drawn[3],
        untold=0.03 * drawn[3],
    )


def _rows(firm: Firm, made: Plan, seed: int) -> pa.Table:
    """What is known of a plan: no day of absence, nothing of a day of outage, no untold figure."""
    key = np.array([day.toordinal() for day in made.days], np.int64)
    is_lost = np.array([any(a <= day <= b for a, b in firm.outages) for day in made.days])
    known = [_column(made, name, is_lost | _is_untold(firm, name, key, seed)) for name in FIGURES]
    told = [_column(made, name, is_lost) for name in ("alarms", "online")]
    columns = [
        pa.array([firm.uscc] * len(key), pa.string()),
        pa.array(made.days, pa.date32()),
        pa.array(made.is_operating),
        pa.array(~is_lost),
        *known,
        told[0],
        pa.array(np.full(len(key), made.expected, np.int64)),
        told[1],
    ]
    is_here = _uniform(seed, firm, "absent", key) >= firm.absent
    return pa.Table.from_arrays(columns, schema=SCHEMA).filter(pa.array(is_here))


def _column(made: Plan, name: str, hidden: npt.NDArray[np.bool_]) -> pa.Array:
    return pa.array(getattr(made, name), pa.int64(), mask=hidden)


def _is_untold(firm: Firm, name: str, key: Ints, seed: int) -> npt.NDArray[np.bool_]:
    return np.asarray(_uniform(seed, firm, f"untold {name}", key) < firm.untold)
