"""Losses add up to PBT, a stop is one stop wherever it is cut, and each cause has its name."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import losses
from pipelines.profiles import Profile, profile_of
from pipelines.schemas import LOSSES_BY_SHIFT
from tests.pipelines import plant, slow_oee
from tests.pipelines.plant import BAD, Said
from tests.pipelines.test_oee_twin import COVERED, GAPS, MAX, OVERLAPPING, PLAN, PRI, machines

H = 3600
WORK = [Said(-60, "item_state", 3), Said(-60, "operation_mode", 3), Said(-60, "order_id", "O1"),
        Said(-60, "product_id", "A")]  # fmt: skip
REASONS = {"BD": "breakdown", "MS": "minor_stop", "ST": "starved", "NO": "no_order", "TO": "setup"}


def stop(start, end, *, item=2, mode=3, code=None):
    """A stop between two times of running."""
    said = [Said(start, "item_state", item), Said(start, "operation_mode", mode)]
    said += [Said(end, "item_state", 3), Said(end, "operation_mode", 3)]
    if code is not None:
        said += [Said(start, "stop_reason_code", code), Said(end, "stop_reason_code", "")]
    return said


def pieces(seconds, bad=()):
    """A piece at each second, all good but those of `bad`."""
    said = [Said(-30, m, 0) for m in ("parts_total", "parts_good", "parts_bad")]
    good = scrap = 0
    for number, second in enumerate(seconds, 1):
        scrap += second in bad
        good += second not in bad
        said += [Said(second, "parts_total", number), Said(second, "parts_good", good),
                 Said(second, "parts_bad", scrap)]  # fmt: skip
    return said


def lost(said, *plan, covered=((-100, 100 * H),), pri=None, **more):
    more.setdefault("reasons", plant.reasons(**REASONS))
    found = plant.lost(
        plant.raw(said), plant.tags(), plant.plan(*plan), plant.cycles(**(pri or {"A": 10.0})),
        plant.coverage(*covered), **more,
    )  # fmt: skip
    assert found.schema == LOSSES_BY_SHIFT
    return found


def seconds(found, *by):
    sums = found.group_by(by or ["loss"]).agg(pl.sum("lost_s"))
    return {row[0] if len(row) == 2 else row[:-1]: row[-1] for row in sums.rows()}


SHIFT = ("A", 0, H, "busy")


def test_an_hour_by_hand():
    said = [
        *WORK, *stop(300, 900, mode=2), *stop(1200, 1260, code="MS"), *stop(1800, 2400, item=1,
        mode=0, code="BD"), *stop(2401, 2701, code="ST"), *stop(3000, 3060, mode=0, code="NO"),
        *pieces(range(20, 300, 20), bad=(40,)), *pieces([]),
    ]  # fmt: skip
    found = lost(said, SHIFT)
    by_loss = seconds(found)
    made = len(range(20, 300, 20))
    assert by_loss == {
        "setup": 600, "minor_stop": 60, "breakdown": 600, "waiting": 360,
        "productive": 10.0 * (made - 1), "defect": 10.0,
        "speed": H - 600 - 60 - 600 - 360 - 10.0 * made,
    }  # fmt: skip
    assert sum(by_loss.values()) == H
    assert seconds(found, "category")["starved"] == 300
    assert found.filter(pl.col("loss") == "defect")["pieces"].to_list() == [1]
    begun = found.group_by("loss").agg(pl.sum("stops")).filter(pl.col("stops") > 0)
    assert dict(begun.rows()) == {"setup": 1, "minor_stop": 1, "breakdown": 1, "waiting": 2}


@pytest.mark.parametrize(
    ("lasted", "code", "loss"),
    [
        (299, "BD", "minor_stop"), (300, "BD", "breakdown"), (299, None, "minor_stop"),
        (300, "MS", "breakdown"), (299, "ST", "minor_stop"), (300, "ST", "waiting"),
        (10, "NO", "waiting"), (10, "TO", "setup"), (600, "??", "breakdown"),
    ],
)  # fmt: skip
def test_the_threshold_tells_minor_stops(lasted, code, loss):
    found = lost([*WORK, *stop(100, 100 + lasted, code=code)], SHIFT)
    assert seconds(found)[loss] == lasted


def test_the_threshold_is_the_profiles():
    said = [*WORK, *stop(100, 220)]
    strict = Profile("strict", profile_of("opc40001-1").rules, micro_stop_s=120)
    assert "minor_stop" in seconds(lost(said, SHIFT))
    found = lost(said, SHIFT, profile=strict)
    assert seconds(found)["breakdown"] == 120
    assert set(found["profile_id"]) == {"strict"}


def test_a_stop_over_an_edge_and_a_break_is_one():
    """Four minutes in each shift: neither is minor, and only the first shift counts it."""
    plan = [("A", 0, H, "busy"), ("B", H, 2 * H, "busy"), ("A", H - 600, H, "break")]
    found = lost([*WORK, *stop(H - 840, H + 240)], *plan)
    rows = found.filter(pl.col("loss") == "breakdown").sort("shift_id")
    assert rows.select("shift_id", "lost_s", "stops").rows() == [("A", 240, 1), ("B", 240, 0)]


@pytest.mark.parametrize(("pause_h", "loss"), [(15.9, "breakdown"), (16, "minor_stop")])
def test_a_stop_does_not_last_over_a_weekend(pause_h, loss):
    """Friday's figures could not see how long it goes on on Monday."""
    monday = int((1 + pause_h) * H)
    said = [*WORK, *stop(H - 27, monday + 700)]
    found = lost(said, SHIFT, ("B", monday, monday + H, "busy"))
    assert seconds(found.filter(pl.col("stops") > 0), "shift_id", "loss").get(("A", loss)) == 27


