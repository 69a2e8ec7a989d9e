"""A factory's conventions as a file: which profile its machines have from which day on."""

from pathlib import Path
from typing import Any, Final

import polars as pl

from connectors.errors import FleetFileError
from connectors.sheets import Row, each, rows_of
from pipelines.conventions import PARAMETERS, row_of_profile
from pipelines.profiles import DEFAULT, PROFILES
from pipelines.schemas import CONVENTIONS

DAY_S: Final = 86_400.0
"""A stop or a start-up that lasts longer than a day is none."""
_COLUMNS: Final = ("line_id", "work_unit_id", *PARAMETERS, "valid_from")
_SAYS: Final = PARAMETERS[1:]
"""What a profile says, beside its name."""

Said = dict[str, Any]
"""PARAMETERS of a profile."""


def read_conventions(path: Path, factory: str) -> pl.DataFrame:
    """A factory's conventions (pipelines.schemas.CONVENTIONS).

    A blank line or work unit is every one; what else is blank is as in the profile of the default.
    A name means one thing: a built-in profile, or what its first row says.
    """
    named: dict[str, tuple[int | None, Said]] = {
        name: (None, row_of_profile(one, name)) for name, one in PROFILES.items()
    }
    taken: dict[tuple[object, ...], int] = {}

    def made(row: Row) -> Said:
        said, since = _said(row), row.day("valid_from")
        line, known = named.setdefault(said["profile_id"], (row.line, said))
        if (other := difference(known, said)) is not None:
            where = "ParkPulse's own profile" if line is None else f"line {line}"
            row.refuse("profile_id", f"{where} of that name has {other}", NAME_IT)
        place = row.place(factory)
        key = (place["line_id"], place["work_unit_id"], since)
        if key in taken:
            why = f"line {taken[key]} has a convention there already, from the same day on"
            row.refuse("valid_from", why, "delete one, or give it a later valid_from")
        taken[key] = row.line
        return {**place, **said, "valid_from": since}

    return pl.DataFrame(each(rows_of(path, _COLUMNS), made), schema=CONVENTIONS)


NAME_IT: Final = "give another convention a name of its own"


def difference(known: Said, said: Said) -> str | None:
    """The first parameter by which two profiles differ, as `name was, not is`; None if none."""
    for name in _SAYS:
        if known[name] != said[name]:
            return f"{name} {_text(known[name])}, not {_text(said[name])}"
    return None


def refuse_renamed(path: Path, profiles: pl.DataFrame, given: pl.DataFrame) -> None:
    """FleetFileError where a convention has a name that stands for another one in `profiles`."""
    standing = {row["profile_id"]: row for row in profiles.iter_rows(named=True)}
    for row in given.iter_rows(named=True):
        other = difference(standing.get(row["profile_id"], row), row)
        if other is not None:
            name = row["profile_id"]
            why = f"profile_id {name} stood for {other}, and figures were made by it"
            raise FleetFileError(path, why, NAME_IT)


def profiles_of(conventions: pl.DataFrame) -> pl.DataFrame:
    """Each profile that conventions name, once: factory_id and PARAMETERS."""
    return conventions.select("factory_id", *PARAMETERS).unique(maintain_order=True)


def _said(row: Row) -> Said:
    usual = row_of_profile(DEFAULT, DEFAULT.profile_id)

    def one_of(column: str, *words: str) -> str:
        return row.one_of(column, words) if row.optional(column) else str(usual[column])

    def number(column: str, most: float) -> float:
        return row.between(column, 0, most) if row.optional(column) else float(usual[column])

    return {
        "profile_id": row.text("profile_id"),
        "rules": row.one_of("rules", list(PROFILES)),
        "breaks": one_of("breaks", "cut", "kept"),
        "rework": one_of("rework", "not_good", "good_once_passed"),
        "micro_stop_s": number("micro_stop_s", DAY_S),
        "start_up_s": number("start_up_s", DAY_S),
        "least_completeness": number("least_completeness", 1),
    }


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
