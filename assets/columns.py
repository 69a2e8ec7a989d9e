"""From a column of a park's figure back to the columns of the register that it was counted from."""

from collections.abc import Iterable, Mapping
from typing import Final

import dagster as dg

from pipelines import park_figures
from pipelines.park_schemas import REGISTER

KEY: Final = "dagster/column_lineage"

SCOPE: Final = (
    "enterprises.register_status", "enterprises.in_new_city", "enterprises.industry_code",
    "enterprises.staff", "enterprises.revenue_wan", "enterprises.valid_from",
    "enterprises.valid_to",
)  # fmt: skip
DECLARED: Final = (
    "declarations.declared_cloud", "declarations.declared_from", "declarations.declared_to",
    "declarations.level",
)  # fmt: skip
USED: Final = (
    "provider_use.uscc", "provider_use.day", "provider_use.level", "provider_use.service",
    "tenants.uscc", "tenants.legal_group",
)  # fmt: skip
IDENTITY: Final = (
    "terminals.product_instance_uri", "terminals.manufacturer", "terminals.serial_number",
    "terminals.mac", "terminals.asset_id", "terminals.uscc",
)  # fmt: skip
DEPLOYED: Final = (*IDENTITY, "terminals.kind", "terminals.activated_on", "terminals.retired_on")
HEARD: Final = (
    "terminal_days.good_values", "terminal_days.day", "operating_days.is_operating",
    "collector_down.day",
)  # fmt: skip
MACHINES: Final = (
    "machines.is_digital", "machines.is_networked", "machines.is_key_operation",
    "machines.is_controlled", "machines.interface_level",
)  # fmt: skip
WHERE: Final = ("sites.park_id", "terminals.park_id")
COUNTED: Final = (*SCOPE, *DECLARED, *USED, *DEPLOYED, *HEARD, *MACHINES)

FROM: Final[Mapping[str, Mapping[str, Iterable[str]]]] = {
    "adoption": {
        "park_id": WHERE,
        "class_id": SCOPE,
        "numerator": COUNTED,
        "denominator": (*SCOPE, *DEPLOYED, *MACHINES),
        "unknown": COUNTED,
        "value": COUNTED,
        "lower": COUNTED,
        "upper": COUNTED,
    },
    "funnel": {"park_id": WHERE, "units": (*SCOPE, *USED, *DEPLOYED, *HEARD)},
    "liveness": {
        "park_id": ("terminals.park_id",),
        "kind": ("terminals.kind",),
        "network": ("terminals.network",),
        "status": (*DEPLOYED, *HEARD),
        "terminals": (*DEPLOYED, *HEARD),
    },
    "discrepancies": {
        "uscc": ("enterprises.uscc",),
        "declared": DECLARED,
        "is_provider_used": USED,
        "is_connected": (*DEPLOYED, *HEARD),
        "declared_level": ("declarations.level",),
        "seen_level": (*USED, *DEPLOYED, *HEARD),
        "discrepancy": (*DECLARED, *USED, *DEPLOYED, *HEARD),
    },
    "adoption_changes": {
        "park_id": WHERE,
        **dict.fromkeys(
            ["value_then", "value_now", "change", "within", "entry", "exit"], COUNTED
        ),
    },
}  # fmt: skip
"""By asset and column, `table.column` of what it was counted from."""

SCHEMAS: Final = {
    "adoption": park_figures.ADOPTION,
    "funnel": park_figures.FUNNEL,
    "liveness": park_figures.LIVENESS,
    "discrepancies": park_figures.DISCREPANCIES,
    "adoption_changes": park_figures.CHANGES,
}


def lineage(asset: str) -> dict[str, dg.TableColumnLineage]:
    """Metadata of an asset that Dagster draws as lineage of columns; empty where none is told."""
    told = {
        column: [_dep(source) for source in dict.fromkeys(sources)]
        for column, sources in FROM.get(asset, {}).items()
    }
    return {KEY: dg.TableColumnLineage(told)} if told else {}


def _dep(source: str) -> dg.TableColumnDep:
    table, _, column = source.partition(".")
    return dg.TableColumnDep(asset_key=dg.AssetKey(table), column_name=column)


def unknown() -> list[str]:
    """Columns that are told of and that no schema has."""
    own = [
        f"{asset}.{column}"
        for asset, columns in FROM.items()
        for column in columns
        if column not in SCHEMAS[asset]
    ]
    sources = {source for columns in FROM.values() for told in columns.values() for source in told}
    return own + [
        source
        for source in sorted(sources)
        if source.partition(".")[2] not in REGISTER[source.partition(".")[0]]
    ]
