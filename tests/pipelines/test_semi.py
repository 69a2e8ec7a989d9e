"""SEMI E10 and E79: against a loop over seconds, by hand, and by law."""

from datetime import date, timedelta
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import oee, semi
from pipelines.schemas import PLAN, SEMI_BY_DAY
from tests.pipelines import plant, slow_semi
from tests.pipelines.plant import DAY, Said, at
from tests.pipelines.test_reliability import GAPS, episodes, once, states

SHIFTS = [
    ("early", 600, 2400, "busy"), ("late", 2200, 4200, "busy"), ("early", 1000, 1200, "break"),
    ("late", 2300, 2600, "planned_maintenance"), ("off", 4300, 4500, "not_planned"),
    ("off", 4400, 4600, "planned_maintenance"),
]  # fmt: skip
ALWAYS = [("all", -1000, 9000, "busy")]
COVERED = [(-600, 1900), (1900, 3000), (3300, 4800)]
DAYS = pl.DataFrame(
    {"production_day": [DAY - timedelta(days=1), DAY], "start": [at(-400), at(2000)],
     "end": [at(2000), at(5000)]},
)  # fmt: skip
SPANS = {DAY - timedelta(days=1): (-400, 2000), DAY: (2000, 4800)}
PRI = {"A": 7.0, "T": 11.5}
FACTORS = [
    "availability_efficiency", "operational_efficiency", "rate_efficiency", "quality_efficiency",
]  # fmt: skip
STATED = [f"{name}_s" for name in slow_semi.STATES]
MADE = {"ideal_total_s": pl.Float64(), "ideal_good_s": pl.Float64()}
KEY = {**plant.KEY, "work_unit_id": "M1"}
TOOLS = st.lists(
    st.one_of(
        st.builds(
            Said, st.integers(-300, 4700), st.sampled_from(["item_state", "operation_mode"]),
            st.integers(0, 3), st.sampled_from([0, 0, 0, plant.BAD]),
        ),
        st.builds(Said, st.integers(0, 4400), st.just("order_id"), st.sampled_from(["", "O1"])),
    ),
    max_size=40,
).map(once)  # fmt: skip


def made(*rows):
    """Rows of (day, ideal seconds of all units, of good ones), and more columns by name."""
    frame = [
        {**KEY, "production_day": day, "ideal_total_s": total, "ideal_good_s": good, **more}
        for day, total, good, more in rows
    ]
    columns = {**{name: pl.String() for name in KEY}, "production_day": pl.Date(), **MADE}
    return pl.DataFrame(frame, None if frame else columns)


def by_day(said, plan=ALWAYS, covered=COVERED, gaps=(), days=DAYS, pieces=None, tests=()):
    return semi.by_day(
        episodes(said), plant.plan(*plan), plant.coverage(*covered), plant.tags(), days,
        made() if pieces is None else pieces, plant.gaps(*gaps), tests,
    )  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(TOOLS, st.sampled_from([SHIFTS, ALWAYS]), st.lists(GAPS, max_size=2))
def test_fast_equals_slow_and_states_sum_to_the_total(said, plan, gaps):
    rows = by_day(said, plan, gaps=gaps)
    assert rows.schema == SEMI_BY_DAY
    assert rows["production_day"].to_list() == list(SPANS)
    for row in rows.to_dicts():
        start, end = SPANS[row["production_day"]]
        slow = slow_semi.times(said, plan, start, end, COVERED, gaps)
        assert {name: row[f"{name}_s"] for name in slow} == slow
        assert row["total_s"] == end - start == sum(row[name] for name in STATED)
        assert row["completeness"] == float(1 - Fraction(slow["unknown"], end - start))


