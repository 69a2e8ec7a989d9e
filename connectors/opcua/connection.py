"""One connection to one server: what every part of its link works on."""

from dataclasses import dataclass, field

from connectors.fleet import ServerEntry, Site
from connectors.ledger import Ledger
from connectors.opcua.feed import Feed
from connectors.opcua.nodes import Nodes
from connectors.opcua.session import Session
from connectors.opcua.world import Stock, World


@dataclass(frozen=True, slots=True)
class Connection:
    """What is asked of a server (`entry`), and what there is to work with while it is connected."""

    world: World
    site: Site
    entry: ServerEntry
    session: Session
    stock: Stock
    feed: Feed
    nodes: Nodes = field(default_factory=Nodes)

    @property
    def url(self) -> str:
        """What the fleet file and every warning call the server."""
        return self.entry.url

    @property
    def uri(self) -> str:
        """What ledger and rows call the server."""
        return self.stock.server_uri

    @property
    def ledger(self) -> Ledger:
        """Where coverage and gaps are written."""
        return self.world.ledger
