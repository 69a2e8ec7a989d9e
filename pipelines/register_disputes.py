"""Where sources differ: a row per field that one says otherwise than what stands."""

from collections.abc import Iterator
from typing import Final

import polars as pl

from pipelines.park_schemas import CONFLICTS, FACT_KEY, REGISTER, VERSION_KEY

AGAINST: Final = pl.Schema({"row": pl.UInt32(), "kept": pl.UInt32(), "why": pl.String()})
"""A row that does not stand, the row that stands in its place, and why."""


def disputes(
    table: str, said: pl.DataFrame, against: pl.DataFrame
) -> tuple[pl.DataFrame, pl.Series, pl.DataFrame]:
    """The CONFLICTS of rows that do not stand, and the `row` of those that have one.

    `said` are rows with their `row`. A field that a row leaves blank contradicts nobody. The third
    is, by `row` that stands, `source_alike`: the first source of its rank that says just the same.
    """
    other = said.rename({name: f"kept_{name}" for name in said.columns if name != "row"})
    pairs = against.join(said, on="row").join(
        other.rename({"row": "kept"}), on="kept", maintain_order="left"
    )
    found = pl.concat([_EMPTY.to_frame(), *_by_field(table, pairs)])
    ordered = found.sort("key", "from_day", "refused_source", "field", maintain_order=True)
    return ordered.select(CONFLICTS.names()), found["row"].unique(), _alike(table, pairs)


_EMPTY: Final = pl.Schema({"row": pl.UInt32(), **CONFLICTS})


def _by_field(table: str, pairs: pl.DataFrame) -> Iterator[pl.DataFrame]:
    key = VERSION_KEY.get(table) or FACT_KEY[table]
    day = next((name for name in ("valid_from", "day") if name in pairs.columns), None)
    parts = [pl.col(name).cast(pl.String).fill_null("") for name in key]
    for name in REGISTER[table]:
        if name in (*key, "valid_from", "source"):
            continue
        differs = pl.col(name).is_not_null() & pl.col(name).ne_missing(pl.col(f"kept_{name}"))
        yield pairs.filter(differs).select(
            "row",
            table=pl.lit(table),
            key=pl.concat_str(parts, separator=" | "),
            field=pl.lit(name),
            from_day=pl.col(day) if day else pl.lit(None, dtype=pl.Date),
            kept=pl.col(f"kept_{name}").cast(pl.String),
            kept_source=pl.col("kept_source"),
            refused=pl.col(name).cast(pl.String),
            refused_source=pl.col("source"),
            why=pl.col("why"),
        )


def _alike(table: str, pairs: pl.DataFrame) -> pl.DataFrame:
    names = [name for name in REGISTER[table] if name != "source"]
    is_alike = pl.all_horizontal(pl.col(name).eq_missing(pl.col(f"kept_{name}")) for name in names)
    same_rank = pl.col("priority") == pl.col("kept_priority")
    alike = pairs.filter(is_alike & same_rank).group_by(row="kept")
    return alike.agg(source_alike=pl.col("source").min())
