"""OEE per shift at its edges, and what each shortcut would have said instead."""

import polars as pl
import pytest

from pipelines import oee
from pipelines.schemas import OEE_BY_SHIFT
from tests.pipelines import plant
from tests.pipelines.plant import BAD, Said

H = 3600
PRI = plant.cycles(A=10.0, B=20.0)
RUNNING = [Said(-60, "item_state", 3), Said(-60, "operation_mode", 3), Said(-60, "order_id", "O1"),
           Said(-60, "product_id", "A")]  # fmt: skip


def pieces(*seconds, first=0):
    """Good pieces: total and good counters one up at each second."""
    said = [Said(-30, m, first) for m in ("parts_total", "parts_good")]
    return said + [
        Said(s, m, first + n)
        for n, s in enumerate(seconds, 1)
        for m in ("parts_total", "parts_good")
    ]


def shifts_of(said, *plan, covered=((-100, 100 * H),), tags=None, cycles=PRI):
    tags = plant.tags() if tags is None else tags
    found = plant.figures(
        plant.raw(said), tags, plant.plan(*plan), cycles, plant.coverage(*covered)
    )
    assert found.schema == OEE_BY_SHIFT
    return {row["shift_id"]: row for row in found.to_dicts()}


def test_state_from_before_the_shift_is_carried_in():
    """Without the carry-in APT would be 0 here."""
    found = shifts_of(RUNNING, ("A", 0, H, "busy"))["A"]
    assert (found["apt_s"], found["unknown_s"], found["completeness"]) == (H, 0, 1)


def test_an_episode_is_clipped_at_the_shift_edges():
    """Unclipped, the run from before A until after B would count whole in one of them."""
    said = [*RUNNING, Said(1.5 * H, "item_state", 1), Said(1.5 * H, "operation_mode", 0)]
    found = shifts_of(said, ("A", 0, H, "busy"), ("B", H, 2 * H, "busy"))
    assert [found[s]["apt_s"] for s in "AB"] == [H, 0.5 * H]
    assert found["B"]["adot_s"] == 0.5 * H


def test_before_the_first_state_and_outside_coverage_is_unknown():
    said = [Said(600, "item_state", 3), Said(600, "operation_mode", 3)]
    found = shifts_of(said, ("A", 0, H, "busy"), covered=((-100, 3000), (3300, 9 * H)))["A"]
    assert (found["apt_s"], found["unknown_s"]) == (2700, 900)
    assert found["completeness"] == 0.75


def test_every_server_of_a_machine_must_be_covered():
    tags = pl.concat([plant.tags(["item_state", "operation_mode"]),
                      plant.tags(["parts_total"], server="urn:plant:s2")])  # fmt: skip
    both = pl.concat(
        [plant.coverage((0, 2000)), plant.coverage((1000, 2 * H), server="urn:plant:s2")]
    )
    found = plant.figures(
        plant.raw(RUNNING), tags, plant.plan(("A", 0, H, "busy")), PRI, both
    )  # fmt: skip
    assert found["apt_s"].to_list() == [1000]
    episodes, increments = plant.silver(plant.raw(RUNNING), tags, PRI)
    units = tags.select(OEE_BY_SHIFT.names()[:4])
    plan = plant.plan(("A", 0, H, "busy"))
    bare = oee.by_shift(episodes, increments, plan, PRI, both, units)
    assert bare["apt_s"].to_list() == [1000]


def test_what_was_not_heard_is_unknown():
    """The last state before a gap would else have lasted through it."""
    plan, whole = plant.plan(("A", 0, H, "busy")), plant.coverage((0, H))
    for missed in (plant.gaps((None, 600, 3000)), plant.gaps(("parts_total", 600, 3000))):
        found = plant.figures(plant.raw(RUNNING), plant.tags(), plan, PRI, whole, missed)
        shift = found.row(0, named=True)
        assert (shift["apt_s"], shift["unknown_s"]) == (1200, 2400)
        assert shift["completeness"] == pytest.approx(1 / 3)


def test_a_machine_whose_server_fell_silent_is_still_there():
    """Another server of the factory tells that time went on."""
    both = pl.concat([plant.coverage((0, H)), plant.coverage((0, 3 * H), server="urn:plant:s2")])
    plan = plant.plan(("A", 0, H, "busy"), ("B", H, 2 * H, "busy"))
    found = plant.figures(plant.raw(RUNNING), plant.tags(), plan, PRI, both)
    assert found.select("shift_id", "completeness", "is_open").rows() == [
        ("A", 1, False),
        ("B", 0, False),
    ]


