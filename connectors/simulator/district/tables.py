"""The district as typed tables: the columns of the park register, as Arrow and as Parquet."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.simulator.district.rows import NO_ROW, DistrictFacts

TEXT: Final = pa.string()
VALIDITY: Final = {"valid_from": pa.date32(), "valid_to": pa.date32(), "source": TEXT}
LISTINGS_AT_ONCE: Final = 5_000

SCHEMAS: Final = {
    "enterprises": pa.schema(
        {
            "uscc": TEXT, "name_zh": TEXT, "name_en": TEXT, "staff": pa.int64(),
            "revenue_wan": pa.float64(), "industry_code": TEXT, "register_status": TEXT,
            "legal_group": TEXT, "in_new_city": pa.bool_(), "successor_uscc": TEXT,
            "self_score": pa.float64(), **VALIDITY,
        }
    ),
    "sites": pa.schema(
        {
            "site_id": TEXT, "uscc": TEXT, "park_id": TEXT, "name_zh": TEXT,
            "longitude": pa.float64(), "latitude": pa.float64(), **VALIDITY,
        }
    ),
    "machines": pa.schema(
        {
            "machine_id": TEXT, "uscc": TEXT, "site_id": TEXT, "kind": TEXT,
            "is_digital": pa.bool_(), "is_networked": pa.bool_(), "is_key_operation": pa.bool_(),
            "is_controlled": pa.bool_(), "interface_level": pa.int8(), **VALIDITY,
        }
    ),
    "terminals": pa.schema(
        {
            "terminal_id": TEXT, "platform": TEXT, "product_instance_uri": TEXT,
            "manufacturer": TEXT, "serial_number": TEXT, "mac": TEXT, "asset_id": TEXT,
            "kind": TEXT, "network": TEXT, "chain_stage": TEXT, "uscc": TEXT, "park_id": TEXT,
            "machine_id": TEXT, "points": pa.int64(), "registered_on": pa.date32(),
            "activated_on": pa.date32(), "retired_on": pa.date32(), **VALIDITY,
        }
    ),
    "tenants": pa.schema(
        {"tenant_id": TEXT, "platform": TEXT, "uscc": TEXT, "legal_group": TEXT, **VALIDITY}
    ),
    "declarations": pa.schema(
        {
            "uscc": TEXT, "level": TEXT, "declared_cloud": TEXT, "declared_from": pa.date32(),
            "declared_to": pa.date32(), "declared_on": pa.date32(), "document": TEXT, **VALIDITY,
        }
    ),
    "provider_use": pa.schema(
        {
            "platform": TEXT, "tenant_id": TEXT, "uscc": TEXT, "level": TEXT, "service": TEXT,
            "day": pa.date32(), "source": TEXT,
        }
    ),
    "terminal_days": pa.schema(
        {"terminal_id": TEXT, "day": pa.date32(), "good_values": pa.int64()}
    ),
    "operating_days": pa.schema({"uscc": TEXT, "day": pa.date32(), "is_operating": pa.bool_()}),
    "collector_down": pa.schema({"park_id": TEXT, "day": pa.date32()}),
    "claims": pa.schema(
        {"platform": TEXT, "day": pa.date32(), "claimed_users": pa.int64(), "source": TEXT}
    ),
}  # fmt: skip
"""By the name of the table, as the park register has them."""

EVIDENCE: Final = ("terminal_days", "operating_days")
"""Tables that are matrices here and long there."""


def tables(facts: DistrictFacts, names: Iterable[str] = tuple(SCHEMAS)) -> dict[str, pa.Table]:
    """Tables by name, in memory; all by default."""
    return {name: pa.Table.from_batches(_batches(facts, name), SCHEMAS[name]) for name in names}


def write_parquet(facts: DistrictFacts, folder: Path) -> None:
    """Write `<table>.parquet` of every table; the evidence is written piece by piece."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, schema in SCHEMAS.items():
        write_table(folder / f"{name}.parquet", schema, _batches(facts, name))


def write_table(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Write batches of one schema as Parquet."""
    with pq.ParquetWriter(path, schema, compression="zstd", compression_level=1) as writer:
        for batch in batches:
            writer.write_batch(batch)


def _batches(facts: DistrictFacts, name: str) -> Iterator[pa.RecordBatch]:
    if name == "terminal_days":
        yield from terminal_days(facts)
    elif name == "operating_days":
        yield from _long(facts.calendar_of, facts.operating, facts.days, name, lambda v: v == 1)
    else:
        yield _rows(facts, name)


def _rows(facts: DistrictFacts, name: str) -> pa.RecordBatch:
    rows: Sequence[Any] = getattr(facts, name)
    schema = SCHEMAS[name]
    if name == "collector_down":
        columns = [[park for park, _ in rows], [day for _, day in rows]]
    else:
        columns = [[getattr(row, column) for row in rows] for column in schema.names]
    arrays = [pa.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def terminal_days(
    facts: DistrictFacts, values: npt.NDArray[np.int16] | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows of TERMINAL_DAYS by listing and day; `values` instead of the facts' own."""
    found = facts.good_values if values is None else values
    return _long(
        facts.listing_ids, found, facts.days, "terminal_days", lambda v: v.astype(np.int64)
    )


def _long(
    names: tuple[str, ...],
    matrix: npt.NDArray[Any],
    days: tuple[date, ...],
    table: str,
    value: Callable[[npt.NDArray[Any]], npt.NDArray[Any]],
) -> Iterator[pa.RecordBatch]:
    """A matrix of things by days as rows, those that say nothing left out."""
    at = pa.array(days, pa.date32())
    for low in range(0, len(names), LISTINGS_AT_ONCE):
        part = matrix[low : low + LISTINGS_AT_ONCE]
        thing, day = np.nonzero(part != NO_ROW)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(names[low : low + LISTINGS_AT_ONCE], TEXT).take(pa.array(thing)),
                at.take(pa.array(day)),
                pa.array(value(part[thing, day])),
            ],
            schema=SCHEMAS[table],
        )
