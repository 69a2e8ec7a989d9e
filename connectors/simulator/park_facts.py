"""The invented register and terminals of the three parks, as a function of seed and anchor.

Nothing here names a real enterprise. The hard cases are planted on purpose: size classes on their
bounds, evidence on the last day that counts and the day after, a legal unit with two sites, groups,
devices that two platforms list, an enterprise that stood still, a device connected on 4 days of 5.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

import holidays

from connectors.simulator.fleet import fleet

ZONE: Final = ZoneInfo("Asia/Shanghai")
PARKS: Final = ("P01", "P02", "P03")
DAYS: Final = 120
"""Days of evidence up to the reference date: the 90-day window and a month before it."""
ENTERPRISES: Final = 200
TERMINALS: Final = 3_000

ACTIVE: Final = "在营"
HOUSEHOLD: Final = "个体工商户"

_SIZES: Final = (
    (1500, 39_999), (5000, 500), (1000, 40_000), (299, 900_000), (19, 900_000), (300, 1_999),
    (300, 2_000), (999, 40_000), (20, 300), (20, 299),
)  # fmt: skip
"""Staff and revenue (万元) on and beside every bound of the NBS classes of 2017."""
_INDUSTRIES: Final = (
    "C2710",
    "C3612",
    "C3562",
    "C3973",
    "C3979",
    "C2651",
    "C3091",
    "B1019",
    "D4415",
)
_OTHER_TRADES: Final = ("F5171", "G5990", "I6513", "L7212", "M7320", "A0514")
_GIVEN: Final = "泖茸佘泗辰浦谷阳泾峰澜砺钧晟弘睿拓瀚铭锐"
_TRADES: Final = (
    ("精密机械", "Precision Machinery"), ("电子科技", "Electronics"), ("新材料", "Materials"),
    ("自动化设备", "Automation"), ("生物技术", "Biotech"), ("汽车零部件", "Auto Parts"),
    ("半导体", "Semiconductor"), ("环保设备", "Environmental Equipment"),
)  # fmt: skip
_USCC_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"


@dataclass(frozen=True, slots=True)
class Enterprise:
    """One row of the register; `resting` are the local days on which it did not operate."""

    uscc: str
    name_zh: str
    name_en: str
    staff: int
    revenue_wan: float
    industry_code: str
    register_status: str
    legal_group: str
    in_new_city: bool
    declared_cloud: str
    declared_from: date | None
    declared_to: date | None
    provider_last_use: datetime | None
    park_ids: tuple[str, ...]
    resting: frozenset[date]


@dataclass(frozen=True, slots=True)
class Terminal:
    """One listing of a device, sensor or gateway by one platform, at one park's gateway.

    `seen` holds (local day, good values, status code, days late); a day may be missing.
    """

    terminal_id: str
    park_id: str
    product_instance_uri: str
    kind: str
    enterprise_uscc: str
    activated_on: date | None
    retired_on: date | None
    platforms: tuple[str, ...]
    seen: tuple[tuple[date, int, int, int], ...]


@dataclass(frozen=True, slots=True)
class ParkFacts:
    """Everything the gateways know; evidence runs from `days[0]` beyond the reference date."""

    reference_date: date
    days: tuple[date, ...]
    enterprises: tuple[Enterprise, ...]
    terminals: tuple[Terminal, ...]


def reference_date(anchor: datetime) -> date:
    """The last local day that had ended at `anchor`."""
    return anchor.astimezone(ZONE).date() - timedelta(days=1)


@cache
def facts(seed: int, anchor: datetime) -> ParkFacts:
    """The parks' facts; `days` reach two days past the reference date so that a run may go on."""
    rng = random.Random(f"{seed}/parks")
    on = reference_date(anchor)
    days = tuple(on + timedelta(days=n) for n in range(1 - DAYS, 3))
    enterprises = tuple(_enterprises(rng, on, days))
    return ParkFacts(on, days, enterprises, tuple(_terminals(rng, on, days, enterprises)))


def uscc(body: str) -> str:
    """The 18 characters of a unified social credit code from its first 17 (GB 32100-2015)."""
    total = sum(_USCC_ALPHABET.index(c) * pow(3, place, 31) for place, c in enumerate(body))
    return body + _USCC_ALPHABET[-total % 31]


def _enterprises(rng: random.Random, on: date, days: Sequence[date]) -> Iterator[Enterprise]:
    own = list(_factory_enterprises(rng, on, days))
    yield from own
    for number in range(len(own), ENTERPRISES):
        yield _planted(_enterprise(rng, on, days, number), number - len(own), on, days)


def _factory_enterprises(
    rng: random.Random, on: date, days: Sequence[date]
) -> Iterator[Enterprise]:
    """The legal units of the fleet's factories; three of the ten are large."""
    codes = {"biopharma": "C2710", "ev": "C3612", "materials": "C2651", "equipment": "C3429"}
    for number, factory in enumerate(fleet()):
        base = _enterprise(rng, on, days, number)
        staff, revenue = (1_800, 96_000.0) if number in (2, 4, 9) else (260 + 70 * number, 30_500.0)
        yield replace(
            base,
            uscc=factory.uscc,
            name_zh=factory.name_zh,
            name_en=factory.name_en,
            staff=staff,
            revenue_wan=revenue,
            industry_code=codes.get(factory.sector.name, "C3973"),
            park_ids=(factory.park_id,),
        )


