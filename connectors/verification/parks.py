"""Conformance of factories and the figures of parks against the truth."""

from datetime import date
from typing import Final, NamedTuple

import polars as pl

from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.verification.figures import Part, partitions
from connectors.verification.truth import Truth
from connectors.verification.window import Window
from pipelines import park_comparison
from pipelines.days import local_day

NAMED: Final = 3


class Beside(NamedTuple):
    """How a lake table is held against a table of the truth: by which key, in which figures."""

    key: list[str]
    figures: list[str]


COMPARED: Final = {
    "pue": Beside(["data_centre_id"], ["days", "facility_wh", "it_wh", "verdict"]),
    "project_states": Beside(["project_id"], ["state", "phase", "days_late"]),
    "project_findings": Beside(["project_id", "phase", "finding"], []),
    "service_catalogue": Beside(
        ["service_id"], ["is_listed", "enterprises", "unattributed", "uses", "uses_before"]
    ),
}
"""Missing links have no truth: the simulated world knows no chains."""


def conformance(home: Home, truth: Truth, window: Window) -> tuple[Part | None, dict[str, str]]:
    """The part `conformance`, and who is to blame by figure."""
    known, ours = truth.conformance, _by_day(home, "interface_levels", window)
    found = _by_day(home, "conformance", window)
    if known is None or ours is None or found is None:
        return None, {}
    made = ours.select("factory_id", "day").unique()
    collected = _collected(home, window).join(known, on="factory_id", how="semi")
    days = pl.concat([made, collected]).unique().sort("factory_id", "day")
    true = known.filter(pl.col("factory_id").is_in(days["factory_id"].implode()))
    levels = park_comparison.levels(ours, true, days)
    clocks = park_comparison.clocks(found, true, days)
    fell = park_comparison.falls(found, true)
    unplanted = fell.filter(pl.col("unannounced_resets").fill_null(0) == 0)
    part = {
        "machines": true.height,
        "days": days["day"].n_unique(),
        "unequal": levels.height,
        "clocks_off": true.filter(pl.col("clock_offset_s") != 0)["factory_id"].n_unique(),
        "unequal_clocks": clocks.height,
        "fallen_counts": fell.height,
        "unplanted_falls": unplanted.height,
    }
    blame = {
        "unequal": _named(levels, "work_unit_id"),
        "unequal_clocks": _named(clocks, "factory_id"),
        "unplanted_falls": _named(unplanted, "work_unit_id"),
    }
    return part, {f"conformance.{name}": who for name, who in blame.items()}


def _collected(home: Home, window: Window) -> pl.DataFrame:
    """Every factory_id and day of the home that coverage touches."""
    first, last = (local_day(pl.col(name)) for name in ("from_time", "to_time"))
    spans = window.spans.select("factory_id", day=pl.date_ranges(first, last))
    days = spans.explode("day", empty_as_null=False, keep_nulls=False).unique()
    return days.filter(pl.col("day") >= home.first_day)


def parks(home: Home, truth: Truth) -> tuple[Part | None, dict[str, str]]:
    """The part `parks`, each table of the truth beside ours of its day, and who is to blame."""
    part, wrong = dict[str, int](), list[str]()
    apart, day = 0, _reference_date(truth)
    for name, (key, figures) in COMPARED.items():
        true = truth.of_parks(name)
        if true is None or day is None:
            continue
        ours = Lake(home.lake).read(name, Partition(day))
        if ours is None:
            return None, {}
        unequal = park_comparison.unequal(_comparable(name, ours, truth), true, key, figures)
        part[name], apart = true.height, apart + unequal.height
        wrong += [f"{name} {one}" for one in unequal[key[0]].head(NAMED)]
    if not part:
        return None, {}
    return {**part, "unequal": apart}, {"parks.unequal": ", ".join(wrong)}


def _comparable(name: str, ours: pl.DataFrame, truth: Truth) -> pl.DataFrame:
    """Ours without what the truth does not speak of, energy in whole watt hours."""
    if name == "pue":
        wh = [(pl.col(f"{of}_kwh") * 1000).round().cast(pl.Int64).alias(f"{of}_wh")
              for of in ("facility", "it")]  # fmt: skip
        return ours.with_columns(wh)
    of_truth = {"project_findings": "project_states"}.get(name, name)
    true, key = truth.of_parks(of_truth), COMPARED[name].key[0]
    return ours if true is None else ours.join(true, on=key, how="semi")


def _reference_date(truth: Truth) -> date | None:
    """The day of the truth's tables, of which some may have no row."""
    tables = [rows for name in COMPARED if (rows := truth.of_parks(name)) is not None]
    days = pl.concat([rows["reference_date"] for rows in tables]) if tables else pl.Series()
    return days[0] if days.len() else None


def _by_day(home: Home, name: str, window: Window) -> pl.DataFrame | None:
    """A table of factory-days with its `day`, of the days of the window."""
    lake, days = Lake(home.lake), set(window.days)
    found = [
        frame.with_columns(day=pl.lit(one.day, pl.Date))
        for one in partitions(home, name, window)
        if one.day in days and (frame := lake.read(name, one)) is not None
    ]
    return pl.concat(found, how="diagonal") if found else None


def _named(rows: pl.DataFrame, column: str) -> str:
    return ", ".join(rows[column].unique(maintain_order=True).head(NAMED))
