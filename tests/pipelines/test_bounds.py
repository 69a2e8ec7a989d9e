"""Lower and upper: the truth lies between them, and they are no wider than what nobody saw."""

from statistics import median

import pytest
from hypothesis import given, settings

from tests.pipelines import machine_history, plant
from tests.pipelines.machine_history import MOST, PRI, History, Piece, Spell, histories

PLAN = [("early", 600, 2400, "busy"), ("late", 2400, 4200, "busy"), ("early", 1000, 1200, "break")]
BUSY = {"early": [(600, 1000), (1200, 2400)], "late": [(2400, 4200)]}


def figures(history: History):
    """By shift, and the true OEE with them."""
    tags = plant.tags(
        ["item_state", "operation_mode", "product_id", *history.measures],
        counter_max=history.counter_max, reset_policy=history.policy,
    )  # fmt: skip
    gaps = history.gaps()
    rows = plant.figures(
        plant.raw(history.heard()), tags, plant.plan(*PLAN), plant.cycles(**PRI),
        plant.coverage(*history.coverage()), plant.gaps(*gaps) if gaps else None,
    ).to_dicts()  # fmt: skip
    true = {shift: history.good(spans) for shift, spans in BUSY.items()}
    return [row | {"true": true[row["shift_id"]] / row["pbt_s"]} for row in rows]


def is_inside(row) -> bool:
    """Whether the truth is: above 1 only by the piece that was begun before."""
    upper = row["upper"] + (MOST / row["pbt_s"] if row["upper"] >= 1 else 0)
    return row["lower"] - 1e-9 <= row["true"] <= upper + 1e-9


def width(row) -> float:
    return row["upper"] - row["lower"]


def allowed(history: History, row) -> float:
    """What the bounds may be apart: unknown time and unseen pieces, at their slowest.

    Scrap told in a hole may be of a piece in it, or of the last before, in whatever shift that is.
    """
    unseen = history.unseen(BUSY[row["shift_id"]]) + history.judged_unseen()
    return (row["unknown_s"] + unseen * MOST) / row["pbt_s"] + 0.001


def hold(history: History, widths: list) -> None:
    for row in figures(history):
        assert is_inside(row), (row["shift_id"], row["lower"], row["true"], row["upper"])
        assert width(row) <= allowed(history, row), (row["shift_id"], row["lower"], row["upper"])
        widths.append(width(row))


def printed(widths: list) -> None:
    told = [w for w in widths if w > 1e-12]
    print(f"median width of {len(widths)} shifts {median(widths):.4f}, of the {len(told)}"
          f" with anything unseen {median(told or [0]):.4f}")  # fmt: skip


def law(examples: int) -> None:
    widths = []

    @settings(max_examples=examples, deadline=None)
    @given(histories(resets=False))
    def every(history):
        hold(history, widths)

    every()
    printed(widths)


def test_the_truth_is_inside_bounds_that_are_sharp():
    law(50)


def pieces(*seconds):
    return [Piece(second, "A", "parts_good") for second in seconds]


def of(pieces, spells, measures):
    return History(pieces, [(-500, "A")], [], spells, 991, 999, measures, "never")


def test_a_rollover_that_nobody_read_is_unread_time():
    outages = [Spell(560, 600, "parts_total", True), Spell(960, 961, None, False)]
    made = pieces(*range(-100, -57, 7), -47, 560)
    hold(of(made, outages, ("parts_total", "parts_bad", "parts_rework")), [])


def test_no_more_pieces_are_unseen_than_the_next_reading_brings():
    outages = [Spell(560, 1291, "parts_good", True), Spell(1201, 1202, None, False)]
    made = pieces(406, 413, 420, 549, 556, 563, 570, 577)
    hold(of(made, outages, ("parts_good", "parts_bad", "parts_rework")), [])


def test_scrap_told_while_the_total_was_not_heard_may_be_of_a_piece_of_the_hole():
    """It was surely of the last step, before the shift: lower was above what the machine made."""
    made = [*pieces(*range(-100, -1, 7)), Piece(601, "A", "parts_bad"), *pieces(608)]
    hold(of(made, [Spell(601, 609)], ("parts_total", "parts_bad", "parts_rework")), [])


def test_scrap_told_in_a_hole_after_the_edge_may_leave_the_last_piece_good():
    """It was surely of the piece at 600: upper was below what the machine made."""
    made = [*pieces(-7, 600), Piece(1000, "A", "parts_bad"), *pieces(1007)]
    outages = [Spell(560, 566), Spell(1000, 1034)]
    hold(of(made, outages, ("parts_total", "parts_bad", "parts_rework")), [])


def test_rework_told_in_a_hole_of_the_break_may_be_of_the_piece_before_it():
    made = [*pieces(809, 1047), Piece(1054, "A", "parts_rework"), *pieces(1068)]
    hold(of(made, [Spell(1004, 1074)], ("parts_total", "parts_bad", "parts_rework")), [])


