"""The register of a factory's models: versions, who was champion when, and why. Append-only.

What is written is never changed; the present is read from the whole history. A version that was
made is a challenger until an appointment makes it champion from a local day on; a later
appointment takes over from its own day on, so that each day has one champion and no more.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from models.errors import RegisterError

State: TypeAlias = Literal["champion", "challenger", "retired"]

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Version:
    """One model of one machine as it was made; nothing of it changes afterwards.

    `training_days` are the local days learned from, `left_out` those between that were not;
    `collected_days` is what was collected of them, in days. `scope`: machine, or machine_type
    where the machine's own rows were too few; `sensors` are the signals judged. `sha256` and `path`
    name the file, `fingerprint` the files it learned from, `code_version` the source of `models`.
    `reason`: first, schedule, drift, asked, unreadable.
    """

    work_unit_id: str
    machine_type: str
    version: int
    training_days: tuple[date, ...]
    collected_days: float
    training_rows: int
    learned: bool
    path: str
    sha256: str
    fingerprint: str
    code_version: str
    reason: str
    why: str
    at: str
    habits: str
    sensors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: tuple[date, ...] = ()
    held_out: tuple[date, ...] = ()
    scope: str = "machine"
    parent: int | None = None
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def trained_from(self) -> date:
        """The first local day learned from."""
        return self.training_days[0]

    @property
    def trained_to(self) -> date:
        """The last local day learned from."""
        return self.training_days[-1]

    @property
    def provisional(self) -> bool:
        """True where no day was held out: nothing is known of how it judges."""
        return not self.held_out


@dataclass(frozen=True, slots=True)
class Appointment:
    """From the local day `since` on a version is champion.

    `act`: first, promoted, rolled_back, replaced (its file was unreadable, or stood before it).
    """

    work_unit_id: str
    version: int
    since: date
    act: str
    why: str
    at: str
    by: str = "parkpulse"


@dataclass(frozen=True, slots=True)
class Kept:
    """A challenger that was not promoted: the champion stays, and why."""

    work_unit_id: str
    version: int
    why: str
    at: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody wants a challenger now."""

    work_unit_id: str
    why: str
    at: str
    by: str = "parkpulse"


@dataclass(frozen=True, slots=True)
class Looked:
    """Whether to train was asked of every whole day to `to`; `notes` say what came of it."""

    to: date
    at: str
    notes: tuple[str, ...] = ()


Entry: TypeAlias = Version | Appointment | Kept | Asked | Looked


class Term(NamedTuple):
    """Days that a version judges: from `since` to `until`, null while it lasts."""

    version: int
    since: date
    until: date | None


@dataclass(frozen=True, slots=True)
class Register:
    """All that was ever entered of one factory's models, oldest first."""

    entries: tuple[Entry, ...] = ()

    @property
    def machines(self) -> list[str]:
        """Work units that have a version, by name."""
        return sorted({one.work_unit_id for one in self.entries if isinstance(one, Version)})

    @property
    def looked_to(self) -> date | None:
        """The last day of which it was asked whether to train."""
        return max((one.to for one in self.entries if isinstance(one, Looked)), default=None)

    def versions(self, unit: str) -> list[Version]:
        """A machine's versions, oldest first."""
        own = (one for one in self.entries if isinstance(one, Version))
        return [one for one in own if one.work_unit_id == unit]

    def version(self, unit: str, number: int) -> Version:
        """One version; RegisterError names those that there are."""
        own = self.versions(unit)
        for one in own:
            if one.version == number:
                return one
        there = ", ".join(str(one.version) for one in own) or "none"
        raise RegisterError(unit, f"has no model version {number}", f"versions are: {there}")

    def appointments(self, unit: str) -> list[Appointment]:
        """A machine's appointments in the order in which they were made."""
        own = (one for one in self.entries if isinstance(one, Appointment))
        return [one for one in own if one.work_unit_id == unit]

    def refusals(self, unit: str) -> dict[int, Kept]:
        """Why challengers were not promoted, by version."""
        own = (one for one in self.entries if isinstance(one, Kept))
        return {one.version: one for one in own if one.work_unit_id == unit}

    def judgements(self, version: Version) -> list[tuple[Version, Mapping[str, Any]]]:
        """How a version judged days that were held out: for itself, and as champion for others."""
        found = []
        for one in self.versions(version.work_unit_id):
            if one.version == version.version and "challenger" in one.metrics:
                found.append((one, one.metrics["challenger"]))
            elif one.metrics.get("champion", {}).get("version") == version.version:
                found.append((one, one.metrics["champion"]))
        return found

    def terms(self, unit: str) -> list[Term]:
        """Who judges which days: without a hole or an overlap from the first appointment on."""
        found: list[Term] = []
        for one in self.appointments(unit):
            found = [term for term in found if term.since < one.since]
            if found:
                found[-1] = found[-1]._replace(until=one.since - DAY)
            found.append(Term(one.version, one.since, None))
        return _joined(found)

    def champion_on(self, unit: str, day: date) -> Version | None:
        """The version that judges a day; None before the first."""
        for term in self.terms(unit):
            if term.since <= day and (term.until is None or day <= term.until):
                return self.version(unit, term.version)
        return None

    def champion(self, unit: str) -> Version | None:
        """The version appointed last: it judges from its day on, which may be tomorrow."""
        terms = self.terms(unit)
        return self.version(unit, terms[-1].version) if terms else None

    def challenger(self, unit: str) -> Version | None:
        """The newest version, where it is not champion and never was."""
        own = self.versions(unit)
        was = {one.version for one in self.appointments(unit)}
        return own[-1] if own and own[-1].version not in was else None

    def state(self, version: Version) -> State:
        """What a version is now."""
        unit = version.work_unit_id
        if (champion := self.champion(unit)) and champion.version == version.version:
            return "champion"
        challenger = self.challenger(unit)
        return "challenger" if challenger and challenger.version == version.version else "retired"

    def asked(self, unit: str) -> Asked | None:
        """What was asked for and not trained since, if anything; a repair trains nothing new."""
        wanted: Asked | None = None
        for one in self.entries:
            if isinstance(one, Asked) and one.work_unit_id == unit:
                wanted = one
            elif isinstance(one, Version) and one.work_unit_id == unit:
                wanted = wanted if one.reason == "unreadable" else None
        return wanted

    def appended(self, entries: Iterable[Entry]) -> "Register":
        """The register with new entries behind the old ones; RegisterError where one is none."""
        grown = self
        for entry in entries:
            _check(grown, entry)
            grown = replace(grown, entries=(*grown.entries, entry))
        return grown


