"""Which profile holds for which work unit from which production day on."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import polars as pl

from pipelines.equipment import UNIT, AnyFrame, eager, expand
from pipelines.profiles import DEFAULT, PROFILES, Profile, least_completeness
from pipelines.schemas import CONVENTIONS

NO_CONVENTIONS: Final = pl.DataFrame(schema=CONVENTIONS)
PARAMETERS: Final = [name for name in CONVENTIONS if name not in (*UNIT, "valid_from")]
"""What a convention says, beside where and from when on."""


class Figures(Protocol):
    """A `by_shift` to which all is given but the work units (of `tags`) and the profile."""

    def __call__(self, *, tags: pl.DataFrame, profile: Profile) -> pl.DataFrame:
        """Rows with the equipment key and `production_day`, of days of the plan."""


def by_convention(
    figures: Figures,
    tags: AnyFrame,
    plan: AnyFrame,
    conventions: AnyFrame,
    key: Sequence[str] = UNIT,
) -> pl.DataFrame:
    """Figures of each work unit and production day by the profile that holds there.

    `tags` and `plan` are those of `figures`, `conventions` is `schemas.CONVENTIONS`. Where none
    holds, the default does. `key` is a line's for figures of lines, which those of a work unit do
    not touch. A profile is asked only of the work units that have it.
    """
    catalogue, known = eager(tags), eager(conventions)
    if known.is_empty():
        return figures(tags=catalogue, profile=DEFAULT)
    on = [*key, "production_day"]
    held = _held(_places(catalogue, key), eager(plan), known)
    if held.is_empty():
        return figures(tags=catalogue, profile=DEFAULT)
    parts = [
        figures(
            tags=_only(catalogue, own, key), profile=profile_of_row(own.row(0, named=True))
        ).join(own.select(on), on=on, how="semi", nulls_equal=True, maintain_order="left")
        for own in held.partition_by(PARAMETERS, maintain_order=True)
    ]
    return pl.concat(parts).sort(on, maintain_order=True)


def profile_of_row(row: dict[str, Any]) -> Profile:
    """The profile that a row of `schemas.CONVENTIONS` says."""
    rules = PROFILES[row["rules"]].rules
    return Profile(**{name: row[name] for name in PARAMETERS} | {"rules": rules})


def row_of_profile(profile: Profile, rules: str) -> dict[str, Any]:
    """PARAMETERS of a profile whose rules have that name."""
    return {name: getattr(profile, name) for name in PARAMETERS} | {"rules": rules}


def with_least(rows: AnyFrame, conventions: AnyFrame) -> pl.DataFrame:
    """Adds `least_completeness` to figures with `factory_id` and `profile_id`."""
    names = ["factory_id", "profile_id"]
    said = eager(conventions).select(*names, _said="least_completeness").unique(names)
    known = eager(rows).join(said, on=names, how="left", maintain_order="left")
    least = pl.coalesce("_said", least_completeness(["profile_id"]))
    return known.with_columns(least_completeness=least).drop("_said")


def _places(tags: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The work units of a catalogue, or its lines (their work unit is null)."""
    there = tags.filter(pl.col("work_unit_id").is_not_null())
    none = [pl.lit(None, pl.String).alias(name) for name in UNIT if name not in key]
    return there.with_columns(none).select(UNIT).unique().sort(UNIT)


def _only(tags: pl.DataFrame, places: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """The catalogue in which only `places` have work units.

    Rows of the others stay: from when on a node has its meaning is told by all its tags.
    """
    own = places.select(key).unique().with_columns(_own=pl.lit(value=True))
    marked = tags.join(own, on=list(key), how="left", nulls_equal=True, maintain_order="left")
    unit = pl.when("_own").then("work_unit_id")
    return marked.with_columns(work_unit_id=unit).drop("_own")


def _held(places: pl.DataFrame, plan: pl.DataFrame, conventions: pl.DataFrame) -> pl.DataFrame:
    """PARAMETERS of the profile of each place on each production day of the plan.

    The most specific convention that holds by then, however much later a wider one begins.
    """
    on = [*UNIT, "production_day"]
    asked = places.join(plan.select("production_day").unique().sort("production_day"), how="cross")
    begun = asked.join(expand(conventions, places), on=UNIT, nulls_equal=True).filter(
        pl.col("valid_from") <= pl.col("production_day")
    )
    newest = begun.sort("specificity", "valid_from", "profile_id").unique(
        on, keep="last", maintain_order=True
    )
    told = asked.join(
        newest.select(*on, *PARAMETERS), on=on, how="left", nulls_equal=True, maintain_order="left"
    )
    usual = row_of_profile(DEFAULT, DEFAULT.profile_id)
    return told.with_columns(pl.col(name).fill_null(value) for name, value in usual.items())
