"""OEE of sequential lines: public examples, a slow twin, and laws."""

import itertools
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import lines, oee
from pipelines.profiles import DEFAULT
from pipelines.schemas import CYCLES, LINE_OEE_BY_SHIFT, LINES, OEE_BY_SHIFT
from tests.pipelines import plant, slow_lines
from tests.pipelines.plant import BAD, Said
from tests.pipelines.test_oee_twin import COVERED, GAPS, MAX, OVERLAPPING, PLAN, machines

COUNTED = [m for m in plant.MACHINERY if m != "parts_rework"]
HOUR = [("A", 0, 3600, "busy")]


def order(stages, since=None):
    """LINES of work units by stage, valid from so many seconds of the day (or always)."""
    rows = [
        {"factory_id": "F01", "line_id": "L1", "work_unit_id": unit, "stage": stage,
         "valid_from": None if since is None else plant.at(since)}
        for unit, stage in stages.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, LINES)


def cycles(pri):
    """CYCLES of `pri[unit][product]`."""
    rows = [
        {"factory_id": "F01", "line_id": "L1", "work_unit_id": unit, "product_id": product,
         "pri_s": float(pri_s), "origin": "design"}
        for unit, products in pri.items() for product, pri_s in products.items()
    ]  # fmt: skip
    return pl.DataFrame(rows, CYCLES)


def ran(unit, good, bad=0, rework=0, until=3599, state=(3, 3), product="A"):
    """A station in one state, whose counters tell at the end what it made."""
    begun = dict(zip(("item_state", "operation_mode"), state, strict=True))
    counts = {"parts_total": good + bad + rework, "parts_good": good, "parts_bad": bad,
              "parts_rework": rework}  # fmt: skip
    said = [
        Said(-60, m, value, unit=unit)
        for m, value in {**begun, "product_id": product, **dict.fromkeys(counts, 0)}.items()
    ]
    return said + [Said(until, m, n, unit=unit) for m, n in counts.items()]


def both(said, stages, pri, plan=HOUR, covered=((0, 3600),), gaps=(), measures=plant.MACHINERY,
         known=None, **more):  # fmt: skip
    """(rows of the line, rows of its stations)."""
    tags = plant.tags(measures, units=tuple(known or stages), counter_max=more.pop("top", 2**31))
    prices = cycles(pri)
    episodes, increments = plant.silver(plant.raw(said), tags, prices)
    given = (episodes, increments, plant.plan(*plan), prices, plant.coverage(*covered), tags)
    missed = plant.gaps(*gaps)
    whole = lines.by_shift(*given, more.pop("lines", order(stages)), gaps=missed, **more)
    assert whole.schema == LINE_OEE_BY_SHIFT
    return whole, oee.by_shift(*given, gaps=missed, **more)


def line(said, stages, pri, **more):
    (row,) = both(said, stages, pri, **more)[0].to_dicts()
    return row


def assert_multiplies(row):
    factors = [row[n] for n in ("availability", "effectiveness", "quality_ratio")]
    if None not in factors:
        assert factors[0] * factors[1] * factors[2] == pytest.approx(row["oee"], rel=1e-12)


# --- public examples ---------------------------------------------------------------------------


def test_oee_institute_two_machines():
    """oee.institute/lines-and-cells: 60 s and 30 s; the mean says 75 %, the line's cycle 100 %."""
    said = [*ran("M1", 60), *ran("M2", 60)]
    whole, stations = both(said, {"M1": 1, "M2": 2}, {"M1": {"A": 60}, "M2": {"A": 30}})
    found = whole.row(0, named=True)
    assert (found["oee"], found["bottleneck"], found["bottleneck_stage"]) == (1.0, "M1", 1)
    assert stations["oee"].to_list() == [1.0, 0.5]
    assert stations["oee"].mean() == 0.75


