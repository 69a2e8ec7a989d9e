"""Counters against the pieces that were made: conserved, never negative, never invented."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import counters, oee
from pipelines.days import local_day
from pipelines.schemas import TAGS
from tests.pipelines import plant, slow_oee
from tests.pipelines.machine_history import PRI, histories
from tests.pipelines.plant import BAD, Said

POLICIES = ["never", "job", "shift", "power"]


def of(history):
    """Increments of what is heard of a history, with seconds for times."""
    tags = plant.tags(
        ["product_id", *history.measures],
        counter_max=history.counter_max, reset_policy=history.policy,
    )  # fmt: skip
    values = plant.timed(plant.raw(history.heard()))
    found = counters.increments(values, tags, plant.cycles(**PRI))
    told = found.filter(pl.col("from_time").is_not_null(), pl.col("amount").is_not_null())
    since = [
        ((pl.col(name) - plant.at(0)).dt.total_seconds()).alias(name)
        for name in ("from_time", "to_time")
    ]
    return found, told.with_columns(since).to_dicts()


def made(history, kind, start, end):
    """Pieces of a kind in (start, end]."""
    counted = {"total": None, "good": "parts_good", "scrap": "parts_bad", "rework": "parts_rework"}
    mine = (p for p in history.pieces if counted[kind] in (None, p.kind))
    return sum(start < p.second <= end for p in mine)


@settings(max_examples=60, deadline=None)
@given(histories(), st.sampled_from(POLICIES))
def test_pieces_are_conserved_and_never_invented(history, policy):
    """A step, a gap and a wrap bring what was made; a reset what was made since, never more."""
    _, told = of(replace(history, policy=policy))
    for row in told:
        true = made(history, row["kind"], row["from_time"], row["to_time"])
        hidden = any(row["from_time"] < s <= row["to_time"] for s in history.resets)
        assert 0 <= row["amount"] <= true
        assert hidden or row["amount"] == true, row
        assert (row["cause"] == "reset") <= hidden


@settings(max_examples=40, deadline=None)
@given(histories())
def test_all_pieces_of_a_counter_that_was_read_are_there(history):
    """Whatever resets: where all is heard, every piece since the first reading is counted once."""
    heard = replace(history, spells=[])
    _, told = of(heard)
    for kind in {counters.KINDS[m] for m in history.measures}:
        counted = sum(row["amount"] for row in told if row["kind"] == kind)
        assert counted == made(heard, kind, -400, 10**6)


@settings(max_examples=40, deadline=None)
@given(histories())
def test_increments_equal_a_loop_over_the_readings(history):
    _, told = of(history)
    heard = history.heard()
    for measure in history.measures:
        kind = counters.KINDS[measure]
        slow = slow_oee.steps(heard, measure, history.counter_max, PRI)
        fast = [r for r in told if r["kind"] == kind]
        assert [(r["from_time"], r["to_time"], r["amount"], r["product_id"]) for r in fast] == [
            step[:4] for step in slow
        ]


NODES = st.lists(
    st.tuples(
        st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9) | st.none()), max_size=8),
        st.none() | st.integers(0, 30),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=60, deadline=None)
@given(NODES)
def test_of_nodes_that_count_the_same_one_counts_at_a_time(nodes):
    """Readings (second, count or Bad) of each node, and until when its tag holds, or for good."""
    tags, said, expected = [], [], []
    first, until = None, 0
    for name, (readings, gone) in zip("abc", nodes, strict=False):
        end = 10**9 if gone is None else gone
        ends = pl.lit(None if gone is None else plant.at(gone), TAGS["valid_to"])
        of_it = plant.tags(["parts_total"]).with_columns(
            node_id=pl.lit(plant.node(name)), valid_to=ends
        )
        own = [Said(s, name, count or 0, BAD if count is None else 0)
               for s, count in dict(readings).items()]  # fmt: skip
        alone = counters.increments(plant.timed(plant.raw(own)), of_it, plant.cycles(A=1.0))
        for row in alone.iter_rows(named=True):
            at = (row["to_time"] - plant.at(0)).total_seconds()
            if first is None or at <= first or at >= until:
                expected.append((at, name, row["amount"] is None, tuple(row.values())))
        good = [s.second for s in own if not s.status and s.second < end]
        if good:
            first = min([*good, *([] if first is None else [first])])
            until = max(until, end)
        tags.append(of_it)
        said += own
    values = plant.timed(plant.raw(said))
    found = counters.increments(values, pl.concat(tags), plant.cycles(A=1.0))
    assert found.rows() == [row for *_, row in sorted(expected, key=lambda e: e[:3])]


def increments(*readings, policy="never", counter_max=2**31 - 1, more=(), pri_s=10.0):
    """(amount, cause, estimated) of a total counter with (second, count[, status])."""
    said = [Said(-9, "product_id", "A"), *more]
    said += [Said(second, "parts_total", *how) for second, *how in readings]
    tags = plant.tags(counter_max=counter_max, reset_policy=policy)
    values = plant.timed(plant.raw(said))
    found = counters.increments(values, tags, plant.cycles(A=pri_s, B=2 * pri_s))
    known = found.filter(pl.col("from_time").is_not_null(), pl.col("amount").is_not_null())
    return known.select("amount", "cause", "estimated").rows()


@pytest.mark.parametrize(("policy", "estimated"), [(p, p == "never") for p in POLICIES])
def test_a_reset_by_declared_policy_is_foreseen(policy, estimated):
    assert increments((0, 900), (30, 2), policy=policy) == [(2, "reset", estimated)]


def test_a_job_counter_starts_anew_with_each_job():
    """Twice eleven pieces, and the third job's two: 24, not 13."""
    jobs = [(10 * n, n % 11) for n in range(25)]
    found = increments(*jobs, policy="job")
    assert sum(amount for amount, _, _ in found) == 22
    assert [cause for _, cause, _ in found].count("reset") == 2


