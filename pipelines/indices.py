"""ISO 22400-2 ratios of one interval, and of sums of intervals.

The formulas are data (`formulas`). Integers (microseconds, pieces) until the last division, so the
same input gives the same bits. Times are working columns `_<element>_us`.
"""

from collections.abc import Collection, Sequence
from typing import Final

import polars as pl

from pipelines.amounts import (
    IDEALS,
    PARTS,
    TIMES,
    WHOLE,
    WORKING,
    amount,
    measured,
    over,
    possible,
    quantities,
    seconds,
    times,
    with_ideal,
)
from pipelines.equipment import UNIT, Frame
from pipelines.formulas import BESIDE_OEE, OF_OEE, RELIABILITY, quotients
from pipelines.profiles import least_completeness

BOUNDS: Final = ["lower", "upper"]


def indices(frame: Frame) -> Frame:
    """Adds the ratios to rows of `pbt_s apt_s aust_s adet_s adot_s pri_s pq gq` (see `amounts`).

    `ideal_total_s` and `ideal_good_s` may stand in place of `pri_s`. All null at PBT = 0;
    effectiveness null only at APT = 0, quality_ratio only at PQ = 0; OEE of a planned machine that
    made nothing is 0. More columns (`sq`, `calendar_s`, ...) give more ratios: `formulas`.
    Fractions of pieces round half away from zero; what cannot be (a time below 0) is unknown.
    """
    schema: pl.Schema = frame.lazy().collect_schema()
    whole, ideals = with_ideal(schema)
    working = frame.with_columns(whole).with_columns(ideals).with_columns(possible(schema))
    return working.with_columns(ratios(schema, WHOLE)).drop(WORKING, strict=False)


def roll_up(frame: Frame, by: str | Sequence[str]) -> Frame:
    """Sums times, ideal times and pieces per `by` (sorted), then takes the ratios of the sums.

    `oee` is sum(PRI x GQ) / sum(PBT), literally: pieces in rows of PBT = 0 count (`by_shift` has
    none there); the three factors multiply to it. A sum with an unknown part is unknown. Counts
    `work_units` and `shifts`, and gives completeness, lower, upper, where their columns are there,
    and with completeness `is_reliable` by the strictest of the rows' profiles (`profile_id`, or
    `least_completeness`).
    """
    keys = [by] if isinstance(by, str) else list(by)
    schema: pl.Schema = frame.lazy().collect_schema()
    whole, ideals = with_ideal(schema)
    rows = frame.with_columns(whole).with_columns(ideals).with_columns(_bounded(schema))
    sums = [*_sums(schema), least_completeness(schema).max().alias("_least")]
    grouped = rows.group_by(keys).agg(sums).sort(keys) if keys else rows.select(sums)
    made: list[str] = [*schema, *(f"{stem}_s" for stem in IDEALS)]
    return (
        grouped.with_columns(_shown(schema))
        .with_columns(possible(schema))
        .with_columns([*ratios(made, WHOLE), *_known(schema)])
        .with_columns([reliable(pl.col("_least"))] if "unknown_s" in schema else [])
        .drop(*WORKING, *(f"_{name}_us" for name in BOUNDS), "_least", strict=False)
    )


def reliable(least: pl.Expr) -> pl.Expr:
    """Whether a row's OEE is known, and its completeness not below `least`."""
    enough = pl.col("completeness") >= least
    return (enough & pl.col("oee").is_not_null()).fill_null(value=False).alias("is_reliable")