def test_hohmann_five_machines():
    """chohmann.free.fr/maintenance/trscomplexe3.htm: 100 pieces in, 40 out; the mean is 83.8 %."""
    inside = [100, 70, 56, 45, 40, 40]
    units = [f"M{n}" for n in range(1, 6)]
    said = [s for u, n, out in zip(units, inside, inside[1:], strict=False)
            for s in ran(u, out, bad=n - out)]  # fmt: skip
    found = line(said, dict(zip(units, range(1, 6), strict=True)),
                 {key: {"A": 36} for key in units})  # fmt: skip
    assert (found["pq"], found["gq"], found["sq"]) == (100, 40, 60)
    assert (found["oee"], found["quality_ratio"], found["effectiveness"]) == (0.4, 0.4, 1.0)
    assert sum(out / n for n, out in itertools.pairwise(inside)) / 5 > 0.8


@pytest.mark.parametrize(
    ("rates", "out", "bottleneck", "expected"),
    [((200, 300, 50, 150), 50, "M3", 1.0), ((200, 300, 250, 300), 150, "M1", 0.75)],
)
def test_enicarthage_four_machines(rates, out, bottleneck, expected):
    """fr.scribd.com/document/626564254 (I. Chaieb): a line gives what its slowest machine can, and
    150 pieces in the first hour where 200 are expected."""
    units = [f"M{n}" for n in range(1, 5)]
    said = [s for u in units for s in ran(u, out)]
    pri = {u: {"A": 3600 / rate} for u, rate in zip(units, rates, strict=True)}
    found = line(said, dict(zip(units, range(1, 5), strict=True)), pri)
    assert found["bottleneck"] == bottleneck
    assert found["oee"] == pytest.approx(expected, rel=1e-9)


def test_aveva_parallel_rates_add_up_and_of_equals_the_later_is_the_bottleneck():
    """docs.aveva.com/bundle/manufacturing-execution-system/page/16140.html."""
    stages = {"M1": 1, "M2": 2, "M3": 2, "M4": 3}
    pri = {"M1": {"A": 30}, "M2": {"A": 60}, "M3": {"A": 60}, "M4": {"A": 30}}
    said = [*ran("M1", 100), *ran("M2", 50), *ran("M3", 50), *ran("M4", 100)]
    assert line(said, stages, pri)["bottleneck"] == "M4"
    slower = line(said, stages, pri | {"M3": {"A": 90}})
    assert (slower["bottleneck"], slower["bottleneck_stage"]) == ("M2+M3", 2)
    assert slower["oee"] == pytest.approx(100 * 36 / 3600)
    unrated = line(said, stages, {u: p for u, p in pri.items() if u != "M2"})
    assert (unrated["oee"], unrated["lacks"]) == (None, "cycle")


# --- the slow twin -----------------------------------------------------------------------------

CODE = 1_000_000
"""A PRI of 1 s for A and of so many for B: pieces by product can be read from an ideal time."""


@st.composite
def plants(draw):
    """Up to four stations, in stages, with a story and a PRI for two products each."""
    count = draw(st.integers(1, 4))
    numbers = sorted(draw(st.integers(0, n)) for n in range(count))
    dense = {number: place for place, number in enumerate(sorted(set(numbers)), start=1)}
    stages = {f"M{n}": dense[number] for n, number in enumerate(numbers, start=1)}
    pri = {u: {p: draw(st.sampled_from([2.5, 4, 7, 11.5])) for p in "AB"} for u in stages}
    told = {u: [replace(s, unit=u) for s in draw(machines())] for u in stages}
    return stages, pri, told


