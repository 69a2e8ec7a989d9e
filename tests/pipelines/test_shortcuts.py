"""Each shortcut that OEE is tempted to take, and how many machine-shifts it spoils.

The simulated fleet (two days of three factories, everything planted in it) is right beside its
truth as it is computed, and wrong with any one of these in its place.
"""

from dataclasses import replace

import polars as pl
import pytest

from pipelines import bronze, clock, counters, elements, oee
from pipelines.profiles import DEFAULT
from tests.pipelines import fleet_world, plant
from tests.pipelines.plant import Said

BADNESS = pl.col("status_code") >= plant.BAD
KEY = fleet_world.KEY
EVERY = 144
"""Machine-shifts that were collected whole."""


@pytest.fixture(scope="module")
def right(world):
    return pl.concat(map(fleet_world.figures, world.factories))


def spoilt(world, found, name):
    """How many machine-shifts are wrong, printed with by how much."""
    rows = fleet_world.wrong(world, found)
    worst = rows.select(100 * pl.max("abs_error"), pl.max("loss_error_s")).row(0)
    print(f"{name}: {rows.height} of {fleet_world.beside(world, found).height} machine-shifts,"
          f" OEE by up to {worst[0] or 0:.1f} points, times by {worst[1] or 0:.0f} s")  # fmt: skip
    return rows.height


def computed(world, **more):
    return pl.concat(fleet_world.figures(factory, **more) for factory in world.factories)


def test_without_any_shortcut_all_hold(world, right):
    assert fleet_world.beside(world, right).height == EVERY
    assert spoilt(world, right, "no shortcut") == 0


def test_no_carry_in_of_the_last_state(world, monkeypatch):
    """Each shift begins as if nothing were known until the next change of state."""
    as_it_is = elements.element_times

    def forgetful(episodes, covered, intervals, profile):
        known = episodes.select(elements.READ)
        starts = intervals.group_by(*known.columns[:4], "shift").agg(pl.min("start")).drop("shift")
        forgotten = starts.match_to_schema(known.schema, missing_columns="insert")
        both = pl.concat([forgotten, known]).sort("start", maintain_order=True)
        return as_it_is(both, covered, intervals, profile)

    monkeypatch.setattr(oee, "element_times", forgetful)
    assert spoilt(world, computed(world), "no carry-in") > EVERY / 2


def test_no_clipping_at_shift_edges(world, monkeypatch):
    """An episode counts whole in the shift in which it begins."""

    def unclipped(edges, totals):
        found = edges.join_asof(totals, on="at", strategy="forward", check_sortedness=False)
        last = totals.select(pl.col(elements.ELEMENTS).last()).row(0)
        return found.select(
            pl.col(name).fill_null(end) for name, end in zip(elements.ELEMENTS, last, strict=True)
        )

    monkeypatch.setattr(elements, "_at", unclipped)
    assert spoilt(world, computed(world), "no clipping") > EVERY / 2


def zeroed(rows: pl.DataFrame) -> pl.DataFrame:
    """Bad values as good zeros, as a historian that fills in a default gives them."""
    texts = pl.col("value_type") == "String"
    return rows.with_columns(
        pl.when(BADNESS & ~texts).then(0).otherwise("value_int").alias("value_int"),
        *(pl.when(~BADNESS | texts).then(name).alias(name) for name in ("value_float",)),
        pl.when(~BADNESS).then("value_uint").alias("value_uint"),
        pl.when(BADNESS).then(0).otherwise("status_code").cast(pl.UInt32).alias("status_code"),
    )


def test_bad_samples_kept_as_0(world):
    """A counter falls to 0 and comes back with all the pieces of its life."""
    bad = [replace(f, raw=zeroed(f.raw)) for f in world.factories]
    found = pl.concat(map(fleet_world.figures, bad))
    assert spoilt(world, found, "Bad as 0") >= 2


def test_arrival_order_without_dedup(world, monkeypatch):
    """Late values are drops, repeated ones steps back: each adds a reset's worth of pieces."""
    as_it_is = clock.correct

    def as_they_came(frame, skew):
        return as_it_is(frame, skew).with_columns(time="received_time")

    monkeypatch.setattr(clock, "correct", as_they_came)
    monkeypatch.setattr(bronze, "compact", lambda frame: frame)
    assert spoilt(world, computed(world), "arrival order") > 10


