"""A deterministic set of frames for tests and screenshots: nothing here is a real park or firm.

Shares are counted from the same invented firms (`firms`); courses are drawn from one seed.
"""

from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from random import Random

import polars as pl

from connectors.pages.desk import Desk
from connectors.pages.frames import (
    FACTORIES,
    OEE_DAYS,
    PROJECT_FINDINGS,
    PROJECT_STATES,
    SELF_VIEWS,
    SERVICE_USE,
    PageFrames,
)
from connectors.pages.write import pages
from pipelines import park_figures as figures
from pipelines.indicators import DISTRICT_ID, KPI, dictionary, verdict
from tests.connectors.pages import firms
from tests.connectors.pages.firms import DAY, PARKS, SEED, WORDS, table, within

SINCE = date(2026, 5, 21)
MONTHS = [date(2024 + m // 12, m % 12 + 1, 21) for m in range(10, 34)]
AREAS = (None, *PARKS)
STATUSES = {
    "connected": 66, "intermittent": 9, "stale": 5, "dark": 4, "never": 3, "unscheduled": 4,
    "inactive": 9,
}  # fmt: skip
COVERAGES = {0.8: 1.0, 0.95: 1.53}
"""How much wider than the first an interval of each coverage is."""
NETWORKS = {
    "device": {"ethernet": 0.18, "fieldbus": 0.1},
    "sensor": {"nb_iot": 0.2, "lora": 0.12, "wifi": 0.06, "fieldbus": 0.1},
    "gateway": {"5g": 0.03, "ethernet": 0.02},
    "meter": {"nb_iot": 0.08, "lora": 0.04},
    "camera": {"5g": 0.02, "wifi": 0.03, "ethernet": 0.02},
}


def sme(park):
    return within(park, lambda f: f["size"] != "large")


def share(day, park, metric, basis, counts, dimension="all", class_id=None):
    up, down, unknown = counts
    return {
        "reference_date": day, "park_id": park, "dimension": dimension, "class_id": class_id,
        "metric_id": metric, "basis": basis, "numerator": up, "denominator": down,
        "unknown": unknown, "value": up / down, "lower": up / down, "upper": (up + unknown) / down,
    }  # fmt: skip


def counted(mine, day, basis):
    """Numerator, denominator and unknown of CA-1."""
    is_in = [
        (f["verified_since"] is not None and f["verified_since"] <= day)
        or (basis == "declared_or_verified" and f["declared"] == "yes")
        for f in mine
    ]
    unknown = sum(f["is_unknown"] and not one for f, one in zip(mine, is_in, strict=True))
    return sum(is_in), len(mine), unknown


def adoption():
    rows = []
    for park in AREAS:
        devices, online = (sum(f[k] for f in within(park)) for k in ("devices", "online"))
        for basis in ("verified", "declared_or_verified"):
            rows += [
                share(day, park, "CA-1", basis, counted(sme(park), day, basis))
                for day in [*MONTHS, DAY]
            ]
            for dimension, key in (("size_class", "size"), ("sector", "sector")):
                for class_id in sorted({f[key] for f in sme(park)}):
                    mine = [f for f in sme(park) if f[key] == class_id]
                    counts = counted(mine, DAY, basis)
                    rows.append(share(DAY, park, "CA-1", basis, counts, dimension, class_id))
        for day in [*MONTHS, DAY]:
            grown = 1 - 0.42 * (DAY - day).days / 760
            up = round(grown * online)
            rows.append(share(day, park, "CA-2", "measured", (up, devices, devices // 40)))
            count = round(grown * 21 * devices)
            row = share(day, park, "CA-7", "measured", (count, 1, 60))
            rows.append(row | {"denominator": None})
        for metric, basis, up, unknown in (
            ("CA-3", "verified", 61, 6), ("CA-3b", "verified", 44, 9), ("CA-4", "pooled", 67, 3),
            ("CA-5", "verified", 39, 8), ("CA-6", "measured", 35, 11),
        ):  # fmt: skip
            whole = 4 * len(within(park))
            counts = (up * whole // 100, whole, unknown * whole // 100)
            rows.append(share(DAY, park, metric, basis, counts))
    return table(rows, figures.ADOPTION)


def funnel():
    rows = []
    for park in AREAS:
        whole, terminals = len(sme(park)), 21 * sum(f["devices"] for f in within(park))
        used = sum(f["verified_since"] is not None for f in sme(park))
        counts = {
            "enterprises": (whole, used + (whole - used) // 2, used + (whole - used) // 5, used),
            "terminals": tuple(terminals * n // 100 for n in (100, 91, 80, 66)),
        }
        for of, units in counts.items():
            stages = ("registered", "activated", "online", "in_use")
            rows += [
                {"reference_date": DAY, "park_id": park, "of": of, "stage": stage,
                 "place": n, "units": u}
                for n, (stage, u) in enumerate(zip(stages, units, strict=True), 1)
            ]  # fmt: skip
    return table(rows, figures.FUNNEL)


def liveness():
    draw = Random(SEED + 2)
    rows = []
    for park in AREAS:
        total = 21 * sum(f["devices"] for f in within(park))
        for kind, networks in NETWORKS.items():
            for network, part in networks.items():
                weights = {s: w * draw.uniform(0.5, 1.5) for s, w in STATUSES.items()}
                rows += [
                    {
                        "reference_date": DAY, "park_id": park, "kind": kind, "network": network,
                        "status": status,
                        "terminals": round(total * part * w / sum(weights.values())),
                    }
                    for status, w in weights.items()
                ]  # fmt: skip
    return table(rows, figures.LIVENESS)


def changes():
    asked = (("CA-1", "verified"), ("CA-1", "declared_or_verified"), ("CA-2", "measured"))
    of_all = adoption().filter(pl.col("reference_date") == DAY, pl.col("dimension") == "all")
    told = {(r["park_id"], r["metric_id"], r["basis"]): r["value"] for r in of_all.to_dicts()}
    rows = []
    for number, park in enumerate(AREAS):
        for place, (metric, basis) in enumerate(asked):
            within_, entry, leave = 0.0523 - 0.017 * place, 0.0131 + 0.004 * number, -0.0042
            now = told[park, metric, basis]
            rows.append(
                {
                    "reference_date": DAY, "park_id": park, "since": SINCE, "metric_id": metric,
                    "basis": basis, "value_then": now - within_ - entry - leave, "value_now": now,
                    "change": within_ + entry + leave, "matched_units": len(sme(park)) - 6,
                    "matched_change": within_ * 1.07, "within": within_, "entry": entry,
                    "exit": leave,
                }
            )  # fmt: skip
    return table(rows, figures.CHANGES)


def discrepancies():
    rows = []
    for number, f in enumerate(firms.firms()):
        is_seen, what = f["verified_since"] is not None, None
        if f["declared"] == "yes":
            what = (
                "claimed_not_seen" if not is_seen else "level_not_seen" if number % 9 == 0 else None
            )
        elif is_seen:
            what = "seen_though_denied" if f["declared"] == "no" else "seen_not_claimed"
        rows.append(
            {**f, "reference_date": DAY, "is_provider_used": is_seen, "is_connected": is_seen,
             "declared_level": "C3", "seen_level": "C2" if is_seen else None, "discrepancy": what}
        )  # fmt: skip
    return table(rows, figures.DISCREPANCIES)


def oee_days():
    draw = Random(SEED + 3)
    usual = {key: draw.uniform(0.48, 0.79) for key in WORDS["factories"]}
    rows = []
    for back in range(60, -1, -1):
        day, told = DAY - timedelta(back), []
        for key, (park, *_) in WORDS["factories"].items():
            complete = 0.71 if key == "F06" and back < 3 else min(1.0, draw.gauss(0.975, 0.02))
            oee = draw.gauss(usual[key], 0.03) - 0.12 * (key == "F04" and back < 12)
            told.append((park, oee, complete))
            rows.append(_oee("factory", day, park, key, oee, complete))
        for park in AREAS:
            mine = [(o, c) for p, o, c in told if park in (None, p) and c >= 0.9]
            oee, complete = (sum(one) / len(mine) for one in zip(*mine, strict=True))
            rows.append(_oee("park" if park else "district", day, park, None, oee, complete))
    return table(rows, OEE_DAYS)


def _oee(level, day, park, key, oee, complete):
    return {
        "level": level, "production_day": day, "park_id": park, "factory_id": key, "oee": oee,
        "completeness": complete, "lower": oee * complete, "upper": oee * complete + 1 - complete,
        "is_reliable": complete >= 0.9,
    }  # fmt: skip


def portraits():
    draw = Random(SEED + 5)
    is_open = firms.warnings().filter(pl.col("cleared_on").is_null())["uscc"].to_list()
    rows = []
    for f in firms.firms():
        base = 30 + 40 * (f["verified_since"] is not None) + draw.gauss(0, 8)

        def score(more, base=base):
            return min(100.0, max(0.0, base + more))

        rows.append(
            {
                **f, "reference_date": DAY, "park_ids": f["parks"], "size_class": f["size"],
                "running_h_per_day": draw.uniform(7, 21), "running_trend": f["trend"] * 0.7,
                "output_trend": f["trend"], "energy_trend": f["trend"] * 0.6 + 0.01,
                "energy_per_output_trend": -0.3 * f["trend"],
                "oee": draw.uniform(0.5, 0.8) if f["devices"] > 20 else None,
                "oee_completeness": draw.uniform(0.9, 1) if f["devices"] > 20 else None,
                "terminals": f["devices"] * 21, "terminals_online": f["online"] * 20,
                "cloud_declared": f["declared"], "cloud_verified": f["verified_since"] is not None,
                "digital_basis": score(6), "digital_operation": score(-9),
                "digital_management": score(-3),
                "digital_effect": score(-14) if f["devices"] > 5 else None,
                "digital_known": draw.uniform(0.38, 0.74), "self_score": score(draw.gauss(9, 9)),
                "warnings_open": is_open.count(f["uscc"]), "peers": 31,
                "trend_basis": "year_by_weekday", "completeness": 0.96,
            }
        )  # fmt: skip
    return table(rows, figures.PORTRAITS)


def self_views():
    figures_of = WORDS["quartiles"]
    rows = []
    for portrait in portraits().to_dicts():
        alike = within(None, lambda f, p=portrait: f["sector"] == p["sector"])
        for figure, (zh, en, unit, q1, median, q3) in figures_of.items():
            value = portrait[figure]
            row = {
                **portrait,
                "figure": figure,
                "name_zh": zh,
                "name_en": en,
                "unit": unit,
                "value": value,
            }
            if len(alike) >= 8:
                row |= {"q1": q1, "median": median, "q3": q3}
                row |= {
                    "peers_zh": f"同行业企业 {len(alike)} 家",
                    "peers_en": f"{len(alike)} enterprises of your sector",
                }
                if value is not None:
                    quarter = sum(value >= one for one in (q1, median, q3))
                    row["quarter"] = ("first", "second", "third", "fourth")[quarter]
            else:
                row |= {"peers_zh": "同行过少，不予公布", "peers_en": "Too few peers: not told"}
            rows.append(row)
    return table(rows, SELF_VIEWS)


def project_states():
    rows = []
    for (key,), mine in firms.projects().group_by("project_id", maintain_order=True):
        last = mine.filter(pl.col("entered_on").is_not_null())
        row = {"project_id": key, "state": "not_begun", "invested_wan": mine["invested_wan"].sum()}
        if last.height:
            entered = last.row(-1, named=True)
            late = max(0, (DAY - entered["planned_to"]).days)
            row |= {"state": "running", "phase": entered["phase"], "days_late": late}
            row["next_on"] = entered["planned_to"]
        rows.append(row)
    return table(rows, PROJECT_STATES)


def cards():
    subjects = [("benchmark_park", key) for key in PARKS]
    subjects += [("smart_factory", key) for key in WORDS["factories"]]
    rows = []
    for place, (kind, key) in enumerate(subjects):
        criteria = WORDS["criteria"][kind]
        for number, (criterion, told) in enumerate(criteria.items()):
            zh, en, basis, said_zh, said_en = told
            state = "not_met" if (place * 3 + number) % 11 == 7 else "met"
            state = "unknown" if number == len(criteria) - 1 else state
            if state == "not_met":
                said_zh, said_en = "尚有一处未做到", "One of them is not"
            rows.append(
                {
                    "subject_kind": kind, "subject_id": key, "criterion_id": criterion,
                    "criterion_zh": zh, "criterion_en": en, "basis_zh": basis,
                    "basis_en": "the plan's own words",
                    "is_mandatory": number < 2,
                    "evidence_zh": said_zh, "evidence_en": said_en,
                    "state": state, "as_of": DAY,
                }
            )  # fmt: skip
    return table(rows, figures.CARDS)


def service_use():
    draw = Random(SEED + 7)
    rows = []
    for park in AREAS:
        for number, (key, (zh, en, level, stage)) in enumerate(WORDS["services"].items()):
            users = round(len(within(park)) * 0.42 * draw.uniform(0.6, 1) / (1 + number * 0.3))
            users = {"V10": 0, "V09": 2 if park else 15}.get(key, users)
            rows.append(
                {
                    "park_id": park, "service_id": key, "name_zh": zh, "name_en": en,
                    "platform": ("云工联", "园智云")[number % 2], "level": level,
                    "chain_stage": stage, "is_listed": key != "V08", "enterprises": users,
                    "unattributed": 31 if key == "V01" else 0, "uses": users * 37,
                    "trend": draw.uniform(-0.1, 0.3) if users else None,
                }
            )  # fmt: skip
    return table(rows, SERVICE_USE)


def missing_links():
    rows = []
    for place, park in enumerate(AREAS):
        for chain, links in list(WORDS["chains"].items())[: 1 + (place < 3)]:
            for number, (zh, en, count, in_district) in enumerate(links):
                in_park = (
                    0 if park is None else count if (number + place) % 3 else max(0, count - 1)
                )
                state = "present" if in_park else "elsewhere" if in_district else "missing"
                state = "present" if park is None and in_district else state
                rows.append(
                    {"park_id": park, "chain": chain, "link": f"{number}", "name_zh": zh,
                     "name_en": en, "in_park": in_park, "in_district": in_district, "state": state}
                )  # fmt: skip
    return table(rows, figures.MISSING_LINKS)


def pue():
    span = {"from_day": DAY - timedelta(364), "to_day": DAY}
    rows = [{**row, **span, "pue": row["facility_kwh"] / row["it_kwh"]} for row in WORDS["pue"]]
    return table(rows, figures.PUE)


def kpi():
    shares = adoption().filter(pl.col("reference_date") == DAY, pl.col("dimension") == "all")
    told = {(r["metric_id"], r["basis"], r["park_id"]): r for r in shares.to_dicts()}
    days = oee_days().filter(pl.col("production_day") == DAY, pl.col("level") != "factory")
    oee = {row["park_id"]: row for row in days.to_dicts()}
    rows = []
    for term in dictionary().to_dicts():
        for park in AREAS:
            figure = _figure(
                term, told.get((term["metric_id"], term["basis"], park)), oee[park], park
            )
            if figure is None:
                continue
            value, lower, upper, complete = figure
            row = {**term, "period": f"{DAY}", "area_id": park or DISTRICT_ID, "status": "u"}
            row |= {"area_zh": PARKS[park][0] if park else "松江新城", "respondents": 40}
            is_part = term["scope"] == "partial"
            row |= {"value": value, "lower": lower, "upper": None if is_part else upper}
            if park:
                row |= {"target": None, "comparator": None}
            high = float("inf") if is_part else upper
            said = verdict(value, lower, high, row["target"], row["comparator"])
            rows.append(row | {"completeness": complete, "verdict": said})
    return table(rows, KPI)


def _figure(term, row, oee, park):
    """Value, lower, upper and completeness in the unit of an indicator; None if there is none."""
    if row is not None:
        factor = 1e-4 if term["unit"] == "万个" else 100.0
        complete = 1 - row["unknown"] / row["denominator"] if row["denominator"] else None
        return *(row[k] * factor for k in ("value", "lower", "upper")), complete
    counts = {"smart_factories": 10.0, "benchmark_parks": 2.0}
    if term["indicator_id"] in counts and park is None:
        return (counts[term["indicator_id"]],) * 3 + (None,)
    if term["indicator_id"] == "oee":
        return *(100 * oee[k] for k in ("oee", "lower", "upper")), oee["completeness"]
    factors = {"availability": 81.3, "effectiveness": 88.2, "quality_ratio": 98.4}
    value = factors.get(term["indicator_id"])
    return None if value is None else (value - 2 * oee["oee"], None, None, oee["completeness"])


def forecasts():
    now = {r["indicator_id"]: r["value"] for r in kpi().to_dicts() if r["area_id"] == DISTRICT_ID}
    rows = []
    for key, (slope, spread, beats) in WORDS["forecasts"].items():
        for week in range(1, 53):
            for coverage, wider in COVERAGES.items():
                value, wide = now[key] + slope * week, wider * spread * week**0.6
                rows.append(
                    {"indicator_id": key, "area_id": DISTRICT_ID, "origin": DAY,
                     "horizon": 7 * week, "day": DAY + timedelta(7 * week), "value": value,
                     "lower": value - wide, "upper": value + wide, "coverage": coverage,
                     "method": "damped_trend" if beats else "naive",
                     "skill_naive": 0.31 if beats else -0.04, "skill_seasonal": 0.22,
                     "beats_naive": beats}
                )  # fmt: skip
    return table(rows, figures.FORECASTS)


def arrivals():
    same = {"area_id": DISTRICT_ID, "origin": DAY, "target": 80.0, "comparator": "gt"}
    first = {"indicator_id": "sme_cloud_share_verified", "earliest": date(2027, 9, 1)}
    second = {
        "indicator_id": "sme_cloud_share", "earliest": date(2026, 12, 20),
        "median": date(2027, 2, 14), "latest": date(2027, 7, 1), "chance_within": 0.96,
    }  # fmt: skip
    return table([{**same, **first, "chance_within": 0.23}, {**same, **second}], figures.ARRIVALS)


FINDING = {
    "project_id": "X003", "todo_zh": "结束日期早于进入日期：请更正其一。",
    "todo_en": "It was left before it was entered: correct one of the two dates.",
}  # fmt: skip


def small(count=4):
    """`frames` of the first few enterprises: pages of them are quick to make."""
    few = [f["uscc"] for f in firms.firms()[:: 200 // count]]
    whole = frames()
    told = {
        name: getattr(whole, name).filter(pl.col("uscc").is_in(few))
        for name in (*OF_FIRMS, "warnings")
    }
    told["warnings"] = firms.warnings().head(3).with_columns(uscc=pl.Series((few * 3)[:3]))
    return replace(whole, **told)


OF_FIRMS = (
    "enterprises", "sites", "enterprise_days", "discrepancies", "portraits", "self_views",
)  # fmt: skip


@cache
def frames():
    """All frames of the invented parks."""
    factories = [
        {
            "factory_id": key, "park_id": park, "sector": sector, "name_zh": zh, "name_en": en,
            "shares_oee": True,
        }
        for key, (park, sector, zh, en) in WORDS["factories"].items()
    ]  # fmt: skip
    return PageFrames(
        day=DAY, parks=PARKS, factories=table(factories, FACTORIES), adoption=adoption(),
        enterprises=firms.enterprises(), sites=firms.sites(),
        enterprise_days=firms.enterprise_days(),
        warnings=firms.warnings(), projects=firms.projects(), funnel=funnel(), liveness=liveness(),
        changes=changes(), discrepancies=discrepancies(), oee_days=oee_days(),
        portraits=portraits(),
        self_views=self_views(), project_states=project_states(),
        project_findings=table([FINDING], PROJECT_FINDINGS),
        cards=cards(), service_use=service_use(), pue=pue(), kpi=kpi(),
        conformance=table(WORDS["conformance"], figures.CONFORMANCE), forecasts=forecasts(),
        missing_links=missing_links(), arrivals=arrivals(),
    )  # fmt: skip


def rendered(frames, tier="park"):
    """All pages of a tier by file name."""
    return dict(pages(Desk(frames, tier)))


def published(frames, status="p"):
    """The same frames after disclosure control gave every figure this status."""
    kpi = frames.kpi.with_columns(
        status=pl.lit(status), decimals=pl.lit(2, pl.Int64), reason=pl.lit(None, pl.String)
    )
    return replace(frames, kpi=kpi)
