"""Quartiles of peers: a slow twin, who may be told of, and an attacker who knows all but one."""

import math
import random
from datetime import date

import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipelines.order_figures import QUARTERS, order_figures, ranges, ranked, rounded
from pipelines.park_figures import PORTRAITS, QUARTILES
from pipelines.park_schemas import ENTERPRISES
from pipelines.quartiles import LEFT_STEPS, figures, quartiles, with_peers
from tests.pipelines.firms_world import ON, enterprise

BOUNDS = {
    row["figure"]: (row["step"], row["least"], math.inf if row["most"] is None else row["most"])
    for row in figures().to_dicts()
}


def firm(uscc, value, size="small", sector="C39", figure="output_trend", group=None):
    portrait = {
        "reference_date": ON, "uscc": uscc, "sector": sector, "size_class": size, figure: value,
    }  # fmt: skip
    return portrait, enterprise(uscc, industry_code=f"{sector}12", legal_group=group)


def tell(firms):
    portraits, register = zip(*firms, strict=True)
    return quartiles(
        pl.DataFrame(list(portraits), schema=PORTRAITS),
        pl.DataFrame(list(register), schema=ENTERPRISES),
    )


def row(told, figure="output_trend", sector="C39", size="small"):
    is_it = (
        (pl.col("figure") == figure) & (pl.col("sector") == sector) & (pl.col("size_class") == size)
    )
    return told.filter(is_it).row(0, named=True)


def spread(n, size="small", sector="C39"):
    """`n` firms whose trends lie far apart."""
    return [firm(f"{sector}{size}{i:02}", i / 4 - 0.5, size, sector) for i in range(n)]


def scattered(n, size="small", sector="C39"):
    """`n` firms whose trends are drawn."""
    rng = random.Random(f"{sector} {size}")
    return [firm(f"{sector}{size}{i:02}", rng.gauss(0, 0.1), size, sector) for i in range(n)]


def slow_quarter(values, quarter):
    """The mean of the values whose place is within 1.5 of (n - 1) p, places from 0."""
    ordered = sorted(values)
    fourfold = quarter * (len(ordered) - 1)
    near = [v for place, v in enumerate(ordered) if abs(4 * place - fourfold) <= 6]
    return sum(near) / len(near)


def slow_told(values, quarter, step):
    return rounded(slow_quarter(values, quarter), step).value


@pytest.mark.parametrize(
    ("value", "step", "told", "unit"),
    [
        (12.34, 0.1, 12.0, 1.0), (1.234, 0.1, 1.2, 0.1), (0.1234, 0.1, 0.1, 0.1),
        (-0.0312, 0.01, -0.03, 0.01), (0.004, 0.01, 0.0, 0.01), (-0.004, 0.01, 0.0, 0.01),
        (0.0, 0.01, 0.0, 0.01), (1250.0, 1, 1200.0, 100.0),
        (0.125, 0.01, 0.12, 0.01), (99.6, 1, 100.0, 5.5), (104.0, 1, 100.0, 5.5),
        (-0.996, 0.01, -1.0, 0.055), (0.1, 0.1, 0.1, 0.1),
    ],
)  # fmt: skip
def test_two_digits_but_no_less_than_a_step(value, step, told, unit):
    found = rounded(value, step)
    assert (found.value, round(found.most - found.least, 9)) == (told, unit)
    assert found.least <= value <= found.most
    assert math.copysign(1, found.value) == math.copysign(1, told)


def test_from_eight_groups_on_no_window_has_the_least_or_the_greatest():
    for n in range(5, 60):
        values = pl.DataFrame({
            "uscc": [f"{i}" for i in range(n)], "legal_group": [f"{i}" for i in range(n)],
            "cell": "x", "figure": "oee", "value": [float(i) for i in range(n)],
        })  # fmt: skip
        names = ["median"] if n < 8 else list(QUARTERS)
        windows = order_figures(ranked(values), figures(), names)
        assert windows["first"].min() >= 1
        assert windows["last"].max() <= n - 2
        assert windows["size"].is_in([3, 4]).all()
        for name, total, size in windows.select("name", "total", "size").rows():
            assert total / size == slow_quarter(range(n), QUARTERS[name])


