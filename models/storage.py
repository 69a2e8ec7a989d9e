"""A detector on disk: arrays and JSON in one npz file, nothing that can run code."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from models.channels import Baseline, order
from models.errors import ModelFileError
from models.neighbours import MEMORIES
from models.scaling import Levels
from models.season import ORDERS, Season, features
from models.shape import MOST_CENTRES, POINTS, WIDTHS, Shapes
from models.slow import Slow

if TYPE_CHECKING:
    from models.detector import Detector, Limits

SCHEMA: Final = "parkpulse-detector-2"
SHOWN: Final = 40
"""Characters of a stranger's text that an error quotes."""


def write(detector: Detector, path: Path) -> None:
    """Writes beside `path` and replaces it at once."""
    base, bounds = detector.base, detector.bounds
    about: dict[str, Any] = {
        "schema": SCHEMA,
        "time": detector.time,
        "per_s": detector.per_s,
        "context": detector.context,
        "sensors": detector.sensors,
        "spans": detector.spans,
        "joint": bounds.joint if math.isfinite(bounds.joint) else None,
        "whole": bounds.whole,
        "rows_seen": detector.rows_seen,
        "notes": detector.notes,
        "learned": base is not None,
    }
    arrays: dict[str, Any] = {"sizes": bounds.sizes, "limits": bounds.limits}
    if base is not None:
        about |= {
            "contexts": base.levels.contexts,
            "days": base.season.days,
            "widths": base.shapes.widths,
            "block_rows": base.level_slow.rows,
            "accepted": base.level_slow.accepted,
            "step_s": base.step_s if math.isfinite(base.step_s) else None,
        }
        arrays |= _arrays(base)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez(file, about=np.array(json.dumps(about, ensure_ascii=False)), **arrays)
    part.replace(path)


def read(path: Path, make: type[Detector], bounds: type[Limits]) -> Detector:
    """The detector in `path`; whatever else is there is refused in one line, before it is used."""
    try:
        return _built(*_members(path), make, bounds)
    except FileNotFoundError as problem:
        raise ModelFileError(path, "no such file", "`detect fit` writes one") from problem
    except _OtherSchemaError as problem:
        raise ModelFileError(path, f"{problem}, not {SCHEMA}", "fit it anew") from problem
    except OSError as problem:
        raise ModelFileError(
            path, f"cannot be read ({problem.strerror or problem})", "check the file"
        ) from problem
    # Only a file that is no model of ours gets here, and a hostile one may raise anything.
    except Exception as problem:
        raise ModelFileError(
            path, f"not a ParkPulse model ({_reason(problem)})", "fit it anew"
        ) from problem


class _OtherSchemaError(Exception):
    """A model of another version."""


class _UnfitError(Exception):
    """A part of the file is not what a model has there."""


def _reason(problem: Exception) -> str:
    return str(problem) if isinstance(problem, _UnfitError) else type(problem).__name__


def _members(path: Path) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """What the file says about itself, and its arrays."""
    with zipfile.ZipFile(path) as archive:
        size = path.stat().st_size
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED or member.file_size > size:
                raise _UnfitError(f"{member.filename[:SHOWN]} is packed")
        arrays = {
            member.filename.removesuffix(".npy"): _array(archive.read(member), member.filename)
            for member in archive.infolist()
        }
    about = json.loads(str(arrays.pop("about")))
    if about.get("schema") != SCHEMA:
        raise _OtherSchemaError(f"schema {str(about.get('schema'))[:SHOWN]!r}")
    return about, arrays


def _array(member: bytes, name: str) -> npt.NDArray[Any]:
    """An array whose header promises exactly the bytes that are there: checked, then allocated."""
    file = io.BytesIO(member)
    if np.lib.format.read_magic(file) != (1, 0):
        raise _UnfitError(f"{name[:SHOWN]} has no header of ours")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if math.prod(shape) * dtype.itemsize != len(member) - file.tell() or dtype.hasobject:
        raise _UnfitError(f"{name[:SHOWN]} holds less than its header promises")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _built(
    about: dict[str, Any],
    arrays: dict[str, npt.NDArray[Any]],
    make: type[Detector],
    bounds: type[Limits],
) -> Detector:
    sensors, spans = _texts(about, "sensors"), tuple(about["spans"])
    _must("spans", all(type(span) is int and span > 0 for span in spans))
    _must("whole", math.isfinite(about["whole"]) and about["whole"] > 0)
    _must("joint", about["joint"] is None or 0 < about["joint"] < math.inf)
    _must("per_s", math.isfinite(about["per_s"]) and about["per_s"] > 0)
    _must("rows_seen", type(about["rows_seen"]) is int)
    _must("learned", type(about["learned"]) is bool)
    _must("time", isinstance(about["time"], str))
    _must("context", about["context"] is None or isinstance(about["context"], str))
    judged = bounds(
        arrays["sizes"],
        arrays["limits"],
        math.inf if about["joint"] is None else float(about["joint"]),
        float(about["whole"]),
    )
    base = _baseline(about, arrays, len(sensors)) if about["learned"] else None
    channels = len(order(spans, base.shapes.widths)) if base else 0
    judging = {"sizes": (channels, len(sensors)), "limits": (channels, len(sensors))}
    _check(arrays, judging)
    return make(
        time=about["time"],
        per_s=float(about["per_s"]),
        context=about["context"],
        sensors=sensors,
        base=base,
        spans=spans,
        bounds=judged,
        rows_seen=about["rows_seen"],
        notes=_texts(about, "notes"),
    )


