"""Invented projects, services with their use, and data centres of the parks, edges planted.

Everything is a function of seed, day, enterprises and parks, which another part invents; rows have
the columns of the register's tables. What they really amount to stands in `park_projects_truth`.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any, Final

PHASES: Final = ("admission", "construction", "operation", "evaluation")
PROJECTS: Final = 24
ENERGY_DAYS: Final = 400
USE_DAYS: Final = 200
SOURCE: Final = "simulator"
LATE_DAYS: Final = 20
"""By how much the project that is planted late overruns its construction."""

_LENGTHS: Final = (60, 300, 540, 90)
"""Planned days of the four phases."""
_SUBJECTS: Final = (
    ("数字化车间改造", "Digital workshop"), ("智能仓储", "Automated warehouse"),
    ("能源管理平台", "Energy management"), ("机器视觉质检", "Vision inspection"),
    ("设备上云", "Machines to the cloud"), ("5G 专网", "Private 5G network"),
)  # fmt: skip
_SERVICES: Final = (
    ("S01", "弹性计算", "Elastic computing", "C1", "operation"),
    ("S02", "对象存储", "Object storage", "C1", "operation"),
    ("S03", "云上 ERP", "ERP in the cloud", "C2", "business"),
    ("S04", "协同研发", "Joint development", "C2", "rnd"),
    ("S05", "仿真计算", "Simulation", "C2", "rnd"),
    ("S06", "设备接入", "Machine connection", "C3", "production"),
    ("S07", "预测性维护", "Predictive maintenance", "C4", "operation"),
    ("S08", "质量分析", "Quality analysis", "C4", "production"),
    ("S09", "投融资对接", "Financing", "C2", "business"),
    ("S10", "政务办理", "Government services", "C2", "business"),
)
UNUSED: Final = "S09"
"""Nobody used it in the window; somebody did before."""
RETIRED: Final = "S10"
"""It left the catalogue 30 days ago, and is used all the same."""
GROUP_ONLY: Final = "S05"
"""Used through a group's account only: nobody knows by whom."""
GROUP_TENANT: Final = "T-GROUP"


@dataclass(frozen=True, slots=True)
class Project:
    """One phase of one project, as `park_schemas.PROJECTS`."""

    project_id: str
    name_zh: str
    name_en: str
    uscc: str
    park_id: str
    phase: str
    planned_from: date
    planned_to: date
    entered_on: date | None
    left_on: date | None
    invested_wan: float
    document: str | None
    source: str = SOURCE


@dataclass(frozen=True, slots=True)
class Service:
    """One service of a park's platform, as `park_schemas.SERVICES`."""

    service_id: str
    platform: str
    name_zh: str
    name_en: str
    level: str
    chain_stage: str
    valid_from: date
    valid_to: date | None
    source: str = SOURCE


@dataclass(frozen=True, slots=True)
class Use:
    """One record of use, as `park_schemas.PROVIDER_USE`."""

    platform: str
    tenant_id: str
    uscc: str | None
    level: str
    service: str
    day: date
    source: str = SOURCE


@dataclass(frozen=True, slots=True)
class EnergyDay:
    """One day of a data centre's meters, as `park_schemas.ENERGY_DAYS`."""

    data_centre_id: str
    uscc: str
    park_id: str
    is_edge: bool
    built_on: date
    day: date
    facility_wh: int | None
    it_wh: int | None


def rows(things: Sequence[Project | Service | Use | EnergyDay]) -> list[dict[str, Any]]:
    """The rows as dictionaries, by column."""
    return [asdict(thing) for thing in things]


def projects(
    seed: int, on: date, usccs: Sequence[str], park_ids: Sequence[str]
) -> tuple[Project, ...]:
    """Projects as of a day. The first ones are planted, in the order of `_PLANTED`."""
    rng = random.Random(f"{seed}/projects")
    return tuple(
        row for number in range(PROJECTS) for row in _project(rng, number, on, usccs, park_ids)
    )


def _project(
    rng: random.Random, number: int, on: date, usccs: Sequence[str], park_ids: Sequence[str]
) -> Iterator[Project]:
    begun = on - timedelta(days=rng.randint(30, 1100))
    zh, en = rng.choice(_SUBJECTS)
    dates = _planted(number, on) or _course(rng, begun, on)
    park, uscc = park_ids[number % len(park_ids)], rng.choice(list(usccs))
    for phase, (planned_from, planned_to, entered, left) in zip(PHASES, dates, strict=True):
        yield Project(
            project_id=f"PRJ-{number + 1:03}", name_zh=f"{zh}项目 {number + 1}",
            name_en=f"{en} {number + 1}", uscc=uscc, park_id=park, phase=phase,
            planned_from=planned_from, planned_to=planned_to, entered_on=entered, left_on=left,
            invested_wan=float(rng.randint(20, 4_000)),
            document=f"备案 {number + 1:03}" if phase == "admission" else None,
        )  # fmt: skip


Dates = list[tuple[date, date, date | None, date | None]]


def _plan(begun: date) -> list[tuple[date, date]]:
    found = []
    for length in _LENGTHS:
        found.append((begun, begun + timedelta(days=length - 1)))
        begun += timedelta(days=length)
    return found


