"""Good values of park gateways with what their nodes mean, and as texts and numbers."""

from datetime import date
from typing import Final, TypeAlias

import polars as pl

from pipelines.catalogue import NODE, good
from pipelines.days import local_day
from pipelines.raw import event_ticks, time_of

Frame: TypeAlias = pl.DataFrame | pl.LazyFrame

VALUE: Final = ["value_type", "value_float", "value_int", "value_uint", "value_text"]


def meaning_of(tags: Frame, kind: str) -> pl.LazyFrame:
    """What each node of one measure kind means, numbered by `node` in order of its names."""
    return (
        tags.lazy()
        .filter(pl.col("measure_kind") == kind)
        .sort("valid_from", nulls_last=False, maintain_order=True)
        .unique(NODE, keep="last", maintain_order=True)
        .select(*NODE, "park_id", "entity_id", "measure")
        .sort(NODE)
        .with_row_index("node")
    )


def good_values(values: Frame, meaning: pl.LazyFrame, as_of: date | None = None) -> pl.LazyFrame:
    """`node event_ticks day` and the value of every Good value, oldest first.

    Nodes are numbers here: sorting and grouping millions of rows by names costs ten times more.
    """
    ticks = event_ticks()
    found = (
        values.lazy()
        .filter(good())
        .join(meaning.select("node", *NODE), on=NODE)
        .select("node", *VALUE, event_ticks=ticks, day=local_day(time_of(ticks)))
        .sort("event_ticks", "node", maintain_order=True)
    )
    return found if as_of is None else found.filter(pl.col("day") <= as_of)


def named(values: Frame, tags: Frame, kind: str, as_of: date | None) -> pl.LazyFrame:
    """Good values of one measure kind with what their node means, oldest first."""
    meaning = meaning_of(tags, kind)
    return good_values(values, meaning, as_of).join(meaning, on="node", maintain_order="left")


def text() -> pl.Expr:
    """What a value says, a number as its digits; null for nothing."""
    numbers = [pl.col(name).cast(pl.String) for name in ("value_int", "value_uint", "value_float")]
    stripped = pl.col("value_text").str.strip_chars()
    localized = stripped.str.extract(r'"[Tt]ext"\s*:\s*"((?:[^"\\]|\\.)*)"')
    is_localized = pl.col("value_type") == "LocalizedText"
    plain = pl.when(is_localized).then(pl.coalesce(localized, stripped)).otherwise(stripped)
    return pl.coalesce(plain.replace({"": None}), *numbers)


def number() -> pl.Expr:
    """What a value says as a number; null for what is none."""
    written = pl.col("value_text").cast(pl.Float64, strict=False)
    numbers = [pl.col(name).cast(pl.Float64) for name in ("value_float", "value_int", "value_uint")]
    return pl.coalesce(*numbers, written)
