"""OEE of one machine by walking every second: the slow twin of `pipelines.oee.by_shift`."""

from functools import cache, partial
from itertools import groupby

from tests.pipelines.plant import BAD, Said

RULES = {
    (3, 3): lambda order: "apt",
    (3, 2): lambda order: "aust",
    (2, 2): lambda order: "aust",
    (2, 3): lambda order: "adet" if order else "adot",
    (2, 0): lambda order: "adet" if order else "adot",
    (1, 3): lambda order: "adet" if order else "adot",
    (1, 0): lambda order: "adot",
    (3, 0): lambda order: "adet" if order else "adot",
    (1, 2): lambda order: "adet" if order else "adot",
}


def of_40501(state, mode, order):
    """Running is production or setup, waiting is down time, out of service a delay."""
    if state == 3:
        return {3: "apt", 2: "aust"}.get(mode, "adot")
    return "adot" if state == 2 else "adet"


def of_semi_e10(state, mode, order):
    """Productive, engineering (setup), unscheduled down with an order, all else standby."""
    if state == 1:
        return "adet" if mode in (2, 3) and order else "adot"
    if mode == 2:
        return "aust"
    return "apt" if (state, mode) == (3, 3) else "adot"


OTHERS = {"opc40501-1": of_40501, "semi-e10": of_semi_e10}


def element(item_state, mode, order, profile="opc40001-1"):
    if item_state is None or mode is None:
        return "unknown"
    if profile in OTHERS:
        return OTHERS[profile](item_state or 1, mode, order)
    if mode == 1:
        return "adot"
    return RULES[(1 if item_state == 0 else item_state, mode)](order)


def latest(said: list[Said], measure: str, second: int):
    """The last thing `measure` said at or before `second` (None, None if nothing)."""
    found = None
    for s in sorted(said, key=lambda s: s.second):
        if s.measure == measure and s.second <= second:
            found = s
    return found


def state_at(said, measure, second):
    found = latest(said, measure, second)
    return None if found is None or found.status >= BAD else found.value


def context_at(said, measure, second):
    found = latest([s for s in said if s.status < BAD], measure, second)
    return None if found is None else found.value or None


def window(plan, shift):
    """From the first to the last of the rows that say whether the shift runs."""
    says = [(a, b) for s, a, b, kind in plan if s == shift and kind in ("busy", "not_planned")]
    return min(a for a, _ in says), max(b for _, b in says)


def owner(plan, second):
    """Of the shifts whose window holds the second, the one that starts last."""
    shifts = {s for s, _, _, kind in plan if kind in ("busy", "not_planned")}
    windows = {shift: window(plan, shift) for shift in shifts}
    holding = [(a, -b, shift) for shift, (a, b) in windows.items() if a <= second < b]
    return max(holding)[2] if holding else None


def is_busy(plan, shift, second):
    def within(kind):
        return any(
            a <= second < b for s, a, b, k in plan if k == kind and (kind != "busy" or s == shift)
        )

    cut = within("break") or within("planned_maintenance") or within("not_planned")
    return owner(plan, second) == shift and within("busy") and not cut


@cache
def _busy_seconds(plan, shift):
    return {second for second in range(*window(plan, shift)) if is_busy(plan, shift, second)}


def busy_seconds(plan, shift):
    return _busy_seconds(tuple(plan), shift)


def is_heard(gaps, second):
    return not any(
        a <= second and (b is None or second < b) and measure != "stop_reason_code"
        for measure, a, b in gaps
    )


def times(said, plan, shift, start, end, covered, gaps=(), profile="opc40001-1"):
    out = dict.fromkeys(("apt", "aust", "adet", "adot", "unknown"), 0)
    for second in range(start, end):
        if second not in busy_seconds(plan, shift):
            continue
        seen = any(a <= second < b for a, b in covered) and is_heard(gaps, second)
        name = element(
            state_at(said, "item_state", second),
            state_at(said, "operation_mode", second),
            context_at(said, "order_id", second),
            profile,
        )
        out[name if seen else "unknown"] += 1
    return out


def readings(said, measure):
    return [s for s in sorted(said, key=lambda s: s.second) if s.measure == measure]


def steps(said, measure, counter_max, pri):
    """(from, to, amount, product, cause) of a counter, one good reading after the other.

    Cause: step, gap (a Bad reading between), or reset.
    """
    before, skipped = None, False
    out = []
    for s in readings(said, measure):
        if s.status >= BAD:
            skipped = True
            continue
        if before is not None:
            amount = s.value - before.value
            product = context_at(said, "product_id", s.second)
            cause = "gap" if skipped else "step"
            if amount < 0:
                wrapped = amount + counter_max + 1
                cycle = pri.get(product, min(pri.values()))
                most = 2 * (s.second - before.second) + 2 * cycle
                made = s.value if s.value * cycle <= most else 0
                amount = wrapped if wrapped * cycle <= most else made
                cause = cause if wrapped * cycle <= most else "reset"
            if amount or cause != "step":
                out.append((before.second, s.second, amount, product, cause))
        before, skipped = s, False
    return out


