"""What telemetry and register say of an enterprise's digital level: one measure per evidence rule.

Measures are whole thousandths, rounded down, null where nothing speaks. What was never told is
unknown: that we were not told does not show that the enterprise does not know.
"""

from datetime import date
from typing import Final

import polars as pl

from pipelines.portrait_trends import MIN_DAYS, window
from pipelines.versions import as_of

FULL: Final = 1000

INTERFACE_LEAST: Final = 2
ONLINE_TENTHS: Final = 8
STAGES: Final = ["rnd", "production", "business", "operation"]
LEDGER: Final = [
    "is_digital", "is_networked", "is_key_operation", "is_controlled", "interface_level",
]  # fmt: skip
TREND_SLOPE: Final = 5
"""A trend of a tenth better is worth all, a tenth worse nothing, none at all the half."""

DAYS: Final = {
    "days_running": "running_s",
    "days_output": "output",
    "days_energy": "energy_wh",
    "days_alarms": "alarms",
}

MEASURES: Final = [
    "machines_digital", "machines_networked", "machines_controlled", "machines_interface",
    "machines_ledger", "terminals_online", "terminals_stages", *DAYS, "days_online",
    "status_cloud", "status_declared", "oee_completeness", "oee_value",
    "trend_energy_per_output", "trend_output_per_hour",
]  # fmt: skip
"""The rules that a row of `digital_points.csv` can name."""


def of_machines(machines: pl.DataFrame, terminals: pl.DataFrame, on: date) -> pl.DataFrame:
    """`uscc` and the shares of MACHINES, with TERMINALS for what is seen to be networked."""
    is_linked = pl.col("is_linked")
    is_apart = ~is_linked & pl.col("is_networked").eq(False).fill_null(False)
    is_machine = pl.col("kind") == "machine"
    is_key = pl.col("is_key_operation").fill_null(False)
    filled = pl.sum_horizontal(pl.col(name).is_not_null() for name in LEDGER)
    level = pl.col("interface_level")
    return _linked(as_of(machines, on), _in_service(terminals, on)).group_by("uscc").agg(
        machines_digital=_of_known(pl.col("is_digital").filter(is_machine)),
        machines_networked=_share(
            (is_machine & is_linked).sum(), (is_machine & (is_linked | is_apart)).sum()
        ),
        machines_controlled=_of_known(pl.col("is_controlled").filter(is_key)),
        machines_interface=_of_known((level >= INTERFACE_LEAST).filter(is_machine)),
        machines_ledger=_share(filled.filter(is_machine).sum(), len(LEDGER) * is_machine.sum()),
    )  # fmt: skip


def of_terminals(terminals: pl.DataFrame, liveness: pl.DataFrame, on: date) -> pl.DataFrame:
    """`uscc` with the share online (`uscc terminals terminals_online`) and the stages covered."""
    stage = pl.col("chain_stage")
    known = _in_service(terminals, on).filter(stage.is_in(STAGES))
    stages = known.group_by("uscc").agg(terminals_stages=_share(stage.n_unique(), len(STAGES)))
    online = liveness.select(
        "uscc", terminals_online=_share(pl.col("terminals_online"), pl.col("terminals"))
    )
    return online.join(stages, on="uscc", how="full", coalesce=True)


def of_days(enterprise_days: pl.DataFrame, on: date) -> pl.DataFrame:
    """`uscc` and, of the window's days, the shares on which a figure was told."""
    expected, online = pl.col("terminals_expected"), pl.col("terminals_online")
    is_owed = ((expected > 0) & online.is_not_null()).fill_null(False)
    is_held = online * 10 >= expected * ONLINE_TENTHS
    told = {
        rule: _share(pl.count(name), pl.len(), (pl.count(name) > 0) & (pl.len() >= MIN_DAYS))
        for rule, name in DAYS.items()
    }
    held = _share(is_held.filter(is_owed).sum(), is_owed.sum(), is_owed.sum() >= MIN_DAYS)
    return window(enterprise_days, on).group_by("uscc").agg(**told, days_online=held)


def of_statuses(declared: pl.DataFrame, oee: pl.DataFrame, trends: pl.DataFrame) -> pl.DataFrame:
    """`uscc` and what DECLARED, OEE and TRENDS speak of."""
    status = pl.col("declared")
    is_verified = pl.col("is_verified").fill_null(False)
    of_declared = declared.select(
        "uscc",
        status_cloud=pl.when(is_verified).then(FULL).when(status == "no").then(0).cast(pl.Int64),
        status_declared=pl.when(status.is_in(["yes", "no"])).then(FULL)
        .when(status == "expired").then(0).cast(pl.Int64),
    )  # fmt: skip
    of_oee = oee.select(
        "uscc",
        oee_completeness=_thousandths(pl.col("completeness")),
        oee_value=_thousandths(pl.col("oee")),
    )
    of_trends = trends.select(
        "uscc",
        trend_energy_per_output=_better(-pl.col("energy_per_output_trend")),
        trend_output_per_hour=_better(pl.col("output_per_hour_trend")),
    )
    both = of_declared.join(of_oee, on="uscc", how="full", coalesce=True)
    return both.join(of_trends, on="uscc", how="full", coalesce=True)


def _linked(machines: pl.DataFrame, in_service: pl.DataFrame) -> pl.DataFrame:
    """Machines with `is_linked`: a terminal of their owner's, or of nobody's, is theirs."""
    key = ["machine_id", "uscc"]
    seen = in_service.select(key).drop_nulls("machine_id").unique()
    unowned = seen.filter(pl.col("uscc").is_null()).get_column("machine_id")
    own = seen.drop_nulls("uscc").with_columns(is_own=True)
    is_linked = pl.col("is_own").is_not_null() | pl.col("machine_id").is_in(unowned.implode())
    return machines.join(own, on=key, how="left").with_columns(is_linked=is_linked)


def _in_service(terminals: pl.DataFrame, on: date) -> pl.DataFrame:
    """Listings in service on a day (docs/decisions/0035)."""
    is_active = (pl.col("activated_on") <= on).fill_null(False)
    is_left = (pl.col("retired_on") <= on).fill_null(False)
    return as_of(terminals, on).filter(is_active & ~is_left)


def _of_known(flag: pl.Expr) -> pl.Expr:
    return _share(flag.sum(), flag.count())


def _share(part: pl.Expr, whole: pl.Expr | int, is_known: pl.Expr | None = None) -> pl.Expr:
    """Thousandths, rounded down; null where there is no whole."""
    of = pl.lit(whole) if isinstance(whole, int) else whole
    known = of > 0 if is_known is None else is_known
    share = part.cast(pl.Int64) * FULL // of.cast(pl.Int64)
    return pl.when(known).then(share.clip(0, FULL))


def _thousandths(share: pl.Expr) -> pl.Expr:
    return (share.clip(0, 1) * FULL).round().cast(pl.Int64)


def _better(trend: pl.Expr) -> pl.Expr:
    return _thousandths(trend * TREND_SLOPE + 0.5)