def test_a_count_corrected_backwards_makes_no_pieces():
    """100 set back to 97 is no reset with 97 pieces in ten seconds."""
    found = increments((0, 99), (10, 100), (20, 97), (30, 98))
    assert found == [(1, "step", False), (0, "reset", True), (1, "step", False)]


def test_a_used_controller_with_a_lower_count_makes_no_pieces():
    """It comes with 5,000 of its own: at most 14 can have been made in a minute."""
    assert increments((0, 90_000), (60, 5_000), (70, 5_001)) == [
        (0, "reset", True), (1, "step", False),
    ]  # fmt: skip


def test_a_reset_brings_what_the_time_allows():
    """In 60 s at 10 s a piece 2 x 6 + 2: 14 count, 15 do not; without a cycle all do."""
    assert increments((0, 90_000), (60, 14))[0] == (14, "reset", True)
    assert increments((0, 90_000), (60, 15))[0] == (0, "reset", True)
    assert increments((0, 90_000), (60, 5_000), pri_s=0.0)[0] == (5_000, "reset", True)


@pytest.mark.parametrize(("new", "first"), [("zz", 0), ("aa", 0), ("zz", 7_000), ("aa", 7_000)])
def test_a_replaced_controller_goes_on_where_the_old_one_ended(new, first):
    """Its node was dropped for good where its name comes after the old one's."""
    old = plant.tags(["parts_total"]).with_columns(
        node_id=pl.lit(plant.node("mm")), valid_to=pl.lit(plant.at(100)).dt.cast_time_unit("us")
    )
    other = plant.tags(["parts_total"]).with_columns(
        node_id=pl.lit(plant.node(new)), valid_from=pl.lit(plant.at(100)).dt.cast_time_unit("us")
    )
    tags = pl.concat([old, other, plant.tags(["product_id"])])
    said = [Said(-9, "product_id", "A")]
    said += [Said(10 * n, "mm", 90_000 + n) for n in range(10)]
    said += [Said(100 + 10 * n, new, first + n) for n in range(10)]
    rows = plant.raw(said)
    _, whole = plant.silver(rows, tags, plant.cycles(A=10.0))
    assert whole["amount"].sum() == 9 + 9
    assert whole.filter(pl.col("to_time") > plant.at(100))["amount"].sum() == 9
    parts = [found for _, found in plant.in_parts(rows, tags, plant.cycles(A=10.0), [55, 105, 155])]
    assert pl.concat(parts).equals(whole)