def rollback(
    register: Register, unit: str, to: int | None, since: date, *, why: str, by: str, at: str
) -> Appointment:
    """The appointment that gives a machine back to an earlier version.

    Without `to` it is the one that was champion before. RegisterError where there is none.
    """
    champion = register.champion(unit)
    if champion is None:
        there = ", ".join(register.machines) or "none"
        raise RegisterError(unit, "has no model", f"machines with models: {there}")
    number = _before(register, unit, champion.version) if to is None else to
    if number == champion.version:
        raise RegisterError(unit, f"version {number} is champion already", "name another with --to")
    wanted = register.version(unit, number)
    if since <= wanted.trained_to:
        first = wanted.trained_to + DAY
        why_not = f"version {number} learned from days to {wanted.trained_to}"
        raise RegisterError(unit, why_not, f"it can judge from {first} on")
    return Appointment(unit, number, since, "rolled_back", why, at, by)


def _check(register: Register, entry: Entry) -> None:
    """What holds of every entry: versions count up, and nobody is appointed who does not exist."""
    if isinstance(entry, Version):
        _next_version(register.versions(entry.work_unit_id), entry)
    elif isinstance(entry, Appointment):
        wanted = register.version(entry.work_unit_id, entry.version)
        if entry.since <= wanted.trained_to:
            raise RegisterError(
                entry.work_unit_id,
                f"version {entry.version} would judge {entry.since}, a day it learned from",
                f"appoint it from {wanted.trained_to + DAY} on",
            )
    elif isinstance(entry, Kept):
        register.version(entry.work_unit_id, entry.version)


def _next_version(own: Sequence[Version], entry: Version) -> None:
    expected = own[-1].version + 1 if own else 1
    if entry.version != expected or not entry.training_days:
        raise RegisterError(
            entry.work_unit_id,
            f"version {entry.version} after {expected - 1}, of {len(entry.training_days)} days",
            "versions count up by one, and each learned from a day",
        )


def _before(register: Register, unit: str, now: int) -> int:
    """The version that was appointed last before the present champion's first appointment."""
    numbers = [one.version for one in register.appointments(unit)]
    earlier = [number for number in numbers[: numbers.index(now)] if number != now]
    if not earlier:
        raise RegisterError(unit, f"version {now} had no champion before it", "name one with --to")
    return earlier[-1]


def _joined(terms: Sequence[Term]) -> list[Term]:
    """Terms of the same version that touch are one."""
    found: list[Term] = []
    for term in terms:
        if found and found[-1].version == term.version:
            found[-1] = found[-1]._replace(until=term.until)
        else:
            found.append(term)
    return found
