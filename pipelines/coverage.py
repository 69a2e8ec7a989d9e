"""For which times the ledger vouches, per work unit."""

import polars as pl

from pipelines.equipment import UNIT, units_of


def covered(coverage: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Disjoint spans (equipment key, from_time, to_time) in which a work unit is covered.

    All its servers must be: those of its tags, or of its factory when `tags` names no server.
    """
    servers = _servers(coverage, tags)
    needed = servers.group_by(UNIT).agg(needed=pl.len())
    spans = servers.join(
        disjoint(coverage, ["server_uri", "factory_id"]), on=["server_uri", "factory_id"]
    )
    edges = pl.concat(
        [
            spans.select(*UNIT, time="from_time", step=pl.lit(1)),
            spans.select(*UNIT, time="to_time", step=pl.lit(-1)),
        ]
    )
    depth = (
        edges.group_by(*UNIT, "time").agg(pl.sum("step")).sort(*UNIT, "time")
        .with_columns(
            depth=pl.col("step").cum_sum().over(UNIT), to=pl.col("time").shift(-1).over(UNIT)
        )
        .join(needed, on=UNIT, nulls_equal=True)
    )  # fmt: skip
    full = depth.filter(pl.col("depth") == pl.col("needed"), pl.col("to").is_not_null())
    return full.select(*UNIT, from_time="time", to_time="to").sort(*UNIT, "from_time")


def horizon(coverage: pl.DataFrame) -> pl.DataFrame:
    """Per factory the first and the last time any of its servers vouches for: `first`, `last`."""
    return coverage.group_by("factory_id").agg(first=pl.min("from_time"), last=pl.max("to_time"))


def _servers(coverage: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    if "server_uri" in tags.columns:
        own = tags.filter(pl.col("work_unit_id").is_not_null(), pl.col("server_uri").is_not_null())
        return own.select(*UNIT, "server_uri").unique()
    servers = coverage.select("factory_id", "server_uri").unique()
    return units_of(tags).join(servers, on="factory_id").select(*UNIT, "server_uri")


def disjoint(spans: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Spans (from_time, to_time) of one key, the overlapping and touching ones as one."""
    spans = spans.filter(pl.col("from_time") < pl.col("to_time")).sort(*key, "from_time")
    reached = spans.with_columns(reached=pl.col("to_time").cum_max().shift(1).over(key))
    begins = (pl.col("from_time") > pl.col("reached")).fill_null(value=True)
    runs = reached.with_columns(run=begins.cum_sum())
    return runs.group_by(*key, "run").agg(pl.min("from_time"), pl.max("to_time")).drop("run")
