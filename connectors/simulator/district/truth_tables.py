"""The district's truth as typed tables and files: figures, what is really so, planted cases."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.simulator.district import truth
from connectors.simulator.district.bad_files import write_bad_files
from connectors.simulator.district.files import write_csv, write_files
from connectors.simulator.district.ideal import ideal
from connectors.simulator.district.known import Known
from connectors.simulator.district.rows import DistrictFacts
from connectors.simulator.district.tables import TEXT

AREA: Final = {"reference_date": pa.date32(), "park_id": TEXT}
COUNTS: Final = {"numerator": pa.int64(), "denominator": pa.int64()}
FIGURE: Final = {"metric_id": TEXT, "basis": TEXT}

SCHEMAS: Final = {
    "adoption": pa.schema(
        {
            **AREA, "dimension": TEXT, "class_id": TEXT, **FIGURE, **COUNTS,
            "unknown": pa.int64(), "value": pa.float64(), "lower": pa.float64(),
            "upper": pa.float64(),
        }
    ),
    "funnel": pa.schema(
        {**AREA, "of": TEXT, "stage": TEXT, "place": pa.int64(), "units": pa.int64()}
    ),
    "liveness": pa.schema(
        {**AREA, "kind": TEXT, "network": TEXT, "status": TEXT, "terminals": pa.int64()}
    ),
    "changes": pa.schema(
        {
            **AREA, "since": pa.date32(), **FIGURE, "value_then": pa.float64(),
            "value_now": pa.float64(), "change": pa.float64(), "matched_units": pa.int64(),
            "matched_change": pa.float64(), "within": pa.float64(), "entry": pa.float64(),
            "exit": pa.float64(),
        }
    ),
    "discrepancies": pa.schema(
        {
            "reference_date": pa.date32(), "uscc": TEXT, "declared": TEXT,
            "is_provider_used": pa.bool_(), "is_connected": pa.bool_(), "declared_level": TEXT,
            "seen_level": TEXT, "discrepancy": TEXT,
        }
    ),
    "ideal": pa.schema({"park_id": TEXT, **FIGURE, **COUNTS}),
}  # fmt: skip
"""By the name of the table; all but `ideal` as the park's figures have them."""


def tables(facts: DistrictFacts, since: date, on: date | None = None) -> dict[str, pa.Table]:
    """The truth of a day (by default the reference date), changes counted from `since`.

    `ideal` is of the reference date alone, and is left out on another.
    """
    on = on or facts.reference_date
    known = Known(facts, on)
    rows = {
        "adoption": truth.adoption(known),
        "funnel": truth.funnel(known),
        "liveness": truth.liveness(known),
        "changes": truth.changes(facts, on, since),
        "discrepancies": truth.discrepancies(known),
    }
    if on == facts.reference_date:
        rows["ideal"] = ideal(facts)
    return {name: _table(found, SCHEMAS[name]) for name, found in rows.items()}


def _table(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    held = list(rows)
    columns = [pa.array([row[f.name] for row in held], f.type) for f in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def write_truth(facts: DistrictFacts, folder: Path, since: date) -> None:
    """Write `<table>.parquet` of every table of the truth, and `traps.csv`, the planted cases."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables(facts, since).items():
        pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
    rows = [[t.letter, t.name, t.says, " ".join(t.subjects), t.expected] for t in facts.traps]
    write_csv(folder / "traps.csv", ["letter", "name", "says", "subjects", "expected"], rows)


def write_district(facts: DistrictFacts, files: Path, truth_folder: Path, since: date) -> None:
    """Write the office's files, its bad ones into `bad/`, and apart from them the truth."""
    write_files(facts, files)
    write_bad_files(files / "bad")
    write_truth(facts, truth_folder, since)
