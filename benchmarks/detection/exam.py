"""What runs come to: contenders for the tables, the check of causality, one sheet for them all."""

import time
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from benchmarks import plants
from benchmarks.detection.runs import KEY, SLACK_ROWS, Judged, Run, runs
from benchmarks.detection.tables import AT_BUDGET, Contender
from benchmarks.rounds import DisagreementError, Result, Sheet
from models import detector
from models.controls import at_budget
from models.evaluate import withholding
from models.measures import Counts

NOTHING_LEARNED: Final = ("always", "fixed_row")
"""Controls without a score: no threshold makes them better."""

MOST_S: Final = 600


def contenders(name: str, done: list[Run]) -> list[Contender]:
    """Ours, each control at its own limit, and at the threshold of as few false alarms as ours.

    Ours is given such a threshold, too: what it gains by it, its own limits lose.
    """
    slack_rows = SLACK_ROWS[name]
    every = {c: [run.judged[c] for run in done] for c in done[0].judged}
    found = [_contender(c, done, judged, slack_rows) for c, judged in every.items()]
    budget = found[0].quality.events - found[0].quality.matched
    spans = [run.spans for run in done]
    for control in [c for c in every if c not in NOTHING_LEARNED and len(every) > 1]:
        threshold = at_budget([j.score for j in every[control]], spans, budget, slack_rows)
        if threshold is not None:
            judged = [run.again(control, threshold) for run in done]
            found.append(_contender(f"{control}{AT_BUDGET}", done, judged, slack_rows))
    return found


def _contender(name: str, done: list[Run], judged: list[Judged], slack_rows: int) -> Contender:
    step = done[0].step
    areas = [j.vus_pr for j in judged if j.vus_pr is not None]
    return Contender(
        name,
        pl.concat([j.events for j in judged]),
        pl.concat([run.faults for run in done]),
        sum((step * len(run.times) for run in done), timedelta()),
        key=KEY,
        slack=step * slack_rows,
        step=step,
        balanced_accuracy=sum((j.counts for j in judged), Counts(0, 0, 0, 0)).balanced_accuracy,
        vus_pr=float(np.mean(areas)) if areas else None,
        fit_s=sum(j.fit_s for j in judged),
        score_s=sum(j.score_s for j in judged),
    )


def said_of_causality(name: str, seed: int) -> tuple[str, bool]:
    """One line on whether a score of the first case knows of later rows, and whether none does."""
    plant = next(plants.cases(name, seed))
    rows = plant.test.height
    cuts = [1, 30, rows // 3, rows // 2, rows - 1]
    peek = withholding(detector.fit(plant.train), plant.test, cuts)
    if peek is None:
        return f"{name}: causal at {len(cuts)} cuts of {rows:,} rows", True
    return (
        f"{name}: NOT CAUSAL, row {peek.row} has {peek.column} {peek.with_later} with later rows, "
        f"{peek.without} when cut at {peek.cut}",
        False,
    )


def sheet() -> Sheet:
    """Ours alone on the first development seed of every kind of plant.

    DisagreementError where a score knows of later rows.
    """
    until = time.monotonic() + MOST_S
    rows, said = [], []
    for name in plants.PLANTS:
        done = runs(
            name, plants.DEVELOPMENT[:1], with_controls=False, jobs=2, until=until,
            progress=lambda at, of: None,
        )  # fmt: skip
        if not done:
            rows.append(Result(f"{name}: recall", None, "", why=f"{MOST_S} s were over"))
            continue
        quality = contenders(name, done)[0].quality
        rows += [
            Result(f"{name}: recall", quality.recall, f"of {quality.planted}"),
            Result(f"{name}: precision", quality.precision, f"of {quality.events}"),
        ]
        line, is_causal = said_of_causality(name, plants.DEVELOPMENT[0])
        if not is_causal:
            raise DisagreementError(line)
        said.append(line)
    return Sheet("detection on plants unlike ours", rows, said)
