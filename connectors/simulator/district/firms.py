"""The enterprises that are drawn: what they are, where they are, and how they change."""

import random
from datetime import date, timedelta
from typing import Any, Final

from connectors.simulator.district import names, words
from connectors.simulator.district.draft import LONG, Draft, Plan
from connectors.simulator.district.rows import Enterprise, Machine, Site
from connectors.simulator.fleet import Factory, fleet, uscc

ACTIVE: Final = "在营"
HOUSEHOLD: Final = "个体工商户"
MOST_MACHINES: Final = 12
NEWCOMERS: Final = 0.4
"""Of those on a cloud, so many came onto it in the last months."""
_SECTOR_CODES: Final = {
    "biopharma": "C2710", "ev": "C3612", "materials": "C2651", "equipment": "C3429",
}  # fmt: skip


def draw(draft: Draft, count: int, *, with_fleet: bool = True) -> None:
    """Add `count` enterprises: the factories of the fleet first, if asked, then invented ones."""
    rng = random.Random(f"{draft.seed}/district/firms")
    planted = len(draft.enterprises)
    factories = fleet() if with_fleet else ()
    for number in range(count):
        factory = factories[number] if number < len(factories) else None
        plan = _enterprise(draft, rng, number, factory)
        _sites(draft, rng, plan)
        _machines(draft, rng, plan)
        words.say(draft, rng, plan)
    _mergers(draft, rng, draft.enterprises[planted:])


def _enterprise(draft: Draft, rng: random.Random, number: int, factory: Factory | None) -> Plan:
    name_zh, name_en = names.names(rng, number)
    staff = max(1, min(990, round(rng.lognormvariate(4.0, 1.1))))
    row = Enterprise(
        uscc=names.code(draft.seed, number),
        name_zh=name_zh,
        name_en=name_en,
        staff=staff,
        revenue_wan=round(staff * rng.uniform(15, 140), 1),
        industry_code=rng.choice(names.INDUSTRIES),
        register_status=ACTIVE,
        legal_group=rng.choice(names.GROUPS) if rng.random() < 0.03 else None,
        in_new_city=True,
        successor_uscc=None,
        self_score=round(rng.uniform(15, 92), 1) if rng.random() < 0.6 else None,
        valid_from=draft.back(_age(draft, rng)),
    )
    row = _kind(draft, rng, row) if factory is None else _of_fleet(row, factory, number)
    changes, gone = ([], None) if factory is not None else _life(draft, rng, row)
    draft.enter(row, *changes)
    park = rng.choices((*names.PARKS, None), (36, 32, 26, 6))[0]
    assert row.industry_code is not None
    plan = Plan(
        uscc=row.uscc,
        park_ids=(park if factory is None else factory.park_id,),
        is_industry=row.industry_code[0] in "BCD" and row.register_status == ACTIVE,
        staff=staff,
        begun=row.valid_from,
        work_days=rng.choices((7, 6, 5, 0), (25, 44, 30, 1))[0],
        rest=rng.choices((0, 24, 27, 45), (97, 1, 1, 1))[0],
        is_on=rng.random() < 0.63,
        since=rng.randint(20, 240) if rng.random() < NEWCOMERS else LONG,
        gone=gone,
    )
    draft.plans[row.uscc] = plan
    return plan


def _age(draft: Draft, rng: random.Random) -> int:
    """Days since it came: of one in twenty fewer than there is evidence of."""
    return rng.randint(1, len(draft.days)) if rng.random() < 0.05 else rng.randint(400, 3_000)


def _of_fleet(row: Enterprise, factory: Factory, number: int) -> Enterprise:
    staff, revenue = (1_800, 96_000.0) if number in (2, 4, 9) else (260 + 70 * number, 30_500.0)
    return _with(
        row,
        uscc=factory.uscc,
        name_zh=factory.name_zh,
        name_en=factory.name_en,
        staff=staff,
        revenue_wan=revenue,
        industry_code=_SECTOR_CODES.get(factory.sector.name, "C3973"),
        legal_group=None,
    )


def _kind(draft: Draft, rng: random.Random, row: Enterprise) -> Enterprise:
    """Most are industrial SMEs of the New City; some are large, of other trades, or elsewhere."""
    kind = rng.choices(("sme", "large", "service", "outside", "household"), (76, 4, 12, 4, 4))[0]
    if kind == "large":
        return _with(row, staff=rng.randint(1_000, 5_000), revenue_wan=rng.randint(40_000, 900_000))
    if kind == "service":
        return _with(row, industry_code=rng.choice(names.OTHER_TRADES))
    if kind == "outside":
        return _with(row, in_new_city=False)
    if kind == "household":
        code = uscc("92" + row.uscc[2:17])
        return _with(row, uscc=code, register_status=HOUSEHOLD, staff=6, revenue_wan=85.0)
    return row


