"""`python -m benchmarks.early_warning`: warnings on simulated firm-years with planted distress.

Development seeds are for whoever tunes; held-out ones are run for published figures alone
(connectors/simulator/firm_years.toml says which, and how warnings are scored).
"""

import itertools
import time
from dataclasses import dataclass
from typing import Final

import click
import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from benchmarks import early_warning_control as control
from benchmarks.early_warning_scores import (
    PLANTED,
    Scored,
    by_depth_and_length,
    scored,
    together,
)
from connectors.simulator.firm_draws import table as said
from connectors.simulator.firm_years import FirmYears, firm_years
from models import early_warning, warning_trees
from models.warning_features import COLUMNS, features, matrix
from pipelines.warning_cycle import merged
from pipelines.warning_days import comparable_days
from pipelines.warning_rules import RULES, by_rules
from pipelines.warning_signs import signs

SEARCHED: Final = 400
"""Firms of each development seed on which the control's best is searched."""

FIT_FIRMS: Final = 3_000
EVERY: Final = 3
"""Of all days of the development seeds, so many apart are learned from."""

BEGUN: Final = 0.4
"""Share of its way down from which a decline is one that the model should see."""
LATE: Final = 0.2
"""Weight of days after the grace, on which nothing should be raised any more."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One seed: its firm-years, its signs and their features."""

    year: FirmYears
    signs: pl.DataFrame

    @classmethod
    def of(cls, seed: int, firms: int) -> "Seen":
        """Simulated, and looked at as the product does."""
        year = firm_years(seed, firms)
        group = pl.col("industry_code").str.slice(0, 3)
        peers = year.firms.select("uscc", peer_group=group)
        return cls(year, signs(comparable_days(year.days, year.sites), peers))


@click.command()
@click.option("--seed", type=click.IntRange(1), multiple=True, help="[all development seeds]")
@click.option("--held-out", is_flag=True, help="The held-out seeds, for published figures.")
@click.option("--firms", type=click.IntRange(50), default=1_000, show_default=True, help="A seed.")
@click.option("--fit", "fits", is_flag=True, help="Fit the model anew on the development seeds.")
def main(seed: tuple[int, ...], held_out: bool, firms: int, fits: bool) -> None:
    """Print precision, recall and lead of ours, of each rule alone, and of the control."""
    started = time.monotonic()
    if fits:
        fit(FIT_FIRMS)
        click.echo(f"{early_warning.FILE}: {time.monotonic() - started:.0f} s")
        return
    seeds = seed or tuple(said()["seeds"]["held_out" if held_out else "development"])
    console = Console(width=118)
    seen = [Seen.of(number, firms) for number in seeds]
    told = contenders(seen)
    console.print(f"seeds {', '.join(map(str, seeds))}: {firms} firm-years each")
    console.print(_summary(told), _patterns(told), _curve(told["ours"]), sep="\n")
    console.print(_reliability(told["ours"]))
    console.print(f"{time.monotonic() - started:.0f} s")


def contenders(seen: list[Seen]) -> dict[str, Scored]:
    """Ours, ours as a person is told (with rules merged in), each rule, and the controls."""
    model = [early_warning.distress(features(one.signs)) for one in seen]
    rules = [by_rules(one.signs) for one in seen]
    told = {"ours": _scored(model, seen)}
    for name in RULES:
        told[name] = _scored([found.filter(pl.col("rule") == name) for found in rules], seen)
    told["any rule"] = _scored([merged(found) for found in rules], seen)
    years = [one.year for one in seen]
    search = [Seen.of(number, SEARCHED) for number in said()["seeds"]["development"]]
    known = [one.year for one in search]
    level = control.best(control.levels(), known, [one.signs for one in search])
    name = f"level, {level.weeks} weeks < -{level.limit:.1f} noise"
    told[name] = control.of(level, years, [one.signs for one in seen])
    average = control.best(control.averages(), known, [control.worked(year) for year in known])
    name = f"moving average {average.length}+{average.earlier} < {average.fraction:.2f}"
    told[name] = control.of(average, years, [control.worked(year) for year in years])
    return told


def fit(firms: int) -> None:
    """Learn from the development seeds and write models/early_warning.csv."""
    parts = [_lesson(Seen.of(number, firms)) for number in said()["seeds"]["development"]]
    rows, labels, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    grown = warning_trees.fit(
        rows, labels, weights, COLUMNS, trees=300, leaves=16, rate=0.06, least=300
    )
    grown.write_csv(early_warning.FILE)