def unread(said, measure, plan, shift, start, end, counter_max, pri):
    """Busy seconds of the shift in which the counter was not read and that no piece makes good."""
    busy = busy_seconds(plan, shift)
    words = readings(said, measure)
    good = [s.second for s in words if s.status < BAD]
    if not good:
        return set(busy)
    doubt = {second for second in busy if second < good[0]}
    if words[-1].status >= BAD:
        gone = min(s.second for s in words if s.second > good[-1])
        doubt |= {second for second in busy if second >= gone}
    for low, high, amount, _, cause in steps(said, measure, counter_max, pri):
        gone = [s.second for s in words if low < s.second < high]
        product_set = any(s.measure == "product_id" and low < s.second <= high for s in said)
        low = gone[0] if gone else low
        if not amount and (cause == "gap" or not gone):
            continue  # nothing was made, or the reset itself was read
        whole = busy >= set(range(low, high + 1))
        if cause == "reset" or (cause == "gap" and (product_set or not whole)):
            doubt |= {second for second in busy if low <= second < high}
    return doubt


def booked(said, second, product, counter_max, pri):
    """Time and product of a piece that was judged at `second`: those of the last total step."""
    words = [s for s in readings(said, "parts_total") if s.second <= second]
    if not words or words[-1].status >= BAD:
        return second, product
    made = steps(said, "parts_total", counter_max, pri)
    before = [(to, what) for _, to, amount, what, _ in made if amount and to <= second]
    return before[-1] if before else (second, product)


def hears(covered, gaps, second):
    return any(a <= second < b for a, b in covered) and is_heard(gaps, second)


def gap_since(said, measure, step, covered, gaps):
    """Since when nobody saw the pieces of a step being made; None where somebody did."""
    low, to, amount, _, cause = step
    if cause == "gap" and amount:
        return min(s.second for s in readings(said, measure) if low < s.second < to)
    if cause == "reset" or not amount or not hears(covered, gaps, to):
        return None
    deaf = [second for second in range(low, to) if not hears(covered, gaps, second)]
    if not deaf:
        return None
    lost = deaf[-1]
    while not hears(covered, gaps, lost - 1):
        lost -= 1
        if lost < min(a for a, _ in covered):
            return None
    return max(low, lost)


def stretch(plan, covered, second):
    """What a second belongs to: a shift that is asked for, and whether it is busy time."""
    shift = owner(plan, second)
    first, last = min(a for a, _ in covered), max(b for _, b in covered)
    if shift is None or second >= last or window(plan, shift)[1] <= first:
        return None, False
    return shift, is_busy(plan, shift, second)


def may_produce(said, second, covered, gaps, profile):
    name = element(
        state_at(said, "item_state", second),
        state_at(said, "operation_mode", second),
        context_at(said, "order_id", second),
        profile,
    )
    return name in ("apt", "unknown") or not hears(covered, gaps, second)


