"""Evidence cards as tables for the terminal: who counts, and criterion by criterion why."""

from datetime import date
from typing import Final

import polars as pl
from rich.table import Table

from pipelines.evidence_cards import UNOFFICIAL, by_subject

KINDS: Final = {
    "smart_factory": "智能工厂 smart factory",
    "benchmark_park": "标杆园区 benchmark park",
}
STATES: Final = {"met": "达到 met", "not_met": "未达 not met", "unknown": "不明 unknown"}


def subjects_view(cards: pl.DataFrame, day: date) -> Table:
    """A row per subject: how many of its mandatory criteria are in which state, and its own."""
    table = Table(title=f"证据卡 Evidence cards {day} (必备 mandatory)", title_justify="left")
    for heading in ("", "", *STATES.values(), "计入 counts"):
        table.add_column(heading)
    for row in by_subject(cards).iter_rows(named=True):
        counts = (str(row[name]) for name in STATES)
        kind, state = KINDS[row["subject_kind"]], STATES[row["state"]]
        table.add_row(row["subject_id"], kind, *counts, state)
    return table


def card_view(cards: pl.DataFrame, day: date) -> Table:
    """A row per criterion of one subject: state, evidence, since when; * is mandatory."""
    subject = cards["subject_id"][0]
    table = Table(title=f"证据卡 Evidence card {subject} {day}", title_justify="left")
    for heading in ("标准 criterion", "", "证据 evidence", "截至 as of"):
        table.add_column(heading, overflow="fold")
    for row in cards.iter_rows(named=True):
        mark = "* " if row["is_mandatory"] else ""
        table.add_row(
            f"{mark}{row['criterion_zh']}\n{row['criterion_en']}",
            STATES[row["state"]],
            f"{row['evidence_zh']}\n{row['evidence_en']}",
            str(row["as_of"] or "—"),
        )
        table.add_section()
    table.caption = f"* 必备 mandatory. {' '.join(UNOFFICIAL)}"
    return table
