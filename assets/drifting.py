"""Which factories' models are due, asked without training any: what the sensor reads."""

import json
from typing import NamedTuple

from assets import retraining
from assets.machine_days import table
from assets.partitions import FACTORY_IDS
from assets.tables import readable
from connectors.home import Home
from connectors.lake import Lake, Partition
from models.planned import plan_by_unit


class Request(NamedTuple):
    """A factory whose models are to be trained, what is due, and what tells it from the next."""

    factory: str
    due: list[str]
    run_key: str


def requests(home: Home, cursor: str | None) -> tuple[list[Request], str]:
    """Factories with a machine that is due, by a whole day that nobody has looked at yet.

    The cursor has the day that each factory was looked at by: each day is asked for once.
    """
    seen: dict[str, str] = json.loads(cursor) if cursor else {}
    found = []
    for factory in FACTORY_IDS:
        tags = readable(Lake(home.lake), "tags", factory)
        plan = table("plan", [Partition(factory=factory)])
        conventions = readable(Lake(home.lake), "conventions", factory)
        day, due = retraining.due(factory, tags, plan_by_unit(plan, tags, conventions))
        if day is None or seen.get(factory, "") >= day.isoformat():
            continue
        seen[factory] = day.isoformat()
        if due:
            found.append(Request(factory, due, f"models {factory}@{day}"))
    return found, json.dumps(seen, sort_keys=True)
