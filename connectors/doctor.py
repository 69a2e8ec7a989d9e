"""Is this machine and configuration fit to run, and what to do if not: one finding per question.

Nothing is changed: a probe's files are removed, and a home that is not there is not made.
"""

import ctypes
import importlib.metadata
import importlib.util
import os
import platform
import re
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from connectors.errors import ParkPulseError
from connectors.home import Home
from connectors.status import fill_rate, is_collecting

VerdictType = Literal["ok", "warn", "fail"]

LEAST_FREE_BYTES: Final = 1_000_000_000
"""Below this a day of a busy factory (some 11 MB a million values) no longer fits."""
EASY_FREE_BYTES: Final = 10_000_000_000
EASY_DAYS: Final = 7.0
FSYNC_TRIES: Final = 20
FSYNC_EASY_MS: Final = 50.0
FSYNC_MOST_MS: Final = 250.0
"""The collector commits every 250 ms: a slower disk cannot keep up with it."""
LEAST_FILES: Final = 256
EASY_FILES: Final = 1024
"""Each server takes three descriptors, Dagster some hundred."""
LEAST_PYTHON: Final = (3, 11)
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 512
"""More than any kernel's `struct timex` takes."""
_BLOCK: Final = bytes(4096)


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer: what was asked, how it stands, what was seen, and what to do if it is not ok."""

    name: str
    verdict: VerdictType
    says: str
    remedy: str = ""


def examine(root: Path) -> list[Finding]:
    """Every finding about this machine, and about the home at `root` or where it would lie."""
    place = _nearest(root)
    return [
        _python(), *_packages(), _cores(), _files(), _clock(), _home(root, place),
        _disk(root, place), _fsync(place), _walker(), _tool(
            "Dagster's pages", importlib.util.find_spec("dagster_webserver") is not None,
            "`parkpulse ui` needs them: pip install 'parkpulse[ui]'",
        ),
    ]  # fmt: skip


def findings_json(root: Path, findings: list[Finding]) -> dict[str, Any]:
    """The findings for `doctor --json`."""
    return {
        "home": str(root),
        "ok": is_fit(findings),
        "checks": [asdict(finding) for finding in findings],
    }


def is_fit(findings: list[Finding]) -> bool:
    """True when nothing fails; a warning is no failure."""
    return all(finding.verdict != "fail" for finding in findings)


def _nearest(root: Path) -> Path:
    """The folder itself, else the nearest one above it that exists."""
    return next(path for path in (root, *root.resolve().parents) if path.exists())


# --- the machine


def _python() -> Finding:
    found = platform.python_version()
    if sys.version_info >= LEAST_PYTHON:
        return Finding("Python", "ok", f"{found} ({platform.system()} {platform.machine()})")
    least = ".".join(map(str, LEAST_PYTHON))
    return Finding("Python", "fail", f"{found}, {least} is needed", f"install Python {least}")


def _packages() -> Iterator[Finding]:
    """One finding for all packages that are as they should be, one for each that is not."""
    remedy = "pip install --require-hashes -r requirements.lock"
    good = []
    for name, least, below in _required():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "fail", "it is not installed", remedy)
            continue
        if _release(found) < _release(least) or (below and _release(found) >= _release(below)):
            bounds = f">={least}" + (f",<{below}" if below else "")
            yield Finding(name, "fail", f"{found}, {bounds} is needed", remedy)
        else:
            good.append(f"{name} {found}")
    yield Finding("packages", "ok", ", ".join(good) or "none are declared")


def _required() -> Iterator[tuple[str, str, str]]:
    """Name, least version and first version too new of what ParkPulse needs, as it declares."""
    try:
        declared = importlib.metadata.requires("parkpulse") or []
    except importlib.metadata.PackageNotFoundError:
        declared = []
    for line in declared:
        name, _, condition = line.partition(";")
        if "extra" in condition:
            continue
        least, below = (re.search(rf"{sign}\s*([\d.]+)", name) for sign in (">=", "<"))
        yield (
            re.split(r"[\s<>=!~\[(]", name.strip())[0],
            least[1] if least else "0",
            below[1] if below else "",
        )


def _release(version: str) -> tuple[int, ...]:
    """The release segment as numbers: `2.1.0rc1` is (2, 1, 0)."""
    return tuple(int(part) for part in re.match(r"[\d.]*", version)[0].split(".") if part)  # type: ignore[index]


def _cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return Finding("cores", "ok", f"{count}")


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    says = "no limit" if soft == resource.RLIM_INFINITY else f"{soft:,}"
    if soft == resource.RLIM_INFINITY or soft >= EASY_FILES:
        return Finding("open files", "ok", says)
    verdict: VerdictType = "warn" if soft >= LEAST_FILES else "fail"
    most = EASY_FILES if hard == resource.RLIM_INFINITY else min(hard, EASY_FILES)
    return Finding("open files", verdict, f"{says} at most", f"ulimit -n {most}")


def _clock() -> Finding:
    remedy = "run chrony or systemd-timesyncd: coverage and received times follow this clock"
    if (state := _clock_state()) is None:
        return Finding("clock", "warn", "unknown: the kernel does not tell", remedy)
    if state == _TIME_ERROR:
        return Finding("clock", "warn", "not synchronised", remedy)
    return Finding("clock", "ok", "synchronised")


def _clock_state() -> int | None:
    """What adjtimex(2) answers; None where there is none, or it may not be asked."""
    try:
        asked = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    state: int = asked(ctypes.create_string_buffer(_TIMEX_BYTES))
    return state if state >= 0 else None


# --- the home and its disk


def _home(root: Path, place: Path) -> Finding:
    here = Home(root)
    remedy = "give a folder you may write to with --home or PARKPULSE_HOME"
    if not place.is_dir():
        return Finding("home", "fail", f"{place} is no folder", remedy)
    try:
        with tempfile.NamedTemporaryFile(dir=place, prefix=".doctor-"):
            pass
    except OSError as error:
        return Finding("home", "fail", f"{place} cannot be written ({error.strerror})", remedy)
    if place != root:
        return Finding("home", "ok", f"{root}: will be made")
    if here.exists():
        try:
            first = here.first_day
        except ParkPulseError as error:
            return Finding("home", "fail", f"{root}: {error.why}", error.remedy)
        state = "a collector is at work" if is_collecting(root) else "no collector is running"
        return Finding("home", "ok", f"{root}: since {first}, {state}")
    if any(root.iterdir()):
        return Finding("home", "fail", f"{root}: was not made by ParkPulse", remedy)
    return Finding("home", "ok", f"{root}: empty")


def _disk(root: Path, place: Path) -> Finding:
    from connectors.console import duration, size

    disk = shutil.disk_usage(place)
    rate = fill_rate(root)
    lasts_s = disk.free / rate if rate else None
    says = f"{size(disk.free)} of {size(disk.total)} free"
    says += f", lasts {duration(lasts_s)} at the rate of the last hour" if lasts_s else ""
    is_short = lasts_s is not None and lasts_s < EASY_DAYS * 86_400
    if disk.free >= EASY_FREE_BYTES and not is_short:
        return Finding("disk", "ok", says)
    verdict: VerdictType = "warn" if disk.free >= LEAST_FREE_BYTES else "fail"
    return Finding("disk", verdict, says, "free some space, or `parkpulse prune`")


def _fsync(place: Path) -> Finding:
    try:
        spans_ms = list(_fsync_spans_ms(place))
    except OSError as error:
        return Finding("fsync", "fail", f"{place} cannot be written ({error.strerror})",
                       "give another --home")  # fmt: skip
    median, most = statistics.median(spans_ms), max(spans_ms)
    says = f"{median:.1f} ms in the middle, {most:.1f} ms at most of {len(spans_ms)}"
    if median <= FSYNC_EASY_MS:
        return Finding("fsync", "ok", says)
    verdict: VerdictType = "warn" if median <= FSYNC_MOST_MS else "fail"
    return Finding("fsync", verdict, says, "put the home on a local SSD")


def _fsync_spans_ms(place: Path) -> Iterator[float]:
    with tempfile.TemporaryFile(dir=place) as file:
        for _ in range(FSYNC_TRIES):
            start = time.perf_counter()
            file.write(_BLOCK)
            file.flush()
            os.fsync(file.fileno())
            yield (time.perf_counter() - start) * 1000


# --- what is in use


def _walker() -> Finding:
    """Which decoder of mixed types is in use."""
    from connectors.opcua import decode

    told: Callable[[], str] = getattr(decode, "walker_in_use", lambda: "python")
    walker = told()
    if walker != "python":
        return Finding("walker", "ok", walker)
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    says = "python: right, and slower on messages of mixed types than the compiled one"
    says += f"; a C compiler is there ({compiler})" if compiler else "; there is no C compiler"
    return Finding("walker", "ok", says)


def _tool(name: str, is_there: bool, otherwise: str) -> Finding:
    return Finding(name, "ok", "there" if is_there else f"not there; {otherwise}")