def test_open_shift_is_cut_at_the_end_of_coverage_and_later_ones_are_left_out():
    plan = [("A", 0, 8 * H, "busy"), ("B", 8 * H, 16 * H, "busy"), ("Z", -9 * H, -8 * H, "busy")]
    found = shifts_of([*RUNNING, *pieces(10, 20)], *plan, covered=((-100, H),))
    assert set(found) == {"A"}
    assert found["A"]["is_open"]
    assert (found["A"]["pbt_s"], found["A"]["apt_s"], found["A"]["pq"]) == (H, H, 2)
    assert found["A"]["end"] == plant.at(H)


def test_pieces_in_breaks_are_outside_the_plan():
    said = [*RUNNING, *pieces(10, 1800, 1900, 3599, H)]
    found = shifts_of(
        said, ("A", 0, H, "busy"), ("A", 1800, 2400, "break"), ("B", H, 2 * H, "busy")
    )
    assert (found["A"]["pq"], found["A"]["pq_outside_plan"], found["A"]["pbt_s"]) == (2, 2, 3000)
    assert found["B"]["pq"] == 1, "a piece at the edge belongs to the shift that begins there"


def test_a_shift_that_does_not_run_keeps_its_pieces_and_has_no_ratio():
    found = shifts_of([*RUNNING, *pieces(10, 20)], ("A", 0, H, "not_planned"))["A"]
    assert (found["pbt_s"], found["pq"], found["pq_outside_plan"]) == (0, 0, 2)
    assert (found["oee"], found["availability"], found["completeness"]) == (None, None, None)
    assert found["outside_plan"]


def test_idle_shift_is_oee_0_and_effectiveness_over_1_is_kept():
    plan = [("A", 0, 100, "busy"), ("B", 100, 200, "busy")]
    found = shifts_of([*RUNNING, *pieces(*range(1, 100, 5))], *plan)
    assert (found["B"]["oee"], found["B"]["quality_ratio"]) == (0, None)
    assert found["A"]["effectiveness"] == 2.0
    assert found["A"]["effectiveness_over_1"]
    assert found["A"]["oee"] == found["A"]["upper"] == 2.0


def test_mixed_products_use_each_ones_cycle():
    said = [*RUNNING, *pieces(100, 200, 400, 500), Said(300, "product_id", "B")]
    found = shifts_of(said, ("A", 0, 1000, "busy"))["A"]
    assert (found["ideal_total_s"], found["oee"]) == (60, 0.06)


def test_cycle_valid_from_holds_from_then_on():
    later = plant.cycles(A=5.0).with_columns(
        valid_from=pl.lit(plant.at(150)).cast(PRI.schema["valid_from"])
    )
    found = shifts_of(
        [*RUNNING, *pieces(100, 200)], ("A", 0, 1000, "busy"), cycles=pl.concat([PRI, later])
    )
    assert found["A"]["ideal_total_s"] == 15


def test_product_without_a_cycle_leaves_oee_undefined_within_bounds():
    said = [*RUNNING, *pieces(100, 200, 400), Said(300, "product_id", "X")]
    found = shifts_of(said, ("A", 0, 1000, "busy"))["A"]
    assert (found["pq"], found["oee"], found["effectiveness"]) == (3, None, None)
    assert (found["lower"], found["upper"], found["quality_ratio"]) == (0.02, 1.0, 1.0)


def test_good_is_what_is_left_where_there_is_no_good_counter():
    tags = plant.tags(
        ["item_state", "operation_mode", "product_id", "parts_total", "parts_bad", "parts_rework"]
    )
    said = [*RUNNING[:2], RUNNING[3]]
    said += [Said(t, "parts_total", n) for n, t in enumerate((-30, 10, 20, 30, 40))]
    said += [
        Said(-30, "parts_bad", 0),
        Said(30, "parts_bad", 1),
        Said(-30, "parts_rework", 0),
        Said(40, "parts_rework", 1),
    ]
    found = shifts_of(said, ("A", 0, 100, "busy"), tags=tags)["A"]
    assert [found[n] for n in ("pq", "gq", "sq", "rq")] == [4, 2, 1, 1]
    assert found["oee"] == 0.2


def test_good_counter_that_stood_still_is_not_mistaken_for_none():
    said = [
        *RUNNING,
        Said(-30, "parts_total", 0),
        Said(-30, "parts_good", 0),
        Said(10, "parts_total", 1),
    ]
    assert shifts_of(said, ("A", 0, 100, "busy"))["A"]["gq"] == 0


def test_bounds_hold_whatever_was_lost():
    """The pieces of a gap over the edge are shared by time: the true OEE of both stays inside."""
    seen = [*RUNNING, *pieces(*range(10, 3001, 10))]
    lost = [s for s in seen if not 2000 <= s.second < 2800]
    plan = [("A", 0, 2400, "busy"), ("B", 2400, 3000, "busy")]
    true = shifts_of(seen, *plan, covered=((-100, 3000),))
    found = shifts_of(lost, *plan, covered=((-100, 2000), (2800, 3000)))
    for shift in "AB":
        assert found[shift]["lower"] <= true[shift]["oee"] <= found[shift]["upper"]
    assert sum(found[s]["pq"] for s in "AB") == sum(true[s]["pq"] for s in "AB")
    assert found["B"]["pq_estimated"] > 0
    assert found["A"]["lower"] < found["A"]["upper"] < 1.0001


