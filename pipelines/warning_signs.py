"""What each comparable day says of an enterprise, beside its own past and its peers.

A level is six comparable days over what the same weekdays of the half-year that ended four weeks
before were (median), as a log; the median of its peers that day is taken off, so that a slump or a
season of the whole sector is not one enterprise's. One day counts at most a quarter off the median
of its last five. Noise is the enterprise's own, pulled to what is usual while little is known.
Everything looks back only.
"""

from typing import Final

import polars as pl

BLOCK: Final = 6
"""Comparable days of a level: a week."""

LAG: Final = 4 * BLOCK
PAST: Final = 20 * BLOCK
LEAST_PAST: Final = 20
"""What is usual is learned from so many days, that ended so many ago; from no fewer than these."""

WEEKDAY_LAG: Final = 4
WEEKDAYS: Final = 22
LEAST_WEEKDAYS: Final = 5

LEAST_PEERS: Final = 8
"""Fewer peers on a day have no median: all enterprises do, if they are as many."""

NOISE: Final = 0.05
ENERGY_NOISE: Final = 0.015
"""Deviation of a level that is usual among enterprises, worth PRIOR_BLOCKS of an own past."""
PRIOR_BLOCKS: Final = 3

PEERS_APART: Final = 0.3
WEATHER_APART: Final = 0.5
"""Of what is common, how much an enterprise may differ: some feel a slump, or heat, more."""

FOLLOWS: Final = 0.67
FOLLOWS_WEIGHT: Final = LAG * 0.0006
"""Energy falls by this part of running (the rest is base load), until its own past says more."""

BURST: Final = 3.5
BURST_DAYS: Final = 20
"""Variance over mean that counts of alarms usually have, worth so many days."""

LEVELS: Final = ("running", "output", "energy")
_OF: Final = {"running": "running_s", "output": "output", "energy": "energy_wh"}


def signs(comparable: pl.DataFrame, peers: pl.DataFrame) -> pl.DataFrame:
    """The signs of each comparable day, sorted by `uscc` and `day`.

    Args:
        comparable: what `comparable_days` gives.
        peers: columns `uscc peer_group`, as the sector; who has none is compared with everybody.

    Returns:
        One row per day: `uscc day`, the logs `running output energy` with `*_common` taken off,
        `noise`, `decoupled decoupled_noise`, the share `offline` above usual and `offline_noise`,
        the count `alarms` of six days, `alarms_usual alarms_noise`, and `terminals`. Null where too
        little is known.
    """
    known = peers.select("uscc", "peer_group").unique("uscc")
    return (
        _levels(comparable)
        .join(known, on="uscc", how="left", maintain_order="left")
        .with_columns(_common(name) for name in LEVELS)
        .with_columns(pl.col(name) - pl.col(f"{name}_common") for name in LEVELS)
        .with_columns(level=pl.mean_horizontal("running", "output"))
        .with_columns(noise=_noise("level", NOISE, PEERS_APART * pl.col("running_common")))
        .pipe(_decoupled)
        .pipe(_offline)
        .pipe(_alarms)
        .select(
            "uscc", "day", "level", *LEVELS, "running_common", "noise", "decoupled",
            "decoupled_noise", "weather", "offline", "offline_noise", "alarms", "alarms_usual",
            "alarms_noise", terminals="terminals_expected",
        )
    )  # fmt: skip


def back(column: str, blocks: int) -> pl.Expr:
    """A column so many levels (of six comparable days) before."""
    return pl.col(column).shift(blocks * BLOCK).over("uscc")


def over_blocks(column: str, first: int, last: int) -> pl.Expr:
    """The mean of a column now (first 0) or so many levels ago, to `last` levels ago."""
    return pl.mean_horizontal(back(column, n) for n in range(first, last + 1))


def past_median(column: str) -> pl.Expr:
    """What a column usually was, in the past that ended four weeks ago."""
    return _past(column).quantile(0.5)


def past_deviation(column: str) -> pl.Expr:
    """How far it usually was from that: half the quartiles' distance, as a normal's deviation."""
    return _past(column).deviation()


def _levels(comparable: pl.DataFrame) -> pl.DataFrame:
    """Logs of six days over usual, not yet beside peers."""
    ratios = comparable.with_columns(
        _finite(pl.col(_OF[name]) / _usual_weekday(_OF[name])).alias(name) for name in LEVELS
    )
    calm = ratios.with_columns(_calm(name).alias(name) for name in LEVELS)
    return calm.with_columns(
        pl.col(name).rolling_mean(BLOCK, min_samples=4).over("uscc").log().alias(name)
        for name in LEVELS
    )


def _usual_weekday(column: str) -> pl.Expr:
    median = pl.col(column).cast(pl.Float64).rolling_median(WEEKDAYS, min_samples=LEAST_WEEKDAYS)
    return median.shift(WEEKDAY_LAG).over("uscc", "weekday")


def _finite(ratio: pl.Expr) -> pl.Expr:
    return pl.when(ratio.is_finite()).then(ratio)


def _calm(name: str) -> pl.Expr:
    """One day's noise: at most a quarter below, or 3 tenths above, the median of five."""
    median = pl.col(name).rolling_median(5, min_samples=1).over("uscc")
    return pl.col(name).clip(median * 0.75, median * 1.3).clip(0.05, 5.0)


