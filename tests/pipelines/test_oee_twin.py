"""The fast OEE against a loop over seconds, and the laws that hold for any machine."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines import bronze, clock, oee, states
from tests.pipelines import plant, slow_oee
from tests.pipelines.plant import BAD, UNCERTAIN, Said

MAX = 50
PRI = {"A": 7.0, "B": 11.5}
PLAN = [
    ("early", 600, 2400, "busy"), ("late", 2400, 4200, "busy"), ("early", 1000, 1200, "break"),
    ("late", 2300, 2600, "planned_maintenance"), ("late", 2500, 2700, "break"),
]  # fmt: skip
OVERLAPPING = [
    ("early", 600, 2400, "busy"), ("early", 2000, 2700, "busy"), ("late", 2300, 4200, "busy"),
    ("short", 900, 1100, "busy"), ("early", 1050, 1200, "break"),
]  # fmt: skip
COVERED = [(100, 1900), (1900, 3000), (3300, 5000)]
STATUS = st.sampled_from([0, 0, 0, 0, UNCERTAIN, BAD])

STATES = st.builds(
    Said,
    second=st.integers(0, 4500),
    measure=st.sampled_from(["item_state", "operation_mode"]),
    value=st.integers(0, 3),
    status=STATUS,
)
CONTEXT = st.one_of(
    st.builds(Said, st.integers(0, 4500), st.just("order_id"), st.sampled_from(["", "O1", "O2"])),
    st.builds(Said, st.integers(0, 4500), st.just("product_id"), st.sampled_from(["A", "B"])),
)


@st.composite
def machines(draw):
    """What one machine says: states, context, and counters that wrap, reset and fail."""
    said = draw(st.lists(st.one_of(STATES, CONTEXT), max_size=40))
    said = list({(s.second, s.measure): s for s in said}.values())
    said.append(Said(-500, "product_id", "A"))
    counts = dict.fromkeys(("parts_total", "parts_good", "parts_bad", "parts_rework"), 0)
    second = 0
    for step in draw(st.lists(st.integers(3, 300), max_size=40)):
        second += step
        if draw(st.integers(0, 12)) == 0:
            counts = dict.fromkeys(counts, 0)
        kind = draw(st.sampled_from(["parts_good", "parts_good", "parts_bad", "parts_rework"]))
        for name in ("parts_total", kind):
            counts[name] = (counts[name] + 1) % (MAX + 1)
        status = draw(STATUS)
        said += [Said(second, name, counts[name], status) for name in counts]
    return said


GAPS = st.tuples(
    st.sampled_from([None, *plant.MACHINERY]),
    st.integers(0, 4500),
    st.one_of(st.none(), st.integers(1, 2000)),
).map(lambda gap: (gap[0], gap[1], gap[2] and gap[1] + gap[2]))


def fast(said, rows=None, measures=plant.MACHINERY, plan=PLAN, gaps=()):
    rows = plant.raw(said) if rows is None else rows
    return plant.figures(
        rows, plant.tags(measures, counter_max=MAX), plant.plan(*plan), plant.cycles(**PRI),
        plant.coverage(*COVERED), plant.gaps(*gaps) if gaps else None,
    )  # fmt: skip


WITHOUT_GOOD = [m for m in plant.MACHINERY if m != "parts_good"]


@settings(max_examples=40, deadline=None)
@given(
    machines(),
    st.sampled_from([plant.MACHINERY, WITHOUT_GOOD]),
    st.sampled_from([PLAN, OVERLAPPING]),
    st.lists(GAPS, max_size=3),
)
def test_fast_equals_slow(said, measures, plan, gaps):
    of_these = [gap for gap in gaps if gap[0] is None or gap[0] in measures]
    for row in fast(said, measures=measures, plan=plan, gaps=of_these).to_dicts():
        shift = row["shift_id"]
        start, end = slow_oee.window(plan, shift)
        times = slow_oee.times(said, plan, shift, start, end, COVERED, of_these)
        pieces = slow_oee.quantities(
            said, plan, shift, start, end, MAX, PRI, COVERED, measures, gaps=of_these
        )
        assert {name: row[f"{name}_s"] for name in times} == times
        assert row["pbt_s"] == sum(times.values())
        assert [row[n] for n in ("pq", "gq", "sq", "rq")] == [
            pieces[n] for n in ("pq", "gq", "sq", "rq")
        ]
        assert (row["pq_outside_plan"], row["pq_estimated"]) == (
            pieces["outside"], pieces["estimated"],
        )  # fmt: skip
        total, good = pieces["ideal_total"], pieces["ideal_good"]
        assert row["ideal_total_s"] == (None if total is None else pytest.approx(total, abs=1e-6))
        assert row["oee"] == (
            None if good is None else pytest.approx(good / row["pbt_s"], abs=1e-12)
        )


@settings(max_examples=20, deadline=None)
@given(machines(), st.randoms(use_true_random=False))
def test_order_and_repeats_change_nothing(said, random):
    rows = plant.raw(said)
    again = rows.sample(fraction=0.3, seed=random.randrange(99)).with_columns(
        received_time=pl.col("received_time") + pl.duration(seconds=40), origin=pl.lit("history")
    )
    muddled = pl.concat([rows, again]).sample(fraction=1, shuffle=True, seed=random.randrange(99))
    assert bronze.compact(muddled).equals(bronze.compact(rows))
    assert fast(said, muddled).equals(fast(said, rows))


ODD = st.one_of(
    st.builds(Said, st.integers(0, 4500), st.sampled_from(sorted(plant.MACHINERY)), st.none(),
              STATUS),
    st.builds(Said, st.integers(0, 4500), st.just("item_state"), st.just(77), STATUS),
    st.builds(Said, st.integers(0, 4500), st.sampled_from(["order_id", "product_id"]),
              st.sampled_from(["", "A", "B"]), STATUS),
    st.builds(Said, st.integers(0, 4500), st.just("stop_reason_code"), st.integers(0, 2), STATUS),
)  # fmt: skip
"""Null values, states nobody knows, doubtful context; also several values of one instant."""


def same(parts, rows, tags, cycles, offsets=None):
    """Whether the silver of the parts, joined, is that of the whole history, trust and all."""
    episodes, increments = zip(*parts, strict=True)
    whole_episodes, whole_increments = plant.silver(rows, tags, cycles, offsets=offsets)
    stitched = states.stitch(pl.concat(episodes))
    assert stitched.equals(states.stitch(whole_episodes))
    joined = pl.concat(increments).sort("kind", "to_time", maintain_order=True)
    assert joined.equals(whole_increments.sort("kind", "to_time", maintain_order=True))


@settings(max_examples=40, deadline=None)
@given(
    machines(),
    st.lists(ODD, max_size=15),
    st.lists(st.integers(0, 4500), min_size=1, max_size=4, unique=True),
)
def test_parts_with_carry_equal_the_whole(said, odd, edges):
    """Cutting the rows anywhere and carrying over gives the same episodes and increments."""
    tags, cycles, rows = plant.tags(counter_max=MAX), plant.cycles(**PRI), plant.raw(said + odd)
    same(plant.in_parts(rows, tags, cycles, edges), rows, tags, cycles)


@settings(max_examples=30, deadline=None)
@given(machines(), st.lists(ODD, max_size=15), st.sampled_from([0, 600, -600]))
@example(
    [Said(s, m, v) for s, m, v in [(-500, "product_id", "A"), (-432, "item_state", 3),
     (2158, "item_state", 1), (2158, "parts_total", 1), (2200, "parts_total", 2)]], [], 600,
)  # fmt: skip
def test_days_each_alone_equal_the_whole(said, odd, ahead_s):
    """As the assets do it: a day's rows and its neighbours', last values, `touching`, `stitch`."""
    slowly = [replace(s, second=s.second * 40) for s in said + odd]
    tags, cycles = plant.tags(counter_max=MAX), plant.cycles(**PRI)
    rows = plant.ahead(plant.raw(slowly), ahead_s)
    days = [plant.DAY + timedelta(days=n) for n in range(-3, 8)]
    offsets = clock.skew_by_day(bronze.compact(rows))
    same(plant.by_day(rows, tags, cycles, days), rows, tags, cycles, offsets)


@settings(max_examples=20, deadline=None)
@given(machines())
def test_laws_of_figures(said):
    rows = fast(said)
    parts = pl.sum_horizontal("apt_s", "aust_s", "adet_s", "adot_s", "unknown_s")
    assert rows.filter((parts - pl.col("pbt_s")).abs() > 1e-6).is_empty()
    assert rows.filter(
        ~pl.col("oee").is_between("lower", "upper") & (pl.col("unknown_s") == 0)
    ).is_empty()
    assert rows.filter(pl.col("lower") > pl.col("oee")).is_empty()
    assert rows.filter(pl.col("upper") < pl.col("oee")).is_empty()
    for row in rows.filter(pl.col("unknown_s") == 0).to_dicts():
        pieces = slow_oee.quantities(
            said,
            PLAN,
            row["shift_id"],
            *slow_oee.window(PLAN, row["shift_id"]),
            MAX,
            PRI,
            COVERED,
        )
        if not pieces["gq_doubt"]:
            assert row["lower"] == row["oee"] == row["upper"]
    assert rows.equals(fast(said))


@settings(max_examples=25, deadline=None)
@given(machines())
def test_increments_are_the_pieces(said):
    """Never negative, and without resets and wraps they sum to last less first."""
    tags, cycles = plant.tags(), plant.cycles(**PRI)
    _, increments = plant.silver(plant.raw(said), tags, cycles)
    assert (increments["amount"] >= 0).all()
    assert (increments["from_time"] <= increments["to_time"]).all()
    good = [s for s in said if s.measure == "parts_total" and s.status < BAD]
    climbing = all(a.value <= b.value for a, b in pairwise(good))
    if good and climbing:
        total = increments.filter(pl.col("kind") == "total")["amount"].sum()
        assert total == good[-1].value - good[0].value


@settings(max_examples=20, deadline=None)
@given(machines(), machines())
def test_roll_ups_agree(one, other):
    """By shift then by day is by day at once, and the factors multiply to OEE."""
    rows = pl.concat([fast(one), fast(other).with_columns(work_unit_id=pl.lit("M2"))])
    by_unit = oee.roll_up(rows, ["factory_id", "work_unit_id"])
    day = oee.roll_up(rows, "factory_id")
    assert oee.roll_up(by_unit, "factory_id")["oee"].equals(day["oee"])
    assert day["work_units"].item() == 2
    assert day["shifts"].item() == rows.height
    known = rows["ideal_good_s"].null_count() == 0
    good = rows["ideal_good_s"].sum() / rows["pbt_s"].sum() if known else None
    assert day["oee"].item() == good
    a, e, q, whole = day.select("availability", "effectiveness", "quality_ratio", "oee").row(0)
    if None not in (a, e, q):
        assert a * e * q == pytest.approx(whole, rel=1e-12)
    assert day["lower"].item() <= day["upper"].item()
    assert not known or day["lower"].item() <= whole <= day["upper"].item()
    unknown = rows["unknown_s"].sum() / rows["pbt_s"].sum()
    assert day["completeness"].item() == pytest.approx(1 - unknown)
