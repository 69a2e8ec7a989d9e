"""Single assets, called with small frames in a ledger and a lake of their own."""

from datetime import timedelta

import polars as pl
import pytest

from connectors.home import Home
from connectors.lake import Lake, Partition
from connectors.ledger import Ledger
from pipelines import carry, clock, oee, states
from pipelines.conventions import NO_CONVENTIONS
from pipelines.schemas import CONVENTIONS
from tests.pipelines import plant
from tests.pipelines.plant import Said
from tests.pipelines.test_conventions import convention
from tests.pipelines.test_lines import order, ran

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
    given = (episodes, increments, carried, plan, cycles, tags, NO_CONVENTIONS)
    frames = [frame.lazy() for frame in given]
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


@pytest.fixture
def here(home, tmp_path, monkeypatch):
    """A home of one factory, whose machines M1 and M2 were heard for an hour."""
    from assets import figures

    monkeypatch.setattr(figures, "HOME", Home(tmp_path))
    entered(tmp_path)
    return tmp_path


def one_hour(*stories, units=("M1", "M2")):
    """The frames of an hour: episodes, increments, nothing carried, plan, cycles, tags, no
    conventions."""
    tags, cycles = plant.tags(units=units), plant.cycles(A=60.0)
    said = [s for story in stories for s in story]
    episodes, increments = plant.silver(plant.raw(said), tags, cycles)
    plan = plant.plan(("A", 0, 3600, "busy"))
    frames = (episodes, increments, plant.NOTHING_CARRIED, plan, cycles, tags, NO_CONVENTIONS)
    return [frame.lazy() for frame in frames]


def test_a_sequential_line_in_the_lineage(here):
    from assets import figures

    frames = one_hour(ran("M1", 50), ran("M2", 40))
    given = order({"M1": 1, "M2": 2}, since=0).lazy()
    (row,) = figures.line_oee_by_shift(*frames, given).to_dicts()
    assert (row["oee"], row["bottleneck"]) == (40 * 60 / 3600, "M2")
    assert row["partition_day"] == plant.DAY
    nothing = figures.line_oee_by_shift(*frames, order({}).lazy())
    assert nothing.is_empty()
    agreed = pl.DataFrame([convention("own", 0, line_id="L1")], CONVENTIONS).lazy()
    (row,) = figures.line_oee_by_shift(*frames[:-1], agreed, given).to_dicts()
    assert (row["oee"], row["profile_id"]) == (40 * 60 / 3600, "own")


def test_reliability_in_the_lineage(here):
    import dagster as dg

    from assets import figures

    broken = [Said(1800, "item_state", 1, unit="M1"), Said(2400, "item_state", 3, unit="M1")]
    episodes, _, _, plan, _, *known = one_hour(ran("M1", 0), broken, ran("M2", 0))
    found = figures.reliability_by_shift(dg.build_asset_context(), episodes, plan, *known)
    assert found.select("failures", "repairs", "mttr_s").rows() == [(1, 1, 600.0), (0, 0, None)]


def test_semi_counts_a_tool_s_whole_day(here):
    from assets import figures

    episodes, increments, _, plan, cycles, tags, _ = one_hour(ran("M1", 60), ran("M2", 30))
    found = figures.semi_figures(episodes, increments.collect(), plan, cycles, tags, [plant.DAY])
    assert found["prd_s"].to_list() == [3600, 3600]
    assert found["total_s"].to_list() == [3600, 3600]  # the day is cut where coverage ends
    assert found["e79_oee"].to_list() == [1.0, 0.5]


@pytest.mark.parametrize("sector", ["ic", "ev", None])
def test_the_sector_of_a_factory_is_the_fleet_file_s(here, sector):
    from assets import partitions

    assert partitions.sector_of("F01", Home(here)) is None
    told = f'sector = "{sector}"' if sector else ""
    (here / "fleet.toml").write_text(f'[[factory]]\nid = "F01"\n{told}\n')
    assert partitions.sector_of("F01", Home(here)) == sector
    assert partitions.sector_of("F02", Home(here)) is None


def test_who_should_be_in_a_roll_up_is_read_factory_by_factory(here):
    from assets import figures

    lake = Lake(here / "lake")
    lake.write("tags", plant.tags(units=("M1", "M2")), Partition(factory="F01"))
    lake.path("tags", Partition(factory="F02")).parent.mkdir(parents=True)
    lake.path("tags", Partition(factory="F02")).write_bytes(b"no catalogue")
    found = figures.expected(["F01", "F02", "F03"], [plant.DAY])
    assert found["work_unit_id"].to_list() == ["M1", "M2"]
    assert figures.expected([], [plant.DAY]).is_empty()
