"""The simulator's truth as frames (docs/architecture.md, Truth). All times but ticks are true."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import polars as pl

from connectors.errors import ParkPulseError
from pipelines.raw import event_ticks
from pipelines.schemas import TIME

VERSION: Final = 1
_REMEDY: Final = (
    "let `parkpulse simulate --truth` or `parkpulse demo` finish writing it, or name it by --truth"
)
VALUE_COLUMNS: Final = [
    "server_uri", "node_id", "source_ticks", "server_ticks", "delivered_ticks", "value_type",
    "is_array", "value_float", "value_int", "value_uint", "value_text", "value_raw", "status_code",
]  # fmt: skip
WIRE_FAULTS: Final = pl.Schema(
    {"kind": pl.String(), "server_uri": pl.String(), "start": TIME, "end": TIME}
)


@dataclass(frozen=True, slots=True)
class Truth:
    """A whole truth folder: its `manifest.json` was read, which is written last."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Truth":
        """Read the manifest; ParkPulseError where there is none or it is not of our version."""
        path = folder / "manifest.json"
        try:
            manifest = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise ParkPulseError(folder, "holds no whole truth (no manifest.json)", _REMEDY) from (
                error
            )
        except ValueError as error:
            raise ParkPulseError(path, f"cannot be read ({error})", _REMEDY) from error
        if not isinstance(manifest, dict):
            raise ParkPulseError(path, "is not a truth's manifest (no object)", _REMEDY)
        if manifest.get("schema_version") != VERSION:
            why = f"has version {manifest.get('schema_version')}, not {VERSION}"
            raise ParkPulseError(path, why, "simulate again with this version")
        truth = cls(folder, manifest)
        try:
            for site_id in truth.servers:
                truth.span(site_id)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            why = f"is not a truth's manifest ({type(error).__name__}: {error})"
            raise ParkPulseError(path, why, _REMEDY) from error
        return truth

    @property
    def servers(self) -> dict[str, str]:
        """The server of every site."""
        return {site["site_id"]: site["server_uri"] for site in self.manifest["sites"]}

    def span(self, site_id: str) -> tuple[datetime, datetime]:
        """From when to when `values` knows everything that left a site's source."""
        site = next(site for site in self.manifest["sites"] if site["site_id"] == site_id)
        known = self.manifest | site
        return _utc(known["start"]), _utc(known["end"])

    def values(self, site_id: str, first: int, last: int) -> pl.DataFrame:
        """What the timeline of a site holds with event ticks in [first, last)."""
        inside = event_ticks().is_between(first, last, closed="left")
        return self.scan_values(site_id).filter(inside).collect(engine="in-memory")

    def scan_values(self, site_id: str) -> pl.LazyFrame:
        """Every value the timeline of a site holds."""
        path = self.folder / "values" / f"{site_id}.parquet"
        if not path.is_file():
            raise ParkPulseError(path, "is missing", _REMEDY)
        return pl.scan_parquet(path, hive_partitioning=False).select(VALUE_COLUMNS)

    @property
    def machine_shifts(self) -> pl.DataFrame:
        """The true figures of every machine and shift."""
        return self._frame("machine_shifts.parquet")

    @property
    def machine_losses(self) -> pl.DataFrame | None:
        """Where the busy time of every machine and shift really went; None in an older truth."""
        return self._optional("machine_losses.parquet")

    @property
    def faults(self) -> pl.DataFrame:
        """The planted anomalies."""
        return self._frame("faults.parquet")

    @property
    def nastiness(self) -> pl.DataFrame:
        """What was planted on values, counters and clocks."""
        return self._frame("nastiness.parquet")

    @property
    def adoption(self) -> pl.DataFrame | None:
        """The true adoption figures; None where the simulated world has no park."""
        if (self.folder / "adoption.parquet").exists() or self._parks():
            return self._frame("adoption.parquet")
        return None

    @property
    def has_courses(self) -> bool:
        """Whether the office's files, how enterprises ran among them, are part of the world."""
        return (self.folder / "courses.parquet").exists()

    def of_enterprises(self, name: str) -> pl.DataFrame:
        """`distress`, `courses` or `trends`: how enterprises really ran."""
        return self._frame(f"{name}.parquet")

    @property
    def conformance(self) -> pl.DataFrame | None:
        """What each machine speaks of the unified interface; None in an older truth."""
        return self._optional("conformance.parquet")

    def of_parks(self, name: str) -> pl.DataFrame | None:
        """A figure of parks by its table's name; None where no office was simulated."""
        return self._optional(f"{name}.parquet")

    def _optional(self, name: str) -> pl.DataFrame | None:
        return self._frame(name) if (self.folder / name).exists() else None

    def _parks(self) -> set[str]:
        return set(self.servers) - set(self.machine_shifts["factory_id"])

    @property
    def wire_faults(self) -> pl.DataFrame:
        """What was done to connections: kind, server_uri, start, end."""
        path = self.folder / "wire_faults.jsonl"
        rows = [json.loads(line) for line in _text(path).splitlines() if line]
        times = {k: [_utc(row[k]) for row in rows] for k in ("start", "end")}
        names = {k: [str(row[k]) for row in rows] for k in ("kind", "server_uri")}
        return pl.DataFrame(names | times, schema=WIRE_FAULTS)

    @property
    def source_offsets(self) -> pl.DataFrame:
        """How far a server's source clock is ahead of the true time: server_uri, offset_us.

        Servers whose clock is right are not in it.
        """
        seconds = pl.col("detail").str.extract(r"([+-]\d+) s").cast(pl.Int64)
        skewed = self.nastiness.filter(pl.col("kind") == "clock_skew")
        return skewed.select("server_uri", offset_us=seconds * 1_000_000)

    def _frame(self, name: str) -> pl.DataFrame:
        path = self.folder / name
        try:
            return pl.read_parquet(path, hive_partitioning=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            why = f"cannot be read ({str(error).splitlines()[0]})"
            raise ParkPulseError(path, why, _REMEDY) from error


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""  # a simulation without wire faults
