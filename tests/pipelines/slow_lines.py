"""OEE of one sequential line and shift, by station in fractions: the slow twin of `lines`."""

from fractions import Fraction

TIMES = ("apt", "aust", "adet", "adot", "unknown")


def figures(stages, pri, rows, pieces):
    """What `lines.by_shift` gives of one shift; every station is there, counted and rated.

    `stages` of work units, `pri[unit][product]`, `rows[unit]` of OEE_BY_SHIFT, and
    `pieces[unit][product]` as (all, good).
    """
    products = sorted({p for unit in stages for p in pri[unit]})
    cycle = {
        (stage, p): 1 / sum(1 / pri[u][p] for u in stages if stages[u] == stage)
        for stage in stages.values()
        for p in products
    }
    pace = {p: max(cycle[stage, p] for stage in stages.values()) for p in products}
    end = max(stages.values())
    out, good = dict.fromkeys(products, 0), dict.fromkeys(products, 0)
    for unit, stage in stages.items():
        for p, (total, fine) in pieces[unit].items():
            out[p] += total if stage == end else max(total - fine, 0)
            good[p] += fine if stage == end else 0
    mix = out if any(out.values()) else dict.fromkeys(products, 1)
    need = {s: sum(mix[p] * cycle[s, p] for p in products) for s in sorted(stages.values())}
    bottleneck = max(need, key=lambda stage: (need[stage], stage))
    times = dict.fromkeys(TIMES, 0)
    for unit, stage in stages.items():
        if stage == bottleneck:
            work = sum(mix[p] * cycle[stage, p] ** 2 / pri[unit][p] for p in products)
            for name in TIMES:
                times[name] += Fraction(rows[unit][f"{name}_s"]) * work / need[stage]
    pbt = sum(times.values())
    known = [row["completeness"] for row in rows.values() if row["completeness"] is not None]
    return {
        **{f"{name}_s": spent for name, spent in times.items()},
        "pbt_s": pbt,
        "pq": sum(out.values()),
        "gq": sum(good.values()),
        "bottleneck_stage": bottleneck,
        "oee": sum(pace[p] * good[p] for p in products) / pbt if pbt else None,
        "completeness": min(known) if pbt else None,
    }
