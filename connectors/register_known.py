"""What a home knows of its parks: imports and, where they were read, the park gateways."""

import polars as pl

from connectors.home import Home
from connectors.lake import Lake
from connectors.register_store import rows
from pipelines.gateway_register import said_by_gateways
from pipelines.park_schemas import REGISTER
from pipelines.register_whole import Whole, of_gateways, whole


def known(home: Home) -> Whole:
    """The whole register of a home: standing tables, conflicts, dangling references."""
    return whole({name: rows(home, name) for name in REGISTER}, _gateways(home))


def _gateways(home: Home) -> dict[str, pl.DataFrame]:
    """What the gateways said whose values the lake holds (`park_values`, `tags`)."""
    lake = Lake(home.lake)
    parks = list(lake.partitions("park_values"))
    values, tags = lake.scan("park_values", parks), lake.scan("tags", parks)
    if values is None or tags is None:
        return {}
    said = said_by_gateways(values, tags)
    return {name: of_gateways(table) for name, table in said.tables.items()}
