"""The devices of a day: in service, connected, and since when silent (docs/decisions/0035)."""

from datetime import date
from typing import Final

import polars as pl

from pipelines.cloud.listings import Listings
from pipelines.cloud.owed import Calendars, owed_bits, silent_days
from pipelines.cloud.seen import WINDOW
from pipelines.cloud.tangled import FACTS, Units
from pipelines.versions import holds

CONNECTED_TENTHS: Final = 8
"""Connected on at least 8 tenths of the owed days: integers, so that 24 of 30 is exact."""
LEAST_DAYS: Final = 5
STALE_DAYS: Final = 7
DARK_DAYS: Final = 30

STATUSES: Final = [
    "connected", "intermittent", "stale", "dark", "never", "unscheduled", "inactive",
]  # fmt: skip

UNIT: Final = [
    "unit", "uscc", "parks", *FACTS, "is_registered", "is_deployed", "is_ambiguous", "seen_bits",
    "last_seen_on",
]  # fmt: skip


def units(known: Listings, seen: pl.DataFrame, calendars: Calendars, on: date) -> pl.DataFrame:
    """One row per device that a listing valid on the day names.

    Columns `unit uscc parks kind network machine_id points is_registered is_deployed is_ambiguous
    is_online is_connected is_judged status`; `uscc` and `parks` are empty where there is none,
    several parks are joined by a plus. `seen` is `of_terminals` of the day's state.
    """
    alone = _standing(known.alone.filter(holds(on)), seen, on).with_columns(
        parks="park_id", is_ambiguous=pl.lit(value=False)
    )
    together = _together(known.tangled.on(on), seen, on).cast({"uscc": known.owners})
    return _judged(pl.concat([alone.select(UNIT), together.select(UNIT)]), calendars, on)


def of_terminals(state: pl.DataFrame, terminal_ids: pl.Series) -> pl.DataFrame:
    """`seen.STATE` in the order of `Listings.terminal_ids`, null where one was never heard."""
    return pl.DataFrame({"terminal_id": terminal_ids}).join(
        state, on="terminal_id", how="left", maintain_order="left"
    )


def _standing(valid: pl.DataFrame, seen: pl.DataFrame, on: date) -> pl.DataFrame:
    """Listings valid on the day, with whether each is in service and when it was heard."""
    is_kept = pl.col("retired_on").is_null() | (pl.col("retired_on") > on)
    return valid.with_columns(
        is_registered=is_kept,
        is_deployed=is_kept & (pl.col("activated_on") <= on).fill_null(value=False),
        seen_bits=seen["seen_bits"].gather(valid["place"]).fill_null(0),
        last_seen_on=seen["last_seen_on"].gather(valid["place"]),
    )


def _together(known: Units, seen: pl.DataFrame, on: date) -> pl.DataFrame:
    """Units of several listings: in service or heard when one of them is."""
    heard = (
        _standing(known.members, seen, on)
        .group_by("number")
        .agg(
            pl.col("is_registered", "is_deployed").any(),
            pl.col("seen_bits").bitwise_or(),
            pl.col("last_seen_on").max(),
        )
    )
    return known.units.join(heard, on="number", maintain_order="left")


def _judged(found: pl.DataFrame, known: Calendars, on: date) -> pl.DataFrame:
    calendar = known.numbered(found)
    silent = silent_days(known, calendar, found["last_seen_on"], on)
    owed = owed_bits(known, on).gather(calendar)
    counted = found.with_columns(
        silent=silent,
        owed=owed.bitwise_count_ones().cast(pl.Int64),
        met=(owed & found["seen_bits"]).bitwise_count_ones().cast(pl.Int64),
    )
    is_judged = pl.col("owed") >= LEAST_DAYS
    is_connected = (pl.col("met") * 10 >= pl.col("owed") * CONNECTED_TENTHS) & (
        pl.col("met") >= LEAST_DAYS
    )
    return counted.with_columns(
        is_online=(pl.col("seen_bits") & WINDOW) > 0,
        is_connected=is_judged & is_connected,
        is_judged=is_judged,
        status=_status(is_judged, is_connected),
    ).drop("seen_bits")


def _status(is_judged: pl.Expr, is_connected: pl.Expr) -> pl.Expr:
    silent = pl.col("silent")
    return (
        pl.when(~pl.col("is_deployed")).then(pl.lit("inactive"))
        .when(~is_judged).then(pl.lit("unscheduled"))
        .when(is_connected).then(pl.lit("connected"))
        .when(pl.col("last_seen_on").is_null()).then(pl.lit("never"))
        .when(silent > DARK_DAYS).then(pl.lit("dark"))
        .when(silent > STALE_DAYS).then(pl.lit("stale"))
        .otherwise(pl.lit("intermittent"))
    )  # fmt: skip
