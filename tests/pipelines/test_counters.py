"""Counters: resets, rollovers, Bad readings, products, the carry."""

from dataclasses import replace

import polars as pl
import pytest

from pipelines import counters
from tests.pipelines import plant
from tests.pipelines.plant import BAD, Said

INT32 = 2**31 - 1


def total(*readings, **how):
    """Increments of parts_total from (second, count[, status])."""
    pri_s, policy = how.get("pri_s", 10.0), how.get("policy", "never")
    said = [Said(-9, "product_id", "A")]
    said += [Said(r[0], "parts_total", r[1], *r[2:]) for r in readings] + how.get("more", [])
    tags = plant.tags(counter_max=how.get("counter_max", INT32), reset_policy=policy)
    cycles = plant.cycles(A=pri_s, B=2 * pri_s)
    values = plant.timed(plant.raw(said))
    found = counters.increments(values, tags, cycles)
    return steps(found.filter(pl.col("kind") == "total")).to_dicts()


def steps(found):
    """Without the rows that only tell what was not read."""
    return found.filter(pl.col("from_time").is_not_null(), pl.col("amount").is_not_null())


def short(rows):
    return [(r["amount"], r["cause"]) for r in rows]


def test_first_reading_ever_adds_nothing():
    assert short(total((0, 5000))) == []
    assert short(total((0, 5000), (10, 5001))) == [(1, "step")]


def test_what_was_not_read_is_told():
    """Before the first reading, from the last good reading on, and nothing lost after all."""
    said = [Said(0, "parts_total", 5), Said(10, "parts_total", 0, BAD),
            Said(20, "parts_total", None), Said(30, "parts_total", 5)]  # fmt: skip
    found = counters.increments(plant.timed(plant.raw(said)), plant.tags(), plant.cycles(A=9.0))
    assert found.select("from_time", "to_time", "amount", "cause").rows() == [
        (None, plant.at(0), 0, "gap"),
        (plant.at(0), plant.at(10), None, "gap"),
        (plant.at(0), plant.at(30), 0, "gap"),
    ]


def test_a_reset_nobody_could_see_is_estimated():
    found = total((0, 90), (10, 0, BAD), (60, 3), policy="job")
    assert [(r["amount"], r["cause"], r["estimated"]) for r in found] == [(3, "reset", True)]


def test_whole_numbers_count_whatever_type_carries_them():
    assert short(total((0, 1.0), (10, 2.0), (20, 2.5), (30, float("nan")), (40, 3))) == [
        (1, "step"), (1, "gap"),
    ]  # fmt: skip


def two_nodes(first, second):
    """Increments of parts_total from two nodes of one machine, each of (second, count)."""
    other = plant.tags(["parts_total"]).with_columns(node_id=pl.lit(plant.node("zz")))
    said = [Said(t, "parts_total", n) for t, n in first] + [Said(t, "zz", n) for t, n in second]
    tags = pl.concat([plant.tags(), other])
    rows = plant.raw(said)
    _, whole = plant.silver(rows, tags, plant.cycles(A=1.0))
    for edge in (5, 15, 25, 35):
        parts = [i for _, i in plant.in_parts(rows, tags, plant.cycles(A=1.0), [edge])]
        assert pl.concat(parts).equals(whole)
    return steps(whole).select("amount", "to_time").rows()


def test_two_nodes_of_one_counter_count_a_piece_once():
    """Both taken, the machine would have made twice as much."""
    readings = [(t, t) for t in range(0, 50, 10)]
    assert two_nodes(readings, readings) == [(10, plant.at(t)) for t in range(10, 50, 10)]


def test_a_node_counts_until_a_better_one_speaks():
    assert two_nodes([], [(0, 1), (10, 2)]) == [(1, plant.at(10))]
    late = [(20, 7), (30, 8)]
    assert two_nodes(late, [(0, 1), (10, 2), (20, 3), (30, 4)]) == [
        (1, plant.at(10)), (1, plant.at(20)), (1, plant.at(30)),
    ]  # fmt: skip


def test_lines_may_use_the_same_work_unit_id():
    """Joined by factory and work unit, one line would have the products and the cycles of both."""
    here = plant.tags(["parts_total", "product_id"])
    there = here.with_columns(
        line_id=pl.lit("L2"), park_id=pl.lit(None, pl.String),
        node_id="nsu=urn:plant;s=L2." + pl.col("measure"),
    )  # fmt: skip
    said = [Said(0, "product_id", "A"), Said(1, "parts_total", 40), Said(9, "parts_total", 1)]
    other = [Said(5, "product_id", "B"), Said(1, "parts_total", 40), Said(9, "parts_total", 2)]
    rows = pl.concat([
        plant.raw(said),
        plant.raw(other).with_columns(pl.col("node_id").str.replace("M1", "L2", literal=True)),
    ])  # fmt: skip
    mine = plant.cycles(A=1.0, B=1.0).with_columns(line_id=pl.lit("L2"))
    tags = pl.concat([here, there]).with_columns(counter_max=pl.lit(41, pl.Int64))
    found = steps(counters.increments(plant.timed(rows), tags, mine))
    assert found.select("line_id", "product_id", "amount", "cause").sort("line_id").rows() == [
        ("L1", "A", 1, "reset"), ("L2", "B", 4, "rollover"),
    ]  # fmt: skip


