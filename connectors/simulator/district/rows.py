"""Rows of the invented district's register, and what is hidden from it, as plain data.

Days are local dates. `valid_from` is the first day on which a row holds, `valid_to` the first on
which it no longer does. The fields of a row are the columns of its table, in order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt

NO_ROW: Final = -1
"""In a matrix of evidence: nobody said anything of that day."""

Down = tuple[str | None, date]
"""A park (None: the whole district) and a day on which its collector failed."""


@dataclass(frozen=True, slots=True)
class Enterprise:
    """One version of a legal unit."""

    uscc: str
    name_zh: str
    name_en: str
    staff: int | None
    revenue_wan: float | None
    industry_code: str | None
    register_status: str
    legal_group: str | None
    in_new_city: bool
    successor_uscc: str | None
    self_score: float | None
    valid_from: date
    valid_to: date | None = None
    source: str = "enterprises.xlsx"


@dataclass(frozen=True, slots=True)
class Site:
    """Where an enterprise is, for a while."""

    site_id: str
    uscc: str
    park_id: str | None
    name_zh: str
    longitude: float
    latitude: float
    valid_from: date
    valid_to: date | None = None
    source: str = "sites.csv"


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine or control loop; null where the enterprise does not know."""

    machine_id: str
    uscc: str
    site_id: str
    kind: str
    is_digital: bool | None
    is_networked: bool | None
    is_key_operation: bool | None
    is_controlled: bool | None
    interface_level: int | None
    valid_from: date
    valid_to: date | None = None
    source: str = "machines.csv"


@dataclass(frozen=True, slots=True)
class Terminal:
    """One version of one platform's listing of a terminal."""

    terminal_id: str
    platform: str
    product_instance_uri: str | None
    manufacturer: str | None
    serial_number: str | None
    mac: str | None
    asset_id: str | None
    kind: str | None
    network: str | None
    chain_stage: str | None
    uscc: str | None
    park_id: str | None
    machine_id: str | None
    points: int | None
    registered_on: date | None
    activated_on: date | None
    retired_on: date | None
    valid_from: date
    valid_to: date | None = None
    source: str = "terminals.csv"


@dataclass(frozen=True, slots=True)
class Tenant:
    """An account on a platform, of an enterprise or of a group."""

    tenant_id: str
    platform: str
    uscc: str | None
    legal_group: str | None
    valid_from: date
    valid_to: date | None = None
    source: str = "tenants.csv"


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an enterprise says of itself."""

    uscc: str
    level: str | None
    declared_cloud: str
    declared_from: date | None
    declared_to: date | None
    declared_on: date | None
    document: str | None
    valid_from: date
    valid_to: date | None = None
    source: str = "declarations.xlsx"


@dataclass(frozen=True, slots=True)
class Use:
    """A provider's record of use on a day."""

    platform: str
    tenant_id: str | None
    uscc: str | None
    level: str | None
    service: str
    day: date
    source: str = "provider_use.csv"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a platform says of itself (带动数)."""

    platform: str
    day: date
    claimed_users: int
    source: str = "claims.csv"


@dataclass(frozen=True, slots=True)
class Trap:
    """A planted case: the edge rule it tests ((a) to (j)), whom it is about, what must come out.

    `expected` is the status of a terminal (LIVENESS) or of an enterprise (verified, declared,
    unknown, not, outside); empty where a test of its own says it.
    """

    letter: str
    name: str
    says: str
    subjects: tuple[str, ...]
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Really:
    """What nobody was told: enterprises by level, machines and devices as they are.

    `levels` holds those really on a cloud on the reference date; `networked`, `controlled` and
    `interface` are machine ids (with L2 or above); `device` is a listing's real device.
    """

    levels: Mapping[str, frozenset[str]] = field(default_factory=dict)
    networked: frozenset[str] = frozenset()
    controlled: frozenset[str] = frozenset()
    interface: frozenset[str] = frozenset()
    device: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DistrictFacts:
    """Everything said of the district, and `really`, what is so.

    `good_values` has a row per listing of `listing_ids` and a column per day of `days` (`NO_ROW`:
    not said); `sent` is the same before our own outages took some away. `operating` has a row per
    enterprise of `calendar_of`: 1 scheduled, 0 at rest. `late` are (terminal, day, day of arrival)
    of evidence that was filled in afterwards.
    """

    reference_date: date
    days: tuple[date, ...] = ()
    enterprises: tuple[Enterprise, ...] = ()
    sites: tuple[Site, ...] = ()
    machines: tuple[Machine, ...] = ()
    terminals: tuple[Terminal, ...] = ()
    tenants: tuple[Tenant, ...] = ()
    declarations: tuple[Declaration, ...] = ()
    provider_use: tuple[Use, ...] = ()
    collector_down: tuple[Down, ...] = ()
    claims: tuple[Claim, ...] = ()
    listing_ids: tuple[str, ...] = ()
    good_values: npt.NDArray[np.int16] = field(default_factory=lambda: np.empty((0, 0), np.int16))
    sent: npt.NDArray[np.int16] = field(default_factory=lambda: np.empty((0, 0), np.int16))
    calendar_of: tuple[str, ...] = ()
    operating: npt.NDArray[np.int8] = field(default_factory=lambda: np.empty((0, 0), np.int8))
    late: tuple[tuple[str, date, date], ...] = ()
    traps: tuple[Trap, ...] = ()
    really: Really = field(default_factory=Really)

    def seen(self) -> dict[str, set[date]]:
        """Listing to the days on which at least one good value of it came."""
        return _days_by_row(self.listing_ids, self.good_values, self.days)

    def seen_really(self) -> dict[str, set[date]]:
        """The same of what was sent, had our collector never failed."""
        return _days_by_row(self.listing_ids, self.sent, self.days)

    def scheduled(self) -> dict[str, set[date]]:
        """Enterprise to the days on which it was scheduled to work."""
        return _days_by_row(self.calendar_of, self.operating, self.days)


def _days_by_row(
    names: tuple[str, ...], matrix: npt.NDArray[np.signedinteger[Any]], days: tuple[date, ...]
) -> dict[str, set[date]]:
    return {
        name: {days[place] for place in np.flatnonzero(row >= 1)}
        for name, row in zip(names, matrix, strict=True)
    }


def days_until(on: date, count: int) -> tuple[date, ...]:
    """The `count` days up to `on`, oldest first."""
    return tuple(on - timedelta(days=back) for back in range(count - 1, -1, -1))