def _course(rng: random.Random, begun: date, on: date) -> Dates:
    """What came of the plan by a day: each phase ends a little early or late, then the next."""
    found: Dates = []
    entered: date | None = begun
    for planned_from, planned_to in _plan(begun):
        left = None
        if entered is not None:
            length = (planned_to - planned_from).days + rng.randint(-10, 25)
            left = entered + timedelta(days=length)
        has_come = entered is not None and entered <= on
        has_gone = left is not None and left <= on
        found.append(
            (planned_from, planned_to, entered if has_come else None, left if has_gone else None)
        )
        entered = left + timedelta(days=rng.choice((0, 0, 1, 14))) if has_gone and left else None
    return found


def _planted(number: int, on: date) -> Dates | None:
    """The edges: late, skipped, overlapping, and others; None for a project like any other."""
    ago = [on - timedelta(days=n) for n in range(1_100)]
    late = _plan(ago[_LENGTHS[0] + _LENGTHS[1] + LATE_DAYS - 1])
    plan, future = _plan(ago[700]), _plan(on + timedelta(days=40))
    overdue = _plan(ago[12])
    edges: list[Dates] = [
        _dated(late, (late[0][0], late[1][0]), (late[1][0], None)),
        _dated(plan, (plan[0][0], plan[0][1]), (None, None), (ago[200], None)),
        _dated(plan, (plan[0][0], plan[1][0]), (plan[1][0], ago[200]), (ago[210], None)),
        _dated(plan, (plan[0][0], ago[0]), (ago[0], None)),
        _dated(plan, (ago[600], ago[610])),
        _dated(_plan(ago[1_000]), *((ago[n], ago[n - 10]) for n in (1_000, 900, 600, 50))),
        _dated(overdue),
        _dated(future),
        _dated(plan, (ago[650], ago[649] + timedelta(days=700))),
        *[_dated(_plan(ago[1_000]), *((ago[n], ago[n - 10]) for n in (990, 880, 590, 40)))] * 2,
    ]
    return edges[number] if number < len(edges) else None


def _dated(plan: list[tuple[date, date]], *known: tuple[date | None, date | None]) -> Dates:
    every = [*known, *[(None, None)] * (len(plan) - len(known))]
    return [(*planned, *came) for planned, came in zip(plan, every, strict=True)]


def services(on: date, platforms: Sequence[str]) -> tuple[Service, ...]:
    """The catalogue of each platform: ten services, one of which has left it."""
    return tuple(
        Service(
            f"{platform}-{short}", platform, zh, en, level, stage,
            on - timedelta(days=700),
            on - timedelta(days=30) if short == RETIRED else None,
        )
        for platform in platforms
        for short, zh, en, level, stage in _SERVICES
    )  # fmt: skip


def service_use(
    seed: int, on: date, usccs: Sequence[str], platforms: Sequence[str]
) -> tuple[Use, ...]:
    """Records of use of the services; the tenant of an enterprise bears its USCC."""
    rng = random.Random(f"{seed}/service use")
    found: list[Use] = []
    for one in services(on, platforms):
        short = one.service_id.rpartition("-")[2]
        for _ in range(rng.randint(20, 80)):
            ago = rng.randint(91, USE_DAYS) if short == UNUSED else rng.randint(0, USE_DAYS)
            uscc = None if short == GROUP_ONLY else rng.choice(list(usccs))
            tenant = GROUP_TENANT if uscc is None else uscc
            day = on - timedelta(days=ago)
            found.append(Use(one.platform, tenant, uscc, one.level, one.service_id, day))
        found.append(
            Use(one.platform, "edge", usccs[0], one.level, one.service_id, _edge(on, short))
        )
    return tuple(found)


def _edge(on: date, short: str) -> date:
    """The first day of the window, and of some services the last day before it."""
    return on - timedelta(days=91 if short in (UNUSED, "S02") else 90)


def energy_days(
    seed: int, on: date, usccs: Sequence[str], park_ids: Sequence[str]
) -> tuple[EnergyDay, ...]:
    """Ten data centres' meters of 400 days, each with an edge of its own (see `_meters`)."""
    rng = random.Random(f"{seed}/energy")
    found: list[EnergyDay] = []
    for number in range(1, 11):
        built = {6: date(2018, 5, 1), 9: on - timedelta(days=99)}.get(number, date(2022, 3, 1))
        owner, park = usccs[number % len(usccs)], park_ids[number % len(park_ids)]
        for ago in range(ENERGY_DAYS - 1, -1, -1):
            day = on - timedelta(days=ago)
            if day >= built:
                facility, it = _meters(rng, number, ago)
                found.append(
                    EnergyDay(f"DC{number:02}", owner, park, number == 5, built, day, facility, it)
                )
    return tuple(found)


def _meters(rng: random.Random, number: int, ago: int) -> tuple[int | None, int | None]:
    """Wh of site and IT of a day, by the number of the data centre.

    1: PUE 1.3 exactly; 2: a watt hour more; 5: an edge centre at 1.5 exactly; 3 and 4: meters that
    miss some days, and too many; 7: no IT; 8: meters swapped; 10: one odd day.
    """
    it = rng.randrange(8_000_000, 12_000_000, 10)
    exact, usual = it * 13 // 10, round(it * rng.uniform(1.15, 1.28))
    match number:
        case 1:
            return exact, it
        case 2:
            return exact + (ago == 0), it
        case 3 if ago % 20 == 0:
            return usual, None
        case 4 if ago % 6 == 0:
            return None, it
        case 5:
            return it * 15 // 10, it
        case 7:
            return usual, 0
        case 8:
            return it, usual
        case 10 if ago == 7:
            return it - 1, it
        case _:
            return usual, it
