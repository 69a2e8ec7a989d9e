"""What is really so, figure by figure, and which published bounds must hold it.

`BOUNDS` names the bases whose lower and upper bound must contain the real value, because evidence
of use never lies, nobody denies unseen what is so, and what is said of control and interface is
so. CA-2 is not among them: of a device that was silent on a day of our own outage nobody can say
whether it would have been seen, so it is held only where no day was lost. CA-1 by level has a
lower bound alone: who is seen at one level may be at another.
"""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from connectors.simulator.district.known import Known
from connectors.simulator.district.populations import (
    BILLION,
    POPULATIONS,
    Counted,
    areas,
    devices_in,
    firms_in,
)
from connectors.simulator.district.rows import Declaration, DistrictFacts, Machine, Use
from connectors.simulator.district.truth import Row
from connectors.simulator.district.words import SERVICES

BOUNDS: Final = {
    "CA-1": ("verified", "declared_or_verified"),
    "CA-3": ("verified", "declared_or_verified"),
    "CA-3b": ("verified", "declared_or_verified"),
    "CA-4": ("pooled", "pooled"),
    "CA-5": ("verified", "verified"),
    "CA-6": ("measured", "measured"),
    "CA-7": ("measured", "measured"),
}
"""Metric to the basis of its lower and of its upper bound; so does mean_of_firms of CA-4."""


def ideal(facts: DistrictFacts) -> list[Row]:
    """The real figures on the reference date: `park_id metric_id basis numerator denominator`.

    `basis` is `really`, and of the mean of shares `really_mean_of_firms`.
    """
    known = Known(facts, facts.reference_date, really=True)
    return [row for park in areas(known) for row in _area(known, park)]


def _area(known: Known, park: str | None) -> list[Row]:
    really = known.facts.really
    firms = firms_in(known, park)
    scope = [f for f in firms if f.is_in_scope]
    on_cloud = sum(bool(really.levels.get(f.row.uscc)) for f in scope)
    devices = list(POPULATIONS["CA-2", "measured"](known, park))
    key = [(u.unit_id, u.unit_id in really.controlled) for u in _units(known, park, "CA-4")]
    large = [u.unit_id for u in _units(known, park, "CA-5", "verified")]
    units = [u.unit_id for u in _units(known, park, "CA-6", "measured")]
    rows = [
        ("CA-1", on_cloud, len(scope)),
        ("CA-2", sum(u.numerator for u in devices), len(devices)),
        *_networked(known, park),
        ("CA-4", sum(is_controlled for _, is_controlled in key), len(key)),
        ("CA-5", sum("C4" in really.levels.get(uscc, ()) for uscc in large), len(large)),
        ("CA-6", sum(machine in really.interface for machine in units), len(units)),
        ("CA-7", _real_devices(known, park), None),
    ]
    found = [_row(park, metric, "really", top, whole) for metric, top, whole in rows]
    return [*found, _row(park, "CA-4", "really_mean_of_firms", *_mean(known, key))]


def _units(known: Known, park: str | None, metric_id: str, basis: str = "pooled") -> list[Counted]:
    return list(POPULATIONS[metric_id, basis](known, park))


def _networked(known: Known, park: str | None) -> list[tuple[str, int, int]]:
    found = []
    for metric_id in ("CA-3", "CA-3b"):
        units = _units(known, park, metric_id, "verified")
        networked = sum(u.unit_id in known.facts.really.networked for u in units)
        found.append((metric_id, networked, len(units)))
    return found


def _mean(known: Known, key: list[tuple[str, bool]]) -> tuple[int, int]:
    """The sum of shares in billionths, each rounded down, and that of the wholes."""
    owner = {machine.machine_id: machine.uscc for machine in known.machines}
    shares: dict[str, list[bool]] = {}
    for machine_id, is_controlled in key:
        shares.setdefault(owner[machine_id], []).append(is_controlled)
    total = sum(BILLION * sum(held) // len(held) for held in shares.values())
    return total, BILLION * len(shares)


def _real_devices(known: Known, park: str | None) -> int:
    """Devices in service, however often and by whatever name they are listed."""
    listed = [t for d in devices_in(known, park) if d.is_in_service for t in d.unit.listings]
    listed += [t for t in known.ambiguous if known.is_in_service(t) and park in (None, t.park_id)]
    return len({known.facts.really.device.get(t.terminal_id, t.terminal_id) for t in listed})


def _row(park: str | None, metric_id: str, basis: str, top: int, whole: int | None) -> Row:
    return {
        "park_id": park, "metric_id": metric_id, "basis": basis,
        "numerator": top, "denominator": whole,
    }  # fmt: skip


def complete(facts: DistrictFacts) -> DistrictFacts:
    """The same district if nothing were hidden: all say what is so, all use is on record.

    Bounds of CA-1, CA-3 (declared_or_verified), CA-4, CA-5, CA-6 and CA-7 must then be one value,
    the real one; of CA-2 only devices without 5 owed days are unknown.
    """
    on, really = facts.reference_date, facts.really
    before = on - timedelta(days=2_000)
    declarations, uses = [], []
    for uscc in {row.uscc: None for row in facts.enterprises}:
        levels = sorted(really.levels.get(uscc, ()))
        uses += [Use("云间", None, uscc, c, SERVICES[c], on) for c in levels]
        declarations += [
            Declaration(uscc, c, "yes", before, None, on, "contract", before) for c in levels
        ]
        if not levels:
            declarations.append(Declaration(uscc, None, "no", None, None, on, None, before))
    return replace(
        facts,
        declarations=tuple(declarations),
        provider_use=tuple(uses),
        tenants=(),
        collector_down=(),
        good_values=facts.sent,
        machines=tuple(_told(facts, machine) for machine in facts.machines),
        terminals=tuple(
            replace(t, product_instance_uri=f"urn:real:{really.device[t.terminal_id]}")
            for t in facts.terminals
        ),
    )


def _told(facts: DistrictFacts, machine: Machine) -> Machine:
    name = machine.machine_id
    level = machine.interface_level
    if level is None:
        level = 2 if name in facts.really.interface else 0
    return replace(
        machine,
        is_networked=name in facts.really.networked,
        is_controlled=name in facts.really.controlled,
        interface_level=level,
    )
