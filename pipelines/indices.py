"""ISO 22400-2 ratios of one interval, and of sums of intervals.

Formulas: ISO 22400-2:2014 + Amd 1:2017. Integers (microseconds, pieces) until the last division,
so the same input gives the same bits. Working columns are named `_<element>_us`.
"""

from collections.abc import Collection, Sequence
from typing import Final

import polars as pl

from pipelines.equipment import UNIT, Frame

US: Final = 1_000_000
TIMES: Final = ["pbt", "apt", "aust", "adet", "adot"]
OPTIONAL_TIMES: Final = ["pot", "unknown"]
PIECES: Final = ["pq", "gq", "sq", "rq", "pq_outside_plan"]
IDEALS: Final = ["ideal_total", "ideal_good"]
WORKING: Final = [f"_{stem}_us" for stem in [*TIMES, *OPTIONAL_TIMES, *IDEALS, "lower", "upper"]]


def indices(frame: Frame) -> Frame:
    """Adds the ratios to rows of `pbt_s apt_s aust_s adet_s adot_s pri_s pq gq`.

    `ideal_total_s` and `ideal_good_s` may stand in place of `pri_s`; `pot_s rq sq` where known.
    All null at PBT = 0; effectiveness null only at APT = 0, quality_ratio only at PQ = 0; OEE of a
    planned machine that made nothing is 0. `teep` takes `pot_s` for the total time.
    """
    names: list[str] = frame.lazy().collect_schema().names()
    working = frame.with_columns(_working(names))
    return working.with_columns(ratios(names)).drop(WORKING, strict=False)


def roll_up(frame: Frame, by: str | Sequence[str]) -> Frame:
    """Sums times, ideal times and pieces per `by` (sorted), then takes the ratios of the sums.

    `oee` is sum(PRI x GQ) / sum(PBT); the three factors multiply to it. Also counts `work_units`
    and `shifts`, and gives completeness, lower and upper, where the columns for them are there.
    """
    keys = [by] if isinstance(by, str) else list(by)
    names: list[str] = frame.lazy().collect_schema().names()
    rows = frame.with_columns([*_working(names), *_bounded(names)])
    sums = _sums(names)
    grouped = rows.group_by(keys).agg(sums).sort(keys) if keys else rows.select(sums)
    stems = [*_times(names), *IDEALS]
    seconds = [(pl.col(f"_{stem}_us") / US).alias(f"{stem}_s") for stem in stems]
    made: list[str] = [*names, *(f"{stem}_s" for stem in IDEALS)]
    return (
        grouped.with_columns(seconds)
        .with_columns([*ratios(made), *_known(names)])
        .drop(WORKING, strict=False)
    )


def ratios(names: Collection[str]) -> list[pl.Expr]:
    """The ratios of rows with working columns; `names` says which optional columns are there."""
    pbt, apt, aust, adet = (pl.col(f"_{stem}_us") for stem in TIMES[:4])
    total, good = pl.col("_ideal_total_us"), pl.col("_ideal_good_us")
    aupt, aubt = apt + aust, apt + aust + adet
    planned = pbt > 0
    effectiveness = _over(total, apt)
    nee = _over(aupt, pbt) * _over(good, apt)
    found = {
        "availability": _over(apt, pbt),
        "effectiveness": effectiveness,
        "quality_ratio": _quality(weighted="ideal_total_s" in names),
        "oee": _over(good, pbt),
        "nee": pl.when(good == 0).then(0.0).otherwise(nee),
        "allocation_efficiency": _over(aubt, pbt),
        "utilization_efficiency": _over(apt, aubt),
        "setup_rate": _over(aust, aupt),
        "technical_efficiency": _over(apt, apt + adet),
    }
    found |= {
        ratio: _over(pl.col(pieces), pl.col("pq"))
        for ratio, pieces in (("scrap_ratio", "sq"), ("rework_ratio", "rq"))
        if pieces in names
    }
    if "pot_s" in names:
        found["teep"] = _over(good, pl.col("_pot_us"))
    return [
        *(pl.when(planned).then(ratio).alias(name) for name, ratio in found.items()),
        (pbt == 0).fill_null(value=False).alias("outside_plan"),
        (planned & (effectiveness > 1)).fill_null(value=False).alias("effectiveness_over_1"),
    ]


