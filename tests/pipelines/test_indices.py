"""ISO 22400-2 ratios: published worked examples, edges, roll-ups."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import oee

RATIOS = [
    "availability", "effectiveness", "quality_ratio", "oee", "nee", "allocation_efficiency",
    "utilization_efficiency", "setup_rate", "technical_efficiency",
]  # fmt: skip


def row(pbt, apt, pri, pq, gq, *, aust=0, adet=0, adot=None, **more):
    adot = pbt - apt - aust - adet if adot is None else adot
    return {"pbt_s": pbt, "apt_s": apt, "aust_s": aust, "adet_s": adet, "adot_s": adot,
            "pri_s": pri, "pq": pq, "gq": gq, **more}  # fmt: skip


def figures(**given_row):
    return oee.indices(pl.DataFrame([given_row])).row(0, named=True)


PUBLISHED = {
    # Vorne, "Calculate OEE": 480 min less 60 of breaks, 47 down, 1.0 s, 19,271 pieces, 423 rejects
    "vorne": (row(420 * 60, 373 * 60, 1.0, 19271, 18848), (0.8881, 0.8611, 0.9780, 0.7479), 1e-4),
    # Nakajima's ideal plant: 90 % x 95 % x 99.9 % = 85.4 %
    "nakajima_ideal": (
        row(200_000, 180_000, 1.0, 171_000, 170_829), (0.9, 0.95, 0.999, 0.854), 2e-4,
    ),
    # Nakajima's worked day: loading 460 min, down 60 min, 0.5 min a piece, 400 pieces, 2 % bad
    "nakajima_day": (row(460 * 60, 400 * 60, 30.0, 400, 392), (0.87, 0.50, 0.98, 0.426), 1e-3),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED)
def test_published_examples(case):
    given_row, expected, within = PUBLISHED[case]
    found = figures(**given_row)
    names = ("availability", "effectiveness", "quality_ratio", "oee")
    assert [found[n] for n in names] == pytest.approx(list(expected), abs=within)


def test_vorne_in_full_digits():
    found = figures(**PUBLISHED["vorne"][0])
    assert found["oee"] == 18848 / 25200
    assert round(100 * found["oee"], 2) == 74.79


def test_every_ratio_by_hand():
    """PBT 1000 = APT 500 + AUST 100 + ADET 150 + ADOT 250; 40 pieces of 10 s, 30 good."""
    found = figures(**row(1000, 500, 10, 40, 30, aust=100, adet=150, sq=8, rq=2, calendar_s=1250))
    assert found["availability"] == 0.5
    assert found["effectiveness"] == 0.8
    assert found["quality_ratio"] == 0.75
    assert found["oee"] == 0.3
    assert found["nee"] == pytest.approx(0.6 * 0.8 * 0.75)
    assert found["allocation_efficiency"] == 0.75
    assert found["utilization_efficiency"] == pytest.approx(500 / 750)
    assert found["setup_rate"] == pytest.approx(1 / 6)
    assert found["technical_efficiency"] == pytest.approx(500 / 650)
    assert found["scrap_ratio"] == 0.2
    assert found["rework_ratio"] == 0.05
    assert found["teep"] == 0.24


def test_no_planned_time_is_null_and_never_1():
    found = figures(**row(0, 0, 10, 7, 7))
    assert {name: found[name] for name in RATIOS} == dict.fromkeys(RATIOS)
    assert found["outside_plan"]
    assert (found["pq"], found["gq"]) == (7, 7)


def test_nothing_made_is_oee_0_with_null_quality():
    idle, running = figures(**row(100, 0, 10, 0, 0)), figures(**row(100, 60, 10, 0, 0))
    assert (idle["oee"], idle["effectiveness"], idle["quality_ratio"]) == (0, None, None)
    assert (running["oee"], running["effectiveness"], running["quality_ratio"]) == (0, 0, None)
    assert (idle["nee"], running["nee"]) == (0, 0)
    assert not idle["outside_plan"]


def test_effectiveness_over_1_stays_and_is_flagged():
    found = figures(**row(100, 50, 1, 80, 80))
    assert found["effectiveness"] == 1.6
    assert found["effectiveness_over_1"]
    assert found["oee"] == 0.8


@pytest.mark.parametrize("kind", [pl.Int32, pl.UInt64, pl.Float32, pl.Float64, pl.Decimal(12, 2)])
def test_any_numeric_type(kind):
    frame = pl.DataFrame([row(100, 50, 1, 40, 30)]).with_columns(pl.col("^.*_s$").cast(kind))
    assert oee.indices(frame)["oee"].item() == 0.3


def test_null_and_nan_are_undefined_not_wrong():
    rows = [row(100.0, 50.0, None, 40, 30), row(float("nan"), 50.0, 1.0, 40, 30, adot=0.0)]
    found = oee.indices(pl.DataFrame(rows))
    assert found["oee"].to_list() == [None, None]
    assert found["effectiveness"].to_list() == [None, None]


def test_decimal_input_is_exact():
    found = figures(**row(Decimal("0.3"), Decimal("0.3"), Decimal("0.1"), 3, 3, adot=Decimal(0)))
    assert found["oee"] == 1.0


def test_ideal_time_is_rounded_after_the_product():
    """PRI of a third of a microsecond per piece: a rounded PRI would be 0."""
    found = figures(**row(1, 1, 1 / 3_000_000, 3_000_000, 3_000_000))
    assert found["oee"] == 1.0


def test_lazy_equals_eager():
    frame = pl.DataFrame(
        [row(100, 50, 1, 40, 30, line_id="L1"), row(90, 40, 2, 10, 9, line_id="L2")]
    )
    assert oee.indices(frame.lazy()).collect().equals(oee.indices(frame))
    assert oee.roll_up(frame.lazy(), "line_id").collect().equals(oee.roll_up(frame, "line_id"))


def test_mean_of_oees_is_not_the_oee():
    """20 pieces in an hour and 1 in a minute: the mean of the OEEs is a different number."""
    frame = pl.DataFrame([row(3600, 3600, 60, 20, 20), row(60, 60, 60, 1, 1)])
    rolled = oee.roll_up(frame, [])["oee"].item()
    assert rolled == 21 * 60 / 3660
    assert oee.indices(frame)["oee"].mean() != pytest.approx(rolled)


def test_mixed_products_keep_the_factors_together():
    """Weighted by count, quality would break A x E x Q = OEE."""
    frame = pl.DataFrame([row(1000, 800, 1, 100, 10), row(1000, 800, 6, 100, 90)])
    rolled = oee.roll_up(frame, []).row(0, named=True)
    product = rolled["availability"] * rolled["effectiveness"] * rolled["quality_ratio"]
    assert rolled["oee"] == (10 + 540) / 2000
    assert product == pytest.approx(rolled["oee"], rel=1e-15)
    by_count = rolled["availability"] * rolled["effectiveness"] * rolled["gq"] / rolled["pq"]
    assert by_count != pytest.approx(rolled["oee"])


def test_roll_up_of_nothing_planned():
    rolled = oee.roll_up(pl.DataFrame([row(0, 0, 1, 0, 0), row(0, 0, 1, 3, 3)]), [])
    assert rolled.select(RATIOS).row(0) == (None,) * len(RATIOS)


INTERVALS = st.lists(
    st.tuples(
        *[st.integers(0, 40_000)] * 4,
        st.floats(0.001, 500),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        st.sampled_from("abc"),
    ),
    min_size=1,
    max_size=12,
)


def frame_of(intervals):
    return pl.DataFrame(
        [row(a + s + d + o, a, pri, g + b, g, aust=s, adet=d, adot=o, line_id=line)
         for a, s, d, o, pri, g, b, line in intervals]
    )  # fmt: skip


@settings(deadline=None)
@given(INTERVALS, st.randoms(use_true_random=False))
def test_roll_up_is_one_number_in_any_order(intervals, random):
    frame = frame_of(intervals)
    shuffled = frame.sample(fraction=1, shuffle=True, seed=random.randrange(1000))
    assert oee.roll_up(shuffled, "line_id").equals(oee.roll_up(frame, "line_id"))
    ideal = sum(round(r["pri_s"] * r["gq"] * 1e6) for r in frame.to_dicts())
    pbt = frame["pbt_s"].sum()
    expected = ideal / (pbt * 1_000_000) if pbt else None
    assert oee.roll_up(frame, [])["oee"].item() == expected


@settings(deadline=None)
@given(INTERVALS)
def test_factors_multiply_wherever_defined(intervals):
    for found in oee.roll_up(frame_of(intervals), "line_id").to_dicts():
        factors = [found[n] for n in ("availability", "effectiveness", "quality_ratio")]
        if None not in factors:
            a, e, q = factors
            assert a * e * q == pytest.approx(found["oee"], rel=1e-9)
            assert found["nee"] >= found["oee"] * (1 - 1e-12)


@settings(deadline=None)
@given(INTERVALS)
def test_no_ratio_is_an_exception_or_not_finite(intervals):
    found = oee.indices(frame_of(intervals))
    for name in RATIOS:
        assert found[name].drop_nulls().is_finite().all()
    planned = pl.col("pbt_s") > 0
    assert found.filter(planned, pl.col("oee").is_null()).is_empty()
    assert found.filter(~planned).select(pl.col(RATIOS).is_null().all()).row(0) == (True,) * len(
        RATIOS
    )
