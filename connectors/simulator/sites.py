"""All sites of the simulated world: the factories' timelines and the park gateways'."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from connectors.simulator import fleet_file, parks, truth
from connectors.simulator.district import world
from connectors.simulator.fleet import fleet
from connectors.simulator.nodes import SiteTimeline
from connectors.simulator.park_facts import PARKS
from connectors.simulator.timeline import build_factories, span_of

TRUTH_BACK: Final = timedelta(hours=97)
TRUTH_AHEAD: Final = timedelta(hours=6)
"""What a collector may have asked for: all the history served, and six hours of live values."""


def timelines(
    seed: int,
    anchor: datetime,
    signal_period_s: float,
    only: Sequence[str] | None = None,
    days_back: int = 4,
    exam: bool = False,
) -> list[SiteTimeline]:
    """Every site, or those named in `only`; factories first, since `days_back` + 1 midnights.

    With `exam` the factories' faults are those of exam.toml.
    """
    wanted = set(site_ids() if only is None else only)
    sites: list[SiteTimeline] = []
    if wanted - set(PARKS):
        sites += build_factories(
            seed, anchor, days_back=days_back, signal_period_s=signal_period_s, exam=exam
        )
    if wanted & set(PARKS):
        sites += parks.timelines(seed, anchor)
    return [site for site in sites if site.site_id in wanted]


def site_ids() -> list[str]:
    """The ids of all sites, in the order of `timelines`."""
    return [*(factory.factory_id for factory in fleet()), *PARKS]


def server_uri(site_id: str) -> str:
    """The ApplicationUri of a site's server."""
    return parks.URI.format(site_id)


def write_fleet(path: Path, anchor: datetime, urls: Mapping[str, str]) -> None:
    """Write the fleet file of the sites in `urls` and what it names; `path` appears last, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    fleet_file.write_fleet(part, urls, span_of(anchor))
    part.replace(path)


def write_truth(
    folder: Path,
    seed: int,
    anchor: datetime,
    sites: Sequence[SiteTimeline],
    back: timedelta = TRUTH_BACK,
    office: Path | None = None,
) -> None:
    """Write what really happens; `manifest.json` comes last.

    With `office` the files of the district office are written there, and what they say is so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    world.write(folder, seed, anchor, office)
    truth.write_truth(folder, sites, start=anchor - back, end=anchor + TRUTH_AHEAD)
