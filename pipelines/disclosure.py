"""Disclosure control of what the bureau publishes: usable, not visible (可用不可见).

A cell is unsafe with fewer than three legal groups (frequency), with a percentage of fewer than
ten units (frequency), or when one group could work out another too closely (dominance, the p %
rule). Unsafe cells are hidden; then as many more as it takes that none can be had by subtracting
what is published from the district's figure (secondary).
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Final

import polars as pl

from pipelines import suppression
from pipelines.indicators import (
    DISTRICT_ID,
    INCOMPLETE,
    KPI,
    dictionary,
    least_decimals,
    shown,
)
from pipelines.suppression import Cells, Relation

PROVISIONAL: Final = "p"
CONFIDENTIAL: Final = "c"
MISSING: Final = "m"
"""No figure and nobody to protect: an empty park, or a ratio over nothing."""

FREQUENCY: Final = "frequency"
DOMINANCE: Final = "dominance"
SECONDARY: Final = "secondary"

PUBLISHED: Final = pl.Schema({**KPI, "reason": pl.String(), "decimals": pl.Int64()})
"""KPI after control: printed figures; a hidden cell (status c) keeps its target and its reason, one
that is not reliable (status i) its completeness."""

HIDDEN_COLUMNS: Final = ["value", "lower", "upper", "verdict", "completeness", "respondents"]

SHARE_OF_ENTERPRISES: Final = "share_of_enterprises"
"""Here a group's numerator is a count of legal units, no magnitude that could be estimated."""
POPULATION: Final = {SHARE_OF_ENTERPRISES: 1, "share_of_units": 1, "mean_of_shares": 10**9}
"""Of percentages, how much of a denominator is one unit (of CA-4 as a mean: billionths)."""

NOT_OF_ENTERPRISES: Final = ("programme", "reported")
"""Families without a respondent to protect: public lists, and what offices report of the city."""

OUTSIDE: Final = "outside every park"
"""What the district counts beyond the parks. It is never printed, but district less parks gives it:
it takes part in every relation as a cell that is always hidden."""

Groups = Mapping[str, tuple[int, int]]
"""Legal group to its numerator and denominator."""


FEW_GROUPS: Final = 3
"""Two respondents know each other's figure from their sum (Handbook on SDC, 4.2)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """When a cell is unsafe. `p_percent` is configuration and never leaves, not even in a repr."""

    p_percent: float = field(repr=False)
    min_groups: int = FEW_GROUPS
    min_population: int = 10


def is_dominated(parts: Iterable[int], p_percent: float) -> bool:
    """Could the second largest contributor estimate the largest within p %?

    The p % rule (Handbook on Statistical Disclosure Control, 4.2): unsafe if the total less the
    two largest is under p/100 of the largest.
    """
    ranked = sorted(parts, reverse=True)
    return bool(ranked) and 100 * sum(ranked[2:]) < p_percent * ranked[0]


@dataclass(frozen=True, slots=True)
class Series:
    """One indicator: how it counts, and every area's contributions."""

    indicator_id: str
    kind: str
    areas: Mapping[str, Groups]

    def reason(self, cells: Iterable[str], rule: Rule) -> str | None:
        """Why the sum of these cells is unsafe to know; null where it is safe."""
        merged: dict[str, tuple[int, int]] = {}
        for cell in cells:
            for group, (part, whole) in self.areas.get(cell, {}).items():
                had = merged.get(group, (0, 0))
                merged[group] = (had[0] + part, had[1] + whole)
        wholes = [whole for _, whole in merged.values()]
        parts = [part for part, _ in merged.values()]
        is_few = sum(wholes) < rule.min_population * POPULATION.get(self.kind, 0)
        if len(merged) < rule.min_groups or is_few:
            return FREQUENCY
        sides = [wholes] if self.kind == SHARE_OF_ENTERPRISES else [wholes, parts]
        return DOMINANCE if any(is_dominated(side, rule.p_percent) for side in sides) else None

    def tables(self, areas: Iterable[str]) -> list[dict[str, int]]:
        """Numerators, and what is missing to the denominators where that is never negative."""
        part = {area: sum(n for n, _ in self.areas.get(area, {}).values()) for area in areas}
        rest = {
            area: sum(d - n for n, d in self.areas.get(area, {}).values()) for area in part
        }  # fmt: skip
        has_rest = self.kind != "count" and min(rest.values(), default=0) >= 0
        return [part, rest] if has_rest else [part]


