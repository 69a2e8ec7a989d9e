"""The plan's indicators as data, and the table of figures judged against them.

The table is `indicators.csv`: one row per indicator with its target and comparator. Figures are
in the indicator's unit (a share is 55.56, its unit %) and unrounded until they are published.
"""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from math import inf
from operator import ge, gt, le
from typing import Final, NamedTuple

import polars as pl

DISTRICT_ID: Final = "310117"
DISTRICT_ZH: Final = "松江新城"

MET: Final = "met"
NOT_MET: Final = "not_met"
TO_BE_VERIFIED: Final = "to_be_verified"

UNCHECKED: Final = "u"
"""Status of a figure that disclosure control has not seen: it may not leave."""

INCOMPLETE: Final = "i"
"""Status of a figure that is not reliable, too little of its time being known: it is no number."""

KPI: Final = pl.Schema(
    {
        "indicator_id": pl.String(),
        "name_zh": pl.String(),
        "name_en": pl.String(),
        "period": pl.String(),
        "area_id": pl.String(),
        "area_zh": pl.String(),
        "unit": pl.String(),
        "value": pl.Float64(),
        "lower": pl.Float64(),
        "upper": pl.Float64(),
        "target": pl.Float64(),
        "comparator": pl.String(),
        "verdict": pl.String(),
        "completeness": pl.Float64(),
        "status": pl.String(),
        "respondents": pl.Int64(),
    }
)
"""One row per indicator and area. The plan sets its targets for the New City, so a park has none.
`respondents` are legal groups. A bound that is null was not stated, and for what covers only a
part of the New City `upper` is open."""

CONTRIBUTIONS: Final = pl.Schema(
    {
        "indicator_id": pl.String(),
        "area_id": pl.String(),
        "legal_group": pl.String(),
        "numerator": pl.Int64(),
        "denominator": pl.Int64(),
    }
)
"""What each legal group adds to a figure: units, or microseconds for time ratios."""

UNKNOWN_OWNER: Final = "?"
"""The legal group of every factory whose owner is not known; no USCC looks like it."""

FACTORS: Final = {
    "oee": ("ideal_good_s", "pbt_s"),
    "availability": ("apt_s", "pbt_s"),
    "effectiveness": ("ideal_total_s", "apt_s"),
    "quality_ratio": ("ideal_good_s", "ideal_total_s"),
}

UNIT_FACTOR: Final = {"%": 100.0, "万个": 1e-4}

COMPARE: Final = {"gt": gt, "ge": ge, "le": le}
"""民法典 art. 1259: 以上 and 不少于 include the number, 超过 does not."""

MAX_DECIMALS: Final = 8
POPULATION_FOR_A_DECIMAL: Final = 100
"""Below it one decimal of a percentage gives the counts away (66.7 % of 3)."""
NEAR_TARGET: Final = 0.5


@cache
def dictionary() -> pl.DataFrame:
    """The indicator table, in order of publication."""
    source = files("pipelines").joinpath("indicators.csv").read_bytes()
    return pl.read_csv(source, schema_overrides={"target": pl.Float64, "additive": pl.Boolean})


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


def _quantized(number: float | None, places: int, rounding: str) -> float | None:
    if number is None or number in (inf, -inf):
        return number
    return float(Decimal(repr(number)).quantize(Decimal(1).scaleb(-places), rounding))


def least_decimals(
    unit: str, kind: str, population: int, value: float | None, target: float | None
) -> int:
    """Decimals that an indicator is printed with before the verdict asks for more.

    Counts 0, 万个 4 (one terminal), percentages 1; a percentage of fewer than 100 units none;
    near the target two.
    """
    if unit != "%":
        return 4 if unit == "万个" else 0
    if kind.startswith("share_") and population < POPULATION_FOR_A_DECIMAL:
        return 0
    is_near = value is not None and target is not None and abs(value - target) < NEAR_TARGET
    return 2 if is_near else 1


def oee_contributions(by_factory: pl.DataFrame, groups: pl.DataFrame | None = None) -> pl.DataFrame:
    """CONTRIBUTIONS of the OEE figures, for every park and the district.

    `by_factory` has `park_id factory_id pbt_s apt_s ideal_total_s ideal_good_s`, `groups` has
    `factory_id legal_group`: factories it does not name could all be one owner's and count as one
    group. Without `groups` every factory stands for itself.
    """
    known = by_factory.with_columns(legal_group=pl.col("factory_id"))
    if groups is not None:
        named = groups.sort("legal_group", nulls_last=True).unique(
            "factory_id", keep="first", maintain_order=True
        )
        known = by_factory.join(named, on="factory_id", how="left").with_columns(
            pl.col("legal_group").fill_null(UNKNOWN_OWNER)
        )
    parts = [
        known.select(
            pl.lit(indicator_id).alias("indicator_id"),
            pl.col("park_id").alias("area_id"),
            "legal_group",
            _microseconds(numerator).alias("numerator"),
            _microseconds(denominator).alias("denominator"),
        )
        for indicator_id, (numerator, denominator) in FACTORS.items()
    ]
    by_park = pl.concat(parts)
    return _summed(
        pl.concat(
            [
                by_park.filter(pl.col("area_id").is_not_null()),
                by_park.with_columns(area_id=pl.lit(DISTRICT_ID)),
            ]
        )
    )


def _microseconds(name: str) -> pl.Expr:
    return (pl.col(name).fill_null(0) * 1e6).round().cast(pl.Int64)