@settings(max_examples=15, deadline=None)
@given(TOOLS, st.integers(0, 3000), st.integers(0, 3000))
def test_the_four_efficiencies_multiply_to_oee_exactly(said, first, more):
    """In fractions of the columns: each is the ratio it says, and their product is e79_oee."""
    total, good = (first + more) / 8, first / 8
    rows = by_day(
        said, pieces=made((DAY, total, good, {})), days=DAYS.filter(pl.col("end") > at(2500))
    )
    row = rows.row(0, named=True)
    up = sum(Fraction(row[f"{name}_s"]) for name in ("prd", "sby", "eng"))
    actual, effective = Fraction(row["ideal_actual_s"]), Fraction(row["ideal_effective_s"])
    parts = [
        (up, Fraction(row["total_s"])), (Fraction(row["prd_s"]), up),
        (actual, Fraction(row["prd_s"])), (effective, actual),
    ]  # fmt: skip
    exact = [part / whole if whole else None for part, whole in parts]
    assert [row[name] for name in FACTORS] == [
        None if ratio is None else pytest.approx(float(ratio), rel=1e-15) for ratio in exact
    ]
    oee_exact = effective / Fraction(row["total_s"])
    assert row["e79_oee"] == pytest.approx(float(oee_exact), rel=1e-15)
    if None not in exact:
        assert exact[0] * exact[1] * exact[2] * exact[3] == oee_exact


def test_the_four_efficiencies_by_hand():
    """Of 2800 s: 700 productive, 700 standby, 700 engineering, 700 down; 40 units, 30 effective."""
    said = once(states((1000, 3, 3), (2700, 2, 3), (3400, 2, 2), (4100, 1, 0)))
    row = by_day(said, covered=[(-600, 4800)], pieces=made((DAY, 560.0, 420.0, {}))).row(
        1, named=True
    )
    assert [row[f"{name}_s"] for name in ("prd", "sby", "eng", "udt")] == [700] * 4
    assert [row[name] for name in FACTORS] == [0.75, 1 / 3, 0.8, 0.75]
    assert row["e79_oee"] == 0.15


@settings(max_examples=15, deadline=None)
@given(TOOLS, st.lists(st.integers(-300, 4700), min_size=1, max_size=4, unique=True))
def test_days_cut_anywhere_sum_to_the_same(said, edges):
    cuts = [-400, *sorted(edges), 5000]
    days = pl.DataFrame(
        {"production_day": [date(2026, 1, 1 + n) for n in range(len(cuts) - 1)],
         "start": [at(a) for a in cuts[:-1]], "end": [at(b) for b in cuts[1:]]}
    )  # fmt: skip
    sums = [
        semi.roll_up(by_day(said, SHIFTS, days=frame), "work_unit_id").select("total_s", *STATED)
        for frame in (days, DAYS)
    ]
    assert sums[0].equals(sums[1])


@pytest.mark.parametrize(
    ("item", "mode", "expected"),
    [
        (1, 3, "udt"), (2, 2, "eng"), (2, 3, "sby"), (3, 3, "prd"), (3, 2, "eng"), (1, 2, "udt"),
        (3, 0, "sby"), (2, 0, "sby"), (1, 0, "udt"), (3, 1, "udt"), (2, 1, "udt"), (1, 1, "udt"),
        (0, 3, "udt"), (0, 0, "udt"),
    ],
)  # fmt: skip
def test_each_state(item, mode, expected):
    row = by_day(once(states((-500, item, mode))), covered=[(-600, 5000)]).row(1, named=True)
    assert {name: row[name] for name in STATED if row[name]} == {f"{expected}_s": 3000}


def test_the_calendar_comes_before_what_the_tool_says():
    """Unheard time outside shifts is nonscheduled; a break is what the tool does in it."""
    row = by_day(once([]), SHIFTS, covered=[(-600, 1100)], gaps=[(None, 0, 900)])
    first = row.row(0, named=True)
    assert (first["total_s"], first["nst_s"], first["unknown_s"], first["prd_s"]) == (
        1500, 1000, 300, 200,
    )  # fmt: skip


def tool(products):
    """Runs from 0 to 4000 but for a stop; a good wafer every 100 s, each fifth bad or reworked."""
    said = [
        Said(-500, "item_state", 3), Said(-500, "operation_mode", 3), Said(3000, "item_state", 2),
        *(Said(second, "product_id", product) for second, product in products),
    ]  # fmt: skip
    counts = dict.fromkeys(("parts_total", "parts_good", "parts_bad", "parts_rework"), 0)
    said += [Said(-500, name, 0) for name in counts]
    for n, second in enumerate(range(50, 4000, 100)):
        kind = {3: "parts_bad", 4: "parts_rework"}.get(n % 5, "parts_good")
        for name in ("parts_total", kind):
            counts[name] += 1
            said.append(Said(second, name, counts[name]))
    return said