def _lesson(seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, whether a decline is under way in them, and their weights."""
    year, grace = seen.year, pl.duration(days=said()["score"]["grace_days"])
    way = (pl.col("bottom_on") - pl.col("begun_on")) * BEGUN
    made = (
        features(seen.signs)
        .filter(pl.col("day") >= year.judged_from, pl.col("level_1").is_not_null())
        .gather_every(EVERY)
        .join(year.distress, on="uscc", how="left", maintain_order="left")
        .with_columns(
            is_late=pl.col("day") > pl.col("bottom_on") + grace,
            is_under_way=pl.col("day").cast(pl.Datetime("us"))
            >= pl.col("begun_on").cast(pl.Datetime("us")) + way,
            is_signed=pl.col("day") >= pl.col("signs_on"),
        )
        .with_columns(pl.col("is_late", "is_under_way", "is_signed").fill_null(False))
        .filter(pl.col("is_under_way") | ~pl.col("is_signed"))
    )
    labels = made["is_under_way"] & ~made["is_late"]
    weights = np.where(made["is_late"].to_numpy(), LATE, 1.0)
    return matrix(made).astype(np.float32), labels.to_numpy(), weights


def _scored(warnings: list[pl.DataFrame], seen: list[Seen]) -> Scored:
    return together([scored(w, one.year) for w, one in zip(warnings, seen, strict=True)])


def _summary(told: dict[str, Scored]) -> Table:
    drawn = Table(title="warnings of the judged years", title_justify="left")
    columns = ["", "warnings", "precision", "recall", "F1", "median lead, d", "late", "healthy %"]
    for name in columns:
        drawn.add_column(name, justify="left" if not name else "right")
    for name, one in told.items():
        healthy = 100 * one.healthy_warned / one.healthy
        drawn.add_row(
            name, str(one.judged.height), f"{one.precision:.3f}", f"{one.recall:.3f}",
            f"{one.f1:.3f}", f"{one.median_lead:.0f}", str(one.judged["is_late"].sum()),
            f"{healthy:.2f}",
        )  # fmt: skip
    drawn.caption = "late: after the grace, counted as false; healthy %: of their firm-years warned"
    return drawn


def _patterns(told: dict[str, Scored]) -> Table:
    ours, other = told["ours"], list(told.values())[-1]
    drawn = Table(title="firm-years with a harmless pattern, warned on it", title_justify="left")
    for name in ("pattern", "firm-years", "ours %", "without distress %", "control %"):
        drawn.add_column(name, justify="left" if name == "pattern" else "right")
    for mine, theirs in zip(
        ours.harmless.iter_rows(named=True), other.harmless.iter_rows(named=True), strict=True
    ):
        mark = " *" if mine["pattern"] in PLANTED else ""
        counts = [
            (mine["warned"], mine["firm_years"]),
            (mine["sound_warned"], mine["sound"]),
            (theirs["warned"], theirs["firm_years"]),
        ]
        shares = [f"{100 * warned / max(years, 1):.2f}" for warned, years in counts]
        drawn.add_row(mine["pattern"] + mark, str(mine["firm_years"]), *shares)
    drawn.caption = "* at most 1 % is asked; without distress: of firms that have none planted"
    return drawn


def _curve(ours: Scored) -> Table:
    """Recall and median lead by depth and length."""
    cells = by_depth_and_length(ours)
    lengths = cells["weeks"].unique(maintain_order=True).to_list()
    lengths.sort(key=lambda text: int(text.split("-")[0]))
    drawn = Table(title="ours: found of planted, median lead", title_justify="left")
    for name in ("depth", *lengths):
        drawn.add_column(name, justify="right")
    for (depth,), part in cells.group_by("depth", maintain_order=True):
        by_week = {row["weeks"]: row for row in part.iter_rows(named=True)}
        drawn.add_row(str(depth), *(_cell(by_week.get(length)) for length in lengths))
    return drawn


def _cell(row: dict[str, float] | None) -> str:
    if row is None:
        return ""
    lead = "" if row["median_lead"] is None else f", {row['median_lead']:.0f} d"
    return f"{row['found']}/{row['distresses']}{lead}"


def _reliability(ours: Scored) -> Table:
    """How sure ours was, beside how often it was right."""
    drawn = Table(title="ours: confidence beside the share that was right", title_justify="left")
    for name in ("confidence", "warnings", "mean confidence", "right"):
        drawn.add_column(name, justify="right")
    edges = [0.0, 0.6, 0.7, 0.8, 0.9, 1.0]
    for low, high in itertools.pairwise(edges):
        inside = pl.col("confidence").is_between(low, high, closed="right")
        part = ours.judged.filter(inside)
        if part.height:
            mean, right = part["confidence"].to_numpy().mean(), part["is_hit"].to_numpy().mean()
            drawn.add_row(f"{low:.1f}-{high:.1f}", str(part.height), f"{mean:.3f}", f"{right:.3f}")
    return drawn


if __name__ == "__main__":
    main()
