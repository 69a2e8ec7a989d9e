from datetime import datetime

import pytest

from connectors.simulator.calendars import ZONE
from connectors.simulator.timeline import FactoryTimeline, build_factories

ANCHOR = datetime(2026, 11, 18, 12, 0, tzinfo=ZONE)
SEED = 7


@pytest.fixture(scope="session")
def factories() -> list[FactoryTimeline]:
    return build_factories(SEED, ANCHOR, days_back=1, days_ahead=0.25)
