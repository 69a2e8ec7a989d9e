"""ISO 22400-2 ratios: published worked examples, edges, roll-ups."""

from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import formulas, oee

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


FURTHER = {
    "aoet_s": 2000, "apwt_s": 300, "apat_s": 400, "psq": 2.5, "gp": 27, "ip": 30, "pq_first": 160,
    "cm": 62.5, "igq": 50.0, "pl": 6.25, "stl": 2.5, "ol": 1.25, "epc": 125, "energy_kwh": 3.0,
    "cmt_s": 30, "pmt_s": 90, "failures": 4, "repairs": 3, "tbf_s": 900, "ttf_s": 750, "ttr_s": 150,
    "uptime_s": 800, "calendar_s": 1250, "sq": 8,
}  # fmt: skip
BY_HAND = {
    "allocation_ratio": 750 / 2000, "production_process_ratio": 0.25, "throughput_per_h": 72.0,
    "worker_efficiency": 0.75, "actual_to_planned_scrap_ratio": 3.2, "fall_off_ratio": 0.05,
    "first_pass_yield": 0.9, "finished_goods_ratio": 0.48, "integrated_goods_ratio": 0.8,
    "production_loss_ratio": 0.1, "storage_and_transportation_loss_ratio": 0.04,
    "other_loss_ratio": 0.02, "equipment_load_rate": 0.32,
    "comprehensive_energy_kwh_per_piece": 0.075, "corrective_maintenance_ratio": 0.25,
    "mtbf_iso_s": 180.0, "mttf_iso_s": 150.0, "mtbf_s": 200.0, "mttf_s": 187.5, "mttr_s": 50.0,
    "loading": 0.8,
}  # fmt: skip
HAND = row(1000, 500, 10, 40, 30, aust=100, adet=150)


def test_every_further_ratio_by_hand():
    found = figures(**HAND, **FURTHER)
    assert {name: found[name] for name in BY_HAND} == BY_HAND
    assert figures(**HAND, failures=3, ttr_s=150)["mttr_s"] == 50
    assert {*found} - {*HAND, *FURTHER} - {*RATIOS, *BY_HAND} == {
        "teep", "scrap_ratio", "outside_plan", "effectiveness_over_1",
    }  # fmt: skip


def test_every_formula_is_in_the_decision_note():
    note = Path("docs/decisions/0020-the-rest-of-iso-22400.md").read_text(encoding="utf-8")
    known = [*formulas.OF_OEE, *formulas.BESIDE_OEE, *formulas.RELIABILITY]
    assert [formula.name for formula in known if f"`{formula.name}`" not in note] == []


@pytest.mark.parametrize("missing", FURTHER)
def test_a_ratio_is_there_where_its_columns_are(missing):
    given_columns = {name: n for name, n in FURTHER.items() if name != missing}
    named = {name: n for name, n in figures(**HAND, **given_columns).items() if name in BY_HAND}
    expected = BY_HAND | ({"mttr_s": 150 / 4} if missing == "repairs" else {})
    assert named.items() <= expected.items()
    assert len(named) < len(BY_HAND) or missing == "repairs"


@pytest.mark.parametrize("unknown", [0, None, float("nan"), -1.0])
def test_a_further_ratio_of_nothing_is_null_and_never_1(unknown):
    found = figures(**HAND, **dict.fromkeys(FURTHER, unknown))
    zero = ["mtbf_iso_s", "mttf_iso_s", "comprehensive_energy_kwh_per_piece"]
    expected = dict.fromkeys(BY_HAND) | (dict.fromkeys(zero, 0) if unknown == 0 else {})
    assert {name: found[name] for name in BY_HAND} == expected
    nothing = figures(**row(0, 0, 10, 0, 0), **FURTHER)
    assert {n: nothing[n] for n in BY_HAND} == dict.fromkeys(BY_HAND)


def test_further_ratios_of_sums():
    """A throughput is the sum of pieces over the sum of times, energy a sum to the last bit."""
    rows = [
        HAND | {"aoet_s": 100.0, "energy_kwh": 0.1, "psq": 2.01, "sq": 1, "line_id": "a"},
        HAND | {"aoet_s": 900.0, "energy_kwh": 0.2, "psq": 2.03, "sq": 2, "line_id": "b"},
    ]
    found = oee.roll_up(pl.DataFrame(rows), []).row(0, named=True)
    assert found["throughput_per_h"] == 80 * 3600 / 1000
    assert found["energy_kwh"] == 0.3 != 0.1 + 0.2
    assert found["comprehensive_energy_kwh_per_piece"] == 0.3 / 80
    assert (found["psq"], found["actual_to_planned_scrap_ratio"]) == (4.04, 3 / 4.04)


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