def test_a_stop_cut_by_unknown_time_is_two():
    said = [*WORK, *stop(600, 1200)]
    found = lost(said, SHIFT, covered=((-100, 800), (1000, 9 * H)))
    assert seconds(found)["minor_stop"] == 400
    assert seconds(found)["unknown"] == 200


def test_bad_pieces_behind_a_setup_are_the_loss_of_starting_up():
    said = [*WORK, *stop(600, 900, mode=2), *pieces(range(20, H, 20), bad=(520, 920, 1480, 1520))]
    found = lost([s for s in said if not 600 <= s.second < 900 or s.measure == "operation_mode"
                  or s.measure == "item_state"], SHIFT)  # fmt: skip
    rows = {row["loss"]: row for row in found.to_dicts()}
    assert (rows["start_up"]["pieces"], rows["start_up"]["lost_s"]) == (2, 20)
    assert (rows["defect"]["pieces"], rows["defect"]["lost_s"]) == (2, 20)


def test_speed_is_lost_by_product():
    said = [*WORK, Said(1800, "product_id", "B"), *pieces(range(20, H + 1, 20))]
    found = lost(said, SHIFT, pri={"A": 10.0, "B": 15.0}).filter(pl.col("loss") == "speed")
    made = {"A": len(range(20, 1800, 20)), "B": len(range(1800, H, 20))}
    assert dict(found.select("product_id", "lost_s").rows()) == {
        "A": 1800 - 10.0 * made["A"], "B": 1800 - 15.0 * made["B"],
    }  # fmt: skip


@pytest.mark.parametrize("case", ["no cycle", "no counter"])
def test_what_nobody_can_rate_is_unrated(case):
    said = [*WORK, *(pieces([]) if case == "no counter" else pieces(range(20, H, 20)))]
    said = [s for s in said if case != "no counter" or not s.measure.startswith("parts")]
    found = lost(said, SHIFT, pri={"Z": 10.0})
    assert seconds(found) == {"unrated": H}


def test_unknown_state_is_unknown_and_nothing_else():
    said = [*WORK, Said(600, "item_state", None, BAD), Said(900, "item_state", 3)]
    found = lost([*said, *pieces(range(20, H, 20))], SHIFT)
    assert seconds(found)["unknown"] == 300


def test_pareto_ranks_by_time_and_ends_at_all_of_it():
    said = [*WORK, *stop(300, 900, code="BD"), *stop(1200, 1300, code="MS"),
            *stop(1400, 1500, code="MS"), *pieces(range(20, 300, 20))]  # fmt: skip
    found = losses.pareto(lost(said, SHIFT), ["stop_reason_code"])
    assert found["stop_reason_code"].to_list() == [None, "BD", "MS"]
    assert found["stops"].to_list() == [0, 1, 2]
    assert found["cumulative"].to_list()[-1] == 1
    assert found["lost_s"].sum() == H - 10.0 * len(range(20, 300, 20))


CODES = st.builds(
    Said, st.integers(0, 4500), st.just("stop_reason_code"), st.sampled_from(["", *REASONS])
)


@settings(max_examples=30, deadline=None)
@given(
    machines(),
    st.lists(CODES, max_size=8),
    st.sampled_from([PLAN, OVERLAPPING]),
    st.lists(GAPS, max_size=2),
    st.integers(1, 400),
)
def test_losses_equal_the_slow_walk_and_sum_to_pbt(said, codes, plan, gaps, micro_s):
    said = [*said, *{s.second: s for s in codes}.values()]
    rules = Profile("drawn", profile_of("opc40001-1").rules, micro_stop_s=micro_s)
    arguments = (
        plant.raw(said), plant.tags(counter_max=MAX), plant.plan(*plan), plant.cycles(**PRI),
        plant.coverage(*COVERED),
    )  # fmt: skip
    missed = plant.gaps(*gaps) if gaps else None
    found = plant.lost(*arguments, missed=missed, reasons=plant.reasons(**REASONS), profile=rules)
    rates = {row["shift_id"]: row for row in plant.figures(*arguments, missed).to_dicts()}
    stopped, begun = slow_oee.stops(said, plan, COVERED, gaps, REASONS, micro_s)
    of_stops = {*stopped, *begun}
    for shift, row in rates.items():
        own = found.filter(pl.col("shift_id") == shift)
        us = (own["lost_s"] * 1_000_000).round().cast(pl.Int64).sum()
        assert us == round(row["pbt_s"] * 1_000_000)
        by_loss = seconds(own)
        for loss in ("setup", "minor_stop", "breakdown", "waiting", "unknown"):
            assert by_loss.get(loss, 0) == stopped.get((shift, loss), 0), loss
            if loss != "unknown":
                counted = own.filter(pl.col("loss") == loss)["stops"].sum()
                assert counted == begun.get((shift, loss), 0), loss
        if row["oee"] is not None:
            assert by_loss.get("productive", 0) == pytest.approx(row["ideal_good_s"], abs=1e-9)
            assert "unrated" not in by_loss
    assert {shift for shift, _ in of_stops} <= set(rates)
