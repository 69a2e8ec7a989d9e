"""Quartiles that are nobody's value, and what they give away (docs/decisions/0041).

A quartile is told as the mean of the three or four values around it, of legal groups that speak
once each, rounded. Whoever knows all values but one can then say of it no more than a range.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, NamedTuple

import polars as pl

QUARTERS: Final = {"q1": 1, "median": 2, "q3": 3}

CELL: Final = ["cell", "figure"]
UNKNOWN: Final = ["legal_group", "member", "members"]
"""One value: a group, the first of its enterprises in the cell, and how many they are. In a wider
cell the same first one and the same number are the same enterprises."""


class Told(NamedTuple):
    """A figure as it is told, and the least and the most that it is told of."""

    value: float
    least: float
    most: float


def rounded(value: float, step: float) -> Told:
    """To two significant digits, but to no less than `step` (a power of ten); half to even."""
    exact, finest = Decimal(repr(value)), Decimal(repr(step))
    unit = _unit(exact, finest)
    told = (exact / unit).quantize(Decimal(1), ROUND_HALF_EVEN) * unit
    size = abs(told)
    outer = size + _unit(told, finest) / 2
    inner = size - _unit(told.next_toward(Decimal(0)), finest) / 2
    edges = (inner, outer) if told >= 0 else (-outer, -inner)
    return Told(float(told) + 0.0, *map(float, edges))


def _unit(value: Decimal, finest: Decimal) -> Decimal:
    """Of the second digit; below a power of ten it is ten times finer than above."""
    return max(Decimal(1).scaleb(value.adjusted() - 1), finest) if value else finest


def ranked(values: pl.DataFrame) -> pl.DataFrame:
    """CELL, UNKNOWN and `value place groups enterprises` of `cell figure legal_group uscc value`.

    A group's value in a cell is the mean of its enterprises'; `place` counts from 0.
    """
    spoken = (
        values.sort("value", "uscc")
        .group_by(*CELL, "legal_group", maintain_order=True)
        .agg(pl.mean("value"), member=pl.min("uscc"), members=pl.len().cast(pl.Int64))
        .sort(*CELL, "value", "legal_group")
    )
    return spoken.with_columns(
        place=pl.int_range(pl.len()).over(CELL),
        groups=pl.len().over(CELL).cast(pl.Int64),
        enterprises=pl.sum("members").over(CELL),
    )


def order_figures(spoken: pl.DataFrame, steps: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """`cell figure name told least most size total` and the values about the window's edges.

    A quartile lies at place h = (n - 1) p of the sorted values; it is the mean of those whose
    place is within 1.5 of h. The least and the greatest must be in no window.
    """
    cells = spoken.group_by(CELL, maintain_order=True).agg("value", n=pl.len().cast(pl.Int64))
    of_name = pl.DataFrame({"name": names, "p": [QUARTERS[name] for name in names]})
    at = pl.col("p") * (pl.col("n") - 1)
    windows = cells.join(of_name, how="cross").with_columns(
        first=(at - 3) // 4, last=(at + 6) // 4
    ).with_columns(size=pl.col("last") - pl.col("first") + 1)  # fmt: skip
    value = pl.col("value").list
    figures = windows.join(steps.select("figure", "step"), on="figure").select(
        *CELL, "name", "step", "first", "last", "size",
        total=value.slice("first", "size").list.sum(),
        under=value.get(pl.col("first") - 1),
        bottom=value.get(pl.col("first")),
        top=value.get(pl.col("last")),
        over=value.get(pl.col("last") + 1),
    )  # fmt: skip
    means = figures.select(pl.col("total") / pl.col("size"), "step").rows()
    told = pl.DataFrame(
        [rounded(*row) for row in means],
        dict.fromkeys(["told", "least", "most"], pl.Float64()),
        orient="row",
    )
    return figures.hstack(told)


def _near(value: pl.Expr) -> pl.Expr:
    """Where the window's edge lies half-way between two told values, it bounds what fits, too."""
    return 1e-9 * (1 + value.abs())


def ranges(spoken: pl.DataFrame, figures: pl.DataFrame) -> pl.DataFrame:
    """CELL, UNKNOWN and `low high`: what whoever knows all others is left with of each value.

    With x at its place among the others, the mean is (S + min(max(x, L), H)) / size: of a value
    beyond a window nothing is told but that it is.
    """
    placed = spoken.join(figures, on=CELL)
    place, first, last = pl.col("place"), pl.col("first"), pl.col("last")
    own = pl.when(place < first).then("bottom").when(place > last).then("top").otherwise("value")
    rest = pl.col("total") - own
    floor = pl.when(place >= first).then("under").otherwise("bottom")
    ceiling = pl.when(place > last).then("top").otherwise("over")
    low = pl.col("size") * pl.col("least") - rest
    high = pl.col("size") * pl.col("most") - rest
    left = placed.select(
        *CELL,
        *UNKNOWN,
        low=pl.when(low > floor - _near(floor)).then(low).otherwise(-float("inf")),
        high=pl.when(high < ceiling + _near(ceiling)).then(high).otherwise(float("inf")),
    )
    return left.group_by(*CELL, *UNKNOWN).agg(pl.max("low"), pl.min("high"))
