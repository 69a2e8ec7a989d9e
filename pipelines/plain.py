"""Pieces that nothing doubts, millions of them, as sums by span and product."""

from typing import Final

import polars as pl

from pipelines.lanes import Counts

FEW: Final = 8
"""So many products are summed in a column each."""


def plain(counts: Counts, apart: pl.Series, begins: pl.Series, names: pl.Series) -> pl.DataFrame:
    """`span product_id amount`: the pieces of all rows but those `apart`.

    `begins`: by span its first row, and behind them the number of rows. `names`: the products that
    are likely.
    """
    amount = counts.rows["amount"].scatter(apart, 0)
    begun = _begun(begins, counts.rows.height)
    rows = pl.LazyFrame([begun, counts.rows["product_id"], amount])
    few = _by_few(rows, names) if 0 < len(names) <= FEW else None
    sums = _by_any(rows, len(begins)) if few is None else few
    return sums.filter(pl.col("amount") > 0, pl.col("begun") > 0).select(
        (pl.col("begun") - 1).cast(pl.UInt32).alias("span"), "product_id", "amount"
    )


def _begun(begins: pl.Series, rows: int) -> pl.Series:
    """By row how many spans have begun at it: 0 before the first."""
    begun = pl.DataFrame({"row": begins.filter(begins < rows)}).with_row_index("no", offset=1)
    last = begun.unique("row", keep="last", maintain_order=True)
    more = last["no"].cast(pl.Int32) - last["no"].cast(pl.Int32).shift(1, fill_value=0)
    every = pl.zeros(rows, pl.Int32, eager=True).scatter(last["row"], more).cum_sum()
    return every.alias("begun").set_sorted()


def _by_few(rows: pl.LazyFrame, names: pl.Series) -> pl.DataFrame | None:
    """Pieces by span and product, a column for each; None where others than `names` were made.

    Rows of a span stand together, so that nothing is hashed: a third of the time of `_by_any`.
    """
    amount, product = pl.col("amount"), pl.col("product_id")
    each = {
        str(n): pl.when(product == name).then(amount).otherwise(0) for n, name in enumerate(names)
    }
    wide = rows.select("begun", every=amount, **each)
    sums = wide.group_by("begun").agg(pl.all().sum()).collect()
    if not sums.select((pl.sum_horizontal(*each) == pl.col("every")).all()).item():
        return None
    long = sums.unpivot(list(each), index="begun", variable_name="no", value_name="amount")
    return long.with_columns(product_id=names.gather(long["no"].cast(pl.UInt32)))


def _by_any(rows: pl.LazyFrame, spans: int) -> pl.DataFrame:
    """Pieces by span and product, which one integer for both finds in a third of the time."""
    product = pl.col("product_id").cast(pl.Categorical).to_physical().cast(pl.Int64) + 1
    code = product.fill_null(0) * spans + pl.col("begun")
    sums = rows.select("product_id", "amount", code=code).group_by("code")
    found = sums.agg(pl.sum("amount"), pl.first("product_id")).collect(engine="streaming")
    return found.with_columns(begun=(pl.col("code") % spans).cast(pl.Int32))
