"""Forecasts: causal, deterministic, inside their bounds, and honest about what nobody can tell."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from models import forecast_methods as methods
from models.errors import SeriesError
from models.forecast import COUNTED, Asked, forecast, scale_of
from models.forecast_arrival import arrival, is_reached
from models.forecast_bands import bands, usual_miss
from models.forecast_calendar import (
    YEAR_DAYS,
    holiday_features,
    week_effects,
    year_effects,
    year_waves,
)
from models.forecast_scale import link
from pipelines.park_figures import ARRIVALS, FORECASTS
from pipelines.verdicts import MET, verdict

FIRST = date(2026, 1, 5)
SHARE = Asked("device_cloud_rate", "310117", "share", 80.0, "gt")
NUMBER = Asked("download_rate_5g", "310117", "number", 500.0, "ge")
COUNT = Asked("smart_factories", "310117", "count", 10.0, "ge")


def series(values, first=FIRST, **more):
    days = [first + timedelta(days=i) for i in range(len(values))]
    return pl.DataFrame({"day": days, "value": np.asarray(values, float), **more})


def weekly(n=150, seed=1, level=60.0):
    random = np.random.default_rng(seed)
    week = np.array([0, 1, 0, 1, 0, -8, -10.0])
    return level + week[np.arange(n) % 7] + random.normal(0, 0.8, n)


def growing(n=200, seed=2, noise=0.05):
    random = np.random.default_rng(seed)
    return 90 / (1 + np.exp(-(np.arange(n) - 190) / 80)) + random.normal(0, noise, n)


def told(outlook):
    return outlook.forecasts, outlook.arrivals


def test_nothing_behind_the_origin_is_read():
    values = weekly()
    origin = FIRST + timedelta(days=119)
    changed = values.copy()
    changed[120:] = 3.0
    whole = forecast(series(values), SHARE, origin=origin)
    for other in (series(changed), series(values[:120])):
        again = forecast(other, SHARE, origin=origin)
        assert_frame_equal(whole.forecasts, again.forecasts, check_exact=True)
        assert_frame_equal(whole.arrivals, again.arrivals, check_exact=True)
        assert whole.covered == again.covered


def test_what_is_not_settled_is_not_read():
    values = growing()
    understated = values.copy()
    understated[-4:] *= 0.9
    one, two = (forecast(series(v), SHARE, unsettled_days=4) for v in (values, understated))
    assert_frame_equal(one.forecasts, two.forecasts, check_exact=True)
    assert one.forecasts["day"][0] == FIRST + timedelta(days=200)
    assert one.forecasts["horizon"][0] == 1


def test_the_same_series_in_any_order_gives_the_same_bits():
    known = series(weekly())
    one, two = (
        forecast(known, SHARE),
        forecast(known.sample(fraction=1.0, shuffle=True, seed=7), SHARE),
    )
    for a, b in zip(told(one), told(two), strict=True):
        assert_frame_equal(a, b, check_exact=True)


def test_the_tables_have_their_schemas_and_intervals_are_nested_and_widen():
    found = forecast(series(weekly(level=300.0)), NUMBER, days=60)
    table = found.forecasts
    assert table.schema == FORECASTS
    assert found.arrivals.schema == ARRIVALS
    assert table.height == 2 * 60
    near, far = table.filter(coverage=0.8), table.filter(coverage=0.95)
    assert (far["lower"] <= near["lower"]).all()
    assert (near["lower"] <= near["value"]).all()
    assert (near["value"] <= near["upper"]).all()
    assert (near["upper"] <= far["upper"]).all()
    for one in (near, far):
        assert ((one["upper"] - one["lower"]).diff().drop_nulls() >= -1e-9).all()
    assert near["day"].to_list() == [FIRST + timedelta(days=149 + h) for h in near["horizon"]]


@settings(max_examples=6)
@given(st.integers(0, 10**6), st.sampled_from([0.5, 50.0, 99.5]), st.floats(0.1, 20))
def test_shares_stay_inside(seed, level, size):
    random = np.random.default_rng(seed)
    values = np.clip(level + np.cumsum(random.normal(0, size, 70)), 0, 100)
    table = forecast(series(values), SHARE, days=30, arrival_days=30).forecasts
    for name in ("lower", "value", "upper"):
        assert table[name].is_between(0, 100).all()
    assert (table["lower"] <= table["value"]).all()
    assert (table["value"] <= table["upper"]).all()


@pytest.mark.parametrize(
    ("asked", "value"),
    [(SHARE, 100.0), (SHARE, 0.0), (SHARE, 72.7), (COUNT, 10.0), (NUMBER, -3.25)],
)
def test_a_constant_series_forecasts_itself(asked, value):
    found = forecast(series([value] * 90), asked)
    for name in ("value", "lower", "upper"):
        assert (found.forecasts[name] == value).all()
    assert not found.forecasts["beats_naive"].any()
    assert found.covered == {0.8: 1.0, 0.95: 1.0}


def test_a_random_walk_is_its_last_value_and_says_so():
    values = 50 + np.cumsum(np.random.default_rng(5).normal(0, 0.3, 300))
    found = forecast(series(values), SHARE)
    assert set(found.forecasts["method"]) == {"naive"}
    assert (found.forecasts["value"] == values[-1]).all()
    assert not found.forecasts["beats_naive"].any()
    assert (found.forecasts["skill_naive"] == 0.0).all()
    assert "last value" in found.note


def test_a_week_is_learned():
    found = forecast(series(weekly()), SHARE)
    assert found.forecasts["beats_naive"].all()
    assert found.forecasts["skill_naive"][0] > 0.3
    assert found.note is None
    by_day = found.forecasts.filter(coverage=0.8).with_columns(pl.col("day").dt.weekday())
    mean = dict(by_day.group_by("day").agg(pl.col("value").mean()).iter_rows())
    assert mean[7] < mean[6] + 1 < mean[1] - 5
    assert all(0.6 <= share <= 1.0 for share in found.covered.values())


def test_growth_arrives_in_order():
    known = series(growing())
    row = forecast(known, SHARE).arrivals.row(0, named=True)
    assert FIRST + timedelta(days=199) < row["earliest"] <= row["median"]
    assert row["latest"] is None or row["median"] <= row["latest"]
    assert 0.5 <= row["chance_within"] <= 1.0
    nearer = Asked("x", "310117", "share", 50.0, "gt")
    assert forecast(known, nearer).arrivals["median"][0] < row["median"]


@pytest.mark.parametrize(
    ("value", "target", "comparator"),
    [(80.0, 80.0, "gt"), (80.04, 80.0, "gt"), (79.96, 80.0, "gt"), (10.0, 10.0, "ge"),
     (9.0, 10.0, "ge"), (1.3, 1.3, "le"), (1.31, 1.3, "le"), (100.0, 100.0, "eq")],
)  # fmt: skip
def test_what_is_reached_today_is_what_the_verdict_says(value, target, comparator):
    asked = Asked("x", "310117", "number", target, comparator)
    row = forecast(series([value] * 60), asked).arrivals.row(0, named=True)
    is_met = verdict(value, None, None, target, comparator) == MET
    assert (row["earliest"] == row["origin"] == row["median"] == row["latest"]) == is_met
    assert row["chance_within"] == float(is_met)


def test_arrivals_are_counted_on_paths():
    """Ten paths: the k-th comes on day k, the last two never."""
    courses = np.full((10, 8), 79.0)
    for k in range(8):
        courses[k, k:] = 80.1
    origin = date(2026, 11, 21)
    found = arrival(courses, 79.0, 80.0, "gt", origin)
    assert [found.earliest, found.median, found.latest] == [
        origin + timedelta(days=1), origin + timedelta(days=5), None,
    ]  # fmt: skip
    assert found.chance_within == 0.8
    assert arrival(courses - 0.1, 79.0, 80.0, "gt", origin).earliest is None
    assert arrival(courses - 0.1, 79.0, 80.0, "ge", origin).earliest == origin + timedelta(days=1)


def test_equal_is_reached_by_coming_to_it_or_past_it():
    values = np.array([99.0, 99.5, 100.0])
    assert is_reached(values, 98.0, 100.0, "eq").tolist() == [False, False, True]
    assert is_reached(values, 101.0, 99.5, "eq").tolist() == [True, True, False]


def test_full_coverage_can_be_reached_in_units():
    """A share of 20 units is 100 % when the last one is in."""
    n, units = 160, 20
    part = np.minimum(np.arange(n) // 9, 18)
    known = series(part / units * 100, numerator=part, denominator=[units] * n)
    asked = Asked("smart_hydrants", "310117", "share", 100.0, "eq")
    assert forecast(known, asked).arrivals["chance_within"][0] > 0.2


def test_too_little_is_said_to_be_too_little():
    none = forecast(series([1.0] * 13), COUNT)
    assert none.forecasts.is_empty()
    assert none.arrivals.is_empty()
    assert "13 days" in none.note
    assert forecast(series([]), COUNT).note.startswith("0 days")
    values = weekly(30)
    young = forecast(series(values), SHARE)
    assert (young.forecasts["value"] == values[-1]).all()
    assert young.forecasts["horizon"].max() == 30
    assert young.forecasts["skill_naive"].null_count() == young.forecasts.height
    assert (young.forecasts["upper"] > young.forecasts["lower"]).all()
    stale = forecast(series(weekly(60)), SHARE, origin=FIRST + timedelta(days=120))
    assert "nothing is known since" in stale.note
    yearly = series(np.arange(20.0)).with_columns(
        day=pl.lit(FIRST) + pl.duration(days=30 * pl.int_range(20))
    )
    assert not forecast(yearly, NUMBER).forecasts["beats_naive"].any()


def test_gaps_are_unknown():
    values = weekly()
    whole = series(values).with_columns(
        value=pl.when(pl.int_range(pl.len()) % 11 != 4).then("value")
    )
    a, b = forecast(whole, SHARE), forecast(whole.drop_nulls(), SHARE)
    assert_frame_equal(a.forecasts, b.forecasts, check_exact=True)
    assert a.forecasts["beats_naive"].all()


def test_what_cannot_be_is_refused():
    twice = pl.concat([series([1.0] * 20), series([1.0])])
    with pytest.raises(SeriesError, match="twice"):
        forecast(twice, COUNT)
    with pytest.raises(SeriesError, match="no share"):
        forecast(series([50.0] * 20 + [100.5]), SHARE)
    with pytest.raises(SeriesError, match="no count"):
        forecast(series([1.0] * 20 + [-1.0]), COUNT)


def test_units_of_the_dictionary():
    assert [scale_of(unit) for unit in ("%", "家", "Mbps", "kWh/kWh")] == [
        "share", "count", "number", "number",
    ]  # fmt: skip


@given(st.floats(0, 100), st.sampled_from(["share", "count", "number"]))
def test_a_link_goes_there_and_back(value, scale):
    one = link(scale, None)
    assert one.back(one.to(np.array([value])))[0] == pytest.approx(value, abs=1e-9, rel=1e-9)


def past(values):
    y = np.asarray(values, float)
    return methods.Past([FIRST + timedelta(days=i) for i in range(len(y))], y, y)


def test_damped_trends_are_holt_s():
    """A slow twin: one setting, one origin, day by day."""
    values = growing(60)
    values[20:23] = np.nan
    origins, horizons = np.array([35, 59]), np.array([1, 4])
    whole = methods.Adjusted("", np.broadcast_to(values, (2, 60)), np.zeros((2, 2)))
    found = methods.damped(whole, origins, horizons)
    settings_ = [(a, b, f) for a in methods.ALPHAS for b, f in ((0.0, 1.0), *methods.TRENDS)]
    for k in (0, 7, len(settings_) - 1):
        alpha, beta, phi = settings_[k]
        level, trend = float(np.median(values[:7])), 0.0
        for t in range(36):
            level += phi * trend
            trend *= phi
            if np.isfinite(values[t]):
                error = values[t] - level
                level, trend = level + alpha * error, trend + alpha * beta * error
        said = [level + sum(phi**j for j in range(1, h + 1)) * trend for h in horizons]
        assert found[k][0] == pytest.approx(said, rel=1e-12)


def test_ridges_are_least_squares_with_rows_of_nothing():
    """A slow twin: numpy's least squares with the penalty as rows."""
    values = growing(140, noise=0.5)
    origins, horizons = np.array([139]), np.array([1, 9])
    whole = methods.Adjusted("", values[None], np.zeros((1, 2)))
    found = methods.ridges(whole, origins, horizons)
    f = methods._features(values)
    for j, h in enumerate(horizons):
        own, change = f[28 : 140 - h], values[28 + h :] - values[28 : 140 - h]
        for k, ridge in enumerate(methods.RIDGES):
            size = np.trace(own.T @ own) / own.shape[1] / len(own) + 1e-12
            rows = np.vstack([own, np.sqrt(ridge * size) * np.eye(own.shape[1])])
            weights = np.linalg.lstsq(rows, np.append(change, np.zeros(own.shape[1])))[0]
            assert found[k][0, j] == pytest.approx(values[-1] + f[-1] @ weights, rel=1e-8)


