"""What several rooms of the arithmetic look at."""

import pytest

from tests.pipelines import fleet_world


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A small simulated fleet; tests leave it as it is."""
    return fleet_world.make(tmp_path_factory.mktemp("fleet"))
