"""The register as of a day, and what the evidence up to it makes of each terminal and enterprise.

Plain loops over the facts, by the rules of decision 35; `Known` is where all figures start.
"""

from datetime import date, timedelta
from typing import Final

from connectors.simulator.adoption_truth import size_class
from connectors.simulator.district.identity import Unit, units_of
from connectors.simulator.district.rows import (
    Declaration,
    DistrictFacts,
    Enterprise,
    Machine,
    Tenant,
    Terminal,
    Use,
)
from connectors.simulator.district.standing import Device, Firm, valid

USE_BACK: Final = timedelta(days=90)
WINDOW_DAYS: Final = 30
LEAST_DAYS: Final = 5
STALE_DAYS: Final = 7
DARK_DAYS: Final = 30
ONE_DAY: Final = timedelta(days=1)


class Known:
    """What is known of the district on a day; `on` may be any day of the facts.

    With `really` the evidence is all that was sent, and no day is excused by our outages.
    """

    def __init__(self, facts: DistrictFacts, on: date, *, really: bool = False) -> None:
        self.facts, self.on = facts, on
        self.down = set() if really else set(facts.collector_down)
        self._seen = facts.seen_really() if really else facts.seen()
        self._scheduled = facts.scheduled()
        self.window = [on - timedelta(days=back) for back in range(WINDOW_DAYS)]
        self.sites = {site.site_id: site for site in valid(facts.sites, on)}
        self.machines: list[Machine] = valid(facts.machines, on)
        units, self.ambiguous = units_of(valid(facts.terminals, on))
        self.devices = [self._device(unit) for unit in units]
        self.firms = self._firms()

    # terminals -----------------------------------------------------------------------------

    def _device(self, unit: Unit) -> Device:
        uscc = unit.first(lambda t: t.uscc)
        parks = frozenset(t.park_id for t in unit.listings if t.park_id is not None)
        seen = {
            day
            for listing in unit.listings
            for day in self._seen.get(listing.terminal_id, ())
            if day <= self.on
        }
        return Device(
            unit=unit,
            uscc=uscc,
            kind=unit.first(lambda t: t.kind),
            network=unit.first(lambda t: t.network),
            machine_id=unit.first(lambda t: t.machine_id),
            points=unit.first(lambda t: t.points) or 0,
            parks=parks,
            is_registered=any(self._is_registered(t) for t in unit.listings),
            is_in_service=any(self.is_in_service(t) for t in unit.listings),
            is_seen=any(day in seen for day in self.window),
            status=self._status(unit, uscc, parks, seen),
        )

    def _is_registered(self, listing: Terminal) -> bool:
        return listing.retired_on is None or listing.retired_on > self.on

    def is_in_service(self, listing: Terminal) -> bool:
        """Whether a listing is activated by the day, and not retired."""
        begun = listing.activated_on is not None and listing.activated_on <= self.on
        return begun and self._is_registered(listing)

    def _is_owed(self, uscc: str | None, parks: frozenset[str], day: date) -> bool:
        if (None, day) in self.down or (parks and all((park, day) in self.down for park in parks)):
            return False
        return uscc is None or day in self._scheduled.get(uscc, ())

    def _status(self, unit: Unit, uscc: str | None, parks: frozenset[str], seen: set[date]) -> str:
        owed = {day for day in self.window if self._is_owed(uscc, parks, day)}
        if not any(self.is_in_service(t) for t in unit.listings):
            return "inactive"
        if len(owed) < LEAST_DAYS:
            return "unscheduled"
        met = len(seen & owed)
        if met >= LEAST_DAYS and met * 10 >= len(owed) * 8:
            return "connected"
        if not seen:
            return "never"
        silence, day = 0, max(seen) + ONE_DAY
        while day <= self.on:
            silence += self._is_owed(uscc, parks, day)
            day += ONE_DAY
        if silence > DARK_DAYS:
            return "dark"
        return "stale" if silence > STALE_DAYS else "intermittent"

    # enterprises ---------------------------------------------------------------------------

    def _firms(self) -> dict[str, Firm]:
        firms: dict[str, Firm] = {}
        uses, groups = self._uses()
        declarations: dict[str, list[Declaration]] = {}
        for row in valid(self.facts.declarations, self.on):
            declarations.setdefault(row.uscc, []).append(row)
        versions: dict[str, list[Enterprise]] = {}
        for version in self.facts.enterprises:
            versions.setdefault(version.uscc, []).append(version)
        parks: dict[str, set[str]] = {}
        for site in self.sites.values():
            if site.park_id is not None:
                parks.setdefault(site.uscc, set()).add(site.park_id)
        linked = {d.uscc for d in self.devices if d.kind == "device" and d.is_connected}
        for version in valid(self.facts.enterprises, self.on):
            uscc = version.uscc
            frozen = self._frozen(versions[uscc])
            said = declarations.get(uscc, [])
            claims = [row for row in said if self._claims(row)]
            every = uses.get(uscc, [])
            used = [row for row in every if row.day >= self.on - USE_BACK]
            firms[uscc] = Firm(
                row=version,
                size=_size(frozen),
                revenue_wan=frozen.revenue_wan,
                parks=frozenset(parks.get(uscc, ())),
                declared=self._declared(said),
                claimed=frozenset(row.level for row in claims if row.level is not None),
                is_claimed_bare=any(row.level is None for row in claims),
                is_used=bool(used),
                used=frozenset(level for row in used if (level := _level(row)) is not None),
                is_used_bare=any(row.level is None for row in used),
                was_used=bool(every),
                is_group_in_use=(version.legal_group or uscc) in groups,
                is_connected=uscc in linked,
            )
        return firms

    def _frozen(self, versions: list[Enterprise]) -> Enterprise:
        """The version that stood on 31 December of the year before; of a newcomer the first."""
        stood = valid(versions, date(self.on.year - 1, 12, 31))
        return stood[0] if stood else min(versions, key=lambda v: v.valid_from)

    def _uses(self) -> tuple[dict[str, list[Use]], set[str]]:
        """Use by the day, by enterprise; and the groups whose use in the window is nobody's."""
        tenants: dict[tuple[str, str], list[Tenant]] = {}
        for tenant in self.facts.tenants:
            tenants.setdefault((tenant.platform, tenant.tenant_id), []).append(tenant)
        found: dict[str, list[Use]] = {}
        groups: set[str] = set()
        for row in self.facts.provider_use:
            if row.day > self.on:
                continue
            account = valid(tenants.get((row.platform, row.tenant_id or ""), []), row.day)
            uscc = row.uscc or next((t.uscc for t in account if t.uscc is not None), None)
            if uscc is not None:
                found.setdefault(uscc, []).append(row)
            elif row.day >= self.on - USE_BACK:
                groups |= {t.legal_group for t in account if t.legal_group is not None}
        return found, groups

    def _claims(self, row: Declaration) -> bool:
        begun = row.declared_from is not None and row.declared_from <= self.on
        return row.declared_cloud == "yes" and begun and not self._has_ended(row)

    def _has_ended(self, row: Declaration) -> bool:
        return row.declared_to is not None and row.declared_to < self.on - USE_BACK

    def _declared(self, said: list[Declaration]) -> str:
        if any(self._claims(row) for row in said):
            return "yes"
        undated = [
            row
            for row in said
            if row.declared_cloud == "yes"
            and row.declared_from is None
            and not self._has_ended(row)
        ]
        if not said or undated or any(row.declared_cloud == "unknown" for row in said):
            return "unknown"
        if any(row.declared_cloud == "yes" and self._has_ended(row) for row in said):
            return "expired"
        return "no"


def _size(row: Enterprise) -> str | None:
    """The NBS class; one figure alone tells a micro enterprise."""
    staff, revenue_wan = row.staff, row.revenue_wan
    if staff is not None and revenue_wan is not None:
        return size_class(staff, revenue_wan)
    is_micro = (staff is not None and staff < 20) or (revenue_wan is not None and revenue_wan < 300)
    return "micro" if is_micro else None


def _level(row: Use) -> str | None:
    """The level of a use: machine hours are no device, so at most C2."""
    if row.service == "machine_hours" and row.level in ("C3", "C4"):
        return "C2"
    return row.level
