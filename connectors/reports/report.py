"""Writes the anomaly report: one self-contained HTML file per factory and day."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined

from connectors.reports import busy_time, figures, loss_figures, replies, view, words
from connectors.reports.causes import folded
from connectors.reports.replies import Answers
from pipelines.reasons import NO_REASONS

NAME: Final = "report.html"
COPYING: Final = (
    "const b = event.target.closest('button.copy'); if (b) {"
    " getSelection().selectAllChildren(b.previousElementSibling);"
    " b.classList.toggle('done', document.execCommand('copy')); }"
)
"""Selects a command and copies it: old, but it asks for no permission and works from a file.

Where there is no script the buttons are hidden, and the commands are text like any other."""

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("connectors.reports", "."),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_report(
    folder: Path | str,
    *,
    factory: str | Mapping[str, str],
    day: date,
    until: datetime,
    machines: pl.DataFrame,
    events: pl.DataFrame,
    signals: pl.DataFrame,
    episodes: pl.DataFrame,
    oee: pl.DataFrame,
    gaps: pl.DataFrame | None = None,
    losses: pl.DataFrame | None = None,
    reasons: pl.DataFrame | None = None,
    notes: Mapping[str, list[str]] | None = None,
    answers: Answers | None = None,
    causes: pl.DataFrame | None = None,
    references: Mapping[str, str] | None = None,
    lang: str = "zh",
) -> Path:
    """Writes `report.html` into the folder, replacing it at once, and returns its path.

    Args:
        folder: where the report goes; made if need be.
        factory: its id, or `{"id", "zh", "en"}`.
        day: the local day.
        until: how far its data were judged; an event without an end lasts to here.
        machines: `line_id, work_unit_id` and, where known, `machine_type`.
        events: anomaly events of the day (equipment key, `event_id kind start end state priority
            why_zh why_en peak_score contributors suppressed_by check_zh check_en lost_min ...`).
        signals: traces of their signals (`event_id sensor unit time seen low high`).
        episodes: `pipelines.schemas.STATE_EPISODES` of the factory.
        oee: `pipelines.schemas.OEE_BY_SHIFT` of the day.
        gaps: spans without data (`work_unit_id start end minutes`).
        losses: `pipelines.schemas.LOSSES_BY_SHIFT` of the day; without it nothing is said of them.
        reasons: `pipelines.schemas.REASONS`, for the names of stop reason codes.
        notes: per machine, what its detector cannot judge and why.
        answers: what was said of the events, what is similar, and what alarms weigh.
        causes: `models.schemas.CAUSES` of the events; those of one cause are one item.
        references: how messages call an event, by its id.
        lang: the language shown first, zh or en; the page holds both.
    """
    names = {"id": factory, "zh": factory, "en": factory} if isinstance(factory, str) else factory
    shown = replies.answered(view.items(events, signals, episodes, until), answers)
    items = folded(shown, causes)
    named = NO_REASONS if reasons is None else reasons
    spent = None if losses is None else busy_time.busy_time(losses, oee, named, until)
    page = _ENVIRONMENT.get_template("report.html.j2").render(
        factory=names,
        day=day,
        until=view.local(until),
        lang=lang,
        items=items,
        asking=[item for item in items if not item["is_answered"]],
        references=references or {},
        load=replies.load(answers),
        suppressed=view.suppressed(events),
        machines=view.machine_rows(machines, oee, shown),
        total=view.factory_totals(oee),
        lost=sum(i["lost_min"] or 0 for i in shown),
        open_shifts=int(oee["is_open"].sum()) if oee.height else 0,
        gaps=[] if gaps is None else view.gap_rows(gaps),
        spent=spent,
        division=spent and loss_figures.division_of(spent),
        pareto=spent and loss_figures.pareto_of(spent),
        minutes=loss_figures.minutes,
        notes=_notes(notes or {}),
        legend=figures.legend(),
        priorities=words.PRIORITIES,
        copying=COPYING,
        percent=view.percent,
    )
    target = Path(folder) / NAME
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(NAME + ".part")
    part.write_text(page, encoding="utf-8", newline="\n")
    part.replace(target)
    return target


def _notes(notes: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """Notes with the machines that share them, so that ten alike are one line."""
    machines: dict[str, list[str]] = {}
    for machine, said in sorted(notes.items()):
        for note in said:
            machines.setdefault(note, []).append(machine)
    return [
        {"note": words.note(note), "machines": ", ".join(who)} for note, who in machines.items()
    ]
