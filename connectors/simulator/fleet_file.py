"""The fleet file of a simulated fleet, with the calendar and cycle files it names."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from connectors.simulator.calendars import ZONE, to_time
from connectors.simulator.fleet import parks
from connectors.simulator.nodes import SiteTimeline
from connectors.simulator.timeline import FactoryTimeline

CALENDAR: Final = (
    "line_id", "work_unit_id", "production_day", "shift_id", "start", "end", "kind",
)  # fmt: skip
EVIDENCE_HOURS: Final = 24 * 120
"""A park gateway has 120 days of daily evidence, and adoption looks back 90."""
CYCLES: Final = ("line_id", "work_unit_id", "product_id", "pri_s", "origin", "valid_from")


def write_fleet(path: Path, sites: Sequence[SiteTimeline], urls: Mapping[str, str]) -> None:
    """Write the fleet TOML, and `<site>.calendar.csv` and `<site>.cycles.csv` beside it.

    `urls` is by site id. Raises KeyError when a site has none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    entries = [_entry(site, urls[site.site_id]) for site in sites]
    path.write_text("\n".join(entries), encoding="utf-8")
    for site in sites:
        if isinstance(site, FactoryTimeline):
            _write_csv(path.parent / _name(site, "calendar"), CALENDAR, calendar_rows(site))
            _write_csv(path.parent / _name(site, "cycles"), CYCLES, cycle_rows(site))


def calendar_rows(site: FactoryTimeline) -> list[tuple[str, ...]]:
    """Every planned interval of the timeline, in local time."""
    return [
        (
            row.line_id, "", row.shift.production_day.isoformat(), row.shift.shift_id,
            local_iso(row.start_ms), local_iso(row.end_ms), row.kind,
        )
        for row in site.plan
    ]  # fmt: skip


def cycle_rows(site: FactoryTimeline) -> list[tuple[str, ...]]:
    """Planned run time per item of every work unit and product, valid for the whole timeline."""
    return [
        (
            m.machine.line_id, m.machine.work_unit_id, product.product_id,
            repr(product.pri_us / 1_000_000), "validated", local_iso(site.span.start_ms),
        )
        for m in site.machines
        for product in m.machine.type.products
    ]  # fmt: skip


def local_iso(ms: int) -> str:
    """Epoch milliseconds as ISO 8601 in Asia/Shanghai, with offset."""
    return to_time(ms).astimezone(ZONE).isoformat()


def _entry(site: SiteTimeline, url: str) -> str:
    kind = "factory" if isinstance(site, FactoryTimeline) else "park"
    lines = [f"[[{kind}]]", f"id = {json.dumps(site.site_id)}"]
    lines += [f"name = {json.dumps(_site_name(site), ensure_ascii=False)}"]
    if isinstance(site, FactoryTimeline):
        lines += [f"{what} = {json.dumps(_name(site, what))}" for what in ("calendar", "cycles")]
    lines += [f"[[{kind}.server]]", f"url = {json.dumps(url)}"]
    if kind == "park":
        lines += [f"history_hours = {EVIDENCE_HOURS}"]
    return "\n".join([*lines, ""])


def _site_name(site: SiteTimeline) -> str:
    return (
        site.factory.name_zh if isinstance(site, FactoryTimeline) else parks()[site.site_id]["zh"]
    )


def _name(site: FactoryTimeline, what: str) -> str:
    return f"{site.site_id}.{what}.csv"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
