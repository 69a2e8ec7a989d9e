"""Small registers and days for portraits, and the slow obvious way to compare days."""

from datetime import date, timedelta
from fractions import Fraction

import polars as pl

from pipelines.park_schemas import (
    ENTERPRISE_DAYS,
    ENTERPRISES,
    MACHINES,
    SITES,
    TERMINALS,
    WARNINGS,
)
from pipelines.portrait import DECLARED, LIVENESS_OF_FIRMS, OEE_OF_FIRMS, Known
from pipelines.year_before import year_before

ON = date(2026, 9, 30)
FIGURES = ("running_s", "output", "energy_wh")


def enterprise(uscc, **facts):
    row = {
        "uscc": uscc, "name_zh": f"{uscc}厂", "name_en": f"Plant {uscc}", "staff": 50,
        "revenue_wan": 1000.0, "industry_code": "C3912", "register_status": "在营",
        "in_new_city": True, "valid_from": date(2020, 1, 1), "source": "test",
    }  # fmt: skip
    return row | facts


def day(uscc, on, **facts):
    row = {
        "uscc": uscc, "day": on, "is_operating": on.weekday() < 5, "is_collected": True,
        "running_s": 36_000, "output": 100, "energy_wh": 5_000, "alarms": 1,
        "terminals_expected": 10, "terminals_online": 9,
    }  # fmt: skip
    return row | facts


def days(uscc, back=500, on=ON, **facts):
    return [day(uscc, on - timedelta(days=n), **facts) for n in range(back)]


def known(**tables):
    schemas = {
        "enterprises": ENTERPRISES, "sites": SITES, "machines": MACHINES, "terminals": TERMINALS,
        "enterprise_days": ENTERPRISE_DAYS, "warnings": WARNINGS, "liveness": LIVENESS_OF_FIRMS,
        "declared": DECLARED, "oee": OEE_OF_FIRMS,
    }  # fmt: skip
    return Known(**{k: pl.DataFrame(tables.get(k, []), schema=s) for k, s in schemas.items()})


def slow_trends(rows, on):
    """By enterprise: hours, changes, basis and completeness, as exact fractions."""
    found = {}
    for uscc in {row["uscc"] for row in rows}:
        own = sorted((r for r in rows if r["uscc"] == uscc), key=lambda r: r["day"], reverse=True)
        scheduled = [r for r in own if r["is_operating"] and 0 <= (on - r["day"]).days < 84][:28]
        if scheduled:
            found[uscc] = _slow(own, on) | {"completeness": _told(scheduled)}
    return found


def _told(scheduled):
    told = sum(r[f] is not None and bool(r["is_collected"]) for r in scheduled for f in FIGURES)
    return Fraction(told, 3 * len(scheduled))


def _slow(own, on):
    def last(end, most):
        fit = [r for r in own if r["is_operating"] and r["is_collected"]]
        return [r for r in fit if 0 <= (end - r["day"]).days < 84][:most]

    a_year = year_before(on)
    now = last(on, 28)
    sides = [
        (a_year.basis, last(a_year.day, len(now))),
        ("days_84", last(on - timedelta(days=84), len(now))),
    ]
    result = {"trend_basis": None, "days": len(now)}
    hours = [r["running_s"] for r in now if r["running_s"] is not None]
    result["running_h_per_day"] = (
        Fraction(sum(hours), 3600 * len(hours)) if len(hours) > 13 else None
    )
    for basis, before in sides:
        changes = {f: _change(now, before, f, None) for f in FIGURES}
        enough = [f for f in FIGURES if min(_count(now, f), _count(before, f)) > 13]
        if enough:
            result["trend_basis"] = basis
            result["running_trend"] = changes["running_s"]
            result["output_trend"] = changes["output"]
            result["energy_trend"] = changes["energy_wh"]
            result["energy_per_output_trend"] = _change(now, before, "energy_wh", "output")
            result["output_per_hour_trend"] = _change(now, before, "output", "running_s")
            return result
    return result


def _count(rows, figure):
    return sum(r[figure] is not None for r in rows)


def _change(now, before, top, bottom):
    ratios = []
    for side in (now, before):
        both = [r for r in side if r[top] is not None and (bottom is None or r[bottom] is not None)]
        if len(both) < 14:
            return None
        whole = len(both) if bottom is None else sum(r[bottom] for r in both)
        if whole == 0:
            return None
        ratios.append(Fraction(sum(r[top] for r in both), whole))
    return ratios[0] / ratios[1] - 1 if ratios[1] else None
