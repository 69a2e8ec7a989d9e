"""Days of invented enterprises: what a portrait finds in them is what really happened."""

from datetime import date, timedelta

import polars as pl
import pytest

from connectors.simulator import enterprise_days
from connectors.simulator.portrait_truth import truth
from pipelines.park_schemas import ENTERPRISE_DAYS
from pipelines.portrait_trends import trends

SECTORS = ["C39", "C26", "D44"]
FIRMS = enterprise_days.firms(7, [(f"U{i:02}", SECTORS[i % 3], 8 + 31 * i) for i in range(24)])
FESTIVAL = date(2026, 2, 17)
DAYS = [FESTIVAL - timedelta(days=16), FESTIVAL + timedelta(days=25), date(2026, 9, 30)]


def rows(firms, first, last):
    return pl.from_arrow(enterprise_days.table(firms, first, last, 7))


@pytest.mark.parametrize("on", DAYS)
@pytest.mark.parametrize("back", [500, 200])
def test_where_nothing_is_missing_trends_are_exactly_the_truth(on, back):
    whole = [enterprise_days.complete(firm) for firm in FIRMS]
    since = on - timedelta(days=back)
    measured = trends(rows(whole, since, on), on)
    for firm, row in zip(whole, measured.to_dicts(), strict=True):
        real = truth(firm, on, since, 7)
        assert (row["uscc"], row["trend_basis"]) == (firm.uscc, real.basis)
        assert row["running_h_per_day"] == float(real.running_h_per_day)
        assert row["running_trend"] == float(real.running)
        assert row["output_trend"] == float(real.output)
        assert row["energy_trend"] == float(real.energy)
        assert row["energy_per_output_trend"] == pytest.approx(
            float(real.energy_per_output), rel=1e-12
        )


@pytest.mark.parametrize("on", DAYS)
def test_the_growth_planted_is_found_on_both_sides_of_the_festival(on):
    measured = trends(rows(FIRMS, on - timedelta(days=500), on), on)
    assert measured["output_trend"].null_count() == 0
    for firm, found in zip(FIRMS, measured["output_trend"], strict=True):
        # an outage of ours makes a window reach further back, nearer to the festival or past it
        assert found == pytest.approx(firm.growth, abs=0.12 if firm.outages else 0.06)


def test_without_alignment_the_festival_would_hide_the_growth():
    on = DAYS[1]
    found = rows(FIRMS, on - timedelta(days=500), on)
    ends = (on, on - timedelta(days=364))
    sums = [
        found.filter(
            pl.col("is_operating"), pl.col("day").is_between(end - timedelta(days=39), end)
        )
        .group_by("uscc", maintain_order=True)
        .agg(pl.mean("output"))["output"]
        for end in ends
    ]
    naive = sums[0] / sums[1] - 1
    errors = [abs(a - firm.growth) for a, firm in zip(naive, FIRMS, strict=True)]
    assert sum(errors) / len(errors) > 0.06


def test_rows_are_the_schema_and_a_function_of_the_day_alone():
    early = rows(FIRMS[:3], date(2026, 1, 1), date(2026, 6, 30))
    late = rows(FIRMS[:3], date(2026, 5, 1), date(2026, 8, 31))
    assert early.schema == ENTERPRISE_DAYS
    both = pl.col("day").is_between(date(2026, 5, 1), date(2026, 6, 30))
    assert early.filter(both).equals(late.filter(both))
    assert rows([], date(2026, 1, 1), date(2026, 1, 2)).is_empty()


def test_what_is_lost_is_lost_in_each_way():
    found = rows(FIRMS, date(2025, 1, 1), date(2026, 6, 30))
    lost = found.filter(~pl.col("is_collected"))
    assert lost.height > 0
    assert lost["output"].null_count() == lost.height
    days = (date(2026, 6, 30) - date(2025, 1, 1)).days + 1
    assert found.height < days * len(FIRMS)
    collected = found.filter("is_collected")
    assert 0 < collected["energy_wh"].null_count() < 0.03 * collected.height
    idle = collected.filter(~pl.col("is_operating"))
    assert idle["output"].drop_nulls().max() == 0
    assert idle["energy_wh"].drop_nulls().min() > 0


def test_too_short_a_history_has_no_truth():
    assert truth(FIRMS[0], DAYS[2], DAYS[2] - timedelta(days=5), 7) is None
    assert truth(FIRMS[0], DAYS[2], DAYS[2] - timedelta(days=60), 7) is None
