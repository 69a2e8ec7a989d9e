"""The park register on the terminal, and as JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

import polars as pl
from rich.table import Table

from connectors.register_import import Outcome
from pipelines.register_tables import ZH
from pipelines.register_whole import Whole

_SHOWN: Final = ("enterprises", "sites", "declarations", "tenants", "machines", "projects")
"""What `show` lists of an enterprise; terminals are counted."""


def outcome_lines(outcome: Outcome, home: str) -> Iterator[str]:
    """What became of a table of a file, a line each."""
    one = outcome.imported
    name = f"{one.file}: {one.table} ({ZH[one.table]})"
    if not outcome.is_new:
        yield f"{name}: imported before as number {one.seq}: nothing new (--again imports it anew)"
    told = f"{one.rows:,} rows, {one.accepted:,} in, {one.repeats:,} repeats"
    if outcome.is_new:
        since = f"; those without 开始日期 hold from {one.as_of}" if one.as_of else ""
        yield f"{name}: {told}, {one.refused:,} refused{since}"
    if outcome.ignored:
        yield f"  not read: {'、'.join(outcome.ignored)}"
    if outcome.hidden:
        yield f"  hidden worksheets not read: {'、'.join(outcome.hidden)} (--sheet reads one)"
    if outcome.missing:
        yield f"  columns it does not have: {'、'.join(outcome.missing)}"
    if one.report is not None:
        yield f"  refused rows: {home}/{one.report} (and .csv)"


def outcome_json(path: str, outcome: Outcome) -> dict[str, Any]:
    """The same for programs."""
    names = ("ignored", "hidden", "missing", "is_new")
    return {"path": path, **asdict(outcome.imported), **{n: getattr(outcome, n) for n in names}}


def conflicts_view(whole: Whole) -> Iterator[Table | str]:
    """Where sources differ, and what is named and unknown."""
    yield _table(
        f"{whole.conflicts.height:,} fields in which sources differ",
        whole.conflicts.select(
            "table", "key", "field", "from_day", "kept", "kept_source", "refused",
            "refused_source", "why",
        ),
    )  # fmt: skip
    yield _table(
        f"{whole.dangling.height:,} names that stand in no table they refer to", whole.dangling
    )


def enterprise_view(found: Mapping[str, pl.DataFrame]) -> Iterator[Table | str]:
    """What is known of one enterprise, a table each."""
    for name in _SHOWN:
        rows = found[name]
        if rows.height:
            said = [column for column in rows.columns if rows[column].count()]
            yield _table(f"{ZH[name]} {name}", rows.select(said))
    terminals = found["terminals"]
    if terminals.height:
        counts = terminals.group_by("platform", "kind").agg(versions=pl.len())
        yield _table(f"{ZH['terminals']} terminals", counts.sort("platform", "kind"))


def frames_json(frames: Mapping[str, pl.DataFrame]) -> str:
    """Frames by name, their rows as objects."""
    rows = {name: frame.to_dicts() for name, frame in frames.items()}
    return json.dumps(rows, ensure_ascii=False, default=str)


def _table(title: str, rows: pl.DataFrame) -> Table | str:
    if rows.is_empty():
        return title
    table = Table(title=title, title_justify="left")
    for name in rows.columns:
        table.add_column(name, overflow="fold")
    for row in rows.iter_rows():
        table.add_row(*("–" if cell is None else str(cell) for cell in row))
    return table
