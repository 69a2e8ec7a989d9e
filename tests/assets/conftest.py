import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq
import pytest

from connectors.entered_facts import enter_facts
from connectors.home import Home
from connectors.offline_home import write_offline
from connectors.register_import import import_file
from connectors.simulator import sites
from connectors.simulator.district.facts import facts
from connectors.simulator.district.files import write_csv
from connectors.simulator.district.park_files import offered, truth_tables, write_park_files
from connectors.simulator.park_projects import rows

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[1] / "models")]

ANCHOR = datetime(2026, 11, 18, 2, 30, tzinfo=ZoneInfo("Asia/Shanghai"))
SITES = ["F01", "F07", "P01", "P02", "P03"]
SEED = 3


@pytest.fixture(scope="session")
def truth(tmp_path_factory):
    return tmp_path_factory.mktemp("truth") / "truth"


@pytest.fixture(scope="session")
def home(tmp_path_factory, truth):
    """An offline home of two factories and the parks: what a collector would have left.

    A Dagster code location serves one home, so every test of `assets` lives in this one.
    """
    root = tmp_path_factory.mktemp("walk") / "home"
    chosen = sites.timelines(SEED, ANCHOR, 90.0, SITES)
    write_offline(root, seed=SEED, anchor=ANCHOR, days=2, sites=chosen, truth=truth)
    os.environ["PARKPULSE_HOME"] = str(root)
    of_an_office(Home(root), root.parent / "office", truth)
    return Home(root)


def of_an_office(home, folder, truth):
    """Projects, services with their use, data centres and lists of a small office.

    Its enterprises are not imported, so they change no figure of adoption.
    """
    folder.mkdir()
    day = ANCHOR.date() - timedelta(days=1)
    of_parks = offered(facts(SEED, day, enterprises=400, terminals=400, with_fleet=False), SEED)
    write_park_files(of_parks, folder)
    use = [list(one.values())[:-1] for one in rows(of_parks.use)]
    heads = ["platform", "tenant_id", "uscc", "level", "service", "day"]
    write_csv(folder / "provider_use.csv", heads, use)
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        import_file(home, path)
    entered = folder / "entered" / "entered_facts.csv"
    enter_facts(home.entered_facts, entered, entered_at=datetime.now(UTC))
    for name, table in truth_tables(of_parks).items():
        pq.write_table(table, truth / f"{name}.parquet")


@pytest.fixture(scope="session")
def walked(home, truth):
    """The home with every asset materialised."""
    from assets.materialize import everything

    import_days(home, truth)
    said = []
    assert everything(None, None, say=said.append), "\n".join(said)
    return home


def import_days(home, truth, courses=28, plain=12):
    """How some enterprises of the parks ran, as an office would import it; the truth beside."""
    from connectors.register_import import import_file
    from connectors.simulator.district import running
    from connectors.simulator.district.gateways import as_district
    from connectors.simulator.park_facts import facts

    district = as_district(facts(SEED, ANCHOR))
    made = running.running(
        district, SEED, known_since=district.days[0], courses=courses, plain=plain
    )
    folder = truth.parent / "office"
    folder.mkdir()
    running.write(made, folder, truth)
    import_file(home, folder / "enterprise_days.parquet")
