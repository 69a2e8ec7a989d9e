"""What a factory plans, as files: calendar, cycles, reason codes, sequential lines."""

from pathlib import Path
from typing import Final

import polars as pl

from connectors.errors import FleetFileError
from connectors.sheets import Row, each, rows_of
from pipelines import schemas

_CALENDAR: Final = (
    "line_id", "work_unit_id", "production_day", "shift_id", "start", "end", "kind",
)  # fmt: skip
_CYCLES: Final = ("line_id", "work_unit_id", "product_id", "pri_s", "origin", "valid_from")
_REASONS: Final = ("stop_reason_code", "name_zh", "name_en", "category", "valid_from")
_LINES: Final = ("line_id", "work_unit_id", "stage", "valid_from")
_KINDS: Final = ("busy", "break", "planned_maintenance", "not_planned")
CATEGORIES: Final = (
    "planned", "setup", "breakdown", "minor_stop", "starved", "blocked", "no_order", "quality",
    "unplanned",
)  # fmt: skip
"""Why a machine stands: planned or not, by the losses of ISO 22400 and PackML's two; `unplanned`
is a stop that nobody has placed more closely."""


def read_calendar(path: Path, factory: str) -> pl.DataFrame:
    """A factory's calendar (pipelines.schemas.PLAN); a blank line or work unit stays null."""

    def made(row: Row) -> dict[str, object]:
        start, end = row.time("start"), row.time("end")
        if end <= start:
            row.refuse("end", "it is not after `start`", "give a later time")
        kind = row.one_of("kind", _KINDS)
        day, shift = row.day("production_day"), row.text("shift_id")
        when = {"production_day": day, "shift_id": shift, "start": start, "end": end}
        return {**row.place(factory), **when, "kind": kind}

    return pl.DataFrame(each(rows_of(path, _CALENDAR), made), schema=schemas.PLAN)


def read_cycles(path: Path, factory: str) -> pl.DataFrame:
    """A factory's planned run times per item (pipelines.schemas.CYCLES).

    A blank product means every product that has no row of its own.
    """

    def made(row: Row) -> dict[str, object]:
        return {
            **row.place(factory),
            "product_id": row.optional("product_id"),
            "pri_s": row.positive("pri_s"),
            "origin": row.text("origin"),
            "valid_from": row.time("valid_from"),
        }

    return pl.DataFrame(each(rows_of(path, _CYCLES), made), schema=schemas.CYCLES)


def read_reasons(path: Path, factory: str) -> pl.DataFrame:
    """What a factory's stop reason codes mean (pipelines.schemas.REASONS).

    `line_id` and `work_unit_id` may be left out: then a code means the same on every machine.
    """
    taken: dict[tuple[object, ...], int] = {}

    def made(row: Row) -> dict[str, object]:
        found: dict[str, object] = {
            **row.place(factory),
            "stop_reason_code": row.text("stop_reason_code"),
            "name_zh": row.text("name_zh"),
            "name_en": row.text("name_en"),
            "category": row.one_of("category", CATEGORIES),
            "valid_from": row.time("valid_from"),
        }
        key = tuple(found[name] for name in _REASON_KEY)
        if key in taken:
            why = f"line {taken[key]} tells it already, from the same time on"
            row.refuse("stop_reason_code", why, "delete one, or give it a later valid_from")
        taken[key] = row.line
        return found

    rows = rows_of(path, _REASONS, ("line_id", "work_unit_id"))
    return pl.DataFrame(each(rows, made), schema=schemas.REASONS)


_REASON_KEY: Final = ("line_id", "work_unit_id", "stop_reason_code", "valid_from")


def read_lines(path: Path, factory: str) -> pl.DataFrame:
    """The stations of a factory's sequential lines by stage (pipelines.schemas.LINES).

    The rows of a line with one valid_from are one order: each work unit once, no stage left out.
    """
    taken: dict[tuple[object, ...], int] = {}

    def made(row: Row) -> dict[str, object]:
        row.text("line_id"), row.text("work_unit_id")
        found: dict[str, object] = {
            **row.place(factory),
            "stage": row.count("stage"),
            "valid_from": row.time("valid_from"),
        }
        key = tuple(found[name] for name in ("line_id", "work_unit_id", "valid_from"))
        if key in taken:
            why = f"line {taken[key]} places it already, from the same time on"
            row.refuse("work_unit_id", why, "delete one, or give it a later valid_from")
        taken[key] = row.line
        return found

    lines = pl.DataFrame(each(rows_of(path, _LINES), made), schema=schemas.LINES)
    _refuse_left_out(path, lines)
    return lines


def _refuse_left_out(path: Path, lines: pl.DataFrame) -> None:
    """A stage with nothing in it: two lines, or a number that slipped."""
    orders = lines.group_by("line_id", "valid_from").agg(pl.col("stage").unique())
    for line, since, stages in orders.sort("line_id", "valid_from").iter_rows():
        left_out = sorted(set(range(1, max(stages))) - set(stages))
        if left_out:
            why = f"line {line} from {since:%Y-%m-%d} on has no stage {left_out[0]}"
            raise FleetFileError(path, why, "number the stages 1, 2, 3 without a hole")
