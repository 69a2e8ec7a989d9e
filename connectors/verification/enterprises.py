"""Warnings and portraits of enterprises against how they really ran.

A warning is a hit if it was raised between the first sign of a planted distress and a fortnight
after its bottom; its lead is the days from then to the bottom. Those of the judged year count.
"""

from datetime import timedelta
from typing import Any, Final

import polars as pl

from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.verification.truth import Truth
from pipelines.warning_cycle import OF_REGISTER

GRACE: Final = timedelta(days=14)
"""A warning so long after the bottom is late but no false one; as firm_years.toml has it."""

TRENDS: Final = [
    "running_h_per_day", "running_trend", "output_trend", "energy_trend",
    "energy_per_output_trend",
]  # fmt: skip
ROUNDING: Final = 1e-9

Part = dict[str, Any]


def warnings(home: Home, truth: Truth) -> Part | None:
    """The part `warnings`; null where none were made or no enterprise's days are known.

    A warning of what the register says is no word on how an enterprise runs, and left out.
    """
    lake = Lake(home.lake)
    made, days = (lake.read(name, Partition()) for name in ("warnings", "enterprise_days"))
    if made is None or days is None or days.is_empty():
        return None
    courses, distress = truth.of_enterprises("courses"), truth.of_enterprises("distress")
    told = made.filter(~pl.col("rule").is_in(sorted(OF_REGISTER)))
    judged = _judged(told, courses, distress)
    hits = judged.filter("is_hit")
    first = hits.group_by("uscc").agg(pl.col("lead_days").max())
    harmless = courses.join(distress, on="uscc", how="anti")
    warned = harmless.join(judged, on="uscc", how="semi").height
    return {
        "planted": distress.height,
        "found": first.height,
        "recall": _share(first.height, distress.height),
        "precision": _share(hits.height, judged.height),
        "median_lead_days": first["lead_days"].median(),
        "harmless_firms": harmless.height,
        "harmless_warned": warned,
        "harmless_share": _share(warned, harmless.height),
    }


def portraits(home: Home, truth: Truth) -> tuple[Part | None, pl.DataFrame]:
    """The part `portraits`, and the rows whose trends are unequal; null of another day's portraits.

    Compared are steady enterprises of which nothing was lost.
    """
    made = Lake(home.lake).read("portraits", Partition())
    true = truth.of_enterprises("trends")
    if made is None:
        return None, pl.DataFrame()
    whole = true.filter("is_complete")
    both = whole.join(made, on=["uscc", "reference_date"], suffix="_ours")
    if both.is_empty():
        return None, pl.DataFrame()
    errors = [(pl.col(name) - pl.col(f"{name}_ours")).abs() for name in TRENDS]
    worst = pl.max_horizontal(error.fill_null(float("inf")) for error in errors)
    compared = both.with_columns(error=worst).with_columns(
        is_equal=(pl.col("error") <= ROUNDING)
        & pl.col("trend_basis").eq_missing(pl.col("trend_basis_ours"))
    )
    unequal = compared.filter(~pl.col("is_equal"))
    part = {
        "complete": whole.height,
        "missing": whole.height - both.height,
        "unequal": unequal.height,
        "max_abs_error": compared["error"].max(),
        "incomplete": true.height - whole.height,
    }
    return part, unequal


def differing(unequal: pl.DataFrame) -> str:
    """The first portraits that differ, ours against the true ones."""
    return "; ".join(
        f"{row['uscc']} output {row['output_trend_ours']} (true {row['output_trend']})"
        for row in unequal.head(3).iter_rows(named=True)
    )


def _judged(made: pl.DataFrame, courses: pl.DataFrame, distress: pl.DataFrame) -> pl.DataFrame:
    """Warnings raised in the judged year with `is_hit` and `lead_days`."""
    inside = pl.col("raised_on").is_between("judged_from", "judged_to")
    is_hit = pl.col("raised_on").is_between("signs_on", pl.col("bottom_on") + GRACE)
    planted = distress.select("uscc", "signs_on", "bottom_on")
    return (
        made.join(courses.select("uscc", "judged_from", "judged_to"), on="uscc")
        .filter(inside)
        .join(planted, on="uscc", how="left")
        .with_columns(
            is_hit=is_hit.fill_null(value=False),
            lead_days=(pl.col("bottom_on") - pl.col("raised_on")).dt.total_days(),
        )
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
