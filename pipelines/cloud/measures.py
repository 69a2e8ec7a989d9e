"""What each enterprise adds to CA-1 to CA-7 on a day: whole numbers, no shares yet.

Every function gives rows of MEASURED: one per enterprise, set of parks, metric, basis and class.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import polars as pl

from pipelines.cloud.firms import LEVELS

MEASURED: Final = pl.Schema(
    {
        "metric_id": pl.String(),
        "basis": pl.String(),
        "level": pl.String(),
        "uscc": pl.String(),
        "parks": pl.String(),
        "numerator": pl.Int64(),
        "denominator": pl.Int64(),
        "unknown": pl.Int64(),
    }
)
"""`level` is null but in the rows of CA-1 by level; `denominator` is 0 throughout for a count."""

SAID: Final = ["metric_id", "basis", "level"]
COUNTS: Final = ["numerator", "denominator", "unknown"]

BILLION: Final = 10**9
"""A firm's own share in whole billionths: a mean of shares that is the same on every engine."""


class Measure(NamedTuple):
    """One metric and basis: what counts, of how many, and who may count for all that is known."""

    metric_id: str
    basis: str
    numerator: pl.Expr
    whole: pl.Expr
    unknown: pl.Expr
    level: str | None = None


def _summed(frame: pl.DataFrame, measures: Sequence[Measure]) -> pl.DataFrame:
    """MEASURED of all measures in one pass over the frame."""
    sums = {
        f"{place} {name}": expr.cast(pl.Int64)
        for place, one in enumerate(measures)
        for name, expr in zip(
            COUNTS, (one.numerator.sum(), one.whole, one.unknown.sum()), strict=True
        )
    }
    names = pl.col("uscc", "parks").cast(pl.String)
    by_firm = frame.group_by("uscc", "parks").agg(**sums).with_columns(names).lazy()
    told = [_of(one, place, by_firm) for place, one in enumerate(measures)]
    return pl.concat(told).collect(engine="in-memory")


def _of(one: Measure, place: int, by_firm: pl.LazyFrame) -> pl.LazyFrame:
    said = [pl.lit(getattr(one, name), pl.String()).alias(name) for name in SAID]
    counts = [pl.col(f"{place} {name}").alias(name) for name in COUNTS]
    return by_firm.select(*said, "uscc", "parks", *counts).filter(
        pl.any_horizontal(pl.col(COUNTS) != 0)
    )


def cloud_share(firms: pl.DataFrame) -> pl.DataFrame:
    """CA-1 of the enterprises in scope, from `firms.evidence`."""
    says_yes, says_nothing = (pl.col("declared") == word for word in ("yes", "unknown"))
    open_ = ~pl.col("is_verified") & (says_nothing | pl.col("group_in_use"))
    either = pl.col("is_verified") | says_yes
    whole = [
        Measure("CA-1", "verified", pl.col("is_verified"), pl.len(), open_),
        Measure("CA-1", "declared_or_verified", either, pl.len(), open_ & ~says_yes),
        Measure("CA-1", "declared", says_yes, pl.len(), says_nothing),
    ]
    levels = [one for level in LEVELS for one in _of_level(level, open_, says_yes)]
    return _summed(firms.filter("in_scope"), [*whole, *levels])


def _of_level(level: str, open_: pl.Expr, says_yes: pl.Expr) -> list[Measure]:
    """CA-1 at one level: who has it, and who may have it for all that is known."""
    claimed = pl.col("claimed_levels").list.contains(level)
    seen = pl.col("used_levels").list.contains(level)
    if level == "C3":
        seen = seen | pl.col("is_connected")
    vague_use, vague_claim = pl.col("has_unlevelled_use"), pl.col("has_unlevelled_claim")
    nothing_said = pl.col("declared") == "unknown"
    either = seen | claimed
    found = [
        ("verified", seen, open_ | vague_use),
        ("declared_or_verified", either, (open_ & ~says_yes) | vague_use | vague_claim),
        ("declared", claimed, nothing_said | vague_claim),
    ]
    return [
        Measure("CA-1", basis, has, pl.len(), ~has & maybe, level) for basis, has, maybe in found
    ]