def test_seasonal_is_the_day_a_week_before():
    one, horizons = past(np.arange(30.0)), np.arange(1, 16)
    said = methods.seasonal(one, np.array([29]), horizons, 7)[0]
    assert said.tolist() == [float(23 + (h - 1) % 7) for h in horizons]
    assert np.isnan(methods.seasonal(one, np.array([3]), horizons, 7)[0]).sum() == 7


@given(st.integers(10, 70), st.integers(0, 1000))
def test_weekdays_are_learned_from_before_the_origin(origin, seed):
    random = np.random.default_rng(seed)
    x, weekdays = random.normal(0, 1, 80), np.arange(80) % 7
    changed = x.copy()
    changed[origin + 1 :] = 99.0
    at = np.array([origin])
    assert (week_effects(x, weekdays, at) == week_effects(changed, weekdays, at)).all()


def test_a_year_s_wave_is_learned_beside_a_slope_from_before_the_origin():
    days = [FIRST + timedelta(days=i) for i in range(900)]
    waves = year_waves(days)
    truth = np.array([0.5, -0.3, 0.1, 0.0])
    x = waves @ truth + 0.01 * np.arange(900)
    at = np.array([YEAR_DAYS - 2, 800])
    found = year_effects(np.broadcast_to(x, (2, 900)), waves, at)
    assert (found[0] == 0).all()
    assert found[1] == pytest.approx(truth, abs=0.06)
    x[801:] = 99.0
    assert (year_effects(np.broadcast_to(x, (2, 900)), waves, at) == found).all()


