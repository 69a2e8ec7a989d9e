"""What other programs hand to `indices` and `roll_up`: any type, any gap, any order."""

from datetime import timedelta
from decimal import Decimal
from math import inf, isfinite, nan

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import oee
from tests.pipelines import plant, slow_indices
from tests.pipelines.plant import Said

ROW = {"pbt_s": 100, "apt_s": 50, "aust_s": 0, "adet_s": 50, "adot_s": 0, "pri_s": 1,
       "pq": 70, "gq": 60}  # fmt: skip
PIECES = [pl.Int8, pl.UInt64, pl.Int128, pl.Float32, pl.Float64, pl.Decimal(38, 0),
          pl.Decimal(12, 2)]  # fmt: skip
NUMBERS = [*PIECES, pl.Int64, pl.UInt8, pl.Decimal(38, 3), pl.Boolean, pl.Null]
DURATIONS = [pl.Duration("ms"), pl.Duration("us"), pl.Duration("ns")]


def rolled(*rows, by=()):
    frame = pl.DataFrame([ROW | row for row in rows], strict=False)
    return oee.roll_up(frame, list(by)).row(0, named=True)


@pytest.mark.parametrize("kind", PIECES)
def test_quantities_of_any_type_give_float64_ratios(kind):
    given_frame = pl.DataFrame([ROW | {"sq": 10, "rq": 0}]).with_columns(
        pl.col("pq", "gq", "sq", "rq").cast(kind)
    )
    names = ["availability", "effectiveness", "quality_ratio", "oee", "scrap_ratio", "rework_ratio"]
    for found in (oee.indices(given_frame), oee.roll_up(given_frame, [])):
        assert set(found.select(names).dtypes) == {pl.Float64}
        a, e, q, whole, scrap, rework = found.select(names).row(0)
        assert (q, whole, scrap, rework) == (60 / 70, 0.6, 10 / 70, 0)
        assert a * e * q == pytest.approx(whole, rel=1e-12)


def test_sums_of_duckdb_keep_every_piece():
    """Past 2^53 a Float64 would lose the last one."""
    given_frame = pl.DataFrame([ROW | {"pq": 2**53 + 1, "gq": 0}] * 2).with_columns(
        pl.col("pq").cast(pl.Decimal(38, 0))
    )
    assert oee.roll_up(given_frame, [])["pq"].item() == 2 * (2**53 + 1)


@pytest.mark.parametrize("kind", DURATIONS)
def test_durations_are_times(kind):
    row = {name: timedelta(seconds=n) if name.endswith("_s") else n for name, n in ROW.items()}
    row |= {"unknown_s": timedelta(seconds=25), "calendar_s": timedelta(seconds=200)}
    given_frame = pl.DataFrame([row]).with_columns(pl.selectors.duration().cast(kind))
    found = oee.indices(given_frame).row(0, named=True)
    assert (found["oee"], found["availability"], found["teep"]) == (0.6, 0.5, 0.3)
    whole = oee.roll_up(given_frame, []).row(0, named=True)
    assert (whole["oee"], whole["pbt_s"], whole["completeness"]) == (0.6, 100, 0.75)


@pytest.mark.parametrize("unknown", [None, nan, inf, -1.0])
def test_an_unknown_time_makes_its_sums_unknown(unknown):
    assert rolled({}, {"pbt_s": unknown})["oee"] is None
    assert rolled({}, {"pbt_s": unknown})["pbt_s"] is None
    assert rolled({}, {"apt_s": unknown})["availability"] is None
    assert rolled({}, {"apt_s": unknown})["oee"] == 0.6
    assert rolled({"unknown_s": 5.0}, {"unknown_s": unknown})["completeness"] is None
    nothing = rolled({"pbt_s": unknown}, {"pbt_s": unknown})
    assert (nothing["oee"], nothing["outside_plan"]) == (None, False)


