"""All sites of the simulated world: the factories' timelines and the park gateways'."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from connectors.simulator import adoption_truth, park_facts, parks
from connectors.simulator.nodes import SiteTimeline
from connectors.simulator.park_facts import PARKS


def timelines(seed: int, anchor: datetime, signal_period_s: float) -> list[SiteTimeline]:
    """Every site, factories first; cheap, as a timeline computes its series when asked."""
    return [*parks.timelines(seed, anchor)]


def site_ids() -> Sequence[str]:
    """The ids of all sites, in the order of `timelines`."""
    return PARKS


def write_fleet(path: Path, urls: Mapping[str, str], seed: int, anchor: datetime) -> None:
    """Write the fleet file of the sites at `urls`, atomically."""
    text = "".join(
        f'[[{"park" if site.startswith("P") else "factory"}]]\nid = "{site}"\n'
        f'[[{"park" if site.startswith("P") else "factory"}.server]]\nurl = "{url}"\n\n'
        for site, url in urls.items()
    )
    part = path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def write_truth(
    folder: Path, seed: int, anchor: datetime, timelines: Sequence[SiteTimeline]
) -> None:
    """Write what really happened; `adoption.parquet` is the parks' part."""
    adoption_truth.write(park_facts.facts(seed, anchor), folder / "adoption.parquet")
