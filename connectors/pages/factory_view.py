"""Factories on a page: OEE with completeness and bounds, and what their interface still owes."""

from datetime import date, timedelta

from connectors.pages import charts, timeline, words
from connectors.pages.desk import Desk, Row, View, pair
from connectors.pages.numbers import HIDDEN, NOTHING, UNRELIABLE, day, percent

SPARK_DAYS = 28


def oee(desk: Desk, park_id: str | None) -> View | None:
    """OEE of the last day of an area's factories and of the area itself; public: the area only."""
    rows = desk.rows("oee_days")
    if rows is None:
        return None
    mine = [r for r in rows if r["production_day"] <= desk.day]
    if not mine:
        return {"day": None, "factories": [], "area": None}
    last = max(row["production_day"] for row in mine)
    level = "district" if park_id is None else "park"
    area = [r for r in mine if r["level"] == level and (park_id is None or r["park_id"] == park_id)]
    factories: dict[str, list[Row]] = {}
    for row in mine:
        if row["level"] == "factory" and park_id in (None, row["park_id"]):
            factories.setdefault(row["factory_id"], []).append(row)
    return {
        "day": day(last),
        "factories": []
        if desk.is_public
        else [_of_factory(desk, key, factories[key], last) for key in sorted(factories)],
        "area": _oee(desk.park(park_id), area, last, "") if area and not desk.is_public else None,
    }


def _of_factory(desk: Desk, key: str, rows: list[Row], last: date) -> View:
    """One factory; without its enterprise's permission how complete its data are, and no figure."""
    shown = _oee(desk.factory(key), rows, last, key)
    if desk.shares_oee(key):
        return {**shown, "is_shared": True}
    none = timeline.spark([], charts.both("未获许可", "not shared"))
    return {
        **shown, "is_shared": False, "value": HIDDEN, "bounds": NOTHING,
        "meter": charts.meter(None), "spark": none,
    }  # fmt: skip


def _oee(name: words.Pair, rows: list[Row], last: date, key: str) -> View:
    days = {row["production_day"]: row for row in rows}
    row = days.get(last)
    told = row if row is not None and row["is_reliable"] else None
    history = [days.get(last - timedelta(back)) for back in range(SPARK_DAYS - 1, -1, -1)]
    values = [r["oee"] if r is not None and r["is_reliable"] else None for r in history]
    return {
        "id": key,
        "name": name,
        "value": percent(told["oee"]) if told else UNRELIABLE if row else NOTHING,
        "bounds": f"{100 * told['lower']:.1f} – {100 * told['upper']:.1f}"
        if told and told["lower"] is not None and told["upper"] is not None
        else NOTHING,
        "completeness": percent(row["completeness"], 1) if row else NOTHING,
        "meter": charts.meter(told["oee"], told["lower"], told["upper"])
        if told
        else charts.meter(None),
        "whole": charts.stack(
            [("known", round(1000 * (row["completeness"] or 0)))] if row else [], 1000
        ),
        "spark": timeline.spark(values, charts.both(f"{name[0]}近 28 日", f"{name[1]}, 28 days")),
        "is_reliable": told is not None,
    }


def conformance(desk: Desk, park_id: str | None) -> list[View] | None:
    """What each factory must do for its interface, the first things first; none where public."""
    rows = desk.rows("conformance")
    if rows is None:
        return None
    if desk.is_public:
        return []
    parks = {r["factory_id"]: r["park_id"] for r in desk.rows("factories") or []}
    mine: dict[str, list[Row]] = {}
    for row in rows:
        if park_id in (None, parks.get(row["factory_id"])):
            mine.setdefault(row["factory_id"], []).append(row)
    return [
        {
            "id": key,
            "name": desk.factory(key),
            "level": min((r["level"] for r in found if r["level"] is not None), default=None),
            "todos": [_todo(row) for row in found if row["todo_zh"] or row["finding"]],
        }
        for key, found in sorted(mine.items())
    ]


def _where(line: str | None, unit: str | None) -> words.Pair:
    if line is None and unit is None:
        return ("全厂", "whole factory")
    zh = [f"产线 {line}"] if line else []
    en = [f"line {line}"] if line else []
    own = [unit] if unit else []
    return " · ".join([*zh, *own]), " · ".join([*en, *own])


def _todo(row: Row) -> View:
    return {
        "where": _where(row["line_id"], row["work_unit_id"]),
        "level": None if row["level"] is None else f"L{row['level']}",
        "aspect": pair(words.ASPECT, row["aspect"]),
        "subject": row["subject"] or "",
        "finding": row["finding"] or "",
        "share": percent(row["share"], 1) if row["share"] is not None else "",
        "todo": (row["todo_zh"] or row["todo_en"] or "", row["todo_en"] or row["todo_zh"] or ""),
        "unlocks": None if row.get("unlocks") is None else f"L{row['unlocks']}",
    }