def _with(row: Enterprise, **changes: Any) -> Enterprise:  # noqa: ANN401 (columns of any type)
    given = {name: getattr(row, name) for name in Enterprise.__slots__}
    if "revenue_wan" in changes:
        changes["revenue_wan"] = float(changes["revenue_wan"])
    return Enterprise(**{**given, **changes})


def _life(
    draft: Draft, rng: random.Random, row: Enterprise
) -> tuple[list[tuple[date, dict[str, Any]]], date | None]:
    """What becomes of an enterprise in the days of evidence, and when it was gone."""
    day = draft.back(rng.randint(1, len(draft.days) - 1))
    fate = rng.random() if day > row.valid_from else 1.0
    if fate < 0.04:
        status = rng.choice(("注销", "注销", "吊销", "迁出"))
        return [(day, {"register_status": status})], day
    if fate < 0.12 and row.staff is not None and row.revenue_wan is not None:
        factor = rng.choice((0.6, 1.4, 2.5))
        grown = {
            "staff": max(1, round(row.staff * factor)),
            "revenue_wan": round(row.revenue_wan * factor, 1),
        }
        return [(day, grown)], None
    if fate < 0.14 and row.register_status == ACTIVE:
        return [(day, {"industry_code": rng.choice(names.INDUSTRIES)})], None
    return [], None


def _sites(draft: Draft, rng: random.Random, plan: Plan) -> None:
    """One site, or an old and a new one (a move), or two at once in two parks."""
    (home,) = plan.park_ids
    others = [park for park in names.PARKS if park != home]
    fate = rng.random()
    if fate < 0.03 and plan.begun < draft.days[0]:
        moved_on = draft.back(rng.randint(5, len(draft.days) - 5))
        plan.moved = (moved_on, home)
        to = rng.choice(others)
        draft.sites.append(_site(rng, plan, 1, home, plan.begun, moved_on))
        draft.sites.append(_site(rng, plan, 2, to, moved_on, None))
        plan.park_ids = (to,)
        return
    draft.sites.append(_site(rng, plan, 1, home, plan.begun, None))
    if fate < 0.06:
        plan.park_ids = (home, rng.choice(others))
        draft.sites.append(_site(rng, plan, 2, plan.park_ids[1], plan.begun, None))


def _site(
    rng: random.Random, plan: Plan, number: int, park: str | None, begun: date, ended: date | None
) -> Site:
    longitude, latitude = names.place(rng, park)
    return Site(
        site_id=site_id(plan.uscc, number),
        uscc=plan.uscc,
        park_id=park,
        name_zh=f"{number}号厂区",
        longitude=longitude,
        latitude=latitude,
        valid_from=begun,
        valid_to=ended,
    )


def site_id(uscc: str, number: int) -> str:
    """The id of an enterprise's site."""
    return f"S{uscc[8:]}-{number}"


def _machines(draft: Draft, rng: random.Random, plan: Plan) -> None:
    if not plan.is_industry:
        return
    is_process = rng.random() < 0.15
    held = [site for site in draft.sites[-2:] if site.uscc == plan.uscc and site.valid_to is None]
    for number in range(min(MOST_MACHINES, 1 + plan.staff // 40)):
        loop = is_process and rng.random() < 0.6
        machine_id = f"M{plan.uscc[8:]}-{number + 1:02}"
        is_digital = rng.choices((True, False, None), (62, 30, 8))[0]
        retired = draft.back(rng.randint(-30, 180)) if rng.random() < 0.04 else None
        since = max(plan.begun, draft.back(rng.randint(20, 2_000)))
        draft.machines.append(
            Machine(
                machine_id=machine_id,
                uscc=plan.uscc,
                site_id=rng.choice(held).site_id,
                kind="control_loop" if loop else "machine",
                is_digital=is_digital,
                is_networked=rng.choices((True, False, None), (45, 30, 25))[0],
                is_key_operation=rng.choices((True, False, None), (40, 55, 5))[0],
                is_controlled=rng.choices((True, False, None), (60, 28, 12))[0],
                interface_level=rng.choices((0, 1, 2, 3, None), (25, 25, 20, 8, 22))[0],
                valid_from=since,
                valid_to=None if retired is None else max(retired, since + timedelta(days=1)),
            )
        )
        plan.machines.append(machine_id)


def _mergers(draft: Draft, rng: random.Random, drawn: list[Enterprise]) -> None:
    """One enterprise in a hundred goes into another."""
    open_ = [e for e in drawn if e.valid_to is None and e.register_status == ACTIVE]
    joined = rng.sample(open_, 2 * (len(open_) // 200))
    for gone, into in zip(joined[::2], joined[1::2], strict=True):
        day = draft.back(rng.randint(10, len(draft.days) - 10))
        if day <= gone.valid_from:
            continue
        place = draft.enterprises.index(gone)
        change = {"register_status": "合并", "successor_uscc": into.uscc}
        draft.enterprises[place : place + 1] = [
            _with(gone, valid_to=day),
            _with(gone, valid_from=day, **change),
        ]
        draft.plans[gone.uscc].merged = (day, into.uscc)
