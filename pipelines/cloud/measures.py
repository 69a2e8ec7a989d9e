"""What each enterprise adds to CA-1 to CA-7 on a day: whole numbers, no shares yet.

Every function gives rows of MEASURED: one per enterprise, set of parks, metric, basis and class.
"""

from typing import Final

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

BILLION: Final = 10**9
"""A firm's own share in whole billionths: a mean of shares that is the same on every engine."""


def _rows(
    frame: pl.DataFrame,
    metric_id: str,
    basis: str,
    numerator: pl.Expr,
    whole: pl.Expr,
    unknown: pl.Expr,
    level: str | None = None,
) -> pl.DataFrame:
    return (
        frame.group_by("uscc", "parks")
        .agg(
            numerator=numerator.cast(pl.Int64).sum(),
            denominator=whole.cast(pl.Int64),
            unknown=unknown.cast(pl.Int64).sum(),
        )
        .filter((pl.col("numerator") > 0) | (pl.col("denominator") > 0) | (pl.col("unknown") > 0))
        .with_columns(
            metric_id=pl.lit(metric_id), basis=pl.lit(basis), level=pl.lit(level, pl.String())
        )
        .select(list(MEASURED))
    )


def cloud_share(firms: pl.DataFrame) -> list[pl.DataFrame]:
    """CA-1 of the enterprises in scope, from `firms.evidence`."""
    scope = firms.filter("in_scope")
    says_yes, says_nothing = (pl.col("declared") == word for word in ("yes", "unknown"))
    open_ = ~pl.col("is_verified") & (says_nothing | pl.col("group_in_use"))
    either = pl.col("is_verified") | says_yes
    return [
        _rows(scope, "CA-1", "verified", pl.col("is_verified"), pl.len(), open_),
        _rows(scope, "CA-1", "declared_or_verified", either, pl.len(), open_ & ~says_yes),
        _rows(scope, "CA-1", "declared", says_yes, pl.len(), says_nothing),
        *(part for level in LEVELS for part in _of_level(scope, level, open_, says_yes)),
    ]


def _of_level(
    scope: pl.DataFrame, level: str, open_: pl.Expr, says_yes: pl.Expr
) -> list[pl.DataFrame]:
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
        _rows(scope, "CA-1", basis, has, pl.len(), ~has & maybe, level)
        for basis, has, maybe in found
    ]


def device_rate(units: pl.DataFrame) -> list[pl.DataFrame]:
    """CA-2 of the devices in service, from `units.units`."""
    devices = units.filter(
        pl.col("is_deployed") & (pl.col("kind") == "device") & ~pl.col("is_ambiguous")
    )
    return [
        _rows(devices, "CA-2", "measured", pl.col("is_connected"), pl.len(), ~pl.col("is_judged"))
    ]


def terminal_count(units: pl.DataFrame) -> list[pl.DataFrame]:
    """CA-7, and the points of gateways beside it."""
    deployed = units.filter("is_deployed")
    sure = ~pl.col("is_ambiguous")
    none = pl.lit(0)
    points = pl.when(sure).then(pl.col("points").fill_null(0)).otherwise(0)
    return [
        _rows(deployed, "CA-7", "measured", sure, none, ~sure),
        _rows(deployed, "CA-7", "points", points, none, none),
    ]


def machine_rates(machines: pl.DataFrame, units: pl.DataFrame) -> list[pl.DataFrame]:
    """CA-3, CA-3b and CA-6, from the MACHINES of a day with `parks`."""
    heard = units.filter(pl.col("is_deployed") & pl.col("is_online") & ~pl.col("is_ambiguous"))
    online = heard["machine_id"].drop_nulls().unique()
    whole = machines.filter(pl.col("kind") == "machine").with_columns(
        is_online=pl.col("machine_id").is_in(online.implode())
    )
    says = pl.col("is_networked")
    seen, either = pl.col("is_online"), pl.col("is_online") | says.fill_null(value=False)
    found = []
    for metric_id, of in (("CA-3", whole.filter("is_digital")), ("CA-3b", whole)):
        found += [
            _rows(of, metric_id, "verified", seen, pl.len(), ~seen & says.is_null()),
            _rows(
                of, metric_id, "declared_or_verified", either, pl.len(), ~either & says.is_null()
            ),
        ]
    level = pl.col("interface_level")
    conforms = (level >= 2).fill_null(value=False)
    return [*found, _rows(whole, "CA-6", "measured", conforms, pl.len(), level.is_null())]


def key_operations(machines: pl.DataFrame, firms: pl.DataFrame) -> list[pl.DataFrame]:
    """CA-4, pooled and as the mean of the firms' own shares."""
    industry = firms.filter("is_industry").select("uscc", firm_parks="parks")
    key = machines.filter(pl.col("is_key_operation").fill_null(value=False)).join(
        industry, on="uscc"
    )
    has, open_ = pl.col("is_controlled").fill_null(value=False), pl.col("is_controlled").is_null()
    pooled = _rows(key, "CA-4", "pooled", has, pl.len(), open_)
    by_firm = key.group_by("uscc", parks="firm_parks").agg(
        has=has.sum().cast(pl.Int64), open=open_.sum().cast(pl.Int64), all=pl.len().cast(pl.Int64)
    )
    low = pl.col("has") * BILLION // pl.col("all")
    high = (pl.col("has") + pl.col("open")) * BILLION // pl.col("all")
    mean = _rows(by_firm, "CA-4", "mean_of_firms", low, pl.len() * BILLION, high - low)
    return [pooled, mean]


def platform_use(firms: pl.DataFrame) -> list[pl.DataFrame]:
    """CA-5 of the industrial enterprises above the scale."""
    large = firms.filter(pl.col("is_industry") & pl.col("is_above_scale"))
    has = pl.col("used_levels").list.contains("C4")
    maybe = ~has & (pl.col("group_in_use") | pl.col("has_unlevelled_use"))
    return [_rows(large, "CA-5", "measured", has, pl.len(), maybe)]
