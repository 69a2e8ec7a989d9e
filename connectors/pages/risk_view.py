"""Open warnings with their evidence in words, the most severe first."""

import json
from typing import Any, Final

from connectors.pages import risk_words, words
from connectors.pages.desk import RANK, Desk, Row, View, pair
from connectors.pages.numbers import day, percent, plain, whole
from connectors.pages.words import Pair

MOST_FACTS: Final = 8
PRESSING: Final = ("high", "medium")
LEAST_SHOWN: Final = 6
"""Of those that do not press so many are shown at once; the others unfold."""
WEIGHED: Final = "contributions"
"""The key of what a model weighed, strongest first."""
MOST_FAMILIES: Final = 3

JOINED: Final = "rules"
"""Evidence of a warning that others were joined to."""
MOST_SHARE: Final = 100.0


def is_open(row: Row, desk: Desk) -> bool:
    """Raised by the day and not cleared by it."""
    cleared = row["cleared_on"]
    return bool(row["raised_on"] <= desk.day and (cleared is None or cleared > desk.day))


def open_rows(desk: Desk, park_id: str | None = None, uscc: str | None = None) -> list[Row] | None:
    """Open warnings of an area or of an enterprise, most severe and newest first."""
    rows = desk.rows("warnings")
    if rows is None:
        return None
    mine = [
        row
        for row in rows
        if is_open(row, desk) and uscc in (None, row["uscc"]) and desk.is_in(row["uscc"], park_id)
    ]
    return sorted(
        mine,
        key=lambda r: (
            RANK.get(r["severity"], 3), -r["raised_on"].toordinal(), -(r["confidence"] or 0.0),
            r["warning_id"],
        ),
    )  # fmt: skip


def warnings(desk: Desk, park_id: str | None = None, uscc: str | None = None) -> View | None:
    """Counts by severity, and the warnings themselves unless the page is public."""
    rows = open_rows(desk, park_id, uscc)
    if rows is None:
        return None
    firms = len({row["uscc"] for row in rows})
    return {
        "counts": []
        if desk.is_public
        else [
            (
                name,
                pair(words.SEVERITY, name),
                whole(sum(row["severity"] == name for row in rows)),
            )
            for name in words.SEVERITY
        ],
        "total": desk.firms(firms) if desk.is_few(firms) else whole(len(rows)),
        "is_quiet": not rows,
        "items": []
        if desk.is_public
        else [_item(desk, row, is_own=uscc is not None) for row in rows],
        "shown": max(LEAST_SHOWN, sum(row["severity"] in PRESSING for row in rows)),
    }


def _item(desk: Desk, row: Row, *, is_own: bool) -> View:
    figure, unit = pair(risk_words.FIGURE, row["figure"]), pair(risk_words.UNIT, row["unit"])
    return {
        "severity": row["severity"] if row["severity"] in RANK else "low",
        "severity_name": pair(words.SEVERITY, row["severity"]),
        "rule": pair(risk_words.RULE, row["rule"]),
        "who": None if is_own else desk.enterprise(row["uscc"]),
        "link": None if is_own else desk.link(row["uscc"]),
        "said": _said(figure, unit, row),
        "facts": facts(row["evidence"]),
        "begun": day(row["begun_on"]),
        "raised": day(row["raised_on"]),
        "seen": day(row["seen_on"]),
        "confidence": percent(row["confidence"], 0),
    }


def _said(figure: Pair, unit: Pair, row: Row) -> Pair | None:
    """Like 日产量 310 件，应为 520 件."""
    if row["value"] is None:
        return None
    is_share = row["figure"] in risk_words.FIGURE_SHARES
    seen, due = (_amount(row[k], unit, is_share=is_share) for k in ("value", "expected"))
    if row["expected"] is None:
        return f"{figure[0]} {seen[0]}", f"{figure[1]} {seen[1]}"
    return f"{figure[0]} {seen[0]}，应为 {due[0]}", f"{figure[1]} {seen[1]}, expected {due[1]}"


def _amount(value: float | None, unit: Pair, *, is_share: bool) -> Pair:
    if is_share:
        return percent(value, 1), percent(value, 1)
    number = plain(value)
    return f"{number} {unit[0]}".strip(), f"{number} {unit[1]}".strip()


def facts(evidence: str | None) -> list[tuple[Pair, Pair]]:
    """What the evidence holds, name by name; a text that is no JSON is shown as it is."""
    if not evidence:
        return []
    try:
        told = json.loads(evidence)
    except ValueError:
        return [(("证据", "evidence"), (evidence, evidence))]
    if not isinstance(told, dict):
        return [(("证据", "evidence"), _both(_value(told)))]
    said = [fact for key, value in told.items() for fact in _facts(key, value)]
    return said[:MOST_FACTS]


def _facts(key: str, value: Any) -> list[tuple[Pair, Pair]]:  # noqa: ANN401
    """One fact, or one for each rule that was joined to a warning as its evidence."""
    if key == JOINED and isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return [
            (pair(risk_words.RULE, str(one.get("rule"))), _both(str(one.get("raised_on") or "")))
            for one in value
        ]
    if key in risk_words.UNTOLD or value is None:
        return []
    if key == WEIGHED and isinstance(value, dict):
        spoke = [name for name, weight in value.items() if weight > 0][:MOST_FAMILIES]
        names = [pair(risk_words.FAMILY, name) for name in spoke]
        told = "、".join(zh for zh, _ in names), ", ".join(en for _, en in names)
        return [(pair(risk_words.EVIDENCE, key), told)] if spoke else []
    return [(pair(risk_words.EVIDENCE, key), _both(_fact(key, value)))]


def _both(text: str) -> Pair:
    return text, text


def _fact(key: str, value: Any) -> str:  # noqa: ANN401
    """Shares and changes as percentages, whatever else as it is."""
    if isinstance(value, float) and key in risk_words.EVIDENCE_SHARES and abs(value) < MOST_SHARE:
        return percent(value, 1)
    return _value(value)


def _value(value: Any) -> str:  # noqa: ANN401
    """JSON of any kind: numbers as numbers, lists with their first three."""
    if isinstance(value, bool) or value is None:
        return {True: "✓", False: "✗", None: "—"}[value]
    if isinstance(value, int | float):
        return plain(float(value)) if abs(value) < 1e15 else str(value)
    if isinstance(value, list):
        more = " …" if len(value) > 3 else ""
        return ", ".join(_value(one) for one in value[:3]) + more
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(one)}" for key, one in list(value.items())[:3])
    return str(value)