def pieces(said, plan, days, gaps=()):
    """What `oee.by_shift` of the day's operations counts."""
    found, increments = plant.silver(plant.raw(said), plant.tags(), plant.cycles(**PRI))
    own = semi.operations(plant.plan(*plan), plant.tags(), days)
    assert own.schema == PLAN
    return oee.by_shift(
        found, increments, own, plant.cycles(**PRI), plant.coverage((-600, 9000)), plant.tags(),
        gaps=plant.gaps(*gaps),
    )  # fmt: skip


WHOLE_DAY = DAYS.filter(pl.col("production_day") == DAY).with_columns(start=at(0))


def test_without_a_calendar_it_is_teep():
    said = tool([(-500, "A")])
    counted = pieces(said, ALWAYS, WHOLE_DAY)
    row = by_day(said, covered=[(-600, 9000)], days=WHOLE_DAY, pieces=counted).row(0, named=True)
    assert (row["ideal_actual_s"], row["ideal_effective_s"]) == (40 * 7, 24 * 7)
    teep = oee.indices(counted.with_columns(calendar_s=5000.0))["teep"].item()
    assert row["e79_oee"] == teep == 24 * 7 / 5000
    assert (row["lower"], row["upper"]) == (teep, teep)
    assert row["quality_efficiency"] == 24 / 40


def test_pieces_of_nonscheduled_time_are_not_counted_and_bounds_hold_them():
    said = tool([(-500, "A")])
    plan = [("one", 1000, 3000, "busy"), ("one", 2000, 2100, "break")]
    for gaps in ([], [(None, 1500, 1800)]):
        counted = pieces(said, plan, WHOLE_DAY, gaps)
        row = by_day(said, plan, [(-600, 9000)], gaps, WHOLE_DAY, counted).row(0, named=True)
        assert (row["nst_s"], row["ideal_actual_s"]) == (3000, 20 * 7)
        assert row["lower"] <= row["e79_oee"] <= row["upper"]
        assert (row["upper"] > row["lower"]) == bool(gaps)
    assert row["completeness"] == 1 - 300 / 5000


def test_test_wafers_are_actual_units_but_not_effective():
    rows = made(
        (DAY, 100.0, 90.0, {"product_id": "A"}), (DAY, 50.0, 50.0, {"product_id": "T"}),
        (DAY, 10.0, 10.0, {"product_id": None}),
    )  # fmt: skip
    found = by_day(once([]), pieces=rows, tests=["T"]).row(1, named=True)
    assert (found["ideal_actual_s"], found["ideal_effective_s"]) == (160, 100)
    assert (found["lower"], found["upper"]) == (None, None)


def test_roll_up_is_of_sums_and_unknown_stays_unknown():
    rows = by_day(once([]), pieces=made((DAY, 100.0, 90.0, {})))
    assert rows["e79_oee"].to_list() == [None, 90 / 2800]
    assert semi.roll_up(rows, [])["e79_oee"].to_list() == [None]
    known = by_day(
        once([]), pieces=made((DAY, 100.0, 90.0, {}), (DAY - timedelta(days=1), 60.0, 10.0, {}))
    )
    whole = semi.roll_up(known, "work_unit_id").row(0, named=True)
    assert whole["e79_oee"] == 100 / 5200 != known["e79_oee"].mean()
    assert whole["rate_efficiency"] == 160 / whole["prd_s"]


def test_calendar_days_are_local():
    days = semi.calendar_days([DAY], timedelta(hours=8))
    assert days.row(0) == (DAY, at(8 * 3600), at(32 * 3600))


def test_no_rows_are_no_error():
    nothing = episodes(once([])).clear()
    rows = semi.by_day(nothing, plant.plan(), plant.coverage(*COVERED), plant.tags(), DAYS, made())
    assert rows.schema == SEMI_BY_DAY
    assert rows["nst_s"].to_list() == rows["total_s"].to_list() == [2400, 2800]
    assert by_day(once([]), days=DAYS.clear()).schema == SEMI_BY_DAY
