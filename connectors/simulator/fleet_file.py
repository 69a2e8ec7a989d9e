"""The fleet file of a simulated fleet, with the tables it names."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from connectors.simulator.calendars import ZONE, plan, to_time
from connectors.simulator.conventions import Convention
from connectors.simulator.fleet import Factory, fleet, parks
from connectors.simulator.kinds import KINDS
from connectors.simulator.said import Span

FILES: Final = ("calendar", "cycles", "reasons")
CALENDAR: Final = (
    "line_id", "work_unit_id", "production_day", "shift_id", "start", "end", "kind",
)  # fmt: skip
EVIDENCE_HOURS: Final = 24 * 120
"""A park gateway has 120 days of daily evidence, and adoption looks back 90."""
CYCLES: Final = ("line_id", "work_unit_id", "product_id", "pri_s", "origin", "valid_from")
REASONS: Final = ("stop_reason_code", "name_zh", "name_en", "category", "valid_from")
CONVENTIONS: Final = (
    "line_id", "work_unit_id", "profile_id", "rules", "breaks", "rework", "micro_stop_s",
    "start_up_s", "least_completeness", "valid_from",
)  # fmt: skip


PRIVATE: Final = ("F03", "F08")
"""Factories that do not permit their OEE in their enterprise's portrait."""


def write_fleet(path: Path, urls: Mapping[str, str], span: Span) -> None:
    """Write the fleet TOML, and the tables it names beside it (`<site>.calendar.csv`, ...).

    `urls` is by site id; the calendars cover `span`. Needs no timeline, only what is planned.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    factories = {factory.factory_id: factory for factory in fleet()}
    entries = [_entry(site_id, factories.get(site_id), url) for site_id, url in urls.items()]
    path.write_text("\n".join(entries), encoding="utf-8")
    for factory in (factories[site_id] for site_id in urls if site_id in factories):
        _write_csv(path.parent / _name(factory, "calendar"), CALENDAR, calendar_rows(factory, span))
        _write_csv(path.parent / _name(factory, "cycles"), CYCLES, cycle_rows(factory, span))
        _write_csv(path.parent / _name(factory, "reasons"), REASONS, reason_rows(span))
        if factory.convention is not None:
            rows = [convention_row(factory.convention, span)]
            _write_csv(path.parent / _name(factory, "conventions"), CONVENTIONS, rows)


def calendar_rows(factory: Factory, span: Span) -> list[tuple[str, ...]]:
    """Every planned interval of the span, in local time."""
    return [
        (
            row.line_id, "", row.shift.production_day.isoformat(), row.shift.shift_id,
            local_iso(row.start_ms), local_iso(row.end_ms), row.kind,
        )
        for row in plan(factory, span.start_ms, span.end_ms)
    ]  # fmt: skip


def cycle_rows(factory: Factory, span: Span) -> list[tuple[str, ...]]:
    """Planned run time per item of every work unit and product, valid for the whole span."""
    return [
        (
            machine.line_id, machine.work_unit_id, product.product_id,
            repr(product.pri_us / 1_000_000), "validated", local_iso(span.start_ms),
        )
        for machine in factory.machines
        for product in machine.type.products
    ]  # fmt: skip


def reason_rows(span: Span) -> list[tuple[str, ...]]:
    """What the stop reason codes mean: the same on every machine."""
    return [
        (one.reason, one.zh, one.name.replace("_", " "), one.category, local_iso(span.start_ms))
        for one in KINDS
        if one.reason
    ]


def convention_row(agreed: Convention, span: Span) -> tuple[str, ...]:
    """The profile of all machines; blank is as in the default."""
    since = agreed.valid_from(span.day).isoformat()
    said = (agreed.profile_id, agreed.rules, "", "", str(agreed.micro_stop_s), "", "")
    return ("", "", *said, since)


def local_iso(ms: int) -> str:
    """Epoch milliseconds as ISO 8601 in Asia/Shanghai, with offset."""
    return to_time(ms).astimezone(ZONE).isoformat()


def _entry(site_id: str, factory: Factory | None, url: str) -> str:
    kind = "park" if factory is None else "factory"
    park = parks()[site_id] if factory is None else {}
    names = (park["zh"], park["en"]) if factory is None else (factory.name_zh, factory.name_en)
    lines = [f"[[{kind}]]", f"id = {json.dumps(site_id)}"]
    told = zip(("name", "name_en"), names, strict=True)
    lines += [f"{key} = {json.dumps(name, ensure_ascii=False)}" for key, name in told]
    if factory is not None:
        lines += [f"sector = {json.dumps(factory.sector.name)}"]
        lines += [f"share_oee = {json.dumps(site_id not in PRIVATE)}"]
        lines += [f"{what} = {json.dumps(_name(factory, what))}" for what in FILES]
        if factory.convention is not None:
            lines += [f"conventions = {json.dumps(_name(factory, 'conventions'))}"]
    lines += [f"[[{kind}.server]]", f"url = {json.dumps(url)}"]
    if factory is None:
        lines += [f"history_hours = {EVIDENCE_HOURS}"]
    return "\n".join([*lines, ""])


def _name(factory: Factory, what: str) -> str:
    return f"{factory.factory_id}.{what}.csv"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
