"""What the office keeps of projects, services, data centres and lists, and the truth of them.

The services are used by enterprises of the office's own district, and their use joins its records
of use, so that adoption and the catalogue of services count the same rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.simulator import park_projects as invented
from connectors.simulator import park_projects_truth as true
from connectors.simulator.district.files import write_csv
from connectors.simulator.district.names import PARKS, PLATFORMS
from connectors.simulator.district.rows import DistrictFacts, Use
from connectors.simulator.district.tables import TEXT
from connectors.simulator.fleet import fleet

ACTIVE: Final = "在营"
WINDOW: Final = timedelta(days=90)
CATALOGUED: Final = PLATFORMS[:2]
"""Platforms that have a catalogue of services; the others only have use."""

ENTERED: Final = ("subject_kind", "subject_id", "fact_id", "value", "as_of", "document")
INVENTED: Final = "模拟文件（虚构，非真实）simulated document, not a real one"
CERTIFIED: Final = 3
"""Every so-manieth factory has a certificate, and as many are not on the list yet."""

ENERGY: Final = pa.schema(
    {
        "data_centre_id": TEXT, "uscc": TEXT, "park_id": TEXT, "is_edge": pa.bool_(),
        "built_on": pa.date32(), "day": pa.date32(), "facility_wh": pa.int64(),
        "it_wh": pa.int64(),
    }
)  # fmt: skip

TRUTH: Final = {
    "project_states": pa.schema(
        {"project_id": TEXT, "state": TEXT, "phase": TEXT, "days_late": pa.int64()}
    ),
    "project_findings": pa.schema({"project_id": TEXT, "phase": TEXT, "finding": TEXT}),
    "service_catalogue": pa.schema(
        {
            "service_id": TEXT, "is_listed": pa.bool_(), "enterprises": pa.int64(),
            "unattributed": pa.int64(), "uses": pa.int64(), "uses_before": pa.int64(),
        }
    ),
    "pue": pa.schema(
        {
            "data_centre_id": TEXT, "days": pa.int64(), "facility_wh": pa.int64(),
            "it_wh": pa.int64(), "verdict": TEXT,
        }
    ),
}  # fmt: skip
"""Of one `reference_date`, which stands first in every table."""


@dataclass(frozen=True, slots=True)
class Offered:
    """Projects, services with their use, and data centres, as of a day."""

    reference_date: date
    projects: tuple[invented.Project, ...]
    services: tuple[invented.Service, ...]
    use: tuple[invented.Use, ...]
    energy_days: tuple[invented.EnergyDay, ...]


def offered(facts: DistrictFacts, seed: int) -> Offered:
    """Invented of the district's own enterprises; planted cases of the district have no part."""
    on, parks = facts.reference_date, list(PARKS)
    owners = _standing(facts)
    use = invented.service_use(seed, on, _users(facts), CATALOGUED)
    once = {(one.platform, one.tenant_id, one.service, one.day): one for one in use}
    return Offered(
        on,
        invented.projects(seed, on, owners, parks),
        invented.services(on, CATALOGUED),
        tuple(once.values()),
        invented.energy_days(seed, on, owners, parks),
    )


def with_use(facts: DistrictFacts, of_parks: Offered) -> DistrictFacts:
    """The district with the services' use among its records of use."""
    more = (Use(u.platform, u.tenant_id, u.uscc, u.level, u.service, u.day) for u in of_parks.use)
    return replace(facts, provider_use=(*facts.provider_use, *more))


def _standing(facts: DistrictFacts) -> list[str]:
    """Enterprises at work that no group owns and that are no planted case, in order of their code.

    Each is a legal group of its own.
    """
    planted = {subject for trap in facts.traps for subject in trap.subjects}
    return sorted(
        one.uscc
        for one in facts.enterprises
        if one.register_status == ACTIVE
        and one.valid_to is None
        and one.legal_group is None
        and one.uscc not in planted
    )


