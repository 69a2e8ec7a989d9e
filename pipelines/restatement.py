"""What a figure was, what it is now, and why: rows of `schemas.RESTATEMENTS`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import polars as pl

from pipelines.equipment import UNIT
from pipelines.schemas import RESTATEMENTS

SHIFT: Final = [*UNIT, "production_day", "shift_id"]
KEY: Final = [*SHIFT, "part"]
TEXTS: Final = ["profile_id", "aggregation", "bottleneck", "lacks"]
PARTS: Final = {"losses_by_shift": ["loss", "category", "stop_reason_code", "product_id"]}
"""What tells the rows of one shift apart, in tables that have several."""

CAUSES: Final = [
    "late_values", "carried_values", "clock", "catalogue", "plan", "cycles", "reasons", "lines",
    "coverage", "profile", "code",
]  # fmt: skip
"""Components of a fingerprint that are reasons of their own, in the order they are told."""
NEIGHBOURS: Final = "neighbours"
"""Silver of the day before or after: told as the cause only where nothing else differs."""
UNRECORDED: Final = "unrecorded"
"""The cause where nobody wrote down what a figure was made from, or nothing in it differs."""

SIDES: Final = ["old", "new", "old_text", "new_text"]


def restated(
    old: pl.DataFrame,
    new: pl.DataFrame,
    *,
    cause: str,
    at: datetime,
    run_id: str,
    parts: Sequence[str] = (),
) -> pl.DataFrame:
    """`schemas.RESTATEMENTS` between two frames of one table of figures by shift, line or day.

    Every number of a row, and its TEXTS, is a figure; `parts` tell the rows of a shift apart. A
    shift that was open was never said to be final, and one that begins where the old figures end is
    only later: neither is a restatement. A row that appears or vanishes is one, by each figure.
    """
    was, now = (_keyed(rows, parts) for rows in (old, new))
    figures = [name for name in _figures(was.schema) if name in now.columns]
    provisional = pl.concat([_open(was), _later(was, now)])
    before, after = (
        _long(rows.join(provisional, on=SHIFT, how="anti", nulls_equal=True), figures, side)
        for rows, side in ((was, "old"), (now, "new"))
    )
    paired = before.join(after, on=[*KEY, "figure"], how="full", coalesce=True, nulls_equal=True)
    told = paired.with_columns(change=_change()).filter(pl.col("change").is_not_null())
    return (
        told.with_columns(cause=pl.lit(cause), restated_at=pl.lit(at), run_id=pl.lit(run_id))
        .select(pl.col(name).cast(dtype) for name, dtype in RESTATEMENTS.items())
        .sort(*KEY, "figure")
    )


def _keyed(frame: pl.DataFrame, parts: Sequence[str]) -> pl.DataFrame:
    """The frame with all of KEY: what a table's rows do not have is null."""
    lacks = {name: pl.lit(None, pl.String) for name in SHIFT if name not in frame.columns}
    told = [pl.col(name).fill_null("") for name in parts]
    part = pl.concat_str(told, separator="/") if told else pl.lit(None, pl.String)
    return frame.with_columns(**lacks, part=part).drop(parts)


def _figures(schema: Mapping[str, pl.DataType]) -> list[str]:
    return [name for name, dtype in schema.items() if dtype.is_numeric() or name in TEXTS]


def untold(rows: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Those of `rows` that are not the last thing `told` of their key and figure.

    A restatement is told before the figures are replaced: a run that dies between the two tells
    nothing twice when it is repeated.
    """
    key = [*KEY, "figure"]
    last = told.unique(key, keep="last", maintain_order=True)
    return rows.join(last, on=[*key, "change", *SIDES], how="anti", nulls_equal=True)


def _open(old: pl.DataFrame) -> pl.DataFrame:
    """Shifts that were open; of a table that does not say so, none."""
    return (old.filter("is_open") if "is_open" in old.columns else old.clear()).select(SHIFT)


def _later(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Shifts that begin at or behind the end of all the old ones.

    Of a table without times, all that the old one had not: their OEE tells of them.
    """
    if "start" not in new.columns:
        return new.select(SHIFT).join(old.select(SHIFT), on=SHIFT, how="anti", nulls_equal=True)
    reached = old.select(pl.max("end")).item()
    later = new if reached is None else new.filter(pl.col("start") >= reached)
    return later.select(SHIFT)


def _long(frame: pl.DataFrame, figures: list[str], side: str) -> pl.DataFrame:
    """One row per key and figure: `<side>` its number, `<side>_text` its text, `in_<side>`."""
    no_text, no_number = pl.lit(None, pl.String), pl.lit(None, pl.Float64)
    parts = [
        frame.select(
            *KEY,
            pl.lit(name).alias("figure"),
            (no_number if name in TEXTS else pl.col(name).cast(pl.Float64)).alias(side),
            (pl.col(name) if name in TEXTS else no_text).alias(f"{side}_text"),
            pl.lit(value=True).alias(f"in_{side}"),
        )
        for name in figures
    ]
    return pl.concat(parts)


def _change() -> pl.Expr:
    """appeared, vanished, changed; null where the figure is what it was."""
    same = pl.col("old").eq_missing(pl.col("new")) & pl.col("old_text").eq_missing(
        pl.col("new_text")
    )
    return (
        pl.when(pl.col("in_old").is_null()).then(pl.lit("appeared"))
        .when(pl.col("in_new").is_null()).then(pl.lit("vanished"))
        .when(~same).then(pl.lit("changed"))
    )  # fmt: skip


def cause_of(made_from: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    """The components by which two fingerprints differ, comma-separated in the order of CAUSES."""
    if made_from is None:
        return UNRECORDED
    differ = [name for name in (*CAUSES, NEIGHBOURS) if made_from.get(name) != now.get(name)]
    own = [name for name in differ if name != NEIGHBOURS]
    return ",".join(own or differ) or UNRECORDED