def terminal_rates(units: pl.DataFrame) -> pl.DataFrame:
    """CA-2 of the devices in service, CA-7 of all units, and the points of gateways beside it."""
    sure = ~pl.col("is_ambiguous")
    device = sure & (pl.col("kind") == "device").fill_null(value=False)
    none = pl.lit(0)
    points = pl.col("points").fill_null(0)
    return _summed(
        units.filter("is_deployed"),
        [
            Measure("CA-2", "measured", device & pl.col("is_connected"), device.sum(),
                    device & ~pl.col("is_judged")),
            Measure("CA-7", "measured", sure, none, ~sure),
            Measure("CA-7", "points", points * sure, none, points * ~sure),
        ],
    )  # fmt: skip


def machine_rates(machines: pl.DataFrame, units: pl.DataFrame) -> pl.DataFrame:
    """CA-3, CA-3b and CA-6, from the MACHINES of a day with `parks`."""
    heard = units.filter(pl.col("is_deployed") & pl.col("is_online") & ~pl.col("is_ambiguous"))
    online = heard["machine_id"].drop_nulls().unique()
    whole = machines.filter(pl.col("kind") == "machine").with_columns(
        is_online=pl.col("machine_id").is_in(online.implode())
    )
    says, seen = pl.col("is_networked"), pl.col("is_online")
    either = seen | says.fill_null(value=False)
    open_ = ~seen & says.is_null()
    digital, every = pl.col("is_digital").fill_null(value=False), pl.lit(value=True)
    level = pl.col("interface_level")
    rates = [
        Measure(metric_id, basis, of & has, of.sum() if of is digital else pl.len(), of & open_)
        for metric_id, of in (("CA-3", digital), ("CA-3b", every))
        for basis, has in (("verified", seen), ("declared_or_verified", either))
    ]
    conforms = (level >= 2).fill_null(value=False)
    return _summed(
        whole, [*rates, Measure("CA-6", "measured", conforms, pl.len(), level.is_null())]
    )


def key_operations(machines: pl.DataFrame, firms: pl.DataFrame) -> pl.DataFrame:
    """CA-4, pooled and as the mean of the firms' own shares."""
    industry = firms.filter("is_industry").select("uscc")
    key = machines.filter(pl.col("is_key_operation").fill_null(value=False)).join(
        industry, on="uscc", how="semi"
    )
    has, open_ = pl.col("is_controlled").fill_null(value=False), pl.col("is_controlled").is_null()
    pooled = _summed(key, [Measure("CA-4", "pooled", has, pl.len(), open_)])
    return pl.concat([pooled, _mean_of_firms(key.select("uscc", "parks", has=has, open=open_))])


def _mean_of_firms(key: pl.DataFrame) -> pl.DataFrame:
    """Each enterprise's share: in a park of what stands there, in the New City of everything.

    Rows of parks add up in the New City too, so a row without a park carries the difference.
    """
    here = _shares(key, ["uscc", "parks"])
    whole = _shares(key, ["uscc"])
    told = whole.join(here.group_by("uscc").agg(pl.col(COUNTS).sum()), on="uscc", suffix="_told")
    rest = told.select("uscc", pl.lit("").alias("parks"), *_less(COUNTS))
    mean = Measure(
        "CA-4", "mean_of_firms", pl.col("numerator"), pl.col("denominator").sum(), pl.col("unknown")
    )
    return _summed(pl.concat([here.select(rest.columns), rest]), [mean])


def _less(names: Sequence[str]) -> list[pl.Expr]:
    return [pl.col(name) - pl.col(f"{name}_told") for name in names]


def _shares(key: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Controlled of all in whole billionths, rounded down, of each group."""
    counted = key.group_by(by).agg(
        pl.col("has", "open").sum().cast(pl.Int64), all=pl.len().cast(pl.Int64)
    )
    low = pl.col("has") * BILLION // pl.col("all")
    high = (pl.col("has") + pl.col("open")) * BILLION // pl.col("all")
    return counted.select(
        *by, numerator=low, denominator=pl.lit(BILLION, pl.Int64), unknown=high - low
    )


def platform_use(firms: pl.DataFrame) -> pl.DataFrame:
    """CA-5 of the industrial enterprises above the scale."""
    has = pl.col("used_levels").list.contains("C4")
    maybe = ~has & (pl.col("group_in_use") | pl.col("has_unlevelled_use"))
    large = firms.filter(pl.col("is_industry") & pl.col("is_above_scale"))
    return _summed(large, [Measure("CA-5", "verified", has, pl.len(), maybe)])