def test_bad_values_are_not_zeros():
    """Taken as 0 the Bad reading would be a reset and then 1,002 pieces at once."""
    said = [
        *RUNNING,
        *pieces(10, 20, first=1000),
        Said(15, "parts_total", 0, BAD),
        Said(15, "parts_good", 0, BAD),
    ]
    found = shifts_of(said, ("A", 0, 100, "busy"))["A"]
    assert (found["pq"], found["oee"]) == (2, 0.2)


def test_arrival_order_and_repeats_do_not_matter():
    said = [*RUNNING, *pieces(10, 20, 30)]
    muddled = [*reversed(said), *said]
    plan = ("A", 0, 100, "busy")
    assert shifts_of(muddled, plan) == shifts_of(said, plan)


@pytest.mark.parametrize("cut", [1, 30, 50, 90])
def test_neighbouring_days_give_the_figures_of_the_whole(cut):
    """Gold reads stored days whose episodes overlap by the carried one."""
    said = [*RUNNING, *pieces(10, 20, 40, 80), Said(60, "item_state", 2)]
    rows, tags, plan = plant.raw(said), plant.tags(), plant.plan(("A", 0, 100, "busy"))
    episodes, increments = zip(*plant.in_parts(rows, tags, PRI, [cut]), strict=True)
    split = oee.by_shift(
        pl.concat(episodes).lazy(),
        pl.concat(increments).lazy(),
        plan,
        PRI,
        plant.coverage((-100, 200)),
        tags,
    )
    assert split.equals(plant.figures(rows, tags, plan, PRI, plant.coverage((-100, 200))))


def test_empty_input_gives_an_empty_table():
    found = plant.figures(plant.raw([]), plant.tags(), plant.plan(), PRI, plant.coverage())
    assert found.schema == OEE_BY_SHIFT
    assert found.is_empty()


def m1_and(*more, tags=None, plan=(("A", 0, H, "busy"), ("B", H, 2 * H, "busy"))):
    return shifts_of([*RUNNING, *more], *plan, tags=tags)


@pytest.mark.parametrize(
    "measures", [plant.MACHINERY[:5], plant.MACHINERY, [*plant.MACHINERY[:5], "parts_bad"]]
)
def test_a_machine_that_nobody_counted_has_no_oee(measures):
    """0 would be a figure with completeness 1, and would halve that of the whole line."""
    late = [Said(-30, "parts_bad", 0), Said(10, "parts_bad", 1)] if len(measures) == 6 else []
    found = m1_and(*late, tags=plant.tags(measures))["A"]
    names = ("pq", "gq", "pq_outside_plan", "oee", "lower", "upper")
    assert [found[name] for name in names] == [None, None, None, None, 0, 1]
    assert found["sq"] == (1 if late else None)


def test_a_roll_up_over_an_uncounted_machine_is_unknown_within_bounds():
    said = [*RUNNING, *pieces(*range(10, H, 10))]
    two = plant.tags(units=("M1", "M2"))
    rows = plant.figures(plant.raw(said), two, plant.plan(("A", 0, H, "busy")), PRI,
                         plant.coverage((-100, 2 * H)))  # fmt: skip
    day = oee.roll_up(rows, "factory_id").to_dicts()[0]
    assert day["oee"] is None
    assert day["lower"] == pytest.approx(0.4986, abs=1e-4)
    assert day["upper"] > 0.99


def test_a_counter_that_spoke_once_is_evidence_until_it_goes_bad():
    still = [Said(-30, m, 7) for m in ("parts_total", "parts_good")]
    found = m1_and(*still)
    assert [(found[s]["pq"], found[s]["oee"], found[s]["upper"]) for s in "AB"] == [(0, 0, 0)] * 2
    found = m1_and(*still, *(Said(H - 600, m, 0, BAD) for m in ("parts_total", "parts_good")))
    assert (found["A"]["oee"], found["B"]["oee"]) == (0, None)
    assert (found["B"]["lower"], found["B"]["upper"]) == (0, 1)


