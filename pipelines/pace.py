"""The order of a sequential line's stations, its pace, and which stage is its bottleneck.

Stations of one stage share its work: its cycle is 1 / sum(1 / PRI). The line's is that of its
slowest stage, per product.
"""

from typing import Final, NamedTuple

import polars as pl

from pipelines.cycles import ALWAYS, per_unit, with_pri
from pipelines.days import local_day
from pipelines.equipment import UNIT, units_of
from pipelines.schemas import CYCLES

LINE: Final = UNIT[:3]
US: Final = 1_000_000


class Paces(NamedTuple):
    """`units`: pri_s of every station, cycle_s of its stage and pace_s of its line.

    By line, product and `since`; only products for which every station has a cycle. `lines` has
    pace_s alone.
    """

    units: pl.DataFrame
    lines: pl.DataFrame


def orders(lines: pl.DataFrame, tags: pl.DataFrame) -> pl.DataFrame:
    """Stations by equipment key, with `stage is_last`, and the days from `since` to before `until`.

    The rows of a line with one valid_from are one order; it holds from that production day on,
    until the next. The park is the catalogue's.
    """
    name = ["factory_id", "line_id"]
    parks = units_of(tags).group_by(name).agg(pl.col("park_id").first())
    told = (
        lines.drop("park_id")
        .join(parks, on=name, how="inner", nulls_equal=True)
        .with_columns(since=local_day(pl.col("valid_from").fill_null(ALWAYS)))
    )
    last = pl.col("valid_from") == pl.col("valid_from").max().over(*name, "since")
    begun = told.filter(last.fill_null(value=True))
    days = begun.select(*name, "since").unique().sort(*name, "since")
    ends = days.with_columns(until=pl.col("since").shift(-1).over(name))
    is_last = pl.col("stage") == pl.col("stage").max().over(*name, "since")
    return (
        begun.with_columns(is_last=is_last)
        .join(ends, on=[*name, "since"], nulls_equal=True)
        .select(*UNIT, "stage", "is_last", "since", "until")
        .sort("since", *UNIT)
    )


def by_product(cycles: pl.DataFrame, stations: pl.DataFrame) -> Paces:
    """The paces of lines whose `stations` (equipment key, unit_no, stage) are given."""
    prices = per_unit(cycles, stations.select(*UNIT, "unit_no"))
    own = prices.join(stations.select("unit_no", *LINE), on="unit_no")
    products = own.select(*LINE, "product_id").unique()
    times = own.select(*LINE, since="valid_from").unique()
    grid = products.join(times, on=LINE, nulls_equal=True).join(
        stations.select(*LINE, "work_unit_id", "unit_no", "stage"), on=LINE, nulls_equal=True
    )
    key = [*LINE, "product_id", "since"]
    priced = with_pri(grid, prices, "since").sort(*key, "stage", "work_unit_id")
    rated = priced.with_columns(cycle_s=_shared().over(*key, "stage"))
    paced = rated.with_columns(pace_s=pl.col("cycle_s").max().over(key))
    whole = paced.filter(pl.col("pri_s").is_not_null().all().over(key))
    return Paces(whole, whole.select(*key, "pace_s").unique().sort(key))


def _shared() -> pl.Expr:
    """The cycle of a stage; of one station to the bit its PRI."""
    pri = pl.col("pri_s")
    return pl.when(pl.len() == 1).then(pri.first()).otherwise(1 / (1 / pri).sort().sum())


def as_cycles(paces: Paces) -> pl.DataFrame:
    """The paces as `schemas.CYCLES` of whole lines: what `quantities` prices pieces with."""
    rows = paces.lines.select(
        *LINE, "product_id", pri_s="pace_s", origin=pl.lit("line"), valid_from="since"
    ).with_columns(work_unit_id=pl.lit(None, pl.String))
    return rows.select(pl.col(name).cast(dtype) for name, dtype in CYCLES.items())


def shares(rows: pl.DataFrame, mix: pl.DataFrame, paces: Paces, by: list[str]) -> pl.DataFrame:
    """Per line-shift (`by`) and work unit its `share` of the bottleneck stage's work, 0 elsewhere.

    `rows` are stations (start, stage, is_last), `mix` the pieces by product. The bottleneck is the
    stage that needs longest for what the line made (made it nothing, for one of each), of equals
    the later. `haste`: how many pieces at the line's pace one at a station's own may be worth.
    Without any pace there is none, and the last stage's stations share alike.
    """
    shifts = rows.group_by(by).agg(at=pl.col("start").min())
    unit = [*by, "work_unit_id"]
    work = _work(shifts, _weights(shifts, mix, paces, by), paces, by)
    needs = work.group_by(*by, "stage").agg(need=pl.col("work").sort().sum())
    slowest = needs.sort(*by, pl.col("need").round(6), "stage").group_by(
        by, maintain_order=True
    ).last().rename({"stage": "bottleneck"})  # fmt: skip
    haste = paces.units.group_by(*LINE, "work_unit_id").agg(
        haste=(pl.col("pace_s") / pl.col("pri_s")).max()
    )
    alike = pl.when("is_last").then(1 / pl.col("is_last").sum().over(by)).otherwise(0.0)
    own = pl.when(pl.col("stage") == pl.col("bottleneck")).then(pl.col("work") / pl.col("need"))
    return (
        rows.select(*unit, "stage", "is_last")
        .join(slowest, on=by, how="left", nulls_equal=True)
        .join(work.drop("stage"), on=unit, how="left", nulls_equal=True)
        .join(haste, on=[*LINE, "work_unit_id"], how="left", nulls_equal=True)
        .select(
            *unit, "bottleneck", "haste",
            share=pl.when(pl.col("bottleneck").is_null()).then(alike).otherwise(own.fill_null(0.0)),
        )
    )  # fmt: skip


def _weights(shifts: pl.DataFrame, mix: pl.DataFrame, paces: Paces, by: list[str]) -> pl.DataFrame:
    """`pieces` per line-shift and product that has a pace; one of each where it made none."""
    products = paces.lines.select(*LINE, "product_id").unique().with_columns(is_rated=True)
    key = [*LINE, "product_id"]
    told = mix.join(products, on=key, how="left", nulls_equal=True).with_columns(
        pl.when("is_rated").then("product_id")
    )
    made = told.group_by(*by, "product_id").agg(pl.sum("pieces"))
    pieces = pl.col("pieces").fill_null(0)
    return (
        shifts.join(products, on=LINE, nulls_equal=True)
        .join(made, on=[*by, "product_id"], how="left", nulls_equal=True)
        .with_columns(pl.when(pieces.sum().over(by) > 0).then(pieces).otherwise(1).alias("pieces"))
    )


def _work(shifts: pl.DataFrame, weights: pl.DataFrame, paces: Paces, by: list[str]) -> pl.DataFrame:
    """Seconds of its stage's work for the line-shift's products that a station does."""
    begins = pl.col("since").min().over(*LINE, "product_id")
    dated = paces.units.with_columns(
        since=pl.when(pl.col("since") == begins).then(ALWAYS).otherwise("since")
    )
    unit = [*by, "stage", "work_unit_id"]
    done = pl.col("pieces") * pl.col("cycle_s") * (pl.col("cycle_s") / pl.col("pri_s"))
    return (
        weights.join(dated, on=[*LINE, "product_id"], nulls_equal=True)
        .filter(pl.col("since") <= pl.col("at"))
        .sort(*unit, "product_id", "since")
        .group_by(*unit, "product_id", maintain_order=True)
        .last()
        .group_by(unit)
        .agg(work=done.sort().sum())
    )
