"""The fast OEE against the loop, with everything that the simulator plants and every profile."""

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from connectors.simulator import upsets
from pipelines import oee
from pipelines.profiles import DEFAULT, PROFILES
from tests.pipelines import plant, slow_oee
from tests.pipelines.plant import BAD, Said
from tests.pipelines.test_oee_twin import MAX, OVERLAPPING, PLAN, PRI, WITHOUT_GOOD, machines

KEPT = replace(DEFAULT, profile_id="breaks-kept", breaks="kept")
PASSED = replace(DEFAULT, profile_id="rework-passes", rework="good_once_passed")
EVERY_PROFILE = [*PROFILES.values(), KEPT, PASSED]
END = 5000


@st.composite
def planted(draw):
    """(what is said, what reaches us as rows, coverage, gaps): a machine and what is planted on it.

    Beside what `machines` has (Bad and uncertain values, wraps, unannounced resets): a blackout of
    the state, an outage without history, a node not heard, values late and repeated, a clock off.
    """
    said = [s for s in draw(machines()) if s.second >= -500]
    covered, gaps = [(-600, END)], []
    if draw(st.booleans()):
        said = _blackout(said, *draw(_span()))
    if draw(st.booleans()):
        a, b = draw(_span())
        said, covered = _outage(said, a, b), [(-600, a), (b, END)]
    if draw(st.booleans()):
        measure, (a, b) = (
            draw(st.sampled_from(["parts_good", "order_id", "item_state"])),
            draw(_span()),
        )
        said, gaps = _outage(said, a, b, measure), [(measure, a, b)]
    rows = _arrived(said, draw(st.randoms(use_true_random=False)))
    ahead_s = draw(st.sampled_from([0, 0, 37, -600]))
    event(f"clock {ahead_s}, {len(covered) - 1} outages, {len(gaps)} gaps")
    return said, plant.ahead(rows, ahead_s), covered, gaps


def _span():
    return st.tuples(st.integers(300, 4300), st.integers(1, 900)).map(lambda s: (s[0], sum(s)))


def _blackout(said, start, end):
    """The state says Bad once, then nothing until it ends and says what it is."""

    def mine(s):
        return s.measure == "item_state" and s.second <= end

    last = max((s for s in said if mine(s)), key=lambda s: s.second, default=None)
    left = [s for s in said if not (mine(s) and s.second >= start)]
    again = [] if last is None else [replace(last, second=end)]
    return [*left, Said(start, "item_state", 0, BAD), *again]


def _outage(said, start, end, measure=None):
    """Nothing is heard; then of each node what stands, with its own time."""
    inside = [s for s in said if start <= s.second < end and measure in (None, s.measure)]
    last = {s.measure: s for s in sorted(inside, key=lambda s: s.second)}
    return [s for s in said if s not in inside or s in last.values()]


def _arrived(said, random):
    """Rows out of order, some of them late, some twice."""
    rows = plant.raw([replace(s, late=random.choice([0, 0, 0.05, 300])) for s in said])
    again = rows.sample(fraction=0.2, seed=random.randrange(99)).with_columns(
        received_time=pl.col("received_time") + pl.duration(seconds=40), origin=pl.lit("history")
    )
    return pl.concat([rows, again]).sample(fraction=1, shuffle=True, seed=random.randrange(99))


def fast(rows, measures, plan, covered, gaps, profile):
    tags, cycles = plant.tags(measures, counter_max=MAX), plant.cycles(**PRI)
    episodes, increments = plant.silver(rows, tags, cycles)
    return oee.by_shift(
        episodes, increments, plant.plan(*plan), cycles, plant.coverage(*covered), tags, profile,
        plant.gaps(*gaps),
    )  # fmt: skip


def slow(said, measures, plan, shift, covered, gaps, profile):
    """Times and pieces of a shift as the profile says."""
    if profile.breaks == "kept":
        plan = [row for row in plan if row[3] != "break"]
    window = slow_oee.window(plan, shift)
    heard = [gap for gap in gaps if gap[0] in measures]
    return (
        slow_oee.times(said, plan, shift, *window, covered, heard, profile.profile_id),
        slow_oee.quantities(
            said, plan, shift, *window, MAX, PRI, covered, measures,
            profile.rework == "good_once_passed", heard, profile.profile_id,
        ),
    )  # fmt: skip


@pytest.mark.parametrize("profile", EVERY_PROFILE, ids=lambda profile: profile.profile_id)
@settings(max_examples=12, deadline=None)
@given(
    planted(),
    st.sampled_from([plant.MACHINERY, WITHOUT_GOOD]),
    st.sampled_from([PLAN, OVERLAPPING]),
)
def test_fast_equals_slow_whatever_is_planted(profile, planted, measures, plan):
    said, rows, covered, gaps = planted
    for row in fast(rows, measures, plan, covered, gaps, profile).to_dicts():
        times, pieces = slow(said, measures, plan, row["shift_id"], covered, gaps, profile)
        assert row["profile_id"] == profile.profile_id
        assert {name: row[f"{name}_s"] for name in times} == times
        assert [row[n] for n in ("pq", "gq", "sq", "rq", "pq_outside_plan", "pq_estimated")] == [
            pieces[n] for n in ("pq", "gq", "sq", "rq", "outside", "estimated")
        ]
        good = pieces["ideal_good"]
        assert row["oee"] == (
            None if good is None else pytest.approx(good / row["pbt_s"], abs=1e-12)
        )
        assert row["oee"] is None or row["lower"] <= row["oee"] <= row["upper"]


def test_everything_the_simulator_plants_has_a_place_here():
    """A new field of its plantings must be drawn above."""
    fields = set(upsets.Plantings.__dataclass_fields__)
    assert fields == {"rollover_ms", "unannounced_resets", "blackouts", "upsets"}
    assert set(upsets.Upset.__dataclass_fields__) == {
        "kind", "measure", "start_ms", "end_ms", "status", "delay_ms",
    }  # fmt: skip
