"""OEE of one machine by walking every second: the slow twin of `pipelines.oee.by_shift`."""

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


def element(item_state, mode, order):
    if item_state is None or mode is None:
        return "unknown"
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


def owner(plan, second):
    """Of the shifts whose window holds the second, the one that starts last."""
    says = [row for row in plan if row[3] in ("busy", "not_planned")]
    windows = {
        shift: (
            min(a for s, a, _, _ in says if s == shift),
            max(b for s, _, b, _ in says if s == shift),
        )
        for shift, _, _, _ in says
    }
    holding = [(a, -b, shift) for shift, (a, b) in windows.items() if a <= second < b]
    return max(holding)[2] if holding else None


def is_busy(plan, shift, second):
    def within(kind):
        return any(
            a <= second < b for s, a, b, k in plan if k == kind and (kind != "busy" or s == shift)
        )

    cut = within("break") or within("planned_maintenance") or within("not_planned")
    return owner(plan, second) == shift and within("busy") and not cut


def times(said, plan, shift, start, end, covered):
    out = dict.fromkeys(("apt", "aust", "adet", "adot", "unknown"), 0)
    for second in range(start, end):
        if not is_busy(plan, shift, second):
            continue
        seen = any(a <= second < b for a, b in covered)
        name = element(
            state_at(said, "item_state", second),
            state_at(said, "operation_mode", second),
            context_at(said, "order_id", second),
        )
        out[name if seen else "unknown"] += 1
    return out


def steps(said, measure, counter_max, pri):
    """(from, to, amount, product) of a counter, one reading after the other."""
    before = None
    out = []
    for s in sorted(said, key=lambda s: s.second):
        if s.measure != measure or s.status >= BAD:
            continue
        if before is not None:
            amount = s.value - before.value
            product = context_at(said, "product_id", s.second)
            if amount < 0:
                wrapped = amount + counter_max + 1
                cycle = pri.get(product, min(pri.values()))
                possible = wrapped * cycle <= 2 * (s.second - before.second) + 2 * cycle
                amount = wrapped if possible else s.value
            if amount:
                out.append((before.second, s.second, amount, product))
        before = s
    return out


def quantities(said, plan, shift, start, end, counter_max, pri):
    sums = {"pq": 0, "gq": 0, "sq": 0, "rq": 0, "outside": 0, "ideal_good": 0.0, "ideal_total": 0.0}
    kinds = {"pq": "parts_total", "gq": "parts_good", "sq": "parts_bad", "rq": "parts_rework"}
    for name, measure in kinds.items():
        for _, to, amount, product in steps(said, measure, counter_max, pri):
            if not start <= to < end:
                continue
            if not is_busy(plan, shift, to):
                sums["outside"] += amount if name == "pq" else 0
                continue
            sums[name] += amount
            if name == "pq":
                sums["ideal_total"] += amount * pri[product]
            if name == "gq":
                sums["ideal_good"] += amount * pri[product]
    return sums
