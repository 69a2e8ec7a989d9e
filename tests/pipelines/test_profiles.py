"""Conventions as data: what each does to a shift."""

import polars as pl
import pytest

from pipelines import oee
from pipelines.profiles import PROFILES, Profile, element, profile_of
from tests.pipelines import plant
from tests.pipelines.plant import Said

H = 3600
RULES = profile_of("opc40001-1").rules
WORK = [Said(-60, "item_state", 3), Said(-60, "operation_mode", 3), Said(-60, "order_id", "O1"),
        Said(-60, "product_id", "A")]  # fmt: skip
COUNTED = [Said(-30, m, 0) for m in ("parts_total", "parts_good", "parts_bad", "parts_rework")]
PIECES = [
    Said(100, "parts_total", 1),
    Said(100, "parts_good", 1),
    Said(200, "parts_total", 2),
    Said(200, "parts_rework", 1),
    Said(300, "parts_total", 3),
    Said(300, "parts_bad", 1),
]
PLAN = (("A", 0, H, "busy"), ("A", 1200, 1800, "break"))


def shift(profile, said=(), measures=plant.MACHINERY):
    rows = plant.raw([*WORK, *COUNTED, *PIECES, *said])
    tags, cycles = plant.tags(measures), plant.cycles(A=100.0)
    episodes, increments = plant.silver(rows, tags, cycles)
    covered = plant.coverage((-100, 9 * H))
    found = oee.by_shift(episodes, increments, plant.plan(*PLAN), cycles, covered, tags, profile)
    return found.row(0, named=True)


@pytest.mark.parametrize(("breaks", "pbt_s"), [("cut", 3000), ("kept", 3600)])
def test_a_break_is_planned_or_not(breaks, pbt_s):
    found = shift(Profile("b", RULES, breaks=breaks))
    assert (found["pbt_s"], found["apt_s"], found["profile_id"]) == (pbt_s, pbt_s, "b")


@pytest.mark.parametrize("measures", ["own", "followed"])
@pytest.mark.parametrize(("rework", "gq"), [("not_good", 1), ("good_once_passed", 2)])
def test_a_reworked_piece_is_good_or_not(measures, rework, gq):
    has = [m for m in plant.MACHINERY if m != "parts_good" or measures == "own"]
    found = shift(Profile("r", RULES, rework=rework), measures=has)
    assert (found["pq"], found["gq"], found["sq"], found["rq"]) == (3, gq, 1, 1)
    assert found["lower"] == found["oee"] == found["upper"] == gq * 100 / 3000


def test_too_little_known_is_unreliable():
    said = [Said(2400, "item_state", None, plant.BAD)]
    found = shift("opc40001-1", said)
    assert (found["completeness"], found["is_reliable"]) == (0.6, False)
    assert shift(Profile("half", RULES, least_completeness=0.5), said)["is_reliable"]
    assert shift("opc40001-1")["is_reliable"]


def told(profile, item, mode, order):
    row = {"item_state": item, "operation_mode": mode, "order_id": order}
    kinds = {"item_state": pl.Int8, "operation_mode": pl.Int8, "order_id": pl.String}
    return pl.DataFrame([row], kinds).select(element(profile)).item()


@pytest.mark.parametrize(
    ("item", "mode", "expected"),
    [
        (3, 3, "apt"), (3, 2, "aust"), (2, 3, "adot"), (2, 0, "adot"), (2, 2, "adot"),
        (1, 3, "adet"), (1, 0, "adet"), (0, 3, "adet"), (3, 0, "adot"),
    ],
)  # fmt: skip
def test_opc40501_1_needs_no_order(item, mode, expected):
    assert {told("opc40501-1", item, mode, order) for order in ("O1", None)} == {expected}


def test_every_profile_knows_every_state():
    for name in PROFILES:
        every = [told(name, i, m, o) for i in range(4) for m in range(4) for o in ("O", None)]
        assert None not in every
