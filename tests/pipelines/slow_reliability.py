"""Failures of one machine by walking every second: the slow twin of `pipelines.reliability`."""

from tests.pipelines import slow_oee
from tests.pipelines.plant import BAD


def held(said, measure, seconds):
    """What `measure` says at each second: its last word, None where that is Bad or there is none.

    A Bad context keeps its last good word.
    """
    words = [s for s in sorted(said, key=lambda s: s.second) if s.measure == measure]
    if measure in ("order_id", "stop_reason_code"):
        words = [s for s in words if s.status < BAD]
    found, value, at = {}, None, 0
    for second in seconds:
        while at < len(words) and words[at].second <= second:
            value = words[at].value if words[at].status < BAD else None
            at += 1
        found[second] = value
    return found


def walk(said, plan, covered, gaps=()):
    """(failures, times by shift); a failure is {shift, start, end, reason, ttr, censored}."""
    seconds = range(-600, 6000)
    item, mode, order, reason = (
        held(said, name, seconds)
        for name in ("item_state", "operation_mode", "order_id", "stop_reason_code")
    )
    shifts = {s for s, _, _, kind in plan if kind == "busy"}
    horizon = max(b for _, b in covered)
    busy = {
        second: shift
        for shift in shifts
        for second in slow_oee.busy_seconds(plan, shift)
        if second < horizon
    }
    times = {
        shift: dict.fromkeys(("pbt", "uptime", "downtime", "other", "unknown", "ttf", "tbf"), 0)
        for shift in set(busy.values())
    }
    found, failing, last, seen_before = [], None, None, False
    for second in seconds:
        heard = any(a <= second < b for a, b in covered) and slow_oee.is_heard(gaps, second)
        known = heard and item[second] is not None and mode[second] is not None
        shift = busy.get(second)
        up = known and item[second] >= 2 and mode[second] != 1
        if up:
            if failing is not None and failing["end"] is None and seen_before:
                failing["end"] = second
            failing = None
        elif known and item[second] == 1 and shift and last and last[0] >= 2 and last[1] == 3:
            failing = {"shift": shift, "start": second, "end": None, "reason": None, "ttr": 0,
                       "censored": not seen_before}  # fmt: skip
            found.append(failing)
        if failing is not None:
            failing["censored"] |= not known
            failing["ttr"] += 1 if known and shift else 0
            if known and failing["reason"] is None:
                failing["reason"] = reason[second] or None
        if shift:
            spent = times[shift]
            spent["pbt"] += 1
            kind = (
                "unknown" if not known else "uptime" if up else
                "downtime" if failing is not None else "other"
            )  # fmt: skip
            spent[kind] += 1
            element = slow_oee.element(item[second], mode[second], order[second])
            operating = up and element in ("apt", "aust")
            spent["ttf"] += operating
            spent["tbf"] += operating or kind == "downtime"
        if known:
            last = (item[second], mode[second])
        seen_before = known
    return found, times
