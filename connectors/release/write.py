"""Writing a release: one folder, whole or not at all, never changed afterwards."""

import io
import json
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from connectors.errors import ReleaseBroken
from connectors.release import page, workbook
from connectors.release.guard import guard
from connectors.release.whole import SUMS, check, sums_of
from pipelines.disclosure import CONFIDENTIAL
from pipelines.indicators import DISTRICT_ID, DISTRICT_ZH

SCHEMA_VERSION: Final = 1
PRELIMINARY: Final = "preliminary"
_PERIOD: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?|Q[1-4])?")
_DICTIONARY: Final = [
    "indicator_id", "name_zh", "name_en", "unit", "target", "comparator", "comparator_zh",
    "comparator_en", "property", "collection", "frequency", "owner", "plan_row", "additive",
    "formula", "definition_zh", "definition_en", "source",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Edition:
    """What a release says of itself."""

    period: str
    vintage: str
    created_at: datetime
    code_version: str
    home_id: str
    areas: Mapping[str, str]


def write_release(
    root: Path,
    kpi: pl.DataFrame,
    dictionary: pl.DataFrame,
    lineage: Mapping[str, Any],
    *,
    period: str,
    created_at: datetime,
    code_version: str,
    home_id: str,
    parks: Mapping[str, str],
    checks: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write `root/<period>/preliminary-<n>/`, n the next free number, and give its path.

    `kpi` is what `disclosure.protect` returned; `lineage["figures"]` has an entry with
    `indicator_id` for every indicator; `parks` are park ids with their Chinese names; `checks`
    have `name`, `passed` and `note`. Raises ReleaseBroken before anything is written.
    """
    if not _PERIOD.fullmatch(period):
        raise ReleaseBroken(period, "is no period", "use 2026-11-21, 2026-11, 2026Q4 or 2026")
    odd = sorted(set(kpi["period"]) - {period})
    if odd or kpi.is_empty():
        raise ReleaseBroken(
            period, f"has no figures, or some of {odd}", "release one period at a time"
        )
    if created_at.tzinfo is None:
        raise ValueError("created_at must be aware")
    guard(kpi, parks.keys(), set(dictionary["indicator_id"]))
    _guard_lineage(kpi, lineage)
    areas = {DISTRICT_ID: DISTRICT_ZH, **parks}
    folder = root / period
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        vintage = f"{PRELIMINARY}-{_last_number(folder) + 1}"
        edition = Edition(period, vintage, created_at.astimezone(UTC), code_version, home_id, areas)
        files = _files(kpi, dictionary.select(_DICTIONARY), lineage, checks, edition)
        if _placed(folder / vintage, files):
            check(folder / vintage)
            return folder / vintage


def published_before(root: Path, period: str) -> pl.DataFrame:
    """`indicator_id area_id` of what earlier vintages of this period show, for `protect`."""
    schema = {"indicator_id": pl.String(), "area_id": pl.String()}
    shown = [
        pl.read_parquet(path).filter(pl.col("value").is_not_null()).select(list(schema))
        for path in sorted((root / period).glob(f"{PRELIMINARY}-*/kpi.parquet"))
    ]
    return pl.concat([pl.DataFrame(schema=schema), *shown]).unique().sort(list(schema))


def _last_number(folder: Path) -> int:
    numbers = [re.fullmatch(rf"{PRELIMINARY}-(\d+)", path.name) for path in folder.iterdir()]
    return max((int(found[1]) for found in numbers if found), default=0)


def _guard_lineage(kpi: pl.DataFrame, lineage: Mapping[str, Any]) -> None:
    traced = {entry["indicator_id"] for entry in lineage.get("figures", ())}
    for indicator_id in sorted(set(kpi["indicator_id"]) - traced):
        raise ReleaseBroken(indicator_id, "has no lineage", "say which tables it was computed from")


def _files(
    kpi: pl.DataFrame,
    dictionary: pl.DataFrame,
    lineage: Mapping[str, Any],
    checks: Sequence[Mapping[str, Any]],
    edition: Edition,
) -> dict[str, bytes]:
    """Everything but the sums, by name."""
    parquet = io.BytesIO()
    kpi.write_parquet(parquet, compression="zstd")
    files = {
        "kpi.csv": kpi.write_csv(include_bom=True).encode(),
        "kpi.parquet": parquet.getvalue(),
        "kpi.xlsx": workbook.workbook(kpi, dictionary, checks, edition),
        "indicator_dictionary.csv": dictionary.write_csv(include_bom=True).encode(),
        "metadata.json": _json(_metadata(kpi, edition)),
        "lineage.json": _json(lineage),
    }
    pages = page.pages(kpi, dictionary, checks, edition, [*files])
    return files | {name: text.encode() for name, text in pages.items()}


def _metadata(kpi: pl.DataFrame, edition: Edition) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "title": "松江新城工业互联网运行指标",
        "period": edition.period,
        "vintage": edition.vintage,
        "status": PRELIMINARY,
        "created_at": edition.created_at.isoformat(timespec="seconds"),
        "code_version": edition.code_version,
        "home_id": edition.home_id,
        "areas": edition.areas,
        "figures": kpi.height,
        "confidential": kpi.filter(pl.col("status") == CONFIDENTIAL).height,
        "disclosure_control": {
            "respondent": "legal group",
            "rules": ["minimum frequency", "concentration rule", "secondary suppression"],
            "parameters": "confidential",
        },
    }


def _json(content: object) -> bytes:
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True, default=str)
    return f"{text}\n".encode()


def _placed(target: Path, files: Mapping[str, bytes]) -> bool:
    """Write beside, then rename; false if somebody else took the number meanwhile."""
    building = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir()
    try:
        for name, content in {**files, SUMS: sums_of(files)}.items():
            _write(building / name, content)
        try:
            building.rename(target)
        except OSError:
            if target.exists():
                return False
            raise
    finally:
        shutil.rmtree(building, ignore_errors=True)
    _sync(target.parent)
    return True


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o444)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
