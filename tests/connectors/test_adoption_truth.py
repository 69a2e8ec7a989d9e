"""Adoption recovered from what the simulated park gateways say equals the simulator's own count."""

import re
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipelines import adoption, schemas

parks = pytest.importorskip("connectors.simulator.parks")
adoption_truth = pytest.importorskip("connectors.simulator.adoption_truth")

ANCHOR = datetime(2026, 11, 22, 9, tzinfo=UTC)
COLUMN = {"Boolean": "value_int", "UInt32": "value_uint", "Double": "value_float"}
EVIDENCE = {"operating_day", "daily_good_values"}


def frames(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The raw rows and tags of every node of the three gateways."""
    values, tags = [], []
    for timeline in parks.timelines(seed, ANCHOR):
        for node in timeline.nodes:
            name = {"server_uri": timeline.server_uri, "node_id": node.node_id}
            measure = re.sub(r"(?<!^)(?=[A-Z])", "_", node.path[-1][1]).lower()
            kind = "evidence" if measure in EVIDENCE else "register"
            tags.append(
                name | {"park_id": timeline.site_id, "entity_id": node.path[-2][1],
                        "measure": measure, "measure_kind": kind}
            )  # fmt: skip
            series = timeline.series(node)
            column = "value_text" if node.is_array else COLUMN.get(node.value_type, "value_text")
            values.append(
                pl.DataFrame(
                    {
                        "source_ticks": series.source_ticks,
                        "status_code": series.status,
                        column: pl.Series(series.values.tolist(), dtype=schemas.RAW[column]),
                    }
                ).with_columns(**{k: pl.lit(v) for k, v in name.items()}, value_type=pl.lit(node.value_type))
            )  # fmt: skip
    every = pl.concat(values, how="diagonal")
    missing = [pl.lit(None, t).alias(n) for n, t in schemas.RAW.items() if n not in every.columns]
    return (
        every.with_columns(missing).select(schemas.RAW.names()).cast(schemas.RAW),
        pl.DataFrame(tags, schema=schemas.TAGS),
    )


@pytest.mark.parametrize("seed", [1, 20])
def test_every_figure_equals_the_truth(seed):
    facts = parks.facts(seed, ANCHOR)
    values, tags = frames(seed)
    found = adoption.figures(
        adoption.register(values, tags), adoption.terminals(values, tags),
        adoption.evidence(values, tags), facts.reference_date,
    )  # fmt: skip
    names = [field.name for field in adoption_truth.SCHEMA]
    truth = pl.DataFrame(
        adoption_truth.figures(facts),
        schema={name: found.schema[name] for name in names},
        orient="row",
    )
    assert_frame_equal(found.select(names), truth.sort("metric_id", "basis", "park_id"))
