"""The ratios of ISO 22400-2:2014 + Amd 1:2017 as data: a name, a part, a whole.

Terms are columns as callers name them: times end in `_s`, and are whole microseconds in the working
columns of `amounts`. A ratio is there where the columns of all its terms are.
"""

from collections.abc import Collection
from math import gcd
from typing import Final, NamedTuple

import polars as pl

from pipelines.amounts import IDEALS, MEASURED, PARTS, PARTS_OF_1, US, over


class Formula(NamedTuple):
    """`name` is `part` over `whole`, each a sum of columns (or of columns and 1)."""

    name: str
    part: str
    whole: str


AUPT: Final = "apt_s + aust_s"
AUBT: Final = "apt_s + aust_s + adet_s"

OF_OEE: Final = [
    Formula("availability", "apt_s", "pbt_s"),
    Formula("effectiveness", "ideal_total_s", "apt_s"),
    Formula("quality_ratio", "gq", "pq"),
    Formula("oee", "ideal_good_s", "pbt_s"),
]
BESIDE_OEE: Final = [
    Formula("allocation_efficiency", AUBT, "pbt_s"),
    Formula("utilization_efficiency", "apt_s", AUBT),
    Formula("setup_rate", "aust_s", AUPT),
    Formula("technical_efficiency", "apt_s", "apt_s + adet_s"),
    Formula("scrap_ratio", "sq", "pq"),
    Formula("rework_ratio", "rq", "pq"),
    Formula("teep", "ideal_good_s", "calendar_s"),
    Formula("loading", "pbt_s", "calendar_s"),
    Formula("allocation_ratio", AUBT, "aoet_s"),
    Formula("production_process_ratio", "apt_s", "aoet_s"),
    Formula("throughput_per_h", "pq", "aoet_s"),
    Formula("worker_efficiency", "apwt_s", "apat_s"),
    Formula("actual_to_planned_scrap_ratio", "sq", "psq"),
    Formula("fall_off_ratio", "sq", "pq_first"),
    Formula("first_pass_yield", "gp", "ip"),
    Formula("finished_goods_ratio", "gq", "cm"),
    Formula("integrated_goods_ratio", "igq", "cm"),
    Formula("production_loss_ratio", "pl", "cm"),
    Formula("storage_and_transportation_loss_ratio", "stl", "cm"),
    Formula("other_loss_ratio", "ol", "cm"),
    Formula("equipment_load_rate", "pq", "epc"),
    Formula("comprehensive_energy_kwh_per_piece", "energy_kwh", "pq"),
    Formula("corrective_maintenance_ratio", "cmt_s", "cmt_s + pmt_s"),
]
"""TEEP and loading are not ISO 22400-2's."""

RELIABILITY: Final = [
    Formula("mtbf_iso_s", "tbf_s", "failures + 1"),
    Formula("mttf_iso_s", "ttf_s", "failures + 1"),
    Formula("mtbf_s", "uptime_s", "failures"),
    Formula("mttf_s", "ttf_s", "failures"),
    Formula("mttr_s", "ttr_s", "failures"),
    Formula("mttr_s", "ttr_s", "repairs"),
]
"""`_iso_s` divides by FE + 1, the others are the classical means. Of two of one name the last that
has its columns holds: `repairs` are the failures whose TTR is known from begin to end."""

FACTORS: Final = {"_per_h": 3600}
"""What a result is multiplied by, by the end of its name: seconds in an hour."""


def quotients(
    formulas: Collection[Formula], names: Collection[str], prefix: str = ""
) -> dict[str, pl.Expr]:
    """The ratios whose columns are in `names`, null where the whole is not above 0.

    `prefix` stands before the names of pieces where those have working columns.
    """
    there = {*names, *(f"{stem}_s" for stem in IDEALS)}
    return {
        formula.name: _quotient(formula, prefix)
        for formula in formulas
        if {*_terms(formula.part), *_terms(formula.whole)} - {"1"} <= there
    }


def _quotient(formula: Formula, prefix: str) -> pl.Expr:
    """Whole numbers until the one division, brought to one unit only where units differ."""
    up, down = _per_unit(formula.whole), _per_unit(formula.part)
    for ending, factor in FACTORS.items():
        up *= factor if formula.name.endswith(ending) else 1
    common = gcd(up, down)
    part, whole = _sum(formula.part, prefix), _sum(formula.whole, prefix)
    return over(_times(part, up // common), _times(whole, down // common))


def _terms(text: str) -> list[str]:
    return text.split(" + ")


def _per_unit(text: str) -> int:
    """How many of the working column's units make one of the term's own."""
    term = _terms(text)[0]
    return PARTS_OF_1 if term in MEASURED else US if term.endswith("_s") else 1


def _sum(text: str, prefix: str) -> pl.Expr:
    first, *rest = (_working(term, prefix) for term in _terms(text))
    for term in rest:
        first = first + term
    return first


def _working(term: str, prefix: str) -> pl.Expr:
    if term == "1":
        return pl.lit(1)
    if term in MEASURED:
        return pl.col(PARTS + term)
    return pl.col(f"_{term[:-2]}_us") if term.endswith("_s") else pl.col(prefix + term)


def _times(number: pl.Expr, factor: int) -> pl.Expr:
    return number if factor == 1 else number.cast(pl.Int128) * pl.lit(factor, pl.Int128)
