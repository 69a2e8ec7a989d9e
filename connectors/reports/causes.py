"""Events of several machines with one cause: one item for the reader, the others beneath it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import polars as pl

from connectors.reports import words
from connectors.reports.view import RANK, View, local

SIDES: Final[dict[str, words.Pair]] = {"low": ("偏低", "low"), "high": ("偏高", "high")}


def folded(items: Sequence[View], causes: pl.DataFrame | None) -> list[View]:
    """Items (`replies.answered`) in order, each with `cause` and `others`; a cause is one item.

    It is the item of the first event that is shown, as urgent as the most urgent of them, with what
    to check that they share, and answered when that first one is. `causes` are CAUSES
    (`models.schemas`).
    """
    known = {} if causes is None else {row["cause_id"]: row for row in causes.to_dicts()}
    members: dict[str, list[View]] = {}
    for item in sorted(items, key=lambda i: (i["start"], i["event_id"])):
        cause = item.get("cause_id") or ""
        members.setdefault(cause if cause in known else item["event_id"], []).append(item)
    out = [_item(own, known.get(cause)) for cause, own in members.items()]
    place = {item["event_id"]: n for n, item in enumerate(items)}
    return sorted(out, key=lambda i: (i["is_answered"], _first(i, place)))


def _first(item: View, place: Mapping[str, int]) -> int:
    """Where the most urgent event of an item stood."""
    return min(place[one["event_id"]] for one in (item, *item["others"]))


def _item(own: Sequence[View], cause: Mapping[str, Any] | None) -> View:
    first, *others = ({**one, "cause": None, "others": []} for one in own)
    if cause is None or not others:
        return first
    worst = min(own, key=lambda one: RANK.get(one["priority"], len(RANK)))
    return {
        **first,
        "priority": worst["priority"],
        "level": worst["level"],
        "lost": _lost(one["lost_min"] for one in own),
        "cause": _cause(own, cause),
        "others": others,
        "check_zh": cause["check_zh"],
        "check_en": cause["check_en"],
    }


def _cause(own: Sequence[View], cause: Mapping[str, Any]) -> View:
    return {
        "machines": sorted({one["machine"] for one in own}),
        "measure": words.pair(words.MEASURES, cause["measure"]),
        "side": words.pair(SIDES, cause["side"]),
        "since": local(cause["start"]),
    }


def _lost(minutes: Iterable[float | None]) -> str | None:
    """Minutes of all, of those that are known."""
    known = [one for one in minutes if one is not None]
    return f"{sum(known):.0f}" if known else None
