"""Single assets, called with small frames in a ledger and a lake of their own."""

import pytest

from connectors.ledger import Ledger
from tests.pipelines import plant
from tests.pipelines.plant import Said

RUNNING = [Said(-60, "item_state", 3), Said(-60, "operation_mode", 3)]


def entered(home, *outages):
    """The ledger of a server without history that was away, as the collector writes it."""
    with Ledger(home) as ledger:
        uri = ledger.claim("F01", "opc.tcp://a:1", plant.SERVER)
        ledger.cover(uri, plant.at(0), plant.at(1))
        for start, end in outages:
            covered = ledger.covered(uri)
            ledger.cover(uri, covered[1], plant.at(start))
            ledger.open_gap(uri, None, plant.at(start), "collector was away")
            ledger.cover(uri, plant.at(start), plant.at(end))
            ledger.close_gap(uri, None, plant.at(end), None)
        ledger.cover(uri, ledger.covered(uri)[1], plant.at(3600))


@pytest.mark.usefixtures("home")
def test_an_outage_without_history_is_unknown(tmp_path, monkeypatch):
    from assets import figures
    from connectors.home import Home

    monkeypatch.setattr(figures, "HOME", Home(tmp_path))
    entered(tmp_path, (600, 3000))
    tags, cycles = plant.tags(), plant.cycles(A=10.0)
    episodes, increments = plant.silver(plant.raw(RUNNING), tags, cycles)
    plan = plant.plan(("A", 0, 3600, "busy"))
    frames = [frame.lazy() for frame in (episodes, increments, plan, cycles, tags)]
    found = figures.oee_by_shift(*frames).row(0, named=True)
    assert (found["apt_s"], found["unknown_s"]) == (1200, 2400)
    assert found["completeness"] == pytest.approx(1 / 3)