def _enterprise(rng: random.Random, on: date, days: Sequence[date], number: int) -> Enterprise:
    zh, en = rng.choice(_TRADES)
    given = "".join(rng.sample(_GIVEN, 2))
    staff = max(1, min(990, round(rng.lognormvariate(4.0, 1.1))))
    body = "".join(rng.choice("0123456789ABCDEFGH") for _ in range(6))
    declared = rng.choices(("yes", "no", "unknown"), (45, 30, 25))[0]
    since = on - timedelta(days=rng.randint(60, 900)) if declared == "yes" else None
    until = on + timedelta(days=rng.randint(-220, 300)) if since and rng.random() < 0.4 else None
    used = on - timedelta(days=rng.randint(0, 140)) if rng.random() < 0.3 else None
    return Enterprise(
        uscc=uscc(f"91310117MA{body}{number % 10}"),
        name_zh=f"上海{given}{zh}有限公司",
        name_en=f"Shanghai No. {number:03} {en} Co., Ltd.",
        staff=staff,
        revenue_wan=round(staff * rng.uniform(15, 140), 1),
        industry_code=rng.choice(_INDUSTRIES),
        register_status=ACTIVE,
        legal_group="",
        in_new_city=True,
        declared_cloud=declared,
        declared_from=since,
        declared_to=max(since, until) if since and until else None,
        provider_last_use=_instant(used, rng.randint(0, 86_399)) if used else None,
        park_ids=(rng.choices(PARKS, (40, 35, 25))[0],),
        resting=_resting(rng, days),
    )


def _instant(day: date, second: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE) + timedelta(seconds=second)


def _resting(rng: random.Random, days: Sequence[date]) -> frozenset[date]:
    """Days off: none (an enterprise that never stops), Sundays or weekends, and public holidays."""
    weekly = rng.choices((7, 6, 5), (25, 45, 30))[0]
    if weekly == 7:
        return frozenset()
    public = holidays.country_holidays("CN", years=sorted({day.year for day in days}))
    return frozenset(day for day in days if day.weekday() >= weekly or day in public)


def _planted(base: Enterprise, number: int, on: date, days: Sequence[date]) -> Enterprise:
    """The hard cases, by position in the register; everyone else stays as drawn."""
    if number < len(_SIZES):
        staff, revenue = _SIZES[number]
        return replace(base, staff=staff, revenue_wan=float(revenue))
    edges: dict[int, Callable[[], Enterprise]] = {
        10: lambda: replace(base, provider_last_use=_instant(on - timedelta(days=90), 0)),
        11: lambda: replace(base, provider_last_use=_instant(on - timedelta(days=91), 86_399)),
        12: lambda: replace(base, provider_last_use=_instant(on, 86_399)),
        13: lambda: replace(base, provider_last_use=_instant(on + timedelta(days=1), 0)),
        14: lambda: _declared(base, on, on - timedelta(days=90)),
        15: lambda: _declared(base, on, on - timedelta(days=91)),
        16: lambda: _declared(base, on, None, since=on),
        17: lambda: _declared(base, on, None, since=on + timedelta(days=1)),
        18: lambda: replace(base, resting=frozenset(days[-45:])),
        19: lambda: replace(base, park_ids=("P01", "P02"), staff=240, revenue_wan=5_200.0),
    }
    if number in edges:
        return edges[number]()
    if number < 24:
        return replace(base, legal_group="华泾控股集团")
    if number < 27:
        return replace(base, legal_group="云间实业集团")
    if number < 35:
        return replace(base, register_status="注销")
    if number < 38:
        return replace(base, register_status="吊销")
    if number < 48:
        household = uscc("92" + base.uscc[2:17])
        return replace(base, uscc=household, register_status=HOUSEHOLD, staff=6, revenue_wan=85.0)
    if number < 56:
        return replace(base, in_new_city=False)
    if number < 78:
        return replace(base, industry_code=_OTHER_TRADES[number % len(_OTHER_TRADES)])
    if number < 83:
        return replace(base, staff=1_000 + 90 * number, revenue_wan=41_000.0 + 900 * number)
    return base


def _declared(
    base: Enterprise, on: date, until: date | None, since: date | None = None
) -> Enterprise:
    """Declared and nothing else, so that the edge of the declaration decides."""
    return replace(
        base,
        declared_cloud="yes",
        declared_from=since or on - timedelta(days=400),
        declared_to=until,
        provider_last_use=None,
        staff=45,
        revenue_wan=900.0,
    )


