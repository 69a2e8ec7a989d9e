"""Bronze: every value once, in one order; impossible times set apart."""

from datetime import UTC, datetime, timedelta
from typing import Final

import polars as pl

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


def compact(frame: pl.DataFrame) -> pl.DataFrame:
    """Each value once, by server_uri, node_id and event ticks.

    Repeats (`schemas.REPEAT_KEY`) are dropped, the earliest received kept; the same rows in any
    order give the same frame. Only rows that share node and ticks are compared in full.
    """
    ticks = pl.coalesce(event_ticks(), received_ticks())
    coded = frame.with_columns(event_ticks=ticks, code=_node_code())
    nodes = coded.unique("code").sort(NODE).select("code").with_row_index("node")
    keyed = coded.join(nodes, on="code").drop("code").sort("node", "event_ticks")
    same = pl.all_horizontal(pl.col(k) == pl.col(k).shift(1) for k in ("node", "event_ticks"))
    shares = (same | same.shift(-1)).fill_null(value=False)
    keyed = keyed.with_columns(shares=shares)
    if keyed["shares"].any():
        keyed = pl.concat(
            [keyed.filter(~pl.col("shares")), _distinct(keyed.filter("shares"))]
        ).sort("node", "event_ticks", maintain_order=True)
    return keyed.select(frame.columns)


ARRIVAL: Final = ["received_time", "origin", "server_ticks", "source_ticks"]
"""Which of several repeats is kept: the first by these."""


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
    return frame.with_columns(
        event_ticks=pl.coalesce(event_ticks(), received_ticks()),
        float_bits=pl.col("value_float").reinterpret(dtype=pl.Int64),
    )


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


def _node_code() -> pl.Expr:
    """A number for server and node, within one frame; not ordered."""
    server, node = (
        pl.col(name).cast(pl.Categorical).to_physical().cast(pl.UInt64) for name in NODE
    )
    return server * 2**32 + node


def _distinct(rows: pl.DataFrame) -> pl.DataFrame:
    key = ["node", "event_ticks", *VALUE]
    bits = pl.col("value_float").reinterpret(dtype=pl.Int64)
    exact = rows.with_columns(float_bits=bits)
    first = exact.sort(*key, *ARRIVAL).unique(key, keep="first", maintain_order=True)
    ordered = first.sort("node", "event_ticks", "server_ticks", "received_time", *VALUE)
    return ordered.drop("float_bits")


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
