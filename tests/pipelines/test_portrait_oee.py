"""OEE in a portrait: of factories that permit it, summed, over the last weeks."""

from datetime import date, timedelta

import polars as pl
import pytest

from pipelines.indices import indices
from pipelines.portrait import OEE_OF_FIRMS
from pipelines.portrait_oee import DAYS, oee_of_firms

ON = date(2026, 11, 17)
OWNERS = pl.DataFrame({"factory_id": ["F01", "F02", "F03"], "uscc": ["A", "A", None]})


def rolled(*rows):
    """Factory rows of (factory, day, PBT, ideal good, unknown), all in seconds."""
    said = [
        {
            "level": "factory", "factory_id": factory, "production_day": day, "pbt_s": pbt,
            "apt_s": pbt, "aust_s": 0.0, "adet_s": 0.0, "adot_s": 0.0, "ideal_total_s": good,
            "ideal_good_s": good, "pq": 10, "gq": 10, "unknown_s": unknown,
        }
        for factory, day, pbt, good, unknown in rows
    ]  # fmt: skip
    return indices(pl.DataFrame(said))


def test_times_of_an_enterprises_factories_are_summed_before_the_division():
    rows = rolled(("F01", ON, 1000.0, 900.0, 0.0), ("F02", ON - timedelta(1), 3000.0, 1500.0, 0.0))
    found = oee_of_firms(rows, OWNERS, ON)
    assert found.schema == OEE_OF_FIRMS
    assert found.rows() == [("A", pytest.approx(0.6), 1.0)]


def test_days_to_come_and_long_gone_are_not_read():
    rows = rolled(
        ("F01", ON + timedelta(1), 1000.0, 0.0, 0.0),
        ("F01", ON - timedelta(DAYS), 1000.0, 0.0, 0.0),
        ("F01", ON - timedelta(DAYS - 1), 1000.0, 800.0, 0.0),
    )
    assert oee_of_firms(rows, OWNERS, ON)["oee"].to_list() == [pytest.approx(0.8)]


def test_too_little_known_is_no_oee():
    found = oee_of_firms(rolled(("F01", ON, 1000.0, 500.0, 500.0)), OWNERS, ON)
    assert found.select("uscc", "oee").rows() == [("A", None)]
    assert found["completeness"].to_list() == [pytest.approx(0.5)]


@pytest.mark.parametrize("factory", ["F03", "F09"])
def test_who_is_not_known_or_does_not_permit_has_none(factory):
    assert oee_of_firms(rolled((factory, ON, 1000.0, 500.0, 0.0)), OWNERS, ON).is_empty()