@pytest.mark.parametrize("unknown", [None, nan])
def test_an_unknown_bound_is_0_below_and_all_it_can_be_above(unknown):
    known = {"lower": 0.5, "upper": 0.8}
    found = rolled(known, {"lower": unknown, "upper": unknown})
    assert (found["lower"], found["oee"], found["upper"]) == (0.25, 0.6, 0.9)
    fast = rolled(known, {"gq": 150, "lower": unknown, "upper": unknown})
    assert fast["upper"] == (80 + 150) / 200 > fast["oee"]
    outside = rolled(known, {"pbt_s": 0, "lower": unknown, "upper": unknown})
    assert (outside["oee"], outside["upper"]) == (1.2, 1.4)


@pytest.mark.parametrize("unknown", [None, nan, inf])
def test_unknown_quantities_are_null_and_never_an_exception(unknown):
    row = ROW | {"pq": unknown, "gq": unknown, "sq": unknown}
    found = oee.indices(pl.DataFrame([row])).row(0, named=True)
    whole = rolled({"sq": 1.0}, {"pq": unknown, "gq": unknown, "sq": unknown})
    for figures in (found, whole):
        assert figures["availability"] == 0.5
        for name in ("oee", "effectiveness", "quality_ratio", "nee", "scrap_ratio"):
            assert figures[name] is None
    assert (whole["pq"], whole["gq"], whole["sq"]) == (None, None, None)


@pytest.mark.parametrize(
    ("given_pieces", "whole"), [(3.7, 4), (2.5, 3), (2.4, 2), (Decimal("2.5"), 3)]
)
def test_fractions_round_half_away_from_zero_before_the_ideal_time(given_pieces, whole):
    row = {"pq": given_pieces, "gq": given_pieces}
    found = oee.indices(pl.DataFrame([ROW | row])).row(0, named=True)
    assert (found["oee"], found["quality_ratio"]) == (whole / 100, 1)
    assert found["pq"] == given_pieces
    twice = rolled(row, row)
    assert (twice["pq"], twice["gq"], twice["ideal_good_s"]) == (2 * whole, 2 * whole, 2 * whole)


@pytest.mark.parametrize("pri_s", [0, -1, -0.5, nan, inf, None])
def test_a_pri_that_is_not_above_0_is_unknown(pri_s):
    found = oee.indices(pl.DataFrame([ROW | {"pri_s": pri_s}])).row(0, named=True)
    whole = rolled({"pri_s": 1.0}, {"pri_s": pri_s})
    for figures in (found, whole):
        assert (figures["oee"], figures["effectiveness"], figures["nee"]) == (None, None, None)
        assert (figures["availability"], figures["quality_ratio"]) == (0.5, 60 / 70)
    idle = oee.indices(pl.DataFrame([ROW | {"pri_s": pri_s, "pq": 0, "gq": 0}]))
    assert idle["oee"].item() == 0


def test_corrections_add_up_but_nothing_is_below_0():
    """A row that takes pieces back is no ratio of its own, and still part of a sum."""
    found = oee.indices(pl.DataFrame([ROW | {"pq": 70, "gq": -5}])).row(0, named=True)
    assert (found["oee"], found["quality_ratio"], found["nee"]) == (None, None, None)
    whole = rolled({}, {"gq": -5})
    assert (whole["gq"], whole["oee"]) == (55, 55 / 200)


def test_teep_takes_the_calendar_for_the_total_time():
    """8 h planned of 24 h: OEE 0.6 is TEEP 0.2; planned operation time is no calendar."""
    row = {"pbt_s": 28800, "apt_s": 20000, "pri_s": 288, "pot_s": 28800}
    assert "teep" not in oee.indices(pl.DataFrame([ROW | row])).columns
    found = oee.indices(pl.DataFrame([ROW | row | {"calendar_s": 86400}])).row(0, named=True)
    assert (found["oee"], found["teep"]) == (0.6, 0.2)
    whole = rolled(row | {"calendar_s": 86400.0}, row | {"calendar_s": 86400.0})
    assert (whole["oee"], whole["teep"], whole["pot_s"]) == (0.6, 0.2, 57600)
    assert rolled(row | {"calendar_s": 86400.0}, row | {"calendar_s": None})["teep"] is None