def adoption_contributions(contributions: pl.DataFrame) -> pl.DataFrame:
    """CONTRIBUTIONS of the adoption indicators, from `adoption.contributions`."""
    known = dictionary().select("indicator_id", "metric_id", "basis")
    named = contributions.join(known, on=["metric_id", "basis"])
    return _summed(named.with_columns(area_id=pl.col("park_id").fill_null(DISTRICT_ID)))


def _summed(parts: pl.DataFrame) -> pl.DataFrame:
    key = ["indicator_id", "area_id", "legal_group"]
    summed = parts.group_by(key).agg(pl.col("numerator", "denominator").sum())
    return summed.select(CONTRIBUTIONS.names()).cast(CONTRIBUTIONS).sort(key)


def kpi_table(
    oee_roll_up: pl.DataFrame,
    adoption: pl.DataFrame,
    contributions: pl.DataFrame,
    *,
    period: str,
    smart_factories: int,
    benchmark_parks: int,
    areas: Mapping[str, str],
) -> pl.DataFrame:
    """The columns of KPI, unrounded and not yet disclosure-checked (status u).

    `oee_roll_up`: one row per park and one for the district (`park_id` null) with `oee
    availability effectiveness quality_ratio completeness lower upper is_reliable`, the bounds being
    OEE's. What is not reliable stays without value and bounds (status i).
    `adoption`: `adoption.figures`. `areas`: park id to Chinese name.
    """
    figures = pl.concat(
        [
            _register_figures(smart_factories, benchmark_parks),
            _adoption_figures(adoption),
            _oee_figures(oee_roll_up),
        ]
    )
    order = dictionary().with_row_index("place")
    respondents = (
        contributions.filter((pl.col("denominator") > 0) | (pl.col("numerator") > 0))
        .group_by("indicator_id", "area_id")
        .agg(respondents=pl.col("legal_group").n_unique().cast(pl.Int64))
    )
    is_district = pl.col("area_id") == DISTRICT_ID
    factor = pl.col("unit").replace_strict(UNIT_FACTOR, default=1.0)
    judged = (
        figures.join(order, on="indicator_id")
        .join(respondents, on=["indicator_id", "area_id"], how="left")
        .with_columns(
            pl.col("value", "lower", "upper") * factor,
            pl.when(is_district).then("target").alias("target"),
            pl.when(is_district).then("comparator").alias("comparator"),
            period=pl.lit(period),
            area_zh=pl.col("area_id").replace({DISTRICT_ID: DISTRICT_ZH, **areas}),
            status=pl.when("is_reliable").then(pl.lit(UNCHECKED)).otherwise(pl.lit(INCOMPLETE)),
        )
        .sort("place", ~is_district, "area_id")
    )
    return judged.with_columns(verdict=_verdicts(judged)).select(KPI.names()).cast(KPI)


def _verdicts(judged: pl.DataFrame) -> pl.Series:
    """One verdict per row; what covers only a part of the New City is open above."""
    columns = judged.select("value", "lower", "upper", "target", "comparator", "scope")
    verdicts = [
        verdict(value, lower, inf if scope == "partial" else upper, target, comparator)
        for value, lower, upper, target, comparator, scope in columns.iter_rows()
    ]
    return pl.Series("verdict", verdicts, dtype=pl.String)


FIGURE: Final = [
    "indicator_id", "area_id", "value", "lower", "upper", "completeness", "is_reliable",
]  # fmt: skip


def _register_figures(smart_factories: int, benchmark_parks: int) -> pl.DataFrame:
    counted = {"smart_factories": smart_factories, "benchmark_parks": benchmark_parks}
    count = pl.col("value").cast(pl.Float64)
    return (
        pl.DataFrame({"indicator_id": list(counted), "value": list(counted.values())})
        .with_columns(
            value=count, lower=count, upper=count,
            area_id=pl.lit(DISTRICT_ID), completeness=pl.lit(None, pl.Float64),
            is_reliable=pl.lit(value=True),
        )
        .select(FIGURE)
    )  # fmt: skip


def _adoption_figures(adoption: pl.DataFrame) -> pl.DataFrame:
    known = dictionary().select("indicator_id", "metric_id", "basis", "scope")
    is_partial = pl.col("scope") == "partial"
    named = adoption.join(known, on=["metric_id", "basis"])
    return named.with_columns(
        area_id=pl.col("park_id").fill_null(DISTRICT_ID),
        upper=pl.when(~is_partial).then("upper"),
        completeness=pl.when(pl.col("denominator") > 0).then(
            1.0 - pl.col("unknown") / pl.col("denominator")
        ),
        is_reliable=pl.lit(value=True),
    ).select(FIGURE)


def _oee_figures(oee_roll_up: pl.DataFrame) -> pl.DataFrame:
    """Long from wide; only OEE itself has bounds, the factors are what they are."""
    told = [*FACTORS, "lower", "upper"]
    is_told = pl.col("is_reliable") | pl.col("completeness").is_null()
    areas = oee_roll_up.with_columns(
        pl.when(is_told).then(pl.col(told)),
        area_id=pl.col("park_id").fill_null(DISTRICT_ID),
        is_reliable=is_told,
    )
    empty = pl.lit(None, pl.Float64)
    return pl.concat(
        areas.select(
            pl.lit(name).alias("indicator_id"),
            "area_id",
            pl.col(name).cast(pl.Float64).alias("value"),
            (pl.col("lower").cast(pl.Float64) if name == "oee" else empty).alias("lower"),
            (pl.col("upper").cast(pl.Float64) if name == "oee" else empty).alias("upper"),
            pl.col("completeness").cast(pl.Float64),
            "is_reliable",
        )
        for name in FACTORS
    )
