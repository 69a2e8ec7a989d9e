from datetime import datetime

import pytest

from connectors.simulator.calendars import ZONE
from connectors.simulator.timeline import FactoryTimeline, build_factories

ANCHOR = datetime(2026, 11, 18, 12, 0, tzinfo=ZONE)
SEED = 7


class Part:
    """Every `step`th enterprise and terminal of a park, with all its nodes."""

    def __init__(self, park, step):
        self.site_id, self.server_uri, self.series = park.site_id, park.server_uri, park.series
        entities = list(dict.fromkeys(node.path[2] for node in park.nodes))
        chosen = set(entities[::step])
        self.nodes = [node for node in park.nodes if node.path[2] in chosen]


@pytest.fixture(scope="session")
def factories() -> list[FactoryTimeline]:
    return build_factories(SEED, ANCHOR, days_back=1, days_ahead=0.25)
