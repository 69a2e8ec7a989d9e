"""All sites of the simulated world: the factories' timelines and the park gateways'.

The factories' modules are looked up by name, so that the gateways also run without them.
"""

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType

from connectors.simulator import adoption_truth, parks
from connectors.simulator.nodes import SiteTimeline
from connectors.simulator.park_facts import PARKS, facts


def timelines(
    seed: int, anchor: datetime, signal_period_s: float, only: Sequence[str] | None = None
) -> list[SiteTimeline]:
    """Every site, or those named in `only`; factories first."""
    wanted = set(site_ids() if only is None else only)
    sites: list[SiteTimeline] = []
    factories = _module("timeline")
    if factories is not None and wanted - set(PARKS):
        sites += factories.build_factories(seed, anchor, signal_period_s=signal_period_s)
    if wanted & set(PARKS):
        sites += parks.timelines(seed, anchor)
    return [site for site in sites if site.site_id in wanted]


def site_ids() -> list[str]:
    """The ids of all sites, in the order of `timelines`."""
    fleet = _module("fleet")
    factories = [] if fleet is None else [factory.factory_id for factory in fleet.fleet()]
    return [*factories, *PARKS]


def server_uri(site_id: str) -> str:
    """The ApplicationUri of a site's server."""
    return parks.URI.format(site_id)


def write_fleet(path: Path, seed: int, anchor: datetime, urls: Mapping[str, str]) -> None:
    """Write the fleet file of the sites in `urls` and what it names; `path` appears last, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text("", encoding="utf-8")
    factories = [site_id for site_id in urls if site_id not in PARKS]
    if factories:
        sites = timelines(seed, anchor, 90.0, factories)
        importlib.import_module("connectors.simulator.fleet_file").write_fleet(part, sites, urls)
    with part.open("a", encoding="utf-8") as file:
        for park_id in (site_id for site_id in urls if site_id in PARKS):
            file.write(f'\n[[park]]\nid = "{park_id}"\n[[park.server]]\nurl = "{urls[park_id]}"\n')
    part.replace(path)


def write_truth(folder: Path, seed: int, anchor: datetime, sites: Sequence[SiteTimeline]) -> None:
    """Write what really happens; `manifest.json` comes last."""
    adoption_truth.write(facts(seed, anchor), folder / "adoption.parquet")
    writer = _module("truth")
    if writer is not None:
        writer.write_truth(folder, sites)


def _module(name: str) -> ModuleType | None:
    full = f"connectors.simulator.{name}"
    return importlib.import_module(full) if importlib.util.find_spec(full) else None
