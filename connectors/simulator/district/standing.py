"""How terminals and enterprises stand on a day: what the figures ask of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol, TypeVar

from connectors.simulator.district.identity import Unit
from connectors.simulator.district.rows import Enterprise

ACTIVE: Final = "在营"
INDUSTRY: Final = ("B", "C", "D")
UNKNOWN: Final = "unknown"
LEVELS: Final = ("C1", "C2", "C3", "C4")


class Version(Protocol):
    """A row that holds from a day on."""

    @property
    def valid_from(self) -> date: ...  # noqa: D102
    @property
    def valid_to(self) -> date | None: ...  # noqa: D102


V = TypeVar("V", bound=Version)


def valid(rows: Iterable[V], on: date) -> list[V]:
    """The rows that hold on a day."""
    return [r for r in rows if r.valid_from <= on and (r.valid_to is None or r.valid_to > on)]


@dataclass(frozen=True, slots=True)
class Device:
    """A unit on the reference date: whose, where, whether in service, and how alive."""

    unit: Unit
    uscc: str | None
    kind: str | None
    network: str | None
    machine_id: str | None
    points: int
    parks: frozenset[str]
    is_registered: bool
    is_in_service: bool
    is_seen: bool
    status: str

    @property
    def is_connected(self) -> bool:
        """Whether it is in service and connected."""
        return self.status == "connected"


@dataclass(frozen=True, slots=True)
class Firm:
    """An enterprise on the reference date, with the evidence for it."""

    row: Enterprise
    size: str | None
    revenue_wan: float | None
    parks: frozenset[str]
    declared: str
    claimed: frozenset[str]
    is_claimed_bare: bool
    is_used: bool
    used: frozenset[str]
    is_used_bare: bool
    was_used: bool
    is_group_in_use: bool
    is_connected: bool

    @property
    def is_verified(self) -> bool:
        """E2 or E3."""
        return self.is_used or self.is_connected

    @property
    def seen_levels(self) -> frozenset[str]:
        """Levels of E2, and C3 for E3."""
        return self.used | {"C3"} if self.is_connected else self.used

    @property
    def is_unknown(self) -> bool:
        """Whether nobody can say, on the basis verified."""
        return not self.is_verified and (self.declared == "unknown" or self.is_group_in_use)

    @property
    def is_industry(self) -> bool:
        """An active industrial enterprise of the New City, of any size."""
        return (
            self.row.register_status == ACTIVE
            and self.row.in_new_city
            and self.sector[:1] in INDUSTRY
        )

    @property
    def is_in_scope(self) -> bool:
        """An enterprise of CA-1: an industrial SME."""
        return self.is_industry and self.size not in (None, "large")

    @property
    def sector(self) -> str:
        """The letter and two digits of GB/T 4754."""
        return self.row.industry_code[:3] if self.row.industry_code else UNKNOWN
