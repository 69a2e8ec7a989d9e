"""The ratios of ISO 22400-2 in fractions, row by row: the slow twin of `pipelines.indices`."""

from datetime import timedelta
from fractions import Fraction
from math import isfinite

TIMES = ("pbt", "apt", "aust", "adet", "adot", "pot", "calendar", "unknown", "aoet", "apwt",
         "apat", "cmt", "pmt", "tbf", "ttf", "ttr", "uptime")  # fmt: skip
PIECES = (
    "pq",
    "gq",
    "sq",
    "rq",
    "pq_outside_plan",
    "pq_estimated",
    "gp",
    "ip",
    "pq_first",
    "failures",
    "repairs",
)
MEASURED = ("psq", "cm", "igq", "pl", "stl", "ol", "epc", "energy_kwh")
INT64 = range(-(2**63), 2**63)


def amount(value):
    """The exact number a value stands for (seconds of a duration); None where there is none."""
    if isinstance(value, timedelta):
        return Fraction(value // timedelta(microseconds=1), 10**6)
    return None if value is None or not isfinite(value) else Fraction(value)


def whole(number):
    return number if number is None or number in INT64 else None


def microseconds(seconds):
    return None if seconds is None else whole(round(seconds * 10**6))


def pieces(value):
    number = amount(value)
    if number is None:
        return None
    rounded = int(abs(number) + Fraction(1, 2))
    return whole(rounded if number > 0 else -rounded)


def measured(value):
    number = amount(value)
    return None if number is None or abs(number) > 10**25 else number


def not_negative(number):
    return None if number is None or number < 0 else number


def ideal(row, stem, made):
    if "ideal_total_s" in row:
        return microseconds(amount(row[f"ideal_{stem}_s"]))
    pri = amount(row["pri_s"])
    if made == 0:
        return 0
    return None if made is None or pri is None or pri <= 0 else microseconds(pri * made)


def amounts(row):
    """Whole microseconds and pieces of one row."""
    found = {t: not_negative(microseconds(amount(row[f"{t}_s"]))) for t in TIMES if f"{t}_s" in row}
    found |= {name: pieces(row[name]) for name in PIECES if name in row}
    found |= {name: measured(row[name]) for name in MEASURED if name in row}
    found["ideal_total"] = ideal(row, "total", found["pq"])
    found["ideal_good"] = ideal(row, "good", found["gq"])
    pbt, good = found["pbt"], found["ideal_good"]
    unknown = {"lower": 0, "upper": max(pbt or 0, good or 0)}
    for name in unknown:
        if name in row:
            bound = amount(row[name])
            given = None if bound is None or not pbt else whole(round(bound * pbt))
            found[name] = unknown[name] if given is None else given
    return found


def summed(rows):
    """The sums of rows; one unknown part makes a sum unknown."""
    parts = [amounts(row) for row in rows]
    return {
        name: None if any(p[name] is None for p in parts) else sum(p[name] for p in parts)
        for name in parts[0]
    }


def over(part, total):
    return None if part is None or total is None or total <= 0 else Fraction(part) / total


def plus(*parts):
    return None if None in parts else sum(parts)


def ratios(found, *, weighted):
    """Every ratio of whole microseconds and pieces, None where it is undefined."""
    known = {
        name: not_negative(n) if name in (*PIECES, *MEASURED) or name.startswith("ideal") else n
        for name, n in found.items()
    }
    pbt, apt, aust, adet = (known[t] for t in TIMES[:4])
    good, total, pq = known["ideal_good"], known["ideal_total"], known["pq"]
    quality = over(known["gq"], pq)
    if weighted and pq and total:
        quality = over(good, total)
    busy, made = over(plus(apt, aust), pbt), over(good, apt)
    out = {
        "availability": over(apt, pbt),
        "effectiveness": over(total, apt),
        "quality_ratio": quality if pq else None,
        "oee": over(good, pbt),
        "nee": 0 if good == 0 else None if busy is None or made is None else busy * made,
        "allocation_efficiency": over(plus(apt, aust, adet), pbt),
        "utilization_efficiency": over(apt, plus(apt, aust, adet)),
        "setup_rate": over(aust, plus(apt, aust)),
        "technical_efficiency": over(apt, plus(apt, adet)),
    }
    out |= further(known)
    if not pbt:
        out = dict.fromkeys(out)
    effectiveness = out["effectiveness"]
    return out | {
        "outside_plan": pbt == 0,
        "effectiveness_over_1": effectiveness is not None and effectiveness > 1,
    }


def further(known):
    """The ratios of which a row may lack the columns; times are microseconds."""
    aubt = plus(known["apt"], known["aust"], known["adet"])
    good, pq, apt = known["ideal_good"], known["pq"], known["apt"]
    out = {}

    def when(needed, name, part, whole, factor=1):
        if set(needed.split()) <= set(known):
            ratio = over(part(known), whole(known))
            out[name] = None if ratio is None else ratio * factor

    second = Fraction(1, 10**6)
    when("sq", "scrap_ratio", lambda k: k["sq"], lambda k: pq)
    when("rq", "rework_ratio", lambda k: k["rq"], lambda k: pq)
    when("calendar", "teep", lambda k: good, lambda k: k["calendar"])
    when("calendar", "loading", lambda k: k["pbt"], lambda k: k["calendar"])
    when("aoet", "allocation_ratio", lambda k: aubt, lambda k: k["aoet"])
    when("aoet", "production_process_ratio", lambda k: apt, lambda k: k["aoet"])
    when("aoet", "throughput_per_h", lambda k: pq, lambda k: k["aoet"], 3600 * 10**6)
    when("apwt apat", "worker_efficiency", lambda k: k["apwt"], lambda k: k["apat"])
    when("sq psq", "actual_to_planned_scrap_ratio", lambda k: k["sq"], lambda k: k["psq"])
    when("sq pq_first", "fall_off_ratio", lambda k: k["sq"], lambda k: k["pq_first"])
    when("gp ip", "first_pass_yield", lambda k: k["gp"], lambda k: k["ip"])
    when("cm", "finished_goods_ratio", lambda k: k["gq"], lambda k: k["cm"])
    when("igq cm", "integrated_goods_ratio", lambda k: k["igq"], lambda k: k["cm"])
    when("pl cm", "production_loss_ratio", lambda k: k["pl"], lambda k: k["cm"])
    when("stl cm", "storage_and_transportation_loss_ratio", lambda k: k["stl"], lambda k: k["cm"])
    when("ol cm", "other_loss_ratio", lambda k: k["ol"], lambda k: k["cm"])
    when("epc", "equipment_load_rate", lambda k: pq, lambda k: k["epc"])
    when("energy_kwh", "comprehensive_energy_kwh_per_piece", lambda k: k["energy_kwh"],
         lambda k: pq)  # fmt: skip
    when("cmt pmt", "corrective_maintenance_ratio", lambda k: k["cmt"],
         lambda k: plus(k["cmt"], k["pmt"]))  # fmt: skip
    when("tbf failures", "mtbf_iso_s", lambda k: k["tbf"], lambda k: plus(k["failures"], 1), second)
    when("ttf failures", "mttf_iso_s", lambda k: k["ttf"], lambda k: plus(k["failures"], 1), second)
    when("uptime failures", "mtbf_s", lambda k: k["uptime"], lambda k: k["failures"], second)
    when("ttf failures", "mttf_s", lambda k: k["ttf"], lambda k: k["failures"], second)
    when("ttr failures", "mttr_s", lambda k: k["ttr"], lambda k: k["failures"], second)
    when("ttr repairs", "mttr_s", lambda k: k["ttr"], lambda k: k["repairs"], second)
    return out


def indices(row):
    return ratios(amounts(row), weighted="ideal_total_s" in row)


def roll_up(rows):
    """Sums (seconds, pieces that fit Int64) and ratios of at least one row."""
    sums = summed(rows)
    out = ratios(sums, weighted=True)
    out |= {name: whole(sums[name]) for name in PIECES if name in sums}
    out |= {name: sums[name] for name in MEASURED if name in sums}
    for name in (*TIMES, "ideal_total", "ideal_good"):
        if name in sums:
            out[f"{name}_s"] = None if sums[name] is None else Fraction(sums[name], 10**6)
    for name in ("lower", "upper"):
        if name in sums:
            out[name] = over(sums[name], sums["pbt"])
    if "unknown" in sums:
        unknown = sums["unknown"]
        known = None if unknown is None or sums["pbt"] is None else sums["pbt"] - unknown
        out["completeness"] = over(known, sums["pbt"])
    return out
