"""What happened before on the same machine, and how it ended: what an engineer asks first."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

import polars as pl

WITHIN: Final = timedelta(days=30)
MOST: Final = 3


def similar(
    event: Mapping[str, Any], past: pl.DataFrame, at_most: int = MOST
) -> list[dict[str, Any]]:
    """Earlier events of the machine that are like this one, the most alike first.

    Alike: the same kind or the same leading signal, begun in the 30 days before; both before one,
    judged before not judged, later before earlier. Gives `event_id kind start minutes lost_min
    lead verdict verdict_by note is_alike_in`.

    Args:
        event: a row of ANOMALY_EVENTS.
        past: rows of ANOMALY_EVENTS with `verdict verdict_by said` (`models.lifecycle.states`).
        at_most: how many.
    """
    lead = _lead(event)
    since = event["start"] - WITHIN
    rows = [
        (_alikeness(row, event["kind"], lead), row)
        for row in past.filter(
            pl.col("work_unit_id") == event["work_unit_id"],
            pl.col("suppressed_by").is_null(),
            pl.col("start").is_between(since, event["start"], closed="left"),
        ).iter_rows(named=True)
    ]
    alike = [(both, row) for both, row in rows if both]
    alike.sort(key=lambda one: (len(one[0]), one[1]["verdict"] is not None, one[1]["start"]))
    return [_told(row, both) for both, row in reversed(alike)][:at_most]


def _alikeness(row: Mapping[str, Any], kind: str, lead: str | None) -> list[str]:
    """In what two events are alike: kind, signal."""
    same_lead = lead is not None and _lead(row) == lead
    return [*(["kind"] if row["kind"] == kind else []), *(["signal"] if same_lead else [])]


def _lead(event: Mapping[str, Any]) -> str | None:
    return event["signals"][0] if event["signals"] else None


def _told(row: Mapping[str, Any], both: list[str]) -> dict[str, Any]:
    end = row["end"]
    notes = [entry["note"] for entry in row["said"] if entry["note"]]
    return {
        **{name: row[name] for name in ("event_id", "kind", "start", "lost_min")},
        "minutes": None if end is None else (end - row["start"]).total_seconds() / 60,
        "lead": _lead(row),
        "verdict": row["verdict"],
        "verdict_by": row["verdict_by"],
        "note": notes[-1] if notes else None,
        "is_alike_in": both,
    }
