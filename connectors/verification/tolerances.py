"""What must hold of the comparison, and what is said where it does not."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """One figure of a part: what it must be, as words and as a test of the whole part."""

    figure: str
    must: str
    holds: Callable[[Result], bool]


def _none(part: str, name: str) -> Tolerance:
    return Tolerance(f"{part}.{name}", "0", lambda figures: figures[name] == 0)


def _at_most(part: str, name: str, limit: float) -> Tolerance:
    def holds(figures: Result) -> bool:
        return figures[name] is not None and figures[name] <= limit

    return Tolerance(f"{part}.{name}", f"≤ {limit:g}", holds)


ENOUGH: Final = 100
"""Of fewer enterprises chance alone can break a share."""

TOLERANCES: Final = (
    _none("values", "lost"),
    _none("values", "repeated"),
    _none("values", "foreign"),
    _none("values", "unreadable_segments"),
    _none("values", "uncollected_sites"),
    Tolerance("values.emitted", "> 0", lambda figures: figures["emitted"] > 0),
    _none("oee", "missing"),
    Tolerance(
        "oee.fully_covered",
        "≥ 90 % of shifts",
        lambda figures: 10 * figures["fully_covered"] >= 9 * figures["machine_shifts"],
    ),
    Tolerance(
        "oee.inside_bounds",
        "every closed shift",
        lambda figures: figures["inside_bounds"] == figures["machine_shifts"] - figures["missing"],
    ),
    Tolerance(
        "oee.partly_inside_bounds",
        "every shift that the window cuts",
        lambda figures: figures["partly_inside_bounds"] == figures["partly_collected"],
    ),
    _at_most("oee", "max_abs_error", 0.001),
    _at_most("oee", "max_completeness_error", 0.001),
    _at_most("losses", "max_abs_error_s", 1.0),
    _none("adoption", "unequal"),
    Tolerance(
        "warnings.harmless_share",
        f"≤ 0.1 of {ENOUGH} or more",
        lambda figures: figures["harmless_firms"] < ENOUGH or figures["harmless_share"] <= 0.1,
    ),
    _none("portraits", "unequal"),
    _none("portraits", "missing"),
    Tolerance("conformance.machines", "> 0", lambda figures: figures["machines"] > 0),
    _none("conformance", "unequal"),
    _none("conformance", "unequal_clocks"),
    _none("conformance", "unplanted_falls"),
    _none("parks", "unequal"),
)
"""Anomaly figures are printed and have no tolerance here: how good a detector is, is measured. So
it is of warnings; but of a hundred enterprises that only harmless things happened to two have one
in a year (docs/decisions/0037), and a tenth is beyond chance."""

REMEDIES: Final = {
    "values": "the ledger vouches for nothing; run `parkpulse collect` first",
    "oee": "no figure of a shift that was collected whole; run `parkpulse materialize`",
    "losses": "no fully covered shift to compare; run `parkpulse materialize`",
    "adoption": "no figures of the truth's reference date; run `parkpulse materialize`",
    "warnings": "no days of enterprises; `register import` the office's files and materialize",
    "portraits": "none of the truth's reference date; `register import` the files and materialize",
    "conformance": "no factory-day was held against the interface; run `parkpulse materialize`",
    "parks": "no figures of parks of the truth's reference date; run `parkpulse materialize`",
}
"""A part that was not computed cannot hold: why, and what to do."""


def words() -> dict[str, str]:
    """What each figure must be."""
    return {tolerance.figure: tolerance.must for tolerance in TOLERANCES}


def broken(result: Result, expected: set[str], culprits: Mapping[str, str]) -> Iterator[str]:
    """One line for every tolerance that does not hold.

    A part of `expected` that is null is a line too; `culprits` names them by figure.
    """
    for part, remedy in REMEDIES.items():
        if part in expected and result[part] is None:
            yield f"{part}: {remedy}"
    for tolerance in TOLERANCES:
        part, name = tolerance.figure.split(".", 1)
        figures = result[part]
        if figures is not None and not tolerance.holds(figures):
            who = culprits.get(tolerance.figure, "")
            value = "nothing to compare" if figures[name] is None else _short(figures[name])
            told = f"{tolerance.figure} is {value}, must be {tolerance.must}"
            yield f"{told}: {who}" if who else told


def _short(value: float) -> str:
    return f"{value:.4g}" if isinstance(value, float) else f"{value:,}"
