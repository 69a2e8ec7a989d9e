"""The folder in which ParkPulse keeps everything, and the marker that makes it ours."""

import json
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, Self

from connectors.errors import HomeRefused

MARKER: Final = "home.json"
SCHEMA_VERSION: Final = 1
DEMO: Final = "demo"
PKI: Final = "pki"
REGISTER: Final = "register"
"""A home may begin with either: certificates are exchanged, and a park's enterprises imported,
before anything is collected."""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of one home; making a `Home` touches no disk."""

    root: Path

    @property
    def segments(self) -> Path:
        """Sealed and open segments, one folder per site."""
        return self.root / "segments"

    @property
    def event_segments(self) -> Path:
        """Sealed and open segments of events, one folder per site."""
        return self.root / "event_segments"

    @property
    def ledger(self) -> Path:
        """What was received, and every gap."""
        return self.root / "ledger.sqlite"

    @property
    def pki(self) -> Path:
        """Our application certificate, and the certificates of servers that we trust."""
        return self.root / PKI

    @property
    def lake(self) -> Path:
        """Tables as plain Parquet by exact path."""
        return self.root / "lake"

    @property
    def models(self) -> Path:
        """Fitted detectors, one folder per factory."""
        return self.root / "models"

    @property
    def reports(self) -> Path:
        """Anomaly reports, each in its factory's own tier."""
        return self.root / "reports"

    @property
    def register(self) -> Path:
        """What was imported into the park register, and the reports of what was not."""
        return self.root / REGISTER

    @property
    def pages(self) -> Path:
        """The park pages; those of `public/` name no enterprise."""
        return self.root / "pages"

    @property
    def releases(self) -> Path:
        """Frozen publications."""
        return self.root / "releases"

    @property
    def indicators(self) -> Path:
        """What offices reported of indicators, one file per import."""
        return self.root / "indicators"

    @property
    def entered_facts(self) -> Path:
        """Lists and certificates that people entered for evidence cards, one file per import."""
        return self.root / "entered_facts"

    @property
    def dagster(self) -> Path:
        """Dagster's storage."""
        return self.root / "dagster"

    @property
    def checks(self) -> Path:
        """Great Expectations' project."""
        return self.root / "checks"

    @property
    def data_docs(self) -> Path:
        """Great Expectations' pages: what was expected of each table, and what was found."""
        return self.checks / "gx" / "uncommitted" / "data_docs" / "local_site"

    def exists(self) -> bool:
        """True when the folder carries our marker."""
        return (self.root / MARKER).is_file()

    @property
    def first_day(self) -> date:
        """The first local day this home has a partition for; it also holds what is older."""
        return date.fromisoformat(self._marker()["first_day"])

    @property
    def now_offset_s(self) -> float:
        """How far this home's clock runs ahead of the machine's; 0 but for replays."""
        return float(self._marker().get("now_offset_s", 0.0))

    def _marker(self) -> dict[str, str]:
        try:
            marker: dict[str, str] = json.loads((self.root / MARKER).read_text("utf-8"))
            date.fromisoformat(marker["first_day"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HomeRefused(
                self.root,
                f"no readable {MARKER} ({error})",
                "run `parkpulse collect` or `demo` first",
            ) from error
        return marker

    def create(
        self, *, first_day: date, now_offset_s: float = 0.0, made_by: str = "collect"
    ) -> Self:
        """Make the folder and its marker; an existing home is left as it is."""
        if self.exists():
            return self
        self.refuse_foreign()
        self.root.mkdir(parents=True, exist_ok=True)
        marker = {
            "schema_version": SCHEMA_VERSION,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "first_day": first_day.isoformat(),
            "now_offset_s": now_offset_s,
            "made_by": made_by,
        }
        write_atomic(self.root / MARKER, json.dumps(marker, indent=2).encode())
        return self

    def refuse_foreign(self) -> None:
        """HomeRefused where the folder holds what ParkPulse has not made."""
        if self.exists() or not self.root.exists():
            return
        if any(entry.name not in (PKI, REGISTER) for entry in self.root.iterdir()):
            raise HomeRefused(
                self.root, "is not empty and was not made by ParkPulse", "choose another --home"
            )

    def replace(self, *, first_day: date, now_offset_s: float = 0.0) -> Self:
        """Empty a demo's home and make it anew; refuse any other folder."""
        if self.exists():
            if self._marker().get("made_by") != DEMO:
                raise HomeRefused(
                    self.root, "holds what no demo has made", "choose another --home, or delete it"
                )
            shutil.rmtree(self.root)
        return self.create(first_day=first_day, now_offset_s=now_offset_s, made_by=DEMO)


def default_home() -> Path:
    """`$PARKPULSE_HOME`, else ./parkpulse-home."""
    return Path(os.environ.get("PARKPULSE_HOME", "parkpulse-home"))


def default_truth() -> Path:
    """`$PARKPULSE_TRUTH`, else ./parkpulse-truth."""
    return Path(os.environ.get("PARKPULSE_TRUTH", "parkpulse-truth"))


def write_atomic(path: Path, content: bytes) -> None:
    """Write a whole file or nothing: temporary file, fsync, replace; a failure leaves no part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
