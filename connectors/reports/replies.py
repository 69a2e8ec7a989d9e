"""What was said of an event and how to answer it, and what alarms weigh: for the report's page."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from connectors.reports import words
from connectors.reports.figures import number
from connectors.reports.view import View, local, percent, span
from connectors.reports.words import Pair

COMMANDS: Final[tuple[tuple[Pair, str], ...]] = (
    (("确有异常", "It was real"), "parkpulse verdict {} true"),
    (("已处理", "Handled"), "parkpulse verdict {} handled"),
    (("误报", "False alarm"), "parkpulse verdict {} false"),
    (("已看到", "Seen"), "parkpulse ack {}"),
    (("搁置 8 小时", "Shelve for 8 h"), 'parkpulse shelve {} --for 8h --reason "..."'),
)
"""What one says, and the command that says it."""

MOST_WAITING: Final = 20


@dataclass(frozen=True, slots=True)
class Answers:
    """What people said of a day's events, and what the events weigh on them.

    Frames have the columns of `models.feedback_schemas`: `states` of the day's events,
    `announcements` of them, `over_budget` those that wait, `metrics` and `precision` of the day and
    of 30, `nowhere` the entries that fit no event. `similar` by event id: `models.similar`.
    """

    states: pl.DataFrame
    similar: Mapping[str, Sequence[Mapping[str, Any]]]
    announcements: pl.DataFrame
    over_budget: pl.DataFrame
    metrics: pl.DataFrame
    precision: pl.DataFrame
    nowhere: pl.DataFrame


def answered(items: Sequence[View], answers: Answers | None) -> list[View]:
    """The items with their `reply`; those that somebody has answered stand behind the others."""
    states = {} if answers is None else {r["event_id"]: r for r in answers.states.to_dicts()}
    waiting = set() if answers is None else set(answers.over_budget["event_id"])
    out = []
    for item in items:
        name = item["event_id"]
        past = () if answers is None else answers.similar.get(name, ())
        state = states.get(name)
        out.append(
            {
                **item,
                "commands": [(pair, text.format(shlex.quote(name))) for pair, text in COMMANDS],
                "is_answered": state is not None and _is_answered(state),
                "part_9": [] if state is None else part_9(state),
                "said": [] if state is None else [_said(one) for one in state["said"]],
                "similar": [_similar(one) for one in past],
                "is_waiting": name in waiting,
            }
        )
    return sorted(out, key=lambda item: item["is_answered"])


def part_9(state: Mapping[str, Any]) -> list[View]:
    """The state words that say something, each with its look: done, open or quiet."""
    shown = [_word(state["active_state"], "open" if state["active_state"] == "Active" else "done")]
    is_acked = state["acked_state"] == "Acknowledged"
    shown.append(_word(state["acked_state"], "done" if is_acked else "open"))
    if is_acked:
        is_confirmed = state["confirmed_state"] == "Confirmed"
        shown.append(_word(state["confirmed_state"], "done" if is_confirmed else "open"))
    if state["shelving_state"] != "Unshelved":
        until = state["shelved_until"]
        zh, en = words.PART_9[state["shelving_state"]]
        to = ("", "") if until is None else (f"至 {local(until)}", f" to {local(until)}")
        shown.append({"word": (zh + to[0], en + to[1]), "look": "quiet"})
    if state["verdict"]:
        shown.append({"word": words.pair(words.VERDICTS, state["verdict"]), "look": "verdict"})
    return shown


def load(answers: Answers | None) -> View | None:
    """The alarm budget and metrics of the day and of 30, and precision; None without answers."""
    if answers is None:
        return None
    waiting = answers.over_budget.to_dicts()
    per = answers.precision.to_dicts()
    whole = per.pop(0) if per else None
    return {
        "announced": int(answers.announcements["is_announced"].sum()),
        "asked": answers.announcements.height,
        "waiting": [_waiting(one) for one in waiting[:MOST_WAITING]],
        "more_waiting": max(0, len(waiting) - MOST_WAITING),
        "metrics": [_metrics(row) for row in answers.metrics.to_dicts()],
        "precision": None if whole is None else _precision(whole),
        "per": [_precision(row) for row in per if row["judged"] or row["duplicate"]],
        "nowhere": [_said(row) for row in answers.nowhere.to_dicts()],
    }


def _is_answered(state: Mapping[str, Any]) -> bool:
    is_acked: bool = state["acked_state"] == "Acknowledged"
    return is_acked or state["shelving_state"] != "Unshelved"


def _word(word: str, look: str) -> View:
    return {"word": words.pair(words.PART_9, word), "look": look}


def _said(entry: Mapping[str, Any]) -> View:
    until, of = entry["until"], entry["of"]
    zh, en = words.pair(words.ACTIONS, entry["action"])
    if entry["verdict"]:
        verdict = words.pair(words.VERDICTS, entry["verdict"])
        zh, en = f"{zh}：{verdict[0]}", f"{en}: {verdict[1]}"
    if until is not None:
        zh, en = f"{zh}至 {local(until)}", f"{en} to {local(until)}"
    return {
        "time": local(entry["time"]),
        "by": entry["by"],
        "event_id": entry["event_id"],
        "what": (f"{zh} {of}", f"{en} {of}") if of else (zh, en),
        "note": entry["note"] or entry["reason"] or "",
    }


def _similar(one: Mapping[str, Any]) -> View:
    lead, minutes, lost = one["lead"], one["minutes"], one["lost_min"]
    return {
        "when": local(one["start"]),
        "kind": words.pair(words.KINDS, one["kind"]),
        "lead": words.pair(words.MEASURES, lead) if lead else None,
        "minutes": "—" if minutes is None else f"{minutes:.0f}",
        "lost": "—" if lost is None else f"{lost:.0f}",
        "verdict": words.pair(words.VERDICTS, one["verdict"]) if one["verdict"] else None,
        "by": one["verdict_by"] or "",
        "note": one["note"] or "",
    }


def _waiting(row: Mapping[str, Any]) -> View:
    return {
        "event_id": row["event_id"],
        "engineer": row["engineer"],
        "machine": row["work_unit_id"],
        "kind": words.pair(words.KINDS, row["kind"]),
        "priority": row["priority"],
        "level": words.pair(words.PRIORITIES, row["priority"]),
        "time": local(row["time"]),
        "lost": "—" if row["lost_min"] is None else f"{row['lost_min']:.0f}",
    }


def _metrics(row: Mapping[str, Any]) -> View:
    shares = [row[f"{name}_share"] for name in ("low", "medium", "high")]
    return {
        **row,
        "period": _period(row),
        "span": span(row["from"], row["to"]),
        "rate": number(row["alarms_per_hour"]),
        "is_heavy": row["peak_hour"] > words.PER_HOUR,
        "flood": percent(row["flood_share"]),
        "shares": "—" if None in shares else " / ".join(f"{100 * s:.0f}" for s in shares),
        "top": "—" if row["top_10_share"] is None else f"{100 * row['top_10_share']:.0f}%",
        "ack": number(row["ack_min"]),
    }


def _precision(row: Mapping[str, Any]) -> View:
    kind = row["kind"]
    return {
        **row,
        "kind": words.pair(words.KINDS, kind) if kind else None,
        "share": "—" if row["precision"] is None else f"{100 * row['precision']:.0f}%",
        "interval": "—" if kind and not row["judged"] else _interval(row),
    }


def _interval(row: Mapping[str, Any]) -> str:
    return f"{100 * row['low']:.0f}–{100 * row['high']:.0f}%"


def _period(row: Mapping[str, Any]) -> Pair:
    """The day, or the 30 days with how many of them there are yet."""
    if row["period"] == "day":
        return words.DAY
    days = f"{row['hours'] / 24:.0f}"
    return f"三十天（已有 {days}）", f"30 days ({days} so far)"
