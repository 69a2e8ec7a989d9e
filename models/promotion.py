"""Champion against challenger on days that the challenger never saw, and who judges from then on.

What stands in for the truth, of which there is none: false alarms are events on held-out days on
which nobody confirmed one; power is the share of small deviations, put into held-out rows of single
signals, that are found. Both models get the same rows and the same deviations, and both have to
keep the promise of one false alarm a machine-week: else the model with the tighter limits would
always be the stronger one, and a day is too short to show its false alarms.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from models.deviations import SIZES, found, kept_promise, rounds
from models.explain import least_score
from models.machine import LEAD_IN, TIME, Machine, MachineModel, judge
from pipelines.days import day_of, midnight
from pipelines.schemas import TIME as UTC_TIME

VERDICTS: Final = pl.Schema(
    {
        "event_id": pl.String(),
        "work_unit_id": pl.String(),
        "start": UTC_TIME,
        "end": UTC_TIME,
        "verdict": pl.String(),
    }
)
"""What engineers said of events: true, false, handled, duplicate; `end` null while it lasted."""

NO_VERDICTS: Final = pl.DataFrame(schema=VERDICTS)
CONFIRMED: Final = "true"


WEEK: Final = timedelta(weeks=1)

DRAWN_ALARMS: Final = 1
"""More events on held-out days that are still a draw: one is what the limits promise a week, and
where nobody has said that it was true it may be."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a model judged the held-out days.

    `false_alarms` in `machine_weeks` of days without a confirmed event; `found` of `trials`
    deviations, after `delay_rows` (median; null where none was found), and `found_by_size`;
    `confirmed` are the confirmed events that it has an event for; `near_share` is the share of rows
    that score from half the limit to the limit.
    """

    false_alarms: int
    machine_weeks: float
    trials: int
    found: int
    delay_rows: float | None
    found_by_size: dict[str, int]
    confirmed: tuple[str, ...]
    near_share: float

    @property
    def power(self) -> float:
        """Share of deviations found; 0 where none was put in."""
        return self.found / self.trials if self.trials else 0.0

    def to_dict(self) -> dict[str, Any]:
        """For the register."""
        return {**asdict(self), "confirmed": list(self.confirmed), "power": round(self.power, 4)}


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the challenger takes over, and the reason in words."""

    promote: bool
    why: str


def decide(
    champion: Judgement, challenger: Judgement, *, drifted: bool, longer: bool = False
) -> Decision:
    """The rule: nothing may be worse, and something must be better or the champion has drifted.

    Worse is: more false alarms, less power, or a confirmed event no longer found. A draw goes to
    the one that learned from `longer`: what luck may do on held-out days (`_luck`) tells nothing.
    """
    lost = sorted(set(champion.confirmed) - set(challenger.confirmed))
    alarms = f"{challenger.false_alarms} false alarms, the champion {champion.false_alarms}"
    power = f"power {challenger.power:.2f}, the champion {champion.power:.2f}"
    if lost:
        return Decision(False, f"confirmed events are lost: {', '.join(lost)}")
    if challenger.false_alarms > champion.false_alarms + (DRAWN_ALARMS if longer else 0):
        return Decision(False, f"more false alarms on held-out days: {alarms}")
    if longer and challenger.found >= champion.found - _luck(champion):
        return Decision(True, f"learned from longer, and no worse than luck: {power}; {alarms}")
    if not challenger.trials:
        return Decision(False, "held-out days have too few rows to measure power on")
    if challenger.found < champion.found:
        return Decision(False, f"less power on held-out days: {power}")
    if challenger.found > champion.found or challenger.false_alarms < champion.false_alarms:
        return Decision(True, f"better on held-out days: {power}; {alarms}")
    if drifted:
        return Decision(True, f"the champion has drifted, and nothing is worse: {power}; {alarms}")
    return Decision(False, f"no better on held-out days: {power}; {alarms}")


def _luck(one: Judgement) -> float:
    """By how many deviations found two equal models differ on one day: one standard deviation."""
    return math.sqrt(one.found * (1 - one.power))


