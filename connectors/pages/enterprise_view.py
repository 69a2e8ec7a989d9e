"""An enterprise's own page: its facts, its course, and where it is among peers nobody names."""

from datetime import timedelta
from typing import Final

from connectors.pages import charts, risk_words, timeline, words
from connectors.pages.desk import COURSE_DAYS, Desk, Row, View, label, pair
from connectors.pages.numbers import NOTHING, change, number, percent, plain, whole
from connectors.pages.risk_view import warnings
from connectors.pages.sectors import SECTOR

COURSES: Final = (
    ("running_s", ("运行时间", "Running time")),
    ("output", ("产量", "Output")),
    ("energy_wh", ("用电量", "Energy")),
    ("alarms", ("报警数", "Alarms")),
    ("terminals_online", ("在线终端", "Terminals online")),
)
TRENDS: Final = ("running_trend", "output_trend", "energy_trend", "energy_per_output_trend")
MOST_TREND: Final = 0.3
SHARES: Final = {"oee", "connectivity"}
SELF_SCORE: Final = "self_score"


def enterprise(desk: Desk, portrait: Row) -> View:
    """All that the page of an enterprise shows."""
    uscc = portrait["uscc"]
    return {
        "uscc": uscc,
        "name": desk.enterprise(uscc),
        "parks": [desk.park(key) for key in sorted(desk.parks_of.get(uscc, ()))],
        "sector_id": portrait["sector"] or "",
        "sector": pair(SECTOR, portrait["sector"]),
        "size": pair(words.SIZE, portrait["size_class"]),
        "running": number(portrait["running_h_per_day"], 1),
        "oee": percent(portrait["oee"], 1),
        "oee_completeness": percent(portrait["oee_completeness"], 1),
        "terminals": whole(portrait["terminals"]),
        "online": whole(portrait["terminals_online"]),
        "terminal_bar": charts.stack(
            [("connected", portrait["terminals_online"] or 0)], portrait["terminals"] or 0
        ),
        "declared": pair(words.DECLARED, portrait["cloud_declared"]),
        "verified": portrait["cloud_verified"],
        "trends": [
            {
                "name": risk_words.FIGURE[name],
                "value": change(portrait[name]),
                "bar": charts.diverging(_cut(portrait[name]), MOST_TREND),
            }
            for name in TRENDS
        ],
        "trend_basis": _basis(portrait.get("trend_basis")),
        "dimensions": [
            {
                "name": words.DIMENSION[name],
                "value": number(portrait[name], 1),
                "bar": charts.meter(None if portrait[name] is None else portrait[name] / 100),
            }
            for name in words.DIMENSION
        ],
        "digital_known": percent(portrait["digital_known"], 0),
        "self_score": number(portrait["self_score"], 1),
        "self_bar": charts.meter(
            None, claimed=None if portrait["self_score"] is None else portrait["self_score"] / 100
        ),
        "courses": courses(desk, uscc),
        "peers": peers(desk, uscc),
        "warnings": warnings(desk, uscc=uscc),
    }


def _basis(basis: str | None) -> words.Pair:
    if basis is None:
        return (
            "与上年同期（无上年数的与 84 天前）相比",
            "against a year before or, where unknown, 84 days before",
        )
    return pair(words.TREND_BASIS, basis)


def _cut(value: float | None) -> float | None:
    """A bar ends at MOST_TREND more or less; the number beside it says how much it is."""
    return None if value is None else min(max(value, -MOST_TREND), MOST_TREND)


def courses(desk: Desk, uscc: str) -> list[View] | None:
    """The last 84 days of each figure; days off and days that we missed are gaps."""
    rows = desk.enterprise_days.get(uscc, []) if desk.frames.enterprise_days is not None else None
    if rows is None:
        return None
    days = {row["day"]: row for row in rows}
    spread = [desk.day - timedelta(back) for back in range(COURSE_DAYS - 1, -1, -1)]
    views = []
    for column, name in COURSES:
        values = [
            None if (row := days.get(when)) is None or row["is_operating"] is False
            or not row["is_collected"] or row[column] is None
            else float(row[column])
            for when in spread
        ]  # fmt: skip
        known = [value for value in values if value is not None]
        if known:
            unit, factor = UNITS.get(column, (("", ""), 1.0))
            views.append(
                {
                    "name": name,
                    "unit": unit,
                    "last": plain(known[-1] * factor),
                    "low": plain(min(known) * factor),
                    "high": plain(max(known) * factor),
                    "days": len(known),
                    "spark": timeline.spark(
                        values, charts.both(f"{name[0]}近 84 日", f"{name[1]}, 84 days")
                    ),
                }
            )
    return views


UNITS: Final = {
    "running_s": (("台时", "machine-hours"), 1 / 3600),
    "energy_wh": (("千瓦时", "kWh"), 1e-3),
    "output": (("（本企业计量单位）", "(own unit)"), 1.0),
    "alarms": (("次", ""), 1.0),
    "terminals_online": (("个", ""), 1.0),
}


def peers(desk: Desk, uscc: str) -> list[View] | None:
    """Strips of the enterprise's figures among peers whom nobody names; None without a frame."""
    if desk.frames.self_views is None:
        return None
    return [_strip(row) for row in desk.self_views.get(uscc, []) if row["figure"] != SELF_SCORE]


def _strip(row: Row) -> View:
    own, q1, median, q3 = (row[name] for name in ("value", "q1", "median", "q3"))
    view: View = {
        "name": label(row["name_zh"], row["name_en"], row["figure"]),
        "own": _told(own, row),
        "peers": label(row["peers_zh"], row["peers_en"], NOTHING),
        "note": label(row["note_zh"], row["note_en"], ""),
        "where": None if row["quarter"] is None else pair(words.QUARTER, row["quarter"]),
        "is_told": median is not None,
    }
    if median is None:
        return view
    known = [one for one in (q1, median, q3, own) if one is not None]
    air = 0.25 * (max(known) - min(known)) or 0.1 * abs(median) or 0.1
    strip = charts.quartiles(own, q1, median, q3, (min(known) - air, max(known) + air))
    ends = [_told(one, row) for one in (q1, median, q3)]
    return view | {"strip": strip, "ends": ends}


def _told(value: float | None, row: Row) -> str:
    if value is None:
        return NOTHING
    if row["figure"].endswith("_trend"):
        return change(value)
    if row["figure"] in SHARES:
        return percent(value, 1)
    return number(value, 1 if row["unit"] else 0)
