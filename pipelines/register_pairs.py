"""Rows of one file that speak of the same thing: repeats, contradictions, overlapping spans."""

from typing import Final

import polars as pl

from pipelines.park_schemas import FACT_KEY, VERSION_KEY
from pipelines.register_reasons import FOUND, PLACE
from pipelines.register_tables import FIELDS

_NAMED: Final = 5
"""As many other lines are named."""
_LONG_AGO: Final = 1 << 20
"""Added to days since 1970, so that none is negative."""


def _key(table: str) -> list[str]:
    return [*VERSION_KEY[table], "valid_from"] if table in VERSION_KEY else FACT_KEY[table]


def _several(rows: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """The rows whose key stands on more than one line."""
    is_shared = rows.select(pl.struct(key).is_duplicated()).to_series()
    return rows.filter(is_shared)


def once(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """The first of the rows that say the same; `repeats` counts the further ones."""
    shared = _several(rows, _key(table))
    if shared.is_empty():
        return rows.with_columns(repeats=pl.lit(0, dtype=pl.Int64))
    first = shared.group_by(_key(table), maintain_order=True).agg(
        *(pl.col(name).first() for name in PLACE), repeats=pl.len().cast(pl.Int64) - 1
    )
    counted = rows.join(
        first.select(*PLACE, "repeats"), on=PLACE, how="left", nulls_equal=True,
        maintain_order="left",
    )  # fmt: skip
    further = shared.join(first, on=PLACE, how="anti", nulls_equal=True).select(PLACE)
    return counted.join(
        further, on=PLACE, how="anti", nulls_equal=True, maintain_order="left"
    ).with_columns(pl.col("repeats").fill_null(0))


def contradicting(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """FOUND of the rows that say different things of one thing, each with the other lines."""
    key = _key(table)
    shared = _several(rows, key)
    contents = [name for name in rows.columns if name not in PLACE]
    distinct = shared.select(contents).unique()
    disputed = _several(distinct, key).select(key).unique()
    wrong = shared.join(disputed, on=key, how="semi", nulls_equal=True, maintain_order="left")
    wrong = wrong.with_columns(label=_label())
    lines = wrong.group_by(key).agg(pl.col("label"))
    others = pl.col("label_right").list.set_difference(pl.concat_list("label")).list.sort()
    named = others.list.head(_NAMED).list.join(", ")
    more = pl.when(others.list.len() > _NAMED).then(pl.lit(" …")).otherwise(pl.lit(""))
    return (
        wrong.join(lines, on=key, nulls_equal=True, maintain_order="left")
        .with_columns(about=named + more)
        .select(*_found(_column(table), "duplicate"))
    )


def overlapping(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """FOUND of the versions of one thing of which one goes on after the next has begun.

    A version without an end is closed by the next one, and overlaps nothing.
    """
    if table not in VERSION_KEY:
        return FOUND.to_frame()
    key = VERSION_KEY[table]
    shared = _several(rows, key)
    if shared["valid_to"].count() == 0:
        return FOUND.to_frame()
    spans = shared.sort(*key, "valid_from", maintain_order=True).with_row_index("at")
    end = (pl.col("valid_to").cast(pl.Int32).cast(pl.Int64) + _LONG_AGO).fill_null(0)
    latest = (end * (1 << 32) + pl.col("at")).cum_max().shift(1).over(key)
    begin = pl.col("valid_from").cast(pl.Int32).cast(pl.Int64) + _LONG_AGO
    later = spans.with_columns(label=_label(), latest=latest).filter(latest // (1 << 32) > begin)
    later = later.with_columns(before=(pl.col("latest") % (1 << 32)).cast(pl.UInt32))
    pairs = later.join(
        spans.select([*PLACE, "at"]).with_columns(label=_label()), left_on="before", right_on="at"
    )
    return pl.concat(
        [
            pairs.with_columns(about=pl.col("label_right")).select(
                *_found("valid_from", "overlap")
            ),
            pairs.with_columns(
                about=pl.col("label"), sheet=pl.col("sheet_right"), line=pl.col("line_right")
            )
            .unique(PLACE, keep="first", maintain_order=True)
            .select(*_found("valid_to", "overlap")),
        ]
    )


def _label() -> pl.Expr:
    """A line as a person names it: 12, or 名录!12 in a workbook."""
    line = pl.col("line").cast(pl.String)
    return pl.coalesce(pl.col("sheet") + "!" + line, line)


def _column(table: str) -> str:
    """The column by which a clerk knows the thing."""
    key = VERSION_KEY.get(table, FACT_KEY.get(table, []))
    required = [field.name for field in FIELDS[table] if field.is_required]
    return [name for name in key if name in required][-1]


def _found(column: str, reason: str) -> list[pl.Expr]:
    said = {"column": pl.lit(column), "value": pl.lit(None), "reason": pl.lit(reason)}
    told = {**said, "about": pl.col("about")}
    return [
        *(pl.col(name) for name in PLACE),
        *(expr.cast(pl.String).alias(name) for name, expr in told.items()),
    ]
