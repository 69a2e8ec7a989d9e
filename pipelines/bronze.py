"""Bronze: every value once, in one order; impossible times set apart."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

from pipelines.packing import packed, stable_order, taken
from pipelines.raw import event_ticks, received_ticks
from pipelines.schemas import REPEAT_KEY

NODE: Final = ["server_uri", "node_id"]
VALUE: Final = [
    name.replace("value_float", "float_bits")
    for name in REPEAT_KEY
    if name not in (*NODE, "event_ticks")
]
"""A float is compared by its bits: 0.0 and -0.0 are two values, and a NaN equals itself."""

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""No value of a connected factory is older: an older clock was never set."""

AHEAD: Final = timedelta(hours=24)
"""A source this far ahead of our own receipt is wrong, whatever its zone."""


def compact(frame: pl.DataFrame, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Each value once, by server_uri, node_id and event ticks; all its columns, or only those.

    Repeats (`schemas.REPEAT_KEY`) are dropped, the earliest received kept; the same rows in any
    order give the same frame. Only rows that share node and ticks are compared in full.
    """
    ticks = frame.select(pl.coalesce(event_ticks(), received_ticks())).to_series()
    nodes = _by_node(frame)
    rows = nodes["row"]
    (key,) = packed((nodes["node"], ticks.rechunk().gather(rows)))
    if not key.is_sorted():
        order = stable_order(key)
        rows, key = rows.gather(order), key.gather(order)
    same = key.eq(key.shift(1)).fill_null(value=False)
    kept = _once(frame, rows, same) if same.any() else rows
    return taken(frame.select(frame.columns if columns is None else columns), kept)


ARRIVAL: Final = ["received_time", "origin", "server_ticks", "source_ticks"]
"""Which of several repeats is kept: the first by these."""

_COMPARED: Final = [*ARRIVAL, "value_float", *(name for name in VALUE if name != "float_bits")]


def unheld(rows: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Those of `rows` that compacting them with `held` would bring back.

    `held` has no such value, or only one that arrived later. Both have the columns of
    `schemas.RAW`, `held` is compacted, `rows` may have more columns.
    """
    key = [*NODE, "event_ticks", *VALUE]
    ours, theirs = (_keyed(frame) for frame in (rows.with_row_index("row"), held))
    found = theirs.select(*key, *(pl.col(name).alias(f"{name}_held") for name in ARRIVAL))
    paired = ours.join(found, on=key, nulls_equal=True)
    absorbed = paired.filter(_no_later([(f"{name}_held", name) for name in ARRIVAL]))
    return ours.join(absorbed, on="row", how="anti").select(rows.columns)


def _keyed(frame: pl.DataFrame) -> pl.DataFrame:
    return _exact(frame).with_columns(event_ticks=pl.coalesce(event_ticks(), received_ticks()))


def _no_later(pairs: list[tuple[str, str]]) -> pl.Expr:
    """Whether the first columns sort before the second ones, or as they do; null comes first."""
    if not pairs:
        return pl.lit(value=True)
    first, second = (pl.col(name) for name in pairs[0])
    before = (
        pl.when(first.is_null() | second.is_null())
        .then(first.is_null() & second.is_not_null())
        .otherwise(first < second)
    )
    return before | (first.eq_missing(second) & _no_later(pairs[1:]))


def _by_node(frame: pl.DataFrame) -> pl.DataFrame:
    """Each `row` by the number of its `node`, those of one node as they stood.

    They came in order of time, mostly: so sorted before, they sort in a third of the time.
    """
    server = pl.col("server_uri")
    is_one = frame.select((server == server.first()).all()).item()
    key = NODE[1:] if is_one else NODE
    groups = frame.select(key).with_row_index("row").group_by(key).agg("row")
    return groups.sort(key).with_row_index("node").select("node", "row").explode("row")


def _once(rows: pl.DataFrame, order: pl.Series, same: pl.Series) -> pl.Series:
    """The rows of `order` that stay: what one node said at one instant (`same`), each value once.

    Mostly those are repeats in order of receipt: the first stays, and nothing is sorted.
    """
    shares = same | same.shift(-1, fill_value=False)
    found = pl.DataFrame({"row": order, "same": same}).with_row_index("slot").filter(shares)
    some = _exact(taken(rows.select(_COMPARED), found["row"]).hstack(found))
    is_repeat = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in VALUE)
    is_later = pl.col("received_time") > pl.col("received_time").shift(1)
    runs = some.with_columns(run=(~pl.col("same")).cum_sum())
    odd = runs.filter(pl.col("same") & ~(is_repeat & is_later).fill_null(value=False))["run"]
    kept = _distinct(runs.filter(pl.col("run").is_in(odd.unique().implode())))
    return order.scatter(kept["slot"], kept["row"]).filter(
        (~same).scatter(kept["slot"], values=True)
    )


def _exact(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(float_bits=pl.col("value_float").reinterpret(dtype=pl.Int64))


def _distinct(rows: pl.DataFrame) -> pl.DataFrame:
    """Each value of a `run` once, in order: its `row`, and a `slot` from the run's first on."""
    key = ["run", *VALUE]
    first = rows.sort(*key, *ARRIVAL).unique(key, keep="first", maintain_order=True)
    ordered = first.sort("run", "server_ticks", "received_time", *VALUE)
    slots = rows.group_by("run").agg(first_slot=pl.min("slot"))
    number = pl.int_range(pl.len()).over("run").cast(pl.UInt32)
    return ordered.join(slots, on="run", maintain_order="left").select(
        "row", slot=pl.col("first_slot") + number
    )


def quarantine(frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(kept, quarantined): impossible times are set apart, rows without any time kept.

    Impossible is a source (else server) time over 24 h ahead of its receipt, or before 2000.
    """
    time = pl.coalesce("source_time", "server_time")
    impossible = (time > pl.col("received_time") + AHEAD) | (time < EARLIEST)
    marked = frame.with_columns(impossible=impossible.fill_null(value=False))
    return (
        marked.filter(~pl.col("impossible")).drop("impossible"),
        marked.filter("impossible").drop("impossible"),
    )
