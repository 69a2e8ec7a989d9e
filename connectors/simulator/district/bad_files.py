"""Files with rows that cannot be right, and the list of what is wrong with each.

The first row of each file is good; so are all rows of no line in `wrong.csv`.
"""

from datetime import date
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from connectors.simulator.district import names
from connectors.simulator.district.files import columns, headers, write_csv, write_sheet
from connectors.simulator.district.tables import SCHEMAS, write_table

Wrong = tuple[dict[str, Any], str, str]
"""What is changed of the good row, the column that is wrong, and why."""

_A, _B = names.code(0, 950_001), names.code(0, 950_002)
_TYPO = _A[:-1] + ("1" if _A[-1] != "1" else "2")
_FROM: Final = date(2025, 1, 1)

GOOD: Final[dict[str, dict[str, Any]]] = {
    "enterprises": {
        "uscc": _A, "name_zh": "上海试例改正有限公司", "name_en": "Shanghai Bad Rows Co., Ltd.",
        "staff": 60, "revenue_wan": 1_200.5, "industry_code": "C3973", "register_status": "在营",
        "in_new_city": True, "self_score": 61.0, "valid_from": _FROM,
    },
    "sites": {
        "site_id": "SB-1", "uscc": _A, "park_id": "P01", "name_zh": "1号厂区",
        "longitude": 121.23, "latitude": 31.04, "valid_from": _FROM,
    },
    "machines": {
        "machine_id": "MB-1", "uscc": _A, "site_id": "SB-1", "kind": "machine",
        "is_digital": True, "interface_level": 2, "valid_from": _FROM,
    },
    "declarations": {
        "uscc": _A, "level": "C2", "declared_cloud": "yes", "declared_from": _FROM,
        "declared_on": _FROM, "document": "contract", "valid_from": _FROM,
    },
    "terminals": {
        "terminal_id": "TB-1", "platform": "云间", "mac": "02:00:00:BB:00:01", "kind": "device",
        "network": "5g", "chain_stage": "production", "uscc": _A, "park_id": "P01", "points": 1,
        "activated_on": _FROM, "valid_from": _FROM,
    },
    "provider_use": {
        "platform": "云间", "uscc": _A, "level": "C2", "service": "erp_online", "day": _FROM,
    },
}  # fmt: skip

WRONG: Final[dict[str, list[Wrong]]] = {
    "enterprises": [
        ({"uscc": _TYPO}, "uscc", "the check character is another"),
        ({"uscc": _A[:17]}, "uscc", "a character is missing"),
        ({"uscc": None}, "uscc", "it is blank"),
        ({"uscc": _B, "staff": -3}, "staff", "fewer than nobody"),
        ({"uscc": _B, "staff": "约60人"}, "staff", "not a number"),
        ({"uscc": _B, "revenue_wan": "壹千万"}, "revenue_wan", "not a number"),
        ({"uscc": _B, "register_status": "停业"}, "register_status", "not one of the six words"),
        ({"uscc": _B, "industry_code": "39"}, "industry_code", "the section's letter is missing"),
        ({"uscc": _B, "self_score": 118.5}, "self_score", "over 100"),
        ({"uscc": _B, "valid_from": "2025-02-30"}, "valid_from", "no such day"),
        ({"uscc": _B, "valid_to": date(2024, 12, 31)}, "valid_to", "before it begins"),
    ],
    "sites": [
        ({"site_id": "SB-2", "longitude": 31.04, "latitude": 121.23}, "latitude", "swapped"),
        ({"site_id": None}, "site_id", "it is blank"),
    ],
    "machines": [
        ({"machine_id": "MB-2", "kind": "robot"}, "kind", "not one of the two words"),
        ({"machine_id": "MB-3", "interface_level": 7}, "interface_level", "there are L0 to L3"),
        ({"machine_id": "MB-4", "is_digital": "maybe"}, "is_digital", "neither true nor false"),
    ],
    "declarations": [
        ({"level": "C9"}, "level", "there are C1 to C4"),
        ({"level": "C3", "declared_cloud": "也许"}, "declared_cloud", "not one of the words"),
        ({"level": "C4", "declared_to": date(2024, 6, 1)}, "declared_to", "before it begins"),
    ],
    "terminals": [
        ({"terminal_id": "TB-2", "kind": "toaster"}, "kind", "not one of the five words"),
        ({"terminal_id": "TB-3", "network": "6g"}, "network", "not one of the six words"),
        ({"terminal_id": "TB-4", "retired_on": date(2024, 1, 1)}, "retired_on", "never in service"),
        ({"terminal_id": "TB-5", "points": -8}, "points", "fewer than none"),
        ({"terminal_id": None}, "terminal_id", "it is blank"),
    ],
    "provider_use": [
        ({"day": "21/11/2026"}, "day", "not an ISO 8601 date"),
        ({"level": "IaaS"}, "level", "there are C1 to C4"),
        ({"platform": None}, "platform", "it is blank"),
    ],
}


def write_bad_files(folder: Path) -> None:
    """Write files with bad rows into `folder`, and `wrong.csv`: file, line, column, value, why."""
    folder.mkdir(parents=True, exist_ok=True)
    listed: list[list[object]] = []
    for name, wrong in WRONG.items():
        rows = [GOOD[name], *(GOOD[name] | change for change, _, _ in wrong)]
        cells = [[row.get(column) for column in columns(name)] for row in rows]
        is_sheet = name in ("enterprises", "declarations")
        file = f"{name}.xlsx" if is_sheet else f"{name}.csv"
        if is_sheet:
            write_sheet(folder / file, headers(name), cells)
        else:
            write_csv(folder / file, columns(name), cells)
        for line, (change, column, why) in enumerate(wrong, start=3):
            listed.append([file, line, column, change[column], why])
    listed += _bad_days(folder)
    write_csv(folder / "wrong.csv", ["file", "line", "column", "value", "why"], listed)


def _bad_days(folder: Path) -> list[list[object]]:
    """Evidence that cannot be: fewer than no values, no day, no terminal."""
    rows = [
        ("TB-1", _FROM, 5), ("TB-1", date(2025, 1, 2), -4), ("TB-1", None, 5), (None, _FROM, 5),
    ]  # fmt: skip
    schema = SCHEMAS["terminal_days"]
    arrays = [
        pa.array(held, field.type)
        for held, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    batch = pa.RecordBatch.from_arrays(arrays, schema=schema)
    write_table(folder / "terminal_days.parquet", schema, iter([batch]))
    return [
        ["terminal_days.parquet", 2, "good_values", -4, "fewer than none"],
        ["terminal_days.parquet", 3, "day", None, "it is blank"],
        ["terminal_days.parquet", 4, "terminal_id", None, "it is blank"],
    ]
