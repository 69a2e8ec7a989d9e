"""A detector on disk: arrays and JSON in one npz file, nothing that can run code."""

from __future__ import annotations

import io
import json
import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from models.channels import Baseline, Slow, order
from models.errors import ModelFileError
from models.neighbours import MEMORIES
from models.scaling import Levels

if TYPE_CHECKING:
    from models.detector import Detector

SCHEMA: Final = "parkpulse-detector-1"
SHOWN: Final = 40
"""Characters of a stranger's text that an error quotes."""


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
    """The detector in `path`; whatever else is there is refused in one line, before it is used."""
    try:
        return _built(*_members(path), make)
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
    about: dict[str, Any], arrays: dict[str, npt.NDArray[Any]], make: type[Detector]
) -> Detector:
    sensors, spans = _texts(about, "sensors"), tuple(about["spans"])
    contexts = _texts(about, "contexts")
    _must("spans", all(type(span) is int and span > 0 for span in spans))
    _must("joint_limit", math.isfinite(about["joint_limit"]) and about["joint_limit"] > 0)
    _must("rows_seen", type(about["rows_seen"]) is int)
    _must("learned", type(about["learned"]) is bool)
    _must("time", isinstance(about["time"], str))
    _must("context", about["context"] is None or isinstance(about["context"], str))
    channels = len(order(spans)) if about["learned"] else 0
    _check(arrays, _shapes(len(sensors), len(contexts), channels, learned=about["learned"]))
    return make(
        time=about["time"],
        context=about["context"],
        sensors=sensors,
        base=_baseline(arrays, contexts) if about["learned"] else None,
        spans=spans,
        sizes=arrays["sizes"],
        joint_sizes=arrays["joint_sizes"],
        limits=arrays["limits"],
        joint_limit=float(about["joint_limit"]),
        rows_seen=about["rows_seen"],
        notes=_texts(about, "notes"),
    )


def _must(part: str, holds: object) -> None:
    if not holds:
        raise _UnfitError(f"wrong {part}")


def _texts(about: dict[str, Any], part: str) -> tuple[str, ...]:
    _must(part, isinstance(about[part], list) and all(isinstance(t, str) for t in about[part]))
    return tuple(about[part])


def _shapes(
    sensors: int, contexts: int, channels: int, *, learned: bool
) -> dict[str, tuple[int, ...]]:
    judged = {
        "sizes": (channels, sensors),
        "limits": (channels, sensors),
        "joint_sizes": (channels,),
    }
    if not learned:
        return judged
    per_sensor = dict.fromkeys([*_SLOW, "scale", "constant", "noise", "longest_run"], (sensors,))
    return {**judged, **per_sensor, "centre": (contexts + 1, sensors)}


def _check(arrays: dict[str, npt.NDArray[Any]], shapes: dict[str, tuple[int, ...]]) -> None:
    """Shapes, kinds of number, no NaN; what is divided by is above 0."""
    for name, shape in shapes.items():
        array = arrays[name]
        kind = np.bool_ if name == "constant" else np.float64
        _must(name, array.shape == shape and array.dtype == kind)
        _must(name, np.isfinite(array).all() or name in _MAY_BE_INFINITE)
        _must(name, not np.isnan(array).any())
        _must(name, (array > 0).all() or name not in _ABOVE_0)
    if "scale" in shapes:
        weights, k = arrays["weights"], shapes["scale"][0]
        _must("weights", weights.dtype == np.float64 and np.isfinite(weights).all())
        _must("weights", weights.shape in ((k, k), (k * (1 + len(MEMORIES)), k)))


_ABOVE_0: Final = frozenset({"sizes", "limits", "joint_sizes", "scale"})
_MAY_BE_INFINITE: Final = frozenset({"longest_run"})
"""Infinite where standing still says nothing of a sensor."""

_SLOW: Final = [
    f"{name}_{part}"
    for name in ("level_slow", "residual_slow")
    for part in ("start", "rate", "usual")
]


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