def test_five_groups_have_a_median_and_eight_have_quartiles():
    assert row(tell(spread(4)))["median"] is None
    eights = [firm(f"{i}", v) for i, v in enumerate([-9, -0.3, -0.2, -0.1, 0.3, 0.4, 0.5, 9])]
    five, eight = row(tell(spread(5))), row(tell(eights))
    assert (five["q1"], five["median"], five["q3"], five["enterprises"]) == (None, 0.0, None, 5)
    assert (eight["q1"], eight["median"], eight["q3"]) == (-0.2, 0.1, 0.4)
    assert row(tell(spread(7)))["q1"] is None


def test_a_group_speaks_once():
    of_one = [firm(f"G{i}", i / 4, group="one") for i in range(20)]
    assert row(tell(of_one + spread(3)))["median"] is None
    told = row(tell(of_one + spread(4)))
    assert told["median"] == slow_told([19 / 8, -0.5, -0.25, 0.0, 0.25], 2, 0.01)
    assert told["enterprises"] == 24


def test_a_group_of_two_sectors_is_two_unknowns():
    def told(group):
        apart = [
            firm("A", 0.3, sector="C39", group=group),
            firm("B", -0.3, sector="C26", group=group),
        ]
        world = scattered(29) + scattered(29, sector="C26") + scattered(2, "micro")
        return tell(world + apart).filter(pl.col("figure") == "output_trend")

    assert told("one").equals(told(None))
    assert told("one")["basis"].to_list() == ["sector_size", "sector", "sector_size"]


def test_who_has_too_few_peers_sees_the_sector_then_all_industry():
    world = scattered(30) + scattered(2, "micro")
    world += scattered(6, "large", "C26") + scattered(1, "micro", "B10")
    told = tell(world)
    assert row(told)["basis"] == "sector_size"
    of_sector = row(told, size="micro")
    assert (of_sector["basis"], of_sector["enterprises"]) == ("sector", 32)
    of_all = row(told, sector="B10", size="micro")
    assert (of_all["basis"], of_all["enterprises"]) == ("all", 39)
    silent = row(told, figure="oee")
    assert (silent["basis"], silent["enterprises"], silent["median"]) == (None, 0, None)
    assert told.schema == QUARTILES


def test_without_a_size_class_peers_are_the_sector_and_without_a_sector_all():
    portrait, of_register = firm("Y", 0.1)
    nowhere = (portrait | {"sector": None}, of_register | {"industry_code": "C"})
    told = tell([*scattered(30), *scattered(40, "large", "C26"), firm("X", 0.02, None), nowhere])
    trend = told.filter(pl.col("figure") == "output_trend")
    assert set(trend.select("sector", "size_class", "basis").rows()) == {
        ("C26", "large", "sector_size"),
        ("C39", "small", "sector_size"),
        ("C39", None, "sector"),
        (None, "small", "all"),
    }


def test_peers_are_industrial_here_and_at_work():
    others = [
        (p, e | changed)
        for (p, e), changed in zip(
            spread(4, "micro"),
            [
                {"industry_code": "F51"},
                {"in_new_city": False},
                {"register_status": "注销"},
                {"in_new_city": None},
            ],
            strict=True,
        )
    ]  # fmt: skip
    told = tell(spread(6) + others)
    assert told.filter(pl.col("size_class") == "micro").is_empty()
    assert row(told)["enterprises"] == 6


def test_peers_of_a_portrait_are_the_fewest_that_a_figure_rests_on():
    world = spread(9) + [firm(f"H{i}", 0.1 * i, figure="oee") for i in range(5)]
    portraits = pl.DataFrame([p for p, _ in world], schema=PORTRAITS)
    assert with_peers(portraits, tell(world))["peers"].unique().to_list() == [5]
    assert with_peers(portraits, tell(world)).columns[-1] == PORTRAITS.names()[-1]


def attacked(others, told, figure, truth):
    """How wide the values are that give what is told, as far as 4 steps from the truth."""
    step, least, most = BOUNDS[figure]
    fits = []
    for n in range(-20, 21):
        guess = truth + n * step / 5
        if least <= guess <= most and all(
            slow_told([*others, guess], QUARTERS[name], step) == value
            for name, value in told.items()
        ):
            fits.append(guess)
    return (max(fits) - min(fits)) / step if fits else 0.0


@st.composite
def cells(draw):
    figure = draw(st.sampled_from(["output_trend", "oee", "running_h_per_day", "digital_basis"]))
    step, least, most = BOUNDS[figure]
    rng = random.Random(draw(st.integers(0, 2**32)))
    width = draw(st.sampled_from([3, 30, 300]))
    start = max(least, 0) + step * rng.randrange(0, 40)
    n = draw(st.integers(5, 14))
    return figure, [min(most, start + step * rng.randrange(width * 8) / 8) for _ in range(n)]


