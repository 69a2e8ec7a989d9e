"""Early warning by rules that a person can check: each compares an enterprise with itself.

Every rule wants weeks, not days, and clears at half of what raised it; while one of the levels that
it speaks of is not known it says nothing. The facts of a register are
those of `warning_register`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from pipelines.warning_signs import back
from pipelines.warning_spells import spells
from pipelines.warning_table import table

PERSIST: Final = 3
PERSIST_SILENT: Final = 6
CALM: Final = 12
"""Comparable days in turn that raise and that clear; a change of the network takes a week."""

CONFIDENCE: Final = {
    "output_drop": 0.43,
    "running_drop": 0.51,
    "energy_decoupling": 0.52,
    "connectivity_loss": 0.95,
    "alarm_surge": 0.46,
}
"""Share of a rule's warnings that were of planted distress: seeds 1, 2 and 4, 600 firms each."""

LEAST_CONFIDENCE: Final = 0.8
"""A rule that is right less often tells people nothing alone (docs/decisions/0037)."""

SURE: Final = frozenset(rule for rule, share in CONFIDENCE.items() if share >= LEAST_CONFIDENCE)
"""Rules that tell people alone."""

EVIDENCE: Final = (
    "output", "running", "energy", "noise", "decoupled", "offline", "alarms", "alarms_usual",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule on signs: raised while `above`, calm while `below`; `lost` grades it, from 0 to 1.

    `persist` comparable days in turn raise it; `confidence` is told with it.
    """

    figure: str
    unit: str
    above: pl.Expr
    below: pl.Expr
    value: pl.Expr
    expected: pl.Expr
    lost: pl.Expr
    confidence: float
    persist: int = PERSIST


def _known(column: str, levels: int, of: Callable[[list[pl.Expr]], pl.Expr]) -> pl.Expr:
    """What the last levels give together; null while one of them is not known."""
    last = [back(column, n) for n in range(levels)]
    return pl.when(pl.all_horizontal(one.is_not_null() for one in last)).then(of(last))


def _mean(column: str, levels: int) -> pl.Expr:
    return _known(column, levels, pl.mean_horizontal)


def _least(column: str, levels: int) -> pl.Expr:
    return _known(column, levels, pl.min_horizontal)


def _fall(column: str, figure: str, confidence: float) -> Rule:
    """Each of three weeks 8 % or more below usual, 12 % on average and beyond its own noise."""
    three, two = _mean(column, 3), _mean(column, 2)
    best = _known(column, 3, pl.max_horizontal)
    return Rule(
        figure=figure,
        unit="1",
        above=(best < pl.lit(0.92).log())
        & (three < pl.lit(0.88).log())
        & (three < -2.5 * pl.col("noise")),
        below=two > pl.lit(0.94).log(),
        value=three.exp(),
        expected=pl.lit(1.0),
        lost=1.0 - three.exp(),
        confidence=confidence,
    )


def _decoupling() -> Rule:
    """Energy 4 % or more above what running explains, while running is below usual."""
    two, running = _mean("decoupled", 2), _mean("running", 2)
    least, noise = _least("decoupled", 2), pl.col("decoupled_noise")
    return Rule(
        figure="energy_over_explained",
        unit="1",
        above=(least > 0.03) & (two > 0.04) & (two > 3.0 * noise) & (running < pl.lit(0.95).log()),
        below=(two < 0.02) | (two < noise),
        value=two.exp(),
        expected=pl.lit(1.0),
        lost=two.exp() - 1.0,
        confidence=CONFIDENCE["energy_decoupling"],
    )


def _connectivity() -> Rule:
    """Terminals silent for two weeks that usually are heard: 6 % of all, and beyond chance."""
    least, two = _least("offline", 2), _mean("offline", 2)
    return Rule(
        figure="terminals_silent_more",
        unit="1",
        above=(least > 0.06) & (least > 3.0 * pl.col("offline_noise")),
        below=pl.col("offline") < 0.03,
        value=two,
        expected=pl.lit(0.0),
        lost=two,
        confidence=CONFIDENCE["connectivity_loss"],
        persist=PERSIST_SILENT,
    )


def _alarms() -> Rule:
    """Half as many alarms again as usual over four weeks, and in none of them as few as usual."""
    z = (pl.col("alarms") - pl.col("alarms_usual")) / pl.col("alarms_noise")
    week, least = _mean("alarms", 4), _least("alarms", 4)
    noise = pl.col("alarms_noise")
    return Rule(
        figure="alarms_per_6_days",
        unit="1",
        above=(week > 1.5 * pl.col("alarms_usual"))
        & (week - pl.col("alarms_usual") > 2.0 * noise)
        & (least - pl.col("alarms_usual") > 0.8 * noise),
        below=z < 1.0,
        value=week,
        expected=pl.col("alarms_usual"),
        lost=pl.lit(0.0),
        confidence=CONFIDENCE["alarm_surge"],
    )


RULES: Final[Mapping[str, Rule]] = {
    "output_drop": _fall("output", "output_of_usual", CONFIDENCE["output_drop"]),
    "running_drop": _fall("running", "running_of_usual", CONFIDENCE["running_drop"]),
    "energy_decoupling": _decoupling(),
    "connectivity_loss": _connectivity(),
    "alarm_surge": _alarms(),
}


def by_rules(signs: pl.DataFrame) -> pl.DataFrame:
    """WARNINGS of all RULES on what `warning_signs.signs` gives."""
    parts = [_warnings(signs, name, rule) for name, rule in RULES.items()]
    return pl.concat(parts).sort("uscc", "raised_on", "rule")


def _warnings(signs: pl.DataFrame, name: str, rule: Rule) -> pl.DataFrame:
    evidence = pl.struct(pl.col(*EVIDENCE).round(4)).struct.json_encode()
    found = spells(
        signs,
        above=rule.above,
        below=rule.below,
        persist=rule.persist,
        calm=CALM,
        told=(
            rule.value.cast(pl.Float64).alias("value"),
            rule.expected.cast(pl.Float64).alias("expected"),
            rule.lost.cast(pl.Float64).alias("lost"),
            evidence.alias("evidence"),
        ),
    )
    return table(
        found, name, figure=rule.figure, unit=rule.unit, confidence=pl.lit(rule.confidence)
    )
