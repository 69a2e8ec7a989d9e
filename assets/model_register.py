"""The register of a factory's models on disk: files, cards, and the table that the lake has of it.

Imports no Dagster: the command line reads and rolls back without it.
"""

import ast
import json
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import date, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import polars as pl

from connectors import model_files
from connectors.arithmetic_version import wordless
from connectors.home import Home, write_atomic
from connectors.lake import Lake, Partition, Written
from connectors.model_files import Kept, locked, register_path
from models import detector, register_lines
from models.card import card
from models.detector import Detector
from models.drift import Reference
from models.habits import Habits
from models.machine import MachineModel
from models.registry import Entry, Looked, Register, Version
from pipelines.fingerprints import digest

TABLE: Final = "anomaly_model"
LEVELS: Final = ".levels.json"
"""What training rows looked like, beside the model of the same name (`models.drift.Reference`)."""

TERM: Final = pl.Struct({"since": pl.Date(), "until": pl.Date()})

MODELS: Final = pl.Schema(
    {
        "work_unit_id": pl.String(),
        "machine_type": pl.String(),
        "version": pl.Int64(),
        "state": pl.String(),
        "terms": pl.List(TERM),
        "scope": pl.String(),
        "reason": pl.String(),
        "why": pl.String(),
        "parent": pl.Int64(),
        "trained_from": pl.Date(),
        "trained_to": pl.Date(),
        "days": pl.List(pl.Date()),
        "left_out": pl.List(pl.Date()),
        "held_out": pl.List(pl.Date()),
        "training_days": pl.Float64(),
        "training_rows": pl.Int64(),
        "learned": pl.Boolean(),
        "metrics": pl.String(),
        "notes": pl.List(pl.String()),
        "habits": pl.String(),
        "path": pl.String(),
        "sha256": pl.String(),
        "fingerprint": pl.String(),
        "code_version": pl.String(),
        "at": pl.String(),
    }
)
"""The register as a table, a row per version: `terms` are the days that it judges (`until` null
while it does), `state` champion, challenger or retired, `training_days` what was collected of
`days`, `metrics` JSON. The history itself is `models/<factory>/register.jsonl`."""


def factories(home: Home) -> list[str]:
    """Factories that have a register, by name."""
    return sorted(path.parent.name for path in home.models.glob(f"*/{model_files.REGISTER}"))


def read(home: Home, factory: str) -> Register:
    """A factory's register; empty where nothing was ever entered."""
    path = register_path(home, factory)
    return register_lines.parsed(model_files.read_lines(path), path)


def enter(home: Home, factory: str, entries: Iterable[Entry]) -> Register:
    """Write entries behind those that stand, all or none, and the cards that they change.

    Call it within `writing`.
    """
    new = list(entries)
    path = register_path(home, factory)
    standing = model_files.read_lines(path)
    grown = register_lines.parsed(standing, path).appended(new)
    model_files.append(path, standing, register_lines.lines(new))
    told = {one.work_unit_id for one in new if not isinstance(one, Looked)}
    for unit in sorted(told):
        write_cards(home, factory, grown, unit)
    return grown


def writing(home: Home, factory: str) -> AbstractContextManager[None]:
    """Within it nobody else writes the factory's register."""
    return locked(register_path(home, factory))


def folder_of(home: Home, factory: str, unit: str) -> Path:
    """Where the files of one machine's models lie."""
    return home.models / factory / unit


def card_path(home: Home, factory: str, version: Version) -> Path:
    """Where a version's card lies."""
    return folder_of(home, factory, version.work_unit_id) / f"{version.version}.card.md"


def write_cards(home: Home, factory: str, register: Register, unit: str) -> None:
    """The cards of a machine's versions, each as the register has it now."""
    for version in register.versions(unit):
        text = card(register, version)
        path = card_path(home, factory, version)
        if not (path.is_file() and path.read_text("utf-8") == text):
            write_atomic(path, text.encode())


def keep(home: Home, factory: str, unit: str, model: Detector, levels: Reference) -> Kept:
    """Write a detector under the hash of its bytes, and what its training rows looked like."""
    folder = folder_of(home, factory, unit)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fitting-") as aside:
        path = Path(aside) / "new.model"
        model.save(path)
        content = path.read_bytes()
    return model_files.keep(home, folder, content, levels.to_json(), LEVELS)


def loaded(home: Home, path: str, sha256: str) -> Detector:
    """A registered detector; Changed or ModelFileError where the file is not it."""
    return detector.load(model_files.model_path(home, path, sha256))


def model_of(home: Home, version: Version) -> MachineModel:
    """All that a version knows of its machine."""
    return MachineModel(
        loaded(home, version.path, version.sha256),
        Habits.from_json(version.habits),
        version.collected_days,
        version.version,
    )


def levels_of(home: Home, version: Version) -> Reference | None:
    """What a version's training rows looked like; None where the file is gone or another's."""
    try:
        text = (home.root / version.path).with_suffix(LEVELS).read_text("utf-8")
        return Reference.from_json(text)
    except (OSError, ValueError, TypeError):
        return None


def table_of(register: Register) -> pl.DataFrame:
    """The register as MODELS, by machine and version."""
    rows = [_row(register, one) for unit in register.machines for one in register.versions(unit)]
    return pl.DataFrame(rows, schema=MODELS)


def publish(home: Home, factory: str, register: Register) -> Written:
    """Write the lake's table of a register."""
    return Lake(home.lake).write(TABLE, table_of(register), Partition(factory=factory))


def next_judged(home: Home, factory: str) -> date | None:
    """The day after the last that was judged; None where none was."""
    days = judged_days(home, factory)
    return days[-1] + timedelta(days=1) if days else None


def judged_days(home: Home, factory: str) -> list[date]:
    """Days of a factory that have a table of anomaly events."""
    parts = Lake(home.lake).partitions("anomaly_events")
    return sorted(one.day for one in parts if one.day and one.factory == factory)


@cache
def code_version() -> str:
    """The hash of the syntax of `models`: words in it play no part."""
    modules = sorted(
        (one for one in resources.files("models").iterdir() if one.name.endswith(".py")),
        key=lambda one: one.name,
    )
    return digest(f"{m.name}\n{wordless(ast.parse(m.read_text('utf-8')))}" for m in modules)


def _row(register: Register, one: Version) -> dict[str, Any]:
    terms = register.terms(one.work_unit_id)
    return {
        **{name: getattr(one, name) for name in MODELS if name not in _OWN},
        "state": register.state(one),
        "terms": [
            {"since": term.since, "until": term.until}
            for term in terms
            if term.version == one.version
        ],
        "days": list(one.training_days),
        "training_days": one.collected_days,
        "metrics": json.dumps(dict(one.metrics), ensure_ascii=False, sort_keys=True),
        "notes": list(one.notes),
    }


_OWN: Final = ("state", "terms", "days", "training_days", "metrics", "notes")
