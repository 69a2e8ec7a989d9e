"""The whole simulated district: what park gateways serve and, beside it, the office's files."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.simulator.district import running
from connectors.simulator.district.facts import facts as district_facts
from connectors.simulator.district.files import write_files
from connectors.simulator.district.gateways import as_district
from connectors.simulator.district.park_files import (
    offered,
    truth_tables,
    with_use,
    write_park_files,
)
from connectors.simulator.district.rows import NO_ROW, DistrictFacts
from connectors.simulator.district.truth_tables import tables
from connectors.simulator.park_facts import facts as gateway_facts

ENTERPRISES: Final = 600
TERMINALS: Final = 20_000
"""A tenth of the plan's 200,000: what a demonstration reads in seconds."""

SINCE: Final = timedelta(days=28)
"""Changes are told against four weeks before."""

ROWS: Final = (
    "enterprises", "sites", "machines", "terminals", "tenants", "declarations", "provider_use",
    "collector_down", "claims",
)  # fmt: skip


def office(seed: int, on: date) -> DistrictFacts:
    """The part of the district that the office keeps files of; the fleet's factories are not."""
    return district_facts(seed, on, enterprises=ENTERPRISES, terminals=TERMINALS, with_fleet=False)


def together(one: DistrictFacts, other: DistrictFacts) -> DistrictFacts:
    """Both as one district on the first's reference date; nothing of the two may be the same."""
    days = tuple(sorted({*one.days, *other.days}))
    rows: dict[str, Any] = {name: (*getattr(one, name), *getattr(other, name)) for name in ROWS}
    return replace(
        other,
        reference_date=one.reference_date,
        days=days,
        **rows,
        listing_ids=(*one.listing_ids, *other.listing_ids),
        good_values=_over(days, one, other, "good_values", NO_ROW),
        sent=_over(days, one, other, "sent", NO_ROW),
        calendar_of=(*one.calendar_of, *other.calendar_of),
        operating=_over(days, one, other, "operating", 0),
    )


def _over(
    days: tuple[date, ...], one: DistrictFacts, other: DistrictFacts, name: str, fill: int
) -> npt.NDArray[np.signedinteger[Any]]:
    """A matrix of both, side by side on all days."""
    place = {day: number for number, day in enumerate(days)}
    parts = []
    for facts in (one, other):
        own = getattr(facts, name)
        wide = np.full((own.shape[0], len(days)), fill, own.dtype)
        wide[:, [place[day] for day in facts.days]] = own
        parts.append(wide)
    return np.concatenate(parts)


def write(folder: Path, seed: int, anchor: datetime, files: Path | None) -> None:
    """Write the true figures; with `files` the office's files there.

    Its enterprises are then in the figures too, and of some it has how they ran, day by day.
    """
    world, more = as_district(gateway_facts(seed, anchor)), dict[str, pa.Table]()
    if files is not None:
        beside = office(seed, world.reference_date)
        of_parks = offered(beside, seed)
        beside = with_use(beside, of_parks)
        write_files(beside, files)
        running.write(running.running(beside, seed), files, folder)
        write_park_files(of_parks, files)
        more, world = truth_tables(of_parks), together(world, beside)
    for name, table in (tables(world, world.reference_date - SINCE) | more).items():
        if name != "ideal":
            pq.write_table(table, folder / f"{name}.parquet", compression="zstd")
