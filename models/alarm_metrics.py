"""How heavy the alarms weigh on an engineer (EEMUA 191), and how often they were right.

An alarm is an event that asks for a response (`models.budget.announcements`), over the budget or
not: a budget must not make a flood invisible.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt
from typing import Any, Final

import polars as pl

from models.budget import HOUR, Engineers, engineers_of
from models.feedback_schemas import ALARM_METRICS, ALARM_PRECISION

TEN_MINUTES: Final = timedelta(minutes=10)
FLOOD: Final = 10
"""So many alarms within ten minutes are a flood: nobody can answer them (EEMUA 191)."""

STALE: Final = timedelta(hours=24)
CHATTERS: Final = 3
"""Activations of one machine and kind within an hour: three in a minute is the usual test, but our
findings are of half an hour, and what is nearer than 20 minutes is one event already."""

TARGETS: Final = {"low": 0.80, "medium": 0.15, "high": 0.05}
"""EEMUA 191's share of each priority."""

TOP: Final = 10
Z: Final = 1.959963984540054
"""Both sides of 95 %."""

VERDICTS: Final = ("true", "handled", "false", "duplicate")


@dataclass(frozen=True, slots=True)
class Period:
    """What is counted together: `day` or `30_days`, from an instant up to another."""

    name: str
    start: datetime
    end: datetime


def metrics(
    asks: pl.DataFrame,
    states: pl.DataFrame,
    factory: str,
    engineers: Engineers,
    periods: Sequence[Period],
) -> pl.DataFrame:
    """ALARM_METRICS of a factory's engineers, one row for each of them and each period.

    Args:
        asks: `models.budget.announcements`.
        states: `models.lifecycle.states` of the same events.
        factory: its id; who answers for no machine of it has no row.
        engineers: who answers, as for the budget.
        periods: half open; all counts are of asks inside.
    """
    own = states.with_columns(
        engineer=pl.struct("factory_id", "line_id").map_elements(
            lambda key: list(engineers_of(engineers, key["factory_id"], key["line_id"])),
            return_dtype=pl.List(pl.String()),
        )
    ).explode("engineer")
    named = set(asks["engineer"]) | set(own["engineer"].drop_nulls())
    named |= set(engineers_of(engineers, factory, None))
    rows = [
        _metrics(
            asks.filter(pl.col("engineer") == who),
            own.filter(pl.col("engineer") == who),
            period,
        )
        | {"factory_id": factory, "engineer": who}
        for period in periods
        for who in sorted(named)
    ]
    return pl.DataFrame(rows, schema=ALARM_METRICS)


def most_within(times: Sequence[datetime], span: timedelta) -> int:
    """The most alarms in any span of a length, its end excluded; `times` in order."""
    most = first = 0
    for last, time in enumerate(times):
        while time - times[first] >= span:
            first += 1
        most = max(most, last - first + 1)
    return most


def flood_time(times: Sequence[datetime], period: Period) -> timedelta:
    """How long the ten minutes before held FLOOD alarms or more; `times` in order."""
    total, reached = timedelta(0), period.start
    for first, last in zip(times, times[FLOOD - 1 :], strict=False):
        start, end = max(last, reached), min(first + TEN_MINUTES, period.end)
        if start < end:
            total, reached = total + (end - start), end
    return total


def precision(states: pl.DataFrame, factory: str) -> pl.DataFrame:
    """ALARM_PRECISION of events that asked: a row that sums all, then one per machine and kind."""
    asked = states.filter(pl.col("suppressed_state") == "Unsuppressed")
    counts = [
        *((pl.col("verdict") == one).sum().cast(pl.Int64).alias(one) for one in VERDICTS),
        pl.col("verdict").is_null().sum().cast(pl.Int64).alias("unjudged"),
    ]
    per = asked.group_by("work_unit_id", "kind").agg(counts).sort("work_unit_id", "kind")
    rows = [*asked.select(counts).to_dicts(), *per.to_dicts()]
    return pl.DataFrame(
        [row | _interval(row) | {"factory_id": factory} for row in rows], schema=ALARM_PRECISION
    )


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """Wilson's score interval of a share, 95 %; 0 to 1 where nothing was tried."""
    if trials == 0:
        return 0.0, 1.0
    share, z2 = hits / trials, Z * Z
    middle = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z * sqrt(share * (1 - share) / trials + z2 / (4 * trials**2)) / (1 + z2 / trials)
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    return low, 1.0 if hits == trials else min(1.0, middle + half)


def _interval(row: dict[str, Any]) -> dict[str, Any]:
    hits = row["true"] + row["handled"]
    judged = hits + row["false"]
    low, high = wilson(hits, judged)
    share = hits / judged if judged else None
    return {"judged": judged, "precision": share, "low": low, "high": high}


def _metrics(asks: pl.DataFrame, states: pl.DataFrame, period: Period) -> dict[str, Any]:
    inside = asks.filter(pl.col("time").is_between(period.start, period.end, closed="left"))
    times = inside["time"].sort().to_list()
    hours = max((period.end - period.start) / HOUR, 0.0)
    alarms, announced = inside.height, int(inside["is_announced"].sum())
    waited = states.filter(pl.col("event_id").is_in(inside["event_id"].to_list()))["ack_min"]
    return {
        "period": period.name,
        "from": period.start,
        "to": period.end,
        "hours": hours,
        "alarms": alarms,
        "announced": announced,
        "over_budget": alarms - announced,
        "alarms_per_hour": alarms / hours if hours else None,
        "peak_hour": most_within(times, HOUR),
        "peak_10_min": most_within(times, TEN_MINUTES),
        "flood_share": flood_time(times, period) / timedelta(hours=hours) if hours else None,
        **{f"{p}_share": _share(inside, p) for p in TARGETS},
        "stale": _stale(states, period),
        "chattering": _chattering(inside),
        "top_10_share": _top_share(inside),
        "acknowledged": waited.drop_nulls().len(),
        "ack_min": waited.mean(),
    }


def _share(inside: pl.DataFrame, priority: str) -> float | None:
    return float((inside["priority"] == priority).mean()) if inside.height else None  # type: ignore[arg-type]


def _stale(states: pl.DataFrame, period: Period) -> int:
    """Events that asked, and were active for more than STALE at some instant of the period."""
    end = pl.min_horizontal(pl.col("end").fill_null(period.end), pl.lit(period.end))
    return states.filter(
        pl.col("suppressed_state") == "Unsuppressed",
        end > period.start,
        end - pl.col("start") > STALE,
    ).height


def _chattering(inside: pl.DataFrame) -> int:
    """Machines and kinds that were activated CHATTERS times or more within an hour."""
    first = inside.filter(~pl.col("is_again")).sort("time")
    groups = first.group_by("work_unit_id", "kind").agg("time")["time"].to_list()
    return sum(most_within(times, HOUR) >= CHATTERS for times in groups)


def _top_share(inside: pl.DataFrame) -> float | None:
    """The share of alarms from the TOP machines and kinds with most of them."""
    per = Counter(inside.select("work_unit_id", "kind").iter_rows())
    return sum(n for _, n in per.most_common(TOP)) / inside.height if per else None