def _users(facts: DistrictFacts) -> list[str]:
    """Those of them that a provider saw in the last 90 days: the services make nobody a user."""
    since = facts.reference_date - WINDOW
    used = {one.uscc for one in facts.provider_use if one.day >= since}
    return [uscc for uscc in _standing(facts) if uscc in used]


def write_park_files(of_parks: Offered, folder: Path) -> None:
    """Write `projects.csv`, `services.csv`, `energy_days.parquet`; lists into `entered/`.

    What is entered is no table of the register, and has a command of its own.
    """
    for name in ("projects", "services"):
        told = [_without_source(row) for row in getattr(of_parks, name)]
        write_csv(folder / f"{name}.csv", list(told[0]), [list(row.values()) for row in told])
    days = pa.Table.from_pylist(invented.rows(of_parks.energy_days), ENERGY)
    pq.write_table(days, folder / "energy_days.parquet", compression="zstd")
    (folder / "entered").mkdir(exist_ok=True)
    entered = folder / "entered" / "entered_facts.csv"
    write_csv(entered, ENTERED, entered_facts(of_parks.reference_date))


def _without_source(row: invented.Project | invented.Service) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name != "source"}


def entered_facts(on: date) -> list[list[object]]:
    """Rows of ENTERED: an invented list of the authority, certificates, self-assessments."""
    listed = on - timedelta(days=320)
    rows: list[list[object]] = []
    for number, factory in enumerate(one.factory_id for one in fleet()):
        kind = ["smart_factory", factory]
        if number % CERTIFIED == 0:
            rows.append([*kind, "iiot_certificate", 1, listed, f"{INVENTED} {number + 1:02}"])
        else:
            rows.append([*kind, "recognised", 1, listed, f"{INVENTED} 名单 list 1"])
    for number, park in enumerate(PARKS):
        kind = ["benchmark_park", park]
        rows.append([*kind, "dual_gigabit", 1, listed, f"{INVENTED} {park}"])
        rows.append([*kind, "dsmm_level", 1 + number, listed, f"{INVENTED} 自评 {park}"])
    rows.append(["benchmark_park", "P01", "recognised", 1, listed, f"{INVENTED} 名单 list 2"])
    return rows


def truth_tables(of_parks: Offered) -> dict[str, pa.Table]:
    """TRUTH as of the reference date, counted by plain loops.

    Of what a register can take: a day without both meters or with more for IT than for the site is
    refused, and so is a phase that ends before it begins; that project is not in the truth.
    """
    on = of_parks.reference_date
    projects = _possible(of_parks.projects)
    days = [day for day in of_parks.energy_days if _can_be(day)]
    found: dict[str, Iterable[Sequence[object]]] = {
        "project_states": _flat(true.project_states(projects, on)),
        "project_findings": sorted(true.project_findings(projects, on)),
        "service_catalogue": _flat(true.service_counts(of_parks.services, of_parks.use, on)),
        "pue": _flat(true.pue_verdicts(days, on)),
    }
    return {name: _dated(rows, TRUTH[name], on) for name, rows in found.items()}


def _possible(projects: Sequence[invented.Project]) -> list[invented.Project]:
    odd = {
        one.project_id
        for one in projects
        if one.entered_on and one.left_on and one.left_on < one.entered_on
    }
    return [one for one in projects if one.project_id not in odd]


def _can_be(day: invented.EnergyDay) -> bool:
    both = day.facility_wh is not None and day.it_wh is not None
    return both and (day.it_wh or 0) <= (day.facility_wh or 0)


def _flat(rows: Mapping[str, Sequence[object]]) -> list[Sequence[object]]:
    return [(name, *rest) for name, rest in sorted(rows.items())]


def _dated(rows: Iterable[Sequence[object]], schema: pa.Schema, on: date) -> pa.Table:
    dated = pa.schema([pa.field("reference_date", pa.date32()), *schema])
    return pa.Table.from_pylist(
        [dict(zip(dated.names, (on, *row), strict=True)) for row in rows], dated
    )