@pytest.mark.parametrize("useless", [0.0, -1.0, float("nan"), float("inf")])
def test_a_cycle_that_cannot_be_bounds_nothing(useless):
    said = [Said(0, "parts_total", INT32), Said(10, "parts_total", 0)]
    values = plant.timed(plant.raw(said))
    found = counters.increments(values, plant.tags(), plant.cycles(A=useless))
    assert steps(found)["cause"].to_list() == ["reset"]


def test_rollover_within_the_physical_bound():
    assert short(total((0, INT32 - 1), (30, 2))) == [(4, "rollover")]


def test_rollover_bound_is_twice_the_time_over_pri_plus_two():
    """In 30 s at 10 s a piece at most 2 x 3 + 2 = 8 pieces: 8 wrap, 9 do not."""
    assert short(total((0, INT32 - 4), (30, 3))) == [(8, "rollover")]
    assert short(total((0, INT32 - 5), (30, 3))) == [(3, "reset")]


def test_half_modulus_rule_would_be_wrong():
    """A reset from above half of counter_max is no rollover: it would add millions of pieces."""
    assert short(total((0, INT32 // 2 + 5_000), (60, 2))) == [(2, "reset")]


def test_every_drop_a_reset_would_be_wrong():
    """A wrap just before the next piece, with 12-piece cycles, is a dozen and not eleven."""
    assert short(total((0, 65_535), (60, 11), counter_max=65_535)) == [(12, "rollover")]


def test_reset_says_whether_it_was_foreseen():
    assert [r["estimated"] for r in total((0, 90), (60, 3))] == [True]
    assert [r["estimated"] for r in total((0, 90), (60, 3), policy="job")] == [False]


def test_bad_readings_are_skipped_and_the_next_brings_the_pieces():
    found = total((0, 10), (10, 0, BAD), (20, 0, BAD), (30, 13), (40, 14))
    assert short(found) == [(3, "gap"), (1, "step")]
    assert (found[0]["from_time"], found[0]["to_time"]) == (plant.at(0), plant.at(30))


def test_product_is_the_one_at_the_instant():
    more = [Said(20, "product_id", "B")]
    found = total((0, 1), (10, 2), (20, 3), (30, 4), more=more)
    assert [r["product_id"] for r in found] == ["A", "B", "B"]


def test_product_change_inside_a_gap_is_estimated():
    found = total((0, 1), (10, 0, BAD), (30, 4), more=[Said(20, "product_id", "B")])
    assert [(r["product_id"], r["estimated"]) for r in found] == [("B", True)]


def test_arrival_order_and_repeats_do_not_count():
    assert short(total((20, 3), (0, 1), (10, 2), (10, 2), (0, 1))) == [(1, "step"), (1, "step")]


def test_kinds_have_their_own_counters():
    said = [Said(t, m, t) for t in (0, 10) for m in counters.KINDS]
    values = plant.timed(plant.raw(said))
    found = counters.increments(values, plant.tags(), plant.cycles(A=1.0))
    assert dict(found.select("kind", "amount").iter_rows()) == dict.fromkeys(
        counters.KINDS.values(), 10
    )


def test_unknown_pri_makes_a_drop_a_reset():
    said = [Said(0, "parts_total", INT32), Said(10, "parts_total", 0)]
    values = plant.timed(plant.raw(said))
    cycles = plant.cycles(A=1.0).clear()
    found = counters.increments(values, plant.tags(), cycles)
    assert steps(found).select("amount", "cause").rows() == [(0, "reset")]


@pytest.mark.parametrize("edge", [5, 15, 25, 35, 45])
def test_carry_loses_nothing_at_an_edge(edge):
    said = [Said(0, "product_id", "A"), Said(22, "product_id", "B")]
    said += [Said(10, "parts_total", 1), Said(20, "parts_total", 0, BAD),
             Said(30, "parts_total", 4), Said(40, "parts_total", 2)]  # fmt: skip
    rows, tags, cycles = plant.raw(said), plant.tags(), plant.cycles(A=9.0, B=9.0)
    _, whole = plant.silver(rows, tags, cycles)
    parts = [increments for _, increments in plant.in_parts(rows, tags, cycles, [edge])]
    assert pl.concat(parts).equals(whole)


def later(before, after):
    """Increments after second 100 from the last values at second 100."""
    said = [Said(0, "product_id", "A"), *before]
    tags, cycles = plant.tags(["parts_total", "product_id"]), plant.cycles(A=9.0)
    _, (_, found) = plant.in_parts(plant.raw([*said, *after]), tags, cycles, [100])
    return steps(found).select("amount", "cause", "estimated", "product_id").rows()


def test_a_bad_reading_carried_marks_the_next_step_as_a_gap():
    before = [Said(10, "parts_total", 5), Said(20, "parts_total", 0, BAD)]
    assert later(before, [Said(200, "parts_total", 8)]) == [(3, "gap", False, "A")]


def test_a_reading_without_a_number_does_not_hide_the_one_before_it():
    """Without the numbered reading the three pieces would be lost at midnight."""
    before = [Said(10, "parts_total", 5), Said(20, "parts_total", None)]
    assert later(before, [Said(200, "parts_total", 8)]) == [(3, "gap", False, "A")]


def test_a_product_set_again_within_a_gap_is_estimated_on_either_side_of_midnight():
    before = [Said(10, "parts_total", 5), Said(15, "parts_total", 0, BAD)]
    again, piece = Said(20, "product_id", "A"), Said(200, "parts_total", 8)
    assert later([*before, again], [piece]) == [(3, "gap", True, "A")]
    assert later(before, [replace(again, second=150), piece]) == [(3, "gap", True, "A")]
