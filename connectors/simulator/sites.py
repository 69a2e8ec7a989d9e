"""All sites of the simulated world: the factories' timelines and the park gateways'."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from connectors.simulator import adoption_truth, fleet_file, park_facts, parks, truth
from connectors.simulator.fleet import fleet
from connectors.simulator.nodes import SiteTimeline
from connectors.simulator.park_facts import PARKS
from connectors.simulator.timeline import build_factories

TRUTH_BACK: Final = timedelta(hours=97)
TRUTH_AHEAD: Final = timedelta(hours=6)
"""What a collector may have asked for: all the history served, and six hours of live values."""


def timelines(seed: int, anchor: datetime, signal_period_s: float) -> list[SiteTimeline]:
    """Every site, factories first; cheap, as a timeline computes its series when asked."""
    factories = build_factories(seed, anchor, signal_period_s=signal_period_s)
    return [*factories, *parks.timelines(seed, anchor)]


def site_ids() -> Sequence[str]:
    """The ids of all sites, in the order of `timelines`."""
    return [*(factory.factory_id for factory in fleet()), *PARKS]


def write_fleet(path: Path, urls: Mapping[str, str], sites: Sequence[SiteTimeline]) -> None:
    """Write the fleet file and the files it names; the fleet file appears last and whole."""
    part = path.with_name(f".{path.name}.part")
    fleet_file.write_fleet(part, sites, urls)
    os.replace(part, path)


def write_truth(
    folder: Path, seed: int, anchor: datetime, timelines: Sequence[SiteTimeline]
) -> None:
    """Write what really happened; `adoption.parquet` is the parks' part."""
    adoption_truth.write(park_facts.facts(seed, anchor), folder / "adoption.parquet")
    truth.write_truth(folder, timelines, start=anchor - TRUTH_BACK, end=anchor + TRUTH_AHEAD)
