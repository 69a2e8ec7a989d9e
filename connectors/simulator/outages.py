"""Outages of the wire that an offline run plays: when nothing reaches the collector."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from connectors.simulator.calendars import local_day, local_midnight_ms, to_time
from connectors.simulator.faults import DAY_MS
from connectors.simulator.nodes import SiteTimeline
from connectors.simulator.seeds import stream

_OUTAGE_S: Final = (20.0, 300.0)
_MARGIN_MS: Final = 1_800_000
"""Outages keep half an hour from midnight and noon, so that two never meet."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A span in which nothing reaches the collector: dropped_connection or server_restart."""

    kind: str
    site_id: str
    server_uri: str
    start_ms: int
    end_ms: int


def plan_outages(seed: int, site: SiteTimeline, start_ms: int, end_ms: int) -> list[Outage]:
    """A dropped connection and a server restart on every local day that is closed at `end_ms`."""
    outages: list[Outage] = []
    day = local_day(start_ms)
    while local_midnight_ms(day) + DAY_MS <= end_ms:
        outages += _day_outages(seed, site, day)
        day += timedelta(days=1)
    return outages


def _day_outages(seed: int, site: SiteTimeline, day: date) -> Iterator[Outage]:
    """The two outages of a day, one in each half, so that they never meet."""
    rng = stream(seed, site.site_id, day, "outages")
    half = DAY_MS // 2
    for number, kind in enumerate(("dropped_connection", "server_restart")):
        length = round(float(rng.uniform(*_OUTAGE_S)) * 1000)
        begin = local_midnight_ms(day) + number * half
        start = begin + int(rng.integers(_MARGIN_MS, half - _MARGIN_MS))
        yield Outage(kind, site.site_id, site.server_uri, start, start + length)


def wire_faults(outages: Sequence[Outage]) -> str:
    """The outages as JSON lines, for the truth's `wire_faults.jsonl`."""
    rows = [
        {
            "kind": outage.kind,
            "site_id": outage.site_id,
            "server_uri": outage.server_uri,
            "start": to_time(outage.start_ms).isoformat(),
            "end": to_time(outage.end_ms).isoformat(),
        }
        for outage in outages
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)
