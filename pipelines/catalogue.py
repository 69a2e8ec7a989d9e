"""Joining values to the tag catalogue: what a node means, and how good a value is."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from pipelines.axis import numbers_of
from pipelines.days import midnight
from pipelines.equipment import UNIT
from pipelines.packing import in_order, packed
from pipelines.schemas import TIME
from pipelines.value_maps import MEANINGS, translated
from pipelines.value_maps import number as number

NODE: Final = ["server_uri", "node_id"]
SERVER: Final = ["server_uri"]


def good() -> pl.Expr:
    """StatusCode severity Good (OPC UA Part 4, 7.39: the top two bits)."""
    return pl.col("status_code") < 1 << 30


def bad() -> pl.Expr:
    """StatusCode severity Bad."""
    return pl.col("status_code") >= 1 << 31


def named(
    values: pl.DataFrame,
    tags: pl.DataFrame,
    wanted: pl.Expr,
    adds: Sequence[str] | None = None,
) -> pl.DataFrame:
    """Values of the nodes whose tag is `wanted`, with its columns (or those that `adds` names).

    By node (as `tag_no`, see `known_tags`) and time. Codes and scales become what the tag says
    (`value_maps.translated`). Needs `time` (see `clock.correct`). A tag holds from valid_from to
    valid_to, the first meaning of a node also before; values without a time have no place here.
    """
    known = known_tags(tags, wanted)
    every = [name for name in known.columns if name not in (*NODE, "tag_no")]
    adds = every if adds is None else list(adds)
    is_coded = any(known[name].count() for name in ("value_map", "scale") if name in every)
    more = [name for name in MEANINGS if is_coded and name in every and name not in adds]
    rows = _in_order(_of_tags(values, known))
    found = rows.hstack([known[name].gather(rows["tag_no"]) for name in (*adds, *more)])
    return translated(found).drop(more) if is_coded else found


def known_tags(tags: pl.DataFrame, wanted: pl.Expr, first_of: Sequence[str] = NODE) -> pl.DataFrame:
    """The tags of work units that are `wanted`, by node, with the `tag_no` that `named` gives.

    The first meaning of each `first_of` holds before it was known, too.
    """
    known = tags.with_columns(valid_from=held_from(first_of)).filter(
        wanted, pl.col("work_unit_id").is_not_null()
    )
    order = [*NODE, "valid_from", "valid_to", *UNIT, "measure"]
    return known.sort(order, maintain_order=True).with_row_index("tag_no")


def _of_tags(values: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Values with the `tag_no` of each tag of their node that holds at their time."""
    nodes = known.select(NODE).drop_nulls().unique().sort(NODE).with_row_index("node_no")
    number = numbers_of(values, nodes.select(*NODE, "node_no"))
    has_place = number.is_not_null() & values["time"].is_not_null()
    rows = values.drop(NODE).with_columns(number).filter(has_place)
    meant = known.select(*NODE, "tag_no", "valid_from", "valid_to")
    of_node = meant.join(nodes, on=NODE, maintain_order="left").drop(NODE)
    if nodes.height == known.height and not _is_dated(known):
        return rows.rename({"node_no": "tag_no"})
    since, until = pl.col("valid_from"), pl.col("valid_to")
    holds = since.is_null() | (pl.col("time") >= since)
    holds &= until.is_null() | (pl.col("time") < until)
    each = rows.join(of_node, on="node_no", maintain_order="left").filter(holds)
    return each.drop("node_no", "valid_from", "valid_to")


def _is_dated(known: pl.DataFrame) -> bool:
    return any(known[name].null_count() < known.height for name in ("valid_from", "valid_to"))


def _in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """By tag and time, at one time as they came; compacted values are already."""
    arrival = [name for name in ("server_ticks", "received_time") if name in rows.columns]
    (key,) = packed((rows["tag_no"], rows["time"].to_physical()))
    return in_order(rows, key, *arrival)


def held_from(key: Sequence[str]) -> pl.Expr:
    """`valid_from` of a tag, null where nobody knows an earlier one of the same `key`."""
    since = pl.col("valid_from")
    dated = since.is_not_null().all().over(key)
    return pl.when(~(dated & (since == since.min().over(key)))).then(since)


def on_day(tags: pl.DataFrame, day: date) -> pl.DataFrame:
    """The tags that held at the end of a local day, as the catalogue stood then.

    What a server told first holds before it was known, too; none has a `valid_to`.
    """
    return during(tags, day).filter(pl.col("valid_to").is_null())


def during(tags: pl.DataFrame, day: date) -> pl.DataFrame:
    """The tags that held at some time of a local day; what held beyond it has no `valid_to`."""
    start, end = (pl.lit(midnight(day + timedelta(days=n)), TIME) for n in (0, 1))
    since, until = pl.col("valid_from"), pl.col("valid_to")
    held = tags.with_columns(valid_from=held_from(SERVER)).filter(
        since.is_null() | (since < end), until.is_null() | (until > start)
    )
    return held.with_columns(valid_to=pl.when(until < end).then(until))


def is_measure(measures: Sequence[str]) -> pl.Expr:
    """The tags of these measures."""
    return pl.col("measure").is_in(list(measures))


def numbered(frame: pl.DataFrame) -> pl.DataFrame:
    """The work units of `frame` with a dense `unit_no`, for sorting and joining by integer."""
    return frame.select(UNIT).unique().sort(UNIT).with_row_index("unit_no")
