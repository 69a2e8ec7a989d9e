"""`parkpulse verify`: recovered figures against what the simulator knows to be true."""

import math
from pathlib import Path
from typing import Any

import polars as pl

from connectors.errors import HomeRefused
from connectors.home import Home
from connectors.verification import enterprises, figures, parks, planted, tolerances, values
from connectors.verification.truth import Truth
from connectors.verification.window import Window, collected

__all__ = ["verify"]


def verify(home: Home, truth: Path, *, shifts: bool = False) -> dict[str, Any]:
    """Compare the values and figures of a home with a truth folder; JSON-ready.

    Parts `values`, `oee`, `losses`, `machine_shifts` (`every` one with `shifts`), `adoption`,
    `conformance`, `parks`, `warnings`, `portraits`, `anomaly` (null where not computed), `planted`
    by kind, `tolerances` in words, `broken` one line each, `ok`. ParkPulseError without a home or a
    whole truth.
    """
    if not home.exists():
        raise HomeRefused(home.root, "is no home", "run `parkpulse collect` first or give --home")
    known = Truth.open(truth)
    window = collected(home, known)
    compared = values.compare(home, known, window)
    oee, losses, beside = figures.oee(home, known, window)
    true_adoption = known.adoption
    adoption, unequal = None, pl.DataFrame()
    if true_adoption is not None:
        adoption, unequal = figures.adoption(home, true_adoption)
    warnings, portraits, untrue = None, None, pl.DataFrame()
    if known.has_courses:
        warnings = enterprises.warnings(home, known)
        portraits, untrue = enterprises.portraits(home, known)
    conformance, of_machines = parks.conformance(home, known, window)
    of_parks, unlike = parks.parks(home, known)
    anomaly, faults = figures.anomaly(home, known, window)
    result: dict[str, Any] = {
        "values": None if compared is None else compared.figures(window),
        "oee": oee,
        "losses": losses,
        "machine_shifts": figures.machine_shifts(beside, every=shifts),
        "adoption": adoption,
        "warnings": warnings,
        "portraits": portraits,
        "conformance": conformance,
        "parks": of_parks,
        "anomaly": anomaly,
        "planted": _planted(home, known, window, compared, faults),
        "tolerances": tolerances.words(),
    }
    expected = {"values"}
    expected |= {"oee", "losses"} if known.machine_shifts.height else set()
    expected |= set() if true_adoption is None else {"adoption"}
    expected |= {"warnings", "portraits"} if known.has_courses else set()
    expected |= set() if known.conformance is None else {"conformance"}
    expected |= set() if known.of_parks("pue") is None else {"parks"}
    culprits = _culprits(compared, window, beside, unequal) | of_machines | unlike
    culprits["portraits.unequal"] = enterprises.differing(untrue)
    result["broken"] = list(tolerances.broken(result, expected, culprits))
    result["ok"] = not result["broken"]
    return {key: _finite(part) for key, part in result.items()}


def _planted(
    home: Home,
    truth: Truth,
    window: Window,
    compared: values.Compared | None,
    faults: pl.DataFrame,
) -> dict[str, dict[str, int | None]]:
    """Every kind of planting with how many lie in the window and how many were recovered."""
    if compared is None:
        return {}
    drops = pl.concat(compared.drops)
    increments = figures.table(home, "count_increments", window)
    offsets = figures.table(home, "clock_offsets", window)
    if offsets is not None:
        offsets = offsets.filter(pl.col("day").is_in(window.days))
    skews = truth.source_offsets.join(window.spans, on="server_uri", how="semi")
    wire = window.during(truth.wire_faults)
    seen = faults.select("kind", recovered=pl.col("events") > 0)
    rows = [
        *compared.touched,
        planted.found_drops(drops, increments, _tags(home)),
        planted.found_skews(skews, offsets),
        planted.survived(wire, dict(compared.lost)),
        seen,
    ]
    counted = planted.tally(pl.concat(rows))
    return {
        kind: {"planted": count, "recovered": recovered}
        for kind, count, recovered in counted.iter_rows()
    }


def _tags(home: Home) -> pl.DataFrame | None:
    """The tag catalogues of all sites."""
    paths = sorted((home.lake / "tags").glob("*/part.parquet"))
    return pl.concat([pl.read_parquet(path) for path in paths]) if paths else None


def _culprits(
    compared: values.Compared | None,
    window: Window,
    shifts: pl.DataFrame,
    unequal: pl.DataFrame,
) -> dict[str, str]:
    """Who is to blame, by figure of a tolerance."""
    found = {"values.uncollected_sites": ", ".join(window.missing)}
    if compared is not None:
        kinds = ("lost", "repeated", "foreign")
        found |= {f"values.{kind}": compared.culprits(kind) for kind in kinds}
        found["values.unreadable_segments"] = "; ".join(compared.received.unreadable)
    if shifts.width:
        found |= figures.worst(shifts)
    if unequal.width:
        found["adoption.unequal"] = figures.differing(unequal)
    return found


def _finite(part: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """JSON has no NaN and no infinity: null."""
    if isinstance(part, dict):
        return {key: _finite(value) for key, value in part.items()}
    if isinstance(part, list):
        return [_finite(value) for value in part]
    return None if isinstance(part, float) and not math.isfinite(part) else part
