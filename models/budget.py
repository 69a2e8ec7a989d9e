"""The alarm budget: which events are announced to an engineer, and which wait for the next digest.

EEMUA 191: one alarm in 10 minutes is what a person can answer in the long run, so at most six in
any hour. Decided in order of time: what was announced stays announced, whatever comes later.
Events of one cause (`models.common_cause`) ask once, not once per machine.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from models.common_cause import WINDOW
from models.feedback_schemas import ANNOUNCEMENTS
from models.lifecycle import RANK
from pipelines.schemas import EQUIPMENT_KEY

HOUR: Final = timedelta(hours=1)
PER_HOUR: Final = {"high": 6, "medium": 5, "low": 3}
"""Announcements in an hour, of whatever priority, up to which one of this priority is announced.

An alarm that comes first must not take the place of a graver one that comes later: so the last of
the six places is kept for high priority, and the last three for what is not low.
"""

Engineers = Mapping[str, Sequence[str]]
"""Who answers for a factory or a line: its id -> names. A line goes before its factory."""


def engineers_of(engineers: Engineers, factory_id: str, line_id: str | None) -> Sequence[str]:
    """The engineers of a machine; where nobody is named, one who is called like the factory."""
    return engineers.get(line_id or "") or engineers.get(factory_id) or [factory_id]


def announcements(
    states: pl.DataFrame, events: pl.DataFrame, plan: pl.DataFrame, engineers: Engineers
) -> pl.DataFrame:
    """ANNOUNCEMENTS in order of time: each time that an event asked, announced or over the budget.

    Args:
        states: `models.lifecycle.states`; nothing that is suppressed or shelved asks.
        events: ANOMALY_EVENTS of them, for the OEE minutes at stake and what has one cause.
        plan: the factory's plan, for the shift in which an event asked.
        engineers: who answers; each person has a budget of their own in each shift.
    """
    lost = dict(events.select("event_id", "lost_min").iter_rows())
    told = sorted(_asks(states, lost, plan, engineers), key=urgency)
    asks = list(_once_per_cause(told, events))
    heard = defaultdict[tuple[str, str | None], deque[datetime]](deque)
    for ask in asks:
        own = heard[ask["engineer"], ask["shift_id"]]
        while own and own[0] <= ask["time"] - HOUR:
            own.popleft()
        ask["is_announced"] = len(own) < PER_HOUR.get(ask["priority"], PER_HOUR["low"])
        if ask["is_announced"]:
            own.append(ask["time"])
    return pl.DataFrame(asks, schema=ANNOUNCEMENTS)


def urgency(ask: Mapping[str, Any]) -> tuple[datetime, int, float, str, str]:
    """Order of asks: by time; at one time by priority, then OEE minutes at stake."""
    rank = -RANK.get(ask["priority"], 0)
    return (ask["time"], rank, -(ask["lost_min"] or 0.0), ask["event_id"], ask["engineer"])


def digest(asks: pl.DataFrame) -> pl.DataFrame:
    """What waits for the next digest, most urgent first: all that is over the budget."""
    return (
        asks.filter(~pl.col("is_announced"))
        .with_columns(rank=pl.col("priority").replace_strict(RANK, default=0, return_dtype=pl.Int8))
        .sort("rank", pl.col("lost_min").fill_null(0.0), "time", "event_id", "engineer",
              descending=[True, True, False, False, False])
        .drop("rank")
    )  # fmt: skip


def _asks(
    states: pl.DataFrame,
    lost: Mapping[str, float | None],
    plan: pl.DataFrame,
    engineers: Engineers,
) -> Iterator[dict[str, Any]]:
    busy = plan.filter(pl.col("kind") == "busy").sort("start").to_dicts()
    for state in states.iter_rows(named=True):
        for time in state["asked"]:
            for engineer in engineers_of(engineers, state["factory_id"], state["line_id"]):
                yield {
                    **{name: state[name] for name in EQUIPMENT_KEY},
                    **{name: state[name] for name in ("event_id", "kind", "priority")},
                    "engineer": engineer,
                    "shift_id": _shift(busy, state, time),
                    "time": time,
                    "lost_min": lost.get(state["event_id"]),
                    "is_again": time != state["start"],
                }


def _once_per_cause(
    asks: Sequence[dict[str, Any]], events: pl.DataFrame
) -> Iterator[dict[str, Any]]:
    """Asks in order, less those of a cause that asked the same person less than a WINDOW before."""
    cause_of = dict(events.drop_nulls("cause_id").select("event_id", "cause_id").iter_rows())
    asked: dict[tuple[str, str], datetime] = {}
    for ask in asks:
        key = (cause_of.get(ask["event_id"], ask["event_id"]), ask["engineer"])
        before = asked.get(key)
        if before is None or ask["event_id"] not in cause_of or ask["time"] - before > WINDOW:
            asked[key] = ask["time"]
            yield ask


def _shift(busy: Sequence[Mapping[str, Any]], key: Mapping[str, Any], time: datetime) -> str | None:
    """The shift that the machine's plan names at a time; None outside of shifts."""
    return next(
        (
            row["shift_id"]
            for row in busy
            if row["start"] <= time < row["end"]
            and all(row.get(n) in (None, key[n]) for n in ("line_id", "work_unit_id"))
        ),
        None,
    )