def test_a_gap_over_a_shift_edge_brings_its_pieces_once():
    """Shared by the time in which the machine ran; both shifts' bounds know."""
    first = {"item_state": 3, "operation_mode": 3, "product_id": "A", "parts_good": 0}
    said = [Said(-60, measure, value) for measure, value in first.items()]
    said += [Said(10 * n, "parts_good", n, BAD if 90 <= n < 110 else 0) for n in range(1, 200)]
    tags = plant.tags(["item_state", "operation_mode", "product_id", "parts_good"])
    plan = plant.plan(("A", 0, 1000, "busy"), ("B", 1000, 2000, "busy"))
    found = plant.figures(
        plant.raw(said), tags, plan, plant.cycles(A=10.0), plant.coverage((-100, 2000))
    )
    assert found["gq"].to_list() == [100, 99]
    assert found["gq"].sum() == 199
    true = [0.99, 1.0]
    for low, high, value in zip(found["lower"], found["upper"], true, strict=True):
        assert low <= value <= high


@pytest.mark.parametrize("gap", [(23.9, 24.2), (22, 25), (17, 24.9), (16, 25), (30, 34)])
def test_days_by_themselves_share_a_gap_as_all_together(gap):
    """Of a gap longer than eight hours neither day takes a part from the other."""
    begins, ends = (round(hour * 3600) for hour in gap)
    made = [Said(second, "parts_total", second // 60) for second in range(-3600, 40 * 3600, 60)]
    lost = [replace(s, value=0, status=BAD) if begins <= s.second < ends else s for s in made]
    first = [Said(-3600, "item_state", 3), Said(-3600, "operation_mode", 3),
             Said(-3600, "product_id", "A")]  # fmt: skip
    tags, cycles, covered = plant.tags(), plant.cycles(A=60.0), plant.coverage((-3600, 144_000))
    plan = plant.plan(*(("ABC"[n], a * 3600, b * 3600, "busy")
                        for n, (a, b) in enumerate([(14, 24), (24, 32), (32, 40)])))  # fmt: skip
    rows, days = plant.raw([*first, *lost]), [plant.DAY + timedelta(days=n) for n in range(-3, 5)]
    silver = list(plant.by_day(rows, tags, cycles, days))
    names = ["shift_id", "pq", "pq_estimated", "oee"]
    alone = []
    for today in range(1, len(silver) - 1):
        near = (pl.concat(part) for part in zip(*silver[today - 1 : today + 2], strict=True))
        found = oee.by_shift(*near, plan, cycles, covered, tags)
        own = local_day(pl.col("start")) == days[today + 2]
        alone += found.filter(own).select(names).rows()
    whole = plant.figures(rows, tags, plan, cycles, covered)
    assert alone == whole.select(names).rows()
    assert (whole["pq_estimated"].sum() > 0) == (ends - begins <= 8 * 3600)


def test_a_wrap_in_a_gap_over_midnight_is_one():
    said = [Said(-9, "product_id", "A"), Said(86_370, "parts_total", 65_530),
            Said(86_380, "parts_total", 0, BAD), Said(86_460, "parts_total", 3)]  # fmt: skip
    tags = plant.tags(counter_max=65_535)
    days = [plant.DAY + timedelta(days=n) for n in range(-3, 5)]
    parts = [i for _, i in plant.by_day(plant.raw(said), tags, plant.cycles(A=10.0), days)]
    joined = pl.concat(parts).drop_nulls("amount").filter(pl.col("from_time").is_not_null())
    assert joined.select("amount", "cause").rows() == [(9, "gap")]