@pytest.mark.soak
def test_the_truth_is_inside_bounds_that_are_sharp_at_length():
    law(1500)


@settings(max_examples=30, deadline=None)
@given(histories())
def test_the_truth_is_inside_whatever_is_reset(history):
    """A reset in time that nobody heard may have taken all pieces since the last reading."""
    for row in figures(history):
        assert is_inside(row), (row["shift_id"], row["lower"], row["true"], row["upper"])


def machine(*spells, pieces=range(14, 4500, 10), resets=(), products=((-500, "A"),), **more):
    """A piece every 10 s of 7 s as planned: 0.7 in each shift."""

    def of(second):
        return [product for since, product in products if since <= second][-1]

    made = [Piece(second, of(second), "parts_good") for second in pieces]
    return History(made, list(products), list(resets), list(spells), 5000, **more)


def by_shift(history):
    return {row["shift_id"]: row for row in figures(history)}


def test_a_counter_that_stood_still_and_was_reset_has_no_unread_time():
    """It was said to be unread since the last piece: OEE of a shift that made nothing was null."""
    found = by_shift(machine(pieces=[14, 24], resets=[4300]))
    assert [found[s]["oee"] for s in BUSY] == [0, 0]
    assert [found[s]["upper"] for s in BUSY] == [0, 0]


def test_a_reset_that_was_seen_loses_nothing():
    """The time back to the last piece was taken as one in which pieces may have been made."""
    found = by_shift(machine(pieces=range(14, 1500, 10), resets=[3000]))
    assert [width(found[s]) for s in BUSY] == [0, 0]


def test_a_bad_spell_that_brings_no_piece_is_none():
    """The counter comes back as it went: nothing was made, over the edge or not."""
    spell = Spell(2000, 3000, "parts_good", is_bad=True)
    found = by_shift(machine(spell, pieces=range(14, 1500, 10)))
    assert [width(found[s]) for s in BUSY] == [0, 0]


def test_a_bad_spell_over_the_edge_adds_no_more_than_it_brings():
    """Three pieces in 1,000 s: they may lie on either side, but there are three."""
    spell = Spell(2000, 3000, "parts_good", is_bad=True)
    found = by_shift(machine(spell, pieces=[*range(14, 1500, 10), 2100, 2200, 2900]))
    assert all(width(found[s]) * 1800 < 4 * MOST + 8 for s in BUSY)
    assert all(map(is_inside, found.values()))


def test_pieces_after_a_short_hole_count_in_the_lower():
    """The first piece after each break was left out as soon as anything was unknown."""
    found = by_shift(machine(Spell(3000, 3005)))["late"]
    one = 7.0 / 1800
    assert found["true"] == found["oee"]
    assert found["oee"] - found["lower"] < 1e-9
    assert found["upper"] - found["oee"] <= 5 / 1800 + one


def test_a_product_nobody_heard_is_the_fastest_in_the_lower():
    """B was made in the hole: what was last told before and after is A, and the other way round."""
    change = ((-500, "B"), (1500, "A"), (1900, "B"))
    spell = Spell(1490, 1950)
    found = by_shift(machine(spell, pieces=range(14, 4500, 15), products=change))["early"]
    assert found["lower"] < found["true"] < found["oee"] < found["upper"]


def test_a_hole_over_the_edge_may_hide_the_end_of_a_piece():
    """One second is no time for a piece of 7 s, and yet one may end in it."""
    rows = machine(pieces=[2399, 2410]).heard()
    tags = plant.tags(["item_state", "operation_mode", "product_id", "parts_good"])
    late = [s for s in rows if s.second != 2399]
    covered = plant.coverage((-600, 2399), (2400, 5100))
    found = plant.figures(
        plant.raw(late), tags, plant.plan(*PLAN), plant.cycles(**PRI), covered
    ).sort("start")  # fmt: skip
    assert found["oee"].to_list()[0] == 0
    assert found["upper"].to_list()[0] >= 7.0 / 1600
    assert found["lower"].to_list()[1] <= 7.0 / 1800 < found["oee"].to_list()[1]


def test_a_reset_in_a_short_hole_may_hide_a_piece():
    """5,001 and then 0, both unheard: a piece of 7 s was lost in 3 s."""
    found = by_shift(machine(Spell(1499, 1502), pieces=[14, 1500], resets=[1501]))["early"]
    assert (found["oee"], found["lower"]) == (0, 0)
    assert is_inside(found)


def test_an_uncounted_tail_is_bounded_by_its_time():
    """From 4,000 s on nobody listens: at most 200 s and one piece more."""
    found = by_shift(machine(Spell(4000, machine_history.END)))["late"]
    assert is_inside(found)
    assert width(found) * 1800 <= 200 + MOST + 1e-6
