"""The figures of the district counted from its facts by plain loops, as decision 35 says.

The rows have the columns of the tables of the park's figures. Rows of classes, statuses and stages
that nobody is in are left out: whoever compares leaves out rows of zeros on both sides.
"""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from connectors.simulator.district import populations
from connectors.simulator.district.known import Known
from connectors.simulator.district.populations import COUNT, POPULATIONS, Counted
from connectors.simulator.district.rows import DistrictFacts
from connectors.simulator.district.standing import LEVELS, Device, Firm

Row = dict[str, object]

STAGES: Final = ("registered", "activated", "online", "in_use")


def adoption(known: Known) -> list[Row]:
    """Rows of ADOPTION: every figure per area, for all, by size class, by sector, by level."""
    rows: list[Row] = []
    for park in populations.areas(known):
        for (metric_id, basis), population in POPULATIONS.items():
            units = list(population(known, park))
            named = {"reference_date": known.on, "park_id": park}
            figure = {"metric_id": metric_id, "basis": basis}
            for dimension, class_id, held in _classes(units):
                place = {**named, "dimension": dimension, "class_id": class_id, **figure}
                rows.append({**place, **_figure(held, is_count=metric_id == COUNT)})
            if metric_id == "CA-1":
                for level in LEVELS:
                    held = list(populations.cloud(basis, level)(known, park))
                    place = {**named, "dimension": "level", "class_id": level, **figure}
                    rows.append({**place, **_figure(held, is_count=False)})
    return rows


def _classes(units: Sequence[Counted]) -> Iterator[tuple[str, str | None, list[Counted]]]:
    yield "all", None, list(units)
    for size in sorted({unit.size for unit in units}):
        yield "size_class", size, [unit for unit in units if unit.size == size]
    for sector in sorted({unit.sector for unit in units}):
        yield "sector", sector, [unit for unit in units if unit.sector == sector]


def _figure(units: Sequence[Counted], *, is_count: bool) -> Row:
    numerator, unknown = sum(u.numerator for u in units), sum(u.unknown for u in units)
    denominator = 1 if is_count else sum(u.denominator for u in units)
    value = numerator / denominator if denominator else None
    return {
        "numerator": numerator,
        "denominator": None if is_count else denominator,
        "unknown": unknown,
        "value": value,
        "lower": value,
        "upper": (numerator + unknown) / denominator if denominator else None,
    }


def funnel(known: Known) -> list[Row]:
    """Rows of FUNNEL: of terminals and of enterprises, every stage of every area."""
    rows: list[Row] = []
    owned: dict[str | None, list[Device]] = {}
    for device in known.devices:
        if device.is_in_service:
            owned.setdefault(device.uscc, []).append(device)
    for park in populations.areas(known):
        terminals = [0, 0, 0, 0]
        for device in populations.devices_in(known, park):
            seen = device.is_in_service and device.is_seen
            stages = device.is_registered, device.is_in_service, seen, seen and device.is_connected
            terminals = [n + met for n, met in zip(terminals, stages, strict=True)]
        firms = [0, 0, 0, 0]
        for firm in populations.firms_in(known, park):
            if firm.is_in_scope:
                reached = _reached(firm, owned.get(firm.row.uscc, []))
                firms = [n + (place < reached) for place, n in enumerate(firms)]
        for of, counts in (("terminals", terminals), ("enterprises", firms)):
            for place, (stage, units) in enumerate(zip(STAGES, counts, strict=True), start=1):
                rows.append(
                    {
                        "reference_date": known.on, "park_id": park, "of": of,
                        "stage": stage, "place": place, "units": units,
                    }
                )  # fmt: skip
    return rows


def _reached(firm: Firm, owned: Sequence[Device]) -> int:
    """The stage that an enterprise of the scope has reached, from 1; `owned` is in service."""
    if firm.is_verified:
        return 4
    if firm.is_used or any(d.is_seen for d in owned):
        return 3
    return 2 if firm.was_used or owned else 1


def liveness(known: Known) -> list[Row]:
    """Rows of LIVENESS: units by kind, network and status, per area."""
    rows: list[Row] = []
    for park in populations.areas(known):
        counted: dict[tuple[str | None, str | None, str], int] = {}
        for device in populations.devices_in(known, park):
            key = device.kind, device.network, device.status
            counted[key] = counted.get(key, 0) + 1
        for (kind, network, status), terminals in counted.items():
            rows.append(
                {
                    "reference_date": known.on, "park_id": park, "kind": kind,
                    "network": network, "status": status, "terminals": terminals,
                }
            )  # fmt: skip
    return rows


def discrepancies(known: Known) -> list[Row]:
    """Rows of DISCREPANCIES: declared beside verified, per enterprise in scope."""
    return [
        {
            "reference_date": known.on,
            "uscc": uscc,
            "declared": firm.declared,
            "is_provider_used": firm.is_used,
            "is_connected": firm.is_connected,
            "declared_level": max(firm.claimed, default=None),
            "seen_level": max(firm.seen_levels, default=None),
            "discrepancy": discrepancy(firm),
        }
        for uscc, firm in sorted(known.firms.items())
        if firm.is_in_scope
    ]


def discrepancy(firm: Firm) -> str | None:
    """How what is declared and what is seen differ; None where they do not or nothing is known."""
    if firm.declared == "yes":
        if not firm.is_verified:
            return "claimed_not_seen"
        if firm.claimed and firm.seen_levels and max(firm.claimed) > max(firm.seen_levels):
            return "level_not_seen"
        return None
    if not firm.is_verified:
        return None
    return "seen_though_denied" if firm.declared == "no" else "seen_not_claimed"


def changes(facts: DistrictFacts, on: date, since: date) -> list[Row]:
    """Rows of CHANGES: how every share of every area changed from `since` to `on`, and by whom."""
    now, then = Known(facts, on), Known(facts, since)
    parks = sorted({p for k in (now, then) for p in populations.areas(k) if p is not None})
    rows: list[Row] = []
    for park in (None, *parks):
        for (metric_id, basis), population in POPULATIONS.items():
            if metric_id != COUNT:
                came = {unit.unit_id: unit for unit in population(now, park)}
                went = {unit.unit_id: unit for unit in population(then, park)}
                figure = {"metric_id": metric_id, "basis": basis}
                area = {"reference_date": on, "park_id": park, "since": since}
                rows.append({**area, **figure, **_change(came, went)})
    return rows


def _change(now: dict[str, Counted], then: dict[str, Counted]) -> Row:
    both = now.keys() & then.keys()
    value_now, value_then = _share(list(now.values())), _share(list(then.values()))
    both_now, both_then = _share([now[u] for u in both]), _share([then[u] for u in both])
    within = _less(both_now, both_then)
    return {
        "value_then": value_then,
        "value_now": value_now,
        "change": _less(value_now, value_then),
        "matched_units": len(both),
        "matched_change": within,
        "within": within,
        "entry": _less(value_now, both_now),
        "exit": _less(both_then, value_then),
    }


def _share(units: Sequence[Counted]) -> float | None:
    total = sum(unit.denominator for unit in units)
    return sum(unit.numerator for unit in units) / total if total else None


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
