"""The park gateways P01 to P03 as timelines: the register, and a value of evidence a day."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, Final

import numpy as np

from connectors.raw import TICKS_PER_S, ticks_of
from connectors.simulator.nodes import UNIFIED, BrowseName, Series, Served
from connectors.simulator.park_facts import PARKS, ZONE, Enterprise, ParkFacts, Terminal, facts

URI: Final = "urn:parkpulse:sim:{}"

_ENTERPRISE: Final[tuple[tuple[str, str, Callable[[Enterprise], Any]], ...]] = (
    ("Uscc", "String", lambda e: e.uscc),
    ("NameZh", "String", lambda e: e.name_zh),
    ("NameEn", "String", lambda e: e.name_en),
    ("Staff", "UInt32", lambda e: e.staff),
    ("RevenueWan", "Double", lambda e: e.revenue_wan),
    ("IndustryCode", "String", lambda e: e.industry_code),
    ("RegisterStatus", "String", lambda e: e.register_status),
    ("LegalGroup", "String", lambda e: e.legal_group),
    ("InNewCity", "Boolean", lambda e: e.in_new_city),
    ("DeclaredCloud", "String", lambda e: e.declared_cloud),
    ("DeclaredFrom", "DateTime", lambda e: _day_text(e.declared_from)),
    ("DeclaredTo", "DateTime", lambda e: _day_text(e.declared_to)),
    ("ProviderLastUse", "DateTime", lambda e: _time_text(e.provider_last_use)),
    ("ParkId", "String", lambda e: ",".join(e.park_ids)),
)
_TERMINAL: Final[tuple[tuple[str, str, Callable[[Terminal], Any]], ...]] = (
    ("ProductInstanceUri", "String", lambda t: t.product_instance_uri),
    ("Kind", "String", lambda t: t.kind),
    ("EnterpriseUscc", "String", lambda t: t.enterprise_uscc),
    ("ActivatedOn", "DateTime", lambda t: _day_text(t.activated_on)),
    ("RetiredOn", "DateTime", lambda t: _day_text(t.retired_on)),
    (
        "Platforms",
        "String",
        lambda t: json.dumps(t.platforms, ensure_ascii=False, separators=(",", ":")),
    ),
)
_DTYPES: Final = {"Boolean": np.int64, "UInt32": np.uint64, "Double": np.float64}

Rows = list[tuple[datetime, Any, int, int]]
"""Source time, value, status code, seconds until delivery."""


def timelines(seed: int, anchor: datetime) -> list["ParkTimeline"]:
    """The three gateways."""
    return [ParkTimeline(park_id, facts(seed, anchor)) for park_id in PARKS]


class ParkTimeline:
    """What one gateway says of the enterprises and terminals of its park (a `SiteTimeline`)."""

    def __init__(self, site_id: str, known: ParkFacts) -> None:
        self.site_id, self.server_uri = site_id, URI.format(site_id)
        self._known = known
        self._made: dict[str, Callable[[], Rows]] = {}
        self.nodes: Sequence[Served] = list(self._enterprise_nodes()) + list(self._terminal_nodes())

    def series(self, node: Served) -> Series:
        """Everything `node` says, in order of delivery."""
        rows = sorted(self._made[node.node_id](), key=lambda row: _delivered(row))
        source = np.array([ticks_of(row[0]) for row in rows], np.int64)
        dtype = object if node.is_array else _DTYPES.get(node.value_type, object)
        values = np.empty(len(rows), dtype)
        values[:] = [row[1] for row in rows]
        return Series(
            source_ticks=source,
            server_ticks=source + TICKS_PER_S,
            delivered_ticks=np.array([_delivered(row) for row in rows], np.int64),
            values=values,
            status=np.array([row[2] for row in rows], np.uint32),
        )

    def _enterprise_nodes(self) -> Iterator[Served]:
        for enterprise in self._known.enterprises:
            if self.site_id in enterprise.park_ids:
                place = (*self._folder("Enterprises"), (self.server_uri, enterprise.uscc))
                for name, value_type, value in _ENTERPRISE:
                    fact = value(enterprise)
                    yield self._node(place, name, value_type, partial(self._once, fact))
                yield self._node(
                    place, "OperatingDay", "Boolean", partial(self._operating, enterprise)
                )

    def _terminal_nodes(self) -> Iterator[Served]:
        for terminal in self._known.terminals:
            if terminal.park_id == self.site_id:
                place = (*self._folder("Terminals"), (self.server_uri, terminal.terminal_id))
                for name, value_type, value in _TERMINAL:
                    fact = value(terminal)
                    yield self._node(place, name, value_type, partial(self._once, fact))
                yield self._node(place, "DailyGoodValues", "UInt32", partial(_evidence, terminal))

    def _folder(self, name: str) -> tuple[BrowseName, ...]:
        return (UNIFIED, "Park"), (UNIFIED, name)

    def _node(
        self,
        place: tuple[BrowseName, ...],
        name: str,
        value_type: str,
        rows: Callable[[], Rows],
    ) -> Served:
        node_id = f"nsu={self.server_uri};s={place[-1][1]}.{name}"
        self._made[node_id] = rows
        return Served(node_id, (*place, (UNIFIED, name)), value_type, is_array=name == "Platforms")

    def _once(self, value: object) -> Rows:
        """A fact of the register: said once, when the evidence begins."""
        return [(_midnight(self._known.days[0]), value, 0, 2)]

    def _operating(self, enterprise: Enterprise) -> Rows:
        return [(_evening(day), day not in enterprise.resting, 0, 5) for day in self._known.days]


def _evidence(terminal: Terminal) -> Rows:
    """One count a day; a late one was filled in some days afterwards, with its own day's time."""
    shift = int(terminal.terminal_id[1:]) % 40
    return [
        (_evening(day), values, status, 10 + shift + late * 86_400)
        for day, values, status, late in terminal.seen
    ]


def _delivered(row: tuple[datetime, Any, int, int]) -> int:
    return ticks_of(row[0]) + row[3] * TICKS_PER_S


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE)


def _evening(day: date) -> datetime:
    """The stamp of a day's evidence: its last minute, so that the day it speaks of is its date."""
    return _midnight(day) + timedelta(hours=23, minutes=59)


def _day_text(day: date | None) -> str | None:
    return None if day is None else _time_text(_midnight(day))


def _time_text(time: datetime | None) -> str | None:
    """ISO 8601 in UTC to 100 ns, as the raw rows of a DateTime have it."""
    return None if time is None else f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