def test_rollover_by_half_modulus(world, monkeypatch):
    """A six-digit counter that is reset above half of its end becomes half a million pieces."""
    most = pl.when(pl.col("counter_max").is_not_null()).then(999_999).alias("counter_max")
    short = [replace(f, tags=f.tags.with_columns(most)) for f in world.factories[2:]]
    as_it_is = counters._bounded

    def half(steps, cycles):
        bounded = as_it_is(steps, cycles)
        return bounded.with_columns(possible=pl.col("counter_max") // 2)

    found = pl.concat(map(fleet_world.figures, short))
    assert spoilt(world, found, "six digits, no shortcut") == 0
    monkeypatch.setattr(counters, "_bounded", half)
    assert spoilt(world, pl.concat(map(fleet_world.figures, short)), "half modulus") > 0


def test_every_drop_a_reset(world, monkeypatch):
    """The pieces from the last reading before a wrap to the end of the counter are lost."""
    as_it_is = counters._bounded

    def never(steps, cycles):
        bounded = as_it_is(steps, cycles)
        return bounded.with_columns(possible=pl.lit(-1, pl.Int64))

    monkeypatch.setattr(counters, "_bounded", never)
    assert spoilt(world, computed(world), "every drop a reset") == 4


def true_indices(world, by):
    """OEE and NEE of the truth's own sums: PRI x GQ / PBT, and setup no loss."""
    sums = [f"{name}_s" for name in ("pbt", "apt", "aust", "ideal_total", "ideal_good")]
    rows = world.truth.filter(pl.col("ideal_good_s").is_not_null()).group_by(by).agg(pl.sum(*sums))
    aupt = pl.col("apt_s") + pl.col("aust_s")
    return rows.with_columns(
        oee_true=pl.col("ideal_good_s") / pl.col("pbt_s"),
        nee_true=aupt / pl.col("pbt_s") * pl.col("ideal_good_s") / pl.col("apt_s"),
    ).select(*by, "oee_true", "nee_true")


def whole(world, right):
    """Our figures of the fully covered machine-shifts."""
    rows = fleet_world.beside(world, right).filter("whole").select(KEY)
    return right.join(rows, on=KEY)


def off(rows, ours, name, true):
    """How many of `rows` are off by more than 0.001, printed."""
    apart = rows.select((ours - pl.col(true)).abs().alias("apart"))["apart"]
    spoils = (apart > fleet_world.TOLERANCE).sum()
    print(f"{name}: {spoils} of {rows.height}, by up to {100 * (apart.max() or 0):.1f} points")
    return spoils


def test_the_mean_of_ratios_in_a_roll_up(world, right):
    """Of the machines of a shift and of the shifts of a day; sums of times are right."""
    ours = whole(world, right)
    line = ["factory_id", "line_id", "production_day"]
    there = world.truth.join(ours.select(KEY), on=KEY, how="semi")
    true = true_indices(fleet_world.World([], there), line)
    sums = oee.roll_up(ours, line).join(true, on=line)
    mean = ours.group_by(line).agg(pl.mean("oee")).join(true, on=line)
    assert off(sums, pl.col("oee"), "sums of times, lines and days", "oee_true") == 0
    assert off(mean, pl.col("oee"), "mean of ratios, lines and days", "oee_true") > 0


def test_a_ratio_of_rounded_factors(world, right):
    """Whole per cent, as a screen shows them, multiplied again."""
    ours = whole(world, right).join(true_indices(world, KEY), on=KEY)
    factors = ("availability", "effectiveness", "quality_ratio")
    exact, shown = pl.lit(1.0), pl.lit(1.0)
    for factor in factors:
        exact, shown = exact * pl.col(factor), shown * pl.col(factor).round(2)
    assert off(ours, exact, "unrounded factors", "oee_true") == 0
    assert off(ours, shown, "rounded factors", "oee_true") > ours.height / 2


def test_breaks_kept_in_planned_busy_time(world):
    """A convention to choose by name, and wrong where breaks are planned."""
    kept = computed(world, profile=replace(DEFAULT, profile_id="kept", breaks="kept"))
    assert spoilt(world, kept, "breaks kept") > EVERY / 2


@pytest.mark.parametrize("second", ["effectiveness", "quality_ratio"])
def test_nee_as_two_factors(world, right, second):
    """A x E is OEE without scrap, A x Q without speed; both are seen in public code."""
    ours = whole(world, right).join(true_indices(world, KEY), on=KEY)
    wrong = pl.col("availability") * pl.col(second)
    assert off(ours, pl.col("nee"), "NEE", "nee_true") == 0
    assert off(ours, wrong, f"NEE as A x {second}", "nee_true") > ours.height / 2


def fast_hour():
    """An hour in which a piece comes every 8 s where 10 s are planned, then one that is off."""
    said = [Said(-60, m, v) for m, v in (("item_state", 3), ("operation_mode", 3),
                                         ("order_id", "O1"), ("product_id", "A"))]  # fmt: skip
    for count, second in enumerate(range(-8, 3600, 8)):
        said += [Said(second, m, count) for m in ("parts_total", "parts_good")]
    plan = plant.plan(("on", 0, 3600, "busy"), ("off", 3600, 7200, "not_planned"))
    return plant.figures(
        plant.raw(said), plant.tags(), plan, plant.cycles(A=10.0), plant.coverage((-100, 7200))
    )


def test_effectiveness_clipped_at_1():
    """The wrong cycle then shows as a perfect machine; unclipped it is flagged."""
    row = fast_hour().filter(pl.col("shift_id") == "on").row(0, named=True)
    assert (row["effectiveness"], row["oee"], row["effectiveness_over_1"]) == (1.25, 1.25, True)
    factors = row["availability"] * min(row["effectiveness"], 1.0) * row["quality_ratio"]
    assert abs(factors - row["oee"]) > fleet_world.TOLERANCE


def test_availability_1_without_planned_time():
    """A shift that does not run would lift every mean it enters; it has no ratio at all."""
    rows = fast_hour()
    row = rows.filter(pl.col("shift_id") == "off").row(0, named=True)
    assert (row["pbt_s"], row["availability"], row["oee"]) == (0, None, None)
    assert row["outside_plan"]
    day = oee.roll_up(rows, "factory_id").row(0, named=True)
    assert (day["availability"], day["oee"]) == (1.0, 1.25)
    lifted = rows.with_columns(pl.col("availability", "oee").fill_null(1.0))
    assert abs(lifted["oee"].mean() - day["oee"]) > fleet_world.TOLERANCE