def test_spring_festival_lies_where_the_moon_has_it():
    new_years = [date(2024, 2, 10), date(2025, 1, 29), date(2026, 2, 17), date(2027, 2, 6)]
    days = [date(2024, 1, 1) + timedelta(days=i) for i in range(1300)]
    touched = holiday_features(days)[:, 2:].any(axis=1)
    for new_year in new_years:
        at = days.index(new_year)
        assert touched[at - 11 : at + 21].all()
        assert not touched[at - 12]
        assert not touched[at + 21]
    assert holiday_features([date(2026, 10, 1)])[0, 0] == 1.0
    assert holiday_features([date(2026, 10, 10)])[0, 1] == 1.0  # a Saturday that is worked


def test_bands_hold_their_share_of_what_they_were_made_of():
    random = np.random.default_rng(3)
    horizons = np.array([1, 2, 5])
    missed = random.normal(0, 1, (400, 3)) * np.array([1.0, 2.0, 4.0])
    found = bands(missed, np.arange(400), horizons, 8)
    for coverage in (0.8, 0.95):
        inside = np.abs(missed) <= found.at(coverage)[horizons - 1]
        assert inside.mean() == pytest.approx(coverage, abs=0.03)
    assert (np.diff(found.at(0.8)) >= 0).all()
    usual = usual_miss(missed, horizons, 8)
    assert usual[7] == pytest.approx(usual[4] * np.sqrt(8 / 5))


TERMINALS = Asked("terminals", "310117", scale_of("万个"), 20.0, "ge", COUNTED["万个"])


@pytest.mark.parametrize("values", [60 - 0.28 * np.arange(200), 8 + 3 * np.sin(np.arange(200))])
def test_ten_thousands_are_forecast_by_the_piece_and_never_below_none(values):
    pieces = np.round(values)
    made = forecast(series(pieces / 10_000), TERMINALS)
    assert made.forecasts["lower"].min() >= 0
    by_piece = forecast(series(pieces), Asked("terminals", "310117", "count", 200_000.0, "ge"))
    assert_frame_equal(
        made.forecasts.with_columns(pl.col("value", "lower", "upper") * 10_000), by_piece.forecasts
    )
    assert made.arrivals["target"].to_list() == [20.0]
    assert_frame_equal(made.arrivals.drop("target"), by_piece.arrivals.drop("target"))


def test_days_beyond_those_that_are_read_are_not_counted():
    old = series(np.full(13, 5.0), date(2020, 1, 1))
    one = series([5.0], date(2026, 1, 5))
    found = forecast(pl.concat([old, one]), NUMBER)
    assert found.forecasts.is_empty()
    assert found.note == "1 days are known, a forecast needs 14"
