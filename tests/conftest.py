"""For all tests: examples may take as long as they like, a busy machine is no failure.

`make test` holds every change against the same examples (profile `gate`), so that it fails by its
own faults only; `make soak` looks for new ones. `make test` runs in two processes (pytest-xdist):
tests that share what is dear to make stay together, and so do those that wait for servers and
processes, of which no two then run at a time. One test by hand needs none of this.
"""

import pytest
from hypothesis import settings

settings.register_profile("parkpulse", deadline=None)
settings.register_profile("gate", deadline=None, derandomize=True)
settings.load_profile("parkpulse")

ROOMS = {
    "tests/assets/": "home",
    "tests/connectors/opcua/": "servers",
    "tests/connectors/simulator/servers/": "servers",
    "tests/connectors/simulator/test_offline_agrees.py": "servers",
    "tests/benchmarks/test_load.py": "servers",
    "tests/connectors/simulator/": "factories",
    "tests/pipelines/test_determinism.py": "world",
    "tests/pipelines/test_shortcuts.py": "world",
}
"""The room of a test, by how its path begins; every other file is a room of its own."""
LARGE = list(dict.fromkeys(ROOMS.values()))


def room_of(nodeid: str) -> str:
    """Tests of one room run one behind the other in one process."""
    path = nodeid.partition("::")[0]
    return next((room for begin, room in ROOMS.items() if path.startswith(begin)), path)


def turn_of(item) -> int:
    """Large rooms begin first: small ones fill up the end of the run."""
    room = room_of(item.nodeid)
    return LARGE.index(room) if room in LARGE else len(LARGE)


def pytest_collection_modifyitems(config, items):
    if hasattr(config, "workerinput"):  # one process of several
        items.sort(key=turn_of)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Deals out whole rooms, in the order in which they stand."""
    from xdist.scheduler import LoadScopeScheduling

    class Rooms(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return room_of(nodeid)

    config.option.loadscopereorder = False
    return Rooms(config, log)
