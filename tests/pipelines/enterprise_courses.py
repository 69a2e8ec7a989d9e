"""Enterprises of a steady course, for tests to disturb."""

import random
from datetime import date, timedelta

import polars as pl

from pipelines.park_schemas import ENTERPRISE_DAYS, SITES

FIRST = date(2025, 4, 1)
FEW = 12


def steady(days=230, firms=FEW, seed=1):
    """ENTERPRISE_DAYS of six-day weeks, with a little noise; nothing happens."""
    rng = random.Random(seed)
    rows = []
    for firm in range(firms):
        for n in range(days):
            day = FIRST + timedelta(days=n)
            works = day.weekday() < 6
            level = 100_000 * (1 + rng.gauss(0, 0.03)) * works
            rows.append(
                {
                    "uscc": f"U{firm:02d}", "day": day, "is_operating": works,
                    "is_collected": True, "running_s": round(level),
                    "output": round(level / 10), "energy_wh": round(300_000 + 6 * level),
                    "alarms": rng.randint(5, 15) * works, "terminals_expected": 40,
                    "terminals_online": 39,
                }
            )  # fmt: skip
    return pl.DataFrame(rows, schema=ENTERPRISE_DAYS)


def day(n):
    return FIRST + timedelta(days=n)


def sites(days, moved=None):
    """SITES of all enterprises; `moved` names a day on which U00 begins a second one."""
    rows = [site(uscc, "1", FIRST - timedelta(days=900)) for uscc in days["uscc"].unique().sort()]
    if moved is not None:
        rows.append(site("U00", "2", moved))
    return pl.DataFrame(rows, schema=SITES)


def site(uscc, number, since):
    return {"site_id": f"{uscc}-{number}", "uscc": uscc, "park_id": "P01", "valid_from": since}


def peers(days):
    return days.select("uscc").unique().with_columns(peer_group=pl.lit("C35"))


def scaled(days, first, last, factor, columns=("running_s", "output", "energy_wh")):
    """U00's figures times a factor, from day number `first` to `last`."""
    inside = (pl.col("uscc") == "U00") & pl.col("day").is_between(day(first), day(last))
    changed = [
        pl.when(inside).then((pl.col(c) * factor).round().cast(pl.Int64)).otherwise(c).alias(c)
        for c in columns
    ]
    return days.with_columns(changed)


def declining(days, first, length, depth):
    """U00 falls by `depth` over `length` days, energy but a third of it, and stays there."""
    for n in range(length):
        share = depth * (n + 1) / length
        days = scaled(days, first + n, first + n, 1 - share, ("running_s", "output"))
        days = scaled(days, first + n, first + n, 1 - share / 3, ("energy_wh",))
    days = scaled(days, first + length, 10_000, 1 - depth, ("running_s", "output"))
    return scaled(days, first + length, 10_000, 1 - depth / 3, ("energy_wh",))


def uncollected(days, first, last):
    """Our own outage: figures are null."""
    inside = pl.col("day").is_between(day(first), day(last))
    names = ENTERPRISE_DAYS.names()[4:]
    gone = [pl.when(~inside).then(name).alias(name) for name in names]
    return days.with_columns(*gone, is_collected=~inside)


def resting(days, first, last, *, said=True):
    """U00 stands still; its calendar says so, or not."""
    inside = (pl.col("uscc") == "U00") & pl.col("day").is_between(day(first), day(last))
    days = scaled(days, first, last, 0)
    if not said:
        return days
    return days.with_columns(is_operating=pl.col("is_operating") & ~inside)
