"""研发 / 生产 / 经营 / 运维: which stage of the chain a datum belongs to, and which are collected.

The plan asks for data of the whole chain and does not say which datum is whose; the tags are ours,
as data (`chain_stages.csv`), the particular before the general: a measure before its kind, a column
before its table. A node whose meaning nobody knows (kind other) has no stage and is not counted.
"""

from functools import cache
from importlib.resources import files
from typing import Final

import polars as pl

from pipelines.catalogue import NODE

STAGES: Final = ["rnd", "production", "business", "operation"]
NAMES_ZH: Final = dict(zip(STAGES, ("研发", "生产", "经营", "运维"), strict=True))

BY_FACTORY: Final = pl.Schema(
    {
        "factory_id": pl.String(),
        "stage": pl.String(),
        "measures": pl.Int64(),
        "nodes": pl.Int64(),
        "values": pl.Int64(),
        "is_covered": pl.Boolean(),
    }
)
"""Data of a factory by stage, every stage a row. `is_covered`: at least one value was collected."""


@cache
def table() -> pl.DataFrame:
    """`scope name stage note`; scope is kind, measure, table or column (`table.column`)."""
    path = files("pipelines").joinpath("chain_stages.csv")
    with path.open("rb") as file:
        return pl.read_csv(file, schema_overrides={"note": pl.String})


def of_tags() -> pl.Expr:
    """The stage of a tag by its `measure`, else by its `measure_kind`; null where neither says."""
    return pl.coalesce(_said("measure", "measure"), _said("kind", "measure_kind"))


def of_column(name: str, column: str) -> str:
    """The stage of a column of a lake table; KeyError names a table that has none."""
    columns, tables = _stages("column"), _stages("table")
    return columns.get(f"{name}.{column}") or tables[_family(name)]


def kept(ledger: pl.DataFrame) -> pl.DataFrame:
    """`server_uri node_id values`: values that were kept of each node, from LEDGER_BY_DAY rows."""
    of_nodes = ledger.filter(pl.col("node_id").is_not_null())
    return of_nodes.group_by(NODE).agg(values=kept_values().sum())


def kept_values() -> pl.Expr:
    """Values that came by whichever way less those that were repeats (LEDGER_BY_DAY)."""
    came = pl.sum_horizontal("received_live", "republished", "back_filled")
    return came - pl.col("repeats_removed")


def by_factory(tags: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """`BY_FACTORY` from the standing tags of factories and `values` of their nodes (see `kept`)."""
    standing = tags.filter(pl.col("valid_to").is_null(), pl.col("factory_id").is_not_null())
    staged = standing.with_columns(stage=of_tags()).filter(pl.col("stage").is_not_null())
    counted = (
        staged.join(values, on=NODE, how="left")
        .group_by("factory_id", "stage")
        .agg(
            measures=pl.col("measure").n_unique().cast(pl.Int64),
            nodes=pl.struct(NODE).n_unique().cast(pl.Int64),
            values=pl.col("values").fill_null(0).sum().cast(pl.Int64),
        )
    )
    every = (
        standing.select("factory_id").unique().join(pl.DataFrame({"stage": STAGES}), how="cross")
    )
    order = pl.col("stage").replace_strict({name: n for n, name in enumerate(STAGES)})
    return (
        every.join(counted, on=["factory_id", "stage"], how="left")
        .with_columns(pl.col("measures", "nodes", "values").fill_null(0))
        .with_columns(is_covered=pl.col("values") > 0)
        .sort("factory_id", order)
        .match_to_schema(BY_FACTORY)
    )


def _said(scope: str, column: str) -> pl.Expr:
    return pl.col(column).replace_strict(_stages(scope), default=None, return_dtype=pl.String)


@cache
def _stages(scope: str) -> dict[str, str]:
    own = table().filter(pl.col("scope") == scope)
    return dict(own.select("name", "stage").iter_rows())


def _family(name: str) -> str:
    """The wide tables of process values are one per machine type, and one of a kind."""
    return "process_values" if name.startswith("process_values_") else name
