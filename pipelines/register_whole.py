"""The whole register from everything that was said: every table, conflicts, dangling references."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import polars as pl

from pipelines.park_schemas import CONFLICTS, REGISTER
from pipelines.register_history import PRECEDENCE, history
from pipelines.register_tables import REFERENCES

SAID: Final = {"source": pl.String(), "import_seq": pl.Int64(), "priority": pl.Int64()}
"""Who said a row, in which import (0: a gateway), and how high the source ranks (PRECEDENCE)."""

DANGLING: Final = pl.Schema(
    {"table": pl.String(), "column": pl.String(), "value": pl.String(), "rows": pl.Int64()}
)
"""What a table names and no row of the other table is: a site of an unknown enterprise."""


class Whole(NamedTuple):
    """Every table of the register as it stands, what is disputed and what is named in vain."""

    tables: dict[str, pl.DataFrame]
    conflicts: pl.DataFrame
    dangling: pl.DataFrame


def of_gateways(table: pl.DataFrame) -> pl.DataFrame:
    """A table of `gateway_register` with SAID, as `whole` takes it."""
    source = pl.col("source") if "source" in table.columns else pl.lit("gateways")
    return table.with_columns(
        source=source,
        import_seq=pl.lit(0, dtype=pl.Int64),
        priority=pl.lit(PRECEDENCE["gateway"], dtype=pl.Int64),
    )


def whole(*sayings: Mapping[str, pl.DataFrame]) -> Whole:
    """The register from the rows of files and of gateways, each by the name of its table.

    Rows have their table's columns and SAID; further columns are left out.
    """
    tables, conflicts = {}, [CONFLICTS.to_frame()]
    for name, schema in REGISTER.items():
        wanted = pl.Schema({**schema, **SAID})
        parts = [said[name].select(wanted.names()) for said in sayings if name in said]
        rows = pl.concat([wanted.to_frame(), *parts])
        tables[name], disputed = history(name, rows)
        conflicts.append(disputed)
    return Whole(tables, pl.concat(conflicts), dangling(tables))


def dangling(tables: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """DANGLING: references to nothing, by table, column and value."""
    found = [DANGLING.to_frame()]
    for table, columns in REFERENCES.items():
        for column, (other, key) in columns.items():
            named = tables[table].drop_nulls(column).group_by(value=column).agg(rows=pl.len())
            unknown = named.join(tables[other], left_on="value", right_on=key, how="anti")
            found.append(
                unknown.sort("value").select(
                    table=pl.lit(table),
                    column=pl.lit(column),
                    value="value",
                    rows=pl.col("rows").cast(pl.Int64),
                )
            )
    return pl.concat(found)
