"""Controls on the exam's home: learned from the days without faults, judged on all later ones.

They see what our models see, the rows on which a machine produces; ours had to learn on the
register's schedule, a control learns from all free days. `*` is the threshold, searched where the
answer is known, that finds most at no more false alarms than ours.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from rich.table import Table

from benchmarks.examined import SAMPLE_S, Sheet
from connectors.simulator import exam
from models.controls import Scorer, at_budget, controls, tally
from models.evaluate import SLACK, Quality, fault_free_weeks
from models.machine import TIME, Machine
from models.scaling import Floats
from pipelines.days import midnight

LEAST_ROWS: Final = 100
SLACK_ROWS: Final = round(SLACK.total_seconds() / SAMPLE_S)
NOTHING_LEARNED: Final = ("always", "fixed_row")
NAMES: Final = (*NOTHING_LEARNED, "random", "isolation_forest", "t2_q", "k_means")


@dataclass(frozen=True, slots=True)
class Answers:
    """Scores of every control, one array per machine, and the rows of the machines' faults."""

    scores: dict[str, list[Floats]]
    spans: list[list[tuple[int, int]]]


def answers(sheet: Sheet, seed: int) -> Answers:
    """Every control on every machine of the home that this process serves."""
    found, first = Answers({}, []), midnight(_days()[_free()])
    silent: Scorer = _silent
    for number, machine in enumerate(_machines()):
        rows = machine.rows
        train, test = rows.filter(pl.col(TIME) < first), rows.filter(pl.col(TIME) >= first)
        unit = machine.key["work_unit_id"]
        faults = sheet.faults.filter(work_unit_id=unit).select("start", "end")
        found.spans.append([_rows(test[TIME], *fault) for fault in faults.iter_rows()])
        known = dict.fromkeys(NAMES, silent)
        if min(train.height, test.height) >= LEAST_ROWS:
            names = [c for c in (TIME, *machine.units) if c in rows.columns]
            place = {"seed": 1_000 * seed + number, "row": test.height // 2}
            known = controls(train.select(names), time=TIME, **place)
        for name, scorer in known.items():
            found.scores.setdefault(name, []).append(np.asarray(scorer(test), dtype=np.float64))
    return found


def table(ours: Quality, told: Answers, machine_weeks: float) -> Table:
    """Ours, each control at its own limit, and at no more false alarms than ours."""
    budget = ours.events - ours.matched
    shown = Table("contender", "recall", "false alarms", "a machine-week", "recall, ours above by")
    planted = sum(len(one) for one in told.spans)
    shown.add_row("ours", *_figures(budget, ours.found, planted, machine_weeks), "")
    for name, scores in told.scores.items():
        limits = {name: 1.0}
        if name not in NOTHING_LEARNED:
            limits[f"{name} *"] = at_budget(scores, told.spans, budget, SLACK_ROWS) or np.inf
        for said, limit in limits.items():
            false, found = _tallied(scores, told.spans, limit)
            margin = (ours.found - found) / max(planted, 1)
            row = _figures(false, found, planted, machine_weeks)
            shown.add_row(said, *row, f"{margin:+.2f}" if false <= budget else "")
    return shown


def _tallied(
    scores: list[Floats], spans: list[list[tuple[int, int]]], limit: float
) -> tuple[int, int]:
    told = [tally(s / limit, f, SLACK_ROWS) for s, f in zip(scores, spans, strict=True)]
    return sum(one[0] for one in told), sum(one[1] for one in told)


def _figures(false: int, found: int, planted: int, weeks: float) -> tuple[str, str, str]:
    return f"{found / max(planted, 1):.2f}", str(false), f"{false / weeks:.2f}"


def _silent(rows: pl.DataFrame) -> Floats:
    return np.zeros(rows.height)


def _rows(times: pl.Series, start: datetime, end: datetime) -> tuple[int, int]:
    """First and last row of a fault; no row where the machine did not produce in it."""
    first, after = (times.search_sorted(at, "left") for at in (start, end))
    return int(first), int(after) - 1


def _days() -> list[date]:
    from assets.partitions import HOME

    return [HOME.first_day + timedelta(days=n) for n in range(exam.days())]


def _free() -> int:
    """Days before the first on which a fault may begin."""
    return int(exam.table()["time"]["weeks"][0][0]) - 1


def _machines() -> Iterator[Machine]:
    """Machines with their silver of all days, a factory in memory at a time."""
    from assets.machine_days import machines_of
    from assets.partitions import FACTORY_IDS, HOME
    from connectors.lake import Lake, Partition

    for name in FACTORY_IDS:
        tags = Lake(HOME.lake).scan("tags", [Partition(factory=name)])
        if tags is not None:
            yield from machines_of(name, _days(), tags.collect())


def weeks(sheet: Sheet) -> float:
    """Machine-weeks watched, as `evaluate` counts them."""
    return fault_free_weeks(sheet.faults, timedelta(days=sheet.days) * sheet.machines.height)
