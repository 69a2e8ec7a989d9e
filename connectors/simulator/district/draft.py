"""A district under construction: rows as they are written, and how each listing behaves."""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final

from connectors.simulator.district.rows import (
    Claim,
    Declaration,
    Down,
    Enterprise,
    Machine,
    Site,
    Tenant,
    Terminal,
    Trap,
    Use,
)

SILENT_ALWAYS: Final = 100_000
LONG: Final = 10_000


@dataclass(frozen=True, slots=True)
class Habit:
    """How a listing sends: shares of scheduled and of other days, and what cuts them off.

    `silent` is how many of the last days say nothing, `gap` a silence that is over: its first and
    last day, in days ago. `fifth` leaves out every fifth scheduled day counted back from the last.
    `on` are days, given exactly. `says_zero`: silence is a count
    of zero and not an absent row. `kept` is a platform that fills in what our outages took.
    """

    share: float = 0.995
    at_rest: float = 0.25
    silent: int = 0
    gap: tuple[int, int] | None = None
    fifth: bool = False
    on: frozenset[date] | None = None
    says_zero: bool = False
    kept: bool = False


@dataclass(slots=True)
class Plan:
    """An enterprise as its terminals, machines and evidence need it."""

    uscc: str
    park_ids: tuple[str | None, ...]
    is_industry: bool
    staff: int
    begun: date
    work_days: int = 7
    """Working days a week; 0 for an enterprise without a calendar."""
    rest: int = 0
    """Days at rest up to the reference date."""
    is_on: bool = True
    since: int = LONG
    """How many days ago it came onto a cloud, if it did."""
    moved: tuple[date, str | None] | None = None
    """When it moved, and where it had been."""
    merged: tuple[date, str] | None = None
    gone: date | None = None
    machines: list[str] = field(default_factory=list)


@dataclass
class Draft:
    """Everything so far; `on` is the reference date."""

    seed: int
    on: date
    days: tuple[date, ...]
    enterprises: list[Enterprise] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)
    terminals: list[Terminal] = field(default_factory=list)
    habits: dict[str, Habit] = field(default_factory=dict)
    """By terminal id, in the order of the listings."""
    tenants: list[Tenant] = field(default_factory=list)
    declarations: list[Declaration] = field(default_factory=list)
    provider_use: list[Use] = field(default_factory=list)
    collector_down: list[Down] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    late: list[tuple[str, date, date]] = field(default_factory=list)
    traps: list[Trap] = field(default_factory=list)
    plans: dict[str, Plan] = field(default_factory=dict)
    levels: dict[str, set[str]] = field(default_factory=dict)
    device: dict[str, str] = field(default_factory=dict)

    def back(self, days: int) -> date:
        """The day so many days before the reference date."""
        return self.on - timedelta(days=days)

    def enter(self, first: Enterprise, *changes: tuple[date, dict[str, Any]]) -> None:
        """Versions of an enterprise: `first`, and what is changed from each day on."""
        rows = [first]
        for day, change in sorted(changes, key=lambda made: made[0]):
            rows[-1] = replace(rows[-1], valid_to=day)
            rows.append(replace(rows[-1], valid_from=day, valid_to=None, **change))
        self.enterprises += rows

    def list_(self, listing: Terminal, habit: Habit, device: str | None = None) -> None:
        """A listing, how it sends, and the real device that it is (by default its own)."""
        self.terminals.append(listing)
        self.habits[listing.terminal_id] = habit
        self.device[listing.terminal_id] = device or listing.terminal_id