def ratios(names: Collection[str], prefix: str = "") -> list[pl.Expr]:
    """The ratios of rows with working columns; `names` says which optional columns are there.

    `prefix` stands before the names of quantities where those have working columns too.
    """
    pbt, apt, aust = (pl.col(f"_{stem}_us") for stem in TIMES[:3])
    good = pl.col("_ideal_good_us")
    factors = quotients(OF_OEE, names, prefix)
    factors["quality_ratio"] = _quality(prefix, weighted="ideal_total_s" in names)
    nee = over(apt + aust, pbt) * over(good, apt)
    found = {
        **factors,
        "nee": pl.when(good == 0).then(0.0).otherwise(nee),
        **quotients([*BESIDE_OEE, *RELIABILITY], names, prefix),
    }
    planned = pbt > 0
    return [
        *(pl.when(planned).then(ratio).alias(name) for name, ratio in found.items()),
        (pbt == 0).fill_null(value=False).alias("outside_plan"),
        (planned & (factors["effectiveness"] > 1))
        .fill_null(value=False)
        .alias("effectiveness_over_1"),
    ]


def _quality(prefix: str, *, weighted: bool) -> pl.Expr:
    """GQ / PQ; of several products by ideal time, or the factors would not multiply to OEE."""
    pq, total = pl.col(prefix + "pq"), pl.col("_ideal_total_us")
    plain = over(pl.col(prefix + "gq"), pq)
    if not weighted:
        return plain
    by_time = pl.when(total > 0).then(over(pl.col("_ideal_good_us"), total)).otherwise(plain)
    return pl.when(pq > 0).then(by_time)


def _bounded(schema: pl.Schema) -> list[pl.Expr]:
    """Bounds as ideal time, so that they add up; exact where a bound is an OEE.

    Unknown, the lower is 0 and the upper the most it can be: all PBT at the ideal rate, or OEE
    itself where that is above 1.
    """
    pbt = pl.col("_pbt_us")
    unknown = {"lower": 0, "upper": pl.max_horizontal(pbt, "_ideal_good_us")}
    given = {
        name: pl.when(pbt > 0).then(pl.col(name).cast(pl.Float64, strict=False) * pbt).round()
        for name in BOUNDS if name in schema
    }  # fmt: skip
    return [
        us.cast(pl.Int64, strict=False).fill_null(unknown[name]).alias(f"_{name}_us")
        for name, us in given.items()
    ]


def _sums(schema: pl.Schema) -> list[pl.Expr]:
    bounds = [name for name in BOUNDS if name in schema]
    us = [f"_{stem}_us" for stem in [*times(schema), *IDEALS, *bounds]]
    pieces = [f"{WHOLE}{name}" for name in quantities(schema)]
    summed = [*us, *pieces, *(f"{PARTS}{name}" for name in measured(schema))]
    return [*(_null_if_any(name) for name in summed), *_members(schema)]


def _null_if_any(name: str) -> pl.Expr:
    """A sum that one unknown part makes unknown, wide enough for any Int64 parts."""
    whole = pl.col(name).cast(pl.Int128).sum()
    return pl.when(pl.col(name).is_not_null().all()).then(whole).alias(name)


def _members(names: Collection[str]) -> list[pl.Expr]:
    unit = [name for name in UNIT if name in names]
    units = [pl.struct(unit).n_unique().alias("work_units")] if "work_unit_id" in names else []
    return [*units, *([pl.len().alias("shifts")] if "shift_id" in names else [])]


def _shown(schema: pl.Schema) -> list[pl.Expr]:
    """The sums as seconds, pieces and amounts."""
    stems = [*times(schema), *IDEALS]
    return [
        *(
            pl.col(WHOLE + name).cast(pl.Int64, strict=False).alias(name)
            for name in quantities(schema)
        ),
        *(amount(pl.col(PARTS + name)).alias(name) for name in measured(schema)),
        *(seconds(pl.col(f"_{stem}_us")).alias(f"{stem}_s") for stem in stems),
    ]


def _known(names: Collection[str]) -> list[pl.Expr]:
    pbt = pl.col("_pbt_us")
    bounds = [
        over(pl.col(f"_{name}_us"), pbt).alias(name)
        for name in BOUNDS if name in names
    ]  # fmt: skip
    if "unknown_s" not in names:
        return bounds
    return [over(pbt - pl.col("_unknown_us"), pbt).alias("completeness"), *bounds]
