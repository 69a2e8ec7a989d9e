"""Which profile a figure is made by: where, from when on, and what it leaves as it was."""

from datetime import timedelta
from functools import cache, partial

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import levels, lines, losses, oee, reliability
from pipelines.conventions import NO_CONVENTIONS, by_convention, profile_of_row, with_least
from pipelines.fingerprints import agreed
from pipelines.pace import LINE
from pipelines.profiles import DEFAULT, PROFILES
from pipelines.schemas import CONVENTIONS, LINES, PLAN
from tests.pipelines import plant
from tests.pipelines.plant import Said

UNITS = ("M1", "M2", "M3")
DAYS = [plant.DAY + timedelta(days=n) for n in range(3)]
DAY_S, H = 86_400, 3_600
FIRST = plant.DAY - timedelta(days=99)
KEY = ["work_unit_id", "production_day"]


def convention(name, start, **more):
    base = {"factory_id": "F01", "profile_id": name, "rules": "opc40001-1", "breaks": "cut",
            "rework": "not_good", "micro_stop_s": 300.0, "start_up_s": 600.0,
            "least_completeness": 0.9, "valid_from": plant.DAY + timedelta(days=start)}  # fmt: skip
    return base | more


def table(*rows):
    return pl.DataFrame(list(rows), CONVENTIONS)


