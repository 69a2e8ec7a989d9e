"""Adoption recovered from what the simulated park gateways say equals the simulator's own count."""

import re
from datetime import UTC, datetime

import polars as pl
import pytest

from pipelines import schemas
from pipelines.cloud import seen
from pipelines.cloud.day import Ground, of_day
from pipelines.gateway_register import said_by_gateways
from pipelines.register_whole import of_gateways, whole

parks = pytest.importorskip("connectors.simulator.parks")
adoption_truth = pytest.importorskip("connectors.simulator.adoption_truth")

ANCHOR = datetime(2026, 11, 22, 9, tzinfo=UTC)
COLUMNS = ["value_int", "value_uint", "value_float", "value_text"]
PLACE = {"Boolean": 0, "UInt32": 1, "Double": 2}
EVIDENCE = {"operating_day", "daily_good_values"}


def frames(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The raw rows and tags of every node of the three gateways."""
    values: list[tuple] = []
    tags = []
    for timeline in parks.timelines(seed, ANCHOR):
        for node in timeline.nodes:
            measure = re.sub(r"(?<!^)(?=[A-Z])", "_", node.path[-1][1]).lower()
            tags.append(
                {
                    "server_uri": timeline.server_uri, "node_id": node.node_id,
                    "park_id": timeline.site_id, "entity_id": node.path[-2][1],
                    "measure": measure,
                    "measure_kind": "evidence" if measure in EVIDENCE else "register",
                }
            )  # fmt: skip
            series = timeline.series(node)
            place = None if node.is_array else PLACE.get(node.value_type)
            name = (timeline.server_uri, node.node_id, node.value_type)
            for ticks, status, value in zip(
                series.source_ticks.tolist(),
                series.status.tolist(),
                series.values.tolist(),
                strict=True,
            ):
                cells = [None, None, None, None]
                cells[3 if place is None else place] = value
                values.append((*name, ticks, status, *cells))
    names = ["server_uri", "node_id", "value_type", "source_ticks", "status_code", *COLUMNS]
    rows = pl.DataFrame(values, schema={n: schemas.RAW[n] for n in names}, orient="row")
    missing = [pl.lit(None, t).alias(n) for n, t in schemas.RAW.items() if n not in names]
    return rows.with_columns(missing), pl.DataFrame(tags, schema=schemas.TAGS)


def test_every_figure_equals_the_truth():
    seed = 20
    facts = parks.facts(seed, ANCHOR)
    on = facts.reference_date
    said = said_by_gateways(*frames(seed)).tables
    tables = whole({name: of_gateways(rows) for name, rows in said.items()}).tables
    day = of_day(Ground.of(tables, on), seen.heard(tables["terminal_days"], on), on)
    found = day.adoption.filter(pl.col("dimension") == "all")
    truth = pl.DataFrame(
        adoption_truth.figures(facts),
        schema={field.name: found.schema[field.name] for field in adoption_truth.SCHEMA},
        orient="row",
    )
    key = ["reference_date", "park_id", "metric_id", "basis"]
    both = truth.join(found, on=key, nulls_equal=True, suffix="_found")
    assert both.height == truth.height == 16
    for name in ("numerator", "denominator", "unknown"):
        assert both[name].equals(both[f"{name}_found"].alias(name)), name
