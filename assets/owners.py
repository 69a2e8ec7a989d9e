"""Whose a factory is: what disclosure control and cards group factories by."""

from collections.abc import Sequence

import polars as pl

from assets.partitions import HOME
from assets.tables import readable
from connectors.lake import Lake


def owners_of(factories: Sequence[str]) -> pl.DataFrame:
    """`factory_id uscc`: whose a factory is, as its servers said last, on whichever day."""
    rows = [(factory, _uscc(factory)) for factory in factories]
    schema = {"factory_id": pl.String(), "uscc": pl.String()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def legal_groups(owners: pl.DataFrame, register: pl.DataFrame) -> pl.DataFrame:
    """`factory_id legal_group` of the factories whose USCC (`owners`) the register knows."""
    known = register.select("uscc", pl.coalesce("legal_group", "uscc").alias("legal_group"))
    return owners.join(known, on="uscc").select("factory_id", "legal_group").unique()


def _uscc(factory: str) -> str | None:
    lake, node = Lake(HOME.lake), ["server_uri", "node_id"]
    nodes = readable(lake, "tags", factory).filter(pl.col("measure") == "uscc").select(node).lazy()
    days = (one for one in lake.partitions("raw_values") if one.factory == factory)
    for partition in sorted(days, reverse=True):
        values = lake.scan("raw_values", [partition])
        assert values is not None
        said = values.filter(pl.col("value_text") != "").join(nodes, on=node, how="semi")
        last = said.select("source_time", "value_text").collect().sort("source_time", "value_text")
        if not last.is_empty():
            return str(last["value_text"][-1])
    return None
