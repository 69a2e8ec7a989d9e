"""Versions anew whose file cannot be read, of the days that they learned from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from assets import model_register as files
from assets.factory_models import Factory, version_of
from assets.partitions import HOME
from connectors.model_files import Changed
from models.errors import ModelFileError
from models.machine import Span, fit_days
from models.registry import Appointment, Entry, Register, Term, Version
from models.training import DAY
from pipelines.days import day_of, midnight


def repaired(factory: Factory, register: Register) -> list[Entry]:
    """Versions anew whose file cannot be read, of the days that they learned from.

    A file is of another schema where the detector's inside has changed, or was lost.
    """
    made: list[Entry] = []
    for unit in register.machines:
        terms = register.terms(unit)
        broken = {
            number: why
            for number in {term.version for term in terms}
            if (why := _unreadable(register.version(unit, number)))
        }
        if broken and unit in factory.whole:
            made += _anew(factory, register.appended(made), unit, terms, broken)
    return made


def _unreadable(version: Version) -> str | None:
    try:
        files.loaded(HOME, version.path, version.sha256)
    except (ModelFileError, Changed) as error:
        return error.why
    return None


def _anew(
    factory: Factory,
    register: Register,
    unit: str,
    terms: Sequence[Term],
    broken: Mapping[int, str],
) -> list[Entry]:
    """New versions for broken ones, and all terms from the first of those on as they were."""
    made, stands_for = list[Entry](), dict[int, int]()
    for number in sorted(broken):
        old = register.version(unit, number)
        machine = factory.load(old.training_days).get(unit)
        if machine is None or machine.values.is_empty():
            continue
        spans = _spans_of(old, factory)
        version = version_of(
            factory, register.appended(made), machine, fit_days(machine, spans), spans
        )
        why = f"the file of version {number} {broken[number]}"
        kept = {name: getattr(old, name) for name in ("left_out", "held_out", "metrics")}
        made.append(replace(version, reason="unreadable", why=why, parent=number, **kept))
        stands_for[number] = version.version
    first = next((n for n, term in enumerate(terms) if term.version in stands_for), len(terms))
    for term in terms[first:]:
        number = stands_for.get(term.version, term.version)
        why = f"stands for version {term.version}" if number != term.version else "as before"
        made.append(Appointment(unit, number, term.since, "replaced", why, factory.now))
    return made


def _spans_of(version: Version, factory: Factory) -> list[Span]:
    """The days of a version; of a day that was not whole, what there is of it."""
    partial_days = {day_of(span.start): span for span in factory.spans[version.work_unit_id]}
    found = []
    for day in version.training_days:
        span = partial_days.get(day)
        is_part = span is not None and span.days < 1
        found.append(
            (span.start, span.end) if span and is_part else (midnight(day), midnight(day + DAY))
        )
    return found
