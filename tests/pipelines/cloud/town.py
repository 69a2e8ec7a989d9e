"""A town of a few enterprises, said row by row, and what is counted of it."""

from datetime import date, timedelta
from typing import Any

import polars as pl

from pipelines import park_schemas
from pipelines.cloud import seen
from pipelines.cloud.day import Day, Ground, of_day

ON = date(2026, 11, 21)
LONG_AGO = date(2020, 1, 1)


def ago(days: int) -> date:
    return ON - timedelta(days=days)


class Town:
    """Rows of the register by table; what is not said is what an ordinary industrial SME has."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in park_schemas.REGISTER}

    def say(self, table: str, **fields: Any) -> None:
        schema = park_schemas.REGISTER[table]
        unknown = set(fields) - set(schema)
        assert not unknown, unknown
        validity = {"valid_from": LONG_AGO, "source": "town"}
        known = {name: value for name, value in validity.items() if name in schema}
        self.rows[table].append(known | fields)

    def firm(self, uscc: str, park: str | None = "P01", **fields: Any) -> None:
        said = {
            "uscc": uscc, "name_zh": uscc, "staff": 50, "revenue_wan": 900.0,
            "industry_code": "C3429", "register_status": "在营", "in_new_city": True,
        }  # fmt: skip
        self.say("enterprises", **(said | fields))
        self.say("sites", site_id=f"S-{uscc}", uscc=uscc, park_id=park)
        self.works(uscc, 120)

    def works(self, uscc: str, days: int, until: date = ON) -> None:
        for back in range(days):
            self.say("operating_days", uscc=uscc, day=until - timedelta(back), is_operating=True)

    def declares(self, uscc: str, word: str = "yes", **fields: Any) -> None:
        said = {"declared_from": LONG_AGO if word == "yes" else None, "level": "C2"}
        self.say("declarations", uscc=uscc, declared_cloud=word, **(said | fields))

    def uses(self, uscc: str | None, day: date = ON, **fields: Any) -> None:
        said = {"platform": "海纳", "tenant_id": "t1", "level": "C2", "service": "mes"}
        self.say("provider_use", uscc=uscc, day=day, **(said | fields))

    def device(self, name: str, uscc: str | None, **fields: Any) -> None:
        said = {
            "terminal_id": name, "platform": "海纳", "kind": "device", "network": "5g",
            "park_id": "P01", "activated_on": LONG_AGO, "product_instance_uri": f"urn:{name}",
        }  # fmt: skip
        self.say("terminals", uscc=uscc, **(said | fields))

    def hears(self, name: str, *days_ago: int, values: int = 10) -> None:
        for back in days_ago:
            self.say("terminal_days", terminal_id=name, day=ago(back), good_values=values)

    def tables(self) -> dict[str, pl.DataFrame]:
        return {
            name: pl.DataFrame(rows, schema=park_schemas.REGISTER[name])
            for name, rows in self.rows.items()
        }

    def day(self, on: date = ON) -> Day:
        tables = self.tables()
        return of_day(Ground.of(tables, on), seen.heard(tables["terminal_days"], on), on)


def figure(
    day: Day,
    metric_id: str,
    basis: str = "measured",
    park: str | None = None,
    dimension: str = "all",
    class_id: str | None = None,
) -> tuple[int, int | None, int]:
    """Numerator, denominator and unknown of one figure."""
    found = day.adoption.filter(
        pl.col("metric_id") == metric_id,
        pl.col("basis") == basis,
        pl.col("dimension") == dimension,
        pl.col("park_id").eq_missing(park),
        pl.col("class_id").eq_missing(class_id),
    )
    (row,) = found.select("numerator", "denominator", "unknown").rows()
    return row


def status(day: Day, unit: str) -> str:
    (found,) = day.units.filter(pl.col("unit") == f"product_instance_uri:urn:{unit}")["status"]
    return str(found)
