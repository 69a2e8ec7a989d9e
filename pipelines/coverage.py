"""For which times the ledger vouches, per work unit."""

from typing import Final

import polars as pl

from pipelines.catalogue import NODE, held_from, is_measure
from pipelines.counters import KINDS
from pipelines.equipment import UNIT, units_of
from pipelines.schemas import GAPS
from pipelines.states import MEASURES

HEARD: Final = [*MEASURES, "order_id", "product_id", *KINDS]
"""What a figure of OEE is made of: where one of these was not heard, the machine is unknown."""

NO_GAPS: Final = pl.DataFrame(schema=GAPS)


def covered(
    coverage: pl.DataFrame, tags: pl.DataFrame, gaps: pl.DataFrame = NO_GAPS
) -> pl.DataFrame:
    """Disjoint spans (equipment key, from_time, to_time) in which a work unit is covered.

    All its servers must be while a tag of theirs holds: those of its tags, or of its factory when
    `tags` names no server. A gap of a server or of a node in HEARD is not covered; an open one has
    no end, and a bare list of work units knows no nodes.
    """
    needed = _needed(coverage, tags)
    vouched = disjoint(coverage, ["server_uri", "factory_id"])
    there = lapped(needed.join(vouched, on=["server_uri", "factory_id"], suffix="_other"))
    holes = disjoint(_holes(gaps, needed, tags), UNIT)
    return heard(needed, there, holes, UNIT)


def heard(
    needed: pl.DataFrame, there: pl.DataFrame, holes: pl.DataFrame, key: list[str]
) -> pl.DataFrame:
    """Disjoint spans (key, from_time, to_time) in which all that is needed is there, and no hole.

    Of each key: the spans in which anything is needed, those of `needed` that are vouched for, and
    what was not heard. The one rule of completeness: a machine's, a node's and a server's.
    """
    edges = [*_edges(needed, key, 1, 1), *_edges(there, key, 0, -1), *_edges(holes, key, 0, 1)]
    depth = (
        pl.concat(edges).group_by(*key, "time").agg(pl.sum("needed", "missing"))
        .sort(*key, "time")
        .with_columns(
            pl.col("needed", "missing").cum_sum().over(key), to=pl.col("time").shift(-1).over(key)
        )
    )  # fmt: skip
    full = depth.filter(pl.col("needed") > 0, pl.col("missing") == 0, pl.col("to").is_not_null())
    return full.select(*key, from_time="time", to_time="to").sort(*key, "from_time")


def horizon(coverage: pl.DataFrame) -> pl.DataFrame:
    """Per factory the first and the last time any of its servers vouches for: `first`, `last`."""
    return coverage.group_by("factory_id").agg(first=pl.min("from_time"), last=pl.max("to_time"))


def _needed(coverage: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Disjoint spans (equipment key, server_uri) in which a work unit needs a server."""
    if "server_uri" in tags.columns:
        own = tags.filter(pl.col("work_unit_id").is_not_null(), pl.col("server_uri").is_not_null())
        spans = own.select(*UNIT, "server_uri", from_time=_needed_from(), to_time="valid_to")
    else:
        servers = coverage.select("factory_id", "server_uri").unique()
        never = pl.lit(None, coverage.schema["from_time"])
        spans = units_of(tags).join(servers, on="factory_id")
        spans = spans.select(*UNIT, "server_uri", from_time=never, to_time=never)
    ends = spans.unique().join(horizon(coverage), on="factory_id")
    whole = ends.with_columns(
        from_time=pl.coalesce("from_time", "first"), to_time=pl.coalesce("to_time", "last")
    )
    return disjoint(whole.drop("first", "last"), [*UNIT, "server_uri"])


def _needed_from() -> pl.Expr:
    """A server was needed before its first tag was written down, unless another has made way."""
    succession = pl.col("valid_to").is_not_null().any().over(UNIT)
    return pl.when(succession).then(held_from(UNIT)).otherwise(held_from([*UNIT, "server_uri"]))


def _holes(gaps: pl.DataFrame, needed: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Spans (equipment key) in which a server, or a node in HEARD, was not heard."""
    of_server = gaps.filter(pl.col("node_id").is_null())
    whole = lapped(needed.join(of_server, on="server_uri", suffix="_other"))
    if "server_uri" not in tags.columns:
        return whole.select(*UNIT, "from_time", "to_time")
    held = tags.with_columns(from_time=held_from(NODE), to_time="valid_to")
    heard = held.filter(is_measure(HEARD), pl.col("work_unit_id").is_not_null())
    meant = lapped(heard.join(gaps, on=NODE, suffix="_other"))
    single = lapped(
        meant.select(*UNIT, "server_uri", "from_time", "to_time")
        .join(needed, on=[*UNIT, "server_uri"], nulls_equal=True, suffix="_other")
    )  # fmt: skip
    return pl.concat([part.select(*UNIT, "from_time", "to_time") for part in (whole, single)])


def lapped(paired: pl.DataFrame) -> pl.DataFrame:
    """Each pair of spans (the second's edges end in `_other`) as what both share; null is open."""
    return paired.with_columns(
        from_time=pl.max_horizontal("from_time", "from_time_other"),
        to_time=pl.min_horizontal("to_time", "to_time_other"),
    ).filter((pl.col("from_time") < pl.col("to_time")).fill_null(value=True))


def _edges(spans: pl.DataFrame, key: list[str], needed: int, missing: int) -> list[pl.DataFrame]:
    """What changes where spans begin, and back again where they end."""
    return [
        spans.select(
            *key,
            time=name,
            needed=pl.lit(sign * needed, pl.Int64),
            missing=pl.lit(sign * missing, pl.Int64),
        )
        for name, sign in (("from_time", 1), ("to_time", -1))
    ]


def disjoint(spans: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Spans (from_time, to_time) of one key, the overlapping and touching ones as one."""
    spans = spans.filter(pl.col("from_time") < pl.col("to_time"))
    if not spans.select(key).is_duplicated().any():
        return spans.select(*key, "from_time", "to_time")
    spans = spans.sort(*key, "from_time")
    reached = spans.with_columns(reached=pl.col("to_time").cum_max().shift(1).over(key))
    begins = (pl.col("from_time") > pl.col("reached")).fill_null(value=True)
    runs = reached.with_columns(run=begins.cum_sum())
    return runs.group_by(*key, "run").agg(pl.min("from_time"), pl.max("to_time")).drop("run")