def _common(name: str) -> pl.Expr:
    """The median of peers that day, else that of everybody, else nothing."""
    of_group, of_all = (
        pl.col(name).count().over("peer_group", "day"),
        pl.col(name).count().over("day"),
    )
    has_group = pl.col("peer_group").is_not_null() & (of_group >= LEAST_PEERS)
    return (
        pl.when(has_group).then(pl.col(name).median().over("peer_group", "day"))
        .when(of_all >= LEAST_PEERS).then(pl.col(name).median().over("day"))
        .otherwise(0.0)
        .alias(f"{name}_common")
    )  # fmt: skip


def _past(column: str) -> "_Past":
    return _Past(pl.col(column))


class _Past:
    """Statistics of a column over the past that ended `LAG` comparable days ago."""

    def __init__(self, column: pl.Expr) -> None:
        self._column = column.cast(pl.Float64)

    def quantile(self, share: float) -> pl.Expr:
        rolled = self._column.rolling_quantile(
            share, "linear", window_size=PAST, min_samples=LEAST_PAST
        )
        return rolled.shift(LAG).over("uscc")

    def total(self) -> pl.Expr:
        return self._column.rolling_sum(PAST, min_samples=1).shift(LAG).over("uscc").fill_null(0.0)

    def mean(self) -> pl.Expr:
        rolled = self._column.rolling_mean(PAST, min_samples=LEAST_PAST)
        return rolled.shift(LAG).over("uscc")

    def variance(self) -> pl.Expr:
        rolled = self._column.rolling_var(PAST, min_samples=LEAST_PAST)
        return rolled.shift(LAG).over("uscc")

    def deviation(self) -> pl.Expr:
        """A robust one: the quartiles' distance over that of a normal's."""
        return (self.quantile(0.75) - self.quantile(0.25)) / 1.349

    def blocks(self) -> pl.Expr:
        """How many levels, not overlapping, the past holds."""
        return _Past(self._column.is_not_null()).total() / BLOCK


def _noise(column: str, usual: float, apart: pl.Expr) -> pl.Expr:
    """The enterprise's own deviation pulled to the usual one, and what peers may differ by."""
    past = _past(column)
    own = past.deviation().fill_null(0.0)
    blocks = pl.when(past.quantile(0.5).is_not_null()).then(past.blocks()).otherwise(0.0)
    pooled = (blocks * own**2 + PRIOR_BLOCKS * usual**2) / (blocks + PRIOR_BLOCKS)
    return (pooled + apart.fill_null(0.0) ** 2).sqrt()


def _decoupled(days: pl.DataFrame) -> pl.DataFrame:
    """How far energy is above what running explains, by the enterprise's own slope."""
    steps = days.with_columns(
        running_step=pl.col("running") - back("running", 1),
        energy_step=pl.col("energy") - back("energy", 1),
    ).with_columns(
        both=pl.col("running_step") * pl.col("energy_step"), square=pl.col("running_step") ** 2
    )
    above = _past("both").total() + FOLLOWS * FOLLOWS_WEIGHT
    slope = (above / (_past("square").total() + FOLLOWS_WEIGHT)).clip(0.3, 1.0)
    weather = pl.col("energy_common") - FOLLOWS * pl.col("running_common")
    return (
        steps.with_columns(follows=slope, weather=weather)
        .with_columns(decoupled=pl.col("energy") - pl.col("follows") * pl.col("running"))
        .with_columns(
            decoupled_noise=_noise("decoupled", ENERGY_NOISE, WEATHER_APART * pl.col("weather"))
        )
    )


def _offline(days: pl.DataFrame) -> pl.DataFrame:
    """The share of terminals that is not heard, above the usual share."""
    silent = 1.0 - pl.col("terminals_online") / pl.col("terminals_expected")
    counted = days.with_columns(silent=_finite(silent).clip(0.0, 1.0))
    most = pl.col("silent").rolling_median(5, min_samples=1).over("uscc") + 0.2
    calm = counted.with_columns(
        silent=pl.col("silent")
        .clip(upper_bound=most)
        .rolling_mean(BLOCK, min_samples=4)
        .over("uscc")
    )
    usual = _past("silent").quantile(0.5).clip(0.005, 0.5)
    chance = usual * (1.0 - usual) / (BLOCK * pl.col("terminals_expected"))
    own = _past("silent").deviation().fill_null(0.0)
    return calm.with_columns(
        offline=pl.col("silent") - usual,
        offline_noise=(pl.max_horizontal(chance, own**2) + 0.003**2).sqrt(),
    )


def _alarms(days: pl.DataFrame) -> pl.DataFrame:
    """Alarms of six days beside the usual count; one day's burst is cut."""
    median = pl.col("alarms").cast(pl.Float64).rolling_median(9, min_samples=1).over("uscc")
    cut = days.with_columns(alarms=pl.col("alarms").clip(upper_bound=3.0 * median + 3.0))
    summed = cut.with_columns(
        alarms=pl.col("alarms").rolling_sum(BLOCK, min_samples=BLOCK).over("uscc")
    )
    past = _past("alarms")
    mean, blocks = past.mean(), past.blocks()
    prior = BURST_DAYS / BLOCK
    burst = (blocks * past.variance() + prior * BURST * mean) / ((blocks + prior) * mean + 1e-9)
    return summed.with_columns(
        alarms_usual=mean, alarms_noise=(burst.clip(1.2, 12.0) * mean + 1.0).sqrt()
    )
