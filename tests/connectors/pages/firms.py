"""200 invented enterprises, drawn from one seed, and the register tables they stand in."""

import json
import tomllib
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from random import Random

import polars as pl

from pipelines import park_schemas as schemas

DAY = date(2026, 11, 21)
SEED = 20261121
WORDS = tomllib.loads(Path(__file__).with_name("invented.toml").read_text("utf-8"))
PARKS = {key: (zh, en) for key, (zh, en, *_) in WORDS["parks"].items()}
SIZES = {"micro": (9, 3, 22), "small": (88, 9, 52), "medium": (460, 26, 21), "large": (1600, 80, 5)}
"""Staff, devices, weight."""
LEAN = {"micro": 0.42, "small": 0.6, "medium": 0.78, "large": 0.9}
BETTER = {"P01": 0.08, "P02": -0.03, "P03": 0.04, None: -0.18}
DECLARED = ["yes", "no", "unknown", "expired"]
ALWAYS = {"valid_from": date(2023, 1, 1), "valid_to": None, "source": "invented"}


def table(rows, schema):
    """Rows as dictionaries; those of columns that the schema has."""
    return pl.DataFrame([{k: row.get(k) for k in schema} for row in rows], schema=schema)


@cache
def firms():
    draw = Random(SEED)
    areas = ["P01"] * 62 + ["P02"] * 54 + ["P03"] * 48 + [None] * 36
    return [_firm(draw, number, park) for number, park in enumerate(areas)]