def judged(
    machine: Machine,
    model: MachineModel,
    plan: pl.DataFrame,
    days: Sequence[date],
    verdicts: pl.DataFrame = NO_VERDICTS,
) -> Judgement:
    """How a model judges the held-out `days`, and days of confirmed events that the machine has.

    `machine` holds those days and the day before each; `verdicts` is VERDICTS.
    """
    own = confirmed(verdicts, machine.key["work_unit_id"])
    calm = [day for day in days if not _days_of(own) & {day}]
    alarms = [event for day in calm for event in _events(machine, model, plan, day)]
    rows = held_rows(machine, days)
    clean, joint, _ = model.detector.ratios(rows)
    promised = kept_promise(clean, rows.height / max(len(days), 1))
    told = least_score(model.known_days(rows))  # what is over and not told is not found
    limits = np.maximum(promised, told)
    put_in = rounds(rows, seed_of(machine, days))
    hits = [hit for one in put_in for hit in found(model.detector, *one, clean, limits)]
    delays = [delay for _, delay in hits if delay is not None]
    score = np.maximum(clean.max(axis=1, initial=0.0), joint)
    return Judgement(
        false_alarms=len(alarms),
        machine_weeks=round(len(calm) * timedelta(days=1) / WEEK, 4),
        trials=len(hits),
        found=len(delays),
        delay_rows=float(np.median(delays)) if delays else None,
        found_by_size={
            f"{size:g}": sum(d is not None for trial, d in hits if trial.size == size)
            for size in SIZES
        },
        confirmed=tuple(_still_found(machine, model, plan, own)),
        near_share=round(float(((score >= 0.5) & (score < 1.0)).mean()), 4) if len(score) else 0.0,
    )


def verdicts_of(journal: pl.DataFrame) -> pl.DataFrame:
    """VERDICTS of a journal, of each event the one said last.

    `journal` has the columns of VERDICTS, the oldest entry first; entries without a verdict pass.
    """
    said = journal.filter(pl.col("verdict").is_not_null()).select(VERDICTS.names())
    return said.unique("event_id", keep="last", maintain_order=True).cast(VERDICTS)


def confirmed(verdicts: pl.DataFrame, unit: str) -> pl.DataFrame:
    """A machine's events that an engineer called true."""
    own = (pl.col("work_unit_id") == unit) & (pl.col("verdict") == CONFIRMED)
    return verdicts.filter(own).with_columns(end=pl.coalesce("end", "start"))


def teaches_nothing(days: Sequence[date], plan: pl.DataFrame, verdicts: pl.DataFrame) -> set[date]:
    """Days that may not teach: with a confirmed event, or with maintenance planned and no more.

    `plan` and `verdicts` are the machine's own (`confirmed`).
    """
    found = _days_of(verdicts) & set(days)
    for day in days:
        start, end = midnight(day), midnight(day + timedelta(days=1))
        kinds = set(plan.filter(pl.col("start") < end, pl.col("end") > start)["kind"])
        if "planned_maintenance" in kinds and "busy" not in kinds:
            found.add(day)
    return found


def held_rows(machine: Machine, days: Sequence[date]) -> pl.DataFrame:
    """Producing rows of the held-out days."""
    spans = [(midnight(day), midnight(day + timedelta(days=1))) for day in days]
    inside = (pl.col(TIME).is_between(*span, closed="left") for span in spans)
    return machine.rows.filter(pl.any_horizontal(inside))


def seed_of(machine: Machine, days: Sequence[date]) -> int:
    """The same deviations for the same machine and days, whoever judges, whenever."""
    return zlib.crc32(f"{machine.key['work_unit_id']} {days[-1]}".encode())


def _events(
    machine: Machine, model: MachineModel, plan: pl.DataFrame, day: date
) -> Iterator[dict[str, Any]]:
    """Events that began on a day and ask for a response."""
    start, end = midnight(day), midnight(day + timedelta(days=1))
    known = machine.within([(start - LEAD_IN, end)])
    found, _ = judge(known, model, plan, start, end)
    yield from found.filter(pl.col("suppressed_by").is_null(), pl.col("start") >= start).iter_rows(
        named=True
    )


def _still_found(
    machine: Machine, model: MachineModel, plan: pl.DataFrame, own: pl.DataFrame
) -> Iterator[str]:
    """Confirmed events for which the model has an event that overlaps; days unknown are passed."""
    for event in own.sort("start", "event_id").iter_rows(named=True):
        start, end = event["start"], event["end"]
        known = machine.within([(start - 2 * LEAD_IN, end + LEAD_IN)])
        if known.values.filter(pl.col(TIME).is_between(start, end)).is_empty():
            continue
        found, _ = judge(known, model, plan, start - LEAD_IN, _until(known, end))
        over = found.filter(
            pl.col("start") <= end, pl.col("end").is_null() | (pl.col("end") >= start)
        )
        if over.height:
            yield str(event["event_id"])


def _until(machine: Machine, end: datetime) -> datetime:
    last = machine.values[TIME].max()
    return max(last, end) if isinstance(last, datetime) else end


def _days_of(verdicts: pl.DataFrame) -> set[date]:
    """Local days that events touch."""
    found: set[date] = set()
    for start, end in verdicts.select("start", "end").iter_rows():
        first, last = day_of(start), day_of(end)
        found |= {first + timedelta(days=n) for n in range((last - first).days + 1)}
    return found
