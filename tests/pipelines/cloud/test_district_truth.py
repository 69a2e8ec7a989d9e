"""Cloud adoption of the invented district beside what its simulator counts in plain loops."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from connectors.simulator.district import ideal, tables, truth
from connectors.simulator.district.facts import facts
from connectors.simulator.district.known import Known
from connectors.simulator.district.rows import DistrictFacts
from pipelines import park_figures, park_schemas
from pipelines.cloud import change, seen
from pipelines.cloud.day import Day, Ground, of_day

ON = date(2026, 3, 12)
"""The Spring Festival of 2026 lies in the last 30 days."""
DAYS = [ON, ON - timedelta(days=20), ON - timedelta(days=75)]
"""The reference date, a day of the festival, and last year's."""
COUNTS = ["numerator", "denominator", "unknown"]
CELL = ["park_id", "dimension", "class_id", "metric_id", "basis"]


@pytest.fixture(scope="module")
def district() -> DistrictFacts:
    return facts(7, ON, enterprises=420, terminals=1_200)


@pytest.fixture(scope="module")
def register(district: DistrictFacts) -> dict[str, pl.DataFrame]:
    return typed(district)


@pytest.fixture(scope="module")
def ground(register: dict[str, pl.DataFrame]) -> Ground:
    return Ground.of(register, ON)


def typed(district: DistrictFacts) -> dict[str, pl.DataFrame]:
    made = tables.tables(district)
    return {
        name: pl.DataFrame(pl.from_arrow(table)).cast(park_schemas.REGISTER[name])
        for name, table in made.items()
    }


def counted(register: Mapping[str, pl.DataFrame], ground: Ground, on: date) -> Day:
    return of_day(ground, seen.heard(register["terminal_days"], on), on)