def _firm(draw, number, park):
    sectors = WORDS["sectors"]
    column = ["P01", "P02", "P03", None].index(park) + 2
    sector = draw.choices(list(sectors), [row[column] for row in sectors.values()])[0]
    size = draw.choices(list(SIZES), [weight for *_, weight in SIZES.values()])[0]
    is_verified = draw.random() < LEAN[size] + BETTER[park]
    declared = draw.choices(DECLARED, [80, 6, 10, 4] if is_verified else [44, 18, 30, 8])[0]
    devices = max(1, round(SIZES[size][1] * draw.uniform(0.6, 1.5)))
    online = draw.uniform(0.55, 1.0) if is_verified else draw.uniform(0, 0.25)
    names = WORDS["names"]
    one, two = (number * 7 + number // 20) % 20, (number * 11 + number // 20 * 3) % 20
    zh, en, *_ = sectors[sector]
    return {
        "uscc": f"91310117MA{number:06d}{'ABCDEFGHJK'[number % 10]}{number % 9}",
        "name_zh": f"{names['first'][one]}{names['second'][two]}{zh}有限公司",
        "name_en": f"{names['first_en'][one]}{names['second_en'][two]} {en} Co., Ltd.",
        "parks": [p for p in (park, "P02" if number in (3, 120) else None) if p],
        "sector": sector,
        "size": size,
        "declared": declared,
        "verified_since": DAY - timedelta(round(draw.triangular(10, 900, 120)))
        if is_verified
        else None,
        "is_unknown": not is_verified and declared == "unknown",
        "devices": devices,
        "online": round(devices * online),
        "place": (draw.gauss(0, 1), draw.gauss(0, 1)),
        "trend": draw.gauss(0.03, 0.12),
    }


def within(park, condition=lambda _: True):
    return [f for f in firms() if (park is None or park in f["parks"]) and condition(f)]


def enterprises():
    return table(
        [
            {
                **f, **ALWAYS, "staff": SIZES[f["size"]][0],
                "revenue_wan": 61.0 * SIZES[f["size"]][0],
                "industry_code": f["sector"][1:] + "10", "register_status": "在营",
                "in_new_city": True,
            }
            for f in firms()
        ],
        schemas.ENTERPRISES,
    )  # fmt: skip


def sites():
    draw = Random(SEED + 1)
    rows = []
    for f in firms():
        for number, park in enumerate(f["parks"] or [None]):
            x, y = _place(draw, f, park)
            row = {"site_id": f"S-{f['uscc'][-8:]}-{number}", "park_id": park}
            rows.append({**f, **ALWAYS, **row, "longitude": x, "latitude": y})
    return table(rows, schemas.SITES)


def _place(draw, firm, park):
    if park is None:
        return draw.uniform(121.14, 121.315), draw.uniform(30.998, 31.108)
    *_, x, y = WORDS["parks"][park]
    side, up = (max(-1.7, min(1.7, one)) for one in firm["place"])
    return x + side * 0.0068, y + up * 0.0052


def enterprise_days():
    draw = Random(SEED + 8)
    rows = []
    for f in firms():
        level, terminals = draw.uniform(60, 900), f["devices"] * 21
        for back in range(83, -1, -1):
            day = DAY - timedelta(back)
            is_on = day.weekday() != 6 and not date(2026, 10, 1) <= day <= date(2026, 10, 7)
            output = (
                round(level * (1 + f["trend"] * (84 - back) / 84) * draw.gauss(1, 0.06)) * is_on
            )
            row = {"uscc": f["uscc"], "day": day, "is_operating": is_on, "is_collected": False}
            if back not in (33, 34):
                row |= {
                    "is_collected": True, "output": output, "energy_wh": output * 1_350 + 4_000,
                    "running_s": round(draw.gauss(52_000, 4_000)) * is_on,
                    "alarms": draw.randrange(0, 9), "terminals_expected": terminals,
                    "terminals_online": round(f["online"] * 20 * draw.uniform(0.9, 1.0)),
                }  # fmt: skip
            rows.append(row)
    return table(rows, schemas.ENTERPRISE_DAYS)


def projects():
    draw = Random(SEED + 6)
    rows = []
    for number, f in enumerate(draw.sample(within(None, lambda f: f["parks"]), 17)):
        zh, en = WORDS["projects"]["kinds"][number % 5]
        at, reached = DAY - timedelta(draw.randrange(150, 900)), draw.choice([1, 2, 2, 3, 3, 4])
        usual = {"admission": 60, "construction": 270, "operation": 300, "evaluation": 60}
        for place, (phase, days) in enumerate(usual.items(), 1):
            length = round(days * draw.uniform(0.7, 1.3))
            entered = at + timedelta(draw.randrange(0, 30)) if place <= reached else None
            entered = entered if entered and entered < DAY - timedelta(8) else None
            left = None
            if entered and place < reached:
                left = min(entered + timedelta(round(length * draw.uniform(0.8, 1.15))), DAY)
            rows.append(
                {
                    "project_id": f"X{number:03d}", "name_zh": f["name_zh"][:2] + zh,
                    "name_en": f"{f['name_en'].split()[0]} {en}", "uscc": f["uscc"],
                    "park_id": f["parks"][0], "phase": phase, "planned_from": at,
                    "planned_to": at + timedelta(length), "entered_on": entered, "left_on": left,
                    "invested_wan": float(draw.randrange(40, 900)) if place == 2 else None,
                    "document": f"备案 2024-{number:03d}" if place == 1 else None,
                    "source": "invented",
                }
            )  # fmt: skip
            at = left or at + timedelta(length)
    return table(rows, schemas.PROJECTS)


def warnings():
    draw = Random(SEED + 4)
    rows = []
    for number, f in enumerate(draw.sample(firms(), 34)):
        raised = DAY - timedelta(draw.randrange(1, 24))
        rows.append(
            {
                **WORDS["rule"][number % 8], "warning_id": f"W{number:04d}", "uscc": f["uscc"],
                "severity": ["medium", "low", "high", "low", "medium"][number % 5],
                "confidence": round(draw.uniform(0.62, 0.97), 2),
                "begun_on": raised - timedelta(draw.randrange(2, 9)), "raised_on": raised,
                "seen_on": max(raised, DAY - timedelta(draw.randrange(0, 2))),
                "cleared_on": DAY if number % 6 == 5 else None,
            }
        )  # fmt: skip
    for row in rows:
        row["evidence"] = json.dumps(row["evidence"], ensure_ascii=False)
    return table(rows, schemas.WARNINGS)