def microseconds(seconds: pl.Expr) -> pl.Expr:
    """Whole microseconds of seconds in any numeric type; what is not finite is null."""
    us = (seconds.cast(pl.Float64) * US).round()
    return pl.when(us.is_finite()).then(us).cast(pl.Int64, strict=False)


def _over(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole)


def _quality(*, weighted: bool) -> pl.Expr:
    """GQ / PQ; of several products by ideal time, or the factors would not multiply to OEE."""
    plain = _over(pl.col("gq"), pl.col("pq"))
    if not weighted:
        return plain
    total = pl.col("_ideal_total_us")
    by_time = pl.when(total > 0).then(pl.col("_ideal_good_us") / total).otherwise(plain)
    return pl.when(pl.col("pq") > 0).then(by_time)


def _times(names: Collection[str]) -> list[str]:
    return [*TIMES, *(stem for stem in OPTIONAL_TIMES if f"{stem}_s" in names)]


def _working(names: Collection[str]) -> list[pl.Expr]:
    """Seconds as whole microseconds; ideal time from PRI where it is not given, once per row."""
    times = [microseconds(pl.col(f"{stem}_s")).alias(f"_{stem}_us") for stem in _times(names)]
    given = "ideal_total_s" in names
    ideal_s = {
        "ideal_total": pl.col("ideal_total_s") if given else _ideal_s("pq"),
        "ideal_good": pl.col("ideal_good_s") if given else _ideal_s("gq"),
    }
    return [*times, *(microseconds(s).alias(f"_{stem}_us") for stem, s in ideal_s.items())]


def _ideal_s(pieces: str) -> pl.Expr:
    """PRI x pieces; no pieces take no time, whatever the PRI."""
    return (
        pl.when(pl.col(pieces) == 0)
        .then(0.0)
        .otherwise(pl.col("pri_s").cast(pl.Float64) * pl.col(pieces))
    )


def _bounded(names: Collection[str]) -> list[pl.Expr]:
    """Bounds as ideal time, so that they add up; exact where a bound is an OEE."""
    pbt_s = pl.col("pbt_s").cast(pl.Float64)
    return [
        microseconds(pl.col(name).fill_null(0) * pbt_s).alias(f"_{name}_us")
        for name in ("lower", "upper") if name in names
    ]  # fmt: skip


def _sums(names: Collection[str]) -> list[pl.Expr]:
    bounds = [name for name in ("lower", "upper") if name in names]
    sums = [pl.sum(f"_{stem}_us") for stem in [*_times(names), *bounds]]
    ideals = [_null_if_any(f"_{stem}_us") for stem in IDEALS]
    pieces = [pl.col(name).cast(pl.Int64).sum() for name in PIECES if name in names]
    return [*sums, *ideals, *pieces, *_members(names)]


def _null_if_any(name: str) -> pl.Expr:
    """A sum that one unknown part makes unknown."""
    return pl.when(pl.col(name).is_not_null().all()).then(pl.sum(name)).alias(name)


def _members(names: Collection[str]) -> list[pl.Expr]:
    unit = [name for name in UNIT if name in names]
    units = [pl.struct(unit).n_unique().alias("work_units")] if "work_unit_id" in names else []
    return [*units, *([pl.len().alias("shifts")] if "shift_id" in names else [])]


def _known(names: Collection[str]) -> list[pl.Expr]:
    pbt = pl.col("_pbt_us")
    bounds = [
        _over(pl.col(f"_{name}_us"), pbt).alias(name)
        for name in ("lower", "upper") if name in names
    ]  # fmt: skip
    if "unknown_s" not in names:
        return bounds
    return [_over(pbt - pl.col("_unknown_us"), pbt).alias("completeness"), *bounds]