def shares(said, plan, measure, step, covered, gaps, profile):
    """(second, pieces, whether dealt) of a step: at its reading, or shared by the time of a gap."""
    _, to, amount, _, _ = step
    since = gap_since(said, measure, step, covered, gaps)
    if since is None or to - since > 8 * 3600:
        return [(to, amount, False)]
    runs = [list(run) for _, run in groupby(range(since, to), partial(stretch, plan, covered))]
    at_home = runs and stretch(plan, covered, runs[-1][-1]) == stretch(plan, covered, to)
    if not runs or (len(runs) == 1 and at_home):
        return [(to, amount, False)]
    weights = [sum(may_produce(said, s, covered, gaps, profile) for s in run) for run in runs]
    if not any(weights):
        weights = [len(run) for run in runs]
    dealt = [amount * weight // sum(weights) for weight in weights]
    rests = [-(amount * weight % sum(weights)) for weight in weights]
    for place in sorted(range(len(runs)), key=rests.__getitem__)[: amount - sum(dealt)]:
        dealt[place] += 1
    stays = dealt.pop() if at_home else 0
    return [(run[-1], n, True) for run, n in zip(runs, dealt, strict=False)] + [(to, stays, True)]


KINDS = {"pq": "parts_total", "gq": "parts_good", "sq": "parts_bad", "rq": "parts_rework"}
MEASURES = tuple(KINDS.values())


def quantities(
    said, plan, shift, start, end, counter_max, pri, covered,
    measures=MEASURES, passed=False, gaps=(), profile="opc40001-1",
):  # fmt: skip
    """Pieces of a shift of a machine that has the `measures`; None where nobody read them.

    Reworked ones are good once they have `passed`.
    """
    sums = dict.fromkeys([*KINDS, "outside", "estimated"], 0)
    per_product = {}
    for name, measure in KINDS.items():
        if measure not in measures:
            continue
        every = steps(said, measure, counter_max, pri)
        parts = [
            (step[1], step[3], *part)
            for step in every
            for part in shares(said, plan, measure, step, covered, gaps, profile)
        ]
        for read, product, to, amount, is_dealt in parts:
            if name in ("sq", "rq") and to == read:
                to, product = booked(said, to, product, counter_max, pri)
            if owner(plan, to) != shift or not start <= to < end:
                continue
            if not is_busy(plan, shift, to):
                sums["outside"] += amount if name == "pq" else 0
                continue
            sums[name] += amount
            sums["estimated"] += amount if is_dealt and name == "pq" else 0
            if amount:
                made = per_product.setdefault(product, dict.fromkeys(KINDS, 0))
                made[name] += amount
    if "parts_good" not in measures:
        for made in per_product.values():
            made["gq"] = max(made["pq"] - made["sq"] - (0 if passed else made["rq"]), 0)
        sums["gq"] = sum(made["gq"] for made in per_product.values())
    elif passed:
        sums["gq"] += sums["rq"]
        for made in per_product.values():
            made["gq"] += made["rq"]
    sums["ideal_total"] = sum(made["pq"] * pri[p] for p, made in per_product.items())
    sums["ideal_good"] = sum(made["gq"] * pri[p] for p, made in per_product.items())
    return sums | known(said, plan, shift, start, end, counter_max, pri, measures, sums)


def known(said, plan, shift, start, end, counter_max, pri, measures, sums):
    """What takes the place of sums that nothing tells."""
    busy = busy_seconds(plan, shift)
    own = {"pq": ["parts_total"], "gq": ["parts_good"]}
    if "parts_good" not in measures:
        own["gq"] = [m for m in KINDS.values() if m in measures]
    out = {}
    for name, needs in own.items():
        doubt = set()
        for measure in needs:
            doubt |= unread(said, measure, plan, shift, start, end, counter_max, pri)
            good = [s.second for s in readings(said, measure) if s.status < BAD]
            doubt |= busy if not good or good[0] >= end else set()
        out[f"{name}_doubt"] = len(doubt)
        if busy and doubt >= busy:
            out |= {name: None}
            out |= (
                {"outside": None, "estimated": None, "ideal_total": None}
                if name == "pq"
                else {"ideal_good": None}
            )
    if out.keys() >= {"pq", "gq"}:
        out |= {name: sums[name] or None for name in ("sq", "rq")}
    return out


LONG_ANYWAY = ("no_order", "planned")


def told(item_state, mode, order, code, reasons):
    """Category of a stop: what its reason means, else what the states say."""
    if code in reasons:
        return reasons[code]
    if item_state < 2 or mode == 1:
        return "breakdown"
    return "unplanned" if order else "no_order"


def loss_of(name, category, lasted, micro_s):
    if name == "unknown":
        return "unknown"
    if name == "aust" or category == "setup":
        return "setup"
    if lasted < micro_s and category not in LONG_ANYWAY:
        return "minor_stop"
    return "waiting" if category in (*LONG_ANYWAY, "starved", "blocked") else "breakdown"


def stops(said, plan, covered, gaps, reasons, micro_s):
    """Seconds by (shift, loss) of all that is not production, and stops by where they began."""
    shifts = {s for s, _, _, kind in plan if kind == "busy"}
    last = max(b for _, _, b, _ in plan)
    runs = []
    for second in range(last):
        shift = next((s for s in shifts if second in busy_seconds(plan, s)), None)
        if shift is None:
            continue
        seen = any(a <= second < b for a, b in covered) and is_heard(gaps, second)
        state = state_at(said, "item_state", second), state_at(said, "operation_mode", second)
        order = context_at(said, "order_id", second)
        code = context_at(said, "stop_reason_code", second)
        name = element(*state, order) if seen else "unknown"
        known = name not in ("unknown", "apt")
        what = (name, code, told(*state, order, code, {})) if known else (name,)
        if not runs or runs[-1][0] != what:
            runs.append((what, []))
        runs[-1][1].append(shift)
    seconds, begun = {}, {}
    for what, spent in runs:
        if what[0] == "apt":
            continue
        stated = reasons.get(what[1], what[2]) if len(what) > 1 else None
        loss = loss_of(what[0], stated, len(spent), micro_s)
        for shift in spent:
            seconds[shift, loss] = seconds.get((shift, loss), 0) + 1
        if loss != "unknown":
            begun[spent[0], loss] = begun.get((spent[0], loss), 0) + 1
    return seconds, begun
