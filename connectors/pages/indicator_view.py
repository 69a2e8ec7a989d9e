"""Indicators on a page: figure, verdict, course, forecast with its interval, and arrival."""

from typing import Any, Final

from markupsafe import Markup

from connectors.pages import charts, timeline, words
from connectors.pages.desk import Desk, Row, View, pair
from connectors.pages.numbers import (
    HIDDEN,
    UNRELIABLE,
    day,
    english_unit,
    kpi_texts,
    month_en,
    month_zh,
    number,
    percent,
    target_text,
)
from connectors.pages.words import Pair
from pipelines.indicators import DISTRICT_ID, UNIT_FACTOR, dictionary
from pipelines.verdicts import UNIT_DECIMALS

ENTERED: Final = "entered"
"""`collection` of an indicator that an office reports."""
COVERAGE: Final = 0.8
"""Of the intervals that a forecast has, the one that is drawn and told."""
SERIES: Final = {"oee"}
"""Indicators whose history is that of the OEE roll-up."""


def terms() -> list[Row]:
    """The indicator dictionary, in order of publication."""
    return dictionary().to_dicts()


def area(desk: Desk, park_id: str | None) -> list[View] | None:
    """The indicators of an area that have a row, in order."""
    rows = desk.rows("kpi", area_id=park_id or DISTRICT_ID)
    if rows is None:
        return None
    kinds = {term["indicator_id"]: term for term in terms()}
    return [figure(desk, row, kinds.get(row["indicator_id"], {})) for row in rows]


def figure(desk: Desk, row: Row, term: Row) -> View:
    """One indicator of an area: big number, bounds, verdict, meter, target, completeness."""
    told = kpi_texts(row, term.get("kind", ""), is_public=desk.is_public)
    is_number = told["value"] not in (HIDDEN, UNRELIABLE) and row["value"] is not None
    unit = row["unit"] or ""
    return {
        "id": row["indicator_id"],
        "name": (row["name_zh"], row["name_en"]),
        "unit": (unit, english_unit(unit)),
        "value": told["value"],
        "bounds": told["bounds"],
        "target": target_text(row, words.TARGET),
        "verdict": row["verdict"] if is_number else None,
        "verdict_name": pair(words.VERDICT, row["verdict"]) if is_number else None,
        "meter": _meter(row) if is_number else charts.meter(None),
        "completeness": percent(row["completeness"], 1)
        if row["completeness"] is not None and told["value"] != HIDDEN
        else None,
        "respondents": row["respondents"],
        "status": row["status"],
        "is_number": is_number,
        "is_entered": term.get("collection") == ENTERED,
        "note": _note(told["value"]),
    }


def _note(value: str | None) -> Pair | None:
    if value == HIDDEN:
        return (
            "未经保密审查或因保密不公布",
            "not cleared by disclosure control, or hidden by it",
        )
    if value == UNRELIABLE:
        return ("数据不完整，不成其数", "incomplete data: no number")
    return None


def _meter(row: Row) -> Markup:
    """A bar to 100 % or a little beyond the target; a count without a target has no scale."""
    value, target, unit = row["value"], row["target"], row["unit"]
    if unit != "%" and target is None:
        return Markup("")
    lower = value if row["lower"] is None else row["lower"]
    upper = value if row["upper"] is None else row["upper"]
    full = 100.0 if unit == "%" else 1.15 * max(upper, target or 0.0, 1e-9)
    return charts.meter(
        value / full, lower / full, upper / full, None if target is None else target / full
    )


def pages_of(desk: Desk) -> list[View]:
    """Every indicator of the dictionary: its district figure, parks, course and definition."""
    rows = desk.rows("kpi")
    cells = {(r["indicator_id"], r["area_id"]): r for r in rows or []}
    parks = list(desk.frames.parks)
    return [
        {
            "term": term,
            "name": (term["name_zh"], term["name_en"]),
            "target": target_text(term, words.TARGET),
            "unit": (term["unit"], english_unit(term["unit"])),
            "is_entered": term.get("collection") == ENTERED,
            "district": figure(desk, row, term)
            if (row := cells.get((term["indicator_id"], DISTRICT_ID)))
            else None,
            "parks": [
                (
                    desk.park(key),
                    kpi_texts(cell, term["kind"], is_public=desk.is_public)["value"]
                    if (cell := cells.get((term["indicator_id"], key)))
                    else None,
                )
                for key in parks
            ],
            "course": course(desk, term),
            "arrival": arrival(desk, term),
        }
        for term in terms()
    ]