def test_pieces_of_a_bad_spell_over_an_edge_stay_within_the_bounds():
    """The next good reading brings 61 pieces of 600 s of A and 10 s of B: 60 and 1."""
    seen = pieces(*range(10, 2 * H, 10))
    bad = [Said(s.second, s.measure, 0, BAD) if H - 600 < s.second < H + 5 else s for s in seen]
    true, found = m1_and(*seen), m1_and(*bad)
    for shift in "AB":
        assert found[shift]["lower"] <= true[shift]["oee"] <= found[shift]["upper"]
        assert true[shift]["lower"] == true[shift]["oee"] == true[shift]["upper"]
    assert [(found[s]["pq"], found[s]["pq_estimated"]) for s in "AB"] == [(360, 60), (359, 1)]
    assert found["A"]["lower"] == pytest.approx(300 / 360)
    assert found["B"]["lower"] < 1 == found["B"]["upper"]


def test_a_bad_spell_within_busy_time_puts_nothing_in_doubt():
    seen = pieces(*range(10, H, 10))
    bad = [Said(s.second, s.measure, 0, BAD) if 600 < s.second < 900 else s for s in seen]
    assert m1_and(*bad)["A"] == m1_and(*seen)["A"]


FEWER = plant.tags(["item_state", "operation_mode", "product_id", "parts_total", "parts_bad"])


def scrapped(totals, scraps, *more):
    said = [Said(-30, "parts_total", 0), Said(-30, "parts_bad", 0)]
    said += [Said(t, "parts_total", n) for n, t in enumerate(totals, 1)]
    said += [Said(t, "parts_bad", n) for n, t in enumerate(scraps, 1)]
    return m1_and(*said, *more, tags=FEWER)


def test_late_scrap_belongs_to_the_shift_that_made_it():
    """Booked when it was judged, the idle shift would have an OEE below 0."""
    found = scrapped([10, 20, 30], [H + 100, H + 101])
    assert [found["A"][n] for n in ("pq", "gq", "sq")] == [3, 1, 2]
    assert [found["B"][n] for n in ("pq", "gq", "sq", "oee")] == [0, 0, 0, 0]


def test_late_scrap_belongs_to_the_product_that_was_made():
    found = scrapped([10, 20, 30], [50, 51], Said(40, "product_id", "B"))["A"]
    assert (found["gq"], found["quality_ratio"]) == (1, pytest.approx(1 / 3))


def test_more_scrap_than_pieces_is_no_negative_quantity():
    found = scrapped([10, H + 10], [H + 20, H + 21, H + 22])["B"]
    assert (found["pq"], found["gq"], found["oee"]) == (1, 0, 0)


def test_late_scrap_of_a_total_that_is_not_read_stays_where_it_was_told():
    bad = [Said(H + 50, "parts_total", 0, BAD), Said(H + 200, "parts_total", 4)]
    found = scrapped([10, 20, 30], [H + 100], *bad)["B"]
    assert [found[n] for n in ("pq", "gq", "sq")] == [1, 0, 1]


def test_lines_may_use_the_same_work_unit_id():
    """Placed by factory and work unit, the pieces of L1 would be made by L2."""
    other = plant.tags().with_columns(line_id=pl.lit("L2"), node_id=pl.col("node_id") + "2")
    said = plant.raw([*RUNNING, *pieces(10, 20, 30)])
    idle = plant.raw([*RUNNING, *pieces()]).with_columns(node_id=pl.col("node_id") + "2")
    keys = plant.tags().with_columns(park_id=pl.lit(None, pl.String))
    rows, tags, plan = pl.concat([said, idle]), pl.concat([keys, other]), ("A", 0, H, "busy")
    found = plant.figures(rows, tags, plant.plan(plan), PRI, plant.coverage((-100, H)))
    assert dict(found.select("line_id", "pq").rows()) == {"L1": 3, "L2": 0}


def test_every_piece_of_overlapping_shifts_is_in_one_of_them():
    found = m1_and(
        *pieces(10, 3 * H, 4.5 * H, 6 * H, 7.5 * H),
        plan=(("A", 0, 8 * H, "busy"), ("B", H, 2 * H, "busy"), ("C", 7 * H, 9 * H, "busy"),
              ("A", 4 * H, 5 * H, "break")),
    )  # fmt: skip
    assert [(found[s]["pq"], found[s]["pbt_s"] / H) for s in "ABC"] == [(3, 5), (0, 1), (1, 2)]
    assert found["A"]["pq_outside_plan"] == 1


def test_a_later_more_specific_cycle_does_not_rewrite_the_past():
    later = plant.cycles(A=5.0).with_columns(
        work_unit_id=pl.lit("M1"), valid_from=pl.lit(plant.at(1800)).cast(PRI.schema["valid_from"])
    )
    never = plant.cycles(A=float("nan"), B=0.0)
    said = [*RUNNING, *pieces(10, 20, 1900)]
    cycles = pl.concat([PRI, later, never])
    found = shifts_of(said, ("A", 0, H, "busy"), cycles=cycles)["A"]
    assert found["ideal_total_s"] == 25
