"""Is a target met? And figures printed so that what is printed says the same.

The comparators are the plan's words by article 1259 of the Civil Code (民法典): 以上 and 以下
include the number, 超过 and 不满 do not.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal
from math import inf
from operator import eq, ge, gt, le
from typing import Final, NamedTuple

MET: Final = "met"
NOT_MET: Final = "not_met"
TO_BE_VERIFIED: Final = "to_be_verified"

COMPARE: Final = {"gt": gt, "ge": ge, "le": le, "eq": eq}

MEANING_ZH: Final = {
    "gt": "超过：不含本数（民法典第1259条）",
    "ge": "不少于、以上、达到：含本数（民法典第1259条）",
    "le": "不高于、以下：含本数（民法典第1259条）",
    "eq": "等于",
}
MEANING_EN: Final = {
    "gt": "more than: excludes the number (Civil Code, art. 1259)",
    "ge": "at least: includes the number (Civil Code, art. 1259)",
    "le": "at most: includes the number (Civil Code, art. 1259)",
    "eq": "equal to",
}

UNIT_DECIMALS: Final = {"万个": 4, "kWh/kWh": 2, "Mbps": 1}
"""Four decimals of 万个 are one terminal; units not named here are counts and have none."""

MAX_DECIMALS: Final = 8
POPULATION_FOR_A_DECIMAL: Final = 100
"""Below it one decimal of a percentage gives the counts away (66.7 % of 3)."""
NEAR_TARGET: Final = 0.5


def verdict(
    value: float | None,
    lower: float | None,
    upper: float | None,
    target: float | None,
    comparator: str | None,
) -> str | None:
    """Is the target met by every value between the bounds, by none, or can it not be said?

    Unrounded values only. A missing bound is the value itself; null without value or target.
    """
    if value is None or target is None or not comparator:
        return None
    low, high = (value if bound is None else bound for bound in (lower, upper))
    if comparator == "eq":
        if low <= target <= high:
            return MET if low == high else TO_BE_VERIFIED
        return NOT_MET
    verdicts = {COMPARE[comparator](bound, target) for bound in (low, high)}
    if len(verdicts) > 1:
        return TO_BE_VERIFIED
    return MET if verdicts.pop() else NOT_MET


class Shown(NamedTuple):
    """A figure as it is printed."""

    value: float | None
    lower: float | None
    upper: float | None
    decimals: int


def shown(
    figure: tuple[float | None, float | None, float | None],
    target: float | None,
    comparator: str | None,
    decimals: int,
) -> Shown:
    """Round value, lower and upper (outwards) without ever changing the verdict they give.

    Takes `decimals`, or the fewest above it at which the printed figures judge as the exact ones.
    """
    exact = verdict(*figure, target, comparator)
    for places in range(decimals, MAX_DECIMALS):
        printed = _rounded(*figure, places)
        if verdict(*printed, target, comparator) == exact:
            return Shown(*printed, places)
    return Shown(*figure, MAX_DECIMALS)


def _rounded(
    value: float | None, lower: float | None, upper: float | None, places: int
) -> tuple[float | None, float | None, float | None]:
    """Rounded half up; a bound that differs from the value goes outwards: it still holds."""
    low = ROUND_HALF_UP if lower == value else ROUND_FLOOR
    high = ROUND_HALF_UP if upper == value else ROUND_CEILING
    return (
        _quantized(value, places, ROUND_HALF_UP),
        _quantized(lower, places, low),
        _quantized(upper, places, high),
    )


_EXACT: Final = Context(prec=400)
"""Every float has fewer digits before and behind the point than that."""


def _quantized(number: float | None, places: int, rounding: str) -> float | None:
    if number is None or number in (inf, -inf):
        return number
    unit = Decimal(1).scaleb(-places)
    return float(Decimal(repr(number)).quantize(unit, rounding, context=_EXACT))


def least_decimals(
    unit: str, kind: str, population: int, value: float | None, target: float | None
) -> int:
    """Decimals that an indicator is printed with before the verdict asks for more.

    Counts 0, others as UNIT_DECIMALS says, percentages 1; a percentage of fewer than 100 units
    none; near the target two.
    """
    if unit != "%":
        return UNIT_DECIMALS.get(unit, 0)
    if kind.startswith("share_") and population < POPULATION_FOR_A_DECIMAL:
        return 0
    is_near = value is not None and target is not None and abs(value - target) < NEAR_TARGET
    return 2 if is_near else 1