TIED = [
    0.48750000000000004, 0.43750000000000006, 0.36250000000000004, 0.48750000000000004,
    0.43750000000000006, 0.3375, 0.5, 0.31250000000000006, 0.5750000000000001, 0.5750000000000001,
]  # fmt: skip
"""At the window's upper edge the mean is 0.55, which is told as 0.6."""


@example(("running_h_per_day", TIED))
@settings(max_examples=20)
@given(cells())
def test_who_knows_all_but_one_is_left_with_two_steps(cell):
    figure, values = cell
    told = row(tell([firm(f"F{i:02}", v, figure=figure) for i, v in enumerate(values)]), figure)
    known = {name: told[name] for name in QUARTERS if told[name] is not None}
    for name, value in known.items():
        assert value == slow_told(values, QUARTERS[name], BOUNDS[figure][0])
    for n, value in enumerate(values):
        left = attacked(values[:n] + values[n + 1 :], known, figure, value)
        assert left >= LEFT_STEPS - 0.41


@settings(max_examples=10)
@given(cells(), st.integers(1, 4))
def test_nor_by_the_cells_that_speak_of_one_twice(cell, few):
    figure, values = cell
    small = [firm(f"F{i:02}", v, figure=figure) for i, v in enumerate(values)]
    apart = [firm(f"M{i:02}", v, "micro", figure=figure) for i, v in enumerate(values[:few])]
    everywhere = tell(small + apart)
    own, sector = row(everywhere, figure), row(everywhere, figure, size="micro")
    step, least, most = BOUNDS[figure]
    every = values + values[:few]
    for n, truth in enumerate(values):
        fits = []
        for k in range(-20, 21):
            guess = truth + k * step / 5
            told = [
                (own, [*values[:n], guess, *values[n + 1 :]], "sector_size"),
                (sector, [*every[:n], guess, *every[n + 1 :]], "sector"),
            ]
            if least <= guess <= most and all(_fits(*one, step) for one in told):
                fits.append(guess)
        assert (max(fits) - min(fits)) / step >= LEFT_STEPS - 0.41


def _fits(told, values, basis, step):
    names = [name for name in QUARTERS if told[name] is not None and told["basis"] == basis]
    return all(told[name] == slow_told(values, QUARTERS[name], step) for name in names)


def _is_tie(value, step):
    """Half-way between two told values the last bit decides; ranges are then the narrower ones."""
    told = rounded(value, step)
    return min(abs(value - told.least), abs(value - told.most)) < 1e-6 * step


@settings(max_examples=25)
@given(cells())
def test_ranges_are_what_fits_and_no_more(cell):
    figure, values = cell
    step = BOUNDS[figure][0]
    spoken = ranked(pl.DataFrame({
        "uscc": [f"F{i:02}" for i in range(len(values))],
        "legal_group": [f"F{i:02}" for i in range(len(values))],
        "cell": "x", "figure": figure, "value": values,
    }))  # fmt: skip
    names = ["median"] if len(values) < 8 else list(QUARTERS)
    assume(not any(_is_tie(slow_quarter(values, QUARTERS[name]), step) for name in names))
    found = order_figures(spoken, figures(), names)
    told = dict(found.select("name", "told").rows())
    for group, low, high in ranges(spoken, found).select("legal_group", "low", "high").rows():
        n = int(group[1:])
        others = values[:n] + values[n + 1 :]

        def fits(guess, others=others):
            return all(
                slow_told([*others, guess], QUARTERS[name], step) == value
                for name, value in told.items()
            )

        inside, ajar = step / 1000, step / 10
        assert fits(max(low, -1e6) + inside)
        assert fits(min(high, 1e6) - inside)
        for edge, beyond in ((low, low - ajar), (high, high + ajar)):
            # half-way at another's value: said to be the edge, whichever way it is told
            is_anothers = any(abs(edge - one) < 1e-9 for one in others)
            assert math.isinf(edge) or is_anothers or not fits(beyond)


def test_no_portraits_no_quartiles():
    assert quartiles(PORTRAITS.to_frame(), ENTERPRISES.to_frame()).equals(QUARTILES.to_frame())


def test_the_order_of_rows_is_nothing():
    world = spread(9) + spread(3, "micro") + spread(6, "large", "C26")
    shuffled = random.Random(1).sample(world, len(world))
    assert tell(world).equals(tell(shuffled))
    assert tell(world)["reference_date"].unique().to_list() == [date(2026, 9, 30)]