def test_pieces_outside_the_plan_count_literally():
    """`oee` is the sum of PRI x GQ over the sum of PBT, whatever the row."""
    outside = {"pbt_s": 0, "apt_s": 0, "adet_s": 0, "pq": 10, "gq": 10}
    whole = rolled({}, outside)
    assert (whole["oee"], whole["pq"], whole["effectiveness"]) == (0.7, 80, 1.6)


def test_by_shift_keeps_pieces_outside_the_plan_apart():
    said = [
        Said(-10, "item_state", 3),
        Said(-10, "operation_mode", 3),
        Said(-10, "product_id", "A"),
        Said(-10, "parts_total", 0),
        Said(-10, "parts_good", 0),
    ]
    said += [
        Said(second, name, n + 1)
        for n, second in enumerate([100, 1500])
        for name in ("parts_total", "parts_good")
    ]
    rows = plant.figures(
        plant.raw(said),
        plant.tags(),
        plant.plan(
            ("A", 0, 1000, "busy"), ("B", 1000, 2000, "busy"),
            ("B", 1000, 2000, "planned_maintenance"),
        ),
        plant.cycles(A=10.0),
        plant.coverage((-1000, 3000)),
    )  # fmt: skip
    beside = rows.filter(pl.col("pbt_s") == 0)
    assert beside["pq_outside_plan"].sum() > 0
    assert beside.select("pq", "ideal_total_s", "ideal_good_s").row(0) == (0, 0, 0)
    planned = oee.roll_up(rows.filter(pl.col("pbt_s") > 0), "work_unit_id")["oee"]
    assert oee.roll_up(rows, "work_unit_id")["oee"].equals(planned)


def test_rows_shapes_and_keys():
    frame = pl.DataFrame(
        [ROW | {"line_id": "L1", "note": "x"}, ROW | {"line_id": "L2", "note": ""}]
    )
    assert oee.indices(frame)["note"].to_list() == ["x", ""]
    assert oee.indices(frame).select(frame.columns).equals(frame)
    assert oee.indices(frame.select(list(ROW)))["oee"].to_list() == [0.6, 0.6]
    assert oee.roll_up(frame, "line_id").equals(oee.roll_up(frame, ["line_id"]))
    assert oee.roll_up(frame.select(list(ROW)), [])["oee"].to_list() == [0.6]


@pytest.mark.parametrize("by", ["line_id", ["line_id"], ("line_id", "shift_id"), []])
def test_no_rows_are_no_error(by):
    frame = pl.DataFrame([ROW | {"line_id": "L1", "shift_id": "A", "lower": 0.1, "upper": 1.0}])
    empty = frame.clear()
    assert oee.indices(empty).schema == oee.indices(frame).schema
    found = oee.roll_up(empty, by)
    assert found.schema == oee.roll_up(frame, by).schema
    assert found.height == (0 if by else 1)
    assert found["oee"].is_null().all()


def test_a_figure_is_the_same_bits_among_any_number_of_rows():
    """One value for all rows, or one row, are no other division."""
    times = {"pbt_s": 28.8, "apt_s": 23.12, "pri_s": 0.37}
    one = pl.DataFrame([ROW | times])
    alike = pl.concat([one] * 3).with_columns(pbt_s=pl.lit(28.8))
    assert oee.indices(alike)["availability"].to_list() == [23_120_000 / 28_800_000] * 3
    assert oee.indices(one)["availability"].item() == 23_120_000 / 28_800_000
    found = oee.roll_up(alike.with_columns(line_id=pl.Series(["a", "b", "c"])), "line_id")
    assert found["apt_s"].to_list() == [23.12] * 3
    assert found.select("oee").unique().equals(oee.roll_up(one, []).select("oee"))


