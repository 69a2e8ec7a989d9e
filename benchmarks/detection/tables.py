"""Tables of what a detector found, controls beside: of generated plants, and of any other exam.

An exam elsewhere (a fleet) makes a `Contender` of its events and faults and calls `show`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import polars as pl
from rich.console import Console
from rich.table import Table

from models.evaluate import SLACK, Quality, evaluate, outcomes, recall_by

AT_BUDGET: Final = " *"
"""Behind a control's name: not at its own limit, but at one that its own limit cannot know."""

CAPTION: Final = (
    f"{AT_BUDGET} at the threshold, searched on these very rows, that finds most with no more "
    "false alarms than ours"
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A detector's events beside the faults that were planted (see `models.evaluate.evaluate`).

    `watched` is machine-time in all; what was not measured is null.
    """

    name: str
    events: pl.DataFrame
    faults: pl.DataFrame
    watched: timedelta
    key: str = "work_unit_id"
    slack: timedelta = SLACK
    step: timedelta | None = None
    balanced_accuracy: float | None = None
    vus_pr: float | None = None
    fit_s: float | None = None
    score_s: float | None = None

    @property
    def quality(self) -> Quality:
        """Figures by events."""
        return evaluate(
            self.events, self.faults, watched=self.watched, key=self.key, slack=self.slack,
            step=self.step,
        )  # fmt: skip

    @property
    def outcomes(self) -> pl.DataFrame:
        """What became of each fault."""
        return outcomes(self.events, self.faults, key=self.key, slack=self.slack, step=self.step)


def show(title: str, contenders: Sequence[Contender], console: Console) -> None:
    """One table of all contenders; then recall by kind and by magnitude.

    There ours, first of the contenders, stands beside controls of as few false alarms.
    """
    console.print(quality_table(title, contenders))
    is_starred = any(c.name.endswith(AT_BUDGET) for c in contenders)
    if is_starred:
        console.print(CAPTION)
        contenders = [contenders[0], *(c for c in contenders if c.name.endswith(AT_BUDGET))]
    for by in ("kind", "magnitude"):
        console.print(recall_table(f"{title}: recall by {by}", contenders, by))


def quality_table(title: str, contenders: Sequence[Contender]) -> Table:
    """A row per contender."""
    ours = contenders[0].quality
    table = Table(title=f"{title}: {ours.planted} faults", title_justify="left")
    for column in (
        "contender", "recall", "prompt", "precision", "delay min", "rows", "of length", "false",
        "a week", "bal. acc.", "VUS-PR", "culprit", "fit s", "score s",
    ):  # fmt: skip
        table.add_column(column, justify="left" if column == "contender" else "right")
    for one in contenders:
        q = one.quality
        table.add_row(
            one.name, _figure(q.recall), _figure(q.prompt_recall), _figure(q.precision),
            _figure(q.median_delay_min, 1),
            _figure(q.median_delay_rows, 0), _figure(q.median_delay_share),
            str(q.events - q.matched),
            _figure(q.false_alarms_per_machine_week), _figure(one.balanced_accuracy),
            _figure(one.vus_pr), _figure(q.culprit_in_top3 if _names(one) else None),
            _figure(one.fit_s, 1), _figure(one.score_s, 1),
        )  # fmt: skip
    return table


def recall_table(title: str, contenders: Sequence[Contender], by: str) -> Table:
    """A row per kind or bin: how many were planted, recall of each contender, our delay."""
    table = Table(title=title, title_justify="left", min_width=60)
    table.add_column(by, no_wrap=True)
    for column in ("planted", *(c.name for c in contenders), "ours prompt", "delay", "culprit"):
        table.add_column(column, justify="right")
    per = [{r[by]: r for r in recall_by(c.outcomes, by).to_dicts()} for c in contenders]
    for value, ours in per[0].items():
        table.add_row(
            str(value), str(ours["planted"]), *(_figure(p[value]["recall"]) for p in per),
            _figure(ours["prompt_recall"]),
            "" if ours["delay_min"] is None else f"{ours['delay_min']:.1f} min",
            _figure(ours["culprit_in_top3"]),
        )  # fmt: skip
    return table


def _names(contender: Contender) -> bool:
    """Whether its events name signals at all."""
    signals = contender.events["signals"] if contender.events.height else pl.Series([])
    return bool(len(signals)) and bool((signals.list.len() > 0).any())


def _figure(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
