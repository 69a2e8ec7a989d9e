"""The distress model: one warning per decline, from all signs together, before its bottom.

Boosted trees give log odds that a decline is under way; `PERSIST` days over `RAISE` in turn raise a
warning. Fitted on the development seeds of connectors/simulator/firm_years.toml
(`python -m benchmarks.early_warning --fit`); the numbers are early_warning.csv beside this module.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from models.scaling import Floats
from models.warning_features import COLUMNS, FAMILIES, features, matrix
from models.warning_trees import Trees, read
from pipelines.warning_days import comparable_days
from pipelines.warning_signs import signs
from pipelines.warning_spells import spells
from pipelines.warning_table import table

FILE: Final = Path(__file__).with_name("early_warning.csv")

RAISE: Final = 0.3
PERSIST: Final = 4
"""Log odds, and comparable days in turn over them, that raise: chosen for precision and recall
alike on development seeds 4 and 5 by a model fitted on 1 to 3."""

CALM: Final = 3.0
CALM_DAYS: Final = 18
"""So far below RAISE for so many days in turn is over."""

CALIBRATION: Final = (-0.5, 1.39)
"""Confidence is the logistic of first + second x the mean log odds of the days that raised: the
share of such warnings that was of planted distress, likewise from seeds 4 and 5."""

LEAST_CONTRIBUTION: Final = 0.05


@cache
def trees() -> Trees:
    """The model as fitted."""
    return read(FILE, COLUMNS)


def judged(made: pl.DataFrame, model: Trees | None = None) -> pl.DataFrame:
    """Features with `log_odds` that a decline is under way; null while levels are unknown."""
    said = (model or trees()).log_odds(matrix(made))
    known = made["level_1"].is_not_null()
    odds = pl.Series("log_odds", np.where(known.to_numpy(), said, np.nan)).fill_nan(None)
    return made.with_columns(odds)


def distress(made: pl.DataFrame, model: Trees | None = None) -> pl.DataFrame:
    """WARNINGS `distress` of `warning_features.features`.

    `value` is output and running of the last twelve days as a share of usual; `confidence` the
    chance that it is distress; `evidence` says what spoke for it, strongest first.
    """
    model = model or trees()
    days = judged(made, model)
    found = spells(
        days,
        above=pl.col("log_odds") > RAISE,
        below=pl.col("log_odds") < RAISE - CALM,
        persist=PERSIST,
        calm=CALM_DAYS,
        told=[
            pl.col("log_odds").rolling_mean(PERSIST).over("uscc"),
            *(pl.col(name) for name in COLUMNS),
        ],
    )
    return _told(found, model)


def early_warnings(
    days: pl.DataFrame, peers: pl.DataFrame, sites: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Signs by day, and the model's WARNINGS, of ENTERPRISE_DAYS (see `warning_signs.signs`)."""
    seen = signs(comparable_days(days, sites), peers)
    return seen, distress(features(seen))


def _told(found: pl.DataFrame, model: Trees) -> pl.DataFrame:
    added = model.contributions(matrix(found))
    first, second = CALIBRATION
    sure = 1.0 / (1.0 + (-(first + second * pl.col("log_odds"))).exp())
    spoken = [
        json.dumps(evidence(row, parts), ensure_ascii=False)
        for row, parts in zip(found.iter_rows(named=True), added, strict=True)
    ]
    graded = found.with_columns(
        value=pl.col("level_2").exp(),
        expected=pl.lit(1.0),
        lost=1.0 - pl.col("level_2").exp(),
        evidence=pl.Series(spoken, dtype=pl.String),
    )
    return table(graded, "distress", figure="level_of_usual", unit="1", confidence=sure)


def evidence(row: dict[str, Any], added: Floats) -> dict[str, Any]:
    """What a day's figures were, and how much each family of them added, strongest first."""
    by_family = {
        family: round(float(sum(added[COLUMNS.index(name)] for name in names)), 3)
        for family, names in FAMILIES.items()
    }
    ranked = sorted(by_family.items(), key=lambda item: (-item[1], item[0]))
    return {
        "log_odds": round(row["log_odds"], 3),
        "contributions": {f: v for f, v in ranked if abs(v) >= LEAST_CONTRIBUTION},
        "output_of_usual": _share(row["output_2"]),
        "running_of_usual": _share(row["running_2"]),
        "energy_over_explained": _share(row["decoupled_2"]),
        "terminals_silent_more": _rounded(row["offline_2"]),
        "alarms_times": _share(row["alarms_times"]),
        "noise": _rounded(row["noise"]),
    }


def _share(log: float | None) -> float | None:
    return None if log is None else round(float(np.exp(log)), 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
