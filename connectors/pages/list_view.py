"""Lists on a page: evidence cards, projects, cloud services, links of chains, data centres."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from markupsafe import Markup

from connectors.pages import charts, words
from connectors.pages.desk import Desk, Row, View, label, ordered, pair
from connectors.pages.numbers import HIDDEN, NOTHING, change, day, number, percent, whole

MOST_OF: Final = 0.94
"""No year is written further along the axis than this."""
STATES: Final = ("met", "not_met", "unknown")
PARKS: Final = ("park", "benchmark_park")
"""Kinds of subjects of evidence cards that are parks; others are factories."""


def cards(desk: Desk) -> list[View] | None:
    """Evidence cards by subject, parks first; a public page has those of parks only."""
    rows = desk.rows("cards")
    if rows is None:
        return None
    subjects: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if not desk.is_public or row["subject_kind"] in PARKS:
            subjects.setdefault((row["subject_kind"], row["subject_id"]), []).append(row)
    return [
        _card(desk, kind, key, found)
        for (kind, key), found in sorted(
            subjects.items(), key=lambda item: (item[0][0] not in PARKS, item[0])
        )
    ]


def _card(desk: Desk, kind: str, key: str, rows: list[Row]) -> View:
    return {
        "kind": kind,
        "id": key,
        "name": desk.park(key) if kind in PARKS else desk.factory(key),
        "what": ("标杆园区", "Benchmark park") if kind in PARKS else ("智能工厂", "Smart factory"),
        "counts": [
            (state, words.STATE[state], sum(row["state"] == state for row in rows))
            for state in STATES
        ],
        "bar": charts.stack(
            [(f"c-{state}", sum(row["state"] == state for row in rows)) for state in STATES],
            len(rows),
        ),
        "criteria": [
            {
                "name": label(row["criterion_zh"], row["criterion_en"], row["criterion_id"]),
                "evidence": None  # its counts may be of one or two
                if desk.is_public
                else label(row["evidence_zh"], row["evidence_en"], NOTHING),
                "basis": label(row["basis_zh"], row["basis_en"], ""),
                "state": row["state"] if row["state"] in STATES else "unknown",
                "state_name": pair(words.STATE, row["state"]),
                "is_mandatory": row.get("is_mandatory"),
                "as_of": day(row["as_of"]),
            }
            for row in rows
        ],
    }


def projects(desk: Desk, park_id: str | None = None, uscc: str | None = None) -> View | None:
    """Projects by phase; rows with their plan and course unless the page is public."""
    rows = desk.rows("projects")
    if rows is None:
        return None
    rows = [r for r in rows if park_id in (None, r["park_id"]) and uscc in (None, r["uscc"])]
    by_project: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda r: (r["project_id"], _place(r["phase"]))):
        by_project.setdefault(row["project_id"], []).append(row)
    start, end = _reach(rows, desk.day)
    items = [_project(desk, found, start, end) for found in by_project.values()]
    counts = [sum(item["phase_key"] == name for item in items) for name in words.PHASE]
    told, total = desk.parts([*counts, len(items) - sum(counts)], len(items))
    late = desk.firms(sum(item["late_days"] > 0 for item in items))
    if desk.is_public and park_id is not None:  # of all parks but one would follow that one
        told, total, late = [HIDDEN for _ in told], HIDDEN, HIDDEN
    return {
        "phases": [
            (name, text, count)
            for (name, text), count in zip(words.PHASE.items(), told[: len(counts)], strict=True)
        ],
        "total": total,
        "has_states": desk.frames.project_states is not None,
        "late": late,
        "items": []
        if desk.is_public
        else sorted(items, key=lambda item: (-item["late_days"], item["place"], item["id"])),
        "years": [
            (charts.at((date(year, 1, 1) - start).days / max((end - start).days, 1)), year)
            for year in range(start.year + 1, end.year + 1)
            if (date(year, 1, 1) - start).days < MOST_OF * (end - start).days
        ],
    }


def _place(phase: str | None) -> int:
    """Phases in their order, others after them."""
    phases = list(words.PHASE)
    return phases.index(phase) if phase in phases else len(phases)


def _reach(rows: list[Row], today: date) -> tuple[date, date]:
    columns = ("planned_from", "planned_to", "entered_on", "left_on")
    days = [row[c] for row in rows for c in columns if row[c] is not None] or [today]
    return min(*days, today - timedelta(30)), max(*days, today + timedelta(30))


def _project(desk: Desk, rows: list[Row], start: date, end: date) -> View:
    first = rows[0]
    name = label(first["name_zh"], first["name_en"], first["project_id"])
    state = desk.project_states.get(first["project_id"], {})
    spans = [
        charts.Span(
            row["phase"],
            (row["planned_from"], row["planned_to"]),
            (row["entered_on"], row["left_on"]),
        )
        for row in rows
        if row["phase"] in words.PHASE
    ]
    return {
        "id": first["project_id"],
        "name": name,
        "who": desk.enterprise(first["uscc"]),
        "link": desk.link(first["uscc"]),
        "park": desk.park(first["park_id"]) if first["park_id"] else ("园外", "outside"),
        "phase": pair(words.PHASE, state.get("phase")),
        "phase_key": state.get("phase"),
        "state_key": state.get("state"),
        "state": pair(words.PROJECT_STATE, state.get("state")),
        "place": _place(state.get("phase")),
        "late_days": state.get("days_late") or 0,
        "next_on": day(state.get("next_on")),
        "invested": number(state.get("invested_wan"), 0),
        "todos": desk.project_todos.get(first["project_id"], []),
        "gantt": charts.gantt(
            spans, start, end, desk.day, charts.both(f"{name[0]}进度", f"course of {name[1]}")
        ),
        "rows": [
            {
                "phase": pair(words.PHASE, row["phase"]),
                "planned": f"{day(row['planned_from'])} – {day(row['planned_to'])}",
                "real": f"{day(row['entered_on'])} – {day(row['left_on'])}",
                "document": row["document"] or "",
            }
            for row in rows
        ],
    }


def services(desk: Desk, park_id: str | None) -> list[View] | None:
    """What the cloud service centre offers, by level, and how many enterprises use it."""
    rows = desk.rows("service_use", park_id=park_id)
    if rows is None:
        return None
    most = max((row["enterprises"] or 0 for row in rows), default=0)
    levels = [*ordered(words.LEVEL, [row["level"] for row in rows if row["level"]]), None]
    return [
        {
            "level": key or "",
            "name": pair(words.LEVEL, key) if key else ("层级未登记", "level not registered"),
            "items": [_service(desk, row, most) for row in sorted(found, key=_used_most)],
        }
        for key in levels
        if (found := [row for row in rows if row["level"] == key])
    ]


def _used_most(row: Row) -> tuple[int, str, str]:
    """Most users first; use of a platform without a service has no id."""
    return -(row["enterprises"] or 0), row["service_id"] or "", row["platform"] or ""


def _service(desk: Desk, row: Row, most: int) -> View:
    return {
        "name": label(row["name_zh"], row["name_en"], row["service_id"] or "未注明 not named"),
        "platform": row["platform"] or NOTHING,
        "stage": pair(words.CHAIN_STAGE, row["chain_stage"]),
        "firms": desk.firms(row["enterprises"]),
        "uses": NOTHING if desk.is_public else whole(row["uses"]),
        "trend": NOTHING if desk.is_public else change(row["trend"]),
        "bar": _used(desk, row["enterprises"], most),
        "is_unused": not row["uses"],
        "is_listed": row["is_listed"],
        "unattributed": 0 if desk.is_public else row["unattributed"] or 0,
    }


def _used(desk: Desk, count: int | None, most: int) -> Markup:
    """The bar of a count; one that is not told has none."""
    is_told = not desk.firms(count).startswith("<")
    return charts.stack([("fill", count or 0)] if is_told else [], most)


def chains(desk: Desk, park_id: str | None) -> list[View] | None:
    """Links of chains that a park has begun, in their order, and where they are."""
    rows = desk.rows("missing_links", park_id=park_id)
    if rows is None:
        return None
    names = dict.fromkeys(row["chain"] for row in rows)
    return [
        {
            "name": pair(words.GROUP, chain),
            "links": [
                {
                    "name": label(row["name_zh"], row["name_en"], row["link"]),
                    "state": row["state"],
                    "state_name": pair(words.LINK_STATE, row["state"]),
                    "in_park": desk.firms(row["in_park"]),
                    "in_district": HIDDEN if desk.is_public else whole(row["in_district"]),
                }
                for row in rows
                if row["chain"] == chain
            ],
        }
        for chain in names
    ]


def data_centres(desk: Desk, park_id: str | None) -> list[View] | None:
    """PUE of each data centre beside its limit; a public page has none of single ones."""
    rows = desk.rows("pue")
    if rows is None:
        return None
    mine = [row for row in rows if park_id in (None, row["park_id"]) and not desk.is_public]
    top = max([1.8, *(row["pue"] for row in mine if row["pue"] is not None)])
    return [_data_centre(desk, row, top) for row in mine]


def _data_centre(desk: Desk, row: Row, top: float) -> View:
    """The bar begins at 1, below which no PUE can be."""
    shares: Sequence[float | None] = [
        None if one is None else (one - 1) / (top - 1) for one in (row["pue"], row["target"])
    ]
    return {
        "id": row["data_centre_id"],
        "park": desk.park(row["park_id"]) if row["park_id"] else ("园外", "outside"),
        "kind": ("边缘数据中心", "edge") if row["is_edge"] else ("数据中心", "data centre"),
        "pue": number(row["pue"], 3),
        "target": number(row["target"], 1),
        "verdict": row["verdict"] or "none",
        "verdict_name": pair(words.VERDICT, row["verdict"]),
        "energy": f"{whole(row['facility_kwh'])} / {whole(row['it_kwh'])}",
        "span": f"{day(row['from_day'])} – {day(row['to_day'])}",
        "days": whole(row["days"]),
        "completeness": percent(row["completeness"], 1),
        "meter": charts.meter(shares[0], target=shares[1]),
    }
