"""Times and quantities as other programs hand them in, as whole microseconds and whole pieces.

Any numeric type will do, for times also durations; what is no finite number is unknown, never an
error. Working columns are named `_<element>_us`, `_whole_<quantity>` and `_parts_<amount>`.
"""

from collections.abc import Collection
from typing import Final

import polars as pl

US: Final = 1_000_000
TICKS: Final = {"ms": 1_000, "us": US, "ns": 1_000_000_000}
"""Of a second, by the unit of a duration."""

TIMES: Final = ["pbt", "apt", "aust", "adet", "adot"]
OPTIONAL_TIMES: Final = [
    "pot", "calendar", "unknown", "aoet", "apwt", "apat", "cmt", "pmt", "tbf", "ttf", "ttr",
    "uptime",
]  # fmt: skip
PIECES: Final = [
    "pq", "gq", "sq", "rq", "pq_outside_plan", "pq_estimated", "gp", "ip", "pq_first", "failures",
    "repairs",
]  # fmt: skip
MEASURED: Final = ["psq", "cm", "igq", "pl", "stl", "ol", "epc", "energy_kwh"]
"""Amounts that need not be whole: planned scrap, materials, losses, capacity, energy."""
IDEALS: Final = ["ideal_total", "ideal_good"]
WHOLE: Final = "_whole_"
"""Before the name of a quantity: its whole pieces, so that the caller's own column stays."""
PARTS: Final = "_parts_"
"""Before the name of an amount: so many PARTS_OF_1, of which sums are the same in any order."""
PARTS_OF_1: Final = 10**12

WORKING: Final = [
    *(f"_{stem}_us" for stem in [*TIMES, *OPTIONAL_TIMES, *IDEALS]),
    *(f"{WHOLE}{name}" for name in PIECES),
    *(f"{PARTS}{name}" for name in MEASURED),
]


def with_ideal(schema: pl.Schema) -> tuple[list[pl.Expr], list[pl.Expr]]:
    """(times and amounts, ideal times of the pieces): working columns to add in this order."""
    elements = {stem: microseconds(_as_seconds(f"{stem}_s", schema)) for stem in times(schema)}
    whole = [_pieces(name, schema).alias(f"{WHOLE}{name}") for name in quantities(schema)]
    parts = [_parts(name).alias(f"{PARTS}{name}") for name in measured(schema)]
    ideals = {stem: microseconds(ideal) for stem, ideal in _ideal_s(schema).items()}
    return (
        [
            *(_not_negative(us).alias(f"_{stem}_us") for stem, us in elements.items()),
            *whole,
            *parts,
        ],
        [us.alias(f"_{stem}_us") for stem, us in ideals.items()],
    )


def times(names: Collection[str]) -> list[str]:
    """The time elements whose columns are there."""
    return [*TIMES, *(stem for stem in OPTIONAL_TIMES if f"{stem}_s" in names)]


def quantities(names: Collection[str]) -> list[str]:
    """The quantities whose columns are there."""
    return [name for name in PIECES if name in names]


def measured(names: Collection[str]) -> list[str]:
    """The amounts that need not be whole whose columns are there."""
    return [name for name in MEASURED if name in names]


def possible(names: Collection[str]) -> list[pl.Expr]:
    """Amounts and ideal times, null below 0: a correction may add up, but is no ratio's part."""
    ideals = [f"_{stem}_us" for stem in IDEALS]
    pieces = [f"{WHOLE}{name}" for name in quantities(names)]
    made = [*ideals, *pieces, *(f"{PARTS}{name}" for name in measured(names))]
    return [_not_negative(pl.col(name)).alias(name) for name in made]


def microseconds(time_s: pl.Expr) -> pl.Expr:
    """Whole microseconds of Float64 seconds; what is not finite is null."""
    return (time_s * US).round().cast(pl.Int64, strict=False)


def over(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    """The ratio of integers to the last bit, null where `whole` is not above 0."""
    return pl.when(whole > 0).then(_divided(part, whole))


def seconds(us: pl.Expr) -> pl.Expr:
    """Seconds of whole microseconds, to the last bit."""
    return _divided(us, pl.lit(US))


def amount(parts: pl.Expr) -> pl.Expr:
    """An amount of its parts, to the last bit."""
    return _divided(parts, pl.lit(PARTS_OF_1, pl.Int128))


def _divided(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    # A divisor of one value for all rows Polars turns into a factor, which may be a bit off, and is
    # not for a single row: the same figure would differ with the number of rows around it.
    return part / (whole + part * 0)


def _not_negative(amount: pl.Expr) -> pl.Expr:
    return pl.when(amount >= 0).then(amount)


def _as_seconds(name: str, schema: pl.Schema) -> pl.Expr:
    dtype = schema[name]
    if isinstance(dtype, pl.Duration):
        return _divided(pl.col(name).to_physical(), pl.lit(TICKS[dtype.time_unit]))
    return pl.col(name).cast(pl.Float64, strict=False)


def _pieces(name: str, schema: pl.Schema) -> pl.Expr:
    """Whole pieces; a fraction is rounded half away from zero, once, before any use."""
    dtype, given = schema[name], pl.col(name)
    # Not by way of Float64, which ends at 2^53; a sum in DuckDB is Decimal(38, 0).
    is_whole = dtype.is_integer() or (isinstance(dtype, pl.Decimal) and dtype.scale == 0)
    if not is_whole:
        given = given.cast(pl.Float64, strict=False).round(mode="half_away_from_zero")
    return given.cast(pl.Int64, strict=False)


def _parts(name: str) -> pl.Expr:
    parts = pl.col(name).cast(pl.Float64, strict=False) * PARTS_OF_1
    return parts.round().cast(pl.Int128, strict=False)


def _ideal_s(schema: pl.Schema) -> dict[str, pl.Expr]:
    """Ideal times as given, or PRI x pieces, of which only the product is rounded.

    No pieces take no time, whatever the PRI; a PRI that is not above 0 is unknown.
    """
    if "ideal_total_s" in schema:
        return {stem: _as_seconds(f"{stem}_s", schema) for stem in IDEALS}
    pri_s = _as_seconds("pri_s", schema)
    known = pl.when(pri_s > 0).then(pri_s)
    return {
        stem: pl.when(pl.col(WHOLE + name) == 0).then(0.0).otherwise(known * pl.col(WHOLE + name))
        for stem, name in zip(IDEALS, PIECES[:2], strict=True)
    }
