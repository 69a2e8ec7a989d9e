"""Who is counted in each figure of an area, and as what: CA-1 to CA-7 unit by unit (decision 35).

A figure is the sum of `numerator` over that of `denominator`; classes are subsets of a population.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from connectors.simulator.district.known import Known
from connectors.simulator.district.rows import Machine
from connectors.simulator.district.standing import UNKNOWN, Device, Firm

BILLION: Final = 10**9
ABOVE_SCALE_WAN: Final = 2_000
"""规上: revenue of 20 million yuan and more."""
CONFORMING: Final = 2


@dataclass(frozen=True, slots=True)
class Counted:
    """One unit in a figure: what it adds to numerator, denominator and unknown."""

    unit_id: str
    size: str
    sector: str
    numerator: int
    unknown: int = 0
    denominator: int = 1


Population = Callable[[Known, str | None], Iterator[Counted]]


def cloud(basis: str, level: str | None = None) -> Population:
    """CA-1 of an area, or of one level of it."""

    def counted(known: Known, park: str | None) -> Iterator[Counted]:
        for firm in firms_in(known, park):
            if firm.is_in_scope:
                yield _firm(firm, *_cloud(firm, basis, level))

    return counted


def _cloud(firm: Firm, basis: str, level: str | None) -> tuple[bool, bool]:
    """Whether an enterprise counts, and whether nobody knows."""
    is_declared = firm.declared == "yes"
    by_declared, by_verified = basis != "verified", basis != "declared"
    if basis == "declared":
        has, unknown = is_declared, firm.declared == "unknown"
    elif basis == "verified":
        has, unknown = firm.is_verified, firm.is_unknown
    else:
        has, unknown = firm.is_verified or is_declared, firm.is_unknown and not is_declared
    if level is None:
        return has, unknown
    levels = (firm.claimed if by_declared else frozenset()) | (
        firm.seen_levels if by_verified else frozenset()
    )
    is_bare = (by_declared and firm.is_claimed_bare) or (by_verified and firm.is_used_bare)
    return level in levels, level not in levels and (unknown or is_bare)


def devices(known: Known, park: str | None) -> Iterator[Counted]:
    """CA-2: devices in service, and connected."""
    for device in devices_in(known, park):
        if device.is_in_service and device.kind == "device":
            unknown = device.status == "unscheduled"
            yield _owned(known, device, device.is_connected, unknown)


def machines(basis: str, *, is_networked: bool, all_of_them: bool = False) -> Population:
    """CA-3 and CA-3b (`is_networked`), else CA-6."""

    def counted(known: Known, park: str | None) -> Iterator[Counted]:
        seen = {d.machine_id for d in known.devices if d.is_in_service and d.is_seen}
        for machine in machines_in(known, park):
            if machine.kind != "machine":
                continue
            if not is_networked:
                level = machine.interface_level
                conforms = level is not None and level >= CONFORMING
                yield _machine(known, machine, conforms, level is None)
            elif all_of_them or machine.is_digital:
                has = machine.machine_id in seen
                if basis == "declared_or_verified":
                    has = has or machine.is_networked is True
                yield _machine(known, machine, has, not has and machine.is_networked is None)

    return counted


def key_operations(known: Known, park: str | None) -> Iterator[Counted]:
    """CA-4 pooled: machines and control loops in key operations, and controlled."""
    for machine in machines_in(known, park):
        firm = known.firms.get(machine.uscc)
        if machine.is_key_operation and firm is not None and firm.is_industry:
            is_null = machine.is_controlled is None
            yield _machine(known, machine, machine.is_controlled is True, is_null)


def mean_of_firms(known: Known, park: str | None) -> Iterator[Counted]:
    """CA-4 as the mean of shares: each in billionths, of what an enterprise has in the area."""
    owned: dict[str, list[Machine]] = {}
    for machine in machines_in(known, park):
        firm = known.firms.get(machine.uscc)
        if machine.is_key_operation and firm is not None and firm.is_industry:
            owned.setdefault(machine.uscc, []).append(machine)
    for uscc, held in owned.items():
        controlled = sum(m.is_controlled is True for m in held)
        possible = sum(m.is_controlled is not False for m in held)
        least, most = BILLION * controlled // len(held), BILLION * possible // len(held)
        firm = known.firms[uscc]
        yield Counted(uscc, firm.size or UNKNOWN, firm.sector, least, most - least, BILLION)


def platforms(known: Known, park: str | None) -> Iterator[Counted]:
    """CA-5: industrial enterprises above the scale, and those with a platform application."""
    for firm in firms_in(known, park):
        if firm.is_industry and (firm.revenue_wan or 0) >= ABOVE_SCALE_WAN:
            has = "C4" in firm.used
            yield _firm(firm, has, not has and (firm.is_group_in_use or firm.is_used_bare))


def terminals(*, points: bool) -> Population:
    """CA-7: units in service (or their points); ambiguous listings are unknown."""

    def counted(known: Known, park: str | None) -> Iterator[Counted]:
        for device in devices_in(known, park):
            if device.is_in_service:
                yield _owned(known, device, device.points if points else 1, False)
        for listing in known.ambiguous:
            if known.is_in_service(listing) and park in (None, listing.park_id):
                size, sector = class_of(known, listing.uscc)
                name = f"{listing.platform}/{listing.terminal_id}"
                adds = (listing.points or 0) if points else 1
                yield Counted(name, size, sector, 0, adds, 0)

    return counted


POPULATIONS: Final[dict[tuple[str, str], Population]] = {
    ("CA-1", "declared"): cloud("declared"),
    ("CA-1", "verified"): cloud("verified"),
    ("CA-1", "declared_or_verified"): cloud("declared_or_verified"),
    ("CA-2", "measured"): devices,
    ("CA-3", "verified"): machines("verified", is_networked=True),
    ("CA-3", "declared_or_verified"): machines("declared_or_verified", is_networked=True),
    ("CA-3b", "verified"): machines("verified", is_networked=True, all_of_them=True),
    ("CA-3b", "declared_or_verified"): machines(
        "declared_or_verified", is_networked=True, all_of_them=True
    ),
    ("CA-4", "pooled"): key_operations,
    ("CA-4", "mean_of_firms"): mean_of_firms,
    ("CA-5", "verified"): platforms,
    ("CA-6", "measured"): machines("measured", is_networked=False),
    ("CA-7", "measured"): terminals(points=False),
    ("CA-7", "points"): terminals(points=True),
}
COUNT: Final = "CA-7"
"""The figure that is no share."""


def areas(known: Known) -> list[str | None]:
    """The New City (None) and every park where somebody or something is on the day."""
    found = {park for firm in known.firms.values() for park in firm.parks}
    found |= {park for device in known.devices for park in device.parks}
    found |= {t.park_id for t in known.ambiguous if t.park_id is not None}
    return [None, *sorted(found)]


def firms_in(known: Known, park: str | None) -> list[Firm]:
    """Enterprises of an area."""
    return [f for f in known.firms.values() if park is None or park in f.parks]


def devices_in(known: Known, park: str | None) -> list[Device]:
    """Units of an area."""
    return [d for d in known.devices if park is None or park in d.parks]


def machines_in(known: Known, park: str | None) -> list[Machine]:
    """Machines whose site is in an area."""
    return [m for m in known.machines if park in (None, _park_of(known, m))]


def _park_of(known: Known, machine: Machine) -> str | None:
    site = known.sites.get(machine.site_id)
    return None if site is None else site.park_id


def class_of(known: Known, uscc: str | None) -> tuple[str, str]:
    """Size class and sector of an owner."""
    firm = known.firms.get(uscc or "")
    return (UNKNOWN, UNKNOWN) if firm is None else (firm.size or UNKNOWN, firm.sector)


def _firm(firm: Firm, has: bool, unknown: bool) -> Counted:
    return Counted(firm.row.uscc, firm.size or UNKNOWN, firm.sector, int(has), int(unknown))


def _owned(known: Known, device: Device, adds: int, unknown: bool) -> Counted:
    return Counted(device.unit.unit_id, *class_of(known, device.uscc), int(adds), int(unknown))


def _machine(known: Known, machine: Machine, has: bool, unknown: bool) -> Counted:
    size, sector = class_of(known, machine.uscc)
    return Counted(machine.machine_id, size, sector, int(has), int(unknown))
