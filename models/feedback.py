"""A factory's events seen with what people said of them: states, budget, metrics and precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, NamedTuple

import polars as pl

from models import alarm_metrics, budget, lifecycle
from models.alarm_metrics import Period
from models.budget import Engineers
from pipelines.days import midnight

DAYS: Final = 30
"""ISA-18.2 asks for so many days before an alarm system is judged."""


class JudgedDay(NamedTuple):
    """A local day of a factory that was judged: how far its data went, its ANOMALY_EVENTS."""

    day: date
    until: datetime
    events: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Review:
    """What a factory's report of a day says of alarms and answers.

    `events` (STORY) and `states` (ANOMALY_FEEDBACK) are of all days looked at; `of_day` names those
    that the last day tells, which reaches from `since` to `until`. `nowhere` has the entries
    (FEEDBACK) that fit no event.
    """

    since: datetime
    until: datetime
    events: pl.DataFrame
    states: pl.DataFrame
    of_day: list[str]
    nowhere: pl.DataFrame
    announcements: pl.DataFrame
    metrics: pl.DataFrame
    precision: pl.DataFrame

    @property
    def told(self) -> pl.DataFrame:
        """ANOMALY_FEEDBACK of the last day."""
        return self.states.filter(pl.col("event_id").is_in(self.of_day))

    @property
    def asked(self) -> pl.DataFrame:
        """ANNOUNCEMENTS of the last day: whatever asked in it, since whenever it is active."""
        inside = pl.col("time").is_between(self.since, self.until, closed="left")
        return self.announcements.filter(inside)

    @property
    def past(self) -> pl.DataFrame:
        """Events with their words, for `models.similar`."""
        words = self.states.select("event_id", "verdict", "verdict_by", "said")
        return self.events.join(words, on="event_id", how="inner", maintain_order="left")


def review(
    days: Sequence[JudgedDay],
    journal: pl.DataFrame,
    *,
    factory: str,
    plan: pl.DataFrame,
    engineers: Engineers,
    at: datetime | None = None,
) -> Review:
    """The last of the days, with those before it, as known `at` an instant.

    Args:
        days: judged days, oldest first, at most DAYS of them; at least one.
        journal: FEEDBACK of the factory.
        factory: its id.
        plan: its plan, for shifts.
        engineers: who answers for which factory or line.
        at: entries after it are not known; without it the last entry, and the last value, are.
    """
    last, first = days[-1], days[0]
    since = midnight(last.day)
    latest = journal["time"].max()
    known = at or max(last.until, latest if isinstance(latest, datetime) else last.until)
    events = lifecycle.story((day.until, day.events) for day in days)
    placed = lifecycle.place(events, journal)
    states = lifecycle.states(events, placed, known, last.until)
    asks = budget.announcements(states, events, plan, engineers)
    periods = [
        Period("day", since, last.until),
        Period("30_days", midnight(first.day), last.until),
    ]
    return Review(
        since,
        last.until,
        events,
        states,
        last.events["event_id"].to_list(),
        _nowhere(placed, midnight(first.day)),
        asks,
        alarm_metrics.metrics(asks, states, factory, engineers, periods),
        alarm_metrics.precision(states, factory),
    )


def _nowhere(placed: pl.DataFrame, since: datetime) -> pl.DataFrame:
    """Entries that fit no event; those of events from before the first day are not looked for."""
    seen = pl.coalesce("start", "time")
    return placed.filter(pl.col("current_id").is_null(), seen >= since).drop("current_id")
