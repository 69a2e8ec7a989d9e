"""A detector on disk: arrays and JSON in one npz file, nothing that can run code."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from models.channels import Baseline, Slow
from models.errors import ModelFileError
from models.scaling import Levels

if TYPE_CHECKING:
    from models.detector import Detector

SCHEMA: Final = "parkpulse-detector-1"


def write(detector: Detector, path: Path) -> None:
    """Writes beside `path` and replaces it at once."""
    about = {
        "schema": SCHEMA,
        "time": detector.time,
        "context": detector.context,
        "sensors": detector.sensors,
        "spans": detector.spans,
        "joint_limit": detector.joint_limit,
        "rows_seen": detector.rows_seen,
        "notes": detector.notes,
        "contexts": detector.base.levels.contexts if detector.base else (),
        "learned": detector.base is not None,
    }
    arrays: dict[str, Any] = {
        "sizes": detector.sizes,
        "limits": detector.limits,
        "joint_sizes": detector.joint_sizes,
    }
    arrays |= _arrays(detector.base) if detector.base else {}
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about, ensure_ascii=False)), **arrays)
    part.replace(path)


def read(path: Path, make: type[Detector]) -> Detector:
    """The detector in `path`; refuses another schema in one line."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            arrays = {name: file[name] for name in file.files if name != "about"}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError) as problem:
        raise ModelFileError(
            path, f"not a ParkPulse model ({type(problem).__name__})", "fit it anew"
        ) from problem
    if about.get("schema") != SCHEMA:
        raise ModelFileError(path, f"schema {about.get('schema')!r}, not {SCHEMA}", "fit it anew")
    return make(
        time=about["time"],
        context=about["context"],
        sensors=tuple(about["sensors"]),
        base=_baseline(arrays, tuple(about["contexts"])) if about["learned"] else None,
        spans=tuple(about["spans"]),
        sizes=arrays["sizes"],
        joint_sizes=arrays["joint_sizes"],
        limits=arrays["limits"],
        joint_limit=about["joint_limit"],
        rows_seen=about["rows_seen"],
        notes=tuple(about["notes"]),
    )


def _arrays(base: Baseline) -> dict[str, npt.NDArray[Any]]:
    slow = {
        f"{name}_{part}": getattr(getattr(base, name), part)
        for name in ("level_slow", "residual_slow")
        for part in ("start", "rate", "usual")
    }
    return slow | {
        "centre": base.levels.centre,
        "scale": base.levels.scale,
        "constant": base.levels.constant,
        "weights": base.weights,
        "noise": base.noise,
        "longest_run": base.longest_run,
    }


def _baseline(arrays: dict[str, npt.NDArray[Any]], contexts: tuple[str, ...]) -> Baseline:
    def slow(name: str) -> Slow:
        return Slow(*(arrays[f"{name}_{part}"] for part in ("start", "rate", "usual")))

    levels = Levels(contexts, arrays["centre"], arrays["scale"], arrays["constant"])
    return Baseline(
        levels,
        arrays["weights"],
        slow("level_slow"),
        slow("residual_slow"),
        arrays["noise"],
        arrays["longest_run"],
    )