def said(unit, number):
    """A machine that runs, is set up, stops for a while, and works through a break, every day."""
    rows = [Said(60, name, value, unit=unit) for name, value in
            [("item_state", 3), ("operation_mode", 3), ("order_id", "O"), ("product_id", "A"),
             ("parts_total", 0), ("parts_good", 0), ("parts_bad", 0),
             ("parts_rework", 0)]]  # fmt: skip
    pieces = 0
    for start in range(0, 3 * DAY_S, DAY_S):
        for at, state in [(7 * H, 2), (7 * H + 100 * number, 3), (9 * H, 1), (9 * H + 900, 3)]:
            rows.append(Said(start + at, "item_state", state, unit=unit))
        rows += [Said(start + 10 * H, "operation_mode", 2, unit=unit),
                 Said(start + 10 * H + 600, "operation_mode", 3, unit=unit)]  # fmt: skip
        for hour in range(6, 14):
            pieces += 3
            rows.append(Said(start + hour * H + 30, "parts_total", pieces, unit=unit))
            rows.append(Said(start + hour * H + 30, "parts_rework", pieces // 3, unit=unit))
    return rows


SAID = [word for number, unit in enumerate(UNITS, 2) for word in said(unit, number)]


def plans():
    rows = [
        {"factory_id": "F01", "production_day": day, "shift_id": "E", "kind": kind,
         "start": plant.at(n * DAY_S + a * H), "end": plant.at(n * DAY_S + b * H)}
        for n, day in enumerate(DAYS) for kind, a, b in [("busy", 6, 14), ("break", 12, 12.5)]
    ]  # fmt: skip
    return pl.DataFrame(rows, PLAN)


def stations():
    rows = [
        {"factory_id": "F01", "line_id": "L1", "work_unit_id": unit, "stage": stage,
         "valid_from": plant.at(-DAY_S)}
        for stage, unit in enumerate(UNITS, 1)
    ]  # fmt: skip
    return pl.DataFrame(rows, LINES)


TAGS, PLANS, CYCLES = plant.tags(units=UNITS), plans(), plant.cycles(A=900.0)
EPISODES, INCREMENTS = plant.silver(plant.raw(SAID), TAGS, CYCLES)
GIVEN = (EPISODES, INCREMENTS, PLANS, CYCLES, plant.coverage((0, 3 * DAY_S)))
BY_SHIFT = {
    "oee": partial(oee.by_shift, *GIVEN),
    "losses": partial(losses.by_shift, *GIVEN),
    "reliability": partial(reliability.by_shift, EPISODES, PLANS, GIVEN[-1]),
}
LINE_SHIFTS = partial(lines.by_shift, *GIVEN, lines=stations())

PLACES = st.sampled_from([(None, None), ("L1", None), ("L1", "M1"), ("L1", "M2"), (None, "M3")])
OTHER = {
    "kept": {"breaks": "kept"},
    "passed": {"rework": "good_once_passed"},
    "long": {"micro_stop_s": 1200.0, "start_up_s": 60.0},
    "strict": {"least_completeness": 1.0, "rules": "opc40501-1"},
    "semi-e10": {"rules": "semi-e10"},
    "opc40001-1": {},
}


@cache
def whole(name, profile_id):
    """Figures of every work unit and day by one profile."""
    profile = profile_of_row(convention(profile_id, 0, **OTHER[profile_id]))
    return BY_SHIFT[name](tags=TAGS, profile=profile)


@st.composite
def conventions(draw):
    """One convention for each of some places and days."""
    starts = st.tuples(PLACES, st.integers(-1, 4))
    placed = draw(st.dictionaries(starts, st.sampled_from(sorted(OTHER)), min_size=1, max_size=3))
    return table(*(
        convention(name, day, line_id=line, work_unit_id=unit, **OTHER[name])
        for ((line, unit), day), name in placed.items()
    ))  # fmt: skip


def meant(rows, unit, day):
    """The convention of a work unit on a day, looked for row by row; None for the default."""
    begun = [
        row for row in rows.iter_rows(named=True)
        if row["valid_from"] <= day and row["line_id"] in (None, "L1")
        and row["work_unit_id"] in (None, unit)
    ]  # fmt: skip
    narrow = [2 if row["work_unit_id"] else int(row["line_id"] is not None) for row in begun]
    best = max(zip(narrow, [row["valid_from"] for row in begun], begun, strict=True),
               key=lambda found: found[:2], default=None)  # fmt: skip
    return best and best[2]


@pytest.mark.parametrize("name", sorted(BY_SHIFT))
@settings(max_examples=6, deadline=None)
@given(rows=conventions())
def test_each_figure_is_that_of_the_profile_which_is_meant(name, rows):
    found = by_convention(BY_SHIFT[name], TAGS, PLANS, rows)
    parts = []
    for unit in UNITS:
        for day in DAYS:
            row = meant(rows, unit, day)
            alone = whole(name, "opc40001-1" if row is None else row["profile_id"])
            parts.append(alone.filter(work_unit_id=unit, production_day=day))
    assert found.equals(pl.concat(parts))
    assert found.height >= 9


@pytest.mark.parametrize("name", sorted(BY_SHIFT))
@settings(max_examples=3, deadline=None)
@given(rows=conventions(), day=st.integers(0, 2))
def test_a_convention_leaves_the_days_before_it_as_they_were(name, rows, day):
    new = convention("kept", day, breaks="kept", line_id="L1", work_unit_id="M1")
    before, after = (
        by_convention(BY_SHIFT[name], TAGS, PLANS, known)
        for known in (rows.filter(pl.col("work_unit_id").is_null()),
                      pl.concat([rows.filter(pl.col("work_unit_id").is_null()), table(new)]))
    )  # fmt: skip
    own = (pl.col("production_day") >= DAYS[day]) & (pl.col("work_unit_id") == "M1")
    assert after.filter(~own).equals(before.filter(~own))
    assert set(after.filter(own)["profile_id"]) == {"kept"}


def counting(by_shift):
    """The same, and what it was asked for."""
    asked = []

    def figures(*, tags, profile):
        asked.append((profile.profile_id, sorted(tags["work_unit_id"].drop_nulls().unique())))
        return by_shift(tags=tags, profile=profile)

    return figures, asked


def test_without_a_convention_it_is_one_call_with_all_that_was_given():
    figures, asked = counting(BY_SHIFT["oee"])
    found = by_convention(figures, TAGS, PLANS, NO_CONVENTIONS)
    assert asked == [("opc40001-1", list(UNITS))]
    assert found.equals(BY_SHIFT["oee"](tags=TAGS))


def test_a_profile_is_asked_only_of_the_work_units_that_have_it():
    figures, asked = counting(BY_SHIFT["oee"])
    rows = [convention("own", -9, line_id="L1", work_unit_id="M2"), convention("all", 2)]
    by_convention(figures, TAGS, PLANS, table(*rows))
    assert sorted(asked) == [("all", ["M1", "M3"]), ("opc40001-1", ["M1", "M3"]), ("own", ["M2"])]
    assert by_convention(figures, TAGS.clear(), PLANS, table(*rows)).is_empty()


def test_a_node_that_was_rewired_keeps_its_past_whoever_is_asked():
    """It spoke for M1 until nine; a gap before that is none of M2's."""
    moved, nine = TAGS.filter(work_unit_id="M1", measure="order_id"), plant.at(9 * H)
    moved = moved.with_columns(node_id=pl.lit("moved"))
    first = moved.with_columns(valid_from=plant.at(0), valid_to=nine)
    then = moved.with_columns(work_unit_id=pl.lit("M2"), valid_from=nine)
    tags = pl.concat([TAGS, first.cast(TAGS.schema), then.cast(TAGS.schema)])
    gap = plant.gaps((None, 7 * H, 8 * H)).with_columns(node_id=pl.lit("moved"))
    by_shift = partial(oee.by_shift, *GIVEN, gaps=gap)
    known = table(convention("own", -9, line_id="L1", work_unit_id="M2"))
    found = by_convention(by_shift, tags, PLANS, known)
    assert found.drop("profile_id").equals(by_shift(tags=tags).drop("profile_id"))
    unknown = found.filter(production_day=DAYS[0])["unknown_s"].to_list()
    assert unknown == [H, 0, 0]


def test_a_line_has_the_profile_of_its_line_and_not_that_of_a_station():
    rows = [convention("kept", 1, line_id="L1", breaks="kept"),
            convention("own", 0, line_id="L1", work_unit_id="M2"),
            convention("L2", 0, line_id="L2")]  # fmt: skip
    found = by_convention(LINE_SHIFTS, TAGS, PLANS, table(*rows), LINE)
    assert found["profile_id"].to_list() == ["opc40001-1", "kept", "kept"]
    assert found["pbt_s"].to_list() == [7.5 * H, 8 * H, 8 * H]


def test_breaks_that_are_kept_are_busy_time_of_failures_too():
    rows = by_convention(
        BY_SHIFT["reliability"], TAGS, PLANS, table(convention("kept", 1, breaks="kept"))
    ).filter(work_unit_id="M1")
    assert rows["pbt_s"].to_list() == [7.5 * H, 8 * H, 8 * H]
    assert rows["profile_id"].to_list() == ["opc40001-1", "kept", "kept"]


@pytest.mark.parametrize(("least", "reliable"), [(0.5, True), (0.95, False)])
def test_a_roll_up_asks_for_the_completeness_of_its_factorys_conventions(least, reliable):
    known = table(convention("own", -9, least_completeness=least))
    missed = plant.gaps((None, 8 * H, 9 * H))
    figures = partial(oee.by_shift, *GIVEN, gaps=missed)
    rows = by_convention(figures, TAGS, PLANS, known).filter(production_day=DAYS[0])
    assert rows["completeness"].unique().to_list() == [6.5 / 7.5]
    nothing = LINE_SHIFTS(tags=TAGS).clear()
    rolled = levels.by_day(with_least(rows, known), nothing, rows.select(*levels.EXPECTED))
    assert rolled["is_reliable"].to_list() == [reliable] * 4
    other = known.with_columns(factory_id=pl.lit("F02"))
    usual = with_least(rows, other)["least_completeness"].unique().to_list()
    assert usual == [DEFAULT.least_completeness]


@given(conventions(), st.integers(-3, 3), st.sampled_from(sorted(OTHER)))
def test_what_is_agreed_changes_from_its_day_on_and_not_before(rows, start, name):
    days = [plant.DAY + timedelta(days=n) for n in range(-4, 6)]
    new = convention(name, start, line_id="L9", **OTHER[name])
    before, after = (agreed(known, days, FIRST) for known in (rows, pl.concat([rows, table(new)])))
    assert [day for day in days if before[day] != after[day]] == [
        day for day in days if day >= new["valid_from"]
    ]
    assert agreed(rows.reverse(), days, FIRST) == before


def test_the_same_said_again_is_no_change_except_on_a_first_day_that_holds_older_ones():
    known = table(convention("own", -9, breaks="kept"))
    again = pl.concat([known, table(convention("own", 1, breaks="kept"))])
    assert agreed(known, DAYS, FIRST) == agreed(again, DAYS, FIRST)
    older = pl.concat([known, table(convention("old", -20))])
    differ = [day for day in DAYS if agreed(known, DAYS, DAYS[0])[day] !=
              agreed(older, DAYS, DAYS[0])[day]]  # fmt: skip
    assert differ == DAYS[:1]
    assert set(agreed(NO_CONVENTIONS, DAYS, FIRST).values()) == set(
        agreed(table(convention("later", 9)), DAYS, FIRST).values()
    )


def test_every_profile_is_a_row_and_comes_back():
    for name in PROFILES:
        assert profile_of_row(convention(name, 0, rules=name)) == PROFILES[name]
