"""How long each time element lasted inside an interval, in whole microseconds."""

import polars as pl

from pipelines.equipment import UNIT
from pipelines.schemas import TIME
from pipelines.states import ELEMENTS, element

BEFORE_ALL = pl.datetime(1970, 1, 1, time_zone="UTC").cast(TIME)
SUMS = [*ELEMENTS, "unknown"]


def element_times(
    episodes: pl.DataFrame, covered: pl.DataFrame, intervals: pl.DataFrame, profile: str
) -> pl.DataFrame:
    """Adds `apt_us aust_us adet_us adot_us unknown_us` to intervals (equipment key, start, end).

    Unknown is what no state tells or no coverage vouches for; the five sum to end less start.
    Each element's running total is taken at both edges (prefix sums): cost grows with the sum of
    episodes and intervals, not with their product.
    """
    units = intervals.select(UNIT).unique().sort(UNIT).with_row_index("unit_no")
    totals = _running(_changes(episodes, covered, units, profile))
    edges = intervals.join(units, on=UNIT, nulls_equal=True).with_row_index("row")
    at_start, at_end = _at(edges, "start", totals), _at(edges, "end", totals)
    spent = at_start.join(at_end, on="row", suffix="_end")
    return (
        edges.join(spent, on="row")
        .sort("row")
        .with_columns((pl.col(f"{name}_end") - pl.col(name)).alias(f"{name}_us") for name in SUMS)
        .select(*intervals.columns, *(f"{name}_us" for name in SUMS))
    )


def _changes(
    episodes: pl.DataFrame, covered: pl.DataFrame, units: pl.DataFrame, profile: str
) -> pl.DataFrame:
    """Per work unit the instants at which the element changes, from long before the first on."""
    states = episodes.select(
        *UNIT,
        time="start",
        element=element(profile).fill_null("unknown"),
        covered=pl.lit(None, pl.Boolean),
    )
    edges = [
        covered.select(
            *UNIT,
            time=name,
            element=pl.lit(None, pl.String),
            covered=pl.lit(value=name == "from_time"),
        )
        for name in ("to_time", "from_time")
    ]
    begin = units.select(
        "unit_no", time=BEFORE_ALL, element=pl.lit("unknown"), covered=pl.lit(value=False)
    )
    known = pl.concat([states, *edges]).join(units, on=UNIT, nulls_equal=True)
    ordered = pl.concat([begin, known.select(begin.columns)]).sort(
        "unit_no", "time", maintain_order=True
    )
    filled = ordered.with_columns(pl.col("element", "covered").forward_fill().over("unit_no"))
    once = filled.unique(["unit_no", "time"], keep="last", maintain_order=True)
    real = pl.when("covered").then("element").otherwise(pl.lit("unknown"))
    return once.select("unit_no", "time", element=real)


def _running(changes: pl.DataFrame) -> pl.DataFrame:
    """Adds, per element, the microseconds spent in it before `time`."""
    lasted = pl.col("time").diff().dt.total_microseconds()
    before = pl.col("element").shift(1)
    return changes.with_columns(
        pl.when(before == name).then(lasted).otherwise(0).cum_sum().over("unit_no").alias(name)
        for name in SUMS
    )


def _at(edges: pl.DataFrame, edge: str, totals: pl.DataFrame) -> pl.DataFrame:
    """`row` and the running totals at the instant `edge`."""
    asked = edges.select("row", "unit_no", time=edge).sort("time")
    since = totals.with_columns(since="time").sort("time")
    found = asked.join_asof(since, on="time", by="unit_no", check_sortedness=False)
    passed = (pl.col("time") - pl.col("since")).dt.total_microseconds()
    return found.select(
        "row",
        *(
            pl.col(name) + pl.when(pl.col("element") == name).then(passed).otherwise(0)
            for name in SUMS
        ),
    )
