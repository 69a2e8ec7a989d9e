"""Cloud adoption counted from the generated facts by plain loops: what the parks really are.

CA-1 industrial SMEs on a cloud or platform, CA-2 connected devices, CA-7 sensing terminals; per
park and for the district (`park_id` null), on the last local day that had ended at the anchor. The
rules are those of decision 35, for what gateways say: an enterprise has one version and one
declaration, a provider's last use is one record of use, and a device goes by its
ProductInstanceUri, in the parks of all its listings.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.simulator.park_facts import ACTIVE, PARKS, ZONE, Enterprise, ParkFacts, Terminal

SCHEMA: Final = pa.schema(
    [
        pa.field("reference_date", pa.date32(), nullable=False),
        pa.field("park_id", pa.string()),
        pa.field("metric_id", pa.string(), nullable=False),
        pa.field("basis", pa.string(), nullable=False),
        pa.field("numerator", pa.int64(), nullable=False),
        pa.field("denominator", pa.int64()),
        pa.field("unknown", pa.int64(), nullable=False),
    ]
)

Figure = tuple[date, str | None, str, str, int, int | None, int]

_CLASSES: Final = (("large", 1000, 40_000), ("medium", 300, 2_000), ("small", 20, 300))
_WINDOW: Final = timedelta(days=90)
_CONNECTED_DAYS: Final = 30
_LEAST_DAYS: Final = 5


def write(facts: ParkFacts, path: Path) -> None:
    """Write the figures as Parquet."""
    rows = figures(facts)
    columns = [
        pa.array(column, field.type)
        for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)
    ]
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), path)


def figures(facts: ParkFacts) -> list[Figure]:
    """Rows of `SCHEMA`: four figures for the district and for each park."""
    found: list[Figure] = []
    for park in (None, *PARKS):
        found.extend((facts.reference_date, park, *row) for row in _area(facts, park))
    return found


def size_class(staff: int, revenue_wan: float) -> str:
    """NBS 2017, industry: the highest class whose lower bounds are both met, else micro."""
    for name, least_staff, least_revenue in _CLASSES:
        if staff >= least_staff and revenue_wan >= least_revenue:
            return name
    return "micro"


def _area(facts: ParkFacts, park: str | None) -> Iterator[tuple[str, str, int, int | None, int]]:
    on = facts.reference_date
    users = connected_owners(facts)
    sme = [e for e in facts.enterprises if in_scope(e) and park in (None, *e.park_ids)]
    verified = [e for e in sme if _used(e, on) or e.uscc in users]
    either = [e for e in sme if _used(e, on) or e.uscc in users or _declared(e, on)]
    unknown = sum(_nobody_knows(e, on) and e not in verified for e in sme)
    yield "CA-1", "verified", len(verified), len(sme), unknown
    yield "CA-1", "declared_or_verified", len(either), len(sme), unknown
    units = [u for u in _by_identity(facts.terminals) if park in (None, *(t.park_id for t in u))]
    deployed = [unit for unit in units if _in_service(unit, on)]
    resting = {e.uscc: e.resting for e in facts.enterprises}
    days = [_days(facts, unit, resting) for unit in deployed if unit[0].kind == "device"]
    linked = sum(_connected(*pair) for pair in days)
    nobody_can_tell = sum(scheduled < _LEAST_DAYS for _, scheduled in days)
    yield "CA-2", "measured", linked, len(days), nobody_can_tell
    yield "CA-7", "measured", len(deployed), None, 0


def in_scope(enterprise: Enterprise) -> bool:
    """Whether it is an industrial SME of the New City (个体工商户 have a status of their own)."""
    return (
        enterprise.register_status == ACTIVE
        and enterprise.in_new_city
        and enterprise.industry_code[0] in "BCD"
        and size_class(enterprise.staff, enterprise.revenue_wan) != "large"
    )


def connected_owners(facts: ParkFacts) -> set[str]:
    """Enterprises with at least one connected device in service (E3), wherever it stands."""
    resting = {e.uscc: e.resting for e in facts.enterprises}
    deployed = [u for u in _by_identity(facts.terminals) if _in_service(u, facts.reference_date)]
    return {
        unit[0].enterprise_uscc
        for unit in deployed
        if unit[0].kind == "device" and _connected(*_days(facts, unit, resting))
    }


def _used(enterprise: Enterprise, on: date) -> bool:
    """E2: the provider's last record of use lies in the 90 days up to `on`."""
    if enterprise.provider_last_use is None:
        return False
    return on - _WINDOW <= enterprise.provider_last_use.astimezone(ZONE).date() <= on


def _nobody_knows(enterprise: Enterprise, on: date) -> bool:
    """No declaration, or one that may have begun at any time and has not ended."""
    ended = enterprise.declared_to is not None and enterprise.declared_to < on - _WINDOW
    undated = enterprise.declared_cloud == "yes" and enterprise.declared_from is None
    return enterprise.declared_cloud == "unknown" or (undated and not ended)


def _declared(enterprise: Enterprise, on: date) -> bool:
    """E1: declared, begun by `on`, not ended before the window."""
    begun = enterprise.declared_from is not None and enterprise.declared_from <= on
    ended = enterprise.declared_to is not None and enterprise.declared_to < on - _WINDOW
    return enterprise.declared_cloud == "yes" and begun and not ended


def _in_service(unit: Sequence[Terminal], on: date) -> bool:
    """Whether any listing of a device is activated by the day and not retired by then."""
    return any(
        listing.activated_on is not None
        and listing.activated_on <= on
        and (listing.retired_on is None or listing.retired_on > on)
        for listing in unit
    )


def _by_identity(terminals: Iterable[Terminal]) -> list[list[Terminal]]:
    """Devices as their listings, first by platform."""
    found: dict[str, list[Terminal]] = {}
    for terminal in sorted(terminals, key=lambda t: (t.platforms[:1], t.terminal_id)):
        found.setdefault(terminal.product_instance_uri, []).append(terminal)
    return list(found.values())


def _days(
    facts: ParkFacts, listings: Sequence[Terminal], resting: dict[str, frozenset[date]]
) -> tuple[int, int]:
    """Connected and scheduled days of the last 30; what any listing saw counts."""
    off = resting[listings[0].enterprise_uscc]
    on = facts.reference_date
    window = [on - timedelta(days=back) for back in range(_CONNECTED_DAYS)]
    scheduled = {day for day in window if day not in off}
    seen = {
        day
        for listing in listings
        for day, values, status, _ in listing.seen
        if values >= 1 and status >> 30 == 0
    }
    return len(seen & scheduled), len(scheduled)


def _connected(days: int, scheduled: int) -> bool:
    return days >= _LEAST_DAYS and days * 10 >= scheduled * 8
