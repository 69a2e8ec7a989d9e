"""Findings of a machine grouped into events that each need one response."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from models import advice
from models.habits import Habits
from models.schemas import ANOMALY_EVENTS, DATA_GAPS
from models.stakes import stake
from pipelines.schemas import EQUIPMENT_KEY

MERGE: Final = timedelta(minutes=20)
"""Findings of one machine at most this far apart are one event: one walk to the machine."""

MOST_SIGNALS: Final = 10
LEAST_GAP_MIN: Final = 1.0
SPECIFIC: Final = {"micro_stop_burst": 3, "quality_slide": 2, "speed_loss": 2}
"""A rule that fired says more about what is lost than a signal does: it names the event."""

Finding = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """What one machine was doing: silver frames of `pipelines.schemas`, cut to the machine."""

    episodes: pl.DataFrame
    increments: pl.DataFrame
    cycles: pl.DataFrame
    plan: pl.DataFrame


def events(
    findings: pl.DataFrame,
    *,
    key: Mapping[str, str],
    operation: Operation,
    habits: Habits,
    since: datetime,
    until: datetime,
) -> pl.DataFrame:
    """One machine's findings (models.schemas.FINDINGS) as ANOMALY_EVENTS, oldest first.

    Args:
        findings: from `models.explain.signal_findings` and `models.rules.findings`, concatenated.
        key: the machine's equipment key.
        operation: its states, counts, cycles and plan.
        habits: its training day (`models.habits.learn_habits`).
        since: start of the reported day; what began earlier and lasts into it is ongoing.
        until: how far the data goes.
    """
    rows = [
        _event(group, key, operation, habits, since, until) for group in _groups(findings, until)
    ]
    return pl.DataFrame(rows, schema=ANOMALY_EVENTS)


def data_gaps(episodes: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Spans of unknown state per machine (DATA_GAPS): items of their own, never anomalies."""
    ended = pl.col("end").fill_null(until)
    return (
        episodes.filter(pl.col("quality") == "unknown", pl.col("start") < until)
        .with_columns(end=pl.min_horizontal(ended, pl.lit(until)))
        .with_columns(minutes=(pl.col("end") - pl.col("start")).dt.total_seconds() / 60)
        .filter(pl.col("minutes") >= LEAST_GAP_MIN)
        .select(*EQUIPMENT_KEY, "start", "end", "minutes")
        .cast(DATA_GAPS)
        .sort(*EQUIPMENT_KEY, "start")
    )


def _groups(findings: pl.DataFrame, until: datetime) -> Iterator[list[Finding]]:
    group: list[Finding] = []
    reach = until
    for finding in findings.sort("start").iter_rows(named=True):
        if group and finding["start"] > reach + MERGE:
            yield group
            group = []
        end = finding["end"] or until
        reach = end if not group else max(reach, end)
        group.append(finding)
    if group:
        yield group


def _event(
    group: list[Finding],
    key: Mapping[str, str],
    operation: Operation,
    habits: Habits,
    since: datetime,
    until: datetime,
) -> dict[str, Any]:
    leading = leader(group)
    start = min(f["start"] for f in group)
    ongoing = any(f["end"] is None for f in group)
    end = until if ongoing else max(f["end"] for f in group)
    contributors = ranked(group)
    at_stake = stake(habits, operation.episodes, operation.increments, operation.cycles, start, end)
    peak = max(f["peak_score"] for f in group)
    minutes = (end - start).total_seconds() / 60
    level, why_zh, why_en = advice.priority(
        leading["kind"], peak, at_stake.lost_min, minutes, ongoing=ongoing
    )
    check_zh, check_en = advice.check(leading["kind"], contributors)
    product, order = _product(operation.episodes, start)
    return {
        **key,
        "event_id": f"{key['work_unit_id']}-{start:%Y%m%dT%H%M%SZ}",
        "kind": leading["kind"],
        "start": start,
        "end": None if ongoing else end,
        "state": "cleared" if not ongoing else "ongoing" if start < since else "new",
        "priority": level,
        "why_zh": why_zh,
        "why_en": why_en,
        "peak_score": peak,
        "signals": [c["sensor"] for c in contributors],
        "contributors": contributors,
        "product_id": product,
        "order_id": order,
        "shift_id": _shift(operation.plan, start),
        "suppressed_by": _suppressed(operation, start, end),
        "check_zh": check_zh,
        "check_en": check_en,
        "lost_min": at_stake.lost_min,
        "exposed_min": at_stake.exposed_min,
        "unknown_min": at_stake.unknown_min,
    }


def leader(group: list[Finding]) -> Finding:
    """The finding that names the event: a rule before a signal, then the highest peak."""
    return max(group, key=lambda f: (SPECIFIC.get(f["kind"], 0), f["peak_score"]))


def ranked(group: list[Finding]) -> list[dict[str, Any]]:
    """Signals of all findings of an event, the likely culprit first, each once.

    The rate that names the event stands first, then process signals by weight (share times the
    finding's peak and length), then other rates.
    """
    best: dict[str, tuple[float, dict[str, Any]]] = {}
    for finding in group:
        length = 1.0
        if finding["end"] is not None:
            length = min((finding["end"] - finding["start"]).total_seconds() / 1800, 1.0) + 0.1
        for contributor in finding["contributors"]:
            weight = contributor["share"] * min(finding["peak_score"], 10.0) * length
            had = best.get(contributor["sensor"], (0.0, contributor))
            better = contributor if weight > had[0] else had[1]
            best[contributor["sensor"]] = (had[0] + weight, better)
    leading = leader(group)
    first = {c["sensor"] for c in leading["contributors"]} if leading["kind"] in SPECIFIC else set()

    def place(pair: tuple[float, dict[str, Any]]) -> tuple[int, float]:
        weight, c = pair
        return (0 if c["sensor"] in first else 2 if c["kind"] == "rate" else 1, -weight)

    ordered = sorted(best.values(), key=place)[:MOST_SIGNALS]
    total = sum(weight for weight, _ in ordered) or 1.0
    return [{**contributor, "share": weight / total} for weight, contributor in ordered]


def _product(episodes: pl.DataFrame, at: datetime) -> tuple[str | None, str | None]:
    before = episodes.filter(pl.col("start") <= at).sort("start").tail(1)
    return (before["product_id"][0], before["order_id"][0]) if before.height else (None, None)


def _shift(plan: pl.DataFrame, at: datetime) -> str | None:
    found = plan.filter(pl.col("kind") == "busy", pl.col("start") <= at, pl.col("end") > at)
    return found["shift_id"][0] if found.height else None


def _suppressed(operation: Operation, start: datetime, end: datetime) -> str | None:
    """What keeps an event from asking for a response, if anything.

    Planned maintenance, a shift not planned, a break, or data missing for most of it.
    """
    kinds = operation.plan.filter(
        pl.col("kind").is_in(["planned_maintenance", "not_planned", "break"]),
        pl.col("start") <= start,
        pl.col("end") >= end,
    )["kind"]
    if len(kinds):
        return str(kinds[0])
    unknown = operation.episodes.filter(pl.col("quality") == "unknown").with_columns(
        pl.col("end").fill_null(end)
    )
    lapped = pl.min_horizontal("end", pl.lit(end)) - pl.max_horizontal("start", pl.lit(start))
    spans = unknown.select(lapped.dt.total_seconds())
    missing = sum(s for s in spans.to_series() if s > 0)
    return "missing_data" if missing > 0.5 * max((end - start).total_seconds(), 1.0) else None
