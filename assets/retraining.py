"""When a factory's models are trained anew, and who judges from then on: the register is extended.

Every whole day is looked at once, in order and with what was known at its end, so that a home made
in one run has the register that it would have got night by night.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from typing import Final

import polars as pl

from assets import model_register as files
from assets.factory_models import Factory, Loaded, factory_of, of_day, since, version_of
from assets.first_models import firsts, knows_own, of_days
from assets.partitions import HOME, local_today
from assets.repaired_models import repaired
from connectors.fingerprints import stale
from connectors.lake import Lake, Partition
from models import drift, promotion
from models.deviations import LEAST_HELD_OUT
from models.machine import Machine, fit_days
from models.registry import Appointment, Asked, Entry, Kept, Looked, Register, Version
from models.training import (
    DAY,
    MOST_DAYS,
    MOST_LOOKED_AT,
    is_scheduled,
    window,
)
from pipelines.days import midnight

REST_DAYS: Final = 2
"""Days between two challengers for drift: the second needs days that the first had not."""


def retrained(
    name: str, tags: pl.DataFrame, plan: pl.DataFrame, verdicts: pl.DataFrame | None = None
) -> Register:
    """Extends a factory's register by all that its whole days call for, and gives it.

    `plan` is `models.planned.plan_by_unit`, `verdicts` `models.promotion.VERDICTS`.
    """
    factory = factory_of(name, tags, plan, promotion.NO_VERDICTS if verdicts is None else verdicts)
    with files.writing(HOME, name):
        standing = files.read(HOME, name)
        grown = standing
        for step in (repaired, firsts, _later):
            grown = grown.appended(step(factory, grown))
        return files.enter(HOME, name, grown.entries[len(standing.entries) :])


def _later(factory: Factory, register: Register) -> list[Entry]:
    """What the whole days that nobody has looked at yet call for, day by day, and the mark."""
    made, notes, mark = list[Entry](), list[str](), register.looked_to
    days = _made(factory, mark)
    lasts = {own[-1] for own in factory.whole.values() if own}
    for day in days:
        is_new = day in days[-MOST_LOOKED_AT:] and (mark is None or day > mark)
        if not (is_new or day in lasts):
            continue
        grown = register.appended(made)
        for unit, reason, why in _due(factory, grown, day, is_new=is_new):
            entries = _challenge(factory, grown, unit, day, reason, why)
            made += [one for one in entries if not isinstance(one, str)]
            notes += [f"{unit} {day}: {one}" for one in entries if isinstance(one, str)]
    if days and (mark is None or days[-1] > mark or notes):
        made.append(Looked(max(days[-1], mark or days[-1]), factory.now, tuple(notes)))
    return made


def _made(factory: Factory, mark: date | None) -> list[date]:
    """Whole days to the last before one whose silver is still to be made from what was received.

    A collector that is running makes yesterday stale again and again: it is waited for until the
    next day is whole, and no longer.
    """
    days = sorted({day for own in factory.whole.values() for day in own})
    new = [day for day in days if mark is None or day > mark][-MOST_LOOKED_AT:]
    waiting = stale(HOME, factory.name, local_today()) if new else {}
    lake = Lake(HOME.lake)
    open_days = (
        day
        for day in new
        if (day == days[-1] and day in waiting)
        or not lake.path("state_episodes", Partition(day, factory.name)).is_file()
    )
    first = next(open_days, None)
    return [day for day in days if first is None or day < first]


def due(name: str, tags: pl.DataFrame, plan: pl.DataFrame) -> tuple[date | None, list[str]]:
    """The last whole day of a factory that is made, and what it calls for, a line each.

    Looks and changes nothing; without a day that was not looked at there is nothing.
    """
    factory, register = factory_of(name, tags, plan, promotion.NO_VERDICTS), files.read(HOME, name)
    days = _made(factory, register.looked_to)
    mark = register.looked_to
    new = [day for day in days if mark is None or day > mark][-MOST_LOOKED_AT:]
    found = [
        f"{unit}: {reason} ({'; '.join(why)})"
        for day in new
        for unit, reason, why in _due(factory, register, day, is_new=True)
    ]
    return (days[-1] if new else None), found


def _due(
    factory: Factory, register: Register, day: date, *, is_new: bool
) -> Iterator[tuple[str, str, list[str]]]:
    """Machines to be challenged at the end of a day, with the reason and its words."""
    ready = {unit: own for unit, own in factory.whole.items() if _ready(register, unit, own, day)}
    look = partial(_drifted, factory, register, factory.load, day)
    watched = list[str]()
    for unit, own in sorted(ready.items()):
        asked, count = register.asked(unit), own.index(day) + 1
        if asked is not None and day == own[-1]:
            yield unit, "asked", [f"asked for by {asked.by}: {asked.why}"]
        elif is_new and not knows_own(register.champion(unit)):
            yield unit, "first", [f"what {count} whole days teach together"]
        elif is_new and is_scheduled(count):
            yield unit, "schedule", [f"{count} whole days"]
        elif is_new:
            watched.append(unit)
    for unit, why in look(watched):
        yield unit, "drift", why


def _ready(register: Register, unit: str, own: Sequence[date], day: date) -> bool:
    champion = register.champion(unit)
    return champion is not None and day in own and day > champion.trained_to


def _drifted(
    factory: Factory,
    register: Register,
    load: Callable[[Iterable[date]], Loaded],
    day: date,
    units: Sequence[str],
) -> Iterator[tuple[str, list[str]]]:
    """Machines whose champion has drifted by the last whole days to `day`, and the signals."""
    asked = {}
    for unit in units:
        champion = register.champion(unit)
        days = [one for one in factory.whole[unit] if champion and champion.trained_to < one <= day]
        if champion and champion.learned and len(days) >= drift.LOOK_BACK_DAYS:
            newest = register.versions(unit)[-1]
            rested = newest.reason != "drift" or day >= newest.held_out[-1] + REST_DAYS * DAY
            if rested:
                asked[unit] = champion, days[-drift.LOOK_BACK_DAYS :]
    loaded = load(one for _, days in asked.values() for one in days) if asked else {}
    for unit, (champion, days) in asked.items():
        if unit in loaded and (why := _drift_of(champion, loaded[unit], days)):
            yield unit, why


def _drift_of(champion: Version, machine: Machine, days: Sequence[date]) -> list[str]:
    known = files.levels_of(HOME, champion)
    if known is None:
        return []
    held = champion.metrics.get("challenger", {}).get("near_share")
    return drift.seen(known, _day_drifts(champion, known, machine, days), held)


def _day_drifts(
    champion: Version, known: drift.Reference, machine: Machine, days: Sequence[date]
) -> list[drift.DayDrift]:
    detector = files.loaded(HOME, champion.path, champion.sha256)
    rows = machine.rows
    parts = [(day, of_day(rows, day)) for day in days]
    return [drift.of_day(detector, known, own, day) for day, own in parts if own.height]


def _challenge(
    factory: Factory, register: Register, unit: str, day: date, reason: str, why: Sequence[str]
) -> list[Entry | str]:
    """A challenger and what became of it; a text where there is nothing to train or judge on."""
    if reason == "first":
        return [*of_days(factory, register, unit, day, "; ".join(why))]
    champion = register.champion(unit)
    assert champion is not None
    days = [one for one in factory.whole[unit] if one <= day][-MOST_DAYS:]
    # each day is judged with the day before it as lead-in
    machine = factory.load({near for one in days for near in (one - DAY, one)}).get(unit)
    if machine is None:
        return ["no process values"]
    rows = machine.rows
    working = [one for one in days if of_day(rows, one).height >= LEAST_HELD_OUT]
    if reason == "drift":
        working = _since_drift(champion, machine, working)
    elif (drifted := _drifted_from(register, champion)) is not None:
        working = [one for one in working if one >= drifted]
    said = promotion.confirmed(factory.verdicts, unit)
    plan = factory.plan.filter(pl.col("work_unit_id") == unit)
    left_out = promotion.teaches_nothing(working, plan, said)
    train, held_out = window(working, left_out)
    if not train:
        return [
            f"no challenger ({reason}): {len(held_out)} working days to learn from and judge by"
        ]
    spans = [(midnight(one), midnight(one + DAY)) for one in train]
    model = fit_days(machine, spans)
    if model.detector.base is None:
        return [f"no challenger ({reason}): {'; '.join(model.detector.notes) or 'too few rows'}"]
    judge = partial(promotion.judged, machine, plan=plan, days=held_out, verdicts=factory.verdicts)
    old, new = judge(files.model_of(HOME, champion)), judge(model)
    longer = model.training_days > champion.collected_days
    decision = promotion.decide(old, new, drifted=reason == "drift", longer=longer)
    version = replace(
        version_of(factory, register, machine, model, spans),
        reason=reason,
        why="; ".join(why),
        left_out=tuple(sorted(left_out)),
        held_out=tuple(held_out),
        parent=champion.version,
        metrics={
            "champion": {"version": champion.version, **old.to_dict()},
            "challenger": new.to_dict(),
            **({"drift": list(why)} if reason == "drift" else {}),
        },
    )
    if not decision.promote:
        return [version, Kept(unit, version.version, decision.why, factory.now)]
    start = since(factory.name, day)
    return [
        version, Appointment(unit, version.version, start, "promoted", decision.why, factory.now)
    ]  # fmt: skip


def _drifted_from(register: Register, champion: Version) -> date | None:
    """The first day of the machine as it is, where the champion comes of a drift."""
    one: Version | None = champion
    while one is not None and one.reason != "drift":
        one = register.version(one.work_unit_id, one.parent) if one.parent else None
    return one.trained_from if one else None


def _since_drift(champion: Version, machine: Machine, days: Sequence[date]) -> list[date]:
    """The last days without a hole that have drifted, each by itself: what was before is gone."""
    known = files.levels_of(HOME, champion)
    if known is None:
        return list(days)
    found: list[date] = []
    for one in reversed(_day_drifts(champion, known, machine, days)):
        if not drift.seen(known, [one] * drift.LOOK_BACK_DAYS, None):
            break
        found.insert(0, one.day)
    return found if len(found) >= drift.LOOK_BACK_DAYS else list(days)[-drift.LOOK_BACK_DAYS :]


def ask(name: str, units: Sequence[str], *, why: str, by: str) -> Register:
    """Enter that somebody wants challengers; the next run of `anomaly_model` trains them."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with files.writing(HOME, name):
        return files.enter(HOME, name, [Asked(unit, why, now, by) for unit in units])