def rows(told: Sequence[Mapping[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    frame = pl.DataFrame(told, infer_schema_length=None)
    return frame.cast({name: schema[name] for name in frame.columns})


def differing(
    ours: pl.DataFrame, theirs: pl.DataFrame, key: list[str], figures: list[str]
) -> pl.DataFrame:
    """Rows that are not in both, figure for figure; rows of zeros are no rows."""
    both = ours.join(
        theirs, on=key, how="full", coalesce=True, nulls_equal=True, suffix="_true"
    ).select(*key, *(c for name in figures for c in (name, f"{name}_true")))
    return both.filter(
        pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_true")) for name in figures)
    )


def counting(frame: pl.DataFrame, figures: list[str]) -> pl.DataFrame:
    return frame.filter(pl.any_horizontal(pl.col(figures).fill_null(0) > 0))


@pytest.mark.parametrize("on", DAYS)
def test_every_figure_is_the_true_one(
    district: DistrictFacts, register: dict[str, pl.DataFrame], ground: Ground, on: date
) -> None:
    known, day = Known(district, on), counted(register, ground, on)
    figures = counting(day.adoption, COUNTS)
    true = counting(rows(truth.adoption(known), park_figures.ADOPTION), COUNTS)
    assert true.height > 300
    every = [*COUNTS, "value", "lower", "upper"]
    assert differing(figures, true, CELL, every).is_empty()
    funnel = rows(truth.funnel(known), park_figures.FUNNEL)
    key, units = ["park_id", "of", "stage"], ["units"]
    assert differing(counting(day.funnel, units), counting(funnel, units), key, units).is_empty()
    live = rows(truth.liveness(known), park_figures.LIVENESS)
    key = ["park_id", "kind", "network", "status"]
    assert differing(day.liveness, live, key, ["terminals"]).is_empty()
    said = rows(truth.discrepancies(known), park_figures.DISCREPANCIES)
    named = [name for name in park_figures.DISCREPANCIES if name not in ("reference_date", "uscc")]
    assert differing(day.discrepancies, said, ["uscc"], named).is_empty()


def test_changes_are_the_true_ones(
    district: DistrictFacts, register: dict[str, pl.DataFrame], ground: Ground
) -> None:
    """To 1e-12: a sum of differences may differ in the last bit; units and their number may not."""
    since = ON - timedelta(days=90)
    then, now = (counted(register, ground, on).panel() for on in (since, ON))
    ours = change.changes(then, now, since, ON)
    true = rows(truth.changes(district, ON, since), park_figures.CHANGES)
    key = ["park_id", "metric_id", "basis"]
    both = ours.join(true, on=key, nulls_equal=True, suffix="_true")
    assert both.height == ours.height > 10
    assert both.filter(pl.col("matched_units") != pl.col("matched_units_true")).is_empty()
    for name in ("value_then", "value_now", "change", "within", "entry", "exit"):
        off = both.select((pl.col(name) - pl.col(f"{name}_true")).abs().max()).item()
        assert off <= 1e-12, name


def test_what_is_really_so_lies_within_the_bounds(
    district: DistrictFacts, register: dict[str, pl.DataFrame], ground: Ground
) -> None:
    figures = counted(register, ground, ON).adoption.filter(pl.col("dimension") == "all")
    share = {
        (park, metric, basis): (lower, upper)
        for park, metric, basis, lower, upper in figures.select(
            "park_id", "metric_id", "basis", "lower", "upper"
        ).rows()
    }
    held = 0
    for row in ideal.ideal(district):
        metric, park = row["metric_id"], row["park_id"]
        if metric not in ideal.BOUNDS or row["basis"] != "really" or not row["numerator"]:
            continue
        below, above = ideal.BOUNDS[metric]
        real = row["numerator"] / (row["denominator"] or 1)
        assert share[park, metric, below][0] <= real <= share[park, metric, above][1], row
        held += 1
    assert held > 15


def test_complete_evidence_leaves_no_doubt(district: DistrictFacts) -> None:
    whole = ideal.complete(district)
    register = typed(whole)
    figures = counted(register, Ground.of(register, ON), ON).adoption
    sure = figures.filter(
        pl.col("metric_id").is_in(["CA-4", "CA-6", "CA-7"])
        | (pl.col("basis") == "declared_or_verified")
        | ((pl.col("metric_id") == "CA-1") & (pl.col("basis") == "verified"))
    ).filter(pl.col("dimension") == "all")
    assert sure.height > 20
    assert sure.filter(pl.col("unknown") != 0).is_empty()
    real = {
        (row["park_id"], row["metric_id"]): row["numerator"]
        for row in ideal.ideal(whole)
        if row["basis"] == "really"
    }
    for park, metric, basis, numerator in sure.select(
        "park_id", "metric_id", "basis", "numerator"
    ).rows():
        if (park, metric) in real and basis != "points" and basis != "mean_of_firms":
            assert numerator == real[park, metric], (park, metric, basis)


def test_day_by_day_is_all_at_once(register: dict[str, pl.DataFrame], ground: Ground) -> None:
    """What was carried on from day to day, late values with it, is what the history gives."""
    evidence, state = register["terminal_days"], None
    start = ON - timedelta(days=12)
    late = (pl.col("terminal_id").hash(3) % 5).cast(pl.Int64)
    arrived = evidence.with_columns(
        arrived=pl.when(pl.col("day") > start)
        .then(pl.col("day") + pl.duration(days=late))
        .otherwise("day")
    )
    state = seen.heard(arrived.filter(pl.col("arrived") <= start).drop("arrived"), start)
    for offset in range(1, 13):
        on = start + timedelta(days=offset)
        new = arrived.filter(pl.col("arrived") == on).drop("arrived")
        state = seen.advanced(state, on - timedelta(days=1), new, on)
    known = arrived.filter(pl.col("arrived") <= ON).drop("arrived")
    carried, whole = of_day(ground, state, ON), of_day(ground, seen.heard(known, ON), ON)
    for name in ("adoption", "funnel", "liveness", "discrepancies"):
        assert getattr(carried, name).equals(getattr(whole, name)), name


def test_no_day_reads_what_came_after(register: dict[str, pl.DataFrame], ground: Ground) -> None:
    on = ON - timedelta(days=33)
    happened = {
        name: frame.filter(pl.col("day" if "day" in frame.columns else "valid_from") <= on)
        for name, frame in register.items()
    }
    then, now = counted(happened, Ground.of(happened, on), on), counted(register, ground, on)
    for name in ("adoption", "funnel", "liveness", "discrepancies"):
        assert getattr(then, name).equals(getattr(now, name)), name