def _terminals(
    rng: random.Random, on: date, days: Sequence[date], enterprises: Sequence[Enterprise]
) -> Iterator[Terminal]:
    """Industrial units own terminals, more of them the larger they are; half of them own none."""
    owners = [e for e in enterprises if e.industry_code[0] in "BCD" and e.register_status == ACTIVE]
    owners = [e for e in owners if len(e.park_ids) > 1 or rng.random() < 0.5]
    weights = [4 + min(60, e.staff // 12) for e in owners]
    chosen = owners + rng.choices(owners, weights, k=TERMINALS)
    made = 0
    while made < TERMINALS:
        enterprise = chosen[made]
        terminal = _terminal(rng, on, days, enterprise, made)
        yield terminal
        made += 1
        if rng.random() < 0.03 and made < TERMINALS:
            yield _second_listing(rng, terminal, made)
            made += 1


def _terminal(
    rng: random.Random, on: date, days: Sequence[date], owner: Enterprise, number: int
) -> Terminal:
    kind = rng.choices(("device", "sensor", "gateway"), (68, 24, 8))[0]
    activated: date | None = on - timedelta(days=rng.randint(35, 1_500))
    retired = on + timedelta(days=rng.choice((-60, -20, -1, 0, 1))) if rng.random() < 0.04 else None
    habit = rng.choices(tuple(_HABITS), (74, 8, 5, 4, 4, 5))[0]
    if habit == "never":
        activated = None if rng.random() < 0.6 else activated
    elif rng.random() < 0.03:
        activated = on + timedelta(days=rng.choice((-12, -4, 0, 1)))
    seen = _HABITS[habit](rng, on, days, owner)
    return Terminal(
        terminal_id=f"T{number:05}",
        park_id=rng.choice(owner.park_ids),
        product_instance_uri=f"urn:parkpulse:sim:device:{owner.uscc[8:]}:{number:05}",
        kind=kind,
        enterprise_uscc=owner.uscc,
        activated_on=activated,
        retired_on=retired,
        platforms=tuple(sorted(rng.sample(("海纳", "云间", "G60链"), rng.choice((1, 1, 1, 2))))),
        seen=tuple(_told(rng, seen, activated, retired, on)),
    )


def _second_listing(rng: random.Random, first: Terminal, number: int) -> Terminal:
    """The same device on another platform, which saw it on about half of those days."""
    halves = [row for row in first.seen if rng.random() < 0.5]
    return replace(first, terminal_id=f"T{number:05}", platforms=("联犀",), seen=tuple(halves))


def _told(
    rng: random.Random,
    seen: Sequence[int | None],
    activated: date | None,
    retired: date | None,
    on: date,
) -> Iterator[tuple[date, int, int, int]]:
    """What the gateway reports of `seen` (good values a day, newest last), late or Bad at times."""
    if activated is None:
        return
    for back, values in zip(range(len(seen) - 1, -1, -1), seen, strict=True):
        day = on + timedelta(days=2 - back)
        if values is None or day < activated or (retired is not None and day >= retired):
            continue
        status = 0x8031_0000 if rng.random() < 0.002 else 0
        late = rng.randint(1, 3) if day < on - timedelta(days=5) and rng.random() < 0.02 else 0
        yield day, values, status, late


Habit = Callable[[random.Random, date, Sequence[date], Enterprise], list[int | None]]


def _steady(
    r: random.Random, on: date, days: Sequence[date], owner: Enterprise
) -> list[int | None]:
    """Connected on nearly every operating day, now and then on a resting one."""
    share = 0.99
    return [
        _values(r) if r.random() < (0.3 if day in owner.resting else share) else 0 for day in days
    ]


def _intermittent(
    r: random.Random, on: date, days: Sequence[date], owner: Enterprise
) -> list[int | None]:
    share = r.uniform(0.55, 0.9)
    return [_values(r) if r.random() < share else 0 for _ in days]


def _four_in_five(
    r: random.Random, on: date, days: Sequence[date], owner: Enterprise
) -> list[int | None]:
    """Of every five operating days four: exactly 80 %, or one day short of it."""
    short = r.random() < 0.5
    found: list[int | None] = []
    operating = 0
    for day in reversed(days):
        operating += day not in owner.resting and day <= on
        off = operating % 5 == 0 or day in owner.resting or (short and operating == 1)
        found.append(0 if off else _values(r))
    return found[::-1]


def _stale(r: random.Random, on: date, days: Sequence[date], owner: Enterprise) -> list[int | None]:
    """Silent for one to three weeks, while its gateway goes on to report zero."""
    last = on - timedelta(days=r.randint(8, 25))
    return [_values(r) if day <= last else 0 for day in days]


def _dark(r: random.Random, on: date, days: Sequence[date], owner: Enterprise) -> list[int | None]:
    """Nothing, not even a zero, for over 30 days."""
    last = on - timedelta(days=r.randint(31, 100))
    return [_values(r) if day <= last else None for day in days]


def _never(r: random.Random, on: date, days: Sequence[date], owner: Enterprise) -> list[int | None]:
    return [0 for _ in days]


_HABITS: Final[dict[str, Habit]] = {
    "steady": _steady,
    "intermittent": _intermittent,
    "four_in_five": _four_in_five,
    "stale": _stale,
    "dark": _dark,
    "never": _never,
}


def _values(rng: random.Random) -> int:
    return rng.choice((1, rng.randint(20, 1_440), rng.randint(200, 86_400)))