def history(desk: Desk, term: Row) -> list[tuple[Any, float, float | None, float | None]]:
    """The days of an indicator that are known, in its unit: value and bounds, of the New City."""
    factor = UNIT_FACTOR.get(term["unit"], 1.0)
    if term["indicator_id"] in SERIES:
        rows = desk.rows("oee_days", level="district") or []
        told = [
            (r["production_day"], r["oee"], r["lower"], r["upper"])
            for r in rows
            if r["is_reliable"]
        ]
    else:
        rows = (
            desk.rows(
                "adoption", park_id=None, dimension="all",
                metric_id=term["metric_id"], basis=term["basis"],
            )
            if term["metric_id"] and term["basis"]
            else None
        ) or []  # fmt: skip
        told = [(r["reference_date"], r["value"], r["lower"], r["upper"]) for r in rows]
    return sorted(
        (when, value * factor, _times(lower, factor), _times(upper, factor))
        for when, value, lower, upper in told
        if value is not None and when <= desk.day
    )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def course(desk: Desk, term: Row) -> View | None:
    """History and forecast in one chart; a public page has no history of unchecked figures."""
    if not desk.is_published(term["indicator_id"], None):
        return None
    past = [] if desk.is_public else history(desk, term)
    cell = {"indicator_id": term["indicator_id"], "area_id": DISTRICT_ID, "coverage": COVERAGE}
    rows = desk.rows("forecasts", **cell) or []
    origin = max((r["origin"] for r in rows), default=None)
    ahead = sorted((r for r in rows if r["origin"] == origin), key=lambda r: r["day"])
    if len(past) + len(ahead) < 2:
        return None
    zh, en, places = term["name_zh"], term["name_en"], _decimals(term)
    lines = [timeline.Line("verified", [(d, v) for d, v, *_ in past], _said(past, ahead, places))]
    if ahead:
        joined = [(past[-1][0], past[-1][1])] if past and past[-1][0] <= ahead[0]["day"] else []
        told = [(r["day"], r["value"]) for r in ahead]
        last = number(told[-1][1], places)
        lines.append(timeline.Line("forecast", [*joined, *told], last))
    return {
        "chart": timeline.timeline(
            lines,
            charts.both(f"{zh}：历史与预测", f"{en}: history and forecast"),
            bands=[(r["day"], r["lower"], r["upper"]) for r in ahead],
            target=term["target"],
            since=origin if ahead else None,
        ),
        "has_forecast": bool(ahead),
        "has_target": term["target"] is not None,
        "forecast": _forecast(ahead),
        "table": [
            (
                day(r["day"]),
                number(r["value"], places),
                f"{number(r['lower'], places)} – {number(r['upper'], places)}",
            )
            for r in _thin(ahead)
        ],
    }


def _said(past: list[tuple[Any, ...]], ahead: list[Row], places: int) -> str:
    return number(past[-1][1], places) if past and not ahead else ""


def _decimals(term: Row) -> int:
    """Two, where the unit does not ask for more."""
    return max(2, UNIT_DECIMALS.get(term["unit"], 0))


def _thin(rows: list[Row]) -> list[Row]:
    """Some twelve rows, the last among them."""
    every = max(-(-len(rows) // 12), 1)
    return rows[::-1][::every][::-1]


def _forecast(ahead: list[Row]) -> View | None:
    if not ahead:
        return None
    last = ahead[-1]
    return {
        "origin": day(last["origin"]),
        "until": day(last["day"]),
        "coverage": percent(last["coverage"], 0),
        "method": last["method"] or "",
        "beats": last["beats_naive"],
        "skill": number(last["skill_naive"], 2),
        "seasonal": number(last["skill_seasonal"], 2),
        "measured": percent(last.get("measured_coverage"), 0)
        if last.get("measured_coverage") is not None
        else None,
    }


def arrival(desk: Desk, term: Row) -> Pair | None:
    """When the target will be reached, with its uncertainty, in words."""
    rows = desk.rows("arrivals", indicator_id=term["indicator_id"], area_id=DISTRICT_ID)
    if not rows or not desk.is_published(term["indicator_id"], None):
        return None
    row = max(rows, key=lambda r: r["origin"])
    chance = percent(row["chance_within"], 0)
    if row["median"] == row["origin"]:
        return "已达到目标", "The target is reached already"
    if row["median"] is None:
        first = row["earliest"]
        return (
            f"预测期内未必达到目标：{chance} 的模拟路径在预测期内达到"
            + (f"，最早 {month_zh(first)}" if first else ""),
            f"Not expected within the horizon: {chance} of simulated paths reach it"
            + (f", the earliest {month_en(first)}" if first else ""),
        )
    if row["latest"] is None:
        until_zh, until_en = "，最迟不在预测期内", ", the latest beyond the horizon"
    else:
        until_zh, until_en = f"至 {month_zh(row['latest'])}", f" to {month_en(row['latest'])}"
    return (
        f"预计 {month_zh(row['median'])}达到目标"
        f"（{month_zh(row['earliest'])}{until_zh}；{chance} 的模拟路径在预测期内达到）",
        f"Expected {month_en(row['median'])} ({month_en(row['earliest'])}{until_en};"
        f" {chance} of simulated paths reach it within the horizon)",
    )
