"""Conventions as data, by name: which time element a state is, what is a loss, what is planned.

A figure carries the `profile_id` it was made by. A convention that changes gets another name, so
that no figure changes its meaning in silence.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import polars as pl

from pipelines.states import (
    EXECUTING,
    MAINTENANCE,
    NONE,
    NOT_AVAILABLE,
    NOT_EXECUTING,
    OUT_OF_SERVICE,
    PROCESSING,
    SETUP,
)

ELEMENTS: Final = ["apt", "aust", "adet", "adot"]
STATED: Final = ["item_state", "operation_mode", "order_id"]
"""What of an episode says its time element."""

Rules: TypeAlias = Mapping[tuple[int, int], tuple[str, str]]
"""By item_state and operation_mode: the element with an order and without one."""

STATES: Final = (EXECUTING, NOT_EXECUTING, OUT_OF_SERVICE)
MODES: Final = (PROCESSING, SETUP, NONE, MAINTENANCE)


def _rules(table: str) -> Rules:
    """A table: a line for each of STATES, in it for each of MODES `with order/without order`."""
    lines = [line.split() for line in table.strip().splitlines()]
    return {
        (state, mode): (cell.split("/")[0], cell.split("/")[-1])
        for state, cells in zip(STATES, lines, strict=True)
        for mode, cell in zip(MODES, cells, strict=True)
    }


OPC40001: Final = _rules("""
    apt        aust       adet/adot  adot
    adet/adot  aust       adet/adot  adot
    adet/adot  adet/adot  adot       adot
""")
"""OPC 40001-1 annex C; ours where it is silent: setup, maintenance inside busy time, no order while
Processing, and Executing in mode None, which is never production."""

OPC40501: Final = _rules("""
    apt   aust  adot  adot
    adot  adot  adot  adot
    adet  adet  adet  adet
""")
"""OPC 40501-1 annex C.2.3: orders play no part; every NotExecuting is down time, every OutOfService
a delay. Ours where it is silent: Executing in the modes None and Maintenance."""

SEMI_E10: Final = _rules("""
    apt        aust  adot  adot
    adot       aust  adot  adot
    adet/adot  adet/adot  adot  adot
""")
"""SEMI E10 states by OPC 40001-1 annex C.3 in ISO 22400's words: productive is APT, engineering is
setup, standby is down time, unscheduled down a delay. `semi` has the figures of E79 itself."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One set of conventions.

    `breaks` cut out of busy time or kept in it; `rework` good_once_passed counts reworked pieces as
    good; stops below `micro_stop_s` are minor; bad pieces within `start_up_s` of a setup are a loss
    of starting up; a figure whose `completeness` is below the least is unreliable.
    """

    profile_id: str
    rules: Rules
    breaks: Literal["cut", "kept"] = "cut"
    rework: Literal["not_good", "good_once_passed"] = "not_good"
    micro_stop_s: float = 300.0
    start_up_s: float = 600.0
    least_completeness: float = 0.9


PROFILES: Final = {
    one.profile_id: one
    for one in (
        Profile("opc40001-1", OPC40001),
        Profile("opc40501-1", OPC40501),
        Profile("semi-e10", SEMI_E10),
    )
}
DEFAULT: Final = PROFILES["opc40001-1"]


def profile_of(profile: str | Profile) -> Profile:
    """The profile of that name; KeyError names the ones there are."""
    if isinstance(profile, Profile):
        return profile
    if profile not in PROFILES:
        raise KeyError(f"no profile {profile}; there are {', '.join(PROFILES)}")
    return PROFILES[profile]


def planned(plan: pl.DataFrame, profile: Profile) -> pl.DataFrame:
    """A plan as a profile reads it: breaks that are kept are busy time."""
    return plan.filter(pl.col("kind") != "break") if profile.breaks == "kept" else plan


def least_completeness(names: Collection[str]) -> pl.Expr:
    """The completeness that a row's profile asks for, of rows with these columns.

    What `least_completeness` says (see `conventions.with_least`), or the profile of that
    `profile_id`; a profile that nobody knows asks the usual.
    """
    usual = pl.lit(DEFAULT.least_completeness)
    if "least_completeness" in names:
        return pl.col("least_completeness").fill_null(usual)
    if "profile_id" not in names:
        return usual
    asked = {name: one.least_completeness for name, one in PROFILES.items()}
    return pl.col("profile_id").replace_strict(asked, default=usual, return_dtype=pl.Float64)


def element(profile: str | Profile = DEFAULT) -> pl.Expr:
    """Time element (apt, aust, adet, adot) of an episode; null where its state is unknown."""
    names = dict(enumerate(ELEMENTS))
    return element_no(profile).replace_strict(names, default=None, return_dtype=pl.String)


def element_no(profile: str | Profile = DEFAULT) -> pl.Expr:
    """The number of the element in ELEMENTS; NotAvailable counts as OutOfService."""
    state = pl.col("item_state").cast(pl.Int16).replace({NOT_AVAILABLE: OUT_OF_SERVICE})
    code = state * 8 + pl.col("operation_mode").cast(pl.Int16) * 2
    code += pl.col("order_id").fill_null("") == ""
    rules = {
        item * 8 + mode * 2 + without: ELEMENTS.index(elements[without])
        for (item, mode), elements in profile_of(profile).rules.items()
        for without in (0, 1)
    }
    return code.replace_strict(rules, default=None, return_dtype=pl.Int8)
