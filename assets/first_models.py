"""The first model of each machine: of the first of its days, or days, that teach its signals."""

from dataclasses import replace
from datetime import date

from assets.factory_models import OWN, Factory, since, version_of
from models.machine import Machine, MachineModel, fit, fit_days, fit_type
from models.registry import Appointment, Entry, Register, Version
from models.training import DAY, MOST_DAYS, TRIED, TrainingSpan
from pipelines.days import day_of, midnight


def firsts(factory: Factory, register: Register) -> list[Entry]:
    """The first model of each machine: of the first of its days that teaches its signals.

    A machine that no day has taught keeps the first one: its habits are judged all the same. So
    does one whose day was not whole; the first day that teaches takes its place.
    """
    tried = {unit: _to_try(factory, register, unit) for unit in factory.spans}
    found = dict[str, tuple[MachineModel, TrainingSpan, Machine]]()
    for day in sorted({day_of(span.start) for own in tried.values() for span in own}):
        open_units = {
            unit for unit, own in tried.items() if own and not _has_learned(found.get(unit))
        }
        asked = {unit for unit in open_units if any(day_of(s.start) == day for s in tried[unit])}
        loaded = factory.load([day]) if asked else {}
        for unit in sorted(asked & loaded.keys()):
            (span,) = (span for span in tried[unit] if day_of(span.start) == day)
            model = fit(loaded[unit], span.start, span.end)
            if model.detector.base is not None or unit not in found:
                found[unit] = model, span, loaded[unit]
    made: list[Entry] = []
    for unit, one in sorted(found.items()):
        if _has_learned(one):
            made += _first(factory, register, *one)
        elif register.champion(unit) is None:
            made += _of_type(factory, register, *one) or _first(factory, register, *one)
    return made


def of_days(factory: Factory, register: Register, unit: str, day: date, why: str) -> list[Entry]:
    """A model of all whole days to `day`, in the place of one that knows no signals of its own.

    Short shifts and slow sensors: each day alone has too few rows. Empty where all of them have.
    """
    days = [one for one in factory.whole[unit] if one <= day][-MOST_DAYS:]
    machine = factory.load(days).get(unit)
    if machine is None:
        return []
    spans = [(midnight(one), midnight(one + DAY)) for one in days]
    model = fit_days(machine, spans)
    if model.detector.base is None:
        return []
    version = replace(version_of(factory, register, machine, model, spans), reason="first", why=why)
    start = since(factory.name, day)
    return [version, Appointment(unit, version.version, start, "replaced", why, factory.now)]


def knows_own(champion: Version | None) -> bool:
    """Whether a machine has a model of its own signals."""
    return champion is not None and champion.learned and champion.scope == OWN


def _of_type(
    factory: Factory,
    register: Register,
    own: MachineModel,
    span: TrainingSpan,
    machine: Machine,
) -> list[Entry]:
    """The first model of a machine with too few rows, from others of its type; none where few."""
    others = [
        one
        for unit, one in factory.load([day_of(span.start)]).items()
        if one.machine_type == machine.machine_type and unit != machine.key["work_unit_id"]
    ]
    model = fit_type(machine, others, span.start, span.end)
    if model is None:
        return []
    version, appointment = _first(factory, register, model, span, machine)
    assert isinstance(version, Version)
    names = ", ".join(one.key["work_unit_id"] for one in others)
    note = f"learned from other machines of its type ({names}): its own rows were too few"
    few = own.detector.notes[0] if own.detector.notes else note
    return [
        replace(version, scope="machine_type", why=few, notes=(note, *version.notes)), appointment
    ]  # fmt: skip


def _to_try(factory: Factory, register: Register, unit: str) -> list[TrainingSpan]:
    """Days that may give a machine its first model, or one in the place of a makeshift."""
    champion, spans = register.champion(unit), factory.spans[unit]
    if champion is None:
        return spans
    whole = [TrainingSpan(midnight(day), midnight(day + DAY)) for day in factory.whole[unit]]
    if champion.collected_days < 1:
        return [span for span in whole if day_of(span.start) >= champion.trained_to][:TRIED]
    if knows_own(champion):
        return []
    seen = max(register.looked_to or champion.trained_to, champion.trained_to)
    return [span for span in whole if day_of(span.start) > seen][-TRIED:]


def _has_learned(found: tuple[MachineModel, TrainingSpan, Machine] | None) -> bool:
    return found is not None and found[0].detector.base is not None


def _first(
    factory: Factory,
    register: Register,
    model: MachineModel,
    span: TrainingSpan,
    machine: Machine,
) -> list[Entry]:
    unit, day = machine.key["work_unit_id"], day_of(span.start)
    before = register.champion(unit)
    why = "the first day collected whole" if span.days >= 1 else "what there is of the first day"
    if model.detector.base is None:
        why += ", on which too few rows were made to learn signals from"
    version = version_of(factory, register, machine, model, [(span.start, span.end)])
    version = replace(version, reason="first", why=why, notes=(*span.notes, *version.notes))
    start = day + DAY if before is None else since(factory.name, day)
    act = "first" if before is None else "replaced"
    return [version, Appointment(unit, version.version, start, act, why, factory.now)]