def by_products(said, tags, prices, plan, missed):
    """Pieces (all, good) by station, shift and product: `by_shift` with coded PRIs."""
    coded = prices.with_columns(
        pri_s=pl.when(pl.col("product_id") == "A").then(1.0).otherwise(float(CODE))
    )
    episodes, increments = plant.silver(plant.raw(said), tags, prices)
    rows = oee.by_shift(
        episodes, increments, plant.plan(*plan), coded, plant.coverage(*COVERED), tags,
        gaps=missed,
    )  # fmt: skip
    return {
        (r["work_unit_id"], r["shift_id"]): {
            p: tuple(
                None if r[n] is None else (int(r[n]) % CODE if p == "A" else int(r[n]) // CODE)
                for n in ("ideal_total_s", "ideal_good_s")
            )
            for p in "AB"
        }
        for r in rows.to_dicts()
    }


@settings(max_examples=15, deadline=None)
@given(plants(), st.sampled_from([PLAN, OVERLAPPING]), st.lists(GAPS, max_size=2))
def test_fast_equals_slow(told, plan, gaps):
    stages, pri, stories = told
    said = [s for story in stories.values() for s in story]
    of_these = [gap for gap in gaps if gap[0] is None or gap[0] in COUNTED]
    whole, stations = both(said, stages, pri, plan=plan, covered=COVERED, gaps=of_these,
                           measures=COUNTED, top=MAX)  # fmt: skip
    tags = plant.tags(COUNTED, units=tuple(stages), counter_max=MAX)
    made = by_products(said, tags, cycles(pri), plan, plant.gaps(*of_these))
    for row in whole.to_dicts():
        shift = row["shift_id"]
        own = {r["work_unit_id"]: r for r in stations.filter(shift_id=shift).to_dicts()}
        assert sum(row[f"{n}_s"] for n in slow_lines.TIMES) == pytest.approx(row["pbt_s"])
        assert_multiplies(row)
        last = [made[u, shift] for u in stages if stages[u] == max(stages.values())]
        if any(None in pair for products in last for pair in products.values()):
            # all pieces may be unknown where the good ones are not: OEE is of these
            is_known = all(pair[1] is not None for of in last for pair in of.values())
            assert (row["lacks"], row["is_reliable"]) == ("count", False)
            assert row["oee"] is None or is_known
            continue
        assert row["lower"] <= row["oee"] * (1 + 1e-12)
        assert row["oee"] <= row["upper"] * (1 + 1e-12)
        pieces = {u: {p: tuple(n or 0 for n in pair) for p, pair in made[u, shift].items()}
                  for u in stages}  # fmt: skip
        exact = {u: {p: Fraction(s) for p, s in products.items()} for u, products in pri.items()}
        slow = slow_lines.figures(stages, exact, own, pieces)
        if all(None not in pair for u in stages for pair in made[u, shift].values()):
            assert row["pq"] == slow["pq"]
        else:
            assert (row["pq"], row["quality_ratio"]) == (None, None)
            continue  # what was lost on the way is not known, nor the mix
        for name in ("gq", "bottleneck_stage", "completeness"):
            assert row[name] == slow[name], name
        for name in (*(f"{n}_s" for n in slow_lines.TIMES), "pbt_s", "oee"):
            assert row[name] == pytest.approx(float(slow[name]), rel=1e-9, abs=2e-6), name


# --- laws --------------------------------------------------------------------------------------

SAME = [n for n in LINE_OEE_BY_SHIFT if n in OEE_BY_SHIFT]


@settings(max_examples=10, deadline=None)
@given(machines(), st.sampled_from([PLAN, OVERLAPPING]), st.lists(GAPS, max_size=2))
def test_a_line_of_one_station_equals_that_station(said, plan, gaps):
    whole, stations = both(said, {"M1": 1}, {"M1": {"A": 7.0, "B": 11.5}}, plan=plan,
                           covered=COVERED, gaps=gaps, top=MAX)  # fmt: skip
    assert whole.select(SAME).equals(stations.select(SAME).sort("production_day", "shift_id"))


@settings(max_examples=8, deadline=None)
@given(machines(), st.floats(0.1, 6.9))
def test_a_faster_station_before_the_bottleneck_changes_nothing(said, pri_s):
    alone, _ = both(said, {"M1": 1}, {"M1": {"A": 7.0, "B": 11.5}}, plan=PLAN, covered=COVERED,
                    top=MAX)  # fmt: skip
    stages, pri = {"M0": 1, "M1": 2}, {"M0": {"A": pri_s, "B": pri_s}, "M1": {"A": 7, "B": 11.5}}
    steady = [s for s in ran("M0", 0) if s.second < 0] + [Said(5000, "parts_total", 0, unit="M0")]
    longer, _ = both([*said, *steady], stages, pri, plan=PLAN, covered=COVERED, top=MAX)
    beside = ["work_units", "bottleneck_stage"]
    assert longer.drop(beside).equals(alone.drop(beside))


@pytest.mark.parametrize("scrap", [0, 7])
def test_scrap_on_the_way_lowers_quality_by_what_does_not_come_out(scrap):
    said = [*ran("M1", 50, bad=scrap), *ran("M2", 48, bad=2)]
    found = line(said, {"M1": 1, "M2": 2}, {"M1": {"A": 60}, "M2": {"A": 30}})
    assert (found["pq"], found["gq"], found["sq"]) == (50 + scrap, 48, 2 + scrap)
    assert found["quality_ratio"] == pytest.approx(48 / (50 + scrap))
    assert found["oee"] == 48 * 60 / 3600
    assert_multiplies(found)


@pytest.mark.parametrize(
    ("profile", "good", "quality"),
    [(DEFAULT, 45, 0.9), (replace(DEFAULT, rework="good_once_passed"), 50, 1.0)],
    ids=["not good", "good once passed"],
)
def test_rework_on_the_way_comes_back_and_at_the_end_is_as_the_profile_says(profile, good, quality):
    said = [*ran("M1", 50, rework=3), *ran("M2", 45, rework=5)]
    found = line(said, {"M1": 1, "M2": 2}, {"M1": {"A": 60}, "M2": {"A": 30}}, profile=profile)
    assert (found["pq"], found["gq"], found["quality_ratio"]) == (50, good, quality)
    assert found["rq"] == 8


def test_times_of_a_shared_bottleneck_weigh_by_what_its_stations_can_do():
    """Of 1 / (1/60 + 1/30) = 20 s the slow one does a third: it stands, and a third is lost."""
    stages = {"M1": 1, "M2": 1, "M3": 2}
    pri = {"M1": {"A": 60}, "M2": {"A": 30}, "M3": {"A": 10}}
    said = [*ran("M1", 0, state=(1, 0)), *ran("M2", 120), *ran("M3", 120)]
    found = line(said, stages, pri)
    assert (found["availability"], found["adot_s"]) == (pytest.approx(2 / 3), 1200)
    assert (found["oee"], found["bottleneck"]) == (pytest.approx(2 / 3), "M1+M2")


def test_plans_that_differ_the_bottleneck_s_is_the_line_s():
    """The slow station is planned for half an hour: the line could not have run for longer."""
    stages, pri = {"M1": 1, "M2": 2}, {"M1": {"A": 60}, "M2": {"A": 30}}
    said = [*ran("M1", 30), *ran("M2", 30)]
    tags, prices = plant.tags(units=tuple(stages)), cycles(pri)
    cut = plant.plan(("A", 1800, 3600, "planned_maintenance")).with_columns(
        line_id=pl.lit("L1"), work_unit_id=pl.lit("M1")
    )
    episodes, increments = plant.silver(plant.raw(said), tags, prices)
    plan = pl.concat([plant.plan(*HOUR), cut])
    covered = plant.coverage((0, 3600))
    found = lines.by_shift(episodes, increments, plan, prices, covered, tags, order(stages))
    assert found.select("pbt_s", "oee").row(0) == (1800, 1.0)


UNREAD = {
    "the last station's counters": (["M1", "M2"], "M2", "count"),
    "a station nobody knows": (["M1"], None, "station"),
}


@pytest.mark.parametrize(("known", "silent", "lacks"), UNREAD.values(), ids=list(UNREAD))
def test_what_a_line_lacks_is_said(known, silent, lacks):
    stages, pri = {"M1": 1, "M2": 2}, {"M1": {"A": 60}, "M2": {"A": 30}}
    said = [
        s for u in known for s in ran(u, 60) if u != silent or not s.measure.startswith("parts")
    ]
    found = line(said, stages, pri, known=known)
    assert (found["oee"], found["lacks"], found["is_reliable"]) == (None, lacks, False)
    assert (found["lower"], found["upper"]) == (0, 1)
    assert found["work_units_missing"] == 2 - len(known)
    assert found["completeness"] == (1 if lacks == "count" else 0)


def test_no_line_is_surer_than_its_stations():
    """Half an hour of the first station is unknown: the output is known, the line is not."""
    stages, pri = {"M1": 1, "M2": 2}, {"M1": {"A": 60}, "M2": {"A": 30}}
    said = [*ran("M1", 60), Said(600, "item_state", None, BAD, unit="M1"),
            Said(2400, "item_state", 3, unit="M1"), *ran("M2", 60)]  # fmt: skip
    found = line(said, stages, pri)
    assert (found["completeness"], found["oee"], found["is_reliable"]) == (0.5, 1.0, False)


@pytest.mark.parametrize("made", [0, 20, 40])
def test_the_truth_is_inside_the_bounds(made):
    """The last station, twice as fast as its line, was away for 20 min and may have caught up."""
    stages, pri = {"M1": 1, "M2": 2}, {"M1": {"A": 60}, "M2": {"A": 30}}
    last = ran("M2", 0)[:-4]
    counts = ("parts_total", "parts_good")
    last += [Said(at, n, count, unit="M2") for at, count in ((1, 0), (1199, 20)) for n in counts]
    seen = [Said(3599, n, 20, unit="M2") for n in counts]
    found = line([*ran("M1", 60), *last, *seen], stages, pri, covered=((0, 1200), (2400, 3600)))
    assert found["lower"] <= (20 + made) * 60 / 3600 <= found["upper"]
    assert found["upper"] - found["lower"] <= 1200 * 2 / 3600 + 0.001


def test_an_order_holds_from_its_day_on():
    day = 86_400
    said = [*ran("M1", 60), *ran("M2", 60)]
    said += [Said(day + 3599, n, 120, unit=u) for u in ("M1", "M2")
             for n in ("parts_total", "parts_good")]  # fmt: skip
    tomorrow = plant.plan(("A", day, day + 3600, "busy")).with_columns(
        production_day=plant.DAY + timedelta(days=1)
    )
    tags, pri = plant.tags(units=("M1", "M2")), {"M1": {"A": 60}, "M2": {"A": 30}}
    episodes, increments = plant.silver(plant.raw(said), tags, cycles(pri))
    plan, covered = pl.concat([plant.plan(*HOUR), tomorrow]), plant.coverage((0, day + 3600))

    def found(*versions):
        given = (episodes, increments, plan, cycles(pri), covered, tags)
        whole = lines.by_shift(*given, pl.concat(versions))
        return whole.select(pl.col("production_day").dt.day(), "work_units", "bottleneck").rows()

    first, then = {"M1": 1, "M2": 2}, {"M2": 1}
    assert found(order(first, since=day + 40_000)) == [(3, 2, "M1")]
    assert found(order(first, since=0), order(then, since=day)) == [(2, 2, "M1"), (3, 1, "M2")]
    assert found(order(then, since=100), order(first, since=200)) == [(2, 2, "M1"), (3, 2, "M1")]


def test_without_an_order_there_is_no_line():
    whole, _ = both(ran("M1", 60), {"M1": 1}, {"M1": {"A": 60}}, lines=lines.NO_LINES)
    assert whole.is_empty()


def test_a_day_of_two_products_takes_the_pace_of_each():
    """A is slow at the first station, B at the second; the mix says which held the line up."""
    stages = {"M1": 1, "M2": 2}
    pri = {"M1": {"A": 60, "B": 20}, "M2": {"A": 30, "B": 40}}
    said = []
    for unit in stages:
        said += ran(unit, 20, until=1199)
        said += [Said(1200, "product_id", "B", unit=unit)]
        said += [Said(3599, n, 80, unit=unit) for n in ("parts_total", "parts_good")]
    found = line(said, stages, pri)
    assert found["oee"] == (20 * 60 + 60 * 40) / 3600
    assert found["bottleneck"] == "M2"