SECONDS = st.one_of(
    st.integers(0, 400).map(lambda n: n / 8),
    st.sampled_from([None, None, nan, inf, -1.0, 0.0, 1e6, 1e300]),
)
"""Eighths of a second, which every type of NUMBERS holds exactly or not at all."""
COUNTS = st.one_of(
    st.integers(0, 60).map(lambda n: n / 2),
    st.sampled_from([None, None, nan, -inf, -2.5, 0.0, 1e6, 1e300, 2.0**62]),
)
SHARES = st.one_of(st.none(), st.just(nan), st.integers(0, 12).map(lambda n: n / 8))
REQUIRED_TIMES = ["pbt_s", "apt_s", "aust_s", "adet_s", "adot_s"]
OPTIONAL = [
    "pot_s", "calendar_s", "unknown_s", "sq", "rq", "pq_outside_plan", "lower", "upper", "aoet_s",
    "apwt_s", "apat_s", "cmt_s", "pmt_s", "tbf_s", "ttf_s", "ttr_s", "uptime_s", "gp", "ip",
    "pq_first", "failures", "repairs", "psq", "cm", "igq", "pl", "stl", "ol", "epc", "energy_kwh",
]  # fmt: skip


def as_type(values, kind):
    column = pl.Series(values, dtype=pl.Float64)
    if kind == pl.Duration:
        ticks = {"ms": 10**3, "us": 10**6, "ns": 10**9}[kind.time_unit]
        return (column * ticks).cast(pl.Int64, strict=False).cast(kind)
    if kind in (pl.Boolean, pl.Null):
        values = [bool(v) if v is not None and kind == pl.Boolean else None for v in values]
        return pl.Series(values, dtype=kind)
    return column.cast(kind, strict=False)


@st.composite
def frames(draw):
    ideals = draw(st.sampled_from([["pri_s"], ["ideal_total_s", "ideal_good_s"]]))
    names = [*REQUIRED_TIMES, *ideals, "pq", "gq"]
    names += draw(st.lists(st.sampled_from(OPTIONAL), unique=True))
    height = draw(st.integers(0, 5))
    columns = {}
    for name in names:
        is_time = name.endswith("_s")
        pool = SHARES if name in ("lower", "upper") else SECONDS if is_time else COUNTS
        kind = draw(st.sampled_from([*NUMBERS, *(DURATIONS if is_time else [])]))
        values = draw(st.lists(pool, min_size=height, max_size=height))
        columns[name] = as_type(values, kind)
    lines = draw(st.lists(st.sampled_from(["L1", "L2", None]), min_size=height, max_size=height))
    return pl.DataFrame(columns | {"line_id": pl.Series(lines, dtype=pl.String)})


def agree(found, expected):
    for name, value in expected.items():
        if value is None or isinstance(value, bool):
            assert found[name] is value, name
        else:
            assert found[name] == pytest.approx(float(value), rel=1e-12), name
    assert found["oee"] is None or (found["oee"] >= 0 and isfinite(found["oee"]))


@settings(max_examples=300, deadline=None)
@given(frames())
def test_indices_of_anything_equal_the_slow_twin(frame):
    found = oee.indices(frame)
    assert found.select(frame.columns).equals(frame)
    for row, figures in zip(frame.to_dicts(), found.to_dicts(), strict=True):
        agree(figures, slow_indices.indices(row))


@settings(max_examples=300, deadline=None)
@given(frames(), st.randoms(use_true_random=False))
def test_roll_up_of_anything_equals_the_slow_twin(frame, random):
    found = oee.roll_up(frame, "line_id")
    rows = frame.to_dicts()
    for figures in found.to_dicts():
        mine = [row for row in rows if row["line_id"] == figures["line_id"]]
        agree(figures, slow_indices.roll_up(mine))
    assert found.height == frame["line_id"].n_unique()
    shuffled = frame.sample(fraction=1, shuffle=True, seed=random.randrange(99))
    assert oee.roll_up(shuffled.lazy(), ["line_id"]).collect().equals(found)