def protect(
    kpi: pl.DataFrame,
    contributions: pl.DataFrame,
    rule: Rule,
    published_before: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """PUBLISHED from KPI and CONTRIBUTIONS: what may leave, rounded, with reasons for the rest.

    `published_before` (`indicator_id area_id`) are cells that an earlier vintage of this period
    shows: hiding them now protects nobody, so they are never chosen to cover another.
    """
    reasons: dict[tuple[str, str], str] = {}
    for series in _families(kpi, contributions):
        areas = _areas(kpi, series)
        known = _known(series, published_before)
        hidden = _pattern(series, areas, rule, known)
        reasons |= {(s.indicator_id, area): why for s in series for area, why in hidden.items()}
    return _applied(kpi, reasons, contributions)


def _families(kpi: pl.DataFrame, contributions: pl.DataFrame) -> Iterator[list[Series]]:
    """Indicators with the same contributors share one pattern of hidden cells."""
    known = dictionary().filter(~pl.col("family").is_in(NOT_OF_ENTERPRISES))
    present = known.filter(pl.col("indicator_id").is_in(kpi["indicator_id"].unique().implode()))
    for _, family in present.group_by("family", maintain_order=True):
        named = family.select("indicator_id", "kind")
        yield [Series(name, kind, _by_area(contributions, name)) for name, kind in named.rows()]


def _by_area(
    contributions: pl.DataFrame, indicator_id: str
) -> dict[str, dict[str, tuple[int, int]]]:
    found: dict[str, dict[str, tuple[int, int]]] = {}
    rows = contributions.filter(
        pl.col("indicator_id") == indicator_id,
        (pl.col("numerator") > 0) | (pl.col("denominator") > 0),
    )
    for _, area, group, part, whole in rows.iter_rows():
        found.setdefault(area, {})[group] = (part, whole)
    outside = _outside(found)
    return found | ({OUTSIDE: outside} if outside else {})


def _outside(areas: Mapping[str, Groups]) -> dict[str, tuple[int, int]]:
    """What each group has in the district beyond its parks; who is in two has nothing."""
    found = {}
    for group, (part, whole) in areas.get(DISTRICT_ID, {}).items():
        inside = [own[group] for area, own in areas.items() if area != DISTRICT_ID and group in own]
        rest = (part - sum(p for p, _ in inside), whole - sum(w for _, w in inside))
        if min(rest) >= 0 and max(rest) > 0:
            found[group] = rest
    return found


def _areas(kpi: pl.DataFrame, series: list[Series]) -> list[str]:
    """Areas of a family with a figure, or with anybody in them."""
    ids = [s.indicator_id for s in series]
    rows = kpi.filter(pl.col("indicator_id").is_in(ids), pl.col("value").is_not_null())
    is_nothing = (rows["value"] == 0) & rows["indicator_id"].is_in(
        [s.indicator_id for s in series if s.kind == "count"]
    )
    peopled = {area for s in series for area in s.areas}
    return sorted(set(rows.filter(~is_nothing)["area_id"]) | peopled)


def _known(series: list[Series], published_before: pl.DataFrame | None) -> Cells:
    if published_before is None:
        return frozenset()
    ids = [s.indicator_id for s in series]
    return frozenset(published_before.filter(pl.col("indicator_id").is_in(ids))["area_id"])


def _relations(areas: Iterable[str]) -> list[Relation]:
    parks = tuple(area for area in areas if area != DISTRICT_ID)
    return [Relation(DISTRICT_ID, parks)] if parks and DISTRICT_ID in areas else []


def _pattern(series: list[Series], areas: list[str], rule: Rule, known: Cells) -> dict[str, str]:
    """Area to the reason for hiding it, for one family."""
    reasons = {area: _first(s.reason([area], rule) for s in series) for area in areas}
    primary = frozenset(area for area, why in reasons.items() if why)
    harmless = frozenset({OUTSIDE} & set(areas)) - primary
    relations = _relations(areas)

    def is_safe(hidden: Cells) -> bool:
        unseen = (hidden - known) | harmless
        return not any(
            _leaks(s, areas, relations, unseen) - harmless
            or _unsafe_sum(s, relations, unseen, rule)
            for s in series
        )

    secondary = suppression.complete(primary, _losses(series[0], areas, known), is_safe)
    return {area: reasons[area] or SECONDARY for area in (primary | secondary) - {OUTSIDE}}


def _first(reasons: Iterable[str | None]) -> str | None:
    return next((why for why in reasons if why), None)


def _losses(series: Series, areas: list[str], known: Cells) -> dict[str, int]:
    """What hiding a cell costs: what stands behind it; the district more than all parks."""
    size = {area: 1 + sum(d for _, d in series.areas.get(area, {}).values()) for area in areas}
    district = 1 + sum(size.values())
    free = set(areas) - known - {OUTSIDE}
    return {area: district if area == DISTRICT_ID else size[area] for area in sorted(free)}


def _leaks(series: Series, areas: list[str], relations: list[Relation], hidden: Cells) -> Cells:
    return suppression.exposed(series.tables(areas), relations, hidden)


def _unsafe_sum(series: Series, relations: list[Relation], hidden: Cells, rule: Rule) -> bool:
    """Would the published total give away a sum of hidden parts that is itself unsafe?"""
    sums = [
        [part for part in r.parts if part in hidden] for r in relations if r.total not in hidden
    ]
    return any(parts and series.reason(parts, rule) is not None for parts in sums)


def _applied(
    kpi: pl.DataFrame, reasons: Mapping[tuple[str, str], str], contributions: pl.DataFrame
) -> pl.DataFrame:
    """Hide, round and mark every row."""
    kinds = dict(dictionary().select("indicator_id", "kind").iter_rows())
    populations = {
        (indicator_id, area_id): whole
        for indicator_id, area_id, whole in contributions.group_by("indicator_id", "area_id")
        .agg(pl.col("denominator").sum())
        .iter_rows()
    }
    rows = []
    for row in kpi.iter_rows(named=True):
        cell = (row["indicator_id"], row["area_id"])
        why = reasons.get(cell)
        decimals = least_decimals(
            row["unit"], kinds[cell[0]], populations.get(cell, 0), row["value"], row["target"]
        )
        if why is not None:
            hidden = row | dict.fromkeys(HIDDEN_COLUMNS) | {"status": CONFIDENTIAL}
            rows.append(hidden | {"reason": why, "decimals": decimals})
            continue
        value, lower, upper, decimals = shown(
            (row["value"], row["lower"], row["upper"]), row["target"], row["comparator"], decimals
        )
        printed = {"value": value, "lower": lower, "upper": upper, "decimals": decimals}
        printed["completeness"] = _cut(row["completeness"], decimals)
        kept_out = row["status"] == INCOMPLETE
        status = INCOMPLETE if kept_out else MISSING if value is None else PROVISIONAL
        rows.append(row | printed | {"status": status, "reason": None})
    return pl.DataFrame(rows, schema=PUBLISHED)


def _cut(completeness: float | None, decimals: int) -> float | None:
    """Cut, not rounded, so that 1 means complete; no finer than the figure itself is printed."""
    if completeness is None:
        return None
    last = Decimal(1).scaleb(-2 - min(decimals, 1))
    return float(Decimal(repr(completeness)).quantize(last, ROUND_DOWN))


def audit(rows: pl.DataFrame, contributions: pl.DataFrame) -> pl.DataFrame:
    """`indicator_id area_id` of hidden cells that the published ones give away exactly.

    Attacks PUBLISHED rows as an outsider who also knows every denominator would: exact linear
    algebra over the hidden cells, then interval arithmetic on numerators and on what is missing
    to the denominators. Empty when nothing leaks; OUTSIDE is named where fewer than FEW_GROUPS
    stand behind it and the district less its parks gives it away.
    """
    leaks: list[tuple[str, str]] = []
    for series in _families(rows, contributions):
        areas = sorted({area for s in series for area in s.areas})
        for s in series:
            is_mine = pl.col("indicator_id") == s.indicator_id
            hidden = frozenset(rows.filter(is_mine, pl.col("status") == CONFIDENTIAL)["area_id"])
            unprinted = hidden | ({OUTSIDE} & set(areas))
            found = _leaks(s, areas, _relations(areas), unprinted)
            few = len(s.areas.get(OUTSIDE, {})) < FEW_GROUPS
            leaks += [(s.indicator_id, area) for area in sorted(found) if area != OUTSIDE or few]
    schema = {"indicator_id": pl.String(), "area_id": pl.String()}
    return pl.DataFrame(leaks, schema=schema, orient="row")
