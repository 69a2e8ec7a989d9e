"""By which conventions a factory's figures are meant, and what that makes of its time.

The elements are written down by hand, like those of `kinds`: the truth shares no arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from connectors.simulator import kinds as k


@dataclass(frozen=True, slots=True)
class Convention:
    """A profile of a whole factory, from so many days before the default day on."""

    profile_id: str
    rules: str
    micro_stop_s: int
    days_before: int

    def valid_from(self, default_day: date) -> date:
        """The production day on which it begins."""
        return default_day - timedelta(days=self.days_before)


USUAL: Final = Convention("opc40001-1", "opc40001-1", 300, 0)
_STANDING: Final = dict.fromkeys((k.MICRO_STOP, k.STARVED, k.WAITING), "adot")
"""Neither OPC 40501-1 nor SEMI E10 knows a delay of a machine that could run."""
_OTHER: Final[Mapping[str, Mapping[int, str]]] = {
    "opc40001-1": {},
    "opc40501-1": {**_STANDING, k.SETUP: "adot", k.BREAKDOWN: "adet"},
    "semi-e10": _STANDING,
}
"""Elements of kinds of activity where rules differ from `kinds`."""


def held(convention: Convention | None, default_day: date, production_day: date) -> Convention:
    """What a shift of that production day is judged by."""
    if convention is None or production_day < convention.valid_from(default_day):
        return USUAL
    return convention


def element(kind: int, rules: str) -> str:
    """The time element of a kind of activity inside busy time."""
    return _OTHER[rules].get(kind, k.KINDS[kind].element)
