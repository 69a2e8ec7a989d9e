"""SEMI E10 states of one tool by walking every second: the slow twin of `pipelines.semi`."""

from tests.pipelines import slow_oee
from tests.pipelines.slow_reliability import held

STATES = ("prd", "sby", "eng", "sdt", "udt", "nst", "unknown")


def state(item, mode, heard):
    if not heard or item is None or mode is None:
        return "unknown"
    if item < 2 or mode == 1:
        return "udt"
    if mode == 2:
        return "eng"
    return "prd" if (item, mode) == (3, 3) else "sby"


def is_scheduled(plan, second):
    """In the window of a running shift; where shifts overlap the later one tells."""
    owner = slow_oee.owner(plan, second)
    rows = [row for row in plan if row[1] <= second < row[2]]
    off = any(kind == "not_planned" for *_, kind in rows)
    return not off and any(s == owner and kind == "busy" for s, _, _, kind in rows)


def times(said, plan, start, end, covered, gaps=()):
    """Seconds in each state of one day."""
    seconds = range(start, end)
    item, mode = held(said, "item_state", seconds), held(said, "operation_mode", seconds)
    out = dict.fromkeys(STATES, 0)
    for second in seconds:
        heard = any(a <= second < b for a, b in covered) and slow_oee.is_heard(gaps, second)
        is_down = any(a <= second < b for _, a, b, kind in plan if kind == "planned_maintenance")
        if is_down:
            out["sdt"] += 1
        elif not is_scheduled(plan, second):
            out["nst"] += 1
        else:
            out[state(item[second], mode[second], heard)] += 1
    return out
