from datetime import timedelta

import polars as pl
import pytest

from connectors.simulator.firm_draws import Draw, table
from connectors.simulator.firm_years import firm_years
from pipelines.park_schemas import ENTERPRISE_DAYS, SITES


@pytest.fixture(scope="module")
def year():
    return firm_years(2, 150)


def test_a_seed_is_the_same_however_many_firms_and_another_is_not(year):
    few = firm_years(2, 10)
    inside = pl.col("uscc").is_in(few.firms["uscc"].implode())
    assert few.days.equals(year.days.filter(inside))
    assert few.distress.equals(year.distress.filter(inside))
    assert not firm_years(3, 10).days.drop("uscc").equals(few.days.drop("uscc"))


def test_what_is_seen_has_the_registers_schemas(year):
    assert year.days.schema == ENTERPRISE_DAYS
    assert year.sites.columns == SITES.names()
    assert year.days.unique(["uscc", "day"]).height == year.days.height
    assert (year.judged_to - year.judged_from).days + 1 == table()["time"]["judged_days"]


def test_distress_is_as_the_file_says_and_in_the_judged_year(year):
    said, grace = table()["distress"], timedelta(days=table()["score"]["grace_days"])
    rows = year.distress
    assert rows["depth"].is_between(*said["depth"]).all()
    assert rows["length_days"].is_between(*said["days"]).all()
    assert (rows["signs_on"] >= year.judged_from).all()
    assert (rows["signs_on"] <= rows["begun_on"]).all()
    assert (rows["bottom_on"] + grace <= year.judged_to).all()
    assert 0.1 < rows.height / 150 < 0.3


def test_output_at_the_bottom_is_lower_by_the_depth(year):
    """On average: a week's output before the begin, and one at the bottom of those that stay."""
    stays = year.distress.filter(pl.col("after") == "stays", pl.col("depth") > 0.3)
    worked = year.days.filter(pl.col("output") > 0).join(stays, on="uscc")
    before = pl.col("output").filter(
        pl.col("day").is_between(pl.col("signs_on") - timedelta(days=28), pl.col("begun_on"))
    )
    after = pl.col("output").filter(
        pl.col("day").is_between(pl.col("bottom_on"), pl.col("bottom_on") + timedelta(days=28))
    )
    fell = worked.group_by("uscc", "depth").agg(left=after.median() / before.median()).drop_nulls()
    gap = (fell["left"] - (1 - fell["depth"])).mean()
    assert fell.height >= 5
    assert abs(gap) < 0.08


def test_moves_outages_and_rests_are_where_the_truth_says(year):
    moved = year.harmless.filter(pattern="relocation")
    assert (
        moved["uscc"]
        .sort()
        .equals(year.sites.filter(pl.col("site_id").str.ends_with("-2"))["uscc"].sort())
    )
    lost = year.days.filter(~pl.col("is_collected"))
    assert lost.height
    assert lost.select(ENTERPRISE_DAYS.names()[4:]).null_count().row(0) == (lost.height,) * 6
    rests = year.days.filter(~pl.col("is_operating"), pl.col("output").is_not_null())
    assert (rests["output"] == 0).all()


def test_lasting_noise_has_its_deviation_and_its_memory():
    noise = pl.Series(Draw(1, "noise").lasting(0.5, 0.7, 20_000))
    assert noise.std() == pytest.approx(0.5, rel=0.05)
    pairs = pl.DataFrame({"now": noise, "before": noise.shift(1)}).drop_nulls()
    assert pairs.select(pl.corr("now", "before")).item() == pytest.approx(0.7, abs=0.03)
