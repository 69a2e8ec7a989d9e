"""What park gateways say, collected as raw rows and tags."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from pipelines import schemas

EPOCH_TICKS = 116_444_736_000_000_000
BAD = 0x80000000


def ticks(day: date, hour: int = 12) -> int:
    local_noon = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(hours=hour - 8)
    return EPOCH_TICKS + int(local_noon.timestamp()) * 10_000_000


def column(value: Any) -> dict[str, Any]:
    match value:
        case bool() | int():
            return {"value_int": int(value), "value_type": "Int32"}
        case float():
            return {"value_float": value, "value_type": "Double"}
        case _:
            return {"value_text": value, "value_type": "String"}


class Gateway:
    """Collects what park gateways say, as raw rows and tags."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.tags: dict[tuple[str, str], dict[str, Any]] = {}

    def say(
        self, park: str, entity: str, kind: str, measure: str, value: Any, at: int, status: int = 0
    ) -> None:
        node = {"server_uri": f"urn:{park}", "node_id": f"nsu=x;s={entity}.{measure}"}
        self.tags[node["server_uri"], node["node_id"]] = node | {
            "park_id": park, "entity_id": entity, "measure_kind": kind, "measure": measure,
        }  # fmt: skip
        row = node | {"source_ticks": at, "status_code": status, "is_array": False}
        self.rows.append(row | {"origin": "live"} | column(value))

    def firm(
        self, uscc: str, parks: str = "P01", at: date = date(2026, 8, 1), **fields: Any
    ) -> None:
        said = {
            "uscc": uscc, "staff": 50, "revenue_wan": 900.0, "industry_code": "C34",
            "register_status": "在营", "legal_group": f"G-{uscc}", "in_new_city": True,
            "declared_cloud": "no", "declared_from": None, "declared_to": None,
            "provider_last_use": None, "park_id": parks,
        } | fields  # fmt: skip
        for park in parks.split(","):
            for measure, value in said.items():
                self.say(park, uscc, "register", measure, value, ticks(at))

    def terminal(self, name: str, uscc: str, parks: str = "P01", **fields: Any) -> None:
        said = {
            "product_instance_uri": f"urn:dev:{name}", "kind": "device", "enterprise_uscc": uscc,
            "activated_on": "2026-01-01", "retired_on": None, "platforms": "a",
        } | fields  # fmt: skip
        for park in parks.split(","):
            for measure, value in said.items():
                self.say(park, name, "register", measure, value, ticks(date(2026, 8, 1)))

    def days(self, entity: str, measure: str, values: dict[date, Any], park: str = "P01") -> None:
        for day, value in values.items():
            self.say(park, entity, "evidence", measure, value, ticks(day))

    def frames(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        return (
            pl.DataFrame(self.rows, schema=schemas.RAW),
            pl.DataFrame(list(self.tags.values()), schema=schemas.TAGS),
        )
