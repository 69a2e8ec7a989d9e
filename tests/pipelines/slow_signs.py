"""The level of warning_signs again, day by day in plain Python."""

import math
import statistics

from pipelines import warning_signs as ws


def levels(comparable, peers, name):
    """{(uscc, day): level with peers taken off} of one figure."""
    column = {"running": "running_s", "output": "output", "energy": "energy_wh"}[name]
    own = {}
    for (uscc,), part in comparable.group_by("uscc", maintain_order=True):
        own |= {(uscc, day): value for day, value in _own(part.to_dicts(), column)}
    group = dict(peers.select("uscc", "peer_group").iter_rows())
    return {key: value - _common(own, group, *key) for key, value in own.items()}


def _own(rows, column):
    by_weekday, ratios, calm = {}, [], []
    for row in rows:
        past = by_weekday.setdefault(row["weekday"], [])
        before = past[: len(past) + 1 - ws.WEEKDAY_LAG][-ws.WEEKDAYS :]
        enough = len(before) >= ws.LEAST_WEEKDAYS and statistics.median(before) > 0
        ratios.append(row[column] / statistics.median(before) if enough else None)
        past.append(row[column])
        lately = [r for r in ratios[-5:] if r is not None]
        if ratios[-1] is None:
            calm.append(None)
        else:
            median = statistics.median(lately)
            held = min(max(ratios[-1], 0.75 * median), 1.3 * median)
            calm.append(min(max(held, 0.05), 5.0))
        week = [c for c in calm[-ws.BLOCK :] if c is not None]
        if len(week) >= 4:
            yield row["day"], math.log(sum(week) / len(week))


def _common(own, group, uscc, day):
    of_all = [value for (_, d), value in own.items() if d == day]
    theirs = [v for (u, d), v in own.items() if d == day and group[u] == group[uscc]]
    for values in (theirs, of_all):
        if len(values) >= ws.LEAST_PEERS:
            return statistics.median(values)
    return 0.0