def _must(part: str, holds: object) -> None:
    if not holds:
        raise _UnfitError(f"wrong {part}")


def _texts(about: dict[str, Any], part: str) -> tuple[str, ...]:
    _must(part, isinstance(about[part], list) and all(isinstance(t, str) for t in about[part]))
    return tuple(about[part])


def _check(arrays: Mapping[str, npt.NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Shapes, kinds of number, no NaN; what is divided by is above 0."""
    for name, shape in shapes.items():
        array = arrays[name]
        kind = np.bool_ if name in _MASKS else np.float64
        _must(name, array.shape == shape and array.dtype == kind)
        _must(name, np.isfinite(array).all() or name in _MAY_BE_INFINITE)
        _must(name, not np.isnan(array).any())
        _must(name, (array > 0).all() or name not in _ABOVE_0)


_MASKS: Final = frozenset({"constant", "silent"})
_ABOVE_0: Final = frozenset(
    {"sizes", "limits", "scale", "level_slow_usual", "residual_slow_usual",
     "level_slow_growth", "residual_slow_growth"}
)  # fmt: skip
_MAY_BE_INFINITE: Final = frozenset({"longest_run", "limits"})
"""Infinite where standing still says nothing of a sensor, or a channel is not asked of it."""

_PARTS: Final = ("start", "slope", "rate", "trend", "usual", "growth")
_SLOWS: Final = ("level_slow", "residual_slow")


def _arrays(base: Baseline) -> dict[str, npt.NDArray[Any]]:
    slow = {
        f"{name}_{part}": getattr(getattr(base, name), part) for name in _SLOWS for part in _PARTS
    }
    shapes = {
        f"shapes_{width}": centres
        for width, centres in zip(base.shapes.widths, base.shapes.centres, strict=True)
    }
    return (
        slow
        | shapes
        | {
            "centre": base.levels.centre,
            "scale": base.levels.scale,
            "constant": base.levels.constant,
            "silent": base.levels.silent,
            "season_weights": base.season.weights,
            "season_level": base.season.level,
            "weights": base.weights,
            "noise": base.noise,
            "longest_run": base.longest_run,
            "switches": base.switches,
        }
    )


def _baseline(about: dict[str, Any], arrays: dict[str, npt.NDArray[Any]], k: int) -> Baseline:
    contexts, days = _texts(about, "contexts"), tuple(about["days"])
    widths, rows, accepted = tuple(about["widths"]), about["block_rows"], about["accepted"]
    _must("days", all(day in ORDERS for day in days) and len(set(days)) == len(days))
    _must("widths", all(width in WIDTHS for width in widths))
    _must("block_rows", type(rows) is int and rows > 0)
    _must("accepted", type(accepted) is int and accepted > 0)
    _must("step_s", about["step_s"] is None or 0 < about["step_s"] < math.inf)
    flat = [f"{name}_{part}" for name in _SLOWS for part in _PARTS[:-1]]
    flat += ["scale", "constant", "silent", "season_level", "noise", "longest_run", "switches"]
    waves = features(np.zeros(1), days).shape[1]
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(flat, (k,))
    shapes |= {f"{name}_growth": (len(arrays["level_slow_growth"]), k) for name in _SLOWS}
    shapes |= {"centre": (len(contexts) + 1, k), "season_weights": (waves, k)}
    _check(arrays, shapes)
    weights = arrays["weights"]
    _must("weights", weights.dtype == np.float64 and np.isfinite(weights).all())
    _must("weights", weights.shape in ((k, k), (k * (1 + len(MEMORIES)), k)))

    def slow(name: str) -> Slow:
        parts = {part: arrays[f"{name}_{part}"] for part in _PARTS}
        return Slow(**parts, accepted=accepted, rows=rows)

    return Baseline(
        levels=Levels(
            contexts, arrays["centre"], arrays["scale"], arrays["constant"], arrays["silent"]
        ),
        season=Season(days, arrays["season_weights"], arrays["season_level"]),
        weights=weights,
        level_slow=slow("level_slow"),
        residual_slow=slow("residual_slow"),
        noise=arrays["noise"],
        longest_run=arrays["longest_run"],
        switches=arrays["switches"],
        step_s=math.inf if about["step_s"] is None else float(about["step_s"]),
        shapes=Shapes(widths, tuple(_centres(arrays[f"shapes_{width}"], k) for width in widths)),
    )


def _centres(array: npt.NDArray[Any], k: int) -> npt.NDArray[Any]:
    """Centres of a width: all of a sensor known, or none (NaN)."""
    _must("shapes", array.dtype == np.float64 and array.ndim == 3)
    _must("shapes", array.shape[::2] == (k, POINTS + 1) and 0 < array.shape[1] <= MOST_CENTRES)
    known = np.isfinite(array).all(axis=(1, 2))
    _must("shapes", np.isnan(array[~known]).all())
    return array
