"""Single assets, called with small frames in a ledger and a lake of their own."""

from datetime import timedelta

import polars as pl
import pytest

from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.ledger import Ledger
from pipelines import carry, clock, oee, states
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

    monkeypatch.setattr(figures, "HOME", Home(tmp_path))
    entered(tmp_path, (600, 3000))
    tags, cycles = plant.tags(), plant.cycles(A=10.0)
    episodes, increments = plant.silver(plant.raw(RUNNING), tags, cycles)
    plan = plant.plan(("A", 0, 3600, "busy"))
    carried = plant.NOTHING_CARRIED
    frames = [frame.lazy() for frame in (episodes, increments, carried, plan, cycles, tags)]
    found = figures.oee_by_shift(*frames).row(0, named=True)
    assert (found["apt_s"], found["unknown_s"]) == (1200, 2400)
    assert found["completeness"] == pytest.approx(1 / 3)


@pytest.mark.usefixtures("home")
def test_carried_rows_keep_the_clock_of_their_own_day(tmp_path, monkeypatch):
    """Stopped two minutes past a midnight that its clock, 600 s ahead, has already passed."""
    from assets import machines

    yesterday, before = (plant.DAY - timedelta(days=n) for n in (1, 2))
    here = Home(tmp_path)
    here.create(first_day=before)
    monkeypatch.setattr(machines, "HOME", here)
    said = [Said(-87_060, m, 3) for m in ("item_state", "operation_mode")]
    said += [Said(-86_880, "item_state", 1), Said(-86_880, "operation_mode", 0)]
    rows, tags = plant.ahead(plant.raw(said), 600), plant.tags()
    offsets = clock.skew_by_day(rows)
    for day in (before, yesterday):
        own = offsets.filter(pl.col("day") == day)
        Lake(here.lake).write("clock_offsets", own, Partition(day, "F01"))
    last = carry.last_values(plant.NOTHING_CARRIED, rows, tags, [before])
    near = offsets.filter(pl.col("day") == yesterday)
    day = clock.local_day(pl.col("source_time"))
    values, _ = machines.timed(
        "F01", rows.filter(day == yesterday).lazy(), last.drop("partition_day").lazy(),
        near.lazy(), tags.lazy(), ["state"],
    )  # fmt: skip
    found = oee.by_shift(
        states.episodes(values, tags), plant.silver(plant.raw([]), tags, plant.cycles())[1],
        plant.plan(("A", 0, 28_800, "busy")), plant.cycles(A=10.0), plant.coverage((0, 28_800)),
        tags,
    ).row(0, named=True)  # fmt: skip
    assert (found["apt_s"], found["adot_s"]) == (0, 28_800)
