"""A whole home without a server: what `materialize` needs, straight from the simulated timeline.

It stands outside `connectors.simulator`, which must not know the pipelines' tables.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from asyncua import ua
from asyncua.ua.object_ids import ObjectIds

from connectors.fleet import read_fleet
from connectors.ledger import Ledger
from connectors.opcua import catalogue
from connectors.opcua.browse import Variable
from connectors.opcua.decode import TYPE_NAMES
from connectors.opcua.session import Attribute
from connectors.raw import ticks_of
from connectors.simulator import offline
from connectors.simulator.calendars import to_time
from connectors.simulator.nodes import UNIFIED, Served, SiteTimeline
from connectors.simulator.outages import Outage
from connectors.tables import write_catalogue, write_plans

_NOWHERE: Final = Attribute(None, 0, 0, None)
_PARK_ID: Final = (UNIFIED, "ParkId")


def write_offline(
    folder: Path,
    *,
    seed: int,
    anchor: datetime,
    days: int = 2,
    sites: Sequence[SiteTimeline] | None = None,
    truth: Path | None = None,
    signal_period_s: float = 90.0,
    exam: bool = False,
    office: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> list[Outage]:
    """Write a complete new home as a collector would have left it; gives the outages played.

    `days` closed local days and today up to `anchor`, of all sites where `sites` names none, which
    then have the faults of the `exam` or of the default day. With `truth` and `office` the district
    office's files are written there.
    HomeRefused where the folder holds anything.
    """
    made, outages = offline.write_offline(
        folder,
        seed=seed,
        anchor=anchor,
        days=days,
        sites=sites,
        truth=truth,
        signal_period_s=signal_period_s,
        exam=exam,
        office=office,
        say=say,
    )
    fleet = read_fleet(folder / offline.FLEET)
    write_plans(fleet, folder)
    urls = {site.site_id: site.servers[0].url for site in fleet.sites}
    parks = {site.site_id for site in fleet.sites if site.is_park}
    with Ledger(folder) as ledger:
        for site in made:
            tags = catalogue.tags(
                list(variables(site, anchor)),
                server_uri=site.server_uri,
                site_id=site.site_id,
                is_park=site.site_id in parks,
            )
            write_catalogue(folder, site.site_id, tags)
            window = offline.collected(site, anchor, days)
            own = [outage for outage in outages if outage.site_id == site.site_id]
            _enter(ledger, site, urls[site.site_id], window, own)
    return outages


def variables(site: SiteTimeline, anchor: datetime) -> Iterator[Variable]:
    """The site's nodes as browsing finds them, with the values that the catalogue reads."""
    for node in site.nodes:
        told = not node.historized or node.path[-1] == _PARK_ID
        yield Variable(
            node_id=ua.NodeId.from_string(node.node_id.partition(";")[2]),
            text=node.node_id,
            path=node.path,
            data_type=_declared(node.value_type),
            value=_value(site, node, ticks_of(anchor)) if told else _NOWHERE,
            historized=node.historized,
        )


def _declared(value_type: str) -> str:
    """The data type a simulated server declares; its only structures are units."""
    is_unit = value_type == "ExtensionObject"
    number = ObjectIds.EUInformation if is_unit else TYPE_NAMES.index(value_type)
    return f"nsu={catalogue.OPCUA};i={int(number)}"


def _value(site: SiteTimeline, node: Served, at_ticks: int) -> Attribute:
    """The newest value that the node has said by `at_ticks`."""
    series = site.series(node)
    said = series.values[series.delivered_ticks <= at_ticks].tolist()
    return Attribute(said[-1] if said else None, 0, 0, None)


def _enter(
    ledger: Ledger,
    site: SiteTimeline,
    url: str,
    window: offline.Window,
    outages: Sequence[Outage],
) -> None:
    """The server, the window that is vouched for, and every outage that history has filled."""
    uri = ledger.claim(site.site_id, url, site.server_uri)
    for outage in outages:
        ledger.open_gap(uri, None, to_time(outage.start_ms), f"link lost: {outage.kind}")
        back = to_time(outage.end_ms + offline.RECONNECT_MS)
        ledger.close_gap(uri, None, back, "history")
    ledger.cover(uri, to_time(window.history_ms), to_time(window.end_ms))
    ledger.set_state(uri, "stopped", to_time(window.end_ms), nodes=len(site.nodes))
